/* creat(2), which no filter on openat sees. */
#include "attack.h"
int main(int c, char **v) { finish(mark(syscall(SYS_creat, v[1], 0644))); }
