/* Opened for reading, and opened again for writing through /proc/self/fd. */
#include "attack.h"
int main(int c, char **v) {
    char path[64];
    int fd = open(v[1], O_RDONLY);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    finish(mark(open(path, O_RDWR)));
}
