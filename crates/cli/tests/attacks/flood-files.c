/* More files than the record holds, so that something else is not in it. */
#include "attack.h"
int main(int c, char **v) {
    char path[64];
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "out/%d", i);
        close(open(path, O_CREAT | O_WRONLY, 0644));
    }
    finish(1);
}
