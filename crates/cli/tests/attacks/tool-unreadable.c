/* A program that can be executed and not read, by a descriptor: nobody can tell what it is. */
#include "attack.h"
int main(int c, char **v) {
    char bytes[65536], *arguments[] = {"again", NULL}, *none[] = {NULL};
    ssize_t n;
    if (c == 1 && strcmp(v[0], "again") == 0) finish(1);
    int from = open("/proc/self/exe", O_RDONLY), to = open("out/program", O_CREAT | O_WRONLY, 0755);
    while ((n = read(from, bytes, sizeof bytes)) > 0) write(to, bytes, n);
    write(to, "!", 1), close(to);
    int fd = open("out/program", O_PATH);
    chmod("out/program", 0111);
    prctl(4 /* PR_SET_DUMPABLE */, 0);
    syscall(SYS_execveat, fd, "", arguments, none, AT_EMPTY_PATH);
    failed("execveat"), finish(0);
}
