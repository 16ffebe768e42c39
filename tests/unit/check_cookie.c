/* SPDX-License-Identifier: MIT
 *
 * check_cookie.c - mac1, mac2 and cookies: values made independently, and who is let in when.
 */
#include "crypto/cookie.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { DATAGRAM = 100, BODY = DATAGRAM - 32 };
#define SECOND UINT64_C(1000000)

static const uint8_t address_v4[4] = {192, 0, 2, 1};
static const uint8_t address_v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t mac1_expected[16] = {0x38, 0x44, 0x2d, 0x9f, 0xa0, 0x2c, 0x3a, 0x46,
                                          0xac, 0xf4, 0xb6, 0x15, 0x7c, 0x6e, 0x94, 0x82};

/* A sender and a receiver, and the datagram between them. */
struct pair {
    struct cookie_key key;
    struct cookie_jar jar;
    struct cookie_maker maker;
    struct endpoint from;
    uint8_t datagram[DATAGRAM], reply[COOKIE_BYTES], secret[32], nonce[24];
};

/* Public key 0, 1, 2 ...; body 0, 3, 6 ...; secret all 5a; nonce 0, 1, 2 ... */
static void begin(struct pair *p)
{
    uint8_t public_key[32];

    memset(p, 0, sizeof(*p));
    for (unsigned i = 0; i < 32; i++)
        public_key[i] = (uint8_t)i;
    for (unsigned i = 0; i < BODY; i++)
        p->datagram[i] = (uint8_t)(3 * i);
    for (unsigned i = 0; i < 24; i++)
        p->nonce[i] = (uint8_t)i;
    memset(p->secret, 0x5a, sizeof(p->secret));
    cookie_key_derive(&p->key, public_key);
    cookie_key_derive(&p->maker.own, public_key);
    p->from = (struct endpoint){.address = ip_v4(address_v4), .port = 7788};
}

static void add_macs(struct pair *p, uint64_t now_us)
{
    cookie_add_macs(&p->jar, &p->key, p->datagram, DATAGRAM, now_us);
}

static bool mac1_valid(const struct pair *p)
{
    return cookie_mac1_valid(&p->maker, p->datagram, DATAGRAM);
}

static bool mac2_valid(const struct pair *p)
{
    return cookie_mac2_valid(&p->maker, p->datagram, DATAGRAM, &p->from);
}

static void make_reply(struct pair *p)
{
    cookie_make_reply(&p->maker, p->reply, 0x01020304, p->nonce, p->datagram, DATAGRAM, &p->from);
}

static bool consume(struct pair *p, uint64_t now_us)
{
    return cookie_consume_reply(&p->jar, &p->key, p->reply, now_us);
}

/* Up to a sender that has a cookie since cookie_us. */
static void give_cookie(struct pair *p, uint64_t cookie_us)
{
    begin(p);
    cookie_set_secret(&p->maker, p->secret, cookie_us);
    add_macs(p, cookie_us);
    make_reply(p);
    ck_assert(consume(p, cookie_us));
}

static void assert_hex(const uint8_t *bytes, size_t count, const char *hex)
{
    char text[2 * COOKIE_BYTES + 1];

    ck_assert_str_eq(sodium_bin2hex(text, sizeof(text), bytes, count), hex);
}

/* Values made with Python's hashlib and, for the reply, HChaCha20 written there by hand. */
START_TEST(values_match_reference)
{
    static const uint8_t zero[16];
    struct pair p;

    begin(&p);
    assert_hex(p.key.mac1, 32, "b941bf1b95db7cb783423638ff760265304756babdb2510836584fbfbe257274");
    assert_hex(p.key.seal, 32, "23e183f41d849970577acaafb23f2891bafd92709b873d0ae8d228560c90a648");
    memset(p.datagram + BODY, 0xee, 32);
    add_macs(&p, 0);
    ck_assert_mem_eq(p.datagram + BODY, mac1_expected, 16);
    ck_assert_mem_eq(p.datagram + BODY + 16, zero, 16);

    cookie_set_secret(&p.maker, p.secret, 0);
    make_reply(&p);
    assert_hex(p.reply, 8, "8211000001020304");
    assert_hex(p.reply + 8, 24, "000102030405060708090a0b0c0d0e0f1011121314151617");
    assert_hex(p.reply + 32, 32,
               "de174b15a0f40b7bf631b39444e35402a377ebc925615de6c9af43cdeb0e602b");
    ck_assert(consume(&p, 0));
    assert_hex(p.jar.cookie, 16, "79dfc9e067dcfffdc3fc389a0d922c67");
    add_macs(&p, 0);
    ck_assert_mem_eq(p.datagram + BODY, mac1_expected, 16);
    assert_hex(p.datagram + BODY + 16, 16, "abfd7864c3733e669f95b6c7f3eba95f");
}
END_TEST

START_TEST(cookie_of_an_ipv6_address)
{
    struct pair p;

    begin(&p);
    p.from.address = ip_v6(address_v6);
    cookie_set_secret(&p.maker, p.secret, 0);
    add_macs(&p, 0);
    make_reply(&p);
    ck_assert(consume(&p, 0));
    assert_hex(p.jar.cookie, 16, "738590458a823c1e5eff2cee14a76315");
}
END_TEST

/* mac1 covers every byte before it and itself, not mac2; mac2 covers every byte. */
START_TEST(changed_byte_is_refused)
{
    struct pair p;

    give_cookie(&p, 0);
    add_macs(&p, 0);
    ck_assert(mac1_valid(&p) && mac2_valid(&p));
    for (unsigned i = 0; i < DATAGRAM; i++) {
        p.datagram[i] ^= 0x10;
        ck_assert_int_eq(mac1_valid(&p), i >= BODY + 16);
        ck_assert(!mac2_valid(&p));
        p.datagram[i] ^= 0x10;
    }
}
END_TEST

START_TEST(short_datagram_is_refused)
{
    struct pair p;

    give_cookie(&p, 0);
    for (size_t bytes = 0; bytes <= DATAGRAM; bytes++) {
        uint8_t *exact = malloc(bytes + 1); /* so that a sanitizer sees a byte too many read */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, p.datagram, bytes);
        ck_assert_int_eq(cookie_mac1_valid(&p.maker, exact, bytes), bytes == DATAGRAM);
        ck_assert(!cookie_mac2_valid(&p.maker, exact, bytes, &p.from));
        free(exact);
    }
    cookie_add_macs(&p.jar, &p.key, p.datagram, 32, 0); /* nothing but the macs */
    ck_assert(cookie_mac1_valid(&p.maker, p.datagram, 32));
    ck_assert(cookie_mac2_valid(&p.maker, p.datagram, 32, &p.from));
}
END_TEST

START_TEST(another_receivers_mac1_is_refused)
{
    static const uint8_t other_key[32] = {7};
    struct pair p;

    begin(&p);
    cookie_key_derive(&p.key, other_key);
    add_macs(&p, 0);
    ck_assert(!mac1_valid(&p));
}
END_TEST

/* What a cookie is bound to, and what not. */
static const struct {
    const char *name;
    struct endpoint from;
    bool valid;
} sources[] = {
    {"the same", {.address = {IP_V4, {192, 0, 2, 1}}, .port = 7788}, true},
    {"another scope", {.address = {IP_V4, {192, 0, 2, 1}}, .port = 7788, .scope_id = 3}, true},
    {"another port", {.address = {IP_V4, {192, 0, 2, 1}}, .port = 7789}, false},
    {"another port's other byte", {.address = {IP_V4, {192, 0, 2, 1}}, .port = 7788 + 256}, false},
    {"another address", {.address = {IP_V4, {192, 0, 2, 2}}, .port = 7788}, false},
    {"another family", {.address = {IP_V6, {192, 0, 2, 1}}, .port = 7788}, false},
    {"the last octet", {.address = {IP_V4, {192, 0, 2, 1, [15] = 1}}, .port = 7788}, false},
};

START_TEST(cookie_is_bound_to_its_source)
{
    struct pair p;

    give_cookie(&p, 0);
    add_macs(&p, 0);
    p.from = sources[_i].from;
    ck_assert_msg(mac2_valid(&p) == sources[_i].valid, "%s", sources[_i].name);
}
END_TEST

START_TEST(no_cookie_no_mac2)
{
    struct pair p;

    begin(&p);
    add_macs(&p, 0);
    ck_assert(!mac2_valid(&p)); /* no secret: nothing is valid */
    cookie_set_secret(&p.maker, p.secret, 0);
    ck_assert(!mac2_valid(&p)); /* mac2 zero */
}
END_TEST

/* Time begins anywhere: at 0, and so late that it wraps within the test. */
static const uint64_t beginnings_us[] = {0, 1, 1000 * SECOND, UINT64_MAX - 60 * SECOND};
enum { BEGINNINGS = sizeof(beginnings_us) / sizeof(beginnings_us[0]) };

START_TEST(sender_uses_a_cookie_for_120_s)
{
    static const struct {
        uint64_t age_us;
        bool used;
    } rows[] = {{0, true},
                {1, true},
                {120 * SECOND - 1, true},
                {120 * SECOND, false},
                {3600 * SECOND, false}};
    struct pair p;

    give_cookie(&p, beginnings_us[_i]);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        add_macs(&p, beginnings_us[_i] + rows[i].age_us);
        ck_assert(mac1_valid(&p));
        ck_assert_int_eq(mac2_valid(&p), rows[i].used);
        ck_assert_int_eq(sodium_is_zero(p.datagram + BODY + 16, 16), !rows[i].used);
    }
}
END_TEST

START_TEST(secret_is_needed_every_120_s)
{
    uint64_t begin_us = beginnings_us[_i];
    struct pair p;

    begin(&p);
    ck_assert(cookie_needs_secret(&p.maker, begin_us));
    cookie_set_secret(&p.maker, p.secret, begin_us);
    ck_assert(!cookie_needs_secret(&p.maker, begin_us));
    ck_assert(!cookie_needs_secret(&p.maker, begin_us + 120 * SECOND - 1));
    ck_assert(cookie_needs_secret(&p.maker, begin_us + 120 * SECOND));
}
END_TEST

/* A cookie of secret 1 after the secret was changed: once, late, and twice. */
START_TEST(cookie_outlives_one_change)
{
    static const struct {
        uint64_t change_us[2]; /* 0: no change */
        bool valid;
    } rows[] = {{{0, 0}, true},
                {{120 * SECOND, 0}, true},
                {{240 * SECOND - 1, 0}, true},
                {{240 * SECOND, 0}, false}, /* no living cookie can be of that secret */
                {{120 * SECOND, 240 * SECOND}, false}};
    uint64_t begin_us = beginnings_us[_i];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pair p;
        uint8_t fresh[32];

        give_cookie(&p, begin_us);
        add_macs(&p, begin_us);
        for (unsigned change = 0; change < 2; change++) {
            memset(fresh, (int)change + 1, sizeof(fresh));
            if (rows[i].change_us[change] != 0)
                cookie_set_secret(&p.maker, fresh, begin_us + rows[i].change_us[change]);
        }
        ck_assert_msg(mac2_valid(&p) == rows[i].valid, "row %zu", i);
    }
}
END_TEST

START_TEST(changed_reply_is_refused)
{
    struct pair p;

    begin(&p);
    cookie_set_secret(&p.maker, p.secret, 0);
    add_macs(&p, 0);
    make_reply(&p);
    for (unsigned i = 8; i < COOKIE_BYTES; i++) { /* the header is the dispatcher's to judge */
        p.reply[i] ^= 1;
        ck_assert(!consume(&p, 0));
        ck_assert(!p.jar.have_cookie);
        p.reply[i] ^= 1;
    }
    ck_assert(consume(&p, 0));
}
END_TEST

START_TEST(reply_is_for_the_last_datagram_once)
{
    struct pair p;

    begin(&p);
    cookie_set_secret(&p.maker, p.secret, 0);
    add_macs(&p, 0);
    make_reply(&p);
    p.datagram[0] ^= 1; /* another datagram is sent before the reply comes */
    add_macs(&p, 0);
    ck_assert(!consume(&p, 0));
    make_reply(&p);
    ck_assert(consume(&p, 5));
    ck_assert(!consume(&p, 6)); /* a repeated reply must not make the cookie younger */
    ck_assert_uint_eq(p.jar.received_us, 5);

    memset(&p.jar, 0, sizeof(p.jar)); /* who sent nothing takes no cookie */
    ck_assert(!consume(&p, 7));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cookie");
    TCase *tc = tcase_create("cookie");
    SRunner *runner = srunner_create(suite);
    int failed;

    if (sodium_init() < 0)
        return EXIT_FAILURE;
    tcase_add_test(tc, values_match_reference);
    tcase_add_test(tc, cookie_of_an_ipv6_address);
    tcase_add_test(tc, changed_byte_is_refused);
    tcase_add_test(tc, short_datagram_is_refused);
    tcase_add_test(tc, another_receivers_mac1_is_refused);
    tcase_add_loop_test(tc, cookie_is_bound_to_its_source, 0, sizeof(sources) / sizeof(sources[0]));
    tcase_add_test(tc, no_cookie_no_mac2);
    tcase_add_loop_test(tc, sender_uses_a_cookie_for_120_s, 0, BEGINNINGS);
    tcase_add_loop_test(tc, secret_is_needed_every_120_s, 0, BEGINNINGS);
    tcase_add_loop_test(tc, cookie_outlives_one_change, 0, BEGINNINGS);
    tcase_add_test(tc, changed_reply_is_refused);
    tcase_add_test(tc, reply_is_for_the_last_datagram_once);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
