/* A second name for the key among the outputs: no path of it looks like a credential. */
#include "attack.h"
int main(int c, char **v) {
    if (link(v[1], "out/notes.txt")) { failed("link"); finish(0); }
    finish(has_secret(open("out/notes.txt", O_RDONLY)));
}
