/* bpf(2), perf_event_open(2), userfaultfd(2), fanotify: ways to look at, or hold up, others. */
#include "attack.h"
#include <linux/bpf.h>
#include <linux/perf_event.h>
int main(int c, char **v) {
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event};
    int won = syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map) >= 0;
    won |= syscall(SYS_perf_event_open, &event, 0, -1, -1, 0) >= 0;
    won |= syscall(SYS_userfaultfd, O_CLOEXEC | 1) >= 0;
    won |= syscall(SYS_fanotify_init, 0, 0) >= 0;
    finish(won);
}
