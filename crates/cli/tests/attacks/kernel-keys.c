/* The keyring of the session, where other programs keep theirs. */
#include "attack.h"
int main(int c, char **v) { finish(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 1) >= 0 || failed("keyctl")); }
