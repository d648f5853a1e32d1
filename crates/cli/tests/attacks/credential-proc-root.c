/* Through the root of a process outside, whose mounts hide nothing. */
#include "attack.h"
static char *secret;
static int look(int pid) {
    char path[5000];
    snprintf(path, sizeof path, "/proc/%d/root%s", pid, secret);
    return has_secret(open(path, O_RDONLY));
}
int main(int c, char **v) {
    secret = v[1];
    finish(any_outside(v[2], look));
}
