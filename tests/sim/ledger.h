/* SPDX-License-Identifier: MIT
 *
 * ledger.h - numbered frames between the homes' hosts, and a book of which of them came.
 *
 * Each home has one host with a fixed MAC. Its frames carry origin, destination, a number and a
 * pattern that fills the rest, so that a loss, a duplicate and a changed byte are all seen.
 */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "net.h"

enum { LEDGER_FRAMES_MAX = 40000, LEDGER_EVERYONE = SIM_NODES_MAX, LEDGER_FRAME_MIN_BYTES = 60 };

struct ledger_flow {
    unsigned sent;
    unsigned arrived;  /* different frames that came */
    unsigned repeated; /* came once more */
    unsigned spoiled;  /* came with other bytes than were sent, or never were sent */
    uint64_t first_after_mark_us, mark_us; /* ledger_mark() */
    uint8_t seen[LEDGER_FRAMES_MAX / 8 + 1];
};

struct ledger {
    struct sim *sim;
    /* [origin][home where it was seen]; broadcasts count at each home. */
    struct ledger_flow flow[SIM_NODES_MAX][SIM_NODES_MAX];
    unsigned next[SIM_NODES_MAX]; /* number of the origin's next frame */
    unsigned long strangers;      /* frames in LANs that are not ours, e.g. announcements */
};

/** ledger_new() - Takes the world's on_lan hook; free() it */
struct ledger *ledger_new(struct sim *sim);

/** ledger_send() - The host of home @from sends @bytes to the host of @to, or LEDGER_EVERYONE */
void ledger_send(struct ledger *l, unsigned from, unsigned to, size_t bytes);

/** ledger_greet() - Each host broadcasts once, so that all are known; lets 100 ms pass */
void ledger_greet(struct ledger *l);

/** ledger_mark() - From now on, wait for the next arrival from @from at @to */
void ledger_mark(struct ledger *l, unsigned from, unsigned to);

/** ledger_back_after_us() - Time from the mark to the next arrival; UINT64_MAX: none yet */
uint64_t ledger_back_after_us(const struct ledger *l, unsigned from, unsigned to);

#endif
