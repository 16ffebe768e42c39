/* SPDX-License-Identifier: MIT
 *
 * notices.h - what 'event-command' is told of: peers that are up, clashes, loops. What holds now is
 * compared with what held before, after each event of the core and once a second, for some of it
 * ends without a word.
 */
#ifndef NOTICES_H
#define NOTICES_H

#include "event_command.h"

enum { NOTICES_MAX = 2 * SITE_PEERS_MAX + SITE_CLASHES_MAX + 1 };

/* Each held[] is a NOTICE_PEER_UP, NOTICE_CLASH or NOTICE_LOOP. */
struct notice_list {
    size_t count;
    struct notice held[NOTICES_MAX];
};

struct daemon;

struct notices {
    uv_timer_t timer;
    bool look; /* something happened */
    struct notice_list told;
};

/** notices_start() - Begin in zeroed memory; needs the loop */
void notices_start(struct daemon *daemon);

/** notices_set_program() - The configuration's program; a first one is told all that holds */
void notices_set_program(struct daemon *daemon);

/** notices_enrolled() - A peer has been enrolled, and that is on disk */
void notices_enrolled(struct daemon *daemon, const char *peer);

/** notices_settle() - Look, if something happened */
void notices_settle(struct daemon *daemon);

#endif
