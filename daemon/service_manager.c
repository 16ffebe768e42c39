/* SPDX-License-Identifier: MIT
 *
 * service_manager.c - see service_manager.h.
 */
#include "service_manager.h"

#include "copy.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool tell(const char *path)
{
    static const char ready[] = "READY=1";
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    if (!copy_text(at.sun_path, sizeof at.sun_path, path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (path[0] == '@') /* a name of its own, not a file's */
        at.sun_path[0] = '\0';
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool told = fd >= 0 && sendto(fd, ready, sizeof ready - 1, MSG_NOSIGNAL,
                                  (const struct sockaddr *)&at, bytes) >= 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return told;
}

void service_manager_ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (path != NULL && !tell(path))
        log_warn("cannot tell the service manager at %s that this is ready: %s", path,
                 strerror(errno));
}
