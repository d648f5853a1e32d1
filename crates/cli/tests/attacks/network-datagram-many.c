/* The same by sendmmsg(2), the forbidden one not being the first. */
#include "attack.h"
int main(int c, char **v) {
    struct sockaddr_in own = v4("127.0.0.1", 9), to = v4("45.0.0.1", 9999);
    struct iovec data = {"data", 4};
    struct mmsghdr messages[2] = {
        {.msg_hdr = {.msg_name = &own, .msg_namelen = sizeof own, .msg_iov = &data, .msg_iovlen = 1}},
        {.msg_hdr = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &data, .msg_iovlen = 1}},
    };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (sendmmsg(fd, messages, 2, 0) < 1) { failed("sendmmsg"); finish(0); }
    finish(gets_prize(fd));
}
