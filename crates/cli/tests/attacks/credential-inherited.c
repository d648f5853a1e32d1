/* A descriptor that the caller left open leads to the key. */
#include "attack.h"
int main(int c, char **v) {
    for (int fd = 3; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0 && lseek(fd, 0, SEEK_SET) == 0 && has_secret(fd)) finish(1);
    finish(0);
}
