/* A file by its handle instead of its name: no path, no mount over it. */
#include "attack.h"
int main(int c, char **v) {
    struct { struct file_handle h; unsigned char bytes[128]; } handle = {.h.handle_bytes = 128};
    int mount_id, root = open(".", O_RDONLY | O_DIRECTORY);
    if (name_to_handle_at(AT_FDCWD, v[1], &handle.h, &mount_id, 0)) _exit(UNABLE);
    finish(mark(open_by_handle_at(root, &handle.h, O_WRONLY)));
}
