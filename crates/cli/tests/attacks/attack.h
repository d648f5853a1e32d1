/* What the attacks share. An attack ends with WON when it got what it wanted, with LOST when it was kept from it, and
   with UNABLE when this machine gives it no way to try. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define WON 42
#define LOST 0
#define UNABLE 77

#define SECRET "CANARY"
#define PRIZE "PRIZE"
#define MARK "\n/* backdoor */\n"

/* Ends the attack: `won` is what it came to. */
static inline void finish(int won) {
    fflush(stdout);
    _exit(won ? WON : LOST);
}

/* Says why a step failed, so that a test that fails can be understood. */
static inline int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 0;
}

/* Appends the mark through a descriptor. */
static inline int mark(int fd) {
    if (fd < 0) return failed("open");
    lseek(fd, 0, SEEK_END);
    return write(fd, MARK, sizeof MARK - 1) == sizeof MARK - 1 || failed("write");
}

/* True when the secret can be read through a descriptor. */
static inline int has_secret(int fd) {
    char text[65536];
    if (fd < 0) return failed("open");
    ssize_t n = read(fd, text, sizeof text);
    if (n < 0) return failed("read");
    return memmem(text, n, SECRET, sizeof SECRET - 1) != NULL;
}

/* True when the other side sends the prize. */
static inline int gets_prize(int fd) {
    char text[512];
    struct timeval wait = {.tv_sec = 3};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    ssize_t n = recv(fd, text, sizeof text, 0);
    if (n < 0) return failed("recv");
    return memmem(text, n, PRIZE, sizeof PRIZE - 1) != NULL;
}

static inline struct sockaddr_in v4(const char *address, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    return to;
}

static inline struct sockaddr_in6 v6(const char *address, int port) {
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, address, &to.sin6_addr);
    return to;
}

/* Connects a stream; -1 when it cannot be. */
static inline int dial(const char *address, int port) {
    int fd;
    if (strchr(address, ':')) {
        struct sockaddr_in6 to = v6(address, port);
        fd = socket(AF_INET6, SOCK_STREAM, 0);
        if (fd >= 0 && connect(fd, (void *)&to, sizeof to) == 0) return fd;
    } else {
        struct sockaddr_in to = v4(address, port);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd >= 0 && connect(fd, (void *)&to, sizeof to) == 0) return fd;
    }
    failed("connect");
    return -1;
}

/* A question for a name, as it goes to port 53. Its length. */
static inline int question(unsigned char *out, const char *name, int type) {
    unsigned char *at = out + 12;
    memset(out, 0, 12);
    out[0] = 0x12, out[1] = 0x34, out[2] = 1, out[5] = 1;
    while (*name) {
        int length = strcspn(name, ".");
        *at++ = length;
        memcpy(at, name, length);
        at += length;
        name += length + (name[length] == '.');
    }
    *at++ = 0;
    *at++ = type >> 8, *at++ = type & 255, *at++ = 0, *at++ = 1;
    return at - out;
}

/* The name server: of RESOLVER, or of resolv.conf. */
static inline const char *resolver(void) {
    static char server[64];
    char line[256];
    if (getenv("RESOLVER")) return getenv("RESOLVER");
    FILE *file = fopen("/etc/resolv.conf", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "nameserver %63s", server) == 1) break;
    return server;
}

/* Asks the name server for an address; 0 when there is none. */
static inline int lookup(const char *name, char *address) {
    const char *server = resolver();
    unsigned char out[512], in[512];
    int length = question(out, name, 1), fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = v4(server, 53);
    struct timeval wait = {.tv_sec = 3};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (void *)&to, sizeof to) || send(fd, out, length, 0) < 0) return failed("asking");
    ssize_t n = recv(fd, in, sizeof in, 0);
    close(fd);
    if (n < length + 16 || in[7] == 0) return failed("no address");
    inet_ntop(AF_INET, in + n - 4, address, 64);
    return 1;
}

/* The first bytes of TLS: a client that asks for this server. */
static inline int hello(unsigned char *out, const char *server) {
    int name = strlen(server), extension = name + 5, all = 4 + extension, body = 2 + 32 + 1 + 2 + 2 + 2 + 2 + all;
    unsigned char *at = out;
    *at++ = 22, *at++ = 3, *at++ = 1, *at++ = (body + 4) >> 8, *at++ = (body + 4) & 255;
    *at++ = 1, *at++ = 0, *at++ = body >> 8, *at++ = body & 255, *at++ = 3, *at++ = 3;
    memset(at, 7, 32), at += 32;
    *at++ = 0, *at++ = 0, *at++ = 2, *at++ = 0x13, *at++ = 1, *at++ = 1, *at++ = 0;
    *at++ = all >> 8, *at++ = all & 255, *at++ = 0, *at++ = 0, *at++ = extension >> 8, *at++ = extension & 255;
    *at++ = (name + 3) >> 8, *at++ = (name + 3) & 255, *at++ = 0, *at++ = name >> 8, *at++ = name & 255;
    memcpy(at, server, name);
    return at + name - out;
}

/* The parent of a process; 0 when it has none that we may see. */
static inline int parent_of(int pid) {
    char path[64], text[512];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    char *end = fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
    if (end) sscanf(end + 1, " %*c %d", &parent);
    fclose(file);
    return parent;
}

/* Calls `with` for the process of this number, or for each process above us that bears this name, until one says that
   it won. (Never for others of that name: they are somebody else's.) */
static inline int any_outside(const char *name, int (*with)(int pid)) {
    int won = 0, found = 0;
    if (atoi(name) > 0) return with(atoi(name));
    for (int pid = parent_of(getpid()); pid > 0 && !won; pid = parent_of(pid)) {
        char path[300], comm[64] = "";
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (!fgets(comm, sizeof comm, file)) comm[0] = 0;
        fclose(file);
        comm[strcspn(comm, "\n")] = 0;
        if (strcmp(comm, name)) continue;
        found++;
        won = with(pid);
    }
    if (!found) fprintf(stderr, "no process above is called %s\n", name);
    return won;
}
