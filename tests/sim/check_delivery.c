/* SPDX-License-Identifier: MIT
 *
 * check_delivery.c - frames of every size cross a WAN that delays, loses, repeats and reorders:
 * nothing is changed, nothing comes twice, nothing is lost that the WAN did not lose.
 */
#include "ledger.h"
#include "run.h"

#include "tunnel/reassembly.h"
#include "wire.h"

enum { SEEDS = 20, FRAMES = 1000, INTERVAL_US = 500 };

struct world {
    struct sim sim;
    struct ledger *ledger;
};

static void begin(struct world *w, uint64_t seed, const struct site_config *config)
{
    sim_begin(&w->sim, seed);
    w->ledger = ledger_new(&w->sim);
    for (unsigned n = 0; n < 2; n++) {
        struct site_config own;
        sim_add(&w->sim, n == 0 ? "home" : "parents");
        own = sim_config(&w->sim.node[n]);
        if (config) {
            own.timers = config->timers;
            own.outer_packet_bytes = config->outer_packet_bytes;
        }
        sim_start(&w->sim, n, &own);
    }
    sim_peer(&w->sim, 0, 1, true);
    sim_peer(&w->sim, 1, 0, true);
    ck_assert(sim_run_until_up(&w->sim, 0, 1, 30000000));
    ledger_greet(w->ledger);
}

static void end(struct world *w)
{
    sim_end(&w->sim);
    free(w->ledger);
}

static void stream_both_ways(struct world *w, unsigned frames, size_t bytes)
{
    for (unsigned i = 0; i < frames; i++) {
        ledger_send(w->ledger, 0, 1, bytes);
        ledger_send(w->ledger, 1, 0, bytes);
        sim_run(&w->sim, INTERVAL_US);
    }
    sim_run(&w->sim, 2000000);
}

static void assert_clean(const struct world *w)
{
    for (unsigned a = 0; a < 2; a++) {
        ck_assert_uint_eq(w->ledger->flow[a][1 - a].repeated, 0);
        ck_assert_uint_eq(w->ledger->flow[a][1 - a].spoiled, 0);
    }
}

static void assert_all_arrived(const struct world *w)
{
    assert_clean(w);
    for (unsigned a = 0; a < 2; a++)
        ck_assert_uint_eq(w->ledger->flow[a][1 - a].arrived, w->ledger->flow[a][1 - a].sent);
}

START_TEST(every_size_crosses_within_the_outer_packet)
{
    struct world w;
    begin(&w, 1, &(struct site_config){.outer_packet_bytes = 1280});
    w.sim.wan.mtu_bytes = 1280;
    for (size_t bytes = LEDGER_FRAME_MIN_BYTES; bytes <= 1518; bytes++)
        ledger_send(w.ledger, 0, 1, bytes), sim_run(&w.sim, 1000);
    for (size_t bytes = 1519; bytes <= 9018; bytes += 97)
        ledger_send(w.ledger, 1, 0, bytes), sim_run(&w.sim, 1000);
    sim_run(&w.sim, 1000000);
    assert_all_arrived(&w);
    ck_assert_uint_le(w.sim.node[0].largest_datagram, 1280 - 28);
    ck_assert_uint_le(w.sim.node[1].largest_datagram, 1280 - 28);
    ck_assert_uint_gt(site_counters(w.sim.node[0].site)->fragmented, 0);
    ck_assert_uint_gt(site_counters(w.sim.node[0].site)->reassembled, 0);
    end(&w);
}
END_TEST

START_TEST(a_reordering_and_repeating_wan_changes_nothing)
{
    for (uint64_t seed = 0; seed < sim_seeds(SEEDS); seed++) {
        struct world w;
        begin(&w, seed, NULL);
        /* Large frames are cut: as many of them may be under way as reassembly has room for. */
        bool large = seed % 2 != 0;
        w.sim.wan.jitter_us = large ? REASSEMBLY_SLOTS * INTERVAL_US * 9 / 10 : 100000;
        w.sim.wan.repeat_permille = 100;
        stream_both_ways(&w, FRAMES, large ? 1514 : 100);
        assert_all_arrived(&w);
        ck_assert_uint_gt(site_counters(w.sim.node[0].site)->replay_dropped, 0);
        end(&w);
    }
}
END_TEST

START_TEST(a_losing_wan_loses_only_what_it_lost)
{
    for (uint64_t seed = 0; seed < sim_seeds(SEEDS); seed++) {
        struct world w;
        begin(&w, seed, NULL);
        w.sim.wan.loss_permille = 50;
        w.sim.wan.jitter_us = 3000;
        stream_both_ways(&w, FRAMES, 100);
        assert_clean(&w);
        /* 5 % of 1000 one-datagram frames: 50 +- 7; five sigma. */
        ck_assert_uint_ge(w.ledger->flow[0][1].arrived, w.ledger->flow[0][1].sent - 86);
        ck_assert_uint_lt(w.ledger->flow[0][1].arrived, w.ledger->flow[0][1].sent);
        ck_assert(sim_is_up(&w.sim, 0, 1));
        end(&w);
    }
}
END_TEST

START_TEST(a_burst_is_packed)
{
    struct world w;
    begin(&w, 7, NULL);
    unsigned long before = w.sim.node[0].datagrams_sent;
    uint8_t frame[64];
    /* Unlike sim_send(), a shell hands in many frames before it flushes. */
    memset(frame, 0, sizeof frame);
    memcpy(frame, (const uint8_t[]){2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 0, 0x88, 0xb6}, 14);
    for (unsigned i = 0; i < 50; i++)
        sim_frame(&w.sim.node[0], NULL, frame, sizeof frame);
    sim_flush(&w.sim.node[0]);
    ck_assert_uint_le(w.sim.node[0].datagrams_sent - before, 3);
    ck_assert_uint_ge(w.sim.node[0].datagrams_sent - before, 2);
    end(&w);
}
END_TEST

START_TEST(rekeying_loses_nothing)
{
    for (uint64_t seed = 0; seed < sim_seeds(SEEDS); seed++) {
        struct world w;
        struct site_config quick = {
            .timers = {.rekey_after_us = 1000000, .reject_after_us = 40000000}};
        begin(&w, seed, &quick);
        w.sim.wan.delay_us = 30000;
        w.sim.wan.jitter_us = 20000;
        uint64_t before = site_counters(w.sim.node[0].site)->handshakes;
        for (unsigned i = 0; i < 10; i++)
            stream_both_ways(&w, FRAMES, i % 2 ? 1514 : 100);
        assert_all_arrived(&w);
        ck_assert_uint_ge(site_counters(w.sim.node[0].site)->handshakes - before, 10);
        end(&w);
    }
}
END_TEST

START_TEST(rekeying_survives_lost_handshakes)
{
    for (uint64_t seed = 0; seed < sim_seeds(SEEDS); seed++) {
        struct world w;
        struct site_config quick = {
            .timers = {.rekey_after_us = 1000000, .reject_after_us = 40000000}};
        begin(&w, seed, &quick);
        w.sim.wan.loss_permille = 200;
        for (unsigned i = 0; i < 10; i++)
            stream_both_ways(&w, FRAMES, 100);
        assert_clean(&w);
        /* Were a session ever missing, much more than 20 % would be. */
        ck_assert_uint_gt(w.ledger->flow[0][1].arrived * 100, w.ledger->flow[0][1].sent * 77);
        ck_assert_uint_gt(w.ledger->flow[1][0].arrived * 100, w.ledger->flow[1][0].sent * 77);
        end(&w);
    }
}
END_TEST

SIM_MAIN("delivery", every_size_crosses_within_the_outer_packet,
         a_reordering_and_repeating_wan_changes_nothing, a_losing_wan_loses_only_what_it_lost,
         a_burst_is_packed, rekeying_loses_nothing, rekeying_survives_lost_handshakes)
