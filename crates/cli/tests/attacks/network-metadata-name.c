/* The same by an allowed name whose owner lets it lead there. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    const char *request = "GET /latest/meta-data/ HTTP/1.1\r\nHost: meta.test\r\n\r\n";
    if (!lookup("meta.test", address)) finish(0);
    int fd = dial(address, 80);
    if (fd < 0) finish(0);
    send(fd, request, strlen(request), 0);
    finish(gets_prize(fd));
}
