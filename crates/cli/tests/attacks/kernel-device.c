/* As root: a device file of one's own for the disk. */
#include "attack.h"
#include <sys/sysmacros.h>
int main(int c, char **v) {
    if (getuid()) _exit(UNABLE);
    if (mknod("out/disk", S_IFBLK | 0600, makedev(254, 0))) failed("mknod");
    finish(open("out/disk", O_RDONLY) >= 0 || failed("open"));
}
