/* /proc/PID/environ of the supervisor, where a token may be. */
#include "attack.h"
static int look(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    return has_secret(open(path, O_RDONLY));
}
int main(int c, char **v) { finish(any_outside(v[2], look)); }
