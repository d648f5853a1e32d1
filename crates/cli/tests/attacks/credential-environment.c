/* A token in the environment of the CI job. */
#include "attack.h"
int main(int c, char **v) {
    const char *token = getenv("DEPLOY_TOKEN");
    finish(token && strstr(token, SECRET));
}
