/* Whoever may mount makes the source writable again. */
#include "attack.h"
int main(int c, char **v) {
    char here[4096];
    getcwd(here, sizeof here);
    int done = mount(NULL, here, NULL, MS_REMOUNT | MS_BIND, NULL);
    if (done) failed("mount");
    done = umount2(here, MNT_DETACH);
    if (done) failed("umount");
    finish(mark(open(v[1], O_WRONLY)));
}
