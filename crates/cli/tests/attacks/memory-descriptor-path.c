/* The directory of the supervisor in /proc is held by a descriptor first; then names that say nothing. */
#include "attack.h"
static int look(int pid) {
    char path[64], text[16];
    snprintf(path, sizeof path, "/proc/%d", pid);
    int folder = open(path, O_PATH | O_DIRECTORY), won = 0;
    if (folder < 0) return failed("open");
    const char *names[] = {"environ", "mem", "task", "root/etc/passwd", "cwd/provost.toml"};
    for (int i = 0; i < 5; i++) {
        int fd = i == 2 ? -1 : openat(folder, names[i], O_RDONLY);
        if (fd >= 0 && (i == 1 || read(fd, text, sizeof text) > 0)) won = 1;
    }
    snprintf(path, sizeof path, "task/%d/environ", pid);
    int fd = openat(folder, path, O_RDONLY);
    return won || (fd >= 0 && read(fd, text, sizeof text) > 0) || failed("openat");
}
int main(int c, char **v) {
    /* The first process of the run's own ids is the supervisor's as well. */
    char path[64];
    snprintf(path, sizeof path, "/proc/1/comm");
    FILE *file = fopen(path, "r");
    char comm[64] = "";
    if (file && fgets(comm, sizeof comm, file) && !strncmp(comm, "provost", 7)) finish(look(1));
    finish(any_outside(v[2], look));
}
