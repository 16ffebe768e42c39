/* SPDX-License-Identifier: MIT
 *
 * offload_world.c - see offload_world.h.
 */
#include "offload_world.h"

#include "site/private.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

uint64_t world_below(struct world *w, uint64_t n)
{
    return sim_random(&w->sim) % n;
}

bool world_one_in(struct world *w, unsigned n)
{
    return world_below(w, n) == 0;
}

static void switch_on(struct world *w, unsigned home, const struct layout *layout)
{
    static const char *const name[] = {"home", "parents", "cottage"};
    sim_add(&w->sim, name[home]);
    struct sim_node *node = &w->sim.node[home];
    struct site_config config = sim_config(node);
    if (layout->v6)
        sim_use_v6(&w->sim, home);
    node->tap_no_large = layout->no_large >> home & 1;
    node->tap_no_large_udp = node->tap_no_large || (layout->no_large_udp >> home & 1);
    node->by_turns = true;
    config.hub = layout->hub && home == HOME;
    config.icmp_hint = layout->icmp_hint;
    config.outer_packet_bytes = layout->auto_mtu ? 0 : (uint16_t)layout->wan_mtu_bytes;
    sim_start(&w->sim, home, &config);
}

static bool know_each_other(const struct layout *layout, unsigned a, unsigned b)
{
    return a != b && (!layout->hub || a == HOME || b == HOME);
}

struct peer *world_peer(struct world *w, unsigned home, unsigned other)
{
    for_each_peer(w->sim.node[home].site,
                  peer) if (strcmp(peer->config.name, w->sim.node[other].name) == 0) return peer;
    return NULL;
}

/* As if @other were an older version, or the feature had been switched off there. */
static void forget_feature(struct world *w, unsigned home, unsigned other)
{
    struct peer *peer = world_peer(w, home, other);
    for (unsigned i = 0; peer && i < SESSION_SLOTS; i++)
        peer->slot[i].remote_features &= (uint8_t)~FEATURE_CHECKSUM_PARTIAL;
}

static void connect_all(struct world *w, const struct layout *layout)
{
    for (unsigned a = 0; a < layout->homes; a++)
        for (unsigned b = 0; b < layout->homes; b++)
            if (know_each_other(layout, a, b))
                sim_peer(&w->sim, a, b, true);
    for (unsigned a = 0; a < layout->homes; a++)
        for (unsigned b = 0; b < a; b++)
            if (know_each_other(layout, a, b))
                ck_assert(sim_run_until_up(&w->sim, a, b, 5 * SECOND_US));
    for (unsigned a = 0; a < layout->homes; a++)
        for (unsigned b = 0; b < layout->homes; b++)
            if (know_each_other(layout, a, b) && (layout->no_partial >> b & 1))
                forget_feature(w, a, b);
}

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    struct world *w = (struct world *)(void *)((uint8_t *)sim - offsetof(struct world, sim));
    (void)from, (void)to, (void)data;
    if (!w->losing || !world_one_in(w, 20))
        return true;
    w->lost++;
    w->lost_full += *bytes > 1000;
    return false;
}

struct world *world_begin(uint64_t seed, const struct layout *layout)
{
    struct world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    w->seed = seed;
    sim_begin(&w->sim, seed);
    w->sim.wan.mtu_bytes = layout->wan_mtu_bytes;
    w->sim.on_wan = on_wan;
    w->streams = streams_new(&w->sim);
    for (unsigned home = 0; home < layout->homes; home++)
        switch_on(w, home, layout);
    connect_all(w, layout);
    streams_greet(w->streams);
    return w;
}

void world_end(struct world *w)
{
    streams_free(w->streams);
    sim_end(&w->sim);
    free(w);
}

void world_flush(struct world *w, unsigned home)
{
    sim_flush(&w->sim.node[home]);
}

const struct site_counters *world_counters(const struct world *w, unsigned home)
{
    return site_counters(w->sim.node[home].site);
}

void world_assert_clean(const struct world *w)
{
    ck_assert_msg(streams_clean(w->streams), "seed %llu: %u spoiled (%s), %u astray, or repeated",
                  (unsigned long long)w->seed, w->streams->spoiled,
                  w->streams->why ? w->streams->why : "", w->streams->strays);
}

void world_assert_complete(const struct world *w)
{
    world_assert_clean(w);
    ck_assert_msg(streams_complete(w->streams), "seed %llu: not all arrived",
                  (unsigned long long)w->seed);
}

void world_assert_ordered(const struct world *w)
{
    ck_assert_msg(streams_ordered(w->streams), "seed %llu: overtaken", (unsigned long long)w->seed);
}
