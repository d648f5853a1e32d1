/* The keys and the store themselves. */
#include "attack.h"
int main(int c, char **v) {
    char path[4096];
    snprintf(path, sizeof path, "%s/keys", v[3]);
    DIR *keys = opendir(path);
    if (!keys) { failed("opendir"); finish(0); }
    finish(readdir(keys) != NULL);
}
