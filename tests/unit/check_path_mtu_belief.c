/* SPDX-License-Identifier: MIT
 *
 * check_path_mtu_belief.c - what the search for a path's MTU believes, tries, or passes over:
 * answers of another path, late, repeated or never asked for; hints, true and forged.
 */
#include "path_mtu_owner.h"

/* ---- what is believed ---- */

START_TEST(answers_of_another_path_are_not_believed)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    struct path_mtu_probe old[PATH_MTU_SIZES_MAX];
    unsigned old_count = count;
    memcpy(old, probe, sizeof old);

    path_mtu_begin(&p, IP_V4, now_us);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < old_count; i++)
            path_mtu_answered(&p, old[i].value, now_us);
        ck_assert_uint_eq(p.mtu_bytes, p.base_bytes);
        ck_assert(!p.proved);
        next_round();
    }
    path_mtu_stop(&p);
    for (unsigned i = 0; i < count; i++)
        path_mtu_answered(&p, probe[i].value, now_us);
    ck_assert_uint_eq(p.mtu_bytes, p.base_bytes);
    ck_assert_int_eq(p.state, PATH_MTU_STOPPED);
}
END_TEST

START_TEST(answers_to_what_was_not_sent_change_nothing)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    struct path_mtu before = p;
    for (unsigned i = 0; i < count; i++)
        for (unsigned bit = 0; bit < 64; bit++) {
            uint64_t value = probe[i].value ^ UINT64_C(1) << bit;
            bool known = false;
            p = before;
            for (unsigned k = 0; k < count; k++)
                known = known || (value & 0xffff) == probe[k].bytes;
            path_mtu_answered(&p, value, now_us);
            if (!known) /* otherwise it is one of those sizes, perhaps of another round */
                ck_assert_uint_eq(p.mtu_bytes, p.base_bytes);
        }
}
END_TEST

START_TEST(probes_are_told_from_times)
{
    static const uint64_t times[] = {
        0, 1, 1000000, UINT64_C(1) << 32, UINT64_C(1) << 40, (UINT64_C(1) << 48) - 1};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        ck_assert(!path_mtu_is_probe(times[i]));
    for (unsigned epoch = 0; epoch <= UINT16_MAX; epoch += 257) {
        p.epoch = (uint16_t)epoch;
        p.round = (uint16_t)(3 * epoch);
        path_mtu_begin(&p, IP_V4, now_us);
        next_round();
        for (unsigned i = 0; i < count; i++)
            ck_assert(path_mtu_is_probe(probe[i].value));
    }
}
END_TEST

START_TEST(a_second_answer_changes_nothing)
{
    path_mtu_begin(&p, IP_V4, now_us);
    for (unsigned i = 0; p.state != PATH_MTU_FOUND; i++) {
        ck_assert_uint_lt(i, ROUNDS_MAX);
        take_due();
        for (unsigned twice = 0; twice < 2 && count != 0; twice++)
            answer(1459);
        ck_assert_uint_le(p.mtu_bytes, 1459);
        if (path_mtu_deadline_us(&p) > now_us)
            now_us = path_mtu_deadline_us(&p);
    }
    ck_assert_uint_eq(p.mtu_bytes, 1459);
}
END_TEST

START_TEST(a_late_answer_counts)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    struct path_mtu_probe largest = probe[0];
    for (unsigned i = 0; i < count; i++)
        if (probe[i].bytes == 1500)
            largest = probe[i];
    answer(1280);
    next_round(); /* 1500 has lost one try, no more */
    path_mtu_answered(&p, largest.value, now_us);
    ck_assert_uint_eq(p.mtu_bytes, 1500);
}
END_TEST

START_TEST(hints_are_tried_and_not_believed)
{
    static const struct {
        unsigned bytes;
        bool by_kernel;
        bool confirmed; /* the size in use is put to the test at once */
    } row[] = {
        {1499, false, true},  {1400, false, true}, {1280, true, true},   {1200, false, true},
        {1500, false, false}, {1501, true, false}, {65535, true, false}, {9000, false, false},
        {0, false, true},     {0, true, true},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        begin_and_find(IP_V4, 1500);
        now_us += SECOND_US;
        path_mtu_hint(&p, (uint16_t)row[i].bytes, row[i].by_kernel, now_us);
        ck_assert_uint_eq(p.mtu_bytes, 1500);
        ck_assert_msg((path_mtu_deadline_us(&p) <= now_us) == row[i].confirmed, "row %zu", i);
        next_round();
        ck_assert(probed(1500));
        answer(1500);
        ck_assert_uint_eq(p.mtu_bytes, 1500);
        ck_assert_int_eq(p.state, row[i].confirmed ? PATH_MTU_FOUND : PATH_MTU_SEARCHING);
        find(1500);
        ck_assert_uint_eq(p.mtu_bytes, 1500);
        ck_assert_uint_eq(p.black_holes, 0);
    }
}
END_TEST

START_TEST(a_true_hint_is_followed_at_once)
{
    for (unsigned by_kernel = 0; by_kernel < 2; by_kernel++) {
        setup();
        begin_and_find(IP_V4, 1500);
        now_us += SECOND_US;
        uint64_t began_us = now_us;
        path_mtu_hint(&p, 1397, by_kernel, now_us);
        find(1397);
        ck_assert_uint_eq(p.mtu_bytes, 1397);
        ck_assert_uint_eq(p.black_holes, 1);
        ck_assert_int_eq(p.limit, by_kernel ? PATH_MTU_LIMIT_INTERFACE : PATH_MTU_LIMIT_ROUTER);
        ck_assert_uint_le(now_us - began_us, 2 * SECOND_US);
    }
}
END_TEST

START_TEST(a_hint_while_confirming_is_kept)
{
    path_mtu_begin(&p, IP_V4, now_us);
    path_mtu_hint(&p, 1500, false, now_us); /* one that the first search has used up */
    find(1500);
    path_mtu_sent(&p, 1500, now_us);
    next_round();
    ck_assert_int_eq(p.state, PATH_MTU_CONFIRMING);
    path_mtu_hint(&p, 1397, false, now_us);
    find(1397);
    ck_assert_uint_eq(p.mtu_bytes, 1397);
    ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_ROUTER);
}
END_TEST

/* The path becomes narrower before the search is over: the hint is of no use yet, but kept. */
START_TEST(a_hint_while_searching_is_kept)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    answer(1500);
    ck_assert_int_eq(p.state, PATH_MTU_SEARCHING);
    path_mtu_hint(&p, 1397, false, now_us);
    while (p.mtu_bytes == 1500) {
        path_mtu_sent(&p, 1500, now_us);
        next_round();
        if (p.mtu_bytes == 1500)
            answer(1397);
    }
    ck_assert(probed(1397) && probed(1398));
}
END_TEST

START_TEST(a_raise_begins_without_old_words)
{
    for (unsigned said = 0; said < 2; said++) {
        setup();
        path_mtu_begin(&p, IP_V4, now_us);
        path_mtu_hint(&p, 1454, false, now_us);
        find(1454);
        ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_ROUTER);
        do {
            next_round();
            answer(said ? 1473 : 1454);
        } while (p.state != PATH_MTU_SEARCHING);
        if (said)
            path_mtu_hint(&p, 1473, false, now_us); /* more than what was said before */
        find(said ? 1473 : 1454);
        ck_assert_int_eq(p.limit, said ? PATH_MTU_LIMIT_ROUTER : PATH_MTU_LIMIT_PATH);
    }
}
END_TEST

START_TEST(a_flood_of_hints_costs_little)
{
    begin_and_find(IP_V4, 1500);
    uint64_t before = probes_sent, end_us = now_us + 10 * SECOND_US;
    while (now_us < end_us) {
        path_mtu_hint(&p, (uint16_t)(1200 + now_us % 300), now_us % 3 == 0, now_us);
        if (path_mtu_deadline_us(&p) <= now_us) {
            uint64_t sent_us = now_us;
            take_due();
            if (count != 0)
                answer(1500);
            now_us = sent_us;
        }
        now_us += MS;
    }
    ck_assert_uint_eq(p.mtu_bytes, 1500);
    ck_assert_uint_le(probes_sent - before, 41 + 4);
}
END_TEST

/* A peer that goes on answering what was settled long ago gets no new round for each answer. */
START_TEST(answers_to_settled_sizes_end_no_round)
{
    begin_and_find(IP_V4, 1500);
    path_mtu_sent(&p, 1500, now_us);
    next_round();
    ck_assert_int_eq(p.state, PATH_MTU_CONFIRMING);
    uint64_t old = (probe[0].value & ~UINT64_C(0xffff)) | 1280, ends_us = p.round_ends_us;
    for (unsigned i = 0; i < 1000; i++)
        path_mtu_answered(&p, old, now_us);
    ck_assert_uint_eq(path_mtu_deadline_us(&p), ends_us);
    answer(1500);
    ck_assert_int_eq(p.state, PATH_MTU_FOUND);
}
END_TEST

/* Each names a size that does not fit, just before the last ones are given up: the well-known ones
 * would never have their turn. */
START_TEST(a_size_in_doubt_is_not_used)
{
    begin_and_find(IP_V4, 1500);
    ck_assert_uint_eq(path_mtu_usable_bytes(&p), 1500);
    path_mtu_hint(&p, 1400, false, now_us);
    ck_assert_uint_eq(path_mtu_usable_bytes(&p), 1400);
    ck_assert_uint_eq(p.mtu_bytes, 1500);
    next_round();
    answer(1500);
    ck_assert_uint_eq(path_mtu_usable_bytes(&p), 1500);

    /* Nobody says anything: two lost in a row are enough to be careful, not for the verdict. */
    p.sampled = 100;
    p.sampled_lost = 10;
    path_mtu_sent(&p, 1500, now_us);
    for (unsigned lost = 0; lost < 4; lost++) {
        next_round();
        ck_assert_uint_eq(path_mtu_usable_bytes(&p), lost < 2 ? 1500 : PATH_MTU_BASE_V4_BYTES);
        answer(1280);
    }
    ck_assert_uint_eq(p.black_holes, 0);
    next_round();
    answer(1500);
    ck_assert_uint_eq(path_mtu_usable_bytes(&p), 1500);
}
END_TEST

/* 9 of 100 were seen lost; two standard deviations more are 15, which asks for 9 tries. */
START_TEST(losses_seen_by_luck_are_allowed_for)
{
    unsigned tries = 0;
    begin_and_find(IP_V4, 1500);
    path_mtu_sent(&p, 1500, now_us);
    for (; p.black_holes == 0; tries++) {
        p.sampled = 100;
        p.sampled_lost = 9;
        next_round();
        if (p.black_holes == 0)
            answer(1280);
    }
    ck_assert_uint_eq(tries - 1, 9);
}
END_TEST

START_TEST(forged_hints_do_not_hold_a_search_at_the_base)
{
    unsigned lie = 1498;
    begin_and_find(IP_V4, 1500);
    now_us += SECOND_US;
    uint64_t began_us = now_us;
    path_mtu_hint(&p, (uint16_t)lie, false, now_us);
    while (p.mtu_bytes != 1280) {
        next_round();
        answer(1280);
        if (p.state == PATH_MTU_SEARCHING && p.told_tried && p.size_count <= 2)
            path_mtu_hint(&p, (uint16_t)(lie -= 2), false, now_us);
        ck_assert_uint_lt(now_us - began_us, 2 * SECOND_US);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("path_mtu_belief");
    TCase *tc = tcase_create("path_mtu_belief");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, answers_of_another_path_are_not_believed);
    tcase_add_test(tc, answers_to_what_was_not_sent_change_nothing);
    tcase_add_test(tc, probes_are_told_from_times);
    tcase_add_test(tc, a_second_answer_changes_nothing);
    tcase_add_test(tc, a_late_answer_counts);
    tcase_add_test(tc, hints_are_tried_and_not_believed);
    tcase_add_test(tc, a_true_hint_is_followed_at_once);
    tcase_add_test(tc, a_hint_while_confirming_is_kept);
    tcase_add_test(tc, a_hint_while_searching_is_kept);
    tcase_add_test(tc, a_raise_begins_without_old_words);
    tcase_add_test(tc, a_flood_of_hints_costs_little);
    tcase_add_test(tc, answers_to_settled_sizes_end_no_round);
    tcase_add_test(tc, a_size_in_doubt_is_not_used);
    tcase_add_test(tc, losses_seen_by_luck_are_allowed_for);
    tcase_add_test(tc, forged_hints_do_not_hold_a_search_at_the_base);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
