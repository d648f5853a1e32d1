/* A second name for the source among the outputs, and the write goes through that. */
#include "attack.h"
int main(int c, char **v) {
    if (link(v[1], "out/second")) { failed("link"); finish(0); }
    finish(mark(open("out/second", O_WRONLY)));
}
