/* openat2(2): audit rules on open and openat do not see it. */
#include "attack.h"
#include <linux/openat2.h>
int main(int c, char **v) {
    struct open_how how = {.flags = O_RDWR};
    finish(mark(syscall(SYS_openat2, AT_FDCWD, v[1], &how, sizeof how)));
}
