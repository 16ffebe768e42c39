/* SPDX-License-Identifier: MIT
 *
 * status.h - the daemon's state as JSON. Its field names are a contract: added to, never renamed.
 */
#ifndef STATUS_H
#define STATUS_H

#include "config.h"
#include "site.h"
#include "text.h"

struct json_object;

struct daemon;

struct status_source {
    struct daemon *daemon;
    const struct config *config;
    const struct site *site;
    const char *bridge; /* the bridge the TAP is in; NULL: none */
    const char *tap;
    bool bridge_up, tap_up;
    uint64_t started_us, now_us;
};

/** status_json() - The object of `lansplice status --json`; the caller releases it */
struct json_object *status_json(const struct status_source *source);

enum { STATUS_WHERE_SIZE = TEXT_ENDPOINT_SIZE + SITE_NAME_MAX };

/** status_where() - A path for people: "192.0.2.1:7788", "192.0.2.1:7788 via turn", "via NAME" */
const char *status_where(const struct site *site, const struct endpoint *path,
                         char out[STATUS_WHERE_SIZE]);

/** status_path_name() - "direct4", "direct6" or "relay"; NULL while the peer is not up */
const char *status_path_name(const struct peer_status *peer);

/** status_clash_name() - "gateway", "host" or "subnet" */
const char *status_clash_name(enum clash_kind kind);

/** status_suite_name() - "aes256gcm" ...; NULL for none */
const char *status_suite_name(enum suite suite);

#endif
