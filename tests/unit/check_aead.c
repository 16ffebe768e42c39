/* SPDX-License-Identifier: MIT
 *
 * check_aead.c - the ciphers against published vectors, refusal of all that was touched, choice.
 *
 * Where the processor has no AES, or libsodium no AEGIS, those rows check instead that the suite is
 * refused.
 */
#include "crypto/aead.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 512 };

static const enum suite all_suites[] = {SUITE_CHACHA20POLY1305, SUITE_AES256GCM, SUITE_AEGIS128L,
                                        SUITE_AEGIS256};
enum { SUITES = sizeof(all_suites) / sizeof(all_suites[0]) };

#define KEY_A5   "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"
#define KEY_0    "0000000000000000000000000000000000000000000000000000000000000000"
#define BYTES_32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define AAD_A5   "f33388860000000000004e91"
#define TEXT_A5                                                                                    \
    "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "   \
    "replaced, or obsoleted by other documents at any time. It is inappropriate to use "           \
    "Internet-Drafts as reference material or to cite them other than as "                         \
    "/\xe2\x80\x9cwork in progress./\xe2\x80\x9d"
#define TEXT_40 "Internet-Drafts are draft documents vali"

/* The nonce of RFC 8439's A.5 and of NIST's vectors begins with 4 zero bytes, as ours do. Rows
 * marked + were made with another implementation (OpenSSL, through Python's cryptography; for AEGIS
 * one written after RFC 10032 for this purpose, which gives the RFC's own vectors below). */
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
    {"+ nothing", SUITE_AEGIS128L, 0, KEY_A5, "", "", 0, "",
     "3137f376b59e564b2b6b2028bec3d9193b234fb9386443b426b2b32259b0e089"},
    {"+ A.5's input", SUITE_AEGIS128L, 0x0102030405060708, KEY_A5, AAD_A5, TEXT_A5, 265,
     "d55f4d3662b494f1363e735affd1e04012dfef767b5fd975ac30479cb04be32580063a7ecf1d23e9",
     "373514423fa62ecdde99634c1deaf92c17fc12086eabf19dacfff5ac0e19e7b8"},
    {"+ last counter", SUITE_AEGIS128L, UINT64_MAX, KEY_A5, AAD_A5, TEXT_40, 40,
     "79ad838a717f265c700a9b05b41738a308b59b954d6ff16297c42afde275e412c95f6d097c6e41d9",
     "5337f1802799e5803846b13638e0ae1e51fe4d9d91f9d67600068f08d63b7479"},
    {"+ nothing", SUITE_AEGIS256, 0, KEY_A5, "", "", 0, "",
     "49f489174d8168edfee00fee0a658e5181d4ae1da087360a79629d147ef4b36c"},
    {"+ A.5's input", SUITE_AEGIS256, 0x0102030405060708, KEY_A5, AAD_A5, TEXT_A5, 265,
     "1f9c26e73e304fa8ebefde8b1528bf65720967a98620a4b6560cd6ca4b5398747a1b3db8612ace6a",
     "455854e3ad5fedb45af35f3f6de21b0f1fdc94e76cbb3823c1c23e27ddad5d2e"},
    {"+ last counter", SUITE_AEGIS256, UINT64_MAX, KEY_A5, AAD_A5, TEXT_40, 40,
     "e5d30360a2a0569895a3482e5c93293f6b58b8395ed88c40a2282e1080f3c5c32bc5cb9577a8f4d9",
     "9ea5a201dd5e13e05f87049bb154737d3cd7dd53db045bd4a8ecdd3d1eade71a"},
};

static size_t unhex(uint8_t *out, size_t room, const char *hex)
{
    size_t bytes;

    ck_assert_int_eq(sodium_hex2bin(out, room, hex, strlen(hex), NULL, &bytes, NULL), 0);
    return bytes;
}

/* Asked of libsodium itself, not of the module under test. */
static bool machine_has(enum suite suite)
{
    switch (suite) {
    case SUITE_CHACHA20POLY1305:
        return true;
    case SUITE_AES256GCM:
        return crypto_aead_aes256gcm_is_available() != 0;
    case SUITE_AEGIS128L:
    case SUITE_AEGIS256:
#if SODIUM_LIBRARY_VERSION_MAJOR >= 26 /* 1.0.19 */
        return (sodium_runtime_has_aesni() && sodium_runtime_has_avx()) ||
               sodium_runtime_has_armcrypto();
#endif
    case SUITE_NONE:
        break;
    }
    return false;
}

/* False, having checked that it is refused, where the machine lacks the suite. */
static bool init_or_refused(struct aead_key *key, enum suite suite, const char *key_hex)
{
    uint8_t material[AEAD_KEY_MATERIAL_BYTES];

    ck_assert_uint_eq(unhex(material, sizeof(material), key_hex), sizeof(material));
    if (aead_init(key, suite, material))
        return true;
    ck_assert(!machine_has(suite));
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

#ifdef AEAD_AEGIS
/* RFC 10032, appendix A: tags of 256 bits. The RFC's nonces are none that we make, so these go past
 * aead.c: they say that libsodium's AEGIS is the RFC's, and the rows above that ours is
 * libsodium's. */
#define AD_42  BYTES_32 "20212223242526272829"
#define MSG_40 "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"

static const struct {
    bool is_256;
    const char *ad_hex, *msg_hex, *ct_hex, *tag_hex;
} published[] = {
    {false, "", "00000000000000000000000000000000", "c1c0e58bd913006feba00f4b3cc3594e",
     "25835bfbb21632176cf03840687cb968cace4617af1bd0f7d064c639a5c79ee4"},
    {false, "", "", "", "1360dc9db8ae42455f6e5b6a9d488ea4f2184c4e12120249335c4ee84bafe25d"},
    {false, "0001020304050607", BYTES_32,
     "79d94593d8c2119d7e8fd9b8fc77845c5c077a05b2528b6ac54b563aed8efe84",
     "022cb796fe7e0ae1197525ff67e309484cfbab6528ddef89f17d74ef8ecd82b3"},
    {false, "0001020304050607", "000102030405060708090a0b0c0d", "79d94593d8c2119d7e8fd9b8fc77",
     "86f1b80bfb463aba711d15405d094baf4a55a15dbfec81a76f35ed0b9c8b04ac"},
    {false, AD_42, MSG_40,
     "b31052ad1cca4e291abcf2df3502e6bdb1bfd6db36798be3607b1f94d34478aa7ede7f7a990fec10",
     "b91e2947a33da8bee89b6794e647baf0fc835ff574aca3fc27c33be0db2aff98"},
    {true, "", "00000000000000000000000000000000", "754fc3d8c973246dcc6d741412a4b236",
     "1181a1d18091082bf0266f66297d167d2e68b845f61a3b0527d31fc7b7b89f13"},
    {true, "", "", "", "6a348c930adbd654896e1666aad67de989ea75ebaa2b82fb588977b1ffec864a"},
    {true, "0001020304050607", BYTES_32,
     "f373079ed84b2709faee373584585d60accd191db310ef5d8b11833df9dec711",
     "b7d28d0c3c0ebd409fd22b44160503073a547412da0854bfb9723020dab8da1a"},
    {true, "0001020304050607", "000102030405060708090a0b0c0d", "f373079ed84b2709faee37358458",
     "8c1cc703c81281bee3f6d9966e14948b4a175b2efbdc31e61a98b4465235c2d9"},
    {true, AD_42, MSG_40,
     "57754a7d09963e7c787583a2e7b859bb24fa1e04d49fd550b2511a358e3bca252a9b1b8b30cc4a67",
     "a3aca270c006094d71c20e6910b5161c0826df233d08919a566ec2c05990f734"},
};

START_TEST(libsodium_has_the_published_aegis)
{
    static const uint8_t key[32] = {0x10, 0x01}, nonce[32] = {0x10, 0x00, 0x02};
    uint8_t ad[64], msg[64], sealed[64 + 32], want[64 + 32];
    size_t ad_bytes = unhex(ad, sizeof(ad), published[_i].ad_hex);
    size_t msg_bytes = unhex(msg, sizeof(msg), published[_i].msg_hex);
    size_t want_bytes = unhex(want, sizeof(want), published[_i].ct_hex);
    unsigned long long bytes;

    want_bytes += unhex(want + want_bytes, sizeof(want) - want_bytes, published[_i].tag_hex);
    (published[_i].is_256 ? crypto_aead_aegis256_encrypt : crypto_aead_aegis128l_encrypt)(
        sealed, &bytes, msg, msg_bytes, ad, ad_bytes, NULL, nonce, key);
    ck_assert_uint_eq(bytes, want_bytes);
    ck_assert_mem_eq(sealed, want, want_bytes);
}
END_TEST
#endif

/* Nothing may differ from what was sealed: text, tag, additional data, counter, key, length. */
START_TEST(touched_datagram_is_refused)
{
    enum { TEXT = 40, AAD = 16 };
    struct aead_key key, other;
    uint8_t aad[AAD] = {1, 2, 3}, sealed[TEXT + AEAD_TAG_MAX_BYTES], text[sizeof(sealed) + 1];
    size_t sealed_bytes = TEXT + aead_tag_bytes(all_suites[_i]);

    if (!init_or_refused(&key, all_suites[_i], KEY_A5) ||
        !init_or_refused(&other, all_suites[_i], KEY_0))
        return;
    memset(sealed, 0, sizeof(sealed));
    memcpy(sealed, TEXT_40, TEXT);
    aead_seal(&key, 7, aad, AAD, sealed, TEXT);
    for (size_t i = 0; i < sealed_bytes; i++) {
        memcpy(text, sealed, sizeof(sealed));
        text[i] ^= 1;
        ck_assert(!aead_open(&key, 7, aad, AAD, text, sealed_bytes));
    }
    for (size_t i = 0; i < AAD; i++) {
        memcpy(text, sealed, sizeof(sealed));
        aad[i] ^= 0x80;
        ck_assert(!aead_open(&key, 7, aad, AAD, text, sealed_bytes));
        aad[i] ^= 0x80;
    }
    text[sealed_bytes] = 0;
    for (size_t bytes = 0; bytes <= sealed_bytes + 1; bytes++) {
        memcpy(text, sealed, sizeof(sealed));
        ck_assert_int_eq(aead_open(&key, 7, aad, AAD, text, bytes), bytes == sealed_bytes);
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        memcpy(text, sealed, sizeof(sealed));
        ck_assert(!aead_open(&key, 7 ^ UINT64_C(1) << bit, aad, AAD, text, sealed_bytes));
    }
    memcpy(text, sealed, sizeof(sealed));
    ck_assert(!aead_open(&other, 7, aad, AAD, text, sealed_bytes));
    memcpy(text, sealed, sizeof(sealed));
    ck_assert(!aead_open(&key, 7, aad, AAD - 1, text, sealed_bytes));
    memcpy(text, sealed, sizeof(sealed));
    ck_assert(aead_open(&key, 7, aad, AAD, text, sealed_bytes));
    ck_assert_mem_eq(text, TEXT_40, TEXT);
}
END_TEST

/* Every length, at every alignment of the text; in place and to elsewhere are the same. */
START_TEST(any_length_and_alignment_returns)
{
    enum { LENGTHS = 200 };
    struct aead_key key;
    uint8_t plain[LENGTHS], aad[16] = {0};
    uint8_t buffer[16 + LENGTHS + AEAD_TAG_MAX_BYTES], other[sizeof(buffer)];
    size_t tag = aead_tag_bytes(all_suites[_i]);

    if (!init_or_refused(&key, all_suites[_i], KEY_A5))
        return;
    for (size_t i = 0; i < LENGTHS; i++)
        plain[i] = (uint8_t)(i * 7 + 1);
    for (size_t bytes = 0; bytes < LENGTHS; bytes++) {
        uint8_t *text = buffer + bytes % 16, *out = other + bytes / 16 % 16;
        memcpy(text, plain, bytes);
        memset(other, 0xee, sizeof(other));
        aead_seal_from(&key, bytes, aad, sizeof(aad), out, text, bytes);
        ck_assert_mem_eq(text, plain, bytes);
        ck_assert_uint_eq(other[sizeof(other) - 1], 0xee);
        ck_assert(out == other || out[-1] == 0xee);
        ck_assert_uint_eq(out[bytes + tag], 0xee);
        aead_seal(&key, bytes, aad, sizeof(aad), text, bytes);
        ck_assert(bytes < 8 || memcmp(text, plain, bytes) != 0);
        ck_assert_mem_eq(text, out, bytes + tag);
        ck_assert(aead_open(&key, bytes, aad, sizeof(aad), text, bytes + tag));
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
    memset(text, 0xee, sizeof(text));
    aead_seal_from(&key, 0, NULL, 0, text, plain, 40);
    ck_assert_mem_eq(text, zero, 40);
    ck_assert(!aead_open(&key, 0, NULL, 0, text, sizeof(text)));
    ck_assert(!aead_open(&key, 0, NULL, 0, text, 0));
}
END_TEST

START_TEST(unknown_suite_is_refused)
{
    static const int unknown[] = {SUITE_NONE, 5, 255, -1};
    static const uint8_t material[AEAD_KEY_MATERIAL_BYTES] = {1};

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        struct aead_key key;
        enum suite suite = (enum suite)unknown[i];

        ck_assert(!aead_available(suite));
        ck_assert_uint_eq(aead_tag_bytes(suite), 0);
        ck_assert_ptr_null(aead_name(suite));
        ck_assert(!aead_init(&key, suite, material));
        ck_assert_int_eq(key.suite, SUITE_NONE);
    }
}
END_TEST

/* What each is called, and how much it adds where libsodium has it. */
static const struct {
    enum suite suite;
    int number;
    const char *name;
    size_t tag_bytes;
} known[SUITES] = {
    {SUITE_CHACHA20POLY1305, 1, "chacha20poly1305", 16},
    {SUITE_AES256GCM, 2, "aes256gcm", 16},
    {SUITE_AEGIS128L, 3, "aegis128l", 32},
    {SUITE_AEGIS256, 4, "aegis256", 32},
};

START_TEST(known_suite_is_described)
{
    size_t tag = aead_tag_bytes(known[_i].suite);

    ck_assert_int_eq(known[_i].suite, known[_i].number);
    ck_assert_str_eq(aead_name(known[_i].suite), known[_i].name);
    ck_assert_int_eq(aead_available(known[_i].suite), machine_has(known[_i].suite));
    ck_assert(tag == known[_i].tag_bytes || (tag == 0 && !machine_has(known[_i].suite)));
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
#ifdef AEAD_AEGIS
    tcase_add_loop_test(tc, libsodium_has_the_published_aegis, 0,
                        sizeof(published) / sizeof(published[0]));
#endif
    tcase_add_loop_test(tc, touched_datagram_is_refused, 0, SUITES);
    tcase_add_loop_test(tc, any_length_and_alignment_returns, 0, SUITES);
    tcase_add_test(tc, wiped_key_neither_sends_nor_opens);
    tcase_add_test(tc, unknown_suite_is_refused);
    tcase_add_loop_test(tc, known_suite_is_described, 0, SUITES);
    tcase_add_loop_test(tc, choice_holds, 0, sizeof(choices) / sizeof(choices[0]));
    tcase_add_test(tc, our_order_decides);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
