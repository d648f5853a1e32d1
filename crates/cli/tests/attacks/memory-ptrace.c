/* The supervisor is attached to with ptrace(2). */
#include "attack.h"
static int attach(int pid) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0)) return failed("ptrace");
    ptrace(PTRACE_DETACH, pid, 0, 0);
    return 1;
}
int main(int c, char **v) { finish(any_outside(v[2], attach)); }
