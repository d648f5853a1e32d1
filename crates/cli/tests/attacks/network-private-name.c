/* The same by an allowed name that leads there. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    unsigned char first[512];
    if (!lookup("intern.test", address)) finish(0);
    int fd = dial(address, 443);
    if (fd < 0) finish(0);
    send(fd, first, hello(first, "intern.test"), 0);
    finish(gets_prize(fd));
}
