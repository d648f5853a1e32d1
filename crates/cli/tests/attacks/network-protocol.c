/* The allowed name and port, but neither TLS nor HTTP. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    if (!lookup("allowed.test", address)) finish(0);
    int fd = dial(address, 443);
    if (fd < 0) finish(0);
    send(fd, "SSH-2.0-tunnel\r\n", 16, 0);
    finish(gets_prize(fd));
}
