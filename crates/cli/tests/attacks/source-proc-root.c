/* The same file by way of /proc/self/root. */
#include "attack.h"
int main(int c, char **v) {
    char real[4096], path[5000];
    if (!realpath(v[1], real)) finish(0);
    snprintf(path, sizeof path, "/proc/self/root%s", real);
    finish(mark(open(path, O_RDWR)));
}
