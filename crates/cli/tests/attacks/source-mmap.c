/* The write goes through a shared mapping, after the descriptor was closed. */
#include "attack.h"
int main(int c, char **v) {
    int fd = open(v[1], O_RDWR);
    if (fd < 0) { failed("open"); finish(0); }
    char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) { failed("mmap"); finish(0); }
    memcpy(at, "/*!*/", 5);
    finish(msync(at, 4096, MS_SYNC) == 0);
}
