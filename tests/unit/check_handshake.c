/* SPDX-License-Identifier: MIT
 *
 * check_handshake.c - initiation and response: what is said arrives, and only what was said.
 */
#include "tunnel/handshake.h"

#include "bytes.h"
#include "crypto/cookie.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    INITIATION_NOISE_END = INITIATION_BYTES - 2 * MAC_TAG_BYTES,
    INITIATION_FIXED_BYTES = 15, /* before the suites */
    RESPONSE_FIXED_BYTES = 6,
    FEW_BYTES = 2 /* site info's length */
};

static uint8_t private_key[2][PUBLIC_KEY_BYTES],
    public_key[2][PUBLIC_KEY_BYTES]; /* caller's, called's */
static const uint8_t psk[PSK_BYTES] = {9, 9, 9};
static struct noise caller, called;
static uint8_t initiation[INITIATION_BYTES], response[INITIATION_BYTES];
static size_t response_bytes;

static void begin_caller(void)
{
    struct noise_keys keys = {.e_private = {3, 3, 3}};
    memcpy(keys.s_private, private_key[0], PUBLIC_KEY_BYTES);
    memcpy(keys.s_public, public_key[0], PUBLIC_KEY_BYTES);
    memcpy(keys.rs_public, public_key[1], PUBLIC_KEY_BYTES);
    memcpy(keys.psk, psk, PSK_BYTES);
    handshake_begin(&caller, true, &keys);
}

static void begin_called(void)
{
    struct noise_keys keys = {.e_private = {4, 4, 4}};
    memcpy(keys.s_private, private_key[1], PUBLIC_KEY_BYTES);
    memcpy(keys.s_public, public_key[1], PUBLIC_KEY_BYTES);
    handshake_begin(&called, false, &keys);
}

static void setup(void)
{
    if (sodium_init() < 0)
        abort();
    for (unsigned i = 0; i < 2; i++) {
        memset(private_key[i], 0x11 + (int)i, sizeof private_key[i]);
        if (!noise_public_from_private(public_key[i], private_key[i]))
            abort();
    }
    begin_caller();
    begin_called();
}

/* ---- what may be said ---- */

static struct site_info small_site(void)
{
    struct site_info site = {.name = "home", .prefix_count = 1};
    site.prefix[0].address = ip_v4((const uint8_t[4]){192, 168, 1, 0});
    site.prefix[0].length_bits = 24;
    return site;
}

/* Every field as long as it may be. */
static struct site_info largest_site(void)
{
    struct site_info site = {.hub = true, .prefix_count = SITE_PREFIXES_MAX};
    memset(site.name, 'x', SITE_NAME_MAX);
    for (uint8_t i = 0; i < SITE_PREFIXES_MAX; i++) {
        site.prefix[i].address = ip_v6((const uint8_t[16]){0x20, 1, 0x0d, 0xb8, 0, 0, 0, i, i});
        site.prefix[i].length_bits = 128;
    }
    site.gateways.count = GATEWAYS_MAX;
    for (uint8_t i = 0; i < GATEWAYS_MAX; i++) {
        site.gateways.gateway[i].address = ip_v6((const uint8_t[16]){0xfe, 0x80, [15] = i + 1});
        site.gateways.gateway[i].mac = (struct mac){{2, 0, 0, 0, 0, i}};
    }
    return site;
}

static struct hello make_hello(bool token, const struct site_info *site)
{
    struct hello hello = {.version = PROTOCOL_VERSION,
                          .has_token = token,
                          .has_site = site != NULL,
                          .order = UINT64_C(0x1122334455667788),
                          .features = 0xa1b2c3d4,
                          .suite_count = 2,
                          .suite = {SUITE_AES256GCM, SUITE_CHACHA20POLY1305}};
    if (token)
        memset(hello.token_id, 0x77, sizeof hello.token_id);
    if (site)
        hello.site = *site;
    return hello;
}

static struct hello the_longest(void)
{
    struct site_info site = largest_site();
    struct hello hello = make_hello(true, &site);
    hello.suite_count = HELLO_SUITES_MAX;
    for (uint8_t i = 0; i < HELLO_SUITES_MAX; i++)
        hello.suite[i] = (uint8_t)(0xf0 + i);
    return hello;
}

/* A response says less: neither order nor token, and one suite. */
static struct hello as_response(const struct hello *hello)
{
    struct hello less = *hello;
    less.order = 0;
    less.has_token = false;
    memset(less.token_id, 0, sizeof less.token_id);
    memset(less.suite, 0, sizeof less.suite);
    less.suite_count = 1;
    less.suite[0] = hello->suite[0];
    return less;
}

static void assert_equal(const char *name, const struct hello *got, const struct hello *want)
{
    ck_assert_msg(got->version == want->version && got->has_token == want->has_token &&
                      got->has_site == want->has_site && got->order == want->order &&
                      got->features == want->features && got->suite_count == want->suite_count,
                  "%s", name);
    ck_assert_msg(memcmp(got->suite, want->suite, sizeof got->suite) == 0, "%s: suites", name);
    ck_assert_msg(memcmp(got->token_id, want->token_id, TOKEN_ID_BYTES) == 0, "%s: token", name);
    ck_assert_msg(site_info_equal(&got->site, &want->site), "%s: site", name);
}

/* ---- there and back ---- */

/* From hello to hello through both datagrams; leaves these and both ends' states for more. */
static void shake_hands(const struct hello *hello, struct hello *asked, struct hello *answered)
{
    setup();
    memset(initiation, 0xee, sizeof initiation);
    memset(response, 0xee, sizeof response);
    ck_assert(handshake_write_initiation(&caller, hello, 0x01020304, initiation));
    ck_assert(handshake_read_initiation(&called, initiation, asked));
    ck_assert_mem_eq(noise_remote_static(&called), public_key[0], PUBLIC_KEY_BYTES);
    noise_set_psk(&called, psk);
    response_bytes = handshake_write_response(&called, hello, 0x05060708, 0x01020304, response);
    ck_assert_uint_ne(response_bytes, 0);
    struct noise copy = caller; /* so that the test may read it again */
    ck_assert(handshake_read_response(&copy, response, response_bytes, answered));
    ck_assert(noise_done(&copy) && noise_done(&called));
    uint8_t keys[2][1][NOISE_HASH_BYTES];
    noise_export(&copy, NULL, 0, keys[0], 1);
    noise_export(&called, NULL, 0, keys[1], 1);
    ck_assert_mem_eq(keys[0], keys[1], sizeof keys[0]);
}

START_TEST(what_is_said_arrives)
{
    struct site_info small = small_site(), largest = largest_site();
    struct hello row[] = {make_hello(false, NULL),     make_hello(true, NULL),
                          make_hello(false, &small),   make_hello(true, &small),
                          make_hello(false, &largest), the_longest(),
                          make_hello(false, NULL),     make_hello(false, &small)};
    static const char *const name[] = {"nothing",
                                       "a token",
                                       "a site",
                                       "a token and a site",
                                       "the largest site",
                                       "all there is",
                                       "other version, no suite",
                                       "all ones"};
    row[6].version = 0;
    row[6].suite_count = 0;
    memset(row[6].suite, 0, sizeof row[6].suite);
    row[7].version = 0xff;
    row[7].order = UINT64_MAX;
    row[7].features = UINT32_MAX;

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct hello asked, answered, less = as_response(&row[i]);
        shake_hands(&row[i], &asked, &answered);
        assert_equal(name[i], &asked, &row[i]);
        assert_equal(name[i], &answered, &less);
    }
}
END_TEST

START_TEST(the_headers_are_as_on_the_wire)
{
    static const uint8_t asks[] = {0x80, 0x11, 0, 0, 1, 2, 3, 4};
    static const uint8_t answers[] = {0x81, 0x11, 0, 0, 5, 6, 7, 8, 1, 2, 3, 4};
    struct hello hello = make_hello(false, NULL), asked, answered;
    shake_hands(&hello, &asked, &answered);
    ck_assert_mem_eq(initiation, asks, sizeof asks);
    ck_assert_mem_eq(response, answers, sizeof answers);
    ck_assert_uint_eq(response_bytes, 12 + 32 + RESPONSE_FIXED_BYTES + FEW_BYTES + 16 + 32);
    for (size_t i = INITIATION_NOISE_END; i < INITIATION_BYTES; i++)
        ck_assert_uint_eq(initiation[i], 0xee); /* the macs are somebody else's */
    for (size_t i = response_bytes - 2 * MAC_TAG_BYTES; i < INITIATION_BYTES; i++)
        ck_assert_uint_eq(response[i], 0xee);
}
END_TEST

/* An initiation has one length, which no answer passes; the most that can be said fits both. */
START_TEST(no_answer_is_larger)
{
    struct hello hello = the_longest(), asked, answered;
    shake_hands(&hello, &asked, &answered);
    ck_assert_uint_le(response_bytes, INITIATION_BYTES);
    ck_assert_uint_le(INITIATION_FIXED_BYTES + HELLO_SUITES_MAX + TOKEN_ID_BYTES + FEW_BYTES +
                          SITE_INFO_MAX_BYTES,
                      INITIATION_PAYLOAD_BYTES);
    ck_assert_uint_le(RESPONSE_FIXED_BYTES + FEW_BYTES + SITE_INFO_MAX_BYTES,
                      RESPONSE_PAYLOAD_MAX_BYTES);
    ck_assert_uint_eq(hello_encode_initiation(&hello, initiation),
                      INITIATION_FIXED_BYTES + HELLO_SUITES_MAX + TOKEN_ID_BYTES + FEW_BYTES +
                          SITE_INFO_MAX_BYTES);
}
END_TEST

START_TEST(a_site_that_cannot_be_is_not_told)
{
    struct site_info site = small_site();
    struct hello asked, answered;
    site.name[0] = 'X';
    struct hello hello = make_hello(false, &site);
    shake_hands(&hello, &asked, &answered);
    ck_assert(!asked.has_site && !answered.has_site);
    ck_assert_str_eq(asked.site.name, "");
}
END_TEST

/* ---- forgeries ---- */

/* As a site reads them: mac1 first, which stands for who knows the receiver's public key. */
static bool initiation_accepted(const uint8_t *datagram)
{
    struct cookie_maker maker = {.have_secret = false};
    struct hello hello;
    cookie_key_derive(&maker.own, public_key[1]);
    begin_called();
    return cookie_mac1_valid(&maker, datagram, INITIATION_BYTES) &&
           handshake_read_initiation(&called, datagram, &hello);
}

static bool response_accepted(const uint8_t *datagram, size_t bytes)
{
    struct cookie_maker maker = {.have_secret = false};
    struct noise copy = caller;
    struct hello hello;
    cookie_key_derive(&maker.own, public_key[0]);
    return cookie_mac1_valid(&maker, datagram, bytes) &&
           handshake_read_response(&copy, datagram, bytes, &hello);
}

/* @to: whose public key the forger knows; of ours everybody may know it. */
static void add_macs(uint8_t *datagram, size_t bytes, unsigned to)
{
    struct cookie_jar jar = {.have_cookie = false};
    struct cookie_key key;
    cookie_key_derive(&key, public_key[to]);
    cookie_add_macs(&jar, &key, datagram, bytes, 0);
}

/* mac2 is nobody's business until the receiver is under load, so those bytes may be anything. */
START_TEST(every_byte_of_an_initiation_counts)
{
    struct site_info site = small_site();
    struct hello hello = make_hello(true, &site);
    ck_assert(handshake_write_initiation(&caller, &hello, 1, initiation));
    add_macs(initiation, INITIATION_BYTES, 1);
    ck_assert(initiation_accepted(initiation));
    for (size_t i = 0; i < INITIATION_BYTES; i++) {
        initiation[i] ^= (uint8_t)(1 << i % 8);
        ck_assert_msg(initiation_accepted(initiation) == (i >= INITIATION_BYTES - MAC_TAG_BYTES),
                      "byte %zu", i);
        initiation[i] ^= (uint8_t)(1 << i % 8);
    }
}
END_TEST

/* A forger that knows our public key makes mac1 right; the rest still is not. The head's shape is
 * the site's to check, and a wrong index makes only the answer go astray. */
START_TEST(mac1_does_not_help_a_forger)
{
    struct hello hello = make_hello(true, NULL), asked, answered;
    shake_hands(&hello, &asked, &answered);
    for (size_t i = INITIATION_NOISE_OFFSET; i < INITIATION_NOISE_END; i++) {
        initiation[i] ^= (uint8_t)(1 << i % 8);
        add_macs(initiation, INITIATION_BYTES, 1);
        ck_assert_msg(!initiation_accepted(initiation), "byte %zu", i);
        initiation[i] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = RESPONSE_NOISE_OFFSET; i < response_bytes - 2 * MAC_TAG_BYTES; i++) {
        response[i] ^= (uint8_t)(1 << i % 8);
        add_macs(response, response_bytes, 0);
        ck_assert_msg(!response_accepted(response, response_bytes), "byte %zu", i);
        response[i] ^= (uint8_t)(1 << i % 8);
    }
    add_macs(response, response_bytes, 0);
    ck_assert(response_accepted(response, response_bytes));
}
END_TEST

START_TEST(every_byte_of_a_response_counts)
{
    struct site_info site = small_site();
    struct hello hello = make_hello(false, &site), asked, answered;
    shake_hands(&hello, &asked, &answered);
    add_macs(response, response_bytes, 0);
    ck_assert(response_accepted(response, response_bytes));
    for (size_t i = 0; i < response_bytes; i++) {
        response[i] ^= (uint8_t)(1 << i % 8);
        ck_assert_msg(response_accepted(response, response_bytes) ==
                          (i >= response_bytes - MAC_TAG_BYTES),
                      "byte %zu", i);
        response[i] ^= (uint8_t)(1 << i % 8);
    }
}
END_TEST

START_TEST(every_other_length_of_a_response_is_refused)
{
    struct site_info site = largest_site();
    struct hello hello = make_hello(false, &site), asked, answered;
    shake_hands(&hello, &asked, &answered);
    for (size_t bytes = 0; bytes <= INITIATION_BYTES + 64; bytes++) {
        uint8_t *copy = calloc(bytes + 1, 1);
        struct noise state = caller;
        memcpy(copy, response, bytes < response_bytes ? bytes : response_bytes);
        ck_assert_msg(handshake_read_response(&state, copy, bytes, &answered) ==
                          (bytes == response_bytes),
                      "%zu bytes", bytes);
        free(copy);
    }
}
END_TEST

START_TEST(another_psk_is_no_answer)
{
    struct hello hello = make_hello(true, NULL), asked, answered;
    static const uint8_t other[][PSK_BYTES] = {{9, 9, 8}, {0}};
    for (size_t i = 0; i < 2; i++) {
        shake_hands(&hello, &asked, &answered);
        begin_called();
        ck_assert(handshake_read_initiation(&called, initiation, &asked));
        noise_set_psk(&called, other[i]);
        response_bytes = handshake_write_response(&called, &hello, 5, 1, response);
        ck_assert_uint_ne(response_bytes, 0);
        ck_assert(!handshake_read_response(&caller, response, response_bytes, &answered));
    }
}
END_TEST

START_TEST(what_was_sent_to_another_is_not_read)
{
    struct hello hello = make_hello(false, NULL), asked, answered;
    shake_hands(&hello, &asked, &answered);
    private_key[1][5] ^= 1;
    ck_assert(noise_public_from_private(public_key[1], private_key[1]));
    begin_called();
    ck_assert(!handshake_read_initiation(&called, initiation, &asked));
}
END_TEST

/* ---- payloads ---- */

/* A payload in memory that ends where it does, for the sanitizer to see. */
static bool decoded(bool (*decode)(const uint8_t *, size_t, struct hello *), const uint8_t *payload,
                    size_t bytes)
{
    struct hello hello;
    uint8_t *copy = malloc(bytes + !bytes);
    memcpy(copy, payload, bytes);
    memset(&hello, 0xa5, sizeof hello); /* any content will do */
    bool ok = decode(copy, bytes, &hello);
    free(copy);
    return ok;
}

START_TEST(a_payload_cut_short_is_refused_and_padding_ignored)
{
    struct site_info small = small_site();
    const struct hello row[] = {make_hello(false, NULL), make_hello(true, NULL),
                                make_hello(true, &small), the_longest()};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint8_t payload[INITIATION_PAYLOAD_BYTES + RESPONSE_PAYLOAD_MAX_BYTES] = {0};
        size_t whole = hello_encode_initiation(&row[i], payload);
        for (size_t bytes = 0; bytes <= INITIATION_PAYLOAD_BYTES; bytes++)
            ck_assert_msg(decoded(hello_decode_initiation, payload, bytes) == (bytes >= whole),
                          "initiation %zu, %zu bytes", i, bytes);
        whole = hello_encode_response(&row[i], payload);
        for (size_t bytes = 0; bytes <= RESPONSE_PAYLOAD_MAX_BYTES; bytes++)
            ck_assert_msg(decoded(hello_decode_response, payload, bytes) == (bytes >= whole),
                          "response %zu, %zu bytes", i, bytes);
    }
}
END_TEST

/* One byte of an initiation's payload changed: two suites, a token, a small site. */
START_TEST(what_a_payload_may_say)
{
    enum { SUITES_AT = 15, TOKEN_AT = 17, LENGTH_AT = 33, SITE_AT = 35 };
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        bool decodes;
    } row[] = {
        {"as it is", 0, PROTOCOL_VERSION, true},
        {"another version: the site's to judge", 0, 200, true},
        {"flags not known yet", 1, 0xff, true},
        {"a token that is not said to be there", 1, 0xfe, false},
        {"order 0", 2, 0, true},
        {"features", 13, 0xff, true},
        {"suites, the most and one more", 14, HELLO_SUITES_MAX + 1, false},
        {"suites without number", 14, 0xff, false},
        {"a suite not known", SUITES_AT, 0xff, true},
        {"any token", TOKEN_AT, 0xff, true},
        {"site info past the end", LENGTH_AT, 0xff, false},
        {"site info of no length", LENGTH_AT + 1, 0, true},
        {"site info cut short", LENGTH_AT + 1, 3, false},
        {"site info's name with another length", SITE_AT + 2, 5, false},
        {"site info's name cannot be", SITE_AT + 3, 'H', false},
        {"site info of another type", SITE_AT, 99, false},
    };
    struct site_info site = small_site();
    struct hello hello = make_hello(true, &site);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint8_t payload[INITIATION_PAYLOAD_BYTES] = {0};
        hello_encode_initiation(&hello, payload);
        payload[row[i].at] = row[i].value;
        ck_assert_msg(decoded(hello_decode_initiation, payload, sizeof payload) == row[i].decodes,
                      "%s", row[i].name);
    }
}
END_TEST

/* Well-formed but for their number: there is room for HELLO_SUITES_MAX, and no more are read. */
START_TEST(only_so_many_suites)
{
    for (unsigned count = 0; count < 256; count++) {
        uint8_t payload[INITIATION_FIXED_BYTES + 255 + FEW_BYTES] = {PROTOCOL_VERSION};
        payload[INITIATION_FIXED_BYTES - 1] = (uint8_t)count;
        memset(payload + INITIATION_FIXED_BYTES, 7, count);
        ck_assert_msg(decoded(hello_decode_initiation, payload, sizeof payload) ==
                          (count <= HELLO_SUITES_MAX),
                      "%u suites", count);
    }
}
END_TEST

START_TEST(a_site_of_no_length_is_not_told)
{
    uint8_t payload[INITIATION_PAYLOAD_BYTES] = {0};
    struct site_info site = small_site();
    struct hello hello = make_hello(false, &site);
    hello_encode_response(&hello, payload);
    store_be16(payload + RESPONSE_FIXED_BYTES, 0);
    ck_assert(hello_decode_response(payload, sizeof payload, &hello));
    ck_assert(!hello.has_site);
    ck_assert_str_eq(hello.site.name, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("handshake");
    TCase *tc = tcase_create("handshake");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, what_is_said_arrives);
    tcase_add_test(tc, the_headers_are_as_on_the_wire);
    tcase_add_test(tc, no_answer_is_larger);
    tcase_add_test(tc, a_site_that_cannot_be_is_not_told);
    tcase_add_test(tc, every_byte_of_an_initiation_counts);
    tcase_add_test(tc, mac1_does_not_help_a_forger);
    tcase_add_test(tc, every_byte_of_a_response_counts);
    tcase_add_test(tc, every_other_length_of_a_response_is_refused);
    tcase_add_test(tc, another_psk_is_no_answer);
    tcase_add_test(tc, what_was_sent_to_another_is_not_read);
    tcase_add_test(tc, a_payload_cut_short_is_refused_and_padding_ignored);
    tcase_add_test(tc, what_a_payload_may_say);
    tcase_add_test(tc, only_so_many_suites);
    tcase_add_test(tc, a_site_of_no_length_is_not_told);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
