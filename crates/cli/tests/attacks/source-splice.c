/* No write(2): sendfile and copy_file_range put the bytes there. */
#include "attack.h"
#include <sys/sendfile.h>
int main(int c, char **v) {
    mark(open("out/bytes", O_CREAT | O_RDWR, 0644));
    int from = open("out/bytes", O_RDONLY), to = open(v[1], O_RDWR);
    if (to < 0) { failed("open"); finish(0); }
    loff_t at = 0;
    finish(sendfile64(to, from, &at, 5) == 5 || copy_file_range(from, NULL, to, NULL, 5, 0) == 5);
}
