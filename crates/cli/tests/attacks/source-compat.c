/* The 32-bit entry: other numbers for the same calls. */
#include "attack.h"
int main(int c, char **v) {
#ifdef __x86_64__
    char *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    strcpy(low, v[1]);
    long fd = 5;
    __asm__ volatile("int $0x80" : "+a"(fd) : "b"((long)low), "c"((long)O_WRONLY), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
    errno = fd < 0 ? -fd : 0;
    finish(mark(fd < 0 ? -1 : (int)fd));
#else
    _exit(UNABLE);
#endif
}
