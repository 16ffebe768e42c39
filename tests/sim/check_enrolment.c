/* SPDX-License-Identifier: MIT
 *
 * check_enrolment.c - a token turns a stranger into a peer: once, whatever is lost, repeated,
 * raced or killed on the way. What a machine knows after a restart is what its shell stored.
 */
#include "ledger.h"
#include "run.h"

#include <string.h>

enum { SEEDS = 20 };
enum { HOME, PARENTS, THIEF };

static const uint8_t TOKEN_ID[TOKEN_ID_BYTES] = "sixteen byte id";
static const uint8_t ONE_TIME_PSK[PSK_BYTES] = "a one-time key of thirty-two b.";

struct world {
    struct sim sim;
    uint64_t token_until_us;
};

static void begin(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    sim_begin(&w->sim, seed);
    sim_add(&w->sim, "home");
    sim_add(&w->sim, "parents");
    sim_add(&w->sim, "thief");
    sim_start(&w->sim, HOME, NULL);
    sim_start(&w->sim, PARENTS, NULL);
    w->token_until_us = w->sim.now_us + UINT64_C(3600000000);
}

/* The inviter's peer as its disk has it: invited, bound, or enrolled. */
static void load_inviter(struct world *w)
{
    struct sim_node *home = &w->sim.node[HOME];
    struct peer_config config = {.name = "parents", .keepalive_us = 20000000};
    if (home->enrolments > 0) {
        config.has_key = true;
        memcpy(config.public_key, home->enrolled.public_key, sizeof config.public_key);
        memcpy(config.psk, home->enrolled.psk, sizeof config.psk);
    }
    if (home->enrolments == 0 || !home->enrolled.confirmed) {
        config.has_token = true;
        memcpy(config.token_id, TOKEN_ID, sizeof TOKEN_ID);
        memcpy(config.token_psk, ONE_TIME_PSK, sizeof ONE_TIME_PSK);
        config.token_until_us = w->token_until_us;
    }
    site_set_peer(home->site, &config, w->sim.now_us);
}

/* A joiner as its disk has it: joining, or enrolled. */
static void load_joiner(struct world *w, unsigned who, const uint8_t psk[PSK_BYTES])
{
    struct sim_node *node = &w->sim.node[who], *home = &w->sim.node[HOME];
    struct peer_config config = {.name = "home", .has_key = true, .keepalive_us = 20000000};
    memcpy(config.public_key, home->public_key, sizeof config.public_key);
    if (node->enrolments > 0) {
        memcpy(config.psk, node->enrolled.psk, sizeof config.psk);
    } else {
        config.has_token = config.joining = true;
        memcpy(config.token_id, TOKEN_ID, sizeof TOKEN_ID);
        memcpy(config.token_psk, psk, sizeof config.token_psk);
    }
    site_set_peer(node->site, &config, w->sim.now_us);
    site_set_endpoints(node->site, "home", &home->address, 1, w->sim.now_us);
}

static void assert_enrolled(struct world *w, uint64_t seed)
{
    struct sim_node *home = &w->sim.node[HOME], *parents = &w->sim.node[PARENTS];
    ck_assert_msg(sim_is_up(&w->sim, HOME, PARENTS) && sim_is_up(&w->sim, PARENTS, HOME),
                  "seed %lu: not up", (unsigned long)seed);
    ck_assert_mem_eq(home->enrolled.public_key, parents->public_key, PUBLIC_KEY_BYTES);
    ck_assert_mem_eq(parents->enrolled.public_key, home->public_key, PUBLIC_KEY_BYTES);
    ck_assert_mem_eq(home->enrolled.psk, parents->enrolled.psk, PSK_BYTES);
    ck_assert(sodium_is_zero(home->enrolled.psk, PSK_BYTES) == 0);
    ck_assert(home->enrolled.confirmed);
    ck_assert(parents->enrolled.joining);
}

START_TEST(a_token_enrols)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed);
        load_inviter(&w);
        load_joiner(&w, PARENTS, ONE_TIME_PSK);
        sim_run(&w.sim, 1000000);
        assert_enrolled(&w, seed);
        ck_assert_int_eq(memcmp(w.sim.node[HOME].enrolled.psk, ONE_TIME_PSK, PSK_BYTES) != 0, 1);
        sim_end(&w.sim);
    }
}
END_TEST

START_TEST(it_enrols_over_a_bad_line)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct world w;
        begin(&w, seed);
        w.sim.wan.loss_permille = 400;
        w.sim.wan.repeat_permille = 200;
        w.sim.wan.jitter_us = 100000;
        load_inviter(&w);
        load_joiner(&w, PARENTS, ONE_TIME_PSK);
        sim_run(&w.sim, 120000000);
        w.sim.wan.loss_permille = 0;
        sim_run(&w.sim, 10000000);
        assert_enrolled(&w, seed);
        sim_end(&w.sim);
    }
}
END_TEST

START_TEST(the_right_key_with_a_wrong_token_stays_out)
{
    static const uint8_t guess[PSK_BYTES] = "not the one-time key";
    struct world w;
    begin(&w, 1);
    load_inviter(&w);
    load_joiner(&w, PARENTS, guess);
    sim_run(&w.sim, 30000000);
    ck_assert(!sim_is_up(&w.sim, HOME, PARENTS) && !sim_is_up(&w.sim, PARENTS, HOME));
    ck_assert_uint_eq(w.sim.node[HOME].enrolments + w.sim.node[PARENTS].enrolments, 0);
    sim_end(&w.sim);
}
END_TEST

START_TEST(a_wrong_guess_does_not_burn_the_token)
{
    static const uint8_t guess[PSK_BYTES] = "not the one-time key";
    struct world w;
    begin(&w, 2);
    load_inviter(&w);
    sim_start(&w.sim, THIEF, NULL);
    load_joiner(&w, THIEF, guess);
    sim_run(&w.sim, 10000000);
    sim_kill(&w.sim, THIEF);
    sim_run(&w.sim, 60000000);
    load_joiner(&w, PARENTS, ONE_TIME_PSK);
    sim_run(&w.sim, 30000000);
    assert_enrolled(&w, 2);
    sim_end(&w.sim);
}
END_TEST

START_TEST(of_two_who_race_one_gets_in)
{
    unsigned thief_won = 0, parents_won = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed);
        w.sim.wan.jitter_us = 30000;
        load_inviter(&w);
        sim_start(&w.sim, THIEF, NULL);
        load_joiner(&w, PARENTS, ONE_TIME_PSK);
        load_joiner(&w, THIEF, ONE_TIME_PSK);
        sim_run(&w.sim, 60000000);
        bool thief = sim_is_up(&w.sim, THIEF, HOME), parents = sim_is_up(&w.sim, PARENTS, HOME);
        ck_assert_msg(thief != parents, "seed %lu: thief %d, parents %d", (unsigned long)seed,
                      thief, parents);
        ck_assert_uint_ge(w.sim.node[HOME].events[EVENT_TOKEN_REFUSED], 1);
        thief_won += thief, parents_won += parents;
        sim_end(&w.sim);
    }
    ck_assert_uint_gt(thief_won, 0); /* else the race was none */
    ck_assert_uint_gt(parents_won, 0);
}
END_TEST

START_TEST(a_used_token_is_dead)
{
    struct world w;
    begin(&w, 4);
    load_inviter(&w);
    load_joiner(&w, PARENTS, ONE_TIME_PSK);
    sim_run(&w.sim, 2000000);
    assert_enrolled(&w, 4);
    struct site_enrolment before = w.sim.node[HOME].enrolled;
    sim_start(&w.sim, THIEF, NULL);
    load_joiner(&w, THIEF, ONE_TIME_PSK);
    sim_run(&w.sim, 30000000);
    ck_assert(!sim_is_up(&w.sim, THIEF, HOME));
    ck_assert_mem_eq(before.public_key, w.sim.node[HOME].enrolled.public_key, PUBLIC_KEY_BYTES);
    ck_assert(sim_is_up(&w.sim, HOME, PARENTS));
    sim_end(&w.sim);
}
END_TEST

START_TEST(an_expired_token_is_refused)
{
    struct world w;
    begin(&w, 5);
    w.token_until_us = w.sim.now_us + 1000000;
    load_inviter(&w);
    sim_run(&w.sim, 2000000);
    load_joiner(&w, PARENTS, ONE_TIME_PSK);
    sim_run(&w.sim, 30000000);
    ck_assert(!sim_is_up(&w.sim, PARENTS, HOME));
    ck_assert_uint_eq(w.sim.node[HOME].enrolments, 0);
    ck_assert_uint_ge(w.sim.node[HOME].events[EVENT_TOKEN_REFUSED], 1);
    sim_end(&w.sim);
}
END_TEST

/* Kill one machine at each moment of the enrolment and let it come back from its disk. */
START_TEST(a_kill_at_any_moment_is_survived)
{
    for (unsigned who = HOME; who <= PARENTS; who++)
        for (uint64_t at_us = 0; at_us < 60000; at_us += 1000) {
            struct world w;
            begin(&w, at_us);
            load_inviter(&w);
            load_joiner(&w, PARENTS, ONE_TIME_PSK);
            sim_run(&w.sim, at_us);
            sim_kill(&w.sim, who);
            sim_run(&w.sim, 500000);
            sim_start(&w.sim, who, NULL);
            if (who == HOME)
                load_inviter(&w);
            else
                load_joiner(&w, PARENTS, ONE_TIME_PSK);
            sim_run(&w.sim, 15000000);
            assert_enrolled(&w, at_us);
            sim_end(&w.sim);
        }
}
END_TEST

START_TEST(a_full_disk_delays_but_does_not_break)
{
    for (unsigned who = HOME; who <= PARENTS; who++) {
        struct world w;
        begin(&w, who);
        w.sim.node[who].enrol_fails = true;
        load_inviter(&w);
        load_joiner(&w, PARENTS, ONE_TIME_PSK);
        sim_run(&w.sim, 10000000);
        ck_assert_uint_eq(w.sim.node[who].enrolments, 0);
        w.sim.node[who].enrol_fails = false;
        sim_run(&w.sim, 20000000);
        assert_enrolled(&w, who);
        sim_end(&w.sim);
    }
}
END_TEST

/* Who has a token may forget all and begin again, each time before it is confirmed. */
START_TEST(beginning_anew_wears_out_no_disk)
{
    enum { TIMES = 200 };
    struct world w;
    begin(&w, 1);
    load_inviter(&w);
    struct sim_node *home = &w.sim.node[HOME];
    for (unsigned i = 0; i < TIMES; i++) {
        w.sim.node[PARENTS].enrolments = 0;
        load_joiner(&w, PARENTS, ONE_TIME_PSK);
        sim_run(&w.sim, 22000);
        ck_assert(!home->enrolled.confirmed);
        sim_kill(&w.sim, PARENTS);
        sim_run(&w.sim, 78000);
        sim_start(&w.sim, PARENTS, NULL);
    }
    ck_assert_uint_ge(home->enrolments, 2);
    ck_assert_uint_le(home->enrolments, 10); /* in 20 s */
    w.sim.node[PARENTS].enrolments = 0;
    load_joiner(&w, PARENTS, ONE_TIME_PSK);
    sim_run(&w.sim, 60000000);
    assert_enrolled(&w, 1);
    sim_end(&w.sim);
}
END_TEST

START_TEST(a_reload_after_it_keeps_the_session)
{
    struct world w;
    begin(&w, 11);
    load_inviter(&w);
    load_joiner(&w, PARENTS, ONE_TIME_PSK);
    sim_run(&w.sim, 2000000);
    assert_enrolled(&w, 11);
    uint64_t handshakes = site_counters(w.sim.node[HOME].site)->handshakes;
    load_inviter(&w);
    load_joiner(&w, PARENTS, ONE_TIME_PSK);
    sim_run(&w.sim, 5000000);
    assert_enrolled(&w, 11);
    ck_assert_uint_eq(site_counters(w.sim.node[HOME].site)->handshakes, handshakes);
    ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_PEER_DOWN], 0);
    ck_assert_uint_eq(w.sim.node[PARENTS].events[EVENT_PEER_DOWN], 0);
    sim_end(&w.sim);
}
END_TEST

START_TEST(a_stranger_learns_nothing)
{
    /* Until its token is proved, nothing of our LAN is in what we send it. */
    struct world w;
    static const uint8_t guess[PSK_BYTES] = "not the one-time key";
    begin(&w, 9);
    load_inviter(&w);
    load_joiner(&w, PARENTS, guess);
    sim_run(&w.sim, 5000000);
    struct peer_status status;
    site_peer_status(w.sim.node[PARENTS].site, 0, w.sim.now_us, &status);
    ck_assert_str_eq(status.remote.name, "");
    sim_end(&w.sim);
}
END_TEST

SIM_MAIN("enrolment", a_token_enrols, it_enrols_over_a_bad_line,
         the_right_key_with_a_wrong_token_stays_out, a_wrong_guess_does_not_burn_the_token,
         of_two_who_race_one_gets_in, a_used_token_is_dead, an_expired_token_is_refused,
         a_kill_at_any_moment_is_survived, a_full_disk_delays_but_does_not_break,
         beginning_anew_wears_out_no_disk, a_reload_after_it_keeps_the_session,
         a_stranger_learns_nothing)
