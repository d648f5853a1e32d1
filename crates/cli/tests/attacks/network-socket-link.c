/* Another program's socket file by a link that has the name of one of the build's own. */
#include "attack.h"
int main(int c, char **v) {
    struct sockaddr_un own = {.sun_family = AF_UNIX, .sun_path = "out/s"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (void *)&own, sizeof own)) failed("bind");
    unlink("out/s");
    if (symlink(v[1], "out/s")) failed("symlink");
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (void *)&own, sizeof own)) { failed("connect"); finish(0); }
    send(fd, "hello", 5, MSG_NOSIGNAL);
    finish(gets_prize(fd));
}
