/* The directory of the sources is moved away, and another stands in its place. */
#include "attack.h"
int main(int c, char **v) {
    if (rename("src", "out/src.old") || mkdir("src", 0755)) { failed("rename"); finish(0); }
    finish(mark(open(v[1], O_CREAT | O_WRONLY, 0644)));
}
