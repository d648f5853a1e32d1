/* A denied program by a symbolic link. */
#include "attack.h"
int main(int c, char **v) {
    if (symlink(v[1], "out/innocent")) failed("symlink");
    execl("out/innocent", "cc", NULL);
    failed("execl"), finish(0);
}
