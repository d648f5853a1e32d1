/* As root: a program for the kernel to start outside of everything (core_pattern), and other settings. */
#include "attack.h"
int main(int c, char **v) {
    const char *settings[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
                              "/sys/kernel/uevent_helper", "/proc/self/root/proc/sys/kernel/core_pattern"};
    if (getuid()) _exit(UNABLE);
    for (int i = 0; i < 5; i++)
        if (open(settings[i], O_WRONLY) >= 0) finish(1);
    failed("open"), finish(0);
}
