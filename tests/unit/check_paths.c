/* SPDX-License-Identifier: MIT
 *
 * check_paths.c - which checks, initiations and punches go where and when, and how little goes to
 * addresses that a hostile peer names. Which path is used is check_path_selection.c's.
 */
#include "paths_owner.h"

#include <stdlib.h>

/* Each test runs once from each of these: nothing may hang on where the clock begins. */
static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

static const struct endpoint unknown; /* family IP_NONE: the peer does not say how it saw us */

/* The times of all checks that went to @to, in ms from @from_us. */
static void assert_checks(struct endpoint to, uint64_t from_us, const unsigned *at_ms, size_t count)
{
    size_t seen = 0;
    for (unsigned i = 0; i < w.logged; i++) {
        if (!endpoint_equal(&w.log[i].to, &to) || w.log[i].at_us < from_us)
            continue;
        ck_assert_uint_lt(seen, count);
        ck_assert_uint_eq((w.log[i].at_us - from_us) / MS, at_ms[seen]);
        seen++;
    }
    ck_assert_uint_eq(seen, count);
}

#define ASSERT_CHECKS(to, from_us, ...)                                                            \
    assert_checks(to, from_us, (const unsigned[]){__VA_ARGS__},                                    \
                  sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

/* ---- checks ---- */

START_TEST(without_candidates_there_is_nothing)
{
    struct endpoint out[PATHS_MAX];
    struct path_check check;
    begin(start[_i]);
    ck_assert_uint_eq(paths_deadline_us(&w.p), NEVER);
    ck_assert_uint_eq(paths_spray_deadline_us(&w.p), NEVER);
    ck_assert(!paths_due(&w.p, start[_i], &check) && !paths_spray(&w.p, start[_i], out));
    ck_assert_ptr_null(paths_selected(&w.p));
    ck_assert_uint_eq(paths_targets(&w.p, out, PATHS_MAX, start[_i]), 0);
    paths_doubt(&w.p, start[_i]);
    paths_restart(&w.p, start[_i]);
    ck_assert_uint_eq(paths_deadline_us(&w.p), NEVER);
}
END_TEST

START_TEST(all_are_asked_v6_first_and_relays_last)
{
    begin(start[_i]);
    NAME(PATHS_CONFIGURED, by_peer(0), by_turn(1), v4(1), v6(1));
    NAME(PATHS_MEETING, v4(2), v6(2));
    const struct endpoint order[] = {v6(1), v6(2), v4(1), v4(2), by_turn(1), by_peer(0)};
    run(450 * MS);
    ck_assert_uint_eq(w.logged, 6);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert(endpoint_equal(&w.log[i].to, &order[i]));
        ck_assert_uint_eq(w.log[i].at_us, start[_i] + i * 50 * MS);
    }
}
END_TEST

START_TEST(what_does_not_answer_is_asked_more_and_more_seldom)
{
    begin(start[_i]);
    works(v4(9), 10 * MS);
    NAME(PATHS_CONFIGURED, v4(1), v4(9), by_turn(9));
    NAME(PATHS_TOLD, v6(1));
    run(500 * SECOND);
    ASSERT_CHECKS(v6(1), start[_i], 0, 500, 1500, 3500, 7500, 32500, 82500, 182500, 382500);
    ck_assert(state_of(v6(1)) == PATH_FAILED && selected_is(v4(9)));

    /* Configured IPv4 beside working IPv4 is asked as long as nothing stands by. */
    begin(start[_i]);
    works(v4(9), 10 * MS);
    NAME(PATHS_CONFIGURED, v4(1), v4(9));
    run(100 * SECOND);
    ASSERT_CHECKS(v4(1), start[_i], 0, 500, 1500, 3500, 7500, 32500, 57500, 82500);
    works(by_turn(1), 10 * MS);
    NAME(PATHS_MEETING, by_turn(1));
    uint64_t then = w.now_us;
    run(100 * SECOND);
    ck_assert(standby_is(by_turn(1)));
    assert_checks(v4(1), then, NULL, 0);
}
END_TEST

START_TEST(what_answers_is_asked_by_its_role)
{
    begin(start[_i]);
    works(v6(1), 5 * MS);
    works(v4(1), 6 * MS);
    works(v4(2), 7 * MS);
    NAME(PATHS_CONFIGURED, v6(1), v4(1), v4(2));
    run(20 * SECOND);
    ck_assert_uint_eq(way_of(v4(2))->checks, 5);
    ck_assert(selected_is(v6(1)) && standby_is(v4(1)));
    unsigned before[] = {way_of(v6(1))->checks, way_of(v4(1))->checks, way_of(v4(2))->checks};
    run(300 * SECOND);
    ck_assert_uint_eq(way_of(v6(1))->checks - before[0], 100);
    ck_assert_uint_eq(way_of(v4(1))->checks - before[1], 20);
    ck_assert_uint_eq(way_of(v4(2))->checks - before[2], 0); /* nothing better than v6 */

    begin(start[_i]); /* the only one is not watched so closely */
    works(v4(1), 6 * MS);
    NAME(PATHS_CONFIGURED, v4(1));
    run(20 * SECOND);
    before[0] = way_of(v4(1))->checks;
    run(300 * SECOND);
    ck_assert_uint_eq(way_of(v4(1))->checks - before[0], 20);

    begin(start[_i]);
    works(v4(1), 6 * MS);
    works(by_turn(1), 6 * MS);
    NAME(PATHS_CONFIGURED, v4(1), by_turn(1), v6(1));
    run(30 * SECOND);
    unsigned v6_before = way_of(v6(1))->checks;
    run(300 * SECOND);
    ck_assert_uint_eq(way_of(v6(1))->checks - v6_before, 12); /* v6 may come */
}
END_TEST

START_TEST(only_the_right_answer_counts)
{
    static struct paths before;
    struct path_check check;
    struct endpoint a = v4(1), b = v4(2), turn = by_turn(1), port = v4(1);
    port.port++;
    begin(start[_i]);
    NAME(PATHS_CONFIGURED, a, b);
    ck_assert(paths_due(&w.p, w.now_us, &check) && endpoint_equal(&check.to, &a));
    memcpy(&before, &w.p, sizeof before);
    uint64_t now = w.now_us + 30 * MS;
    for (unsigned bit = 0; bit < 64; bit++)
        ck_assert(!paths_answered(&w.p, &a, check.value ^ UINT64_C(1) << bit, &unknown, now));
    ck_assert(!paths_answered(&w.p, &b, check.value, &unknown, now));
    ck_assert(!paths_answered(&w.p, &turn, check.value, &unknown, now));
    ck_assert(!paths_answered(&w.p, &port, check.value, &unknown, now));
    ck_assert_mem_eq(&before, &w.p, sizeof before);
    ck_assert(paths_answered(&w.p, &a, check.value, &unknown, now));
    ck_assert_int_eq(w.p.path[path_of(a)].srtt_us, 30 * (int64_t)MS);

    memcpy(&before, &w.p, sizeof before); /* again, and too late */
    ck_assert(!paths_answered(&w.p, &a, check.value, &unknown, now));
    ck_assert_mem_eq(&before, &w.p, sizeof before);
    ck_assert(paths_due(&w.p, now + SECOND, &check));
    struct path_check next;
    now += 10 * SECOND;
    while (paths_due(&w.p, now, &next))
        now += 50 * MS;
    memcpy(&before, &w.p, sizeof before);
    ck_assert(!paths_answered(&w.p, &check.to, check.value, &unknown, now));
    ck_assert_mem_eq(&before, &w.p, sizeof before);
}
END_TEST

START_TEST(no_value_comes_twice)
{
    static uint64_t value[4000];
    struct path_check check;
    size_t count = 0;
    begin(start[_i]);
    NAME(PATHS_CONFIGURED, v4(1), v4(2));
    for (uint64_t now = start[_i]; count < 4000; now += 25 * SECOND)
        if (paths_due(&w.p, now, &check))
            value[count++] = check.value;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            HOLDS(value[i] != value[j]);
}
END_TEST

START_TEST(what_comes_is_checked_at_once)
{
    begin(start[_i]);
    works(by_turn(1), 10 * MS);
    NAME(PATHS_CONFIGURED, by_turn(1), v4(1));
    run(40 * SECOND);
    uint64_t then = w.now_us; /* of v4(1), known and failed, and of one nobody named */
    received(v4(1), false);
    run(100 * MS);
    received(v4(2), false);
    run(100 * MS);
    ASSERT_CHECKS(v4(1), then, 0);
    ASSERT_CHECKS(v4(2), then, 100);
    run(SECOND);
    ck_assert_int_eq(path_of(v4(2)), -1); /* one check for one datagram, then it is forgotten */

    /* A check from before, however patient, does not keep it from that. */
    begin(start[_i]);
    NAME(PATHS_CONFIGURED, v4(1));
    run(9 * SECOND); /* the fifth went at 7.5 s, and waits for 8 */
    works(v4(1), 10 * MS);
    received(v4(1), false);
    run(50 * MS);
    ck_assert(state_of(v4(1)) == PATH_VALID);
}
END_TEST

START_TEST(a_path_without_a_name_lives_while_it_is_valid)
{
    begin(start[_i]);
    works(v4(1), 10 * MS);
    works(v4(2), 10 * MS);
    NAME(PATHS_TOLD, v4(1), v4(2), v4(3));
    run(SECOND);
    paths_set(&w.p, PATHS_TOLD, &(struct candidate_list){0}, w.now_us);
    run(SECOND);
    ck_assert_int_ge(path_of(v4(1)), 0);
    ck_assert_int_ge(path_of(v4(2)), 0);
    ck_assert_int_eq(path_of(v4(3)), -1);
    works(v4(2), 0)->cut = true;
    run(60 * SECOND);
    ck_assert_int_eq(path_of(v4(2)), -1);
    works(v4(1), 0)->cut = true;
    run(60 * SECOND);
    ck_assert(selected_is(v4(1))); /* the last one stays */
}
END_TEST

START_TEST(what_is_not_named_any_more_is_not_asked_again)
{
    begin(start[_i]);
    works(v4(1), 10 * MS);
    NAME(PATHS_CONFIGURED, v4(1));
    NAME(PATHS_MEETING, by_peer(0));
    run(SECOND);
    uint64_t then = w.now_us;
    paths_set(&w.p, PATHS_MEETING, &(struct candidate_list){0},
              w.now_us); /* a check is under way */
    ck_assert_int_eq(path_of(by_peer(0)), -1);
    run(60 * SECOND);
    assert_checks(by_peer(0), then, NULL, 0);
}
END_TEST

START_TEST(each_source_replaces_only_its_own)
{
    begin(start[_i]);
    NAME(PATHS_CONFIGURED, v4(1), v4(2));
    NAME(PATHS_TOLD, v4(2), v4(3));
    NAME(PATHS_MEETING, v4(3), v4(4));
    NAME(PATHS_TOLD, v4(5));
    for (unsigned n = 1; n <= 5; n++)
        ck_assert_int_ge(path_of(v4(n)), 0);
    NAME(PATHS_CONFIGURED, v4(1));
    NAME(PATHS_MEETING, v4(4));
    ck_assert_int_eq(path_of(v4(2)), -1);
    ck_assert_int_eq(path_of(v4(3)), -1);
    ck_assert_uint_eq(w.p.count, 3);
}
END_TEST

START_TEST(the_unusable_is_passed_over)
{
    begin(start[_i]);
    struct endpoint zero = v4(1), low = v4(1);
    zero.port = 0;
    low.port = 53;
    NAME(PATHS_TOLD, zero, low);
    ck_assert_uint_eq(w.p.count, 0);
    zero.address.octet[0] = 224;
    zero.port = 7788;
    ck_assert(!received(zero, true));
    ck_assert_uint_eq(w.p.count, 0);
}
END_TEST

/* ---- a hostile peer ---- */

START_TEST(a_named_victim_gets_a_handful)
{
    begin(start[_i]);
    works(by_turn(1), 10 * MS);
    NAME(PATHS_CONFIGURED, by_turn(1));
    run(SECOND);
    unsigned sent = 0;
    for (unsigned round = 0; round < 290; round++) { /* 16 ports of one address, others each time */
        struct endpoint to[CANDIDATES_MAX];
        for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
            to[i] = v4(66);
            to[i].port = (uint16_t)(10000 + round % 2 * 5000 + i);
        }
        name_all(PATHS_TOLD, to, CANDIDATES_MAX);
        run(100 * MS);
    }
    for (unsigned i = 0; i < w.ways; i++)
        sent += w.way[i].to.address.octet[3] == 66 ? w.way[i].checks : 0;
    ck_assert_uint_eq(sent, 5);
}
END_TEST

START_TEST(a_victim_behind_our_own_relay_gets_a_handful)
{
    begin(start[_i]);
    NAME(PATHS_MEETING, by_turn(66));
    NAME(PATHS_TOLD, v4(66));
    struct endpoint out[PATHS_MAX];
    size_t sent = 0;
    for (unsigned i = 0; i < 100; i++) {
        sent += paths_targets(&w.p, out, PATHS_MAX, w.now_us);
        run(290 * MS);
    }
    ck_assert_uint_eq(sent + way_of(by_turn(66))->checks + way_of(v4(66))->checks, 5);
    paths_attest(&w.p, &out[0].address);
    ck_assert_uint_eq(paths_targets(&w.p, out, PATHS_MAX, w.now_us), 2);
}
END_TEST

START_TEST(ten_thousand_candidates)
{
    static uint8_t sent[10000];
    struct path_check check;
    unsigned total = 0;
    begin(start[_i]);
    for (unsigned first = 0; first < 10000; first += CANDIDATES_MAX) {
        struct candidate_list list = {0};
        for (unsigned n = first; n < first + CANDIDATES_MAX; n++) {
            const uint8_t octet[] = {100, 64, (uint8_t)(n >> 8), (uint8_t)n};
            struct endpoint to = {.address = ip_v4(octet), .port = 7788};
            list.item[list.count++] = candidate(to);
        }
        paths_set(&w.p, PATHS_TOLD, &list, w.now_us);
        for (unsigned ms = 0; ms < 100; ms += 10, w.now_us += 10 * MS)
            while (paths_due(&w.p, w.now_us, &check)) {
                unsigned n = (unsigned)check.to.address.octet[2] << 8 | check.to.address.octet[3];
                HOLDS(++sent[n] <= 5);
                total++;
            }
        HOLDS(w.p.count <= PATHS_MAX);
    }
    ck_assert_uint_le(total, 20 * (unsigned)((w.now_us - start[_i]) / SECOND) + 1);
    ck_assert_uint_ge(total, 100); /* they are checked */
}
END_TEST

START_TEST(spoofed_sources_get_one_check_each)
{
    begin(start[_i]);
    works(v4(1), 10 * MS);
    NAME(PATHS_CONFIGURED, v4(1));
    run(SECOND);
    for (unsigned n = 100; n < 110; n++)
        received(v4(n), false);
    run(60 * SECOND);
    for (unsigned n = 100; n < 110; n++) {
        ck_assert_uint_eq(way_of(v4(n))->checks, 1);
        ck_assert_int_eq(path_of(v4(n)), -1);
    }
}
END_TEST

START_TEST(what_is_named_best_has_room)
{
    begin(start[_i]);
    struct endpoint told[CANDIDATES_MAX], ours[CANDIDATES_MAX];
    for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
        told[i] = v4(i + 1);
        ours[i] = v6(i + 1);
    }
    name_all(PATHS_TOLD, told, CANDIDATES_MAX);
    for (unsigned n = 100; n < 140; n++)
        received(v4(n), false);
    ck_assert_uint_eq(w.p.count, PATHS_MAX);
    name_all(PATHS_CONFIGURED, ours, CANDIDATES_MAX);
    ck_assert_uint_eq(w.p.count, PATHS_MAX);
    for (unsigned i = 0; i < CANDIDATES_MAX; i++)
        ck_assert_int_ge(path_of(ours[i]), 0);
    ck_assert(received(v4(200), true)); /* the peer itself, wherever it is */
    for (unsigned n = 140; n < 180; n++)
        received(v4(n), false);
    name_all(PATHS_MEETING, told, CANDIDATES_MAX);
    ck_assert(selected_is(v4(200)));
    for (unsigned i = 0; i < CANDIDATES_MAX; i++)
        ck_assert_int_ge(path_of(ours[i]), 0);
}
END_TEST

/* ---- keepalive ---- */

START_TEST(a_forgetful_nat_shortens_the_keepalive)
{
    static const struct {
        uint16_t first, second; /* the port that the peer sees, of the standby, 15 s apart */
        bool short_lived;
    } row[] = {{4000, 4000, false}, {4000, 4001, true}, {0, 4001, false}, {4000, 0, false}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin(start[_i]);
        works(v6(1), 10 * MS);
        works(v4(1), 10 * MS)->seen_port = row[i].first;
        NAME(PATHS_CONFIGURED, v6(1), v4(1));
        run(20 * SECOND);
        ck_assert_uint_eq(paths_keepalive_us(&w.p, 20 * SECOND), 20 * SECOND);
        way_of(v4(1))->seen_port = row[i].second;
        run(20 * SECOND);
        uint64_t learnt = row[i].short_lived ? 10 * SECOND : 20 * SECOND;
        ck_assert_uint_eq(paths_keepalive_us(&w.p, 20 * SECOND), learnt);
        ck_assert_uint_eq(paths_keepalive_us(&w.p, 5 * SECOND), 5 * SECOND);
        ck_assert_uint_eq(paths_keepalive_us(&w.p, 0), 0);
        unsigned before = way_of(v4(1))->checks;
        run(300 * SECOND);
        ck_assert_uint_eq(way_of(v4(1))->checks - before, row[i].short_lived ? 30 : 20);
        paths_restart(&w.p, w.now_us); /* another network */
        ck_assert_uint_eq(paths_keepalive_us(&w.p, 20 * SECOND), 20 * SECOND);
    }

    /* Another port of the path in use, which is checked each 3 s, says nothing of silences; nor
     * does it where data came meanwhile. */
    for (unsigned alone = 0; alone < 2; alone++) {
        begin(start[_i]);
        works(v4(1), 10 * MS)->seen_port = 4000;
        works(by_turn(1), 10 * MS)->cut = alone;
        NAME(PATHS_CONFIGURED, v4(1), by_turn(1));
        run(30 * SECOND);
        way_of(v4(1))->seen_port = 5000;
        for (unsigned s = 0; s < 10; s++) {
            run(3 * SECOND);
            received(v4(1), true);
        }
        ck_assert_uint_eq(paths_keepalive_us(&w.p, 20 * SECOND), 20 * SECOND);
    }
}
END_TEST

/* ---- whatever happens, deadlines are kept and bounds hold ---- */

static struct endpoint any(void)
{
    unsigned n = (unsigned)draw(6);
    switch (draw(5)) {
    case 0:
        return by_turn(n);
    case 1:
        return by_peer(n);
    case 2:
        return v6(n + 1);
    default:
        return v4(n + 1);
    }
}

static void happen(void)
{
    struct endpoint to = any(), list[CANDIDATES_MAX];
    size_t count = (size_t)draw(CANDIDATES_MAX);
    switch (draw(8)) {
    case 0:
        for (size_t i = 0; i < count; i++)
            list[i] = any();
        name_all((enum paths_source)draw(PATHS_SOURCES), list, count);
        break;
    case 1:
        received(to, draw(2) != 0);
        break;
    case 2:
        paths_proved(&w.p, &to, w.now_us);
        break;
    case 3:
        paths_doubt(&w.p, w.now_us);
        break;
    case 4:
        if (draw(8) == 0)
            paths_restart(&w.p, w.now_us);
        break;
    case 5:
        paths_targets(&w.p, list, (size_t)draw(CANDIDATES_MAX), w.now_us);
        break;
    default:
        works(to, draw(700 * MS))->cut = draw(3) == 0;
    }
    w.asked_us = 0;
    ck_assert_uint_le(w.p.count, PATHS_MAX);
    ck_assert_int_lt(w.p.selected, w.p.count);
    ck_assert_int_lt(w.p.standby, w.p.count);
    ck_assert_int_lt(w.p.theirs, w.p.count);
    ck_assert(w.p.standby < 0 ||
              (w.p.standby != w.p.selected && w.p.path[w.p.standby].state == PATH_VALID));
}

START_TEST(whatever_happens)
{
    begin(start[_i]);
    for (unsigned i = 0; i < 1500; i++) {
        happen();
        run(draw(draw(20) == 0 ? 60 * SECOND : 700 * MS));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("paths");
    TCase *tc = tcase_create("paths");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, without_candidates_there_is_nothing, 0, STARTS);
    tcase_add_loop_test(tc, all_are_asked_v6_first_and_relays_last, 0, STARTS);
    tcase_add_loop_test(tc, what_does_not_answer_is_asked_more_and_more_seldom, 0, STARTS);
    tcase_add_loop_test(tc, what_answers_is_asked_by_its_role, 0, STARTS);
    tcase_add_loop_test(tc, only_the_right_answer_counts, 0, STARTS);
    tcase_add_loop_test(tc, no_value_comes_twice, 0, 1);
    tcase_add_loop_test(tc, what_comes_is_checked_at_once, 0, STARTS);
    tcase_add_loop_test(tc, a_path_without_a_name_lives_while_it_is_valid, 0, STARTS);
    tcase_add_loop_test(tc, what_is_not_named_any_more_is_not_asked_again, 0, STARTS);
    tcase_add_loop_test(tc, each_source_replaces_only_its_own, 0, STARTS);
    tcase_add_loop_test(tc, the_unusable_is_passed_over, 0, STARTS);
    tcase_add_loop_test(tc, a_named_victim_gets_a_handful, 0, STARTS);
    tcase_add_loop_test(tc, a_victim_behind_our_own_relay_gets_a_handful, 0, STARTS);
    tcase_add_loop_test(tc, ten_thousand_candidates, 0, 1);
    tcase_add_loop_test(tc, spoofed_sources_get_one_check_each, 0, STARTS);
    tcase_add_loop_test(tc, what_is_named_best_has_room, 0, STARTS);
    tcase_add_loop_test(tc, a_forgetful_nat_shortens_the_keepalive, 0, 2);
    tcase_add_loop_test(tc, whatever_happens, 0, 2);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
