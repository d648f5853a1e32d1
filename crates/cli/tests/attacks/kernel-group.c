/* As root: out of the control group of the job. */
#include "attack.h"
int main(int c, char **v) {
    const char *groups[] = {"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/pids/tasks"};
    if (getuid()) _exit(UNABLE);
    int found = 0;
    for (int i = 0; i < 3; i++) {
        if (access(groups[i], F_OK)) continue;
        found++;
        if (open(groups[i], O_WRONLY) >= 0) finish(1);
    }
    if (!found) _exit(UNABLE);
    failed("open"), finish(0);
}
