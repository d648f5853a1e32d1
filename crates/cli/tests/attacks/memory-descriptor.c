/* pidfd_getfd(2): one of the supervisor's own descriptors. */
#include "attack.h"
static int take(int pid) {
    int fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return failed("pidfd_open");
    for (int number = 3; number < 16; number++)
        if (syscall(SYS_pidfd_getfd, fd, number, 0) >= 0) return 1;
    return failed("pidfd_getfd");
}
int main(int c, char **v) { finish(any_outside(v[2], take)); }
