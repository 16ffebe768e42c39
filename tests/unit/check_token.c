/* SPDX-License-Identifier: MIT
 *
 * check_token.c - the invite token: what survives mail, what is refused and how it is called.
 */
#include "tunnel/token.h"

#include "bytes.h"

#include <check.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING, MARK = 11 };

static char text[TOKEN_TEXT_SIZE];
static struct token got;

static struct candidate candidate(unsigned last)
{
    const uint8_t octets[4] = {192, 0, 2, (uint8_t)last};
    return (struct candidate){.kind = CANDIDATE_REFLEXIVE,
                              .endpoint = {.address = ip_v4(octets), .port = 7788}};
}

static struct token sample(void)
{
    struct token t = {.name = "home", .endpoint_count = 2};
    for (uint8_t i = 0; i < 32; i++) {
        t.public_key[i] = (uint8_t)(i * 5 + 1);
        t.psk[i] = (uint8_t)(200 - i);
    }
    memcpy(t.id, "sixteen byte id.", sizeof t.id);
    strcpy(t.endpoint[0], "home.example.net:7788");
    strcpy(t.endpoint[1], "[2001:db8::1]:7788");
    t.candidates.count = 1;
    t.candidates.item[0] = candidate(1);
    return t;
}

static struct token largest(void)
{
    struct token t = sample();
    t.endpoint_count = TOKEN_ENDPOINTS_MAX;
    memset(t.name, 'n', SITE_NAME_MAX);
    for (size_t i = 0; i < TOKEN_ENDPOINTS_MAX; i++) {
        memset(t.endpoint[i], 'a', TOKEN_ENDPOINT_CHARS - 6);
        t.endpoint[i][63] = t.endpoint[i][127] = '.';
        strcpy(t.endpoint[i] + TOKEN_ENDPOINT_CHARS - 6, ":65535");
    }
    for (t.candidates.count = 0; t.candidates.count < CANDIDATES_MAX; t.candidates.count++)
        t.candidates.item[t.candidates.count] = candidate(t.candidates.count + 1u);
    return t;
}

static void assert_equal(const struct token *a, const struct token *b)
{
    ck_assert_mem_eq(a->public_key, b->public_key, sizeof a->public_key);
    ck_assert_mem_eq(a->id, b->id, sizeof a->id);
    ck_assert_mem_eq(a->psk, b->psk, sizeof a->psk);
    ck_assert_str_eq(a->name, b->name);
    ck_assert_uint_eq(a->endpoint_count, b->endpoint_count);
    for (size_t i = 0; i < a->endpoint_count; i++)
        ck_assert_str_eq(a->endpoint[i], b->endpoint[i]);
    ck_assert_uint_eq(a->candidates.count, b->candidates.count);
    for (size_t i = 0; i < a->candidates.count; i++)
        ck_assert(candidate_equal(&a->candidates.item[i], &b->candidates.item[i]));
}

/* Decodes @chars of @line with the sanitizer watching its end; a failure leaves all zero. */
static enum paste_error decode(const char *line, size_t chars)
{
    static const struct token nothing;
    char *copy = malloc(chars + 1);
    memcpy(copy + 1, line, chars);
    memset(&got, 0xff, sizeof got);
    enum paste_error error = token_decode(&got, copy + 1, chars);
    free(copy);
    if (error != PASTE_OK)
        ck_assert_mem_eq(&got, &nothing, sizeof got);
    return error;
}

static enum paste_error decode_string(const char *line)
{
    return decode(line, strlen(line));
}

/* The text of @count bytes, whose length and checksum are made right. */
static size_t seal(uint8_t *bytes, size_t count)
{
    uint8_t hash[64];
    store_be16(bytes + 1, (uint16_t)count);
    crypto_generichash(hash, sizeof hash, bytes, count - 4, NULL, 0);
    memcpy(bytes + count - 4, hash, 4);
    memcpy(text, "lansplice1:", MARK);
    sodium_bin2base64(text + MARK, sizeof text - MARK, bytes, count, BASE64);
    return strlen(text);
}

/* The bytes of sample(), to be damaged; returns how many. */
static size_t open_sample(uint8_t bytes[TOKEN_BYTES_MAX])
{
    struct token t = sample();
    size_t chars = token_encode(&t, text, sizeof text), count;
    ck_assert_int_eq(sodium_base642bin(bytes, TOKEN_BYTES_MAX, text + MARK, chars - MARK, NULL,
                                       &count, NULL, BASE64),
                     0);
    return count;
}

START_TEST(it_reads_what_it_wrote)
{
    struct token all[] = {sample(), sample(), largest()};
    all[1].endpoint_count = all[1].candidates.count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t chars = token_encode(&all[i], text, sizeof text);
        ck_assert_uint_gt(chars, MARK);
        ck_assert_uint_eq(chars, strlen(text));
        ck_assert_int_eq(memcmp(text, "lansplice1:", MARK), 0);
        ck_assert_uint_eq(strspn(text + MARK, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                              "0123456789-_"),
                          chars - MARK);
        ck_assert_int_eq(decode(text, chars), PASTE_OK);
        assert_equal(&got, &all[i]);
    }
}
END_TEST

/* The layout that token.h draws, so that it does not change unseen. */
START_TEST(it_writes_the_bytes_of_the_layout)
{
    struct token t = sample();
    uint8_t bytes[TOKEN_BYTES_MAX], hash[64];
    size_t count = open_sample(bytes);
    ck_assert_uint_eq(count, 3 + 32 + 16 + 32 + 5 + 1 + 2 + 21 + 2 + 18 + 1 + 8 + 4);
    ck_assert_uint_eq(bytes[0], 1);
    ck_assert_uint_eq(load_be16(bytes + 1), count);
    ck_assert_mem_eq(bytes + 3, t.public_key, 32);
    ck_assert_mem_eq(bytes + 35, t.id, 16);
    ck_assert_mem_eq(bytes + 51, t.psk, 32);
    ck_assert_mem_eq(bytes + 83,
                     "\4home\2\0\25home.example.net:7788\0\22[2001:db8::1]:7788"
                     "\1\2\4\300\0\2\1\36\154",
                     49 + 9);
    crypto_generichash(hash, sizeof hash, bytes, count - 4, NULL, 0);
    ck_assert_mem_eq(bytes + count - 4, hash, 4);
}
END_TEST

START_TEST(it_asks_for_room)
{
    struct token t = largest();
    size_t chars = token_encode(&t, text, sizeof text);
    char *exact = malloc(chars + 1);
    ck_assert_uint_lt(chars, TOKEN_TEXT_SIZE);
    ck_assert_uint_eq(token_encode(&t, exact, chars + 1), chars);
    ck_assert_str_eq(exact, text);
    ck_assert_uint_eq(token_encode(&t, exact, chars), 0);
    ck_assert_uint_eq(token_encode(&t, exact, 0), 0);
    free(exact);
}
END_TEST

START_TEST(it_writes_nothing_that_is_not_valid)
{
    struct token t = sample();
    memset(t.public_key, 0, sizeof t.public_key);
    ck_assert_uint_eq(token_encode(&t, text, sizeof text), 0);
    t = sample();
    memset(t.psk, 0, sizeof t.psk);
    ck_assert_uint_eq(token_encode(&t, text, sizeof text), 0);
    t = sample();
    strcpy(t.name, "My home");
    ck_assert_uint_eq(token_encode(&t, text, sizeof text), 0);
    t = sample();
    t.endpoint_count = TOKEN_ENDPOINTS_MAX + 1;
    ck_assert_uint_eq(token_encode(&t, text, sizeof text), 0);
    t = sample();
    strcpy(t.endpoint[1], "home");
    ck_assert_uint_eq(token_encode(&t, text, sizeof text), 0);
}
END_TEST

START_TEST(blanks_do_not_matter)
{
    static const char *const blanks[] = {" ", "\n", "\r\n", "\t", "  \v\f ", "\n    "};
    struct token t = sample();
    size_t chars = token_encode(&t, text, sizeof text);
    static char wrapped[20 * TOKEN_TEXT_SIZE];

    for (size_t i = 0; i < sizeof blanks / sizeof blanks[0]; i++) {
        for (size_t width = 1; width < 80; width += 13) {
            char *end = stpcpy(wrapped, blanks[i]);
            for (size_t at = 0; at < chars; at++) {
                *end++ = text[at];
                if (at % width == 0)
                    end = stpcpy(end, blanks[i]);
            }
            end = stpcpy(end, blanks[i]);
            ck_assert_int_eq(decode(wrapped, (size_t)(end - wrapped)), PASTE_OK);
            assert_equal(&got, &t);
        }
    }
}
END_TEST

/* As far as it goes, a token that lost its end is called just that. */
START_TEST(cut_anywhere_it_is_cut_short)
{
    struct token all[] = {sample(), largest()};
    for (size_t i = 0; i < 2; i++) {
        size_t chars = token_encode(&all[i], text, sizeof text);
        for (size_t cut = 1; cut < chars; cut++)
            ck_assert_msg(decode(text, cut) == PASTE_CUT_SHORT, "cut at %zu", cut);
    }
    ck_assert_int_eq(decode(text, 0), PASTE_OTHER);
}
END_TEST

START_TEST(one_character_changed_is_noticed)
{
    struct token t = sample();
    size_t chars = token_encode(&t, text, sizeof text);
    for (size_t at = 0; at < chars; at++) {
        static const char others[] = "Aa0_.=+/:\x80";
        for (size_t i = 0; i < sizeof others; i++) { /* a NUL is among them */
            char was = text[at];
            if (others[i] == was)
                continue;
            text[at] = others[i];
            enum paste_error error = decode(text, chars);
            ck_assert_msg(error != PASTE_OK, "'%c' at %zu", others[i], at);
            if (at >= MARK + 4) /* before that, the mark and the length */
                ck_assert_msg(error == PASTE_DAMAGED, "'%c' at %zu: %d", others[i], at, error);
            text[at] = was;
        }
    }
    ck_assert_int_eq(decode(text, chars), PASTE_OK);
}
END_TEST

START_TEST(one_character_lost_is_noticed)
{
    struct token t = sample();
    size_t chars = token_encode(&t, text, sizeof text);
    for (size_t at = MARK + 4; at < chars; at++) {
        char line[TOKEN_TEXT_SIZE];
        memcpy(line, text, at);
        memcpy(line + at, text + at + 1, chars - at);
        ck_assert_int_eq(decode(line, chars - 1), PASTE_CUT_SHORT);
    }
}
END_TEST

START_TEST(it_names_what_is_wrong)
{
    static const struct {
        const char *line;
        enum paste_error error;
    } row[] = {
        {"", PASTE_OTHER},
        {" \n", PASTE_OTHER},
        {"hello", PASTE_OTHER},
        {"Lansplice1:AAAA", PASTE_OTHER},
        {"lansplice:AAAA", PASTE_OTHER},
        {"lansplice invite home", PASTE_OTHER},
        {"lansplice1x", PASTE_OTHER},
        {"lansplice1x:AAAAAAAA", PASTE_OTHER},
        {"lansplice-reply:AAAA", PASTE_OTHER},
        {"lansplice-reply1:AAAA", PASTE_OTHER_KIND},
        {"lans plice-\nreply23:", PASTE_OTHER_KIND},
        {"lan", PASTE_CUT_SHORT},
        {"lansplice1", PASTE_CUT_SHORT},
        {"lansplice1:", PASTE_CUT_SHORT},
        {"lansplice1:AAA", PASTE_CUT_SHORT},
        {"lansplice1:AQCJ", PASTE_CUT_SHORT},
        {"lansplice2:AAAA", PASTE_OTHER_VERSION},
        {"lansplice12:AAAA", PASTE_OTHER_VERSION},
        {"lansplice1:AAAA", PASTE_DAMAGED},       /* length 0 */
        {"lansplice1:AAAB", PASTE_DAMAGED},       /* length 1, shorter than its header */
        {"lansplice1:AAAHAAAAAA", PASTE_DAMAGED}, /* length 7: nothing but a checksum */
        {"lansplice1:AP__", PASTE_DAMAGED},       /* longer than any */
        {"lansplice1:AAAD", PASTE_DAMAGED},       /* length 3: nothing but a header */
        {"lansplice1:AAAGAAAA", PASTE_DAMAGED},   /* length 6: part of a checksum */
        {"lansplice1:A===AAAA", PASTE_DAMAGED},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        enum paste_error error = decode_string(row[i].line);
        ck_assert_msg(error == row[i].error, "'%s': %d", row[i].line, error);
    }
}
END_TEST

START_TEST(more_after_it_is_noticed)
{
    struct token t = largest();
    size_t chars = token_encode(&t, text, sizeof text);
    static char line[TOKEN_TEXT_SIZE + 5000];
    memset(line, 'A', sizeof line);
    memcpy(line, text, chars);
    for (size_t more = 1; more < 6; more++)
        ck_assert_int_eq(decode(line, chars + more), PASTE_DAMAGED);
    ck_assert_int_eq(decode(line, sizeof line), PASTE_DAMAGED);
    memset(line, ' ', MARK); /* and so is the lack of a mark, however long */
    ck_assert_int_eq(decode(line, sizeof line), PASTE_OTHER);
}
END_TEST

/* Whole, with a right checksum, but made by someone who knows how to lie. */
START_TEST(it_believes_nothing)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value[32];
        size_t count;
        enum paste_error error;
    } row[] = {
        {"unchanged", 35, {'s'}, 1, PASTE_OK},
        {"version 2", 0, {2}, 1, PASTE_OTHER_VERSION},
        {"version 0", 0, {0}, 1, PASTE_OTHER_VERSION},
        {"a zero key", 3, {0}, 32, PASTE_INVALID},
        {"a zero PSK", 51, {0}, 32, PASTE_INVALID},
        {"a name too short", 83, {3}, 1, PASTE_INVALID},
        {"a name of 33", 83, {33}, 1, PASTE_INVALID},
        {"a name of 255", 83, {255}, 1, PASTE_INVALID},
        {"a path for a name", 84, {'.', '.', '/', 'a'}, 4, PASTE_INVALID},
        {"a NUL in the name", 86, {0}, 1, PASTE_INVALID},
        {"one endpoint of two", 88, {1}, 1, PASTE_INVALID},
        {"three endpoints of two", 88, {3}, 1, PASTE_INVALID},
        {"five endpoints", 88, {5}, 1, PASTE_INVALID},
        {"an endpoint past the end", 89, {0, 200}, 2, PASTE_INVALID},
        {"an endpoint longer than any", 89, {1, 8}, 2, PASTE_INVALID},
        {"the longest length", 89, {255, 255}, 2, PASTE_INVALID},
        {"an empty endpoint", 89, {0, 0}, 2, PASTE_INVALID},
        {"a NUL in an endpoint", 95, {0}, 1, PASTE_INVALID},
        {"an option for an endpoint", 91, {'-'}, 1, PASTE_INVALID},
        {"a line end in an endpoint", 95, {'\n'}, 1, PASTE_INVALID},
        {"port 0", 108, {'0', '0', '0', '0'}, 4, PASTE_INVALID},
        {"no candidate, but one", 132, {0}, 1, PASTE_INVALID},
        {"two candidates of one", 132, {2}, 1, PASTE_INVALID},
        {"17 candidates", 132, {17}, 1, PASTE_INVALID},
        {"a family that is none", 134, {5}, 1, PASTE_INVALID},
    };
    uint8_t bytes[TOKEN_BYTES_MAX];
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        size_t count = open_sample(bytes);
        memcpy(bytes + row[i].at, row[i].value, row[i].count);
        enum paste_error error = decode(text, seal(bytes, count));
        ck_assert_msg(error == row[i].error, "%s: %d", row[i].name, error);
    }
}
END_TEST

/* The body ends anywhere, or goes on, while length and checksum are right. */
START_TEST(it_believes_no_length)
{
    uint8_t bytes[TOKEN_BYTES_MAX];
    size_t whole = open_sample(bytes);
    for (size_t count = 7; count < whole + 50; count++) {
        open_sample(bytes);
        memset(bytes + whole - 4, 0, sizeof bytes - whole + 4);
        ck_assert_int_eq(decode(text, seal(bytes, count)),
                         count == whole ? PASTE_OK : PASTE_INVALID);
    }
}
END_TEST

/* More than there is room for, and all of it there. */
START_TEST(it_has_limits)
{
    static const struct {
        uint8_t endpoints;
        uint16_t last_bytes;
        enum paste_error error;
    } row[] = {
        {4, 3, PASTE_OK},
        {5, 3, PASTE_INVALID},
        {4, TOKEN_ENDPOINT_CHARS, PASTE_OK},
        {4, TOKEN_ENDPOINT_CHARS + 1, PASTE_INVALID},
        {4, TOKEN_ENDPOINT_SIZE, PASTE_INVALID},
        {4, 600, PASTE_INVALID},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint8_t bytes[TOKEN_BYTES_MAX];
        open_sample(bytes);
        uint8_t *end = bytes + 88;
        *end++ = row[i].endpoints;
        for (unsigned k = 1; k < row[i].endpoints; k++, end += 5)
            memcpy(end, "\0\3a:1", 5);
        store_be16(end, row[i].last_bytes);
        memset(end + 2, 'a', row[i].last_bytes);
        for (size_t dot = 50; dot + 3 < row[i].last_bytes; dot += 50)
            end[2 + dot] = '.';
        memcpy(end + 2 + row[i].last_bytes - 2, ":1", 2);
        end += 2 + row[i].last_bytes;
        *end++ = 0; /* candidates */
        size_t count = (size_t)(end - bytes) + 4;
        enum paste_error error = decode(text, seal(bytes, count));
        ck_assert_msg(error == row[i].error, "row %zu: %d", i, error);
    }
}
END_TEST

START_TEST(the_fingerprint_is_of_key_and_id)
{
    struct token a = sample(), b = sample();
    char of_a[TOKEN_FINGERPRINT_BYTES], of_b[TOKEN_FINGERPRINT_BYTES];
    uint8_t hash[64], about[21 + 32 + 16];

    token_fingerprint(&a, of_a);
    ck_assert_uint_eq(strlen(of_a), 23);
    for (size_t i = 0; i < 23; i++)
        ck_assert(i % 6 == 5 ? of_a[i] == ' ' : of_a[i] >= '0' && of_a[i] <= '9');
    memcpy(about, "lansplice fingerprint", 21);
    memcpy(about + 21, a.public_key, 32);
    memcpy(about + 53, a.id, 16);
    crypto_generichash(hash, sizeof hash, about, sizeof about, NULL, 0);
    snprintf(of_b, sizeof of_b, "%05u %05u %05u %05u", load_be32(hash) % 100000,
             load_be32(hash + 4) % 100000, load_be32(hash + 8) % 100000,
             load_be32(hash + 12) % 100000);
    ck_assert_str_eq(of_a, of_b);

    memset(b.psk, 1, sizeof b.psk);
    strcpy(b.name, "other");
    b.endpoint_count = 0;
    token_fingerprint(&b, of_b);
    ck_assert_str_eq(of_a, of_b);
    b.id[15] ^= 1;
    token_fingerprint(&b, of_b);
    ck_assert_str_ne(of_a, of_b);
    b = a;
    b.public_key[0] ^= 1;
    token_fingerprint(&b, of_b);
    ck_assert_str_ne(of_a, of_b);
}
END_TEST

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    Suite *suite = suite_create("token");
    TCase *tc = tcase_create("token");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, it_reads_what_it_wrote);
    tcase_add_test(tc, it_writes_the_bytes_of_the_layout);
    tcase_add_test(tc, it_asks_for_room);
    tcase_add_test(tc, it_writes_nothing_that_is_not_valid);
    tcase_add_test(tc, blanks_do_not_matter);
    tcase_add_test(tc, cut_anywhere_it_is_cut_short);
    tcase_add_test(tc, one_character_changed_is_noticed);
    tcase_add_test(tc, one_character_lost_is_noticed);
    tcase_add_test(tc, it_names_what_is_wrong);
    tcase_add_test(tc, more_after_it_is_noticed);
    tcase_add_test(tc, it_believes_nothing);
    tcase_add_test(tc, it_believes_no_length);
    tcase_add_test(tc, it_has_limits);
    tcase_add_test(tc, the_fingerprint_is_of_key_and_id);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
