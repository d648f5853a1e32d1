/* As root: the disk itself, whatever lies over its files. */
#include "attack.h"
int main(int c, char **v) {
    const char *disks[] = {"/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/mem", "/dev/kmem", "/dev/loop0"};
    int found = 0;
    if (getuid()) _exit(UNABLE);
    for (int i = 0; i < 6; i++) {
        if (access(disks[i], F_OK)) continue;
        found++;
        char byte;
        int fd = open(disks[i], O_RDONLY);
        if (fd >= 0 && read(fd, &byte, 1) == 1) finish(1);
    }
    if (!found) _exit(UNABLE);
    failed("open"), finish(0);
}
