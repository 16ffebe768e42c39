/* SPDX-License-Identifier: MIT
 *
 * check_offload.c - large frames and partial checksums between whole sites: whatever the TAPs at
 * either end take, each segment reaches the hosts of the other homes once, as its sender's own
 * network card would have made it.
 */
#include "offload_world.h"
#include "run.h"

#include "site/private.h"

enum {
    MIXTURE_SEEDS = 150,
    SEEDS = 20,
    BURSTS = 12,
    FRAME_MAX_BYTES = 65000,
    GAP_US = 700,
};

/* ---- streams of every kind ---- */

static struct stream_kind random_kind(struct world *w, unsigned homes)
{
    struct stream_kind kind = {.from = (unsigned)world_below(w, homes),
                               .v6 = world_one_in(w, 2),
                               .udp = world_one_in(w, 3),
                               .dont_fragment = !world_one_in(w, 3),
                               .vlan_tags = world_one_in(w, 2) ? 0 : (uint8_t)world_below(w, 3),
                               .network_options = world_one_in(w, 6),
                               .transport_options = world_one_in(w, 2)};
    kind.to = (kind.from + 1 + (unsigned)world_below(w, homes - 1)) % homes;
    return kind;
}

static uint8_t random_flags(struct world *w, bool *ecn)
{
    uint8_t flags = STREAM_TCP_ACK;
    flags |= world_one_in(w, 3) ? STREAM_TCP_PSH : 0;
    flags |= world_one_in(w, 8) ? STREAM_TCP_FIN : 0;
    flags |= world_one_in(w, 6) ? STREAM_TCP_ECE : 0;
    flags |= world_one_in(w, 12) ? STREAM_TCP_URG : 0;
    if (world_one_in(w, 5)) {
        flags |= STREAM_TCP_CWR;
        *ecn = world_one_in(w, 2);
    }
    return flags;
}

static struct stream_frame random_large(struct world *w, const struct stream_kind *kind)
{
    static const uint16_t segments[] = {1448, 1460, 1440, 1200, 1000, 536, 8900, 100};
    struct stream_frame frame = {.partial = !world_one_in(w, 8)};
    frame.segment_bytes = segments[world_below(w, sizeof segments / sizeof *segments)];
    size_t most = frame.segment_bytes < 500 ? 5000 : world_one_in(w, 6) ? FRAME_MAX_BYTES : 16000;
    if (kind->udp && frame.segment_bytes > 4000)
        frame.segment_bytes = 1200; /* as it is, so in pieces; few of those are kept */
    if (kind->addressed != STREAM_TO_HOST)
        most = 8000; /* a few segments: within the storm limit */
    frame.payload_bytes = frame.segment_bytes + 1u + (size_t)world_below(w, most);
    if (frame.payload_bytes > FRAME_MAX_BYTES)
        frame.payload_bytes = FRAME_MAX_BYTES;
    if (kind->udp && frame.payload_bytes % frame.segment_bytes < 4)
        frame.payload_bytes += 4; /* room for its position */
    return frame;
}

static struct stream_frame random_frame(struct world *w, const struct stream_kind *kind)
{
    struct stream_frame frame = {.partial = !world_one_in(w, 3),
                                 .payload_bytes = 30 + (unsigned)world_below(w, 1400)};
    if (world_one_in(w, 2))
        frame = random_large(w, kind);
    if (!kind->udp)
        frame.tcp_flags = random_flags(w, &frame.ecn);
    frame.ecn = frame.ecn && frame.segment_bytes != 0;
    return frame;
}

static void send_burst(struct world *w)
{
    struct streams *s = w->streams;
    unsigned number = (unsigned)world_below(w, s->count);
    for (unsigned left = 1 + (unsigned)world_below(w, 4); left > 0; left--) {
        struct stream_frame frame = random_frame(w, &s->stream[number]->kind);
        streams_send(s, number, &frame);
        if (world_one_in(w, 3))
            number = (unsigned)world_below(w, s->count);
    }
    for (unsigned home = 0; home < w->sim.nodes; home++)
        world_flush(w, home);
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
        struct world *w = world_begin(seed, &layout);
        for (unsigned i = 0; i < 5; i++) {
            struct stream_kind kind = random_kind(w, layout.homes);
            streams_open(w->streams, &kind);
        }
        for (unsigned i = 0; i < BURSTS; i++) {
            send_burst(w);
            sim_run(&w->sim, world_below(w, 2) * GAP_US);
        }
        sim_run(&w->sim, 200000);
        world_assert_complete(w);
        world_assert_ordered(w);
        for (unsigned home = 0; home < layout.homes; home++) {
            ck_assert_uint_eq(world_counters(w, home)->malformed, 0);
            ck_assert_uint_eq(world_counters(w, home)->too_large, 0);
            ck_assert_uint_eq(world_counters(w, home)->storm_dropped, 0);
            large += w->sim.node[home].large_delivered;
        }
        world_end(w);
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
        struct world *w = world_begin(seed, &layout);
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
        world_assert_complete(w);
        world_assert_ordered(w);
        world_end(w);
    }
}
END_TEST

/* ---- a WAN as it is ---- */

/* One segment fills one datagram, so what is missing can be counted. */
START_TEST(a_lost_datagram_costs_its_own_segment_only)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct layout layout = {.homes = 2, .wan_mtu_bytes = 1500, .no_large = seed & 3};
        struct world *w = world_begin(seed, &layout);
        struct stream_kind kind = {.from = HOME, .to = PARENTS, .udp = seed % 4 == 3};
        struct stream_frame frame = {.payload_bytes = 40u * 1300,
                                     .segment_bytes = 1300,
                                     .partial = true,
                                     .tcp_flags = STREAM_TCP_ACK};
        streams_open(w->streams, &kind);
        w->losing = true;
        for (unsigned i = 0; i < 20; i++) {
            streams_send(w->streams, 0, &frame);
            world_flush(w, HOME);
            sim_run(&w->sim, GAP_US);
        }
        w->losing = false;
        sim_run(&w->sim, 200000);
        world_assert_clean(w);
        world_assert_ordered(w);
        ck_assert_uint_gt(w->lost_full, 0);
        const struct stream *stream = w->streams->stream[0];
        ck_assert_uint_eq(stream->at[PARENTS].bytes, stream->bytes - w->lost_full * 1300);
        world_end(w);
    }
}
END_TEST

START_TEST(a_reordering_and_repeating_wan_changes_nothing)
{
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        struct layout layout = random_layout(seed);
        struct world *w = world_begin(seed, &layout);
        for (unsigned i = 0; i < 4; i++) {
            struct stream_kind kind = random_kind(w, layout.homes);
            kind.udp = false; /* no pieces: of those, a reordering WAN may cost some */
            streams_open(w->streams, &kind);
        }
        w->sim.wan.jitter_us = 3000;
        w->sim.wan.repeat_permille = 100;
        for (unsigned i = 0; i < BURSTS; i++) {
            unsigned number = (unsigned)world_below(w, w->streams->count);
            struct stream_frame frame = random_large(w, &w->streams->stream[number]->kind);
            frame.tcp_flags = random_flags(w, &frame.ecn);
            streams_send(w->streams, number, &frame);
            world_flush(w, w->streams->stream[number]->kind.from);
            sim_run(&w->sim, GAP_US);
        }
        sim_run(&w->sim, 200000);
        world_assert_complete(w);
        world_end(w);
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
        world_flush(w, HOME);
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
        struct world *w = world_begin(seed, &layout);
        struct stream_kind kind = {
            .from = HOME, .to = PARENTS, .transport_options = true, .dont_fragment = true};
        streams_open(w->streams, &kind);
        struct stream *stream = w->streams->stream[0];
        sim_run(&w->sim, 5 * SECOND_US);
        stream_for(w, 20);
        world_assert_complete(w);
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
        world_assert_clean(w);
        ck_assert_uint_eq(world_counters(w, HOME)->fragmented, 0);
        world_end(w);
    }
}
END_TEST

/* A UDP datagram keeps its boundaries; so it is the one that is cut in pieces, checksum finished.
 */
START_TEST(large_udp_keeps_its_datagrams)
{
    for (unsigned no_large = 0; no_large < 4; no_large++) {
        struct layout layout = {.homes = 2, .wan_mtu_bytes = 1280, .no_large = no_large};
        struct world *w = world_begin(no_large, &layout);
        struct stream_kind kind = {.from = HOME, .to = PARENTS, .udp = true};
        struct stream_frame frame = {
            .payload_bytes = 10u * 1400 + 33, .segment_bytes = 1400, .partial = true};
        streams_open(w->streams, &kind);
        streams_send(w->streams, 0, &frame);
        world_flush(w, HOME);
        sim_run(&w->sim, 100000);
        world_assert_complete(w);
        world_assert_ordered(w);
        ck_assert_uint_eq(world_counters(w, HOME)->fragmented, 10);
        ck_assert_uint_eq(w->streams->segments[PARENTS], 11);
        world_end(w);
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
        world_flush(w, from);
        sim_run(&w->sim, GAP_US);
    }
    sim_run(&w->sim, 100000);
}

START_TEST(only_who_offers_it_gets_partial_checksums)
{
    for (unsigned no_partial = 0; no_partial < 8; no_partial++) {
        struct layout layout = {
            .homes = 3, .hub = true, .wan_mtu_bytes = 1500, .no_partial = no_partial};
        struct world *w = world_begin(no_partial, &layout);
        send_pings(w, PARENTS, COTTAGE, 10); /* through HOME */
        send_pings(w, COTTAGE, HOME, 10);
        world_assert_complete(w);
        unsigned home_takes = !(no_partial & 1), cottage_takes = !(no_partial >> COTTAGE & 1);
        ck_assert_uint_eq(w->sim.node[COTTAGE].partial_delivered,
                          home_takes && cottage_takes ? 10 : 0);
        ck_assert_uint_eq(w->sim.node[HOME].partial_delivered, home_takes ? 10 : 0);
        world_end(w);
    }
}
END_TEST

START_TEST(segments_are_counted_as_frames)
{
    for (unsigned no_large = 0; no_large < 4; no_large++) {
        struct layout layout = {.homes = 2, .wan_mtu_bytes = 1500, .no_large = no_large};
        struct world *w = world_begin(no_large, &layout);
        struct stream_kind kind = {.from = HOME, .to = PARENTS};
        struct stream_frame frame = {.payload_bytes = 44u * 1000,
                                     .segment_bytes = 1000,
                                     .partial = true,
                                     .tcp_flags = STREAM_TCP_ACK};
        streams_open(w->streams, &kind);
        uint64_t sent = world_peer(w, HOME, PARENTS)->tx_frames;
        uint64_t received = world_peer(w, PARENTS, HOME)->rx_frames;
        streams_send(w->streams, 0, &frame);
        world_flush(w, HOME);
        ck_assert_uint_eq(world_peer(w, HOME, PARENTS)->tx_frames - sent, 44);
        sim_run(&w->sim, 50000);
        ck_assert_uint_eq(world_peer(w, PARENTS, HOME)->rx_frames - received, 44);
        ck_assert_uint_eq(w->streams->segments[PARENTS], 44);
        ck_assert_uint_eq(w->sim.node[PARENTS].large_delivered, no_large & 2 ? 0 : 1);
        world_end(w);
    }
}
END_TEST

SIM_MAIN("offload", mixtures_arrive_whole_once_and_in_order, floods_reach_every_home_once,
         a_lost_datagram_costs_its_own_segment_only, a_reordering_and_repeating_wan_changes_nothing,
         a_path_that_shrinks_gets_smaller_segments_and_no_pieces, large_udp_keeps_its_datagrams,
         only_who_offers_it_gets_partial_checksums, segments_are_counted_as_frames)
