/* Back into the mounts of a process outside. */
#include "attack.h"
static char *secret;
static int enter(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return failed("open");
    if (setns(fd, CLONE_NEWNS)) return failed("setns");
    return has_secret(open(secret, O_RDONLY));
}
int main(int c, char **v) {
    secret = v[1];
    finish(any_outside(v[2], enter));
}
