/* As root: packets that no connection is asked for. */
#include "attack.h"
#include <linux/if_ether.h>
int main(int c, char **v) {
    int won = socket(AF_INET, SOCK_RAW, IPPROTO_UDP) >= 0;
    won |= socket(AF_INET6, SOCK_RAW, IPPROTO_UDP) >= 0;
    won |= socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) >= 0;
    won |= socket(AF_INET, SOCK_PACKET, htons(ETH_P_ALL)) >= 0;
    finish(won || failed("socket"));
}
