/* The same by /proc/self/fd. */
#include "attack.h"
int main(int c, char **v) {
    char path[64];
    int fd = open(v[1], O_PATH);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    execl(path, "cc", NULL);
    failed("execl"), finish(0);
}
