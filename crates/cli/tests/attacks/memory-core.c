/* A signal that makes the supervisor leave a core file with all that it remembers. */
#include "attack.h"
static int dump(int pid) { return kill(pid, SIGQUIT) == 0 || failed("kill"); }
int main(int c, char **v) { finish(any_outside(v[2], dump)); }
