/* SPDX-License-Identifier: MIT
 *
 * check_path_mtu.c - the search for a path's MTU: where it begins, what it ends at and says of it,
 * its states without rounds, and its timers. What it ends at on many kinds of path is
 * tests/sim/check_path_mtu.c's.
 */
#include "path_mtu_owner.h"

/* ---- search ---- */

START_TEST(it_begins_at_the_familys_base)
{
    static const struct {
        enum ip_family family;
        unsigned base_bytes;
    } row[] = {{IP_V4, 1200}, {IP_V6, 1280}};

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        path_mtu_begin(&p, row[i].family, now_us);
        ck_assert_int_eq(p.state, PATH_MTU_SEARCHING);
        ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_UNKNOWN);
        ck_assert_uint_eq(p.mtu_bytes, row[i].base_bytes);
        ck_assert(!p.proved);
        ck_assert_uint_le(path_mtu_deadline_us(&p), now_us);
        begin_and_find(row[i].family, 1500); /* and again from there when the path is a new one */
    }
}
END_TEST

START_TEST(all_known_sizes_are_tried_at_once)
{
    static const unsigned known[] = {1280, 1360, 1400, 1454, 1460, 1492, 1500};
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        ck_assert_msg(probed(known[i]), "%u", known[i]);
    ck_assert(probed(p.base_bytes));
    for (unsigned i = 0; i < count; i++) {
        ck_assert(path_mtu_is_probe(probe[i].value));
        for (unsigned k = 0; k < i; k++)
            ck_assert_uint_ne(probe[i].bytes, probe[k].bytes);
    }
    answer(1460);
    ck_assert_uint_eq(p.mtu_bytes, 1460); /* in use at once */
    ck_assert_uint_eq(p.proved_us, now_us);
}
END_TEST

START_TEST(it_is_exact_to_the_byte)
{
    static const int64_t rtts[] = {-1, 0, 2000, 20000, 500000, 3000000};
    for (size_t i = 0; i < sizeof rtts / sizeof rtts[0]; i++)
        for (unsigned mtu = PATH_MTU_BASE_V4_BYTES; mtu <= OUTER_PACKET_MAX_BYTES;
             mtu += mtu < 1510 ? 1 : 149) {
            setup();
            rtt_us = rtts[i];
            p.epoch = p.round = UINT16_MAX - 1; /* they wrap, too */
            begin_and_find(IP_V4, mtu);
            ck_assert_uint_le(probes_sent, 120);
            ck_assert_uint_eq(p.black_holes, 0);
            ck_assert(p.proved);
            if (mtu < PATH_MTU_BASE_V6_BYTES)
                continue;
            setup();
            rtt_us = rtts[i];
            begin_and_find(IP_V6, mtu);
        }
}
END_TEST

START_TEST(it_says_what_limits_it)
{
    static const struct {
        unsigned mtu_bytes, told_bytes;
        bool by_kernel;
        enum path_mtu_limit limit;
    } row[] = {
        {9000, 0, false, PATH_MTU_LIMIT_MAXIMUM},       {1500, 0, false, PATH_MTU_LIMIT_PATH},
        {1500, 1500, true, PATH_MTU_LIMIT_INTERFACE},   {1454, 1454, false, PATH_MTU_LIMIT_ROUTER},
        {1454, 1400, false, PATH_MTU_LIMIT_PATH}, /* not true: it carries more */
        {1454, 1460, false, PATH_MTU_LIMIT_PATH}, /* nor does it carry that */
        {1200, 0, false, PATH_MTU_LIMIT_PATH},          {1199, 0, false, PATH_MTU_LIMIT_BELOW_BASE},
        {1199, 1199, false, PATH_MTU_LIMIT_BELOW_BASE},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        path_mtu_begin(&p, IP_V4, now_us);
        if (row[i].told_bytes)
            path_mtu_hint(&p, (uint16_t)row[i].told_bytes, row[i].by_kernel, now_us);
        find(row[i].mtu_bytes);
        ck_assert_msg(p.limit == row[i].limit, "row %zu: %u", i, p.limit);
        ck_assert_uint_eq(p.mtu_bytes,
                          row[i].mtu_bytes < p.base_bytes ? p.base_bytes : row[i].mtu_bytes);
        ck_assert_int_eq(p.below_base, row[i].mtu_bytes < p.base_bytes);
    }
}
END_TEST

START_TEST(a_hint_settles_it_with_two_probes)
{
    path_mtu_begin(&p, IP_V4, now_us);
    path_mtu_hint(&p, 5003, false, now_us);
    next_round();
    ck_assert(probed(5003) && probed(5004));
    answer(5003);
    ck_assert_uint_eq(p.mtu_bytes, 5003);
    ck_assert_uint_le(find(5003), 7); /* as many tries as a young search asks for */
    ck_assert_uint_le(probes_sent, 16);
    ck_assert_int_eq(p.state, PATH_MTU_FOUND);
}
END_TEST

START_TEST(one_byte_more_proves_a_known_size)
{
    static const unsigned known[] = {1280, 1360, 1400, 1454, 1460, 1492, 1500};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        setup();
        path_mtu_begin(&p, IP_V4, now_us);
        do {
            next_round();
            answer(known[i]);
        } while (probed(OUTER_PACKET_MAX_BYTES) || probed(1500));
        ck_assert(probed(known[i] + 1));
        /* From then on as many tries as any size is given, and not a halving more. */
        ck_assert_uint_le(find(known[i]), 7);
        ck_assert_uint_eq(p.too_large_bytes, known[i] + 1);
    }
}
END_TEST

START_TEST(a_new_path_forgets_the_losses_of_the_old)
{
    path_mtu_begin(&p, IP_V4, now_us);
    unsigned rounds = find(1459);
    setup();
    begin_and_find(IP_V4, 1459);
    p.sampled = 100;
    p.sampled_lost = 30;
    path_mtu_begin(&p, IP_V4, now_us);
    ck_assert_uint_eq(find(1459), rounds);
}
END_TEST

/* ---- states without rounds ---- */

START_TEST(a_fixed_size_is_never_due)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    path_mtu_set(&p, 1400, 0);
    path_mtu_begin(&p, IP_V4, now_us);
    for (unsigned i = 0; i < 100; i++, now_us += 100 * SECOND_US) {
        ck_assert_int_eq(p.state, PATH_MTU_FIXED);
        ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_CONFIGURATION);
        ck_assert_uint_eq(p.mtu_bytes, 1400);
        ck_assert_uint_eq(path_mtu_deadline_us(&p), NEVER);
        ck_assert_uint_eq(path_mtu_due(&p, rtt_us, now_us, probe), 0);
        path_mtu_sent(&p, 1400, now_us);
        path_mtu_hint(&p, 1300, i % 2, now_us);
        ck_assert_uint_eq(p.told_bytes, 1300); /* for people to look at */
        path_mtu_answered(&p, probe[0].value, now_us);
        path_mtu_control(&p, now_us, now_us);
    }
    path_mtu_stop(&p);
    ck_assert_uint_eq(path_mtu_deadline_us(&p), NEVER);

    path_mtu_set(&p, 0, 0);
    ck_assert_int_eq(p.state, PATH_MTU_STOPPED);
    ck_assert_uint_eq(path_mtu_deadline_us(&p), NEVER);
    begin_and_find(IP_V4, 1500);
}
END_TEST

START_TEST(a_reload_that_changes_nothing_disturbs_nothing)
{
    begin_and_find(IP_V4, 1454);
    uint64_t deadline_us = path_mtu_deadline_us(&p);
    path_mtu_set(&p, 0, 0);
    ck_assert_int_eq(p.state, PATH_MTU_FOUND);
    ck_assert_uint_eq(p.mtu_bytes, 1454);
    ck_assert_uint_eq(path_mtu_deadline_us(&p), deadline_us);
}
END_TEST

START_TEST(a_stopped_one_keeps_its_result)
{
    begin_and_find(IP_V4, 1454);
    enum path_mtu_limit limit = (enum path_mtu_limit)p.limit;
    path_mtu_stop(&p);
    for (unsigned i = 0; i < 100; i++, now_us += 100 * SECOND_US) {
        ck_assert_int_eq(p.state, PATH_MTU_STOPPED);
        ck_assert_uint_eq(path_mtu_deadline_us(&p), NEVER);
        ck_assert_uint_eq(path_mtu_due(&p, rtt_us, now_us, probe), 0);
        path_mtu_sent(&p, 1454, now_us);
        path_mtu_hint(&p, 1300, i % 2, now_us);
        path_mtu_control(&p, now_us, now_us);
    }
    ck_assert_uint_eq(p.mtu_bytes, 1454);
    ck_assert_int_eq(p.limit, limit);
    begin_and_find(IP_V6, 1500);
}
END_TEST

/* ---- timers ---- */

/* Answers everything until a size above that in use is probed; returns when. */
static uint64_t next_raise_us(unsigned mtu_bytes)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        next_round();
        if (probed(mtu_bytes + 1)) {
            uint64_t at_us = now_us;
            answer(mtu_bytes);
            find(mtu_bytes);
            return at_us;
        }
        answer(mtu_bytes);
    }
    ck_abort_msg("no raise");
    return 0;
}

START_TEST(the_raise_grows_rarer)
{
    static const struct {
        uint64_t raise_s;
        uint64_t wait_s[6];
    } row[] = {
        {0, {30, 120, 480, 600, 600, 600}},
        {600, {30, 120, 480, 600, 600, 600}},
        {200, {30, 120, 200, 200, 200, 200}},
        {30, {30, 30, 30, 30, 30, 30}},
        {5, {5, 5, 5, 5, 5, 5}},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        path_mtu_set(&p, 0, row[i].raise_s * SECOND_US);
        begin_and_find(IP_V4, 1460);
        uint64_t found_us = now_us;
        for (unsigned k = 0; k < 6; k++) {
            uint64_t wait_us = next_raise_us(1460) - found_us;
            ck_assert_msg(wait_us >= row[i].wait_s[k] * SECOND_US &&
                              wait_us <= (row[i].wait_s[k] + 1) * SECOND_US,
                          "row %zu, raise %u: %llu us", i, k, (unsigned long long)wait_us);
            found_us = now_us;
        }
    }
}
END_TEST

START_TEST(a_raise_finds_a_larger_path)
{
    begin_and_find(IP_V4, 1280);
    uint64_t began_us = now_us;
    do {
        next_round();
        answer(1492);
    } while (p.mtu_bytes == 1280);
    ck_assert_uint_le(now_us - began_us, 31 * SECOND_US);
    find(1492);
    ck_assert_uint_eq(p.mtu_bytes, 1492);
    ck_assert_uint_eq(p.black_holes, 0);
}
END_TEST

START_TEST(the_largest_is_not_raised)
{
    begin_and_find(IP_V4, OUTER_PACKET_MAX_BYTES);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(path_mtu_deadline_us(&p), UINT64_MAX);
        path_mtu_sent(&p, OUTER_PACKET_MAX_BYTES, now_us);
        next_round();
        ck_assert_uint_eq(count, 1);
        ck_assert_uint_eq(probe[0].bytes, OUTER_PACKET_MAX_BYTES);
        answer(OUTER_PACKET_MAX_BYTES);
    }
}
END_TEST

START_TEST(it_confirms_what_is_used)
{
    static const uint16_t sent_bytes[] = {1500, 1400, 1201};
    for (size_t i = 0; i < sizeof sent_bytes / sizeof *sent_bytes; i++) {
        setup();
        begin_and_find(IP_V4, 1500);
        uint64_t began_us = now_us;
        path_mtu_sent(&p, sent_bytes[i], now_us);
        next_round();
        ck_assert_uint_eq(count, 1);
        ck_assert_uint_eq(probe[0].bytes, 1500);
        ck_assert_int_eq(p.state, PATH_MTU_CONFIRMING);
        ck_assert_uint_le(now_us - began_us, SECOND_US);
        answer(1500);
        ck_assert_int_eq(p.state, PATH_MTU_FOUND);
        ck_assert_uint_eq(p.proved_us, now_us);
    }
}
END_TEST

/* An idle tunnel may run over a line that is paid for by the byte: nothing is lost meanwhile. */
START_TEST(what_is_not_used_waits_for_the_raise)
{
    static const uint16_t sent_bytes[] = {1200, 100, 0};
    for (size_t i = 0; i < sizeof sent_bytes / sizeof *sent_bytes; i++) {
        setup();
        begin_and_find(IP_V4, 1500);
        next_raise_us(1500);
        uint64_t began_us = now_us;
        if (sent_bytes[i])
            path_mtu_sent(&p, sent_bytes[i], now_us);
        next_round();
        ck_assert_uint_ge(now_us - began_us, 119 * SECOND_US);
        ck_assert_uint_eq(count, 2);
        answer(1500);
        ck_assert_uint_eq(p.proved_us, now_us);
    }
}
END_TEST

START_TEST(a_black_hole_sends_it_back_to_the_base)
{
    begin_and_find(IP_V4, 1500);
    path_mtu_sent(&p, 1500, now_us);
    uint64_t began_us = now_us;
    for (unsigned i = 0; p.mtu_bytes == 1500; i++) {
        ck_assert_uint_lt(i, 20);
        next_round();
        if (p.mtu_bytes == 1500)
            answer(1280);
    }
    ck_assert_uint_eq(p.mtu_bytes, p.base_bytes);
    ck_assert_int_eq(p.state, PATH_MTU_SEARCHING);
    ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_UNKNOWN);
    ck_assert_uint_eq(p.black_holes, 1);
    ck_assert_uint_le(now_us - began_us, 2 * SECOND_US);
    find(1280);
    ck_assert_uint_eq(p.mtu_bytes, 1280);
}
END_TEST

START_TEST(nothing_is_below_the_base)
{
    begin_and_find(IP_V6, PATH_MTU_BASE_V6_BYTES);
    for (unsigned i = 0; i < 200; i++) {
        path_mtu_sent(&p, PATH_MTU_BASE_V6_BYTES, now_us);
        path_mtu_hint(&p, 1000, i % 2, now_us);
        next_round();
        answer(1000);
        ck_assert_uint_eq(p.mtu_bytes, PATH_MTU_BASE_V6_BYTES);
    }
    ck_assert_uint_eq(p.black_holes, 0);
    find(PATH_MTU_BASE_V6_BYTES);
    ck_assert_uint_eq(p.mtu_bytes, PATH_MTU_BASE_V6_BYTES);
}
END_TEST

START_TEST(what_was_below_the_base_may_heal)
{
    path_mtu_begin(&p, IP_V4, now_us);
    find(1000);
    ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_BELOW_BASE);
    do {
        next_round();
        answer(1492);
    } while (p.mtu_bytes < 1492);
    find(1492);
    ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_PATH);
}
END_TEST

START_TEST(after_an_outage_rounds_are_short_again)
{
    begin_and_find(IP_V4, 1500);
    path_mtu_sent(&p, 1500, now_us);
    next_round();
    uint64_t short_us = path_mtu_deadline_us(&p) - now_us;
    for (unsigned i = 0; i < 5; i++)
        next_round(); /* and nothing comes */
    ck_assert_uint_gt(path_mtu_deadline_us(&p) - now_us, 4 * short_us);
    answer(1500);
    ck_assert_int_eq(p.state, PATH_MTU_FOUND);
    path_mtu_sent(&p, 1500, now_us);
    next_round();
    ck_assert_uint_eq(path_mtu_deadline_us(&p) - now_us, short_us);
}
END_TEST

START_TEST(rounds_without_a_control_prove_nothing)
{
    for (unsigned searching = 0; searching < 2; searching++) {
        setup();
        if (searching)
            path_mtu_begin(&p, IP_V4, now_us);
        else
            begin_and_find(IP_V4, 1500);
        unsigned bytes = p.mtu_bytes, too_large = p.too_large_bytes;
        uint64_t before_us = now_us;
        for (unsigned i = 0; i < 300; i++) {
            path_mtu_sent(&p, (uint16_t)bytes, now_us);
            next_round(); /* and nothing comes */
        }
        ck_assert_uint_eq(p.mtu_bytes, bytes);
        ck_assert(!searching || p.too_large_bytes == too_large);
        ck_assert_uint_eq(p.black_holes, 0);
        ck_assert_uint_ge(now_us - before_us, 300 * SECOND_US); /* slower and slower */
        find(1500);
        ck_assert_uint_eq(p.mtu_bytes, 1500);
    }
}
END_TEST

START_TEST(a_round_lasts_longer_than_the_round_trip)
{
    static const struct {
        int64_t rtt_us;
        uint64_t from_us, to_us;
    } row[] = {
        {-1, 200000, 1000000},       {0, 10000, 200000},       {2000, 10000, 200000},
        {50000, 60000, 300000},      {100000, 120000, 500000}, {500000, 600000, 1500000},
        {1000000, 1200000, 3000000},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        rtt_us = row[i].rtt_us;
        path_mtu_begin(&p, IP_V4, now_us);
        next_round();
        uint64_t us = path_mtu_deadline_us(&p) - now_us;
        ck_assert_msg(us >= row[i].from_us && us <= row[i].to_us, "row %zu: %llu us", i,
                      (unsigned long long)us);
        ck_assert_uint_eq(path_mtu_due(&p, rtt_us, now_us, probe), 0);
        ck_assert_uint_eq(path_mtu_due(&p, rtt_us, now_us + us - 1, probe), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("path_mtu");
    TCase *tc = tcase_create("path_mtu");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, it_begins_at_the_familys_base);
    tcase_add_test(tc, all_known_sizes_are_tried_at_once);
    tcase_add_test(tc, it_is_exact_to_the_byte);
    tcase_add_test(tc, it_says_what_limits_it);
    tcase_add_test(tc, a_hint_settles_it_with_two_probes);
    tcase_add_test(tc, one_byte_more_proves_a_known_size);
    tcase_add_test(tc, a_new_path_forgets_the_losses_of_the_old);
    tcase_add_test(tc, a_fixed_size_is_never_due);
    tcase_add_test(tc, a_reload_that_changes_nothing_disturbs_nothing);
    tcase_add_test(tc, a_stopped_one_keeps_its_result);
    tcase_add_test(tc, the_raise_grows_rarer);
    tcase_add_test(tc, a_raise_finds_a_larger_path);
    tcase_add_test(tc, the_largest_is_not_raised);
    tcase_add_test(tc, it_confirms_what_is_used);
    tcase_add_test(tc, what_is_not_used_waits_for_the_raise);
    tcase_add_test(tc, a_black_hole_sends_it_back_to_the_base);
    tcase_add_test(tc, nothing_is_below_the_base);
    tcase_add_test(tc, what_was_below_the_base_may_heal);
    tcase_add_test(tc, after_an_outage_rounds_are_short_again);
    tcase_add_test(tc, rounds_without_a_control_prove_nothing);
    tcase_add_test(tc, a_round_lasts_longer_than_the_round_trip);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
