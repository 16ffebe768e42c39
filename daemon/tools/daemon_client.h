/* SPDX-License-Identifier: MIT
 *
 * daemon_client.h - ask the running daemon by its control socket.
 */
#ifndef DAEMON_CLIENT_H
#define DAEMON_CLIENT_H

#include "../config.h"
#include "tunnel/candidate.h"

#include <stdbool.h>

struct json_object;

/**
 * daemon_status() - ask the daemon for its status, and wait up to five seconds for the answer
 * @config: says where its socket is, and by what key it is this home's; one without a key is of a
 *          file that is wrong, for which any will do
 *
 * Return: the answer, an object, to be given to json_object_put(); NULL with @error, and with
 * errno ENOENT or ECONNREFUSED when no daemon runs
 */
struct json_object *daemon_status(const struct config *config, struct error *error);

/**
 * daemon_candidates() - where the running daemon can be called, as it knows it
 * @list: receives what is worth giving to another home: private addresses only when there is
 *        nothing else. Empty when no daemon runs, or it knows of none
 */
void daemon_candidates(const struct config *config, struct candidate_list *list);

/** daemon_candidates_private() - whether such a list has private addresses only, or nothing */
bool daemon_candidates_private(const struct candidate_list *list);

enum daemon_answer {
    DAEMON_NONE, /* nobody listens: it will read the files when it starts */
    DAEMON_RELOADED,
    DAEMON_REFUSED, /* error says why */
};

/** daemon_reload() - tell it that the files changed */
enum daemon_answer daemon_reload(const struct config *config, struct error *error);

#endif
