/* A symbolic link among the outputs leads to the source. */
#include "attack.h"
int main(int c, char **v) {
    char target[4096];
    if (!realpath(v[1], target) || symlink(target, "out/link")) { failed("symlink"); finish(0); }
    finish(mark(open("out/link", O_WRONLY)));
}
