/* /proc/PID/maps of the supervisor: where to look. */
#include "attack.h"
static int look(int pid) {
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    int fd = open(path, O_RDONLY);
    return (fd >= 0 && read(fd, text, sizeof text) > 0) || failed("maps");
}
int main(int c, char **v) { finish(any_outside(v[2], look)); }
