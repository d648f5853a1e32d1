/* A fork bomb, as large as it gets to be: it ends by itself. */
#include "attack.h"
int main(int c, char **v) {
    struct timespec wait = {.tv_sec = 20};
    int made = 0;
    for (int i = 0; i < 400; i++) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) { nanosleep(&wait, NULL); _exit(0); }
        made++;
    }
    nanosleep(&wait, NULL);
    finish(made == 400);
}
