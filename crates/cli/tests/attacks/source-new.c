/* A new file among the sources. */
#include "attack.h"
int main(int c, char **v) {
    char path[4096];
    snprintf(path, sizeof path, "%s.extra", v[1]);
    finish(mark(open(path, O_CREAT | O_EXCL | O_WRONLY, 0644)));
}
