/* Only the mode: a source becomes executable. */
#include "attack.h"
int main(int c, char **v) { finish(chmod(v[1], 0777) == 0 || failed("chmod")); }
