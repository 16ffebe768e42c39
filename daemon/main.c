/* SPDX-License-Identifier: MIT
 *
 * main.c - what must hold before anything else: libsodium ready, no file that others can read.
 */
#include "cli.h"
#include "error.h"

#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
    if (sodium_init() < 0) {
        fprintf(stderr, "lansplice: cannot start libsodium: is there no random source?\n");
        return EXIT_FAILED;
    }
    umask(077);
    return cli_main(argc, argv);
}
