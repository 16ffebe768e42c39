/* SPDX-License-Identifier: MIT
 *
 * check_address.c - which addresses one host may have, and what is loopback.
 */
#include "address.h"

#include "frames.h"

#include <check.h>
#include <stdlib.h>

START_TEST(which_one_host_may_have)
{
    static const struct {
        const char *address;
        bool one_host, loopback;
    } row[] = {
        {"0.0.0.0", false, false},
        {"0.1.2.3", false, false},
        {"0.255.255.255", false, false},
        {"1.0.0.0", true, false},
        {"10.0.0.1", true, false},
        {"10.255.255.255", true, false},
        {"100.64.0.1", true, false},
        {"126.255.255.255", true, false},
        {"127.0.0.0", false, true},
        {"127.0.0.1", false, true},
        {"127.255.255.255", false, true},
        {"128.0.0.1", true, false},
        {"169.254.1.1", true, false},
        {"192.168.1.1", true, false},
        {"223.255.255.255", true, false},
        {"224.0.0.1", false, false},
        {"239.255.255.250", false, false},
        {"240.0.0.1", false, false},
        {"255.255.255.254", false, false},
        {"255.255.255.255", false, false},
        {"::", false, false},
        {"::1", false, true},
        {"::2", true, false},
        {"1::1", true, false},
        {"7f00::1", true, false},
        {"::ffff:0:0", false, false},
        {"::ffff:127.0.0.1", false, false},
        {"::ffff:192.168.1.1", false, false},
        {"::fffe:192.168.1.1", true, false},
        {"64:ff9b::192.0.2.1", true, false},
        {"2001:db8::1", true, false},
        {"e000::1", true, false},
        {"fd00::1", true, false},
        {"fe80::1", true, false},
        {"feff::1", true, false},
        {"ff00::", false, false},
        {"ff02::1", false, false},
        {"ff0e::1", false, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct ip_address a = frame_ip(row[i].address);
        ck_assert_msg(ip_is_one_host(&a) == row[i].one_host, "%s", row[i].address);
        ck_assert_msg(ip_is_loopback(&a) == row[i].loopback, "%s", row[i].address);
    }
}
END_TEST

/* Not known, a site, or no family at all, whatever the octets are. */
START_TEST(other_families_are_no_host)
{
    for (unsigned family = 0; family < 256; family++) {
        struct ip_address host = {.family = (uint8_t)family, .octet = {10, 0, 0, 1}};
        struct ip_address self = {.family = (uint8_t)family, .octet = {127, 0, 0, 1}};
        struct ip_address self_v6 = {.family = (uint8_t)family, .octet = {[15] = 1}};
        ck_assert_uint_eq(ip_is_one_host(&host), family == IP_V4 || family == IP_V6);
        ck_assert_uint_eq(ip_is_loopback(&self), family == IP_V4);
        ck_assert_uint_eq(ip_is_loopback(&self_v6), family == IP_V6);
    }
}
END_TEST

START_TEST(how_long_an_address_is)
{
    for (unsigned family = 0; family < 256; family++)
        ck_assert_uint_eq(ip_address_bytes((uint8_t)family), family == 4   ? 4
                                                             : family == 6 ? 16
                                                                           : 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tc = tcase_create("address");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, which_one_host_may_have);
    tcase_add_test(tc, other_families_are_no_host);
    tcase_add_test(tc, how_long_an_address_is);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
