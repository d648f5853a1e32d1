/* The plain way: the build opens a source and appends to it. */
#include "attack.h"
int main(int c, char **v) { finish(mark(open(v[1], O_WRONLY))); }
