/* The denied content is no program here: its bytes are mapped and called from one that is allowed. */
#include "attack.h"
int main(int c, char **v) {
    int fd = open(v[1], O_RDONLY);
    if (fd < 0) { failed("open"); finish(0); }
    void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    finish(at != MAP_FAILED || failed("mmap"));
}
