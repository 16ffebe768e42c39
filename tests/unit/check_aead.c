/* SPDX-License-Identifier: MIT
 *
 * check_aead.c - the ciphers against published vectors, refusal of all that was touched, choice.
 *
 * Where the processor has no AES the rows of AES-256-GCM check instead that it is refused.
 */
#include "crypto/aead.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 512 };

#define KEY_A5 "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"
#define KEY_0  "0000000000000000000000000000000000000000000000000000000000000000"
#define AAD_A5 "f33388860000000000004e91"
#define TEXT_A5                                                                                    \
    "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "   \
    "replaced, or obsoleted by other documents at any time. It is inappropriate to use "           \
    "Internet-Drafts as reference material or to cite them other than as "                         \
    "/\xe2\x80\x9cwork in progress./\xe2\x80\x9d"
#define TEXT_40 "Internet-Drafts are draft documents vali"

/* The nonce of RFC 8439's A.5 and of NIST's vectors begins with 4 zero bytes, as ours do. Rows
 * marked + were made with another implementation (OpenSSL, through Python's cryptography). */
static const struct {
    const char *name;
    enum suite suite;
    uint64_t counter;
    const char *key_hex, *aad_hex, *text;
    size_t text_bytes;
    const char *begins_hex, *ends_hex; /* of the sealed text; the end is the tag */
} vectors[] = {
    {"RFC 8439 A.5", SUITE_CHACHA20POLY1305, 0x0102030405060708, KEY_A5, AAD_A5, TEXT_A5, 265,
     "64a0861575861af460f062c79be643bd", "eead9d67890cbb22392336fea1851f38"},
    {"+ nothing", SUITE_CHACHA20POLY1305, 0, KEY_A5, "", "", 0, "",
     "26edab23e9e2b84722a2d89156ef8b24"},
    {"+ last counter", SUITE_CHACHA20POLY1305, UINT64_MAX, KEY_A5, AAD_A5, TEXT_40, 40,
     "e8c7c18f22fec8e70ff24861e15d9707147aca1b03da3ad04988df4a57d12747e8a3952faf60e7fa",
     "04afb667233972369145220a6614d4af"},
    {"GCM specification, test case 13", SUITE_AES256GCM, 0, KEY_0, "", "", 0, "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {"GCM specification, test case 14", SUITE_AES256GCM, 0, KEY_0, "",
     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {"+ A.5's input", SUITE_AES256GCM, 0x0102030405060708, KEY_A5, AAD_A5, TEXT_A5, 265,
     "9d838bf45ffaa3333d2a35b6fcdd59f5", "8a6574b647b0be9ea1fa826d133195a5"},
    {"+ part of A.5's input", SUITE_AES256GCM, 0x0102030405060708, KEY_A5, AAD_A5, TEXT_40, 40,
     "9d838bf45ffaa3333d2a35b6fcdd59f551df3162982ac14c3cbcb56ff18717ba9e4fa8195d62c694",
     "34828484bb5b199bab4443f3ff29f770"},
};

static size_t unhex(uint8_t *out, size_t room, const char *hex)
{
    size_t bytes;

    ck_assert_int_eq(sodium_hex2bin(out, room, hex, strlen(hex), NULL, &bytes, NULL), 0);
    return bytes;
}

/* False, having checked that it is refused, where the machine lacks the suite. */
static bool init_or_refused(struct aead_key *key, enum suite suite, const char *key_hex)
{
    uint8_t material[AEAD_KEY_MATERIAL_BYTES];

    ck_assert_uint_eq(unhex(material, sizeof(material), key_hex), sizeof(material));
    if (aead_init(key, suite, material))
        return true;
    ck_assert(suite == SUITE_AES256GCM && crypto_aead_aes256gcm_is_available() == 0);
    ck_assert_int_eq(key->suite, SUITE_NONE);
    return false;
}

START_TEST(vector_seals_and_opens)
{
    struct aead_key key;
    uint8_t aad[64], text[TEXT_MAX], part[64];
    size_t aad_bytes = unhex(aad, sizeof(aad), vectors[_i].aad_hex), bytes, tag_bytes;
    size_t text_bytes = vectors[_i].text_bytes;

    if (!init_or_refused(&key, vectors[_i].suite, vectors[_i].key_hex))
        return;
    tag_bytes = aead_tag_bytes(vectors[_i].suite);
    memset(text, 0xee, sizeof(text));
    memcpy(text, vectors[_i].text, text_bytes);
    aead_seal(&key, vectors[_i].counter, aad, aad_bytes, text, text_bytes);
    bytes = unhex(part, sizeof(part), vectors[_i].begins_hex);
    ck_assert_mem_eq(text, part, bytes);
    ck_assert_uint_eq(unhex(part, sizeof(part), vectors[_i].ends_hex), tag_bytes);
    ck_assert_mem_eq(text + text_bytes, part, tag_bytes);
    ck_assert_uint_eq(text[text_bytes + tag_bytes], 0xee); /* and not a byte more */

    ck_assert(aead_open(&key, vectors[_i].counter, aad, aad_bytes, text, text_bytes + tag_bytes));
    ck_assert_mem_eq(text, vectors[_i].text, text_bytes);
    aead_wipe(&key);
}
END_TEST

static const enum suite all_suites[] = {SUITE_CHACHA20POLY1305, SUITE_AES256GCM};

/* Nothing may differ from what was sealed: text, tag, additional data, counter, key, length. */
START_TEST(touched_datagram_is_refused)
{
    enum { TEXT = 40, TAG = 16, AAD = 16 };
    struct aead_key key, other;
    uint8_t aad[AAD] = {1, 2, 3}, sealed[TEXT + TAG], text[TEXT + TAG + 1];

    if (!init_or_refused(&key, all_suites[_i], KEY_A5) ||
        !init_or_refused(&other, all_suites[_i], KEY_0))
        return;
    ck_assert_uint_eq(aead_tag_bytes(all_suites[_i]), TAG);
    memcpy(sealed, TEXT_40, TEXT);
    aead_seal(&key, 7, aad, AAD, sealed, TEXT);
    for (size_t i = 0; i < TEXT + TAG; i++) {
        memcpy(text, sealed, sizeof(sealed));
        text[i] ^= 1;
        ck_assert(!aead_open(&key, 7, aad, AAD, text, TEXT + TAG));
    }
    for (size_t i = 0; i < AAD; i++) {
        memcpy(text, sealed, sizeof(sealed));
        aad[i] ^= 0x80;
        ck_assert(!aead_open(&key, 7, aad, AAD, text, TEXT + TAG));
        aad[i] ^= 0x80;
    }
    text[TEXT + TAG] = 0;
    for (size_t bytes = 0; bytes <= TEXT + TAG + 1; bytes++) {
        memcpy(text, sealed, sizeof(sealed));
        ck_assert_int_eq(aead_open(&key, 7, aad, AAD, text, bytes), bytes == TEXT + TAG);
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        memcpy(text, sealed, sizeof(sealed));
        ck_assert(!aead_open(&key, 7 ^ UINT64_C(1) << bit, aad, AAD, text, TEXT + TAG));
    }
    memcpy(text, sealed, sizeof(sealed));
    ck_assert(!aead_open(&other, 7, aad, AAD, text, TEXT + TAG));
    memcpy(text, sealed, sizeof(sealed));
    ck_assert(!aead_open(&key, 7, aad, AAD - 1, text, TEXT + TAG));
    memcpy(text, sealed, sizeof(sealed));
    ck_assert(aead_open(&key, 7, aad, AAD, text, TEXT + TAG));
    ck_assert_mem_eq(text, TEXT_40, TEXT);
}
END_TEST

/* Every length, at every alignment of the text. */
START_TEST(any_length_and_alignment_returns)
{
    enum { LENGTHS = 200, TAG = 16 };
    struct aead_key key;
    uint8_t plain[LENGTHS], buffer[16 + LENGTHS + TAG], aad[16] = {0};

    if (!init_or_refused(&key, all_suites[_i], KEY_A5))
        return;
    for (size_t i = 0; i < LENGTHS; i++)
        plain[i] = (uint8_t)(i * 7 + 1);
    for (size_t bytes = 0; bytes < LENGTHS; bytes++) {
        uint8_t *text = buffer + bytes % 16;
        memcpy(text, plain, bytes);
        aead_seal(&key, bytes, aad, sizeof(aad), text, bytes);
        ck_assert(bytes < 8 || memcmp(text, plain, bytes) != 0);
        ck_assert(aead_open(&key, bytes, aad, sizeof(aad), text, bytes + TAG));
        ck_assert_mem_eq(text, plain, bytes);
    }
}
END_TEST

START_TEST(wiped_key_neither_sends_nor_opens)
{
    static const uint8_t material[AEAD_KEY_MATERIAL_BYTES] = {1}, zero[40], plain[40] = {1, 2, 3};
    struct aead_key key;
    uint8_t text[40 + 16];

    ck_assert(aead_init(&key, SUITE_CHACHA20POLY1305, material));
    aead_wipe(&key);
    ck_assert(sodium_is_zero((const unsigned char *)&key, sizeof(key)));
    memcpy(text, plain, sizeof(plain));
    aead_seal(&key, 0, NULL, 0, text, 40);
    ck_assert_mem_eq(text, zero, 40);
    ck_assert(!aead_open(&key, 0, NULL, 0, text, sizeof(text)));
    ck_assert(!aead_open(&key, 0, NULL, 0, text, 0));
}
END_TEST

START_TEST(unknown_suite_is_refused)
{
    static const int unknown[] = {SUITE_NONE, 4, 255, -1};
    static const uint8_t material[AEAD_KEY_MATERIAL_BYTES] = {1};

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        struct aead_key key;
        enum suite suite = (enum suite)unknown[i];

        ck_assert(!aead_available(suite));
        ck_assert_uint_eq(aead_tag_bytes(suite), 0);
        ck_assert(!aead_init(&key, suite, material));
        ck_assert_int_eq(key.suite, SUITE_NONE);
    }
    ck_assert(aead_available(SUITE_CHACHA20POLY1305));
    ck_assert_int_eq(aead_available(SUITE_AES256GCM), crypto_aead_aes256gcm_is_available() != 0);
}
END_TEST

/* 1 is ChaCha20-Poly1305 and always there; 200 is a suite of the future. */
static const struct {
    uint8_t preferred[4], preferred_count, offered[4], offered_count, chosen;
} choices[] = {
    {{1}, 1, {1}, 1, 1},
    {{0}, 0, {1}, 1, 0},
    {{1}, 1, {0}, 0, 0},
    {{0}, 0, {0}, 0, 0},
    {{200, 1}, 2, {200, 1}, 2, 1}, /* neither known, nor chosen */
    {{1, 200}, 2, {200, 1}, 2, 1},
    {{200}, 1, {200}, 1, 0},
    {{0, 1}, 2, {0, 1}, 2, 1}, /* SUITE_NONE is no suite */
    {{0}, 1, {0}, 1, 0},
    {{1}, 1, {200, 7, 0, 1}, 4, 1},
    {{1}, 1, {200, 7, 0, 1}, 3, 0}, /* the fourth was not offered */
    {{200, 1}, 1, {1}, 1, 0},
};

START_TEST(choice_holds)
{
    ck_assert_int_eq(aead_choose(choices[_i].preferred, choices[_i].preferred_count,
                                 choices[_i].offered, choices[_i].offered_count),
                     choices[_i].chosen);
}
END_TEST

/* Our order decides, not theirs; without AES there is but one to choose. */
START_TEST(our_order_decides)
{
    static const uint8_t aes_first[] = {SUITE_AES256GCM, SUITE_CHACHA20POLY1305};
    static const uint8_t chacha_first[] = {SUITE_CHACHA20POLY1305, SUITE_AES256GCM};
    bool aes = aead_available(SUITE_AES256GCM);

    ck_assert_int_eq(aead_choose(aes_first, 2, chacha_first, 2),
                     aes ? SUITE_AES256GCM : SUITE_CHACHA20POLY1305);
    ck_assert_int_eq(aead_choose(chacha_first, 2, aes_first, 2), SUITE_CHACHA20POLY1305);
    ck_assert_int_eq(aead_choose(aes_first, 1, aes_first, 2), aes ? SUITE_AES256GCM : SUITE_NONE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aead");
    TCase *tc = tcase_create("aead");
    SRunner *runner = srunner_create(suite);
    int failed;

    if (sodium_init() < 0)
        return EXIT_FAILURE;
    tcase_add_loop_test(tc, vector_seals_and_opens, 0, sizeof(vectors) / sizeof(vectors[0]));
    tcase_add_loop_test(tc, touched_datagram_is_refused, 0, 2);
    tcase_add_loop_test(tc, any_length_and_alignment_returns, 0, 2);
    tcase_add_test(tc, wiped_key_neither_sends_nor_opens);
    tcase_add_test(tc, unknown_suite_is_refused);
    tcase_add_loop_test(tc, choice_holds, 0, sizeof(choices) / sizeof(choices[0]));
    tcase_add_test(tc, our_order_decides);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
