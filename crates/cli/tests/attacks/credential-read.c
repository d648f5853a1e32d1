/* A private key is simply read. */
#include "attack.h"
int main(int c, char **v) { finish(has_secret(open(v[1], O_RDONLY))); }
