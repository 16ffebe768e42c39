/* SPDX-License-Identifier: MIT
 *
 * check_site_info.c - site info: its bytes, what is refused, what is skipped.
 */
#include "tunnel/site_info.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct site_info info;
static uint8_t bytes[1000];

static struct ip_prefix prefix4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint8_t length_bits)
{
    uint8_t octets[4] = {a, b, c, d};
    return (struct ip_prefix){.address = ip_v4(octets), .length_bits = length_bits};
}

static struct site_info sample(void)
{
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8}, router[4] = {192, 168, 1, 1};
    struct site_info s = {.name = "home", .hub = true, .prefix_count = 2, .gateways = {.count = 1}};
    s.prefix[0] = prefix4(192, 168, 1, 0, 24);
    s.prefix[1] = (struct ip_prefix){.address = ip_v6(v6), .length_bits = 64};
    s.gateways.gateway[0] = (struct gateway){.address = ip_v4(router), .mac = {{2, 0, 0, 0, 0, 9}}};
    return s;
}

/* As much as there may be of everything. */
static struct site_info largest(void)
{
    struct site_info s = {.prefix_count = SITE_PREFIXES_MAX, .gateways = {.count = GATEWAYS_MAX}};
    memset(s.name, 'z', SITE_NAME_MAX);
    for (uint8_t i = 0; i < SITE_PREFIXES_MAX; i++) {
        uint8_t octets[16] = {0xfd, i};
        s.prefix[i] = (struct ip_prefix){.address = ip_v6(octets), .length_bits = 64};
    }
    for (uint8_t i = 0; i < GATEWAYS_MAX; i++) {
        uint8_t octets[16] = {0xfd, i, [15] = 1};
        s.gateways.gateway[i] = (struct gateway){.address = ip_v6(octets), .mac = {{2, i}}};
    }
    return s;
}

START_TEST(it_writes_the_bytes_of_the_wire)
{
    static const uint8_t want[] = {
        1, 0,  4,  'h', 'o', 'm',  'e',              /* name */
        2, 0,  1,  1,                                /* flags */
        3, 0,  6,  4,   24,  192,  168,  1,    0,    /* prefix, IPv4 */
        3, 0,  18, 6,   64,  0x20, 0x01, 0x0d, 0xb8, /* prefix, IPv6 */
        0, 0,  0,  0,   0,   0,    0,    0,    0,    0, 0, 0, 4,
        0, 11, 4,  192, 168, 1,    1,    2,    0,    0, 0, 0, 9, /* gateway */
    };
    struct site_info s = sample();
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof bytes), sizeof want);
    ck_assert_mem_eq(bytes, want, sizeof want);
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof want), sizeof want);
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof want - 1), 0);
    ck_assert_uint_eq(site_info_encode(&s, bytes, 0), 0);
}
END_TEST

START_TEST(it_reads_what_it_wrote)
{
    struct site_info all[] = {sample(), largest(), {.name = "-"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t count = site_info_encode(&all[i], bytes, sizeof bytes);
        ck_assert_uint_gt(count, 0);
        ck_assert(site_info_decode(&info, bytes, count));
        ck_assert(site_info_equal(&info, &all[i]));
        ck_assert_str_eq(info.name, all[i].name);
        ck_assert(info.hub == all[i].hub);
    }
}
END_TEST

START_TEST(the_largest_fits_a_handshake)
{
    struct site_info s = largest();
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof bytes), SITE_INFO_MAX_BYTES);
    ck_assert_uint_lt(SITE_INFO_MAX_BYTES, 700);
}
END_TEST

/* Cut anywhere but between two items it is refused; after the name an item's end is an end. */
START_TEST(cut_off_is_refused)
{
    struct site_info s = sample();
    size_t count = site_info_encode(&s, bytes, sizeof bytes), accepted = 0;
    for (size_t cut = 0; cut < count; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy + 1, bytes, cut);
        bool at_an_end = cut == 7 || cut == 11 || cut == 20 || cut == 41;
        ck_assert_msg(site_info_decode(&info, copy + 1, cut) == at_an_end, "cut at %zu", cut);
        accepted += at_an_end;
        free(copy);
    }
    ck_assert_uint_eq(accepted, 4);
    ck_assert_uint_eq(count, 55);
}
END_TEST

START_TEST(it_judges_items)
{
    static const struct {
        const char *name;
        uint8_t item[40];
        size_t count;
        bool valid;
    } row[] = {
        {"nothing more", {0}, 0, true},
        {"an unknown type", {200, 0, 2, 9, 9}, 5, true},
        {"an unknown type, empty", {0, 0, 0}, 3, true},
        {"an unknown type past the end", {200, 0, 3, 9, 9}, 5, false},
        {"a second name", {1, 0, 1, 'b'}, 4, false},
        {"flags 0", {2, 0, 1, 0}, 4, true},
        {"reserved flags", {2, 0, 1, 0xfe}, 4, true},
        {"flags without a byte", {2, 0, 0}, 3, false},
        {"flags of two bytes", {2, 0, 2, 0, 0}, 5, false},
        {"flags twice", {2, 0, 1, 0, 2, 0, 1, 0}, 8, false},
        {"a host route", {3, 0, 6, 4, 32, 10, 0, 0, 1}, 9, true},
        {"length 33", {3, 0, 6, 4, 33, 10, 0, 0, 1}, 9, false},
        {"length 0", {3, 0, 6, 4, 0, 0, 0, 0, 0}, 9, false},
        {"length 9, host bits zero", {3, 0, 6, 4, 9, 10, 128, 0, 0}, 9, true},
        {"length 9, first host bit", {3, 0, 6, 4, 9, 10, 64, 0, 0}, 9, false},
        {"last host bit", {3, 0, 6, 4, 24, 10, 0, 0, 1}, 9, false},
        {"one octet short", {3, 0, 5, 4, 8, 10, 0, 0}, 8, false},
        {"one octet more", {3, 0, 7, 4, 8, 10, 0, 0, 0, 0}, 10, false},
        {"family 5", {3, 0, 6, 5, 8, 10, 0, 0, 0}, 9, false},
        {"family 0", {3, 0, 2, 0, 0}, 5, false},
        {"IPv6 of an IPv4's length", {3, 0, 6, 6, 8, 0xfd, 0, 0, 0}, 9, false},
        {"IPv6 /128", {3, 0, 18, 6, 128, 0xfd, [20] = 1}, 21, true},
        {"IPv6 /129", {3, 0, 18, 6, 129, 0xfd, [20] = 1}, 21, false},
        {"IPv6 /127 with a host bit", {3, 0, 18, 6, 127, 0xfd, [20] = 1}, 21, false},
        {"an empty prefix", {3, 0, 0}, 3, false},
        {"a gateway", {4, 0, 11, 4, 10, 0, 0, 1, 2, 0, 0, 0, 0, 1}, 14, true},
        {"a gateway, MAC not known", {4, 0, 11, 4, 10, 0, 0, 1}, 14, true},
        {"a gateway with a group MAC", {4, 0, 11, 4, 10, 0, 0, 1, 1}, 14, false},
        {"gateway 0.0.0.0", {4, 0, 11, 4}, 14, false},
        {"gateway 0.0.0.1", {4, 0, 11, 4, 0, 0, 0, 1, 2}, 14, false},
        {"gateway 127.0.0.1", {4, 0, 11, 4, 127, 0, 0, 1, 2}, 14, false},
        {"gateway 224.0.0.1", {4, 0, 11, 4, 224, 0, 0, 1, 2}, 14, false},
        {"gateway 255.255.255.255", {4, 0, 11, 4, 255, 255, 255, 255, 2}, 14, false},
        {"gateway fe80::1", {4, 0, 23, 6, 0xfe, 0x80, [19] = 1}, 26, true},
        {"gateway ::1", {4, 0, 23, 6, [19] = 1}, 26, false},
        {"gateway ff02::1", {4, 0, 23, 6, 0xff, 2, [19] = 1}, 26, false},
        {"a gateway without a MAC", {4, 0, 5, 4, 10, 0, 0, 1}, 8, false},
        {"a gateway too long", {4, 0, 12, 4, 10, 0, 0, 1, 2}, 15, false},
    };
    static const struct site_info nothing;

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        memcpy(bytes, "\1\0\1a", 4);
        memcpy(bytes + 4, row[i].item, row[i].count);
        memset(&info, 0xff, sizeof info);
        bool valid = site_info_decode(&info, bytes, 4 + row[i].count);
        ck_assert_msg(valid == row[i].valid, "%s: %d", row[i].name, valid);
        if (!valid)
            ck_assert_mem_eq(&info, &nothing, sizeof info);
        else
            ck_assert_str_eq(info.name, "a");
    }
}
END_TEST

START_TEST(more_than_fits_is_refused)
{
    static const uint8_t prefix[] = {3, 0, 6, 4, 8, 10, 0, 0, 0};
    static const uint8_t gateway[] = {4, 0, 11, 4, 10, 0, 0, 1, 2, 0, 0, 0, 0, 1};
    memcpy(bytes, "\1\0\1a", 4);
    for (size_t i = 0; i <= SITE_PREFIXES_MAX; i++) {
        memcpy(bytes + 4 + i * sizeof prefix, prefix, sizeof prefix);
        ck_assert(site_info_decode(&info, bytes, 4 + (i + 1) * sizeof prefix) ==
                  (i < SITE_PREFIXES_MAX));
    }
    for (size_t i = 0; i <= GATEWAYS_MAX; i++) {
        memcpy(bytes + 4 + i * sizeof gateway, gateway, sizeof gateway);
        ck_assert(site_info_decode(&info, bytes, 4 + (i + 1) * sizeof gateway) ==
                  (i < GATEWAYS_MAX));
    }
}
END_TEST

START_TEST(it_writes_nothing_that_is_not_valid)
{
    struct site_info s = sample();
    s.name[0] = 'H';
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof bytes), 0);
    s = sample();
    s.prefix_count = SITE_PREFIXES_MAX + 1;
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof bytes), 0);
    s = largest();
    s.gateways.count = GATEWAYS_MAX + 1;
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof bytes), 0);
    s = sample();
    s.prefix[1].length_bits = 16; /* host bits */
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof bytes), 0);
    s = sample();
    s.gateways.gateway[0].address.family = IP_NONE;
    ck_assert_uint_eq(site_info_encode(&s, bytes, sizeof bytes), 0);
}
END_TEST

START_TEST(it_judges_names)
{
    static const struct {
        const char *name;
        bool valid;
    } row[] = {
        {"home", true},
        {"a", true},
        {"0", true},
        {"-", true},
        {"parents-2", true},
        {"abcdefghijklmnopqrstuvwxyz012345", true},   /* 32 */
        {"abcdefghijklmnopqrstuvwxyz0123456", false}, /* 33 */
        {"", false},
        {"Home", false},
        {"a b", false},
        {"a.b", false},
        {"a_b", false},
        {"../etc", false},
        {"a\n", false},
        {"a\x80", false},
        {"`", false},
        {"{", false},
        {"/", false},
        {":", false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        size_t count = strlen(row[i].name);
        ck_assert_msg(site_name_valid(row[i].name) == row[i].valid, "'%s'", row[i].name);
        memcpy(bytes, (uint8_t[]){1, 0, (uint8_t)count}, 3);
        memcpy(bytes + 3, row[i].name, count);
        ck_assert_msg(site_info_decode(&info, bytes, 3 + count) == row[i].valid, "'%s'",
                      row[i].name);
    }
    ck_assert(!site_info_decode(&info, (const uint8_t *)"\1\0\3a\0b", 6)); /* a NUL inside */
    ck_assert(!site_info_decode(&info, (const uint8_t *)"\1\0\2a\0", 5));  /* and at the end */
    ck_assert(!site_info_decode(&info, (const uint8_t *)"\2\0\1\0", 4));   /* no name */
}
END_TEST

START_TEST(every_difference_counts)
{
    struct site_info a = sample(), b = sample();
    ck_assert(site_info_equal(&a, &b));
    b.name[0] = 'x';
    ck_assert(!site_info_equal(&a, &b));
    b = a;
    b.hub = false;
    ck_assert(!site_info_equal(&a, &b));
    b = a;
    b.prefix_count = 1;
    ck_assert(!site_info_equal(&a, &b));
    b = a;
    b.prefix[1].length_bits = 63;
    ck_assert(!site_info_equal(&a, &b));
    b = a;
    b.prefix[0].address.octet[2] = 2;
    ck_assert(!site_info_equal(&a, &b));
    b = a;
    b.gateways.count = 0;
    ck_assert(!site_info_equal(&a, &b));
    b = a;
    b.gateways.gateway[0].address.octet[3] = 2;
    ck_assert(!site_info_equal(&a, &b));
    b = a;
    b.gateways.gateway[0].mac.octet[5] = 8;
    ck_assert(!site_info_equal(&a, &b));
    b = a;
    b.prefix[2] = b.prefix[0]; /* beyond the count: says nothing */
    ck_assert(site_info_equal(&a, &b));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("site_info");
    TCase *tc = tcase_create("site_info");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, it_writes_the_bytes_of_the_wire);
    tcase_add_test(tc, it_reads_what_it_wrote);
    tcase_add_test(tc, the_largest_fits_a_handshake);
    tcase_add_test(tc, cut_off_is_refused);
    tcase_add_test(tc, it_judges_items);
    tcase_add_test(tc, more_than_fits_is_refused);
    tcase_add_test(tc, it_writes_nothing_that_is_not_valid);
    tcase_add_test(tc, it_judges_names);
    tcase_add_test(tc, every_difference_counts);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
