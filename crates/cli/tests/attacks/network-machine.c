/* The hypervisor's own sockets. */
#include "attack.h"
int main(int c, char **v) {
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == ENODEV)) _exit(UNABLE);
    finish(fd >= 0 || failed("socket"));
}
