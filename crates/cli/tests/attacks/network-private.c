/* A machine of the private network. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char first[512];
    int fd = dial("10.9.8.7", 443);
    if (fd < 0) finish(0);
    send(fd, first, hello(first, "allowed.test"), 0);
    finish(gets_prize(fd));
}
