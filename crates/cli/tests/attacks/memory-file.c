/* /proc/PID/mem of the supervisor. */
#include "attack.h"
static int look(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDONLY);
    return fd >= 0 || failed("open");
}
int main(int c, char **v) { finish(any_outside(v[2], look)); }
