/* A child with the same working directory (CLONE_FS) made an observer leave everything to the kernel. */
#include "attack.h"
int main(int c, char **v) {
    pid_t child = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
    finish(mark(open("out/../src/main.c", O_WRONLY)) || chmod(v[1], 0755) == 0);
}
