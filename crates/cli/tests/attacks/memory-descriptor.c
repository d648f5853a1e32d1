/* pidfd_getfd(2): one of the supervisor's own descriptors. The standard ones count: it need not have others open. */
#include "attack.h"
static int take(int pid) {
    int fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return failed("pidfd_open");
    for (int number = 0; number < 64; number++)
        if (syscall(SYS_pidfd_getfd, fd, number, 0) >= 0) return 1;
    return failed("pidfd_getfd");
}
int main(int c, char **v) { finish(any_outside(v[2], take)); }
