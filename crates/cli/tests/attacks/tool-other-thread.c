/* While one thread executes, another makes calls: whoever takes those for the end of the execution misses it. */
#include "attack.h"
#include <pthread.h>
static void *noise(void *unused) {
    for (;;) openat(-1, "x", O_PATH);
    return unused;
}
int main(int c, char **v) {
    for (int i = 0; i < 12; i++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            pthread_create(&thread, NULL, noise, NULL);
            usleep(2000);
            execl("/bin/true", "one-of-twelve", NULL);
            _exit(1);
        }
        int status;
        waitpid(child, &status, 0);
    }
    finish(1);
}
