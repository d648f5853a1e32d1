/* Code in the kernel. */
#include "attack.h"
int main(int c, char **v) {
    int won = syscall(SYS_init_module, "", 0, "") == 0 || errno != EPERM;
    won |= syscall(SYS_finit_module, -1, "", 0) == 0 || errno != EPERM;
    won |= syscall(SYS_kexec_load, 0, 0, NULL, 0) == 0 || errno != EPERM;
    finish(won);
}
