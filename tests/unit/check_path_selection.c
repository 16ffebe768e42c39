/* SPDX-License-Identifier: MIT
 *
 * check_path_selection.c - which path is used, which stands by, and when that changes.
 */
#include "paths_owner.h"

#include <stdlib.h>

/* Each test runs once from each of these: nothing may hang on where the clock begins. */
static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

/* Both named by configuration, and @a was in use first. */
static void two(struct endpoint a, uint64_t a_rtt_us, struct endpoint b, uint64_t b_rtt_us)
{
    works(a, a_rtt_us);
    NAME(PATHS_CONFIGURED, a, b);
    run(5 * SECOND);
    ck_assert(selected_is(a));
    works(b, b_rtt_us);
    w.moves = 0;
}

START_TEST(the_first_that_answers_is_used)
{
    begin(start[_i]);
    works(v4(1), 90 * MS);
    works(v6(1), 100 * MS);
    NAME(PATHS_TOLD, v4(1), v6(1), by_turn(1));
    ck_assert_ptr_null(paths_selected(&w.p));
    run(100 * MS);
    ck_assert(selected_is(v6(1)));
    run(100 * MS);
    ck_assert(selected_is(v6(1)) && standby_is(v4(1)));
}
END_TEST

/* The rules of paths.h, a row each: may the second take the place of the first, and when. */
START_TEST(what_takes_the_place_of_what)
{
    const struct {
        const char *name;
        struct endpoint in_use, other;
        uint64_t in_use_ms, other_ms;
        uint64_t least_ms, most_ms; /* 0: never */
    } row[] = {
        {"a little better", v4(1), v4(2), 30, 26, 0, 0},
        {"5 ms, but not 10 %", v4(1), v4(2), 100, 92, 0, 0},
        {"10 %, but not 5 ms", v4(1), v4(2), 20, 16, 0, 0},
        {"better by both", v4(1), v4(2), 30, 20, 6000, 60000},
        {"v6 as good as v4", v4(1), v6(1), 10, 10, 6000, 60000},
        {"v6 within its bonus", v4(1), v6(1), 10, 13, 6000, 60000},
        {"v6 beyond its bonus", v4(1), v6(1), 10, 14, 0, 0},
        {"v4 better, within the bonus", v6(1), v4(1), 14, 7, 0, 0},
        {"v4 better beyond it", v6(1), v4(1), 20, 10, 6000, 60000},
        {"direct instead of TURN", by_turn(1), v4(1), 10, 200, 250, 500},
        {"direct instead of a peer", by_peer(0), v6(1), 10, 200, 250, 500},
        {"never TURN instead of direct", v4(1), by_turn(1), 500, 10, 0, 0},
        {"never a peer instead of direct", v6(1), by_peer(0), 500, 10, 0, 0},
        {"TURN instead of a peer", by_peer(0), by_turn(1), 20, 40, 6000, 60000},
        {"but not of twice its RTT", by_peer(0), by_turn(1), 20, 41, 0, 0},
        {"a peer only of half TURN's RTT", by_turn(1), by_peer(0), 50, 24, 0, 0},
        {"and clearly", by_turn(1), by_peer(0), 60, 20, 6000, 60000},
        {"a better relay", by_turn(1), by_turn(2), 60, 20, 6000, 60000},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin(start[_i]);
        two(row[i].in_use, row[i].in_use_ms * MS, row[i].other, row[i].other_ms * MS);
        if (row[i].most_ms == 0) {
            run(300 * SECOND);
            ck_assert_msg(selected_is(row[i].in_use), "%s", row[i].name);
            ck_assert_msg(standby_is(row[i].other), "%s", row[i].name);
            continue;
        }
        uint64_t before = w.now_us, after;
        while (state_of(row[i].other) != PATH_VALID)
            run(MS);
        ck_assert_uint_le(w.now_us - before, 26 * SECOND);
        after = until_used(row[i].other, row[i].most_ms * MS);
        ck_assert_msg(after + 50 * MS >= row[i].least_ms * MS, "%s", row[i].name);
        ck_assert_uint_eq(w.moves, 1);
        run(300 * SECOND);
        ck_assert_msg(w.moves == 1 && standby_is(row[i].in_use), "%s", row[i].name);
    }
}
END_TEST

/* The first datagram to a neighbour waits until its address is known. */
START_TEST(one_late_answer_does_not_keep_ipv6_out)
{
    begin(start[_i]);
    works(v4(1), MS);
    NAME(PATHS_TOLD, v4(1));
    run(SECOND);
    ck_assert(selected_is(v4(1)));
    works(v6(1), 100 * MS);
    NAME(PATHS_TOLD, v4(1), v6(1));
    while (state_of(v6(1)) != PATH_VALID)
        run(MS);
    works(v6(1), MS);
    ck_assert_uint_le(until_used(v6(1), 20 * SECOND), 20 * SECOND);
    run(300 * SECOND);
    ck_assert(selected_is(v6(1)) && standby_is(v4(1)));
}
END_TEST

/* Nor do a few that jitter made slow: where it is a close call it is measured often. */
START_TEST(a_close_call_is_soon_decided)
{
    begin(start[_i]);
    works(v4(1), 10 * MS)->jitter_us = 10 * MS;
    works(v6(1), 22 * MS);
    NAME(PATHS_TOLD, v4(1), v6(1));
    run(20 * SECOND);
    ck_assert(selected_is(v4(1)));
    works(v6(1), 10 * MS)->jitter_us = 10 * MS;
    ck_assert_uint_le(until_used(v6(1), 60 * SECOND), 60 * SECOND);

    begin(start[_i]); /* while what is clearly worse is left alone */
    works(v4(1), 10 * MS);
    works(v6(1), 30 * MS);
    NAME(PATHS_TOLD, v4(1), v6(1));
    run(60 * SECOND);
    unsigned checks = way_of(v6(1))->checks;
    run(300 * SECOND);
    ck_assert(selected_is(v4(1)));
    ck_assert_uint_le(way_of(v6(1))->checks - checks, 21);
}
END_TEST

START_TEST(a_close_call_is_not_looked_at_for_ever)
{
    begin(start[_i]);
    works(v4(1), 10 * MS)->jitter_us = 10 * MS;
    works(v6(1), 18 * MS)->jitter_us = 10 * MS;
    NAME(PATHS_TOLD, v4(1), v6(1));
    run(150 * SECOND);
    unsigned checks = way_of(v6(1))->checks;
    run(300 * SECOND);
    ck_assert(selected_is(v4(1)));
    ck_assert_uint_le(way_of(v6(1))->checks - checks, 30); /* the standby: each 15 s */
}
END_TEST

START_TEST(a_relayed_address_counts_as_relayed)
{
    begin(start[_i]);
    struct candidate_list list = {1, {candidate(v4(9))}};
    list.item[0].kind = CANDIDATE_RELAYED;
    paths_set(&w.p, PATHS_TOLD, &list, w.now_us);
    works(v4(9), 10 * MS);
    run(SECOND);
    works(v4(1), 100 * MS);
    NAME(PATHS_CONFIGURED, v4(1), v4(9)); /* named otherwise by others: it stays one */
    ck_assert_uint_le(until_used(v4(1), 3 * SECOND), 3 * SECOND);
    run(300 * SECOND);
    ck_assert(selected_is(v4(1)) && standby_is(v4(9)));
}
END_TEST

START_TEST(one_good_answer_among_bad_ones_moves_nothing)
{
    begin(start[_i]);
    two(v4(1), 50 * MS, v4(2), 100 * MS);
    run(60 * SECOND);
    for (unsigned i = 0; i < 20; i++) { /* two good ones in a row, then a bad one */
        works(v4(2), i % 3 == 2 ? 400 * MS : 20 * MS);
        unsigned checks = way_of(v4(2))->checks;
        while (way_of(v4(2))->checks == checks)
            run(10 * MS);
        run(500 * MS);
    }
    ck_assert_uint_eq(w.moves, 0);
}
END_TEST

START_TEST(the_standby_differs_where_it_can)
{
    const struct {
        struct endpoint in_use, a, b, standby; /* a and b answer, in this order */
    } row[] = {
        {v4(1), v4(2), by_turn(1), by_turn(1)}, {v4(1), by_turn(1), v4(2), by_turn(1)},
        {v6(1), by_turn(1), v4(2), v4(2)},      {v6(1), v4(2), by_turn(1), v4(2)},
        {v6(1), v6(2), by_peer(0), by_peer(0)}, {v6(1), by_peer(0), by_turn(1), by_turn(1)},
        {v4(1), v4(2), v4(3), v4(2)},           {v6(1), v6(2), v4(1), v4(1)},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin(start[_i]);
        works(row[i].in_use, 10 * MS);
        NAME(PATHS_CONFIGURED, row[i].in_use);
        run(SECOND);
        works(row[i].a, 30 * MS);
        NAME(PATHS_TOLD, row[i].a);
        run(SECOND);
        ck_assert(standby_is(row[i].a));
        works(row[i].b, 28 * MS);
        NAME(PATHS_MEETING, row[i].b);
        run(SECOND);
        ck_assert_msg(selected_is(row[i].in_use) && standby_is(row[i].standby), "row %zu", i);
    }
}
END_TEST

START_TEST(a_cut_path_is_left_at_once)
{
    const uint64_t rtt[] = {MS, 20 * MS, 49 * MS, 100 * MS, 240 * MS, 400 * MS};
    for (size_t i = 0; i < sizeof rtt / sizeof rtt[0]; i++) {
        uint64_t patience = 4 * rtt[i] < 200 * MS ? 200 * MS : 4 * rtt[i];
        patience = patience > SECOND ? SECOND : patience;
        for (unsigned doubted = 0; doubted < 2; doubted++) {
            begin(start[_i]);
            two(v4(1), rtt[i], by_turn(1), 2 * rtt[i]);
            run(120 * SECOND + i * 777 * MS);
            works(v4(1), rtt[i])->cut = true;
            run(rtt[i]);
            if (doubted)
                paths_doubt(&w.p, w.now_us);
            uint64_t took = until_used(by_turn(1), 10 * SECOND);
            ck_assert_uint_le(took, (doubted ? 0 : 3 * SECOND) + 2 * patience + 60 * MS);
            if (doubted) /* liveness doubts 250 ms after data went unanswered */
                ck_assert_uint_le(took + 250 * MS, 3 * SECOND);
            ck_assert(state_of(v4(1)) == PATH_CHECKING);

            run(100 * SECOND);
            ck_assert(selected_is(by_turn(1)) && state_of(v4(1)) == PATH_FAILED);
            works(v4(1), rtt[i]);
            ck_assert_uint_le(until_used(v4(1), 60 * SECOND), 32 * SECOND);
        }
    }
}
END_TEST

START_TEST(one_lost_check_is_nothing)
{
    begin(start[_i]);
    two(v4(1), 10 * MS, by_turn(1), 10 * MS);
    run(60 * SECOND);
    for (unsigned i = 0; i < 50; i++) {
        unsigned checks = way_of(v4(1))->checks;
        works(v4(1), 10 * MS)->cut = true;
        while (way_of(v4(1))->checks == checks)
            run(10 * MS);
        works(v4(1), 10 * MS);
        run(5 * SECOND);
    }
    ck_assert_uint_eq(w.moves, 0);
}
END_TEST

START_TEST(who_fails_often_has_to_prove_more)
{
    static const unsigned asked[] = {4, 8, 16, 16};
    begin(start[_i]);
    two(v4(1), 10 * MS, by_turn(1), 10 * MS);
    run(60 * SECOND);
    for (unsigned round = 0; round < 6; round++) {
        works(v4(1), 10 * MS)->cut = true;
        until_used(by_turn(1), 5 * SECOND);
        works(v4(1), 10 * MS);
        while (state_of(v4(1)) != PATH_VALID)
            run(MS);
        unsigned answered = way_of(v4(1))->checks, expected = asked[round % 4];
        until_used(v4(1), 60 * SECOND);
        ck_assert_uint_eq(way_of(v4(1))->checks - answered + 1, expected);
        if (round == 3)
            run(304 * SECOND); /* all is forgotten */
    }
}
END_TEST

/* How many better answers it had taken when it was used. */
static unsigned answers_until_used(struct endpoint to)
{
    unsigned better = 0;
    while (!selected_is(to)) {
        better = w.p.path[path_of(to)].better;
        run(10 * MS);
    }
    return better + 1;
}

START_TEST(who_was_left_has_to_be_better_for_longer)
{
    static const unsigned asked[] = {3, 4, 4, 8, 8, 16, 16, 16};
    begin(start[_i]);
    two(v4(1), 200 * MS, v4(2), 20 * MS);
    for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        works(v4(1 + i % 2), 200 * MS);
        works(v4(2 - i % 2), 20 * MS);
        ck_assert_uint_eq(answers_until_used(v4(2 - i % 2)), asked[i]);
    }
}
END_TEST

START_TEST(when_all_fail_the_last_stays_until_one_works)
{
    begin(start[_i]);
    two(v4(1), 10 * MS, by_turn(1), 10 * MS);
    NAME(PATHS_TOLD, v6(1));
    run(60 * SECOND);
    works(v4(1), 0)->cut = works(by_turn(1), 0)->cut = true;
    run(60 * SECOND);
    struct endpoint last = *paths_selected(&w.p);
    run(60 * SECOND);
    ck_assert(selected_is(last) && w.p.standby == -1);
    works(v6(1), 300 * MS);
    run(55 * SECOND); /* only the peer says so: later and later, 25 s, 50 s ... */
    ck_assert(selected_is(v6(1)));
    works(v4(1), 10 * MS);
    run(26 * SECOND);
    ck_assert(state_of(v4(1)) == PATH_VALID);
}
END_TEST

/* ---- the peer moves ---- */

START_TEST(a_peer_that_moved_is_followed)
{
    begin(start[_i]);
    two(v4(1), 10 * MS, by_turn(1), 10 * MS);
    run(60 * SECOND);
    ck_assert(!received(v4(7), false)); /* a check only */
    ck_assert(selected_is(v4(1)));
    works(v4(7), 10 * MS);
    ck_assert(received(v4(7), true));
    ck_assert(selected_is(v4(7)) && state_of(v4(7)) == PATH_WAITING);
    ck_assert(!received(v4(7), true));
    run(100 * MS);
    ck_assert(state_of(v4(7)) == PATH_VALID);
    ck_assert(!received(v4(1), true)); /* it chose another valid one: ours need not follow */
    run(30 * SECOND);
    ck_assert(selected_is(v4(7)));
}
END_TEST

START_TEST(whoever_moves_to_nowhere_is_not_believed_for_long)
{
    begin(start[_i]);
    two(v4(1), 10 * MS, by_turn(1), 10 * MS);
    run(60 * SECOND);
    ck_assert(received(v4(7), true));
    ck_assert_uint_le(until_used(v4(1), 2 * SECOND) + 1, 1100 * MS);
    for (unsigned i = 0; i < 100; i++) { /* a replayer goes on */
        ck_assert(!received(v4(8), true) && !received(v4(7), true));
        run(40 * MS);
        ck_assert(selected_is(v4(1)));
    }
    run(2 * SECOND);
    ck_assert(!received(v4(7), true)); /* has failed: it has to answer */
    ck_assert(received(v4(9), true));
    ck_assert_uint_le(until_used(v4(1), 2 * SECOND), 1100 * MS);
}
END_TEST

START_TEST(a_peer_that_chose_another_path_makes_ours_doubtful)
{
    begin(start[_i]);
    two(v4(1), 10 * MS, by_turn(1), 10 * MS);
    run(61 * SECOND);
    received(v4(1), true);
    works(v4(1), 10 * MS)->cut = true;
    ck_assert(!received(by_turn(1), true)); /* valid: not yet */
    ck_assert_uint_le(until_used(by_turn(1), SECOND), 500 * MS);
}
END_TEST

START_TEST(a_session_proves_its_path)
{
    begin(start[_i]);
    struct endpoint a = v4(1), b = v4(2);
    paths_proved(&w.p, &a, w.now_us); /* the first */
    ck_assert(selected_is(a) && state_of(a) == PATH_VALID);
    works(a, 10 * MS);
    run(10 * SECOND);
    paths_proved(&w.p, &b, w.now_us); /* whoever calls from another place has moved there */
    ck_assert(selected_is(b) && state_of(b) == PATH_VALID);
    works(a, 10 * MS)->cut = true;
    works(b, 10 * MS);
    run(10 * SECOND);
    ck_assert(selected_is(b));

    begin(start[_i]); /* a spoofed source is soon given up, and not believed again for 5 s */
    works(a, 10 * MS);
    paths_proved(&w.p, &a, w.now_us);
    run(10 * SECOND);
    for (unsigned i = 0; i < 2; i++) {
        paths_proved(&w.p, &b, w.now_us);
        ck_assert(selected_is(i == 0 ? b : a) && state_of(b) == PATH_VALID);
        ck_assert_uint_le(until_used(a, 2 * SECOND), 1600 * MS);
    }
    ck_assert_uint_le(way_of(b)->checks, 4);

    begin(start[_i]); /* but for where nothing works */
    works(a, 10 * MS);
    paths_proved(&w.p, &a, w.now_us);
    run(10 * SECOND);
    paths_proved(&w.p, &b, w.now_us);
    run(2 * SECOND);
    ck_assert(selected_is(a));
    w.now_us += 5 * SECOND; /* without a session nothing was asked */
    paths_proved(&w.p, &b, w.now_us);
    ck_assert(selected_is(b));
}
END_TEST

START_TEST(a_restart_measures_anew)
{
    begin(start[_i]);
    two(v4(1), 10 * MS, by_turn(1), 200 * MS);
    run(60 * SECOND);
    works(v4(1), 100 * MS);
    paths_restart(&w.p, w.now_us);
    run(SECOND);
    ck_assert_int_eq(paths_srtt_us(&w.p), 100 * MS);
}
END_TEST

START_TEST(a_restart_checks_all_and_keeps_what_is_used)
{
    begin(start[_i]);
    two(v4(1), 10 * MS, by_turn(1), 5 * MS);
    NAME(PATHS_TOLD, v6(1), v6(2));
    run(60 * SECOND);
    w.moves = 0;
    for (unsigned i = 0; i < 4; i++) { /* nothing changed in truth: nothing moves */
        unsigned checks = way_of(by_turn(1))->checks;
        paths_restart(&w.p, w.now_us);
        ck_assert(selected_is(v4(1)) && w.p.standby == -1);
        for (int n = 0; n < w.p.count; n++)
            ck_assert_uint_eq(w.p.path[n].state, PATH_WAITING);
        run(2 * SECOND);
        ck_assert(standby_is(by_turn(1)) && way_of(by_turn(1))->checks == checks + 1);
    }
    ck_assert_uint_eq(w.moves, 0);
    works(v4(1), 0)->cut = true;
    paths_restart(&w.p, w.now_us);
    ck_assert_uint_le(until_used(by_turn(1), 5 * SECOND), 600 * MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("path_selection");
    TCase *tc = tcase_create("path_selection");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, the_first_that_answers_is_used, 0, STARTS);
    tcase_add_loop_test(tc, what_takes_the_place_of_what, 0, 2);
    tcase_add_loop_test(tc, one_late_answer_does_not_keep_ipv6_out, 0, STARTS);
    tcase_add_loop_test(tc, a_close_call_is_soon_decided, 0, STARTS);
    tcase_add_loop_test(tc, a_close_call_is_not_looked_at_for_ever, 0, STARTS);
    tcase_add_loop_test(tc, a_relayed_address_counts_as_relayed, 0, STARTS);
    tcase_add_loop_test(tc, one_good_answer_among_bad_ones_moves_nothing, 0, STARTS);
    tcase_add_loop_test(tc, the_standby_differs_where_it_can, 0, STARTS);
    tcase_add_loop_test(tc, a_cut_path_is_left_at_once, 0, 2);
    tcase_add_loop_test(tc, one_lost_check_is_nothing, 0, STARTS);
    tcase_add_loop_test(tc, who_fails_often_has_to_prove_more, 0, STARTS);
    tcase_add_loop_test(tc, who_was_left_has_to_be_better_for_longer, 0, 2);
    tcase_add_loop_test(tc, when_all_fail_the_last_stays_until_one_works, 0, STARTS);
    tcase_add_loop_test(tc, a_peer_that_moved_is_followed, 0, STARTS);
    tcase_add_loop_test(tc, whoever_moves_to_nowhere_is_not_believed_for_long, 0, STARTS);
    tcase_add_loop_test(tc, a_peer_that_chose_another_path_makes_ours_doubtful, 0, STARTS);
    tcase_add_loop_test(tc, a_session_proves_its_path, 0, STARTS);
    tcase_add_loop_test(tc, a_restart_measures_anew, 0, STARTS);
    tcase_add_loop_test(tc, a_restart_checks_all_and_keeps_what_is_used, 0, STARTS);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
