/* As root: page faults that wait as long as one likes, for whoever reads our memory. */
#include "attack.h"
#include <sys/ioctl.h>
int main(int c, char **v) {
    if (getuid() || access("/dev/userfaultfd", F_OK)) _exit(UNABLE);
    int fd = open("/dev/userfaultfd", O_RDWR);
    finish((fd >= 0 && ioctl(fd, 0xaa00 /* USERFAULTFD_IOC_NEW */, O_CLOEXEC) >= 0) || failed("userfaultfd"));
}
