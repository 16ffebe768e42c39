/* SPDX-License-Identifier: MIT
 *
 * check_liveness.c - every rule of liveness.h by its exact deadlines, at small and huge times.
 */
#include "tunnel/liveness.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MS     UINT64_C(1000)
#define SECOND (1000 * MS)
#define NEVER  UINT64_MAX

enum { NOTHING = 0, P = LIVENESS_PROBE, H = LIVENESS_HANDSHAKE, D = LIVENESS_DOWN };
enum { R = LIVENESS_REJECT };

/* Each test runs once from each of these: nothing may hang on where the clock begins. */
static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

static struct liveness l;
static bool callable;

static void begin(uint64_t keepalive_us)
{
    memset(&l, 0xa5, sizeof l); /* any content will do */
    liveness_init(&l, keepalive_us, 0, 0);
    callable = true;
}

/* Nothing is due just before @at_us, and asking changes nothing; then @actions are. */
static void assert_due(uint64_t at_us, unsigned actions)
{
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), at_us);
    if (at_us > 0) {
        struct liveness before;
        memcpy(&before, &l, sizeof l); /* padding and all */
        ck_assert_uint_eq(liveness_due(&l, callable, at_us - 1), NOTHING);
        ck_assert_mem_eq(&l, &before, sizeof l);
    }
    ck_assert_uint_eq(liveness_due(&l, callable, at_us), actions);
}

struct step {
    uint64_t at_ms;
    unsigned actions;
};

/* Goes from deadline to deadline as a site does: what is due is done and reported back. */
static void walk(uint64_t from_us, const struct step *step, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        uint64_t at = from_us + step[i].at_ms * MS;
        assert_due(at, step[i].actions);
        if (step[i].actions & P)
            liveness_asked(&l, at);
        if (step[i].actions & H)
            liveness_handshake_sent(&l, 0, at);
    }
}

#define WALK(from_us, steps) walk(from_us, steps, sizeof(steps) / sizeof(steps)[0])

START_TEST(without_a_session_it_waits_or_calls)
{
    begin(20 * SECOND);
    callable = false;
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), NEVER);
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i] + 1000 * SECOND), NOTHING);
    callable = true;
    ck_assert_uint_le(liveness_deadline_us(&l, callable), start[_i]);
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i]), H);
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i]), H); /* until it is reported done */
    liveness_handshake_sent(&l, 0, start[_i]);
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i]), NOTHING);
}
END_TEST

START_TEST(handshakes_are_retried_ever_more_slowly)
{
    static const struct step step[] = {{1000, H},  {3000, H},  {6000, H}, {10000, H},
                                       {15000, H}, {20000, H}, {25000, H}};
    begin(0);
    liveness_handshake_sent(&l, 0, start[_i]);
    WALK(start[_i], step);

    /* While it cannot be called nothing is due; when it can again, what was missed is. */
    callable = false;
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), NEVER);
    callable = true;
    assert_due(start[_i] + 30 * SECOND, H);
}
END_TEST

START_TEST(a_retry_is_jittered)
{
    static const struct {
        uint32_t jitter;
        uint64_t us;
    } row[] = {{0, 0}, {1, 1}, {332999, 332999}, {333000, 0}, {UINT32_MAX, UINT32_MAX % 333000}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin(0);
        liveness_handshake_sent(&l, row[i].jitter, start[_i]);
        assert_due(start[_i] + SECOND + row[i].us, H);
    }
}
END_TEST

START_TEST(a_call_hurries)
{
    begin(0);
    for (unsigned i = 0; i < 6; i++)
        liveness_handshake_sent(&l, 0, start[_i]);
    liveness_call(&l, start[_i] + SECOND);
    assert_due(start[_i] + SECOND, H);
    liveness_handshake_sent(&l, 0, start[_i] + SECOND);
    assert_due(start[_i] + 2 * SECOND, H); /* counted from the first again */

    /* What is overdue stays so; with a session it is a reason to call as well. */
    liveness_call(&l, start[_i] + 3 * SECOND);
    assert_due(start[_i] + 2 * SECOND, H);
    liveness_session(&l, true, start[_i] + 4 * SECOND);
    liveness_call(&l, start[_i] + 5 * SECOND);
    assert_due(start[_i] + 5 * SECOND, H);
    liveness_session(&l, true, start[_i] + 6 * SECOND); /* answered: no reason any more */
    assert_due(start[_i] + 126 * SECOND, H);
}
END_TEST

START_TEST(it_rekeys)
{
    static const struct {
        const char *name;
        bool initiator, callable;
        uint64_t rekey_us, reject_us; /* settings */
        uint64_t rekeys_us, rejects_us;
    } row[] = {
        {"initiator", true, true, 0, 0, 120 * SECOND, 180 * SECOND},
        {"responder", false, true, 0, 0, 150 * SECOND, 180 * SECOND},
        {"cannot call", true, false, 0, 0, NEVER, 180 * SECOND},
        {"own timers", true, true, 3 * SECOND, 7 * SECOND, 3 * SECOND, 7 * SECOND},
        {"a responder's", false, true, 3 * SECOND, 77 * SECOND, 33 * SECOND, 77 * SECOND},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t rekeys = start[_i] + row[i].rekeys_us, rejects = start[_i] + row[i].rejects_us;
        begin(0);
        liveness_set_timers(&l, row[i].rekey_us, row[i].reject_us);
        liveness_session(&l, row[i].initiator, start[_i]);
        if (row[i].callable) {
            assert_due(rekeys, H);
            liveness_handshake_sent(&l, 0, rekeys);
            assert_due(rekeys + SECOND, H); /* retried, beside the session */
        }
        callable = false;
        ck_assert_msg(l.have_session, "%s", row[i].name);
        assert_due(rejects, R);
    }
}
END_TEST

START_TEST(an_old_session_is_dropped)
{
    begin(250 * MS);
    callable = false;
    liveness_session(&l, true, start[_i]);
    liveness_received(&l, true, start[_i] + 179 * SECOND);
    liveness_asked(&l, start[_i] + 180 * SECOND - 250 * MS);
    /* Three probes come due with its end, and of a session that is gone nothing is done. */
    assert_due(start[_i] + 180 * SECOND, R);
    ck_assert(!l.have_session && !l.unanswered);
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), NEVER);
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i] + 500 * SECOND), NOTHING);
    callable = true;
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i] + 500 * SECOND), H);

    /* Where it may call, it does so in the same breath. */
    begin(0);
    liveness_session(&l, true, start[_i]);
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i] + 180 * SECOND - 1), H);
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i] + 180 * SECOND), R | H);
}
END_TEST

START_TEST(unanswered_it_probes_calls_and_tells)
{
    static const struct step step[] = {{250, P},   {500, P},   {1000, P},  {1500, H}, {2000, P},
                                       {2500, H},  {3000, P},  {4000, P},  {4500, H}, {5000, P | D},
                                       {6000, P},  {7000, P},  {7500, H},  {8000, P}, {9000, P},
                                       {10000, P}, {11000, P}, {11500, H}, {12000, P}};
    begin(0);
    liveness_session(&l, true, start[_i]);
    liveness_asked(&l, start[_i]);
    WALK(start[_i], step);
}
END_TEST

START_TEST(what_cannot_be_called_is_probed_as_long_as_the_session_lives)
{
    static const struct step first[] = {{250, P},  {500, P},  {1000, P},    {2000, P},
                                        {3000, P}, {4000, P}, {5000, P | D}};
    begin(0);
    callable = false;
    liveness_session(&l, false, start[_i]);
    liveness_asked(&l, start[_i]);
    WALK(start[_i], first);
    for (uint64_t ms = 6000; ms < 180000; ms += 1000)
        walk(start[_i], &(struct step){ms, P}, 1);
    walk(start[_i], &(struct step){180000, R}, 1);
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), NEVER);
}
END_TEST

START_TEST(an_answer_begins_the_rule_anew)
{
    static const struct step late[] = {{250, P},  {500, P},  {1000, P},    {2000, P},
                                       {3000, P}, {4000, P}, {5000, P | D}};
    uint64_t sent = start[_i] + 50 * SECOND;
    begin(0);
    callable = false;
    liveness_session(&l, true, start[_i]);
    for (unsigned round = 0; round < 3; round++) { /* and down is told each time */
        ck_assert_uint_eq(liveness_deadline_us(&l, callable), start[_i] + 180 * SECOND);
        liveness_asked(&l, sent);
        liveness_asked(&l, sent + 200 * MS); /* the first one counts */
        WALK(sent, late);
        liveness_received(&l, false, sent + 5500 * MS);
        sent += 20 * SECOND;
    }
}
END_TEST

START_TEST(silence_is_probed_once_frames_came)
{
    static const struct step step[] = {{1250, P}, {2500, P}, {5000, P}, {10000, P}, {120000, H}};
    begin(0);
    liveness_session(&l, true, start[_i]);
    liveness_received(&l, false, start[_i]); /* no frame: nothing to miss */
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), start[_i] + 120 * SECOND);

    liveness_received(&l, true, start[_i]);
    for (size_t i = 0; i < sizeof step / sizeof step[0]; i++) {
        uint64_t at = start[_i] + step[i].at_ms * MS;
        assert_due(at, step[i].actions);
        liveness_asked(&l, at);
        liveness_received(&l, false, at); /* answered, yet no frame: the rule goes on */
    }
    liveness_handshake_sent(&l, 0, start[_i] + 120 * SECOND);
    liveness_session(&l, true, start[_i] + 120 * SECOND + 1);
    liveness_received(&l, true, start[_i] + 121 * SECOND); /* a frame arms it anew */
    assert_due(start[_i] + 121 * SECOND + 1250 * MS, P);
}
END_TEST

START_TEST(proving_probes_at_once)
{
    begin(0);
    liveness_prove(&l, start[_i]); /* without a session there is nothing to prove by */
    callable = false;
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), NEVER);

    liveness_session(&l, true, start[_i]);
    liveness_received(&l, true, start[_i]);
    liveness_prove(&l, start[_i] + 10);
    assert_due(start[_i] + 10, P);
    liveness_received(&l, false, start[_i] + 11);
    assert_due(start[_i] + 1250 * MS + 10, P);
    assert_due(start[_i] + 3750 * MS + 10, P);
    assert_due(start[_i] + 8750 * MS + 10, P);
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), start[_i] + 180 * SECOND);
}
END_TEST

START_TEST(it_keeps_alive)
{
    begin(20 * SECOND);
    liveness_session(&l, true, start[_i]);
    for (uint64_t s = 20; s <= 80; s += 20) {
        assert_due(start[_i] + s * SECOND, P);
        liveness_asked(&l, start[_i] + s * SECOND);
        liveness_received(&l, false, start[_i] + s * SECOND + 1);
    }
    liveness_sent(&l, start[_i] + 90 * SECOND); /* traffic spares it */
    liveness_received(&l, false, start[_i] + 90 * SECOND);
    assert_due(start[_i] + 110 * SECOND, P);
    liveness_asked(&l, start[_i] + 110 * SECOND); /* unanswered, it begins the first rule */
    assert_due(start[_i] + 110 * SECOND + 250 * MS, P);

    liveness_no_session(&l);
    callable = false;
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), NEVER);
}
END_TEST

/* Two ends would answer each other's answers for ever, and an idle tunnel never be quiet. */
START_TEST(what_asks_for_no_answer_starts_nothing)
{
    static const struct step step[] = {{250, P}, {500, P}};
    begin(20 * SECOND);
    liveness_session(&l, true, start[_i]);
    liveness_received(&l, false, start[_i]); /* a probe, say, and what we answer */
    liveness_sent(&l, start[_i] + MS);
    assert_due(start[_i] + 20 * SECOND + MS, P); /* but the NAT was kept by it */
    liveness_received(&l, false, start[_i] + 21 * SECOND);

    liveness_asked(&l, start[_i] + 22 * SECOND);
    liveness_sent(&l, start[_i] + 22 * SECOND + 100 * MS); /* nor does it take a question back */
    WALK(start[_i] + 22 * SECOND, step);
}
END_TEST

START_TEST(a_closed_session_is_forgotten)
{
    begin(SECOND);
    liveness_session(&l, true, start[_i]);
    liveness_received(&l, true, start[_i]);
    liveness_asked(&l, start[_i]);
    liveness_no_session(&l);
    callable = false;
    ck_assert_uint_eq(liveness_deadline_us(&l, callable), NEVER);
    ck_assert_uint_eq(liveness_due(&l, callable, start[_i] + 1000 * SECOND), NOTHING);
    /* The next one begins with a clean slate: no frames came on it, nothing is unanswered. */
    liveness_session(&l, true, start[_i] + SECOND);
    assert_due(start[_i] + 2 * SECOND, P);
}
END_TEST

/* Asked late, as after a sleep, it says each thing once for all the times it was due. */
START_TEST(who_comes_late_does_each_thing_once)
{
    uint64_t now = start[_i] + 5 * SECOND;
    unsigned probes = 0, downs = 0, calls = 0;
    begin(0);
    liveness_session(&l, true, start[_i]);
    liveness_asked(&l, start[_i]);
    while (liveness_deadline_us(&l, callable) <= now) {
        unsigned actions = liveness_due(&l, callable, now);
        ck_assert_uint_ne(actions, NOTHING);
        if (actions & H)
            liveness_handshake_sent(&l, 0, now);
        probes += (actions & P) != 0;
        calls += (actions & H) != 0;
        downs += (actions & D) != 0;
    }
    ck_assert_uint_eq(probes, 1);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(downs, 1);
}
END_TEST

/* ---- deadline and due agree, whatever happened before ---- */

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % below;
}

static void happen(uint64_t now_us)
{
    switch (draw(10)) {
    case 0:
        liveness_session(&l, draw(2) != 0, now_us);
        break;
    case 1:
        if (draw(8) == 0)
            liveness_no_session(&l);
        break;
    case 2:
        liveness_sent(&l, now_us);
        break;
    case 3:
        liveness_asked(&l, now_us);
        break;
    case 4:
        liveness_received(&l, draw(2) != 0, now_us);
        break;
    case 5:
        liveness_call(&l, now_us);
        break;
    case 6:
        liveness_prove(&l, now_us);
        break;
    case 7:
        liveness_handshake_sent(&l, (uint32_t)draw(UINT64_C(1) << 32), now_us);
        break;
    default:
        callable = draw(4) != 0;
    }
}

START_TEST(the_deadline_is_when_something_is_due)
{
    uint64_t now = start[_i];
    seed = 1;
    begin(7 * SECOND);
    for (unsigned i = 0; i < 20000; i++) {
        struct liveness asked;
        uint64_t at = liveness_deadline_us(&l, callable);
        if (at > now) {
            memcpy(&asked, &l, sizeof l);
            ck_assert_uint_eq(liveness_due(&asked, callable, at - 1), NOTHING);
            ck_assert_mem_eq(&asked, &l, sizeof l);
        }
        if (draw(3) == 0) {
            happen(now);
        } else if (at == NEVER) {
            ck_assert_uint_eq(liveness_due(&l, callable, now += draw(SECOND)), NOTHING);
        } else if (draw(4) == 0 && at > now + 1) { /* something may happen in between */
            now += draw(at - now);
            happen(now);
        } else {
            now = at > now ? at : now;
            unsigned actions = liveness_due(&l, callable, now);
            ck_assert_uint_ne(actions, NOTHING);
            if (actions & P)
                liveness_asked(&l, now);
            if (actions & H)
                liveness_handshake_sent(&l, (uint32_t)draw(UINT64_C(1) << 32), now);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("liveness");
    TCase *tc = tcase_create("liveness");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, without_a_session_it_waits_or_calls, 0, STARTS);
    tcase_add_loop_test(tc, handshakes_are_retried_ever_more_slowly, 0, STARTS);
    tcase_add_loop_test(tc, a_retry_is_jittered, 0, STARTS);
    tcase_add_loop_test(tc, a_call_hurries, 0, STARTS);
    tcase_add_loop_test(tc, it_rekeys, 0, STARTS);
    tcase_add_loop_test(tc, an_old_session_is_dropped, 0, STARTS);
    tcase_add_loop_test(tc, unanswered_it_probes_calls_and_tells, 0, STARTS);
    tcase_add_loop_test(tc, what_asks_for_no_answer_starts_nothing, 0, STARTS);
    tcase_add_loop_test(tc, what_cannot_be_called_is_probed_as_long_as_the_session_lives, 0,
                        STARTS);
    tcase_add_loop_test(tc, an_answer_begins_the_rule_anew, 0, STARTS);
    tcase_add_loop_test(tc, silence_is_probed_once_frames_came, 0, STARTS);
    tcase_add_loop_test(tc, proving_probes_at_once, 0, STARTS);
    tcase_add_loop_test(tc, it_keeps_alive, 0, STARTS);
    tcase_add_loop_test(tc, a_closed_session_is_forgotten, 0, STARTS);
    tcase_add_loop_test(tc, who_comes_late_does_each_thing_once, 0, STARTS);
    tcase_add_loop_test(tc, the_deadline_is_when_something_is_due, 0, STARTS);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
