/* The allowed name and port, but by UDP: QUIC, where no server name is seen. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    if (!lookup("allowed.test", address)) finish(0);
    struct sockaddr_in to = v4(address, 443);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (void *)&to, sizeof to)) { failed("connect"); finish(0); }
    if (write(fd, "data", 4) != 4) failed("write");
    finish(gets_prize(fd));
}
