/* Another name server than ours, asked directly. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char out[512], in[512];
    struct sockaddr_in to = v4("45.0.0.53", 53);
    int length = question(out, "evil.test", 1), fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval wait = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (sendto(fd, out, length, 0, (void *)&to, sizeof to) < 0) { failed("sendto"); finish(0); }
    ssize_t n = recv(fd, in, sizeof in, 0);
    finish(n > 12 && in[7] > 0);
}
