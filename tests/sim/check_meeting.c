/* SPDX-License-Identifier: MIT
 *
 * check_meeting.c - two homes that cannot reach each other, and a third that both can: they meet
 * there, talk through it where its owner lets them, and go their own way as soon as there is one.
 */
#include "ledger.h"
#include "run.h"

#include <string.h>

enum { SEEDS = 10, A = 0, B = 1, MEETING = 2, INTERVAL_US = 20000 };

struct world {
    struct sim sim;
    struct ledger *ledger;
};

static bool apart; /* nothing goes straight from one to the other */
static bool gone;  /* nor by the third */

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    (void)data;
    (void)bytes;
    if (gone)
        return false;
    if (!apart || from == MEETING)
        return true;
    return !endpoint_equal(to, &sim->node[from == A ? B : A].address);
}

static void start(struct world *w, unsigned number, bool relays)
{
    struct site_config config = sim_config(&w->sim.node[number]);
    config.relay_for_peers = relays;
    sim_start(&w->sim, number, &config);
}

static void begin(struct world *w, uint64_t seed, bool relays)
{
    static const char *const names[] = {"home", "parents", "aunt"};
    sim_begin(&w->sim, seed);
    w->sim.wan.delay_us = 10000;
    w->sim.on_wan = on_wan;
    w->ledger = ledger_new(&w->sim);
    apart = true;
    gone = false;
    for (unsigned n = 0; n < 3; n++)
        sim_add(&w->sim, names[n]);
    for (unsigned n = 0; n < 3; n++)
        start(w, n, relays && n == MEETING);
    for (unsigned n = 0; n < 2; n++) {
        sim_peer(&w->sim, n, MEETING, true);
        sim_peer(&w->sim, MEETING, n, false);
        sim_peer(&w->sim, n, 1 - n, false);
    }
}

static void end(struct world *w)
{
    sim_end(&w->sim);
    free(w->ledger);
}

static struct peer_status status(struct world *w, unsigned node, unsigned other)
{
    struct peer_status status;
    ck_assert(
        site_find_status(w->sim.node[node].site, w->sim.node[other].name, w->sim.now_us, &status));
    return status;
}

static bool is_relayed(struct world *w, unsigned node, unsigned other)
{
    return status(w, node, other).endpoint.via >= VIA_PEER;
}

static void talk(struct world *w, uint64_t us, size_t bytes)
{
    for (uint64_t passed = 0; passed < us; passed += INTERVAL_US) {
        ledger_send(w->ledger, A, B, bytes);
        ledger_send(w->ledger, B, A, bytes);
        sim_run(&w->sim, INTERVAL_US);
    }
}

static void assert_all_came(const struct world *w)
{
    for (unsigned n = 0; n < 2; n++) {
        const struct ledger_flow *flow = &w->ledger->flow[n][1 - n];
        ck_assert_uint_eq(flow->arrived, flow->sent);
        ck_assert_uint_eq(flow->repeated + flow->spoiled, 0);
    }
}

START_TEST(a_third_passes_on)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, true);
        ck_assert(sim_run_until_up(&w.sim, A, B, 5000000));
        ck_assert(is_relayed(&w, A, B) && is_relayed(&w, B, A));
        ledger_greet(w.ledger);
        talk(&w, 1000000, 100);
        talk(&w, 10000000, 1514); /* in pieces, until the size is found, and then */
        sim_run(&w.sim, 200000);
        assert_all_came(&w);
        ck_assert_uint_gt(site_counters(w.sim.node[MEETING].site)->relayed, 1000);
        end(&w);
    }
}
END_TEST

START_TEST(what_is_passed_on_carries_as_much_as_it_can)
{
    struct world w;
    begin(&w, 1, true);
    ck_assert(sim_run_until_up(&w.sim, A, B, 5000000));
    ledger_greet(w.ledger);
    sim_run(&w.sim, 30000000);
    /* 1500 less IP and UDP, the meeting point's header, tag and chunk, and what names the site;
     * then IP and UDP as if the datagram were outside. */
    ck_assert_uint_eq(status(&w, A, B).path_mtu_bytes, 1500 - 28 - 16 - 16 - 2 - 9 + 28);
    end(&w);
}
END_TEST

START_TEST(they_go_straight_as_soon_as_they_can)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, true);
        ck_assert(sim_run_until_up(&w.sim, A, B, 5000000));
        ledger_greet(w.ledger);
        talk(&w, 5000000, 200);
        apart = false;
        talk(&w, 60000000, 200);
        ck_assert(!is_relayed(&w, A, B) && !is_relayed(&w, B, A));
        apart = true;
        ledger_mark(w.ledger, A, B);
        ledger_mark(w.ledger, B, A);
        talk(&w, 3000000, 200);
        ck_assert_uint_le(ledger_back_after_us(w.ledger, A, B), 3000000);
        ck_assert_uint_le(ledger_back_after_us(w.ledger, B, A), 3000000);
        end(&w);
    }
}
END_TEST

START_TEST(an_upgrade_loses_nothing)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, true);
        ck_assert(sim_run_until_up(&w.sim, A, B, 5000000));
        ledger_greet(w.ledger);
        apart = false;
        talk(&w, 60000000, 200);
        ck_assert(!is_relayed(&w, A, B) && !is_relayed(&w, B, A));
        sim_run(&w.sim, 200000);
        assert_all_came(&w);
        end(&w);
    }
}
END_TEST

START_TEST(without_leave_they_only_meet)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, false);
        sim_run(&w.sim, 20000000);
        ck_assert(!sim_is_up(&w.sim, A, B) && !sim_is_up(&w.sim, B, A));
        uint64_t before = site_counters(w.sim.node[MEETING].site)->relayed;
        talk(&w, 10000000, 200);
        ck_assert_uint_eq(w.ledger->flow[A][B].arrived + w.ledger->flow[B][A].arrived, 0);
        ck_assert_uint_le(site_counters(w.sim.node[MEETING].site)->relayed - before, 200);
        apart = false;
        ck_assert(sim_run_until_up(&w.sim, A, B, 30000000));
        ck_assert(!is_relayed(&w, A, B) && !is_relayed(&w, B, A));
        end(&w);
    }
}
END_TEST

/* What is passed on is sealed for another; that it is not answered makes the third doubtful. */
START_TEST(frames_that_it_passes_on_watch_the_way_there)
{
    for (unsigned moment = 0; moment < 10; moment++) {
        struct world w;
        begin(&w, 4, true);
        ck_assert(sim_run_until_up(&w.sim, A, B, 5000000));
        ledger_greet(w.ledger);
        sim_run(&w.sim, 20000000 + moment * 100000);
        talk(&w, 200000, 100);
        ck_assert_int_eq(status(&w, A, MEETING).path[0].state, PATH_VALID);
        gone = true;
        talk(&w, 900000, 100);
        ck_assert_int_eq(status(&w, A, MEETING).path[0].state, PATH_CHECKING);
        end(&w);
    }
}
END_TEST

START_TEST(the_meeting_point_goes)
{
    struct world w;
    begin(&w, 3, true);
    ck_assert(sim_run_until_up(&w.sim, A, B, 5000000));
    sim_kill(&w.sim, MEETING);
    sim_run(&w.sim, 20000000);
    ck_assert(!sim_is_up(&w.sim, A, B) && !sim_is_up(&w.sim, B, A));
    start(&w, MEETING, true);
    for (unsigned n = 0; n < 2; n++)
        sim_peer(&w.sim, MEETING, n, false);
    ck_assert(sim_run_until_up(&w.sim, A, B, 15000000));
    end(&w);
}
END_TEST

START_TEST(a_goodbye_gets_through)
{
    struct world w;
    begin(&w, 4, true);
    ck_assert(sim_run_until_up(&w.sim, A, B, 5000000));
    sim_close(&w.sim.node[A]);
    sim_run(&w.sim, 100000);
    ck_assert(!sim_is_up(&w.sim, B, A) && !sim_is_up(&w.sim, MEETING, A));
    ck_assert(sim_is_up(&w.sim, B, MEETING));
    end(&w);
}
END_TEST

SIM_MAIN("meeting", a_goodbye_gets_through, a_third_passes_on,
         what_is_passed_on_carries_as_much_as_it_can, they_go_straight_as_soon_as_they_can,
         an_upgrade_loses_nothing, without_leave_they_only_meet,
         frames_that_it_passes_on_watch_the_way_there, the_meeting_point_goes)
