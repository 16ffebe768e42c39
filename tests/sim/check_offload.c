/* SPDX-License-Identifier: MIT
 *
 * check_offload.c - large frames and partial checksums between whole sites: whatever the TAPs at
 * either end take, each segment reaches the hosts of the other homes once, as its sender's own
 * network card would have made it.
 */
#include "run.h"
#include "streams.h"

#include "bytes.h"
#include "frame/checksum.h"
#include "frame/offload.h"
#include "site/private.h"

#include <stdio.h>
#include <string.h>

enum {
    HOME,
    PARENTS,
    COTTAGE,
    MIXTURE_SEEDS = 150,
    SEEDS = 20,
    BURSTS = 12,
    FRAME_MAX_BYTES = 65000,
    GAP_US = 700,
};

#define SECOND_US UINT64_C(1000000)

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

/* ---- a world ---- */

static uint64_t below(struct world *w, uint64_t n)
{
    return sim_random(&w->sim) % n;
}

static bool one_in(struct world *w, unsigned n)
{
    return below(w, n) == 0;
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

static struct peer *peer_of(struct world *w, unsigned home, unsigned other)
{
    for_each_peer(w->sim.node[home].site,
                  peer) if (strcmp(peer->config.name, w->sim.node[other].name) == 0) return peer;
    return NULL;
}

/* As if @other were an older version, or the feature had been switched off there. */
static void forget_feature(struct world *w, unsigned home, unsigned other)
{
    struct peer *peer = peer_of(w, home, other);
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
                   size_t *bytes);

static struct world *begin(uint64_t seed, const struct layout *layout)
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

static void end(struct world *w)
{
    streams_free(w->streams);
    sim_end(&w->sim);
    free(w);
}

static void flush(struct world *w, unsigned home)
{
    site_flush(w->sim.node[home].site, w->sim.now_us);
}

static const struct site_counters *counters(const struct world *w, unsigned home)
{
    return site_counters(w->sim.node[home].site);
}

static void assert_clean(const struct world *w)
{
    ck_assert_msg(streams_clean(w->streams), "seed %llu: %u spoiled (%s), %u astray, or repeated",
                  (unsigned long long)w->seed, w->streams->spoiled,
                  w->streams->why ? w->streams->why : "", w->streams->strays);
}

static void assert_all_arrived(const struct world *w)
{
    assert_clean(w);
    ck_assert_msg(streams_complete(w->streams), "seed %llu: not all arrived",
                  (unsigned long long)w->seed);
}

static void assert_ordered(const struct world *w)
{
    ck_assert_msg(streams_ordered(w->streams), "seed %llu: overtaken", (unsigned long long)w->seed);
}

/* ---- streams of every kind ---- */

static struct stream_kind random_kind(struct world *w, unsigned homes)
{
    struct stream_kind kind = {.from = (unsigned)below(w, homes),
                               .v6 = one_in(w, 2),
                               .udp = one_in(w, 3),
                               .dont_fragment = !one_in(w, 3),
                               .vlan_tags = one_in(w, 2) ? 0 : (uint8_t)below(w, 3),
                               .network_options = one_in(w, 6),
                               .transport_options = one_in(w, 2)};
    kind.to = (kind.from + 1 + (unsigned)below(w, homes - 1)) % homes;
    return kind;
}

static uint8_t random_flags(struct world *w, bool *ecn)
{
    uint8_t flags = STREAM_TCP_ACK;
    flags |= one_in(w, 3) ? STREAM_TCP_PSH : 0;
    flags |= one_in(w, 8) ? STREAM_TCP_FIN : 0;
    flags |= one_in(w, 6) ? STREAM_TCP_ECE : 0;
    flags |= one_in(w, 12) ? STREAM_TCP_URG : 0;
    if (one_in(w, 5)) {
        flags |= STREAM_TCP_CWR;
        *ecn = one_in(w, 2);
    }
    return flags;
}

static struct stream_frame random_large(struct world *w, const struct stream_kind *kind)
{
    static const uint16_t segments[] = {1448, 1460, 1440, 1200, 1000, 536, 8900, 100};
    struct stream_frame frame = {.partial = !one_in(w, 8)};
    frame.segment_bytes = segments[below(w, sizeof segments / sizeof *segments)];
    size_t most = frame.segment_bytes < 500 ? 5000 : one_in(w, 6) ? FRAME_MAX_BYTES : 16000;
    if (kind->udp && frame.segment_bytes > 4000)
        frame.segment_bytes = 1200; /* as it is, so in pieces; few of those are kept */
    if (kind->addressed != STREAM_TO_HOST)
        most = 8000; /* a few segments: within the storm limit */
    frame.payload_bytes = frame.segment_bytes + 1u + below(w, most);
    if (frame.payload_bytes > FRAME_MAX_BYTES)
        frame.payload_bytes = FRAME_MAX_BYTES;
    if (kind->udp && frame.payload_bytes % frame.segment_bytes < 4)
        frame.payload_bytes += 4; /* room for its position */
    return frame;
}

static struct stream_frame random_frame(struct world *w, const struct stream_kind *kind)
{
    struct stream_frame frame = {.partial = !one_in(w, 3), .payload_bytes = 30 + below(w, 1400)};
    if (one_in(w, 2))
        frame = random_large(w, kind);
    if (!kind->udp)
        frame.tcp_flags = random_flags(w, &frame.ecn);
    frame.ecn = frame.ecn && frame.segment_bytes != 0;
    return frame;
}

static void send_burst(struct world *w)
{
    struct streams *s = w->streams;
    unsigned number = (unsigned)below(w, s->count);
    for (unsigned left = 1 + (unsigned)below(w, 4); left > 0; left--) {
        struct stream_frame frame = random_frame(w, &s->stream[number]->kind);
        streams_send(s, number, &frame);
        if (one_in(w, 3))
            number = (unsigned)below(w, s->count);
    }
    for (unsigned home = 0; home < w->sim.nodes; home++)
        flush(w, home);
}

static struct layout random_layout(uint64_t seed)
{
    static const size_t mtus[] = {1280, 1400, 1500, 9000};
    struct layout layout = {.homes = seed % 3 == 0 ? 2 : 3,
                            .hub = seed % 3 == 1,
                            .no_large = (unsigned)(seed / 3 % 8),
                            .no_large_udp = (unsigned)(seed / 5 % 8),
                            .no_partial = (unsigned)(seed / 7 % 8),
                            .v6 = seed / 2 % 2 != 0,
                            .wan_mtu_bytes = mtus[seed / 4 % 4]};
    return layout;
}

START_TEST(mixtures_arrive_whole_once_and_in_order)
{
    unsigned long large = 0;
    for (uint64_t seed = 0; seed < MIXTURE_SEEDS; seed++) {
        struct layout layout = random_layout(seed);
        struct world *w = begin(seed, &layout);
        for (unsigned i = 0; i < 5; i++) {
            struct stream_kind kind = random_kind(w, layout.homes);
            streams_open(w->streams, &kind);
        }
        for (unsigned i = 0; i < BURSTS; i++) {
            send_burst(w);
            sim_run(&w->sim, below(w, 2) * GAP_US);
        }
        sim_run(&w->sim, 200000);
        assert_all_arrived(w);
        assert_ordered(w);
        for (unsigned home = 0; home < layout.homes; home++) {
            ck_assert_uint_eq(counters(w, home)->malformed, 0);
            ck_assert_uint_eq(counters(w, home)->too_large, 0);
            ck_assert_uint_eq(counters(w, home)->storm_dropped, 0);
            large += w->sim.node[home].large_delivered;
        }
        end(w);
    }
    ck_assert_uint_gt(large, MIXTURE_SEEDS);
}
END_TEST

/* Groups and what nobody knows the place of: to every peer, each by its own MTU and features. */
START_TEST(floods_reach_every_home_once)
{
    for (uint64_t seed = 0; seed < 3 * SEEDS; seed++) {
        struct layout layout = random_layout(seed);
        layout.homes = 3;
        layout.hub = seed % 2 != 0;
        struct world *w = begin(seed, &layout);
        for (unsigned i = 0; i < 4; i++) {
            struct stream_kind kind = random_kind(w, layout.homes);
            kind.addressed = i % 2 ? STREAM_TO_UNKNOWN : STREAM_TO_GROUP;
            kind.udp = kind.udp || kind.addressed == STREAM_TO_GROUP;
            streams_open(w->streams, &kind);
        }
        for (unsigned i = 0; i < 6; i++) {
            send_burst(w);
            sim_run(&w->sim, GAP_US);
        }
        sim_run(&w->sim, 200000);
        assert_all_arrived(w);
        assert_ordered(w);
        end(w);
    }
}
END_TEST

/* ---- a WAN as it is ---- */

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    struct streams *s = sim->context;
    struct world *w = (struct world *)(void *)((uint8_t *)sim - offsetof(struct world, sim));
    (void)from, (void)to, (void)data, (void)s;
    if (!w->losing || !one_in(w, 20))
        return true;
    w->lost++;
    w->lost_full += *bytes > 1000;
    return false;
}

/* One segment fills one datagram, so what is missing can be counted. */
START_TEST(a_lost_datagram_costs_its_own_segment_only)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct layout layout = {.homes = 2, .wan_mtu_bytes = 1500, .no_large = seed & 3};
        struct world *w = begin(seed, &layout);
        struct stream_kind kind = {.from = HOME, .to = PARENTS, .udp = seed % 4 == 3};
        struct stream_frame frame = {.payload_bytes = 40u * 1300,
                                     .segment_bytes = 1300,
                                     .partial = true,
                                     .tcp_flags = STREAM_TCP_ACK};
        streams_open(w->streams, &kind);
        w->losing = true;
        for (unsigned i = 0; i < 20; i++) {
            streams_send(w->streams, 0, &frame);
            flush(w, HOME);
            sim_run(&w->sim, GAP_US);
        }
        w->losing = false;
        sim_run(&w->sim, 200000);
        assert_clean(w);
        assert_ordered(w);
        ck_assert_uint_gt(w->lost_full, 0);
        const struct stream *stream = w->streams->stream[0];
        ck_assert_uint_eq(stream->at[PARENTS].bytes, stream->bytes - w->lost_full * 1300);
        end(w);
    }
}
END_TEST

START_TEST(a_reordering_and_repeating_wan_changes_nothing)
{
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        struct layout layout = random_layout(seed);
        struct world *w = begin(seed, &layout);
        for (unsigned i = 0; i < 4; i++) {
            struct stream_kind kind = random_kind(w, layout.homes);
            kind.udp = false; /* no pieces: of those, a reordering WAN may cost some */
            streams_open(w->streams, &kind);
        }
        w->sim.wan.jitter_us = 3000;
        w->sim.wan.repeat_permille = 100;
        for (unsigned i = 0; i < BURSTS; i++) {
            unsigned number = (unsigned)below(w, w->streams->count);
            struct stream_frame frame = random_large(w, &w->streams->stream[number]->kind);
            frame.tcp_flags = random_flags(w, &frame.ecn);
            streams_send(w->streams, number, &frame);
            flush(w, w->streams->stream[number]->kind.from);
            sim_run(&w->sim, GAP_US);
        }
        sim_run(&w->sim, 200000);
        assert_all_arrived(w);
        end(w);
    }
}
END_TEST

/* ---- path MTU ---- */

static void stream_for(struct world *w, unsigned frames)
{
    struct stream_frame frame = {.payload_bytes = 20000,
                                 .segment_bytes = 1448,
                                 .partial = true,
                                 .tcp_flags = STREAM_TCP_ACK};
    while (frames-- > 0) {
        streams_send(w->streams, 0, &frame);
        flush(w, HOME);
        sim_run(&w->sim, 20000);
    }
}

START_TEST(a_path_that_shrinks_gets_smaller_segments_and_no_pieces)
{
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct layout layout = {.homes = 2,
                                .auto_mtu = true,
                                .wan_mtu_bytes = 1500,
                                .v6 = seed & 1,
                                .no_large = seed & 2 ? 3 : 0};
        struct world *w = begin(seed, &layout);
        struct stream_kind kind = {
            .from = HOME, .to = PARENTS, .transport_options = true, .dont_fragment = true};
        streams_open(w->streams, &kind);
        struct stream *stream = w->streams->stream[0];
        sim_run(&w->sim, 5 * SECOND_US);
        stream_for(w, 20);
        assert_all_arrived(w);
        ck_assert_uint_gt(stream->at[PARENTS].largest_segment, 1300);

        w->sim.wan.mtu_bytes = 1280;
        stream_for(w, 300);
        uint32_t missing = stream->bytes - stream->at[PARENTS].bytes;
        stream->at[PARENTS].largest_segment = 0;
        stream_for(w, 20);
        ck_assert_uint_eq(stream->bytes - stream->at[PARENTS].bytes, missing);
        ck_assert_uint_lt(missing, stream->bytes / 4);
        ck_assert_uint_gt(stream->at[PARENTS].largest_segment, 1100);
        ck_assert_uint_le(stream->at[PARENTS].largest_segment, 1200);
        assert_clean(w);
        ck_assert_uint_eq(counters(w, HOME)->fragmented, 0);
        end(w);
    }
}
END_TEST

/* A UDP datagram keeps its boundaries; so it is the one that is cut in pieces, checksum finished.
 */
START_TEST(large_udp_keeps_its_datagrams)
{
    for (unsigned no_large = 0; no_large < 4; no_large++) {
        struct layout layout = {.homes = 2, .wan_mtu_bytes = 1280, .no_large = no_large};
        struct world *w = begin(no_large, &layout);
        struct stream_kind kind = {.from = HOME, .to = PARENTS, .udp = true};
        struct stream_frame frame = {
            .payload_bytes = 10u * 1400 + 33, .segment_bytes = 1400, .partial = true};
        streams_open(w->streams, &kind);
        streams_send(w->streams, 0, &frame);
        flush(w, HOME);
        sim_run(&w->sim, 100000);
        assert_all_arrived(w);
        assert_ordered(w);
        ck_assert_uint_eq(counters(w, HOME)->fragmented, 10);
        ck_assert_uint_eq(w->streams->segments[PARENTS], 11);
        end(w);
    }
}
END_TEST

/* ---- what the peers said ---- */

static void send_pings(struct world *w, unsigned from, unsigned to, unsigned count)
{
    struct stream_kind kind = {.from = from, .to = to};
    struct stream_frame frame = {
        .payload_bytes = 100, .partial = true, .tcp_flags = STREAM_TCP_ACK | STREAM_TCP_PSH};
    unsigned number = streams_open(w->streams, &kind);
    while (count-- > 0) {
        streams_send(w->streams, number, &frame);
        flush(w, from);
        sim_run(&w->sim, GAP_US);
    }
    sim_run(&w->sim, 100000);
}

START_TEST(only_who_offers_it_gets_partial_checksums)
{
    for (unsigned no_partial = 0; no_partial < 8; no_partial++) {
        struct layout layout = {
            .homes = 3, .hub = true, .wan_mtu_bytes = 1500, .no_partial = no_partial};
        struct world *w = begin(no_partial, &layout);
        send_pings(w, PARENTS, COTTAGE, 10); /* through HOME */
        send_pings(w, COTTAGE, HOME, 10);
        assert_all_arrived(w);
        unsigned home_takes = !(no_partial & 1), cottage_takes = !(no_partial >> COTTAGE & 1);
        ck_assert_uint_eq(w->sim.node[COTTAGE].partial_delivered,
                          home_takes && cottage_takes ? 10 : 0);
        ck_assert_uint_eq(w->sim.node[HOME].partial_delivered, home_takes ? 10 : 0);
        end(w);
    }
}
END_TEST

START_TEST(segments_are_counted_as_frames)
{
    for (unsigned no_large = 0; no_large < 4; no_large++) {
        struct layout layout = {.homes = 2, .wan_mtu_bytes = 1500, .no_large = no_large};
        struct world *w = begin(no_large, &layout);
        struct stream_kind kind = {.from = HOME, .to = PARENTS};
        struct stream_frame frame = {.payload_bytes = 44u * 1000,
                                     .segment_bytes = 1000,
                                     .partial = true,
                                     .tcp_flags = STREAM_TCP_ACK};
        streams_open(w->streams, &kind);
        uint64_t sent = peer_of(w, HOME, PARENTS)->tx_frames;
        uint64_t received = peer_of(w, PARENTS, HOME)->rx_frames;
        streams_send(w->streams, 0, &frame);
        flush(w, HOME);
        ck_assert_uint_eq(peer_of(w, HOME, PARENTS)->tx_frames - sent, 44);
        sim_run(&w->sim, 50000);
        ck_assert_uint_eq(peer_of(w, PARENTS, HOME)->rx_frames - received, 44);
        ck_assert_uint_eq(w->streams->segments[PARENTS], 44);
        ck_assert_uint_eq(w->sim.node[PARENTS].large_delivered, no_large & 2 ? 0 : 1);
        end(w);
    }
}
END_TEST

SIM_MAIN("offload", mixtures_arrive_whole_once_and_in_order, floods_reach_every_home_once,
         a_lost_datagram_costs_its_own_segment_only, a_reordering_and_repeating_wan_changes_nothing,
         a_path_that_shrinks_gets_smaller_segments_and_no_pieces, large_udp_keeps_its_datagrams,
         only_who_offers_it_gets_partial_checksums, segments_are_counted_as_frames)
