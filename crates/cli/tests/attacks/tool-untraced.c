/* Out of a tracer's sight: a listener of one's own, whose answers go first, or a child that is not traced. */
#include "attack.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
int main(int c, char **v) {
    struct sock_filter all[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchownat, 0, 1),
                                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {4, all};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) failed("seccomp");
    /* CLONE_UNTRACED, and then a tracer of one's own. */
    pid_t child = syscall(SYS_clone, 0x00800000 | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) { pause(); _exit(0); }
    int seized = child > 0 && ptrace(PTRACE_SEIZE, child, 0, 0x80 /* PTRACE_O_TRACESECCOMP */) == 0;
    if (!seized) failed("ptrace");
    if (child > 0) kill(child, SIGKILL);
    finish(listener >= 0 || seized);
}
