/* SPDX-License-Identifier: MIT
 *
 * check_stun_values.c - the attributes of STUN messages: what is a value, what is none, what must
 * be known.
 */
#include "tunnel/stun.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t transaction[STUN_TRANSACTION_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static struct endpoint at_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct endpoint){.address = ip_v4((const uint8_t[]){a, b, c, d}), .port = port};
}

START_TEST(addresses_have_a_size_and_a_family)
{
    static const struct {
        const char *name;
        size_t bytes;
        uint8_t family;
        bool good;
    } row[] = {
        {"IPv4", 8, 1, true},          {"IPv6", 20, 2, true},
        {"IPv4 as IPv6", 8, 2, false}, {"IPv6 as IPv4", 20, 1, false},
        {"no family", 8, 0, false},    {"another family", 20, 3, false},
        {"nothing", 0, 0, false},      {"one byte", 1, 1, false},
        {"too short", 7, 1, false},    {"too long", 9, 1, false},
        {"between", 12, 2, false},     {"longer", 24, 2, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        uint8_t out[100], value[24] = {0xff, row[i].family, 0x12, 0x34, 192, 0, 2, 1};
        struct stun_writer w;
        struct stun_message m;
        struct endpoint got, want = at_v4(192, 0, 2, 1, 0x1234);
        stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, transaction);
        stun_add(&w, ATTRIBUTE_OTHER_ADDRESS, value, row[i].bytes);
        ck_assert(stun_parse(&m, out, stun_end(&w)));
        ck_assert_msg(stun_get_address(&m, ATTRIBUTE_OTHER_ADDRESS, &got) == row[i].good, "%s",
                      row[i].name);
        if (row[i].good && row[i].family == 1)
            ck_assert(endpoint_equal(&got, &want));
        if (row[i].good && row[i].family == 2)
            ck_assert(got.address.family == IP_V6 && got.address.octet[0] == 192);
    }
}
END_TEST

START_TEST(errors_have_a_code)
{
    static const struct {
        const char *value;
        size_t bytes;
        unsigned code; /* 0: not taken */
        size_t reason_bytes;
    } row[] = {
        {"\0\0\4\1Unauthorized", 16, 401, 12},
        {"\0\0\4\x26", 4, 438, 0},
        {"\xff\xff\xfb\0x", 5, 300, 1}, /* reserved bits are ignored */
        {"\0\0\6\x63", 4, 699, 0},
        {"\0\0\4\x64", 4, 0, 0},
        {"\0\0\2\0", 4, 0, 0},
        {"\0\0\7\0", 4, 0, 0},
        {"\0\0\4", 3, 0, 0},
        {"", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        uint8_t out[100];
        struct stun_writer w;
        struct stun_message m;
        unsigned code = 0;
        const char *reason = NULL;
        size_t reason_bytes = 0;
        stun_begin(&w, out, sizeof out, STUN_ALLOCATE, STUN_ERROR, transaction);
        stun_add(&w, ATTRIBUTE_ERROR_CODE, row[i].value, row[i].bytes);
        ck_assert(stun_parse(&m, out, stun_end(&w)));
        ck_assert(stun_get_error(&m, &code, &reason, &reason_bytes) == (row[i].code > 0));
        ck_assert_uint_eq(code, row[i].code);
        ck_assert_uint_eq(reason_bytes, row[i].reason_bytes);
        if (row[i].code > 0)
            ck_assert_mem_eq(reason, row[i].value + 4, reason_bytes);
    }
}
END_TEST

START_TEST(all_unknown_are_counted)
{
    uint8_t out[300];
    uint16_t unknown[2];
    struct stun_writer w;
    struct stun_message m;
    stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, transaction);
    for (uint16_t type = 0; type < 0x24; type++)
        if (type != ATTRIBUTE_MESSAGE_INTEGRITY && type != ATTRIBUTE_MESSAGE_INTEGRITY_SHA256)
            stun_add(&w, type, NULL, 0);
    stun_add(&w, 0x7fff, NULL, 0);
    stun_add(&w, 0x8000, NULL, 0);
    stun_add(&w, 0xffff, NULL, 0);
    ck_assert(stun_parse(&m, out, stun_end(&w)));
    /* 36 less two left out, less the 19 of them that are known; and 0x7fff */
    ck_assert_uint_eq(stun_unknown_required(&m, unknown, 2), 36 - 2 - 19 + 1);
    ck_assert_uint_eq(unknown[0], 0);
    ck_assert_uint_eq(unknown[1], 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stun values");
    TCase *tcase = tcase_create("stun values");

    tcase_add_test(tcase, addresses_have_a_size_and_a_family);
    tcase_add_test(tcase, errors_have_a_code);
    tcase_add_test(tcase, all_unknown_are_counted);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
