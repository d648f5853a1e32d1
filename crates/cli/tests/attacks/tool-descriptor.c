/* execveat(2) on a descriptor: there is no path at all. */
#include "attack.h"
int main(int c, char **v) {
    int fd = open(v[1], O_PATH);
    char *arguments[] = {"cc", NULL}, *none[] = {NULL};
    syscall(SYS_execveat, fd, "", arguments, none, AT_EMPTY_PATH);
    failed("execveat"), finish(0);
}
