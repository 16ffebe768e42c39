/* SPDX-License-Identifier: MIT
 *
 * start.c - see start.h
 */
#include "start.h"

#include "config.h"

#include <fcntl.h>
#include <sodium.h>
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

bool start_program(struct error *error)
{
    fill_standard_streams();
    umask(077);
    if (sodium_init() >= 0)
        return true;
    error_set(error, EXIT_FAILED, "cannot start libsodium: is there no random source?");
    return false;
}

/* Only root's link counts: where the folder is another's, so may be the link, and root acts as whom
 * the target's folder belongs to (privileges.h). */
const char *start_config_path(void)
{
    static char target[CONFIG_PATH_SIZE];
    struct stat link;
    ssize_t bytes = 0;

    if (lstat(CONFIG_DEFAULT_PATH, &link) == 0 && link.st_uid == 0)
        bytes = readlink(CONFIG_DEFAULT_PATH, target, sizeof target - 1);
    return bytes > 0 && target[0] == '/' ? target : CONFIG_DEFAULT_PATH;
}
