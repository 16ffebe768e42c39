/* SPDX-License-Identifier: MIT
 *
 * check_reply.c - the joiner's reply: what it looks like, who can open it, what is refused.
 */
#include "tunnel/reply.h"

#include "bytes.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING, MARK = sizeof REPLY_MARK - 1 };

static char text[REPLY_TEXT_SIZE];
static uint8_t nonce[REPLY_NONCE_BYTES];
static struct reply_line line;
static struct reply got;

static void fill(uint8_t *bytes, size_t count, unsigned first)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(first + i);
}

static struct token token_of_the_invite(void)
{
    struct token t = {.name = "home"};
    fill(t.public_key, sizeof t.public_key, 1);
    fill(t.psk, sizeof t.psk, 200);
    memcpy(t.id, "sixteen byte id.", sizeof t.id);
    return t;
}

static struct candidate candidate_v4(void)
{
    static const uint8_t octets[4] = {192, 0, 2, 1};
    return (struct candidate){.kind = CANDIDATE_HOST,
                              .endpoint = {.address = ip_v4(octets), .port = 7788}};
}

static struct candidate candidate_v6(unsigned last)
{
    const uint8_t octets[16] = {0x20, 1, 0xd, 0xb8, [15] = (uint8_t)last};
    return (struct candidate){.kind = CANDIDATE_REFLEXIVE,
                              .endpoint = {.address = ip_v6(octets), .port = 7788}};
}

static struct reply sample(void)
{
    struct reply r = {.name = "parents"};
    fill(r.public_key, sizeof r.public_key, 64);
    r.candidates.count = 2;
    r.candidates.item[0] = candidate_v4();
    r.candidates.item[1] = candidate_v6(1);
    return r;
}

static struct reply largest(void)
{
    struct reply r = sample();
    memset(r.name, 'n', SITE_NAME_MAX);
    r.candidates.count = CANDIDATES_MAX;
    for (unsigned i = 0; i < CANDIDATES_MAX; i++)
        r.candidates.item[i] = candidate_v6(i + 1);
    return r;
}

static size_t encode(const struct reply *r)
{
    struct token t = token_of_the_invite();
    fill(nonce, sizeof nonce, 100);
    return reply_encode(r, &t, nonce, text, sizeof text);
}

/* With the sanitizer watching the text's end. */
static enum paste_error decode(const char *from, size_t chars)
{
    static const struct reply_line nothing;
    char *copy = malloc(chars + 1);
    memcpy(copy + 1, from, chars);
    memset(&line, 0xff, sizeof line);
    enum paste_error error = reply_decode(&line, copy + 1, chars);
    free(copy);
    if (error != PASTE_OK)
        ck_assert_mem_eq(&line, &nothing, sizeof line);
    return error;
}

/* A failure leaves all zero. */
static bool open_with(const uint8_t psk[PSK_BYTES])
{
    static const struct reply nothing;
    memset(&got, 0xff, sizeof got);
    bool opened = reply_open(&got, &line, psk);
    if (!opened)
        ck_assert_mem_eq(&got, &nothing, sizeof got);
    return opened;
}

static void assert_equal(const struct reply *a, const struct reply *b)
{
    ck_assert_mem_eq(a->public_key, b->public_key, sizeof a->public_key);
    ck_assert_str_eq(a->name, b->name);
    ck_assert_uint_eq(a->candidates.count, b->candidates.count);
    for (size_t i = 0; i < a->candidates.count; i++)
        ck_assert(candidate_equal(&a->candidates.item[i], &b->candidates.item[i]));
}

/* Made by Python's hmac and hashlib, after reply.h's words. */
static const char reference[] =
    "lansplice-reply1:AQCIc2l4dGVlbiBieXRlIGlkLqlDhRdkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ensY8s8DQEe0gM0S"
    "ZHQn-TRUlONb0rksQm41Ci4R_JJcS1y4WdZqkFp8G9qjz8Kj1eOB3L_f-koQSsmtzOO2-jY4KxB_tRfZbHeLqp7X48Nqnb"
    "nlB_yhx3GaXA";

START_TEST(it_is_what_the_layout_says)
{
    struct reply r = sample();
    ck_assert_uint_eq(encode(&r), sizeof reference - 1);
    ck_assert_str_eq(text, reference);
}
END_TEST

START_TEST(it_reads_what_it_wrote)
{
    struct reply all[] = {sample(), largest(), sample()};
    struct token t = token_of_the_invite();
    all[2].candidates.count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t chars = encode(&all[i]);
        ck_assert_uint_gt(chars, MARK);
        ck_assert_uint_eq(chars, strlen(text));
        ck_assert_int_eq(decode(text, chars), PASTE_OK);
        ck_assert_mem_eq(line.id, t.id, sizeof t.id);
        ck_assert(open_with(t.psk));
        assert_equal(&got, &all[i]);
    }
}
END_TEST

START_TEST(it_asks_for_room)
{
    struct reply r = largest();
    struct token t = token_of_the_invite();
    size_t chars = encode(&r);
    char *exact = malloc(chars + 1);
    ck_assert_uint_lt(chars, REPLY_TEXT_SIZE);
    ck_assert_uint_eq(reply_encode(&r, &t, nonce, exact, chars + 1), chars);
    ck_assert_str_eq(exact, text);
    ck_assert_uint_eq(reply_encode(&r, &t, nonce, exact, chars), 0);
    ck_assert_uint_eq(reply_encode(&r, &t, nonce, exact, 0), 0);
    free(exact);
}
END_TEST

START_TEST(it_writes_nothing_that_is_not_valid)
{
    struct reply r = sample();
    memset(r.public_key, 0, sizeof r.public_key);
    ck_assert_uint_eq(encode(&r), 0);
    r = sample();
    strcpy(r.name, "");
    ck_assert_uint_eq(encode(&r), 0);
    strcpy(r.name, "../x");
    ck_assert_uint_eq(encode(&r), 0);
}
END_TEST

START_TEST(only_the_token_opens_it)
{
    struct reply r = sample();
    struct token t = token_of_the_invite();
    ck_assert_int_eq(decode(text, encode(&r)), PASTE_OK);
    for (size_t bit = 0; bit < 8 * PSK_BYTES; bit += 5) {
        t = token_of_the_invite();
        t.psk[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert(!open_with(t.psk));
    }
}
END_TEST

START_TEST(it_knows_the_home_it_is_for)
{
    struct reply r = sample();
    struct token t = token_of_the_invite();
    ck_assert_int_eq(decode(text, encode(&r)), PASTE_OK);
    ck_assert(reply_is_for(&line, t.public_key));
    for (size_t i = 0; i < PUBLIC_KEY_BYTES; i++) {
        t = token_of_the_invite();
        t.public_key[i] ^= 1;
        ck_assert(!reply_is_for(&line, t.public_key));
    }
}
END_TEST

START_TEST(cut_anywhere_it_is_cut_short)
{
    struct reply all[] = {sample(), largest()};
    for (size_t i = 0; i < 2; i++) {
        size_t chars = encode(&all[i]);
        for (size_t cut = 1; cut < chars; cut++)
            ck_assert_msg(decode(text, cut) == PASTE_CUT_SHORT, "cut at %zu", cut);
    }
    ck_assert_int_eq(decode(text, 0), PASTE_OTHER);
}
END_TEST

START_TEST(one_character_changed_is_noticed)
{
    struct reply r = sample();
    size_t chars = encode(&r);
    for (size_t at = MARK + 4; at < chars; at++) {
        static const char others[] = "Aa0_.=+/:\x80";
        for (size_t i = 0; i < sizeof others; i++) { /* a NUL is among them */
            char was = text[at];
            if (others[i] == was)
                continue;
            text[at] = others[i];
            ck_assert_msg(decode(text, chars) == PASTE_DAMAGED, "'%c' at %zu", others[i], at);
            text[at] = was;
        }
    }
    ck_assert_int_eq(decode(text, chars), PASTE_OK);
}
END_TEST

START_TEST(it_names_what_is_wrong)
{
    static const struct {
        const char *line;
        enum paste_error error;
    } row[] = {
        {"", PASTE_OTHER},
        {"hello", PASTE_OTHER},
        {"lansplice-replyx", PASTE_OTHER},
        {"lansplice", PASTE_CUT_SHORT},
        {"lansplice-reply1", PASTE_CUT_SHORT},
        {"lansplice-reply1:", PASTE_CUT_SHORT},
        {"lansplice-reply2:AAAA", PASTE_OTHER_VERSION},
        {"lansplice-reply1:AAAA", PASTE_DAMAGED},
        {"lansplice-reply1:AP__", PASTE_DAMAGED}, /* longer than any */
        {"lansplice1:", PASTE_OTHER_KIND},
        {"lansplice1:AAAA", PASTE_OTHER_KIND},
        {" lans\nplice22:AAAA", PASTE_OTHER_KIND},
        {"lansplice:", PASTE_OTHER},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        enum paste_error error = decode(row[i].line, strlen(row[i].line));
        ck_assert_msg(error == row[i].error, "'%s': %d", row[i].line, error);
    }
}
END_TEST

/* Any bytes with a right length and checksum: @count of all. */
static size_t checked_text(uint8_t *bytes, size_t count)
{
    uint8_t hash[64];
    store_be16(bytes + 1, (uint16_t)count);
    crypto_generichash(hash, sizeof hash, bytes, count - 4, NULL, 0);
    memcpy(bytes + count - 4, hash, 4);
    memcpy(text, REPLY_MARK, MARK);
    sodium_bin2base64(text + MARK, sizeof text - MARK, bytes, count, BASE64);
    return strlen(text);
}

START_TEST(it_believes_no_length)
{
    struct token t = token_of_the_invite();
    for (size_t count = 7; count <= REPLY_BYTES_MAX; count++) {
        uint8_t bytes[REPLY_BYTES_MAX] = {1};
        bool has_all = count >= 3 + 16 + 4 + 24 + 16 + 4;
        ck_assert_int_eq(decode(text, checked_text(bytes, count)),
                         has_all ? PASTE_OK : PASTE_INVALID);
        ck_assert(!open_with(t.psk));
    }
}
END_TEST

/* What is changed by someone who can make the checksum right, but has no token. */
START_TEST(every_byte_is_under_the_seal)
{
    struct reply r = sample();
    struct token t = token_of_the_invite();
    uint8_t bytes[REPLY_BYTES_MAX];
    size_t count;
    for (size_t at = 3;; at++) {
        size_t chars = encode(&r);
        sodium_base642bin(bytes, sizeof bytes, text + MARK, chars - MARK, NULL, &count, NULL,
                          BASE64);
        if (at == count - 4)
            break;
        bytes[at] ^= 1;
        ck_assert_int_eq(decode(text, checked_text(bytes, count)), PASTE_OK);
        ck_assert_msg(!open_with(t.psk), "byte %zu", at);
    }
}
END_TEST

/* Sealed well, by someone who has the token and lies. */
static bool opens(const uint8_t *inner, size_t inner_bytes)
{
    struct token t = token_of_the_invite();
    struct reply r = sample();
    uint8_t bytes[REPLY_BYTES_MAX] = {0}, hash[64], input[19 + 16];
    crypto_generichash_state state;
    uint8_t block[128];
    size_t count;

    encode(&r);
    sodium_base642bin(bytes, sizeof bytes, text + MARK, strlen(text) - MARK, NULL, &count, NULL,
                      BASE64);
    memcpy(input, "lansplice reply key", 19);
    memcpy(input + 19, t.id, 16);
    for (int pass = 0; pass < 2; pass++) { /* HMAC, RFC 2104 */
        memset(block, pass ? 0x5c : 0x36, sizeof block);
        for (size_t i = 0; i < PSK_BYTES; i++)
            block[i] ^= t.psk[i];
        crypto_generichash_init(&state, NULL, 0, 64);
        crypto_generichash_update(&state, block, sizeof block);
        crypto_generichash_update(&state, pass ? hash : input, pass ? sizeof hash : sizeof input);
        crypto_generichash_final(&state, hash, sizeof hash);
    }
    count = 47 + inner_bytes + 16 + 4;
    store_be16(bytes + 1, (uint16_t)count);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + 47, NULL, inner, inner_bytes, bytes, 47,
                                               NULL, bytes + 23, hash);
    ck_assert_int_eq(decode(text, checked_text(bytes, count)), PASTE_OK);
    return open_with(t.psk);
}

START_TEST(it_believes_nothing)
{
    uint8_t good[32 + 1 + 3 + 9] = {
        [0] = 7,  [32] = 3,   [33] = 'a', [34] = 'b', [35] = 'c', [36] = 1,  [37] = 1,
        [38] = 4, [39] = 192, [40] = 0,   [41] = 2,   [42] = 1,   [43] = 30, [44] = 108};
    static const struct {
        const char *name;
        size_t at;
        uint8_t value[4];
        size_t count;
        bool opens;
    } row[] = {
        {"unchanged", 32, {3}, 1, true},
        {"a zero key", 0, {0}, 1, false},
        {"no name", 32, {0}, 1, false},
        {"a name of 33", 32, {33}, 1, false},
        {"a name past the end", 32, {255}, 1, false},
        {"a path for a name", 33, {'.', '.', '/'}, 3, false},
        {"a NUL in the name", 34, {0}, 1, false},
        {"two candidates of one", 36, {2}, 1, false},
        {"17 candidates", 36, {17}, 1, false},
        {"no candidate, and one", 36, {0}, 1, false},
        {"a family that is none", 38, {5}, 1, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint8_t inner[sizeof good];
        memcpy(inner, good, sizeof good);
        memcpy(inner + row[i].at, row[i].value, row[i].count);
        ck_assert_msg(opens(inner, sizeof inner) == row[i].opens, "%s", row[i].name);
    }
    for (size_t bytes = 0; bytes <= sizeof good; bytes++)
        ck_assert(opens(good, bytes) == (bytes == sizeof good));
}
END_TEST

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    Suite *suite = suite_create("reply");
    TCase *tc = tcase_create("reply");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, it_is_what_the_layout_says);
    tcase_add_test(tc, it_reads_what_it_wrote);
    tcase_add_test(tc, it_asks_for_room);
    tcase_add_test(tc, it_writes_nothing_that_is_not_valid);
    tcase_add_test(tc, only_the_token_opens_it);
    tcase_add_test(tc, it_knows_the_home_it_is_for);
    tcase_add_test(tc, cut_anywhere_it_is_cut_short);
    tcase_add_test(tc, one_character_changed_is_noticed);
    tcase_add_test(tc, it_names_what_is_wrong);
    tcase_add_test(tc, it_believes_no_length);
    tcase_add_test(tc, every_byte_is_under_the_seal);
    tcase_add_test(tc, it_believes_nothing);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
