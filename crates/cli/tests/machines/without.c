/* Runs a command on a machine that lacks something, as containers do: without a listener for filters, without ptrace,
   without namespaces of one's own. `without [listener|tracing|namespaces]... -- COMMAND` */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/sched.h>

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARGUMENT(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define IS(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)
#define HAS(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, k, yes, no)

static int install(struct sock_filter *filter, int length) {
    struct sock_fprog program = {.len = length, .filter = filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int count, char **words) {
    struct sock_filter listener[] = {NUMBER, IS(SYS_seccomp, 0, 3), ARGUMENT(1), HAS(8, 0, 1), REFUSE, ALLOW};
    struct sock_filter tracing[] = {NUMBER, IS(SYS_ptrace, 0, 1), REFUSE, ALLOW};
    struct sock_filter namespaces[] = {
        NUMBER, IS(SYS_unshare, 2, 0), IS(SYS_clone, 1, 0), IS(SYS_mount, 2, 4), ARGUMENT(0), HAS(NAMESPACES, 0, 2), REFUSE, ALLOW, ALLOW};
    int at = 1, failed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    for (; at < count && strcmp(words[at], "--"); at++) {
        if (!strcmp(words[at], "listener")) failed |= install(listener, sizeof listener / sizeof *listener);
        if (!strcmp(words[at], "tracing")) failed |= install(tracing, sizeof tracing / sizeof *tracing);
        if (!strcmp(words[at], "namespaces")) failed |= install(namespaces, sizeof namespaces / sizeof *namespaces);
    }
    if (failed || at + 1 >= count) return perror("without"), 125;
    execvp(words[at + 1], words + at + 1);
    return perror(words[at + 1]), 127;
}
