/* The same file by way of /proc/thread-self/cwd. */
#include "attack.h"
int main(int c, char **v) {
    char path[5000];
    snprintf(path, sizeof path, "/proc/thread-self/cwd/%s", v[1]);
    finish(mark(open(path, O_RDWR)));
}
