/* SPDX-License-Identifier: MIT
 *
 * offload_world.h - two or three homes between which streams.h's frames travel.
 */
#ifndef SIM_OFFLOAD_WORLD_H
#define SIM_OFFLOAD_WORLD_H

#include "streams.h"

enum { HOME, PARENTS, COTTAGE };

#define SECOND_US UINT64_C(1000000)

struct peer;

struct world {
    struct sim sim;
    struct streams *streams;
    uint64_t seed;
    unsigned lost_full, lost; /* datagrams, by on_wan() */
    bool losing;
};

struct layout {
    unsigned homes;
    bool hub;              /* HOME passes frames between the others; else all know all */
    bool auto_mtu;         /* ... is found out; else it is fixed at wan_mtu_bytes */
    unsigned no_large;     /* bit per home: its TAP takes ordinary frames only */
    unsigned no_large_udp; /* ... no large UDP */
    unsigned no_partial;   /* ... does not offer to take partial checksums */
    bool v6, icmp_hint;
    size_t wan_mtu_bytes;
};

/** world_begin() - All are up, and each knows where the others' hosts are */
struct world *world_begin(uint64_t seed, const struct layout *layout);
void world_end(struct world *w);

/** world_flush() - End of what a home's shell hands in at once */
void world_flush(struct world *w, unsigned home);
const struct site_counters *world_counters(const struct world *w, unsigned home);

/** world_peer() - What @home has of @other; NULL: it does not know it */
struct peer *world_peer(struct world *w, unsigned home, unsigned other);

uint64_t world_below(struct world *w, uint64_t n);
bool world_one_in(struct world *w, unsigned n);

void world_assert_clean(const struct world *w);
void world_assert_complete(const struct world *w);
void world_assert_ordered(const struct world *w);

#endif
