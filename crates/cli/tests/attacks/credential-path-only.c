/* O_PATH first, which reads nothing, and then the same descriptor again by /proc. */
#include "attack.h"
int main(int c, char **v) {
    char path[64];
    int fd = open(v[1], O_PATH);
    if (fd < 0) { failed("open"); finish(0); }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    finish(has_secret(open(path, O_RDONLY)));
}
