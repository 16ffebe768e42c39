/* SPDX-License-Identifier: MIT
 *
 * check_noise.c - the Noise engine against the public vectors, and against everything hostile.
 *
 * The vectors (tests/vectors/noise.json, found from the top of the tree) are played in full: each
 * message is written by one side and read by the other, then the handshake hash and the transport
 * messages are compared. The rest is played on IKpsk2, the pattern lansplice uses.
 */
#include "crypto/noise.h"

#include <check.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 512, VECTORS = 9 };

static const struct {
    const char *name;
    enum noise_pattern pattern;
    int handshake_messages;
} vectors[VECTORS] = {
    {"Noise_NN_25519_ChaChaPoly_BLAKE2b", NOISE_NN, 2},
    {"Noise_KK_25519_ChaChaPoly_BLAKE2b", NOISE_KK, 2},
    {"Noise_IK_25519_ChaChaPoly_BLAKE2b", NOISE_IK, 2},
    {"Noise_XX_25519_ChaChaPoly_BLAKE2b", NOISE_XX, 3},
    {"Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b", NOISE_NNPSK0, 2},
    {"Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b", NOISE_XXPSK3, 3},
    {"Noise_KKpsk2_25519_ChaChaPoly_BLAKE2b", NOISE_KKPSK2, 2},
    {"Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b", NOISE_IKPSK1, 2},
    {"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b", NOISE_IKPSK2, 2},
};

struct bytes {
    uint8_t at[MESSAGE_MAX];
    size_t bytes;
};

/* --- reading the vectors --- */

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;

    ck_assert_msg(json_object_object_get_ex(object, name, &value), "no member %s", name);
    return value;
}

static void parse_hex(struct json_object *text, struct bytes *out)
{
    const char *hex = json_object_get_string(text);

    ck_assert_int_eq(
        sodium_hex2bin(out->at, sizeof(out->at), hex, strlen(hex), NULL, &out->bytes, NULL), 0);
}

/* A key named role_field when the pattern has it; false when it has not. */
static bool key_of(struct json_object *vector, const char *role, const char *field,
                   uint8_t key[NOISE_KEY_BYTES])
{
    struct json_object *value;
    struct bytes bytes;
    char name[64];

    snprintf(name, sizeof(name), "%s_%s", role, field);
    if (!json_object_object_get_ex(vector, name, &value))
        return false;
    if (json_object_is_type(value, json_type_array)) {
        ck_assert_uint_eq(json_object_array_length(value), 1);
        value = json_object_array_get_idx(value, 0);
    }
    parse_hex(value, &bytes);
    ck_assert_uint_eq(bytes.bytes, NOISE_KEY_BYTES);
    memcpy(key, bytes.at, NOISE_KEY_BYTES);
    return true;
}

static void begin_role(struct noise *n, struct json_object *vector, enum noise_pattern pattern,
                       bool initiator)
{
    const char *role = initiator ? "init" : "resp";
    struct noise_keys keys;
    struct bytes prologue;

    memset(&keys, 0, sizeof(keys));
    ck_assert(key_of(vector, role, "ephemeral", keys.e_private));
    if (key_of(vector, role, "static", keys.s_private))
        ck_assert(noise_public_from_private(keys.s_public, keys.s_private));
    key_of(vector, role, "remote_static", keys.rs_public);
    key_of(vector, role, "psks", keys.psk);
    parse_hex(member(vector, initiator ? "init_prologue" : "resp_prologue"), &prologue);
    noise_init(n, pattern, initiator, prologue.at, prologue.bytes, &keys);
}

static struct json_object *find_vector(struct json_object *root, const char *name)
{
    struct json_object *list = member(root, "vectors");

    ck_assert_uint_eq(json_object_array_length(list), VECTORS);
    for (size_t i = 0; i < VECTORS; i++) {
        struct json_object *vector = json_object_array_get_idx(list, i);
        if (strcmp(json_object_get_string(member(vector, "protocol_name")), name) == 0)
            return vector;
    }
    ck_abort_msg("no vector %s", name);
    return NULL;
}

static void check_handshake_message(struct noise *writer, struct noise *reader,
                                    const struct bytes *payload, const struct bytes *expected)
{
    struct bytes message, read;

    ck_assert(!noise_done(writer) && !noise_done(reader));
    ck_assert(noise_write(writer, payload->at, payload->bytes, message.at, sizeof(message.at),
                          &message.bytes));
    ck_assert_uint_eq(message.bytes, expected->bytes);
    ck_assert_mem_eq(message.at, expected->at, message.bytes);
    ck_assert(noise_read(reader, message.at, message.bytes, read.at, payload->bytes, &read.bytes));
    ck_assert_uint_eq(read.bytes, payload->bytes);
    ck_assert_mem_eq(read.at, payload->at, read.bytes);
}

static void check_transport_message(const uint8_t key[NOISE_KEY_BYTES], uint8_t counter,
                                    const struct bytes *payload, const struct bytes *expected)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {[4] = counter};
    uint8_t sealed[MESSAGE_MAX + NOISE_TAG_BYTES];
    unsigned long long sealed_bytes;

    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &sealed_bytes, payload->at, payload->bytes,
                                              NULL, 0, NULL, nonce, key);
    ck_assert_uint_eq(sealed_bytes, expected->bytes);
    ck_assert_mem_eq(sealed, expected->at, expected->bytes);
}

static void check_hash_and_keys(const struct noise *a, const struct noise *b,
                                struct json_object *vector, uint8_t key[2][NOISE_KEY_BYTES])
{
    struct bytes expected;
    uint8_t other[2][NOISE_KEY_BYTES];

    ck_assert(noise_done(a) && noise_done(b));
    parse_hex(member(vector, "handshake_hash"), &expected);
    ck_assert_uint_eq(expected.bytes, NOISE_HASH_BYTES);
    ck_assert_mem_eq(a->hash, expected.at, NOISE_HASH_BYTES);
    ck_assert_mem_eq(b->hash, expected.at, NOISE_HASH_BYTES);
    noise_split(a, key[0], key[1]);
    noise_split(b, other[0], other[1]);
    ck_assert_mem_eq(key, other, sizeof(other));
}

START_TEST(vector_plays_in_full)
{
    struct json_object *root = json_object_from_file("tests/vectors/noise.json"), *vector, *list;
    struct noise side[2]; /* initiator, responder */
    uint8_t key[2][NOISE_KEY_BYTES];
    int handshake = vectors[_i].handshake_messages, count;

    ck_assert_msg(root != NULL, "run from the top of the tree");
    vector = find_vector(root, vectors[_i].name);
    begin_role(&side[0], vector, vectors[_i].pattern, true);
    begin_role(&side[1], vector, vectors[_i].pattern, false);
    list = member(vector, "messages");
    count = (int)json_object_array_length(list);
    ck_assert_int_eq(count, 6);
    for (int i = 0; i < count; i++) {
        struct json_object *message = json_object_array_get_idx(list, (size_t)i);
        struct bytes payload, expected;

        parse_hex(member(message, "payload"), &payload);
        parse_hex(member(message, "ciphertext"), &expected);
        if (i < handshake)
            check_handshake_message(&side[i % 2], &side[(i + 1) % 2], &payload, &expected);
        if (i == handshake - 1)
            check_hash_and_keys(&side[0], &side[1], vector, key);
        if (i >= handshake) /* the sides go on taking turns, each with a counter of its own */
            check_transport_message(key[i % 2], (uint8_t)((i - handshake) / 2), &payload,
                                    &expected);
    }
    json_object_put(root);
}
END_TEST

/* --- IKpsk2 between two made-up sides --- */

static const uint8_t prologue[] = "check", hello[] = "hello", welcome[] = "welcome";
static const uint8_t psk[NOISE_KEY_BYTES] = {1, 2, 3};

struct pair {
    struct noise_keys initiator_keys, responder_keys;
    struct noise initiator, responder;
    struct bytes message, payload;
};

static void fill_keys(struct noise_keys *keys, uint8_t seed)
{
    memset(keys, 0, sizeof(*keys));
    memset(keys->s_private, seed, sizeof(keys->s_private));
    memset(keys->e_private, seed + 1, sizeof(keys->e_private));
    ck_assert(noise_public_from_private(keys->s_public, keys->s_private));
}

static void begin_pair(struct pair *p)
{
    fill_keys(&p->initiator_keys, 0x10);
    fill_keys(&p->responder_keys, 0x20);
    memcpy(p->initiator_keys.rs_public, p->responder_keys.s_public, NOISE_KEY_BYTES);
    memcpy(p->initiator_keys.psk, psk, sizeof(psk));
    noise_init(&p->initiator, NOISE_IKPSK2, true, prologue, sizeof(prologue), &p->initiator_keys);
    noise_init(&p->responder, NOISE_IKPSK2, false, prologue, sizeof(prologue), &p->responder_keys);
}

static bool write_to(struct noise *n, const uint8_t *payload, size_t bytes, struct bytes *out)
{
    return noise_write(n, payload, bytes, out->at, sizeof(out->at), &out->bytes);
}

static bool read_from(struct noise *n, const struct bytes *message, struct bytes *out)
{
    return noise_read(n, message->at, message->bytes, out->at, sizeof(out->at), &out->bytes);
}

/* Up to a message 1 that is written, and, when read is asked for, read and its caller known. */
static void play_message_1(struct pair *p, bool read)
{
    begin_pair(p);
    ck_assert(write_to(&p->initiator, hello, sizeof(hello), &p->message));
    ck_assert_uint_eq(p->message.bytes, 32 + 48 + sizeof(hello) + 16);
    if (!read)
        return;
    ck_assert(read_from(&p->responder, &p->message, &p->payload));
    ck_assert_mem_eq(noise_remote_static(&p->responder), p->initiator_keys.s_public,
                     NOISE_KEY_BYTES);
    noise_set_psk(&p->responder, psk);
}

static void play_message_2(struct pair *p)
{
    play_message_1(p, true);
    ck_assert(write_to(&p->responder, welcome, sizeof(welcome), &p->message));
    ck_assert_uint_eq(p->message.bytes, 32 + sizeof(welcome) + 16);
}

static void assert_wiped(const struct noise *n)
{
    ck_assert(sodium_is_zero((const unsigned char *)n, sizeof(*n)));
    ck_assert(!noise_done(n));
}

START_TEST(late_psk_completes)
{
    struct pair p;
    uint8_t a[2][64], b[2][64], other[2][64];

    play_message_2(&p);
    ck_assert(!noise_done(&p.initiator) && noise_done(&p.responder));
    ck_assert(read_from(&p.initiator, &p.message, &p.payload));
    ck_assert(noise_done(&p.initiator));
    ck_assert_uint_eq(p.payload.bytes, sizeof(welcome));
    ck_assert_mem_eq(p.payload.at, welcome, sizeof(welcome));

    noise_export(&p.initiator, (const uint8_t *)"x", 1, a, 2);
    noise_export(&p.responder, (const uint8_t *)"x", 1, b, 2);
    noise_export(&p.responder, (const uint8_t *)"y", 1, other, 2);
    ck_assert_mem_eq(a, b, sizeof(a));
    ck_assert_mem_ne(a[0], a[1], 64);
    ck_assert_mem_ne(a[0], other[0], 64);
    noise_export(&p.responder, NULL, 0, other, 2);
    ck_assert_mem_ne(a[0], other[0], 64);
}
END_TEST

/* Every single byte of both messages counts. */
START_TEST(changed_byte_is_refused)
{
    struct pair p;
    struct noise fresh;

    play_message_1(&p, false);
    fresh = p.responder;
    for (size_t i = 0; i < p.message.bytes; i++) {
        p.message.at[i] ^= 0x40;
        p.responder = fresh;
        ck_assert(!read_from(&p.responder, &p.message, &p.payload));
        ck_assert_uint_eq(p.payload.bytes, 0);
        assert_wiped(&p.responder);
        p.message.at[i] ^= 0x40;
    }
    play_message_2(&p);
    fresh = p.initiator;
    for (size_t i = 0; i < p.message.bytes; i++) {
        p.message.at[i] ^= 0x40;
        p.initiator = fresh;
        ck_assert(!read_from(&p.initiator, &p.message, &p.payload));
        assert_wiped(&p.initiator);
        p.message.at[i] ^= 0x40;
    }
    p.initiator = fresh; /* a copy survives the forgeries */
    ck_assert(read_from(&p.initiator, &p.message, &p.payload));
}
END_TEST

START_TEST(cut_or_lengthened_message_is_refused)
{
    struct pair p;
    struct noise fresh;
    size_t whole;

    play_message_1(&p, false);
    fresh = p.responder;
    whole = p.message.bytes;
    p.message.at[whole] = 0;
    for (p.message.bytes = 0; p.message.bytes <= whole + 1; p.message.bytes++) {
        p.responder = fresh;
        ck_assert_int_eq(read_from(&p.responder, &p.message, &p.payload), p.message.bytes == whole);
    }
}
END_TEST

START_TEST(small_buffer_is_refused)
{
    struct pair p;
    struct noise fresh;
    size_t whole;

    play_message_1(&p, false);
    whole = p.message.bytes;
    fresh = p.responder;
    for (size_t room = 0; room <= sizeof(hello) + 1; room++) {
        p.responder = fresh;
        ck_assert_int_eq(
            noise_read(&p.responder, p.message.at, whole, p.payload.at, room, &p.payload.bytes),
            room >= sizeof(hello));
    }
    for (size_t room = 0; room <= whole + 1; room++) {
        begin_pair(&p);
        ck_assert_int_eq(
            noise_write(&p.initiator, hello, sizeof(hello), p.message.at, room, &p.message.bytes),
            room >= whole);
        ck_assert_uint_eq(p.message.bytes, room >= whole ? whole : 0);
    }
}
END_TEST

START_TEST(message_is_at_most_65535_bytes)
{
    static uint8_t payload[NOISE_MESSAGE_MAX_BYTES + 1], message[NOISE_MESSAGE_MAX_BYTES + 1];
    enum { FITS = NOISE_MESSAGE_MAX_BYTES - (32 + 48 + 16) };
    struct pair p;
    size_t bytes;

    begin_pair(&p);
    ck_assert(noise_write(&p.initiator, payload, FITS, message, sizeof(message), &bytes));
    ck_assert_uint_eq(bytes, NOISE_MESSAGE_MAX_BYTES);
    ck_assert(noise_read(&p.responder, message, bytes, payload, sizeof(payload), &bytes));
    ck_assert_uint_eq(bytes, FITS);
    begin_pair(&p);
    ck_assert(!noise_write(&p.initiator, payload, FITS + 1, message, sizeof(message), &bytes));
    /* NN's message 1 has no tag that would refuse it anyway */
    noise_init(&p.responder, NOISE_NN, false, NULL, 0, &p.responder_keys);
    ck_assert(noise_read(&p.responder, message, NOISE_MESSAGE_MAX_BYTES, payload, sizeof(payload),
                         &bytes));
    noise_init(&p.responder, NOISE_NN, false, NULL, 0, &p.responder_keys);
    ck_assert(!noise_read(&p.responder, message, NOISE_MESSAGE_MAX_BYTES + 1, payload,
                          sizeof(payload), &bytes));
}
END_TEST

START_TEST(out_of_turn_is_refused)
{
    struct pair p;

    begin_pair(&p);
    ck_assert(!write_to(&p.responder, hello, sizeof(hello), &p.message));
    assert_wiped(&p.responder);
    ck_assert(!read_from(&p.initiator, &p.message, &p.payload));
    assert_wiped(&p.initiator);

    /* NN's message 1 needs no key: only whose turn it is refuses it */
    noise_init(&p.responder, NOISE_NN, false, NULL, 0, &p.responder_keys);
    ck_assert(!write_to(&p.responder, hello, sizeof(hello), &p.message));
    noise_init(&p.initiator, NOISE_NN, true, NULL, 0, &p.initiator_keys);
    memset(p.message.at, 9, NOISE_KEY_BYTES);
    p.message.bytes = NOISE_KEY_BYTES;
    ck_assert(!read_from(&p.initiator, &p.message, &p.payload));

    play_message_1(&p, true);
    ck_assert(!write_to(&p.initiator, hello, sizeof(hello), &p.message));
    assert_wiped(&p.initiator);
    ck_assert(!read_from(&p.responder, &p.message, &p.payload));
    assert_wiped(&p.responder);

    play_message_2(&p); /* nothing follows the last message */
    ck_assert(read_from(&p.initiator, &p.message, &p.payload));
    ck_assert(!write_to(&p.initiator, hello, sizeof(hello), &p.message));
    assert_wiped(&p.initiator);
}
END_TEST

START_TEST(wiped_handshake_is_refused)
{
    struct pair p;

    play_message_2(&p);
    noise_wipe(&p.responder);
    assert_wiped(&p.responder);
    noise_wipe(&p.initiator);
    ck_assert(!read_from(&p.initiator, &p.message, &p.payload));
    ck_assert(!write_to(&p.responder, hello, sizeof(hello), &p.message));
}
END_TEST

START_TEST(disagreement_is_refused)
{
    static const uint8_t other[NOISE_KEY_BYTES] = {9};
    struct pair p;

    /* another psk */
    play_message_1(&p, true);
    noise_set_psk(&p.responder, other);
    ck_assert(write_to(&p.responder, welcome, sizeof(welcome), &p.message));
    ck_assert(!read_from(&p.initiator, &p.message, &p.payload));
    /* another prologue */
    play_message_1(&p, false);
    noise_init(&p.responder, NOISE_IKPSK2, false, prologue, 1, &p.responder_keys);
    ck_assert(!read_from(&p.responder, &p.message, &p.payload));
    /* another responder's key */
    play_message_1(&p, false);
    fill_keys(&p.responder_keys, 0x30);
    noise_init(&p.responder, NOISE_IKPSK2, false, prologue, sizeof(prologue), &p.responder_keys);
    ck_assert(!read_from(&p.responder, &p.message, &p.payload));
    /* a sister pattern of the same shape */
    play_message_1(&p, false);
    noise_init(&p.responder, NOISE_IK, false, prologue, sizeof(prologue), &p.responder_keys);
    ck_assert(!read_from(&p.responder, &p.message, &p.payload));
}
END_TEST

/* u coordinates of small order, RFC 7748 section 6.1: whatever the key, the result is zero. */
static const uint8_t small_order[][NOISE_KEY_BYTES] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
};

/* NN's message 2 is the first to compute: its e is the attacker's to choose, nothing seals it. */
START_TEST(small_order_key_is_refused)
{
    struct noise_keys keys;
    struct noise n;
    struct bytes message, payload;

    fill_keys(&keys, 0x40);
    memcpy(keys.rs_public, small_order[_i], NOISE_KEY_BYTES);
    noise_init(&n, NOISE_NN, false, prologue, sizeof(prologue), &keys);
    memcpy(message.at, small_order[_i], NOISE_KEY_BYTES);
    message.bytes = NOISE_KEY_BYTES;
    ck_assert(read_from(&n, &message, &payload));
    ck_assert(!write_to(&n, hello, sizeof(hello), &message));
    assert_wiped(&n);

    noise_init(&n, NOISE_IKPSK2, true, prologue, sizeof(prologue), &keys);
    ck_assert(!write_to(&n, hello, sizeof(hello), &message));
    assert_wiped(&n);
}
END_TEST

/* RFC 7748 section 6.1: Alice, Bob. */
static const struct {
    const char *private_key, *public_key;
} rfc7748_keys[] = {
    {"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
     "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
    {"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
};

START_TEST(public_key_matches_rfc7748)
{
    uint8_t priv[NOISE_KEY_BYTES], pub[NOISE_KEY_BYTES];
    char hex[2 * NOISE_KEY_BYTES + 1];

    ck_assert_int_eq(
        sodium_hex2bin(priv, sizeof(priv), rfc7748_keys[_i].private_key, 64, NULL, NULL, NULL), 0);
    ck_assert(noise_public_from_private(pub, priv));
    ck_assert_str_eq(sodium_bin2hex(hex, sizeof(hex), pub, sizeof(pub)),
                     rfc7748_keys[_i].public_key);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("noise");
    TCase *tc = tcase_create("vectors"), *ik = tcase_create("IKpsk2");
    SRunner *runner = srunner_create(suite);
    int failed;

    if (sodium_init() < 0)
        return EXIT_FAILURE;
    tcase_add_loop_test(tc, vector_plays_in_full, 0, VECTORS);
    suite_add_tcase(suite, tc);
    tcase_set_timeout(ik, 30);
    tcase_add_test(ik, late_psk_completes);
    tcase_add_test(ik, changed_byte_is_refused);
    tcase_add_test(ik, cut_or_lengthened_message_is_refused);
    tcase_add_test(ik, small_buffer_is_refused);
    tcase_add_test(ik, message_is_at_most_65535_bytes);
    tcase_add_test(ik, out_of_turn_is_refused);
    tcase_add_test(ik, wiped_handshake_is_refused);
    tcase_add_test(ik, disagreement_is_refused);
    tcase_add_loop_test(ik, small_order_key_is_refused, 0,
                        sizeof(small_order) / sizeof(small_order[0]));
    tcase_add_loop_test(ik, public_key_matches_rfc7748, 0, 2);
    suite_add_tcase(suite, ik);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
