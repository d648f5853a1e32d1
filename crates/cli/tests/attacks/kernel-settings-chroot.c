/* The same after chroot("/"): the supervisor leaves calls of such processes to the kernel. */
#include "attack.h"
int main(int c, char **v) {
    if (getuid()) _exit(UNABLE);
    if (chroot("/")) failed("chroot");
    if (setgid(1)) failed("setgid");
    finish(open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0 || failed("open"));
}
