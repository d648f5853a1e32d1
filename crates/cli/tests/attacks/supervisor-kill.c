/* Whoever kills the supervisor is not watched any more. */
#include "attack.h"
static int end(int pid) { return kill(pid, SIGKILL) == 0 || failed("kill"); }
int main(int c, char **v) { finish(any_outside(v[2], end)); }
