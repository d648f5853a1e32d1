/* truncate(2): the source is emptied without being opened. */
#include "attack.h"
int main(int c, char **v) { finish(truncate(v[1], 0) == 0 || failed("truncate")); }
