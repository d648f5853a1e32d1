/* A denied program under another name. */
#include "attack.h"
int main(int c, char **v) {
    char bytes[65536];
    ssize_t n;
    int from = open(v[1], O_RDONLY), to = open("out/innocent", O_CREAT | O_WRONLY, 0755);
    if (from < 0) { failed("open"); finish(0); }
    while ((n = read(from, bytes, sizeof bytes)) > 0) write(to, bytes, n);
    close(to);
    execl("out/innocent", "cc", NULL);
    failed("execl"), finish(0);
}
