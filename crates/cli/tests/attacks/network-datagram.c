/* A datagram by sendto(2). */
#include "attack.h"
int main(int c, char **v) {
    struct sockaddr_in to = v4("45.0.0.1", 9999);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (sendto(fd, "data", 4, 0, (void *)&to, sizeof to) < 0) { failed("sendto"); finish(0); }
    finish(gets_prize(fd));
}
