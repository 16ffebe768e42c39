/* SPDX-License-Identifier: MIT
 *
 * mtu_world.h - the search for one path's MTU alone, under virtual time: a path that carries
 * packets up to a size, loses, delays, repeats and reorders, and routers that are silent, honest or
 * liars.
 *
 * Everything follows from the seed. With history set, what happens is printed, so that a failing
 * seed can be run once more and looked at.
 */
#ifndef SIM_MTU_WORLD_H
#define SIM_MTU_WORLD_H

#include "tunnel/path_mtu.h"

enum { MTU_WORLD_EVENTS_MAX = 512 };

enum mtu_world_icmp {
    ICMP_BLACK_HOLE, /* too large packets vanish */
    ICMP_HONEST,     /* a router says what would fit; that is lost as often as anything */
    ICMP_LYING,      /* they vanish, and somebody sends forged sizes at any time */
};

enum mtu_world_kind { ANSWER, CONTROL, HINT };

struct mtu_world_event {
    uint64_t at_us;
    enum mtu_world_kind kind;
    uint64_t value; /* of a probe; when a control was sent; a hint's size */
};

struct mtu_world {
    uint64_t rng, now_us;
    bool history;

    /* The path. */
    enum ip_family family;
    unsigned mtu_bytes;
    unsigned lost_there_permille, lost_back_permille, repeated_permille;
    uint64_t rtt_us, jitter_us; /* of the whole round; the jitter comes on top, each way half */
    enum mtu_world_icmp icmp;

    struct path_mtu p;
    int64_t srtt_us;
    uint64_t traffic_us, next_traffic_us; /* between large packets; 0: no traffic */
    uint64_t next_lie_us;
    struct mtu_world_event event[MTU_WORLD_EVENTS_MAX];
    unsigned events;

    /* What was seen. */
    uint64_t rounds, probes, bytes; /* outer packets of probes */
    unsigned falls;                 /* the size in use became smaller */
    bool spun, too_far;             /* due again at once; a size in use that was never carried */
    unsigned carried_bytes;         /* the largest that ever was */
};

uint64_t mtu_world_random(struct mtu_world *w);

/** mtu_world_begin() - A path drawn from @seed, found by nobody yet; fields may then be changed */
void mtu_world_begin(struct mtu_world *w, uint64_t seed);

/** mtu_world_run() - Let @us pass */
void mtu_world_run(struct mtu_world *w, uint64_t us);

/** mtu_world_run_until_found() - At most @us; returns how long it took, UINT64_MAX: too long */
uint64_t mtu_world_run_until_found(struct mtu_world *w, uint64_t us);

/** mtu_world_run_until_fits() - Until no more than @bytes is in use; as above */
uint64_t mtu_world_run_until_fits(struct mtu_world *w, unsigned bytes, uint64_t us);

#endif
