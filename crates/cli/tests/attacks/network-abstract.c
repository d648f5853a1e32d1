/* An abstract socket: there is no file that could be hidden. */
#include "attack.h"
int main(int c, char **v) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *name = v[1];
    memcpy(to.sun_path + 1, name, strlen(name));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (void *)&to, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) { failed("connect"); finish(0); }
    send(fd, "hello", 5, MSG_NOSIGNAL);
    finish(gets_prize(fd));
}
