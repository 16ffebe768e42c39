/* SPDX-License-Identifier: MIT
 *
 * daemon_client.h - tell a running daemon that the files changed, by its control socket.
 */
#ifndef DAEMON_CLIENT_H
#define DAEMON_CLIENT_H

#include "error.h"

#include <stdbool.h>

enum daemon_answer {
    DAEMON_NONE, /* nobody listens: it will read the files when it starts */
    DAEMON_RELOADED,
    DAEMON_REFUSED, /* error says why */
};

/**
 * daemon_reload() - send the reload command and wait up to five seconds for the answer
 * @control: path of the socket
 */
enum daemon_answer daemon_reload(const char *control, struct error *error);

#endif
