/* The allowed name's address, another server's name in TLS: what shared addresses of a CDN are used for. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    unsigned char first[512];
    if (!lookup("allowed.test", address)) finish(0);
    int fd = dial(address, 443);
    if (fd < 0) finish(0);
    send(fd, first, hello(first, "evil.test"), 0);
    finish(gets_prize(fd));
}
