/* SPDX-License-Identifier: MIT
 *
 * daemon_client.h - ask the running daemon by its control socket.
 */
#ifndef DAEMON_CLIENT_H
#define DAEMON_CLIENT_H

#include "error.h"

struct json_object;

/**
 * daemon_ask() - send one command and wait up to five seconds for the answer
 * @control: path of the socket
 * @command: "status", "reload"
 *
 * Return: the answer, an object, to be given to json_object_put(); NULL with @error, and with
 * errno ENOENT or ECONNREFUSED when no daemon runs
 */
struct json_object *daemon_ask(const char *control, const char *command, struct error *error);

enum daemon_answer {
    DAEMON_NONE, /* nobody listens: it will read the files when it starts */
    DAEMON_RELOADED,
    DAEMON_REFUSED, /* error says why */
};

/** daemon_reload() - tell it that the files changed */
enum daemon_answer daemon_reload(const char *control, struct error *error);

#endif
