/* DNS over TCP to our own resolver, for a name that is not allowed. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char out[514], in[514];
    const char *server = resolver();
    int length = question(out + 2, "evil.test", 1), fd = dial(server, 53);
    if (fd < 0) finish(0);
    out[0] = 0, out[1] = length;
    send(fd, out, length + 2, 0);
    struct timeval wait = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    ssize_t n = recv(fd, in, sizeof in, 0);
    finish(n > 14 && in[9] > 0);
}
