/* SPDX-License-Identifier: MIT
 *
 * check_rate.c - a burst at once, then the rate, and never more, whatever time does.
 */
#include "rate.h"

#include <check.h>
#include <stdlib.h>

#define EACH_US UINT64_C(1000)
#define YEAR_US UINT64_C(31557600000000)

enum { BURST = 5 };

static const uint64_t start[] = {0, 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

/* How many of @tries at one moment are admitted. */
static unsigned admitted(uint64_t *whole_us, unsigned burst, unsigned tries, uint64_t now_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += rate_admits(whole_us, EACH_US, burst, now_us);
    return count;
}

START_TEST(a_burst_and_then_the_rate)
{
    static const struct {
        const char *name;
        uint64_t after_us; /* the row before */
        unsigned tries, admitted;
    } row[] = {
        {"no more than the burst", 0, 100, BURST},
        {"time stands still", 0, 100, 0},
        {"just too early", EACH_US - 1, 100, 0},
        {"in time", 1, 100, 1},
        {"refusals cost nothing", EACH_US, 100, 1},
        {"what is not used", 3 * EACH_US, 1, 1},
        {"is kept", 0, 100, 2},
        {"up to the burst", BURST * EACH_US, 100, BURST},
        {"however long", YEAR_US, 100, BURST},
        {"half an interval", EACH_US / 2, 100, 0},
        {"and the other half", EACH_US / 2, 100, 1},
    };
    uint64_t now_us = start[_i], whole_us = 0;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        now_us += row[i].after_us;
        unsigned count = admitted(&whole_us, BURST, row[i].tries, now_us);
        ck_assert_msg(count == row[i].admitted, "%s: %u", row[i].name, count);
    }
}
END_TEST

START_TEST(a_burst_of_one_is_an_interval)
{
    uint64_t whole_us = 0;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t now_us = start[_i] + i * EACH_US;
        ck_assert_uint_eq(admitted(&whole_us, 1, 10, now_us), 1);
        ck_assert_uint_eq(admitted(&whole_us, 1, 10, now_us + EACH_US - 1), 0);
    }
}
END_TEST

/* However the tries are spread, a time of them gets the burst and the rate, and no more. */
START_TEST(a_flood_gets_the_rate)
{
    static const uint64_t every_us[] = {1, 7, 333, EACH_US - 1, EACH_US};
    const uint64_t for_us = 100 * EACH_US;
    for (size_t i = 0; i < sizeof every_us / sizeof every_us[0]; i++) {
        uint64_t whole_us = 0;
        unsigned count = 0;
        for (uint64_t t = 0; t <= for_us; t += every_us[i])
            count += rate_admits(&whole_us, EACH_US, BURST, start[_i] + t);
        ck_assert_uint_le(count, BURST + for_us / EACH_US);
        ck_assert_uint_ge(count, for_us / EACH_US);
    }
}
END_TEST

/* Nothing is given twice for the same time. */
START_TEST(time_that_goes_back_gives_nothing)
{
    uint64_t now_us = (UINT64_C(1) << 40), whole_us = 0;
    ck_assert_uint_eq(admitted(&whole_us, BURST, 3, now_us), 3);
    ck_assert_uint_eq(admitted(&whole_us, BURST, 100, now_us - 1), 1);
    ck_assert_uint_eq(admitted(&whole_us, BURST, 100, now_us - BURST * EACH_US), 0);
    ck_assert_uint_eq(admitted(&whole_us, BURST, 100, 0), 0);
    ck_assert_uint_eq(admitted(&whole_us, BURST, 100, now_us), 1);
    ck_assert_uint_eq(admitted(&whole_us, BURST, 100, now_us + BURST * EACH_US), BURST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rate");
    TCase *tc = tcase_create("rate");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, a_burst_and_then_the_rate, 0, STARTS);
    tcase_add_loop_test(tc, a_burst_of_one_is_an_interval, 0, STARTS);
    tcase_add_loop_test(tc, a_flood_gets_the_rate, 0, STARTS);
    tcase_add_test(tc, time_that_goes_back_gives_nothing);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
