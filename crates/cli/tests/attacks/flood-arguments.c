/* Arguments of a megabyte, the interesting one at the end. */
#include "attack.h"
int main(int c, char **v) {
    static char *arguments[20];
    char *large = malloc(100001);
    memset(large, 'a', 100000), large[100000] = 0;
    arguments[0] = "true";
    for (int i = 1; i < 12; i++) arguments[i] = large;
    arguments[12] = "--the-interesting-one";
    if (fork() == 0) { execv("/bin/true", arguments); _exit(1); }
    int status;
    wait(&status);
    finish(status == 0);
}
