/* A supervisor that is stopped sees nothing; signals by other calls than kill(2). */
#include "attack.h"
static int stop(int pid) {
    siginfo_t info = {.si_signo = SIGSTOP, .si_code = SI_QUEUE};
    int fd = syscall(SYS_pidfd_open, pid, 0);
    int done = syscall(SYS_tgkill, pid, pid, SIGSTOP) == 0 || syscall(SYS_tkill, pid, SIGSTOP) == 0 ||
               syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0) == 0 ||
               syscall(SYS_rt_sigqueueinfo, pid, SIGSTOP, &info) == 0;
    if (done) syscall(SYS_tgkill, pid, pid, SIGCONT);
    return done || failed("signals");
}
int main(int c, char **v) { finish(any_outside(v[2], stop)); }
