/* SPDX-License-Identifier: MIT
 *
 * check_storm.c - the storm limits: exact over long times, one class never at another's expense.
 */
#include "frame/storm.h"

#include "frames.h"

#include <check.h>
#include <stdio.h>

static const uint64_t SECOND_US = 1000000;

/* The limits as people are told them: tokens each second, burst, tokens a frame of 1000 bytes
 * takes. */
static const struct {
    enum multicast_class class;
    unsigned per_s, burst, cost;
} LIMIT[] = {
    {CLASS_DISCOVERY, 500, 500, 1},
    {CLASS_NEIGHBOR, 500, 1000, 1},
    {CLASS_BROADCAST, 300, 600, 1},
    {CLASS_GROUP_KNOWN, 500, 500, 1},
    {CLASS_GROUP_OTHER, 2000000, 500000, 1000},
};
enum { LIMITS = sizeof LIMIT / sizeof LIMIT[0], FRAME_BYTES = 1000 };

static unsigned allowed(struct storm *storm, enum multicast_class c, unsigned tries,
                        uint64_t now_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += storm_allows(storm, c, FRAME_BYTES, now_us);
    return count;
}

START_TEST(burst_then_rate)
{
    for (size_t i = 0; i < LIMITS; i++) {
        struct storm storm;
        uint64_t now_us = 12345;
        storm_init(&storm, now_us);
        unsigned burst = LIMIT[i].burst / LIMIT[i].cost, per_s = LIMIT[i].per_s / LIMIT[i].cost;
        ck_assert_uint_eq(allowed(&storm, LIMIT[i].class, 5000, now_us), burst);

        /* A storm of 10000 frames a second for ten seconds: the rate, to the frame. */
        unsigned count = 0;
        for (unsigned n = 0; n < 100000; n++)
            count += storm_allows(&storm, LIMIT[i].class, FRAME_BYTES, now_us += 100);
        ck_assert_uint_eq(count, 10 * per_s);

        /* Silence refills to the burst and no further. */
        ck_assert_uint_eq(allowed(&storm, LIMIT[i].class, 5000, now_us + 3600 * SECOND_US), burst);
    }
}
END_TEST

/* Steps of any odd size: nothing is lost to rounding, nothing is gained. */
START_TEST(does_not_drift)
{
    static const unsigned STEP_US[] = {1, 7, 333, 1999, 3333, 3334};
    for (size_t i = 0; i < LIMITS; i++)
        for (size_t s = 0; s < sizeof STEP_US / sizeof STEP_US[0]; s++) {
            struct storm storm;
            storm_init(&storm, 0);
            uint64_t burst = LIMIT[i].burst / LIMIT[i].cost, end_us = 200000ull * STEP_US[s];
            ck_assert_uint_eq(allowed(&storm, LIMIT[i].class, 5000, 0), burst);
            uint64_t count = 0;
            for (uint64_t now_us = STEP_US[s]; now_us <= end_us; now_us += STEP_US[s])
                count += storm_allows(&storm, LIMIT[i].class, FRAME_BYTES, now_us);
            uint64_t earned = end_us * LIMIT[i].per_s / LIMIT[i].cost / SECOND_US;
            /* At most one frame is offered each step. */
            uint64_t expected = earned < 200000 ? earned : 200000;
            ck_assert_msg(count == expected, "class %d, step %u: %llu, not %llu", LIMIT[i].class,
                          STEP_US[s], (unsigned long long)count, (unsigned long long)expected);
        }
}
END_TEST

START_TEST(classes_are_apart)
{
    for (size_t i = 0; i < LIMITS; i++) {
        struct storm storm;
        storm_init(&storm, 0);
        allowed(&storm, LIMIT[i].class, 5000, 0);
        ck_assert(!storm_allows(&storm, LIMIT[i].class, FRAME_BYTES, 0));
        for (size_t j = 0; j < LIMITS; j++)
            ck_assert(i == j || storm_allows(&storm, LIMIT[j].class, FRAME_BYTES, 0));
        ck_assert(storm_allows_unknown(&storm, FRAME_BYTES, 0));
    }
}
END_TEST

START_TEST(unicast_is_free_unless_unknown)
{
    struct storm storm;
    storm_init(&storm, 0);
    ck_assert_uint_eq(allowed(&storm, CLASS_UNICAST, 100000, 0), 100000);
    unsigned count = 0;
    for (unsigned n = 0; n < 5000; n++)
        count += storm_allows_unknown(&storm, FRAME_BYTES, 0);
    ck_assert_uint_eq(count, STORM_UNKNOWN_BURST);
    for (unsigned n = 1; n <= 10000; n++)
        count += storm_allows_unknown(&storm, FRAME_BYTES, n * 100);
    ck_assert_uint_eq(count, STORM_UNKNOWN_BURST + STORM_UNKNOWN_PER_S);
    ck_assert(storm_allows(&storm, CLASS_UNICAST, FRAME_BYTES, 0));
}
END_TEST

/* Time that stands still, goes back or leaps to the end of the world gives nothing for nothing. */
START_TEST(odd_times)
{
    struct storm storm;
    storm_init(&storm, 10 * SECOND_US);
    ck_assert_uint_eq(allowed(&storm, CLASS_DISCOVERY, 5000, 10 * SECOND_US), 500);
    ck_assert_uint_eq(allowed(&storm, CLASS_DISCOVERY, 10, 10 * SECOND_US), 0);
    ck_assert_uint_eq(allowed(&storm, CLASS_DISCOVERY, 10, 0), 0);
    ck_assert_uint_eq(allowed(&storm, CLASS_DISCOVERY, 10, 9 * SECOND_US), 0);
    ck_assert_uint_eq(allowed(&storm, CLASS_DISCOVERY, 10, 10 * SECOND_US + 1999), 0);
    ck_assert_uint_eq(allowed(&storm, CLASS_DISCOVERY, 10, 10 * SECOND_US + 2000), 1);
    ck_assert_uint_eq(allowed(&storm, CLASS_DISCOVERY, 5000, UINT64_MAX - 5), 500);
    ck_assert_uint_eq(allowed(&storm, CLASS_DISCOVERY, 5000, UINT64_MAX), 0);

    storm_init(&storm, 0);
    ck_assert_uint_eq(allowed(&storm, CLASS_GROUP_OTHER, 5000, 0), 500);
    ck_assert_uint_eq(allowed(&storm, CLASS_GROUP_OTHER, 5000, UINT64_MAX), 500);
}
END_TEST

static unsigned allowed_group(struct storm *storm, const char *group, unsigned tries,
                              uint64_t now_us)
{
    struct ip_address address = frame_ip(group);
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += storm_allows_group(storm, &address, FRAME_BYTES, now_us);
    return count;
}

/* One stream too many bytes a second leaves the other its own share. */
START_TEST(groups_have_their_share)
{
    struct storm storm;
    storm_init(&storm, 0);
    ck_assert_uint_eq(allowed_group(&storm, "239.1.1.1", 5000, 0), 250);
    ck_assert_uint_eq(allowed_group(&storm, "239.1.1.2", 5000, 0), 250);
    ck_assert_uint_eq(allowed_group(&storm, "ff0e::1", 5000, 0), 0); /* together 500 */

    unsigned greedy = 0, modest = 0;
    for (uint64_t ms = 1; ms <= 10000; ms++) {
        greedy += allowed_group(&storm, "239.1.1.1", 10, ms * 1000);
        modest += allowed_group(&storm, "239.1.1.2", ms % 2, ms * 1000);
    }
    ck_assert_uint_eq(greedy, 10000); /* 8 Mbit/s */
    ck_assert_uint_eq(modest, 5000);
}
END_TEST

/* A frame the common bucket refuses is not taken out of the group's. */
START_TEST(refused_frames_cost_nothing)
{
    struct storm storm;
    storm_init(&storm, 0);
    ck_assert_uint_eq(allowed(&storm, CLASS_GROUP_OTHER, 5000, 0), 500);
    ck_assert_uint_eq(allowed_group(&storm, "239.1.1.1", 5000, 0), 0);
    /* 125 ms fill the common bucket by half, as much as the group has from the start. */
    ck_assert_uint_eq(allowed_group(&storm, "239.1.1.1", 5000, 125000), 250);
}
END_TEST

/* More groups than are told apart: the common limit holds, and a busy group keeps its bucket. */
START_TEST(many_groups)
{
    struct storm storm;
    storm_init(&storm, 0);
    ck_assert_uint_eq(allowed_group(&storm, "239.1.1.1", 5000, 0), 250);
    unsigned busy = 0, others = 0;
    for (unsigned n = 1; n <= 900; n++) {
        char group[24];
        snprintf(group, sizeof group, "239.2.%u.%u", n / 200, n % 200);
        others += allowed_group(&storm, group, 1, n);
        busy += allowed_group(&storm, "239.1.1.1", 1, n);
    }
    ck_assert_uint_eq(others, 251); /* what the first left, and 900 us at 2 bytes each */
    ck_assert_uint_eq(busy, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("storm");
    TCase *limits = tcase_create("limits");
    tcase_add_test(limits, burst_then_rate);
    tcase_add_test(limits, does_not_drift);
    tcase_add_test(limits, classes_are_apart);
    tcase_add_test(limits, unicast_is_free_unless_unknown);
    tcase_add_test(limits, odd_times);
    suite_add_tcase(suite, limits);
    TCase *groups = tcase_create("groups");
    tcase_add_test(groups, groups_have_their_share);
    tcase_add_test(groups, refused_frames_cost_nothing);
    tcase_add_test(groups, many_groups);
    suite_add_tcase(suite, groups);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
