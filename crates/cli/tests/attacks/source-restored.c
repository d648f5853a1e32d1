/* The way of SolarWinds: the source is changed, compiled, and put back as it was, times and all. */
#include "attack.h"
int main(int c, char **v) {
    char text[65536];
    struct stat before;
    int fd = open(v[1], O_RDWR);
    if (fd < 0) { failed("open"); finish(0); }
    fstat(fd, &before);
    ssize_t n = pread(fd, text, sizeof text, 0);
    pwrite(fd, MARK, sizeof MARK - 1, 0);
    int out = open("out/built", O_CREAT | O_WRONLY, 0644);
    char again[65536];
    int won = write(out, again, pread(fd, again, sizeof again, 0)) > 0;
    ftruncate(fd, 0), pwrite(fd, text, n, 0);
    struct timespec times[2] = {before.st_atim, before.st_mtim};
    futimens(fd, times);
    finish(won);
}
