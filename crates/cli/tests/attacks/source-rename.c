/* Another file takes the source's name. */
#include "attack.h"
int main(int c, char **v) {
    int fd = open("out/better", O_CREAT | O_WRONLY, 0644);
    if (!mark(fd)) finish(0);
    finish(rename("out/better", v[1]) == 0 || failed("rename"));
}
