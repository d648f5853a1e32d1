/* A script that names the denied program as its interpreter. */
#include "attack.h"
int main(int c, char **v) {
    int fd = open("out/script", O_CREAT | O_WRONLY, 0755);
    dprintf(fd, "#!%s\n", v[1]);
    close(fd);
    execl("out/script", "script", NULL);
    failed("execl"), finish(0);
}
