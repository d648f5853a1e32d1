/* apk_version_compare of apk-tools, whose sources are given to the compiler. Lines in: "c A B" compares, "v A"
 * asks whether it is a version, all in hexadecimal. One character out for each: < = > t f. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apk_version.h"

static apk_blob_t text(char *hex) {
    size_t length = strlen(hex) / 2;
    for (size_t at = 0; at < length; at++) {
        unsigned byte = 0;
        sscanf(hex + 2 * at, "%2x", &byte);
        hex[at] = (char)byte;
    }
    return (apk_blob_t){.ptr = hex, .len = (long)length};
}

int main(void) {
    puts(ORACLE_VERSION);
    static char line[1 << 20];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *left = line + 2, *right = strchr(left, ' ');
        *right++ = 0;
        if (*line == 'v') {
            puts(apk_version_validate(text(left)) ? "t" : "f");
            continue;
        }
        int order = apk_version_compare(text(left), text(right));
        puts(order == APK_VERSION_LESS ? "<" : order == APK_VERSION_EQUAL ? "=" : ">");
    }
    return 0;
}
