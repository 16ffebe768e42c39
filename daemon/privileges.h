/* SPDX-License-Identifier: MIT
 *
 * privileges.h - what the daemon may still do once it runs.
 *
 * Everything that needs more is opened first; then CAP_NET_ADMIN alone is kept, for the TAP and
 * the bridge. The capability sets are this thread's: call it before any other thread is started.
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

/** privileges_reduce() - Keep CAP_NET_ADMIN; no core dumps, no tracing, nothing gained by exec */
bool privileges_reduce(struct error *error);

#endif
