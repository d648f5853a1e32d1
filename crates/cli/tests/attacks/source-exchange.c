/* renameat2(RENAME_EXCHANGE): both names stay, the contents change places. */
#include "attack.h"
int main(int c, char **v) {
    if (!mark(open("out/better", O_CREAT | O_WRONLY, 0644))) finish(0);
    finish(syscall(SYS_renameat2, AT_FDCWD, "out/better", AT_FDCWD, v[1], 2) == 0 || failed("renameat2"));
}
