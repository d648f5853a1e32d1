/* prlimit(2): the supervisor may open no more files, and goes blind. */
#include "attack.h"
static int lower(int pid) {
    struct rlimit none = {0, 0};
    return syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &none, NULL) == 0 || failed("prlimit");
}
int main(int c, char **v) { finish(any_outside(v[2], lower)); }
