/* SPDX-License-Identifier: MIT
 *
 * check_srv_records.c - DNS answers with SRV records: as servers send them, and as nobody should.
 */
#include "tunnel/srv_records.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Question: _l._udp.a.example SRV, the name at 12, "a.example" at 20. */
#define HEADER(answers)  "\x12\x34\x81\x80\0\1\0" answers "\0\0\0\0"
#define QUESTION         "\2_l\4_udp\1a\7example\0\0\x21\0\1"
#define AT_EXAMPLE       "\xc0\x16" /* "example" */
#define RR(type, length) "\xc0\x0c\0" type "\0\1\0\0\0\x3c\0" length
#define SRV(length)      RR("\x21", length)

static struct srv_record record[SRV_RECORDS_MAX];

#define READ(bytes) srv_records_read((const uint8_t *)(bytes), sizeof(bytes) - 1, record)

static void assert_record(size_t n, unsigned priority, unsigned weight, unsigned port,
                          const char *host)
{
    ck_assert_uint_eq(record[n].priority, priority);
    ck_assert_uint_eq(record[n].weight, weight);
    ck_assert_uint_eq(record[n].port, port);
    ck_assert_str_eq(record[n].host, host);
}

START_TEST(records_are_read)
{
    ck_assert_uint_eq(READ(HEADER("\3") QUESTION RR("\5", "\2") AT_EXAMPLE  /* CNAME */
                               SRV("\x11") "\0\1\0\2\x1e\x6c\1b\7Example\0" /* not compressed */
                           SRV("\x0a") "\0\0\0\0\0\1\1c" AT_EXAMPLE),
                      2);
    assert_record(0, 1, 2, 7788, "b.Example");
    assert_record(1, 0, 0, 1, "c.example");
}
END_TEST

static const struct {
    const char *what, *target;
    size_t bytes;
    unsigned records;
} target_rows[] = {
    {"a name", "\1b\0", 3, 1},
    {"the root: no such service", "\0", 1, 0},
    {"a pointer to a name", "\xc0\x14", 2, 1},
    {"a pointer to the root", "\xc0\x1e", 2, 0},
    {"a pointer to itself", "\xc0\x34", 2, 0},
    {"a pointer ahead", "\xc0\x35\1b\0", 5, 0},
    {"a pointer behind the end", "\xff\xff", 2, 0},
    {"a label, then a pointer to that label", "\1b\xc0\x34", 4, 0},
    {"half a pointer", "\xc0", 1, 0},
    {"a label of 64",
     "\x40"
     "bcdefgh",
     8, 0},
    {"a label that is cut off", "\3b", 2, 0},
    {"no end", "\1b", 2, 0},
    {"a blank", "\3b c\0", 5, 0},
    {"a dot in a label", "\3b.c\0", 5, 0},
    {"a NUL in a label", "\3b\0c\0", 5, 0},
    {"8 bits", "\1\xe4\0", 3, 0},
};

START_TEST(a_target_is_a_hosts_name)
{
    static const char before[] = HEADER("\1") QUESTION SRV("\0") "\0\0\0\0\0\1";
    uint8_t message[128];
    size_t bytes = sizeof before - 1;

    memcpy(message, before, bytes);
    ck_assert_uint_eq(bytes, 0x35); /* where the target begins */
    message[bytes - 7] = (uint8_t)(6 + target_rows[_i].bytes);
    memcpy(message + bytes, target_rows[_i].target, target_rows[_i].bytes);
    ck_assert_msg(srv_records_read(message, bytes + target_rows[_i].bytes, record) ==
                      target_rows[_i].records,
                  "%s", target_rows[_i].what);
}
END_TEST

/* 255 characters and the NUL are the longest; 127 labels of one take 254. */
START_TEST(a_long_name_is_refused)
{
    uint8_t message[600] = HEADER("\1") QUESTION SRV("\0") "\0\0\0\0\0\1";

    for (unsigned labels = 120; labels < 140; labels++) {
        size_t at = 0x35, data = 6 + 2 * labels + 1;
        message[at - 8] = (uint8_t)(data >> 8);
        message[at - 7] = (uint8_t)data;
        for (unsigned i = 0; i < labels; i++, at += 2)
            memcpy(message + at, "\1b", 2);
        message[at++] = 0;
        ck_assert_uint_eq(srv_records_read(message, at, record), labels <= 127 ? 1 : 0);
    }
}
END_TEST

START_TEST(what_is_cut_off_ends_the_list)
{
    static const char whole[] = HEADER("\2")
        QUESTION SRV("\x0a") "\0\0\0\0\0\1\1b" AT_EXAMPLE SRV("\x0a") "\0\0\0\0\0\2\1c" AT_EXAMPLE;
    size_t last = 0, bytes = sizeof whole - 1;

    for (size_t length = 0; length <= bytes; length++) {
        uint8_t *exact = malloc(length + 1); /* so that a sanitizer sees what is read beyond */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact + 1, whole, length);
        size_t count = srv_records_read(exact + 1, length, record);
        free(exact);
        ck_assert_uint_ge(count, last);
        last = count;
        ck_assert_uint_le(count, length == bytes ? 2 : length < bytes - 22 ? 0 : 1);
    }
    ck_assert_uint_eq(last, 2);
}
END_TEST

START_TEST(port_0_and_more_than_fit_are_left_out)
{
    uint8_t message[1024] = HEADER("\x14") QUESTION;
    static const char rr[] = SRV("\x0a") "\0\0\0\0\0\0\1b" AT_EXAMPLE;
    size_t at = sizeof(HEADER("\x14") QUESTION) - 1;

    for (unsigned i = 0; i < 20; i++, at += sizeof rr - 1) {
        memcpy(message + at, rr, sizeof rr - 1);
        message[at + 17] = (uint8_t)(i % 2 == 0 ? 0 : i);
    }
    ck_assert_uint_eq(srv_records_read(message, at, record), SRV_RECORDS_MAX);
    for (unsigned i = 0; i < SRV_RECORDS_MAX; i++)
        ck_assert_uint_eq(record[i].port, 2 * i + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("srv_records");
    TCase *tc = tcase_create("srv_records");

    tcase_add_test(tc, records_are_read);
    tcase_add_loop_test(tc, a_target_is_a_hosts_name, 0,
                        sizeof target_rows / sizeof target_rows[0]);
    tcase_add_test(tc, a_long_name_is_refused);
    tcase_add_test(tc, what_is_cut_off_ends_the_list);
    tcase_add_test(tc, port_0_and_more_than_fit_are_left_out);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
