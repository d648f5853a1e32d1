/* DNS over HTTPS by a name that is not allowed (CVE-2026-32947 for one that is: that goes on inside TLS). */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    unsigned char first[512];
    if (!lookup("resolver.test", address)) finish(0);
    int fd = dial(address, 443);
    if (fd < 0) finish(0);
    send(fd, first, hello(first, "resolver.test"), 0);
    finish(gets_prize(fd));
}
