/* The dynamic loader is the program, the denied one its argument. */
#include "attack.h"
int main(int c, char **v) {
    const char *loaders[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/usr/bin/ld.so"};
    for (int i = 0; i < 3; i++) execl(loaders[i], "ld.so", v[1], NULL);
    failed("execl"), finish(0);
}
