/* The same by a socket option. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char first[512];
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = v4("45.0.0.1", 443);
    if (setsockopt(fd, IPPROTO_TCP, 30, &one, sizeof one)) failed("setsockopt");
    if (connect(fd, (void *)&to, sizeof to)) { failed("connect"); finish(0); }
    send(fd, first, hello(first, "allowed.test"), 0);
    finish(gets_prize(fd));
}
