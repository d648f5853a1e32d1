/* The first request is for the allowed host, the second on the same connection for another. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    const char *one = "GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n", *two = "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    if (!lookup("plain.test", address)) finish(0);
    int fd = dial(address, 80);
    if (fd < 0) finish(0);
    send(fd, one, strlen(one), MSG_NOSIGNAL);
    if (!gets_prize(fd)) finish(0);
    send(fd, two, strlen(two), MSG_NOSIGNAL);
    finish(gets_prize(fd));
}
