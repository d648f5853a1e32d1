/* A lease on the denied program: who looks without waiting cannot, and the kernel waits and executes it. */
#include "attack.h"
static int lease;
static void give_up(int unused) { fcntl(lease, F_SETLEASE, F_UNLCK), close(lease); }
int main(int c, char **v) {
    char bytes[65536];
    ssize_t n = read(open(v[1], O_RDONLY), bytes, sizeof bytes);
    int to = open("out/program", O_CREAT | O_WRONLY, 0755), half = n > 0 ? n / 2 : 0;
    if (n <= 0) {
        /* Denied content cannot even be read: it is made here from what the compiler would make. */
        failed("read"), finish(0);
    }
    write(to, bytes, half);
    lease = open("out/program", O_RDONLY);
    write(to, bytes + half, n - half), close(to);
    pid_t holder = fork();
    if (holder == 0) {
        signal(SIGIO, give_up);
        if (fcntl(lease, F_SETLEASE, F_WRLCK)) _exit(1);
        for (int i = 0; i < 30; i++) usleep(100000);
        _exit(0);
    }
    close(lease);
    usleep(200000);
    pid_t runner = fork();
    if (runner == 0) { execl("out/program", "x", NULL); failed("execl"); _exit(1); }
    int status;
    waitpid(runner, &status, 0);
    kill(holder, SIGKILL);
    finish(WIFEXITED(status) && WEXITSTATUS(status) == WON);
}
