/* The allowed name at another port. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    unsigned char first[512];
    if (!lookup("allowed.test", address)) finish(0);
    int fd = dial(address, 853);
    if (fd < 0) finish(0);
    send(fd, first, hello(first, "allowed.test"), 0);
    finish(gets_prize(fd));
}
