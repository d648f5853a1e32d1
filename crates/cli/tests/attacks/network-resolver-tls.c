/* DNS over TLS: port 853 of some resolver. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char first[512];
    int fd = dial("45.0.0.53", 853);
    if (fd < 0) finish(0);
    send(fd, first, hello(first, "allowed.test"), 0);
    finish(gets_prize(fd));
}
