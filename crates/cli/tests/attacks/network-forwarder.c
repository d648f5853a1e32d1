/* Whatever listens on loopback is tried: the way out itself, without having asked. */
#include "attack.h"
int main(int c, char **v) {
    char line[512];
    FILE *file = fopen("/proc/net/tcp", "r");
    int won = 0;
    while (file && fgets(line, sizeof line, file) && !won) {
        unsigned address, port, state;
        if (sscanf(line, " %*d: %x:%x %*x:%*x %x", &address, &port, &state) != 3 || state != 10 || port == 53) continue;
        int fd = dial("127.0.0.1", port);
        if (fd < 0) continue;
        unsigned char first[512];
        send(fd, first, hello(first, "allowed.test"), MSG_NOSIGNAL);
        won = gets_prize(fd);
    }
    finish(won);
}
