/* SPDX-License-Identifier: MIT
 *
 * name_lookup.h - one look-up of 'host:port' or of SRV records, off the event loop.
 *
 * Who asks may be gone, or be about something else, when the answer comes: what it is about is
 * handed back with it, and a generation tells whether it still is.
 */
#ifndef NAME_LOOKUP_H
#define NAME_LOOKUP_H

#include "site.h"

#include <uv.h>

enum { NAME_ENDPOINTS_MAX = PEER_ENDPOINTS_MAX };

/* What a look-up is about, for who asks only. */
struct name_query {
    void *owner; /* must live until the answer, or the end of the loop */
    uint64_t generation;
    unsigned number;
};

struct name_answer {
    struct name_query query;
    const char *failure; /* static; NULL: there is an answer */
    size_t count;
    struct endpoint endpoint[NAME_ENDPOINTS_MAX];
};

typedef void name_answered(const struct name_answer *answer);

/**
 * name_numeric() - An address and port written as numbers
 * @out: NAME_ENDPOINTS_MAX
 *
 * Return: how many endpoints it is, one in general; 0: it is a name, or none at all
 */
size_t name_numeric(const char *text, struct endpoint *out);

/**
 * name_look_up() - Ask for it; @answered is called on the loop, not before this returns
 * @text: 'host:port', or a name that begins with '_': of SRV records; copied
 *
 * When the loop ends first it may never be called.
 *
 * Return: false when nothing was asked
 */
bool name_look_up(uv_loop_t *loop, const char *text, const struct name_query *query,
                  name_answered *answered);

/**
 * name_warn() - Log that a look-up failed, and that it is repeated
 * @what, @owner: whose name it is; written one after the other
 */
void name_warn(const char *what, const char *owner, const char *text, const char *failure);

#endif
