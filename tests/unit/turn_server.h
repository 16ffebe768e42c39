/* SPDX-License-Identifier: MIT
 *
 * turn_server.h - a TURN client under test, and the hand that plays its server: takes the requests
 * that are due apart and answers as told. The hash functions are not MD5 and SHA-1, but keyed all
 * the same: the client has them from outside.
 */
#ifndef TURN_SERVER_H
#define TURN_SERVER_H

#include "bytes.h"
#include "tunnel/turn.h"

#include <check.h>
#include <sodium.h>
#include <string.h>

#define MS     UINT64_C(1000)
#define SECOND (1000 * MS)
#define NEVER  UINT64_MAX

static struct turn turn;
static struct turn_request request; /* the last one that was due */
static struct stun_message asked;   /* it, taken apart */
static uint64_t now_us;

static const struct endpoint server = {.address = {IP_V4, {192, 0, 2, 1}}, .port = 3478};
static const struct endpoint relayed = {.address = {IP_V4, {192, 0, 2, 1}}, .port = 50000};
static const struct endpoint relayed_v6 = {.address = {IP_V6, {0x20, 1, 0xd, 0xb8}}, .port = 1};
static const struct endpoint peer_a = {.address = {IP_V4, {198, 51, 100, 7}}, .port = 7788};
static const struct endpoint peer_b = {.address = {IP_V4, {198, 51, 100, 8}}, .port = 7788};

static inline void test_random(void *context, void *out, size_t bytes)
{
    (void)context;
    randombytes_buf(out, bytes);
}

static inline void test_key(const char *user, const uint8_t *realm, size_t realm_bytes,
                            const char *password, uint8_t out[TURN_KEY_BYTES])
{
    crypto_generichash_state s;

    crypto_generichash_init(&s, NULL, 0, TURN_KEY_BYTES);
    crypto_generichash_update(&s, (const uint8_t *)user, strlen(user) + 1);
    crypto_generichash_update(&s, realm, realm_bytes);
    crypto_generichash_update(&s, (const uint8_t *)password, strlen(password));
    crypto_generichash_final(&s, out, TURN_KEY_BYTES);
}

static inline void test_hmac(const uint8_t *key, size_t key_bytes, const uint8_t *data,
                             size_t bytes, uint8_t out[STUN_INTEGRITY_BYTES])
{
    crypto_generichash(out, STUN_INTEGRITY_BYTES, data, bytes, key, key_bytes);
}

static const struct turn_ops test_ops = {NULL, test_random, test_key, test_hmac};

static inline void begin(uint64_t start_us)
{
    now_us = start_us;
    memset(&turn, 0xa5, sizeof turn);
    ck_assert(turn_init(&turn, &test_ops, "home", "secret"));
}

static inline void assert_state(enum turn_state state, enum turn_failure failure)
{
    ck_assert_int_eq(turn.state, state);
    ck_assert_int_eq(turn.failure, failure);
    ck_assert(state == TURN_ALLOCATED || turn_relayed(&turn) == NULL);
}
/* ---- requests ---- */

static inline bool due(void)
{
    if (!turn_due(&turn, now_us, &request))
        return false;
    ck_assert(stun_parse(&asked, request.data, request.bytes));
    ck_assert_int_eq(asked.class_, STUN_REQUEST);
    return true;
}

static inline void assert_due(enum stun_method method)
{
    ck_assert(due());
    ck_assert_int_eq(asked.method, method);
}

/* Nothing is due, nor just before the deadline, which is @at_us. */
static inline void assert_quiet_until(uint64_t at_us)
{
    ck_assert(!due());
    ck_assert_uint_eq(turn_deadline_us(&turn), at_us);
    if (at_us == NEVER)
        return;
    now_us = at_us - 1;
    ck_assert(!due());
    now_us = at_us;
}

static inline bool text_is(uint16_t type, const char *text)
{
    const uint8_t *value;
    size_t bytes;

    return stun_find(&asked, type, &value, &bytes) && bytes == strlen(text) &&
           memcmp(value, text, bytes) == 0;
}

/* The request carries credentials, made of what the server said last. */
static inline void assert_signed(const char *realm, const char *nonce)
{
    uint8_t key[TURN_KEY_BYTES];

    test_key("home", (const uint8_t *)realm, strlen(realm), "secret", key);
    ck_assert(text_is(ATTRIBUTE_USERNAME, "home"));
    ck_assert(text_is(ATTRIBUTE_REALM, realm));
    ck_assert(text_is(ATTRIBUTE_NONCE, nonce));
    ck_assert(stun_integrity_ok(&asked, key, sizeof key, test_hmac));
}

static inline uint32_t number_in(uint16_t type)
{
    const uint8_t *value;
    size_t bytes;

    ck_assert(stun_find(&asked, type, &value, &bytes));
    ck_assert_uint_eq(bytes, 4);
    return load_be32(value);
}

/* ---- answers ---- */

enum signing { UNSIGNED, SIGNED, FORGED };

struct answer {
    unsigned code;             /* 0: success */
    const char *realm, *nonce; /* NULL: left out */
    const struct endpoint *also_relayed, *relayed;
    uint32_t lifetime_s; /* 0: left out */
    enum signing signing;
};

static inline void add_error(struct stun_writer *writer, unsigned code)
{
    uint8_t value[4] = {0, 0, (uint8_t)(code / 100), (uint8_t)(code % 100)};

    stun_add(writer, ATTRIBUTE_ERROR_CODE, value, sizeof value);
}

static inline void sign(struct stun_writer *writer, enum signing how)
{
    uint8_t key[TURN_KEY_BYTES];

    test_key("home", (const uint8_t *)"realm", 5, how == SIGNED ? "secret" : "guess", key);
    if (how != UNSIGNED)
        stun_add_integrity(writer, key, sizeof key, test_hmac);
}

static inline size_t write_answer(const struct answer *a, uint8_t out[STUN_MESSAGE_MAX_BYTES])
{
    struct stun_writer w;

    stun_begin(&w, out, STUN_MESSAGE_MAX_BYTES, asked.method,
               a->code != 0 ? STUN_ERROR : STUN_SUCCESS, asked.transaction);
    if (a->code != 0)
        add_error(&w, a->code);
    if (a->realm != NULL)
        stun_add(&w, ATTRIBUTE_REALM, a->realm, strlen(a->realm));
    if (a->nonce != NULL)
        stun_add(&w, ATTRIBUTE_NONCE, a->nonce, strlen(a->nonce));
    if (a->also_relayed != NULL)
        stun_add_xor_address(&w, ATTRIBUTE_XOR_RELAYED_ADDRESS, a->also_relayed);
    if (a->relayed != NULL)
        stun_add_xor_address(&w, ATTRIBUTE_XOR_RELAYED_ADDRESS, a->relayed);
    if (a->lifetime_s != 0)
        stun_add_u32(&w, ATTRIBUTE_LIFETIME, a->lifetime_s);
    sign(&w, a->signing);
    ck_assert_uint_gt(stun_end(&w), 0);
    return stun_end(&w);
}

static inline enum turn_receipt receive(const struct endpoint *from, uint8_t *data, size_t bytes)
{
    struct turn_delivery unwanted;

    return turn_receive(&turn, from, data, bytes, now_us, &unwanted);
}

/* To the last request that was due. */
static inline void answer(struct answer a)
{
    uint8_t out[STUN_MESSAGE_MAX_BYTES];
    size_t bytes = write_answer(&a, out);

    ck_assert_int_eq(receive(&server, out, bytes), TURN_HANDLED);
}

static inline void say_nonce(unsigned code, const char *realm, const char *nonce)
{
    answer((struct answer){.code = code, .realm = realm, .nonce = nonce});
}

static inline void challenge(void)
{
    assert_due(STUN_ALLOCATE);
    say_nonce(401, "realm", "nonce");
    assert_due(STUN_ALLOCATE);
}

static inline void allocate(uint64_t start_us)
{
    begin(start_us);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.relayed = &relayed, .lifetime_s = 600, .signing = SIGNED});
    ck_assert_int_eq(turn.state, TURN_ALLOCATED);
    ck_assert(!due());
}

#endif
