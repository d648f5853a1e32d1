/* A process of its own session that outlives the build and works on its products afterwards. */
#include "attack.h"
int main(int c, char **v) {
    if (fork()) { usleep(50000); finish(1); }
    setsid();
    if (fork()) _exit(0);
    for (int fd = 0; fd < 3; fd++) close(fd);
    signal(SIGTERM, SIG_IGN), signal(SIGHUP, SIG_IGN);
    sleep(3);
    mark(open("out/late", O_CREAT | O_WRONLY, 0644));
    _exit(0);
}
