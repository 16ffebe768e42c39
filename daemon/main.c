/* SPDX-License-Identifier: MIT
 *
 * main.c - what must hold before anything else: libsodium ready, no file that others can read.
 */
#include "cli.h"
#include "error.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor of ours must not become 0, 1 or 2: messages would be written into it, and libuv
 * aborts when it closes one. Read only: to write to an output that was closed stays an error. */
static void fill_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    if (sodium_init() < 0) {
        fprintf(stderr, "lansplice: cannot start libsodium: is there no random source?\n");
        return EXIT_FAILED;
    }
    umask(077);
    return cli_main(argc, argv);
}
