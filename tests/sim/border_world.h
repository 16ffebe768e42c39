/* SPDX-License-Identifier: MIT
 *
 * border_world.h - three sites, of which HOME is split by hand, with the smallest mailboxes:
 * whatever LANSPLICE_SIM_THREADS says. Its egress has its turn when a test lets it, so a mailbox
 * may be full for a while. All others run in one thread. The tests look inside struct site.
 */
#ifndef SIM_BORDER_WORLD_H
#define SIM_BORDER_WORLD_H

#include "net.h"

#include "../unit/frames.h"
#include "site/private.h"

enum {
    HOME,
    PARENTS,
    AUNT,
    NODES,
    ORDERS_BYTES = 16 << 10, /* the least that site_split() promises to work with */
    NOTES_BYTES = 8 << 10,
    SECOND_US = 1000000,
    STEP_US = 1000,
    NUMBERS = 8192, /* numbered frames */
    SESSIONS = 256,
    PORT = 4000,
};

/* The last counter that HOME sealed under a session of the other end. */
struct seal {
    uint32_t remote_index;
    uint64_t counter;
};

struct border_world {
    struct sim sim;
    struct mailbox orders, notes;
    _Alignas(MAILBOX_ALIGNMENT) uint8_t memory[2][ORDERS_BYTES];
    struct egress *egress; /* NULL: HOME runs in one thread */
    bool egress_woken, site_woken;
    void (*while_sending)(struct border_world *w);

    struct seal seal[SESSIONS];
    unsigned seals, out_of_order; /* counters that did not grow */
    unsigned sent_to[NODES];      /* data datagrams of HOME */
    uint8_t came[NODES][NUMBERS]; /* how often each numbered frame reached that LAN */
    unsigned bad_checksums;
    uint64_t refused;                /* datagrams that did not open, at the others */
    uint8_t probe[LOOP_PROBE_BYTES]; /* HOME's last loop probe, as its LAN saw it */
};

/* HOME, what it knows of a node, and what its egress does. */
struct site *border_home(struct border_world *w);
struct peer *border_peer_of(struct border_world *w, unsigned node);
struct egress_peer *border_egress_peer_of(struct border_world *w, unsigned node);

/* What was sealed under a session, by the index that the other end chose. */
struct seal *border_seal_of(struct border_world *w, uint32_t index);

/* Two threads from now on, or one. */
void border_split(struct border_world *w);
void border_join(struct border_world *w);

/* One turn each; or of whoever was woken, or waited for this time, and nobody else. */
void border_egress_turn(struct border_world *w);
void border_site_turn(struct border_world *w);
void border_take_turns(struct border_world *w);

/* Time passes. */
void border_run(struct border_world *w, uint64_t us);

/* All of them up; HOME in one thread. */
void border_start(struct border_world *w, bool hub);

/* Each counter was sealed once and in order, and nothing was refused. */
void border_finish(struct border_world *w);

/* A UDP datagram with a number in it, and whose MAC is its host's. */
size_t border_numbered(uint8_t *out, unsigned from, struct mac to, uint32_t number,
                       size_t payload_bytes);
struct mac border_host_of(unsigned node);

/* A frame of HOME's LAN; it waits for border_flush(). */
void border_from_lan(struct border_world *w, uint8_t *frame, size_t bytes);
void border_send_numbered(struct border_world *w, struct mac to, uint32_t number);
void border_flush(struct border_world *w);

/* A host of @node speaks, so that HOME knows where it lives. */
void border_speak(struct border_world *w, unsigned node, struct mac to, uint32_t number,
                  size_t bytes);

/* How many of these numbers reached the LAN of @node; none twice. */
unsigned border_came_once(const struct border_world *w, unsigned node, uint32_t from, uint32_t to);

/* Of HOME: its counter, and its configuration, to be changed. */
uint64_t border_orders_lost(struct border_world *w);
struct site_config border_options(struct border_world *w);

/* Orders that must arrive, until no more than @room_bytes of a body have room. */
void border_fill_orders(struct border_world *w, size_t room_bytes);

/* A new session, begun by HOME. */
void border_rekey(struct border_world *w, unsigned node);

/* Whether the egress knows all of a peer, and the rules. */
bool border_all_known(struct border_world *w, unsigned node);

#endif
