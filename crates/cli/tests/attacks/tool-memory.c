/* A program that never was a file: our own with a byte more, in memory, so that no list knows its digest. */
#include "attack.h"
int main(int c, char **v) {
    if (c == 1 && strcmp(v[0], "again") == 0) finish(1);
    char bytes[65536], *arguments[] = {"again", NULL}, *none[] = {NULL};
    ssize_t n;
    int from = open("/proc/self/exe", O_RDONLY), to = syscall(SYS_memfd_create, "x", 0);
    if (to < 0) { failed("memfd_create"); finish(0); }
    while ((n = read(from, bytes, sizeof bytes)) > 0) write(to, bytes, n);
    write(to, "!", 1);
    fexecve(to, arguments, none);
    failed("fexecve"), finish(0);
}
