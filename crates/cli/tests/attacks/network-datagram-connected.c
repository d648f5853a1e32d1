/* A connected datagram socket, and write(2). */
#include "attack.h"
int main(int c, char **v) {
    struct sockaddr_in to = v4("45.0.0.1", 9999);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (void *)&to, sizeof to)) { failed("connect"); finish(0); }
    if (write(fd, "data", 4) != 4) failed("write");
    finish(gets_prize(fd));
}
