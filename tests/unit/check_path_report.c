/* SPDX-License-Identifier: MIT
 *
 * check_path_report.c - what people are told of a peer's paths, and its other peers of its
 * addresses.
 */
#include "paths_owner.h"

#include <stdlib.h>

/* Each test runs once from each of these: nothing may hang on where the clock begins. */
static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

START_TEST(people_see_every_path)
{
    struct path_info info[PATHS_MAX];
    begin(start[_i]);
    works(v6(1), 12 * MS);
    works(by_turn(1), 34 * MS);
    NAME(PATHS_CONFIGURED, v6(1), by_turn(1), v4(1));
    run(SECOND);
    ck_assert_uint_eq(paths_info(&w.p, w.now_us, info, 2), 2);
    ck_assert_uint_eq(paths_info(&w.p, w.now_us, info, PATHS_MAX), 3);
    ck_assert(info[0].selected && !info[0].standby && info[0].srtt_us == 12000);
    ck_assert(info[1].standby && info[1].state == PATH_VALID && info[1].to.via == VIA_TURN);
    ck_assert_uint_le(info[0].answered_age_us, SECOND);
    ck_assert(info[2].state == PATH_CHECKING && info[2].srtt_us < 0);
    ck_assert_uint_eq(info[2].answered_age_us, NEVER);
    ck_assert_uint_eq(info[2].kind, CANDIDATE_HOST);
}
END_TEST

static bool seen_is(enum ip_family family, struct endpoint at)
{
    const struct endpoint *seen = paths_seen_at(&w.p, family);
    return seen && endpoint_equal(seen, &at);
}

START_TEST(each_family_is_seen_where_it_answered_last)
{
    begin(start[_i]);
    works(v6(1), 5 * MS);
    works(v4(1), 6 * MS);
    NAME(PATHS_CONFIGURED, v6(1), v4(2), v4(1), by_turn(3));
    ck_assert(!paths_seen_at(&w.p, IP_V4) && !paths_seen_at(&w.p, IP_V6));
    run(20 * SECOND);
    ck_assert(seen_is(IP_V6, v6(1)) && seen_is(IP_V4, v4(1)));

    works(v4(2), 6 * MS); /* the peer has moved; that v4(1) is gone nobody has found out yet */
    way_of(v4(1))->cut = true;
    ck_assert(!received(v4(2), false));
    run(SECOND);
    ck_assert(state_of(v4(1)) == PATH_VALID && selected_is(v6(1)));
    ck_assert(seen_is(IP_V4, v4(2)));
    way_of(v4(2))->cut = true; /* and moves back, as it may */
    works(v4(1), 6 * MS);
    run(60 * SECOND);
    ck_assert(seen_is(IP_V4, v4(1)) && seen_is(IP_V6, v6(1)));

    /* What is in use counts, though it was not checked yet; not so an address behind a server. */
    works(by_turn(3), MS);
    way_of(v4(1))->cut = way_of(v6(1))->cut = true;
    ck_assert(received(v4(7), true) && seen_is(IP_V4, v4(7)));
    run(60 * SECOND);
    ck_assert(selected_is(by_turn(3)));
    ck_assert(!paths_seen_at(&w.p, IP_V4) && !paths_seen_at(&w.p, IP_V6));
}
END_TEST

START_TEST(a_relay_or_a_spoofed_source_is_not_where_it_is_seen)
{
    struct candidate_list relayed = {.count = 1,
                                     .item = {{.kind = CANDIDATE_RELAYED, .endpoint = v4(9)}}};
    struct endpoint spoofed = v4(7);
    begin(start[_i]);
    works(v6(1), 5 * MS);
    works(v4(1), 6 * MS);
    works(v4(9), 6 * MS);
    NAME(PATHS_CONFIGURED, v6(1), v4(1));
    paths_set(&w.p, PATHS_TOLD, &relayed, w.now_us); /* checked after the others */
    run(4 * SECOND);
    ck_assert(state_of(v4(9)) == PATH_VALID && seen_is(IP_V4, v4(1)));
    paths_proved(&w.p, &spoofed, w.now_us);
    ck_assert(state_of(spoofed) == PATH_VALID && selected_is(spoofed));
    run(2 * SECOND); /* that nobody is there is found out soon */
    ck_assert(!selected_is(spoofed) && seen_is(IP_V4, v4(1)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("path report");
    TCase *tc = tcase_create("path report");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, people_see_every_path, 0, STARTS);
    tcase_add_loop_test(tc, each_family_is_seen_where_it_answered_last, 0, STARTS);
    tcase_add_loop_test(tc, a_relay_or_a_spoofed_source_is_not_where_it_is_seen, 0, STARTS);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
