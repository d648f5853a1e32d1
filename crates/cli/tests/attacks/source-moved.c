/* The directory above the tree gets another name for a moment, under which no rule knows the sources. */
#include "attack.h"
int main(int c, char **v) {
    char here[4096], other[4200], source[4300];
    getcwd(here, sizeof here);
    *strrchr(here, '/') = 0; /* the home, in which the project lies */
    snprintf(other, sizeof other, "%s.moved", here);
    if (rename(here, other)) { failed("rename"); finish(0); }
    snprintf(source, sizeof source, "%s/project/src/main.c", other);
    int won = mark(open(source, O_WRONLY));
    rename(other, here);
    finish(won);
}
