/* SPDX-License-Identifier: MIT
 *
 * privileges.h - as whom a command acts, and what the daemon may still do once it runs.
 *
 * Everything that needs more is opened first; then CAP_NET_ADMIN alone is kept, for the TAP and
 * the bridge. The capability sets are this thread's: call it before any other thread is started.
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * privileges_follow_owner() - Let root act as whom the configuration's folder belongs to
 * @config_path: the configuration; when its folder is missing, the nearest above it counts
 * @with_network: keep CAP_NET_ADMIN, for the programs it runs, too, and CAP_NET_BIND_SERVICE
 *
 * So whatever a command writes can be read by a daemon that runs as a user of its own, and a
 * command finds what the daemon will find. A link on the way that is another's counts more than
 * the folder it leads to: that user chose it. Nothing is done when the folder is root's, or the
 * caller is not root. Descriptors opened before stay usable.
 */
bool privileges_follow_owner(const char *config_path, bool with_network, struct error *error);

/** privileges_reduce() - Keep CAP_NET_ADMIN; no core dumps, no tracing, nothing gained by exec */
bool privileges_reduce(struct error *error);

#endif
