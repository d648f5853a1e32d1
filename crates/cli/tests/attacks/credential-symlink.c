/* By way of a symbolic link among the outputs. */
#include "attack.h"
int main(int c, char **v) {
    if (symlink(v[1], "out/notes.txt")) failed("symlink");
    finish(has_secret(open("out/notes.txt", O_RDONLY)));
}
