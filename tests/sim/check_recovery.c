/* SPDX-License-Identifier: MIT
 *
 * check_recovery.c - whatever happens to one end or the way between, traffic is back within two
 * seconds, with nobody's help.
 */
#include "ledger.h"
#include "run.h"

#include <string.h>

enum { SEEDS = 10, BACK_WITHIN_US = 2000000, INTERVAL_US = 20000 };

struct world {
    struct sim sim;
    struct ledger *ledger;
};

static const bool both_ways[2] = {true, true};

static void begin(struct world *w, uint64_t seed, bool first_calls, bool second_calls)
{
    sim_begin(&w->sim, seed);
    w->sim.wan.delay_us = 15000;
    w->ledger = ledger_new(&w->sim);
    sim_add(&w->sim, "home");
    sim_add(&w->sim, "parents");
    sim_start(&w->sim, 0, NULL);
    sim_start(&w->sim, 1, NULL);
    sim_peer(&w->sim, 0, 1, first_calls);
    sim_peer(&w->sim, 1, 0, second_calls);
    ck_assert(sim_run_until_up(&w->sim, 0, 1, 5000000));
    ledger_greet(w->ledger);
}

static void end(struct world *w)
{
    sim_end(&w->sim);
    free(w->ledger);
}

/* Traffic as @ways says ([origin]) for @us. */
static void talk(struct world *w, const bool ways[2], uint64_t us)
{
    for (uint64_t passed = 0; passed < us; passed += INTERVAL_US) {
        for (unsigned n = 0; n < 2; n++)
            if (ways[n])
                ledger_send(w->ledger, n, 1 - n, 200);
        sim_run(&w->sim, INTERVAL_US);
    }
}

static void mark(struct world *w)
{
    ledger_mark(w->ledger, 0, 1);
    ledger_mark(w->ledger, 1, 0);
}

static void assert_back(struct world *w, const bool ways[2], const char *what, uint64_t seed)
{
    for (unsigned n = 0; n < 2; n++)
        if (ways[n])
            ck_assert_msg(ledger_back_after_us(w->ledger, n, 1 - n) <= BACK_WITHIN_US,
                          "%s, seed %lu: %u to %u back after %lu us", what, (unsigned long)seed, n,
                          1 - n, (unsigned long)ledger_back_after_us(w->ledger, n, 1 - n));
}

START_TEST(either_end_restarts)
{
    static const bool ways[][2] = {{true, true}, {true, false}, {false, true}};
    static const bool calls[][2] = {{true, true}, {true, false}, {false, true}};
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (unsigned c = 0; c < 3; c++)
            for (unsigned d = 0; d < 3; d++)
                for (unsigned who = 0; who < 2; who++) {
                    struct world w;
                    char what[64];
                    begin(&w, seed, calls[c][0], calls[c][1]);
                    talk(&w, ways[d], 2000000);
                    sim_kill(&w.sim, who);
                    talk(&w, ways[d], seed % 2 ? 300000 : 30000000);
                    sim_start(&w.sim, who, NULL);
                    sim_peer(&w.sim, who, 1 - who, calls[c][who]);
                    mark(&w);
                    talk(&w, ways[d], BACK_WITHIN_US);
                    snprintf(what, sizeof what, "restart of %u, callers %u, ways %u", who, c, d);
                    assert_back(&w, ways[d], what, seed);
                    end(&w);
                }
}
END_TEST

START_TEST(both_ends_restart)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, true, true);
        sim_kill(&w.sim, 0);
        sim_kill(&w.sim, 1);
        sim_run(&w.sim, 1000000);
        for (unsigned n = 0; n < 2; n++) {
            sim_start(&w.sim, n, NULL);
            sim_peer(&w.sim, n, 1 - n, true);
        }
        mark(&w);
        talk(&w, both_ways, BACK_WITHIN_US);
        assert_back(&w, both_ways, "both restarted", seed);
        end(&w);
    }
}
END_TEST

START_TEST(a_nat_gives_another_port)
{
    static const bool ways[][2] = {{true, true}, {true, false}, {false, true}};
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (unsigned d = 0; d < 3; d++) {
            struct world w;
            begin(&w, seed, true, false);
            w.sim.node[0].unreachable = true;
            talk(&w, ways[d], 5000000);
            sim_move(&w.sim, 0);
            mark(&w);
            talk(&w, ways[d], BACK_WITHIN_US);
            assert_back(&w, ways[d], "new mapping", seed);
            end(&w);
        }
}
END_TEST

START_TEST(an_address_changes_and_the_shell_says_so)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (unsigned who = 0; who < 2; who++) {
            struct world w;
            begin(&w, seed, true, true);
            /* No traffic at all: the quiet end must not wait for its keepalive. */
            sim_run(&w.sim, 60000000);
            sim_move(&w.sim, who);
            site_network_changed(w.sim.node[who].site, w.sim.now_us);
            sim_run(&w.sim, 500000);
            mark(&w);
            talk(&w, both_ways, 200000);
            assert_back(&w, both_ways, "address change", seed);
            end(&w);
        }
}
END_TEST

START_TEST(a_blackout_ends)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, true, true);
        w.sim.wan.loss_permille = 1000;
        talk(&w, both_ways, 20000000);
        ck_assert(!sim_is_up(&w.sim, 0, 1));
        ck_assert_uint_ge(w.sim.node[0].events[EVENT_PEER_DOWN], 1);
        w.sim.wan.loss_permille = 0;
        mark(&w);
        talk(&w, both_ways, BACK_WITHIN_US);
        assert_back(&w, both_ways, "blackout", seed);
        end(&w);
    }
}
END_TEST

START_TEST(both_call_at_once)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct world w;
        sim_begin(&w.sim, seed);
        w.ledger = ledger_new(&w.sim);
        w.sim.wan.delay_us = 20000;
        w.sim.wan.loss_permille = seed % 2 ? 200 : 0;
        for (unsigned n = 0; n < 2; n++) {
            sim_add(&w.sim, n ? "parents" : "home");
            sim_start(&w.sim, n, NULL);
        }
        sim_peer(&w.sim, 0, 1, true);
        sim_peer(&w.sim, 1, 0, true);
        ck_assert_msg(sim_run_until_up(&w.sim, 0, 1, seed % 2 ? 20000000 : 300000),
                      "seed %lu: not up", (unsigned long)seed);
        w.sim.wan.loss_permille = 0;
        ledger_greet(w.ledger);
        talk(&w, both_ways, 3000000);
        sim_run(&w.sim, 100000); /* what is on its way */
        ck_assert_uint_eq(w.ledger->flow[0][1].arrived, w.ledger->flow[0][1].sent);
        ck_assert_uint_eq(w.ledger->flow[1][0].arrived, w.ledger->flow[1][0].sent);
        end(&w);
    }
}
END_TEST

START_TEST(the_other_end_says_goodbye)
{
    struct world w;
    begin(&w, 3, true, false);
    sim_close(&w.sim.node[1]);
    sim_run(&w.sim, 100000);
    ck_assert(!sim_is_up(&w.sim, 0, 1));
    sim_kill(&w.sim, 1);
    sim_start(&w.sim, 1, NULL);
    sim_peer(&w.sim, 1, 0, false);
    mark(&w);
    talk(&w, both_ways, BACK_WITHIN_US);
    assert_back(&w, both_ways, "after a goodbye", 3);
    end(&w);
}
END_TEST

START_TEST(a_reload_keeps_the_session)
{
    struct world w;
    begin(&w, 5, true, true);
    uint64_t handshakes = site_counters(w.sim.node[0].site)->handshakes;
    sim_peer(&w.sim, 0, 1, true);
    talk(&w, both_ways, 1000000);
    sim_run(&w.sim, 100000);
    ck_assert_uint_eq(site_counters(w.sim.node[0].site)->handshakes, handshakes);
    ck_assert_uint_eq(w.ledger->flow[0][1].arrived, w.ledger->flow[0][1].sent);
    end(&w);
}
END_TEST

START_TEST(an_idle_pair_is_quiet_and_stays_up)
{
    struct world w;
    begin(&w, 11, true, true);
    sim_kill(&w.sim, 1); /* so that the two do not speak at the same moments */
    sim_run(&w.sim, 400000);
    sim_start(&w.sim, 1, NULL);
    sim_peer(&w.sim, 1, 0, true);
    sim_run(&w.sim, 60000000);
    w.sim.node[0].events[EVENT_PEER_DOWN] = 0;
    unsigned long before = w.sim.node[0].datagrams_sent;
    for (unsigned minute = 0; minute < 60; minute++) {
        sim_run(&w.sim, 60000000);
        ck_assert(sim_is_up(&w.sim, 0, 1) && sim_is_up(&w.sim, 1, 0));
    }
    /* Loop probes each second, checks of the path each 15 s and answers, new keys in two minutes.
     */
    ck_assert_uint_le(w.sim.node[0].datagrams_sent - before, 3600 * 5 / 4);
    ck_assert_uint_eq(w.sim.node[0].events[EVENT_PEER_DOWN], 0);
    end(&w);
}
END_TEST

SIM_MAIN("recovery", either_end_restarts, both_ends_restart, a_nat_gives_another_port,
         an_address_changes_and_the_shell_says_so, a_blackout_ends, both_call_at_once,
         the_other_end_says_goodbye, a_reload_keeps_the_session, an_idle_pair_is_quiet_and_stays_up)
