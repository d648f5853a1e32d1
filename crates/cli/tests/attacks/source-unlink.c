/* The source is removed and made anew. */
#include "attack.h"
int main(int c, char **v) {
    if (unlink(v[1])) { failed("unlink"); finish(0); }
    finish(mark(open(v[1], O_CREAT | O_WRONLY, 0644)));
}
