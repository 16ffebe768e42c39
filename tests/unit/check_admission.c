/* SPDX-License-Identifier: MIT
 *
 * check_admission.c - rates and bursts of initiations: all together, and each source's.
 */
#include "tunnel/admission.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000)

enum {
    ALL_STEP_US = 1000000 / ADMISSION_PER_SECOND,
    SOURCE_STEP_US = 1000000 / ADMISSION_SOURCE_PER_SECOND,
};

static const uint64_t start[] = {0, 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

static const uint8_t hash_key[16] = {7};
static struct admission a;

static void begin(void)
{
    memset(&a, 0xa5, sizeof a); /* any content will do */
    admission_init(&a, hash_key);
}

static struct ip_address v4(uint8_t last)
{
    return ip_v4((const uint8_t[4]){192, 0, 2, last});
}

/* 2001:db8:0:@network::@host */
static struct ip_address v6(uint8_t network, uint8_t host)
{
    uint8_t octet[16] = {0x20, 0x01, 0x0d, 0xb8};
    octet[7] = network;
    octet[15] = host;
    return ip_v6(octet);
}

/* How many of @tries at one moment are admitted. */
static unsigned admitted(unsigned tries, uint64_t now_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += admission_check(&a, now_us) == ADMIT;
    return count;
}

static unsigned admitted_from(struct ip_address source, unsigned tries, uint64_t now_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += admission_check_source(&a, &source, now_us);
    return count;
}

START_TEST(cookies_are_told_of_at_a_rate)
{
    unsigned told = 0;
    admission_init(&a, hash_key);
    for (unsigned i = 0; i < 2 * ADMISSION_COOKIES_BURST; i++)
        told += admission_check_cookie(&a, 5);
    ck_assert_uint_eq(told, ADMISSION_COOKIES_BURST);
    for (uint64_t us = 0; us < SECOND; us += 10) /* 100,000 a second ask */
        told += admission_check_cookie(&a, 5 + us);
    ck_assert_uint_le(told, ADMISSION_COOKIES_BURST + ADMISSION_COOKIES_PER_SECOND);
    ck_assert_uint_ge(told, ADMISSION_COOKIES_PER_SECOND);
    ck_assert_uint_eq(admitted(1, 5), 1); /* who needs none has a bucket of its own */
}
END_TEST

START_TEST(a_burst_and_then_the_rate)
{
    static const struct {
        const char *name;
        uint64_t after_us; /* the row before */
        unsigned tries, admitted, admitted_from;
    } row[] = {
        {"as many as the burst", 0, 100, ADMISSION_BURST, ADMISSION_SOURCE_BURST},
        {"time stands still", 0, 100, 0, 0},
        {"just too early for all", ALL_STEP_US - 1, 100, 0, 0},
        {"one more of all", 1, 100, 1, 0},
        {"just too early for a source", SOURCE_STEP_US - ALL_STEP_US - 1, 100, 3, 0},
        {"one more of a source", 1, 100, 1, 1},
        {"not all of it is used", SOURCE_STEP_US, 3, 3, 1},
        {"and the rest is kept", SECOND / 2, 100, 2 + 25, 5},
        {"a second", SECOND, 100, ADMISSION_PER_SECOND, ADMISSION_SOURCE_PER_SECOND},
        {"ten minutes: no more than the burst", 600 * SECOND, 100, ADMISSION_BURST,
         ADMISSION_SOURCE_BURST},
        {"a century", 3155760000 * SECOND, 100, ADMISSION_BURST, ADMISSION_SOURCE_BURST},
    };
    uint64_t now = start[_i];
    begin();
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        now += row[i].after_us;
        unsigned all = admitted(row[i].tries, now);
        unsigned from = admitted_from(v4(1), row[i].tries, now);
        ck_assert_msg(all == row[i].admitted, "%s: %u of all", row[i].name, all);
        ck_assert_msg(from == row[i].admitted_from, "%s: %u of a source", row[i].name, from);
    }
}
END_TEST

/* However the tries are spread, a minute of them gets the burst and the rate, and no more. */
START_TEST(a_flood_gets_the_rate)
{
    static const uint64_t every_us[] = {999, 5000, 19999, ALL_STEP_US, 33333};
    for (size_t i = 0; i < sizeof every_us / sizeof every_us[0]; i++) {
        unsigned all = 0, from = 0, tries = 0;
        begin();
        for (uint64_t t = 0; t <= 60 * SECOND; t += every_us[i], tries++) {
            all += admitted(1, start[_i] + t);
            from += admitted_from(v4(1), 1, start[_i] + t);
        }
        unsigned most = ADMISSION_BURST + 60 * ADMISSION_PER_SECOND;
        ck_assert_uint_le(all, most);
        ck_assert_uint_ge(all, (tries < most ? tries : most) - 1);
        ck_assert_uint_le(from, ADMISSION_SOURCE_BURST + 60 * ADMISSION_SOURCE_PER_SECOND);
        ck_assert_uint_ge(from, ADMISSION_SOURCE_BURST + 60 * ADMISSION_SOURCE_PER_SECOND - 1);
    }
}
END_TEST

/* Less often than the rate, every one is admitted. */
START_TEST(the_patient_are_always_admitted)
{
    begin();
    for (unsigned i = 0; i < 500; i++) {
        ck_assert_uint_eq(admitted(1, start[_i] + i * ALL_STEP_US), 1);
        ck_assert_uint_eq(admitted_from(v4(1), 1, start[_i] + (uint64_t)i * SOURCE_STEP_US), 1);
    }
}
END_TEST

START_TEST(whose_allowance_is_it)
{
    static const uint8_t first_octets_of_v6[4] = {0x20, 0x01, 0x0d, 0xb8};
    const struct {
        const char *name;
        struct ip_address flooder, other;
        bool shared;
    } row[] = {
        {"the same IPv4 address", v4(1), v4(1), true},
        {"its neighbour", v4(1), v4(2), false},
        {"the same IPv6 address", v6(1, 1), v6(1, 1), true},
        {"another host of the same /64", v6(1, 1), v6(1, 2), true},
        {"another /64", v6(1, 1), v6(2, 1), false},
        {"the same first octets, of another family", v6(0, 0), ip_v4(first_octets_of_v6), false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin();
        ck_assert_uint_eq(admitted_from(row[i].flooder, 100, 5), ADMISSION_SOURCE_BURST);
        unsigned left = admitted_from(row[i].other, 100, 5);
        ck_assert_msg(left == (row[i].shared ? 0 : ADMISSION_SOURCE_BURST), "%s: %u", row[i].name,
                      left);
    }
}
END_TEST

START_TEST(the_64_bits_of_an_ipv6_network_all_count)
{
    for (unsigned bit = 0; bit < 128; bit++) {
        struct ip_address other = v6(1, 1);
        begin();
        admitted_from(other, 100, 5);
        other.octet[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        unsigned left = admitted_from(other, 100, 5);
        ck_assert_msg(left == (bit < 64 ? ADMISSION_SOURCE_BURST : 0), "bit %u: %u", bit, left);
    }
}
END_TEST

START_TEST(the_two_limits_are_apart)
{
    begin();
    ck_assert_uint_eq(admitted_from(v4(1), 100, 5), ADMISSION_SOURCE_BURST);
    ck_assert_uint_eq(admitted(100, 5), ADMISSION_BURST);
    ck_assert_uint_eq(admitted_from(v4(2), 100, 5), ADMISSION_SOURCE_BURST);
}
END_TEST

/* Who shares a bucket depends on the key, so nobody can find out whose to empty. */
START_TEST(neighbours_are_drawn_by_the_key)
{
    unsigned shared[2] = {0}, both = 0;
    for (unsigned host = 2; host < 256; host++) {
        bool is_shared[2];
        for (uint8_t key = 0; key < 2; key++) {
            admission_init(&a, (const uint8_t[16]){key});
            admitted_from(v4(1), 100, 5);
            is_shared[key] = admitted_from(v4((uint8_t)host), 1, 5) == 0;
            shared[key] += is_shared[key];
        }
        both += is_shared[0] && is_shared[1];
    }
    ck_assert_uint_lt(shared[0], 8); /* one of 256 is to be expected */
    ck_assert_uint_lt(shared[1], 8);
    ck_assert_uint_eq(both, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admission");
    TCase *tc = tcase_create("admission");
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, cookies_are_told_of_at_a_rate);
    tcase_add_loop_test(tc, a_burst_and_then_the_rate, 0, STARTS);
    tcase_add_loop_test(tc, a_flood_gets_the_rate, 0, STARTS);
    tcase_add_loop_test(tc, the_patient_are_always_admitted, 0, STARTS);
    tcase_add_test(tc, whose_allowance_is_it);
    tcase_add_test(tc, the_64_bits_of_an_ipv6_network_all_count);
    tcase_add_test(tc, the_two_limits_are_apart);
    tcase_add_test(tc, neighbours_are_drawn_by_the_key);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
