/* New user and mount namespaces, in which one is root, and there the mount is changed. */
#include "attack.h"
int main(int c, char **v) {
    char here[4096];
    getcwd(here, sizeof here);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) failed("unshare");
    if (mount(NULL, here, NULL, MS_REMOUNT | MS_BIND, NULL)) failed("mount");
    if (umount2(here, MNT_DETACH)) failed("umount");
    finish(mark(open(v[1], O_WRONLY)));
}
