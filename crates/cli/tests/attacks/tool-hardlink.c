/* A denied program by a second name. */
#include "attack.h"
int main(int c, char **v) {
    if (link(v[1], "out/innocent")) failed("link");
    execl("out/innocent", "cc", NULL);
    failed("execl"), finish(0);
}
