/* The whole directory of keys is moved among the outputs first. */
#include "attack.h"
int main(int c, char **v) {
    char folder[4096];
    strcpy(folder, v[1]);
    *strrchr(folder, '/') = 0;
    if (rename(folder, "out/folder")) { failed("rename"); finish(0); }
    finish(has_secret(open("out/folder/id_rsa", O_RDONLY)));
}
