/* An extended attribute is set on a source. */
#include "attack.h"
#include <sys/xattr.h>
int main(int c, char **v) {
    int done = setxattr(v[1], "user.provost", "x", 1, 0);
    if (done && (errno == ENOTSUP || errno == EOPNOTSUPP)) _exit(UNABLE);
    finish(done == 0 || failed("setxattr"));
}
