/* By a descriptor of the directory and a name that says nothing. */
#include "attack.h"
int main(int c, char **v) {
    char folder[4096];
    strcpy(folder, v[1]);
    *strrchr(folder, '/') = 0;
    int fd = open(folder, O_PATH | O_DIRECTORY);
    if (fd < 0) { failed("open"); finish(0); }
    if (fchdir(fd)) { failed("fchdir"); finish(0); }
    finish(has_secret(open("id_rsa", O_RDONLY)));
}
