/* SPDX-License-Identifier: MIT
 *
 * cookie.c - mac1, mac2 and cookies; cookie.h says how they are made.
 */
#include "crypto/cookie.h"

#include "bytes.h"

#include <sodium.h>
#include <string.h>

enum {
    MACS_BYTES = 2 * MAC_TAG_BYTES,
    REPLY_NONCE_OFFSET = 8, /* of a WIRE_COOKIE datagram */
    REPLY_SEALED_OFFSET = REPLY_NONCE_OFFSET + COOKIE_NONCE_BYTES,
    SEALED_BYTES = COOKIE_BYTES - REPLY_SEALED_OFFSET,
};

_Static_assert(SEALED_BYTES == COOKIE_VALUE_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "the sealed cookie fills the datagram");

/* All that is hashed here is 16 bytes, under a key: mac1, mac2 and the cookie itself. */
static void keyed_hash(uint8_t out[16], const uint8_t *key, size_t key_bytes, const uint8_t *data,
                       size_t data_bytes)
{
    crypto_generichash(out, 16, data, data_bytes, key, key_bytes);
}

static void mac1_of(uint8_t mac1[MAC_TAG_BYTES], const struct cookie_key *key,
                    const uint8_t *datagram, size_t bytes)
{
    keyed_hash(mac1, key->mac1, sizeof(key->mac1), datagram, bytes - MACS_BYTES);
}

static void mac2_of(uint8_t mac2[MAC_TAG_BYTES], const uint8_t cookie[COOKIE_VALUE_BYTES],
                    const uint8_t *datagram, size_t bytes)
{
    keyed_hash(mac2, cookie, COOKIE_VALUE_BYTES, datagram, bytes - MAC_TAG_BYTES);
}

static void cookie_of(uint8_t cookie[COOKIE_VALUE_BYTES], const uint8_t secret[COOKIE_SECRET_BYTES],
                      const struct endpoint *from)
{
    uint8_t source[1 + sizeof(from->address.octet) + 2];

    source[0] = from->address.family;
    memcpy(source + 1, from->address.octet, sizeof(from->address.octet));
    store_be16(source + 1 + sizeof(from->address.octet), from->port);
    keyed_hash(cookie, secret, COOKIE_SECRET_BYTES, source, sizeof(source));
}

static void hash_labelled(uint8_t out[32], const char label[8], const uint8_t public_key[32])
{
    uint8_t input[8 + PUBLIC_KEY_BYTES];

    memcpy(input, label, 8);
    memcpy(input + 8, public_key, PUBLIC_KEY_BYTES);
    crypto_generichash(out, 32, input, sizeof(input), NULL, 0);
}

void cookie_key_derive(struct cookie_key *k, const uint8_t public_key[32])
{
    hash_labelled(k->mac1, "mac1----", public_key);
    hash_labelled(k->seal, "cookie--", public_key);
}

/* --- sender --- */

void cookie_add_macs(struct cookie_jar *jar, const struct cookie_key *responder, uint8_t *datagram,
                     size_t datagram_bytes, uint64_t now_us)
{
    uint8_t *mac1 = datagram + datagram_bytes - MACS_BYTES, *mac2 = mac1 + MAC_TAG_BYTES;

    mac1_of(mac1, responder, datagram, datagram_bytes);
    memcpy(jar->last_mac1, mac1, MAC_TAG_BYTES);
    jar->have_mac1 = true;
    if (jar->have_cookie && now_us - jar->received_us < COOKIE_LIFE_US)
        mac2_of(mac2, jar->cookie, datagram, datagram_bytes);
    else
        memset(mac2, 0, MAC_TAG_BYTES);
}

bool cookie_consume_reply(struct cookie_jar *jar, const struct cookie_key *responder,
                          const uint8_t *reply, uint64_t now_us)
{
    uint8_t cookie[COOKIE_VALUE_BYTES];

    if (!jar->have_mac1 ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(
            cookie, NULL, NULL, reply + REPLY_SEALED_OFFSET, SEALED_BYTES, jar->last_mac1,
            MAC_TAG_BYTES, reply + REPLY_NONCE_OFFSET, responder->seal) != 0)
        return false;
    memcpy(jar->cookie, cookie, sizeof(cookie));
    jar->received_us = now_us;
    jar->have_cookie = true;
    jar->have_mac1 = false; /* a repeated reply would make an old cookie young */
    sodium_memzero(cookie, sizeof(cookie));
    return true;
}

/* --- receiver --- */

bool cookie_mac1_valid(const struct cookie_maker *m, const uint8_t *datagram, size_t bytes)
{
    uint8_t expected[MAC_TAG_BYTES];

    if (bytes < MACS_BYTES)
        return false;
    mac1_of(expected, &m->own, datagram, bytes);
    return sodium_memcmp(expected, datagram + bytes - MACS_BYTES, MAC_TAG_BYTES) == 0;
}

bool cookie_needs_secret(const struct cookie_maker *m, uint64_t now_us)
{
    return !m->have_secret || now_us - m->secret_us >= COOKIE_LIFE_US;
}

/* A secret makes cookies for one life, and the last of them lives one more. */
void cookie_set_secret(struct cookie_maker *m, const uint8_t secret[32], uint64_t now_us)
{
    m->have_previous = m->have_secret && now_us - m->secret_us < 2 * COOKIE_LIFE_US;
    memcpy(m->previous_secret, m->secret, sizeof(m->previous_secret));
    memcpy(m->secret, secret, sizeof(m->secret));
    m->secret_us = now_us;
    m->have_secret = true;
}

static bool mac2_made_under(const uint8_t secret[COOKIE_SECRET_BYTES], const uint8_t *datagram,
                            size_t bytes, const struct endpoint *from)
{
    uint8_t cookie[COOKIE_VALUE_BYTES], expected[MAC_TAG_BYTES];

    cookie_of(cookie, secret, from);
    mac2_of(expected, cookie, datagram, bytes);
    return sodium_memcmp(expected, datagram + bytes - MAC_TAG_BYTES, MAC_TAG_BYTES) == 0;
}

bool cookie_mac2_valid(const struct cookie_maker *m, const uint8_t *datagram, size_t bytes,
                       const struct endpoint *from)
{
    if (!m->have_secret || bytes < MACS_BYTES)
        return false;
    if (sodium_is_zero(datagram + bytes - MAC_TAG_BYTES, MAC_TAG_BYTES))
        return false; /* no cookie: what a flood sends, refused without a hash */
    return mac2_made_under(m->secret, datagram, bytes, from) ||
           (m->have_previous && mac2_made_under(m->previous_secret, datagram, bytes, from));
}

void cookie_make_reply(const struct cookie_maker *m, uint8_t out[COOKIE_BYTES],
                       uint32_t receiver_index, const uint8_t nonce[24], const uint8_t *datagram,
                       size_t bytes, const struct endpoint *from)
{
    uint8_t cookie[COOKIE_VALUE_BYTES];

    store_be32(out, (uint32_t)WIRE_COOKIE << 24 | (uint32_t)WIRE_PART_WHOLE << 16);
    store_be32(out + 4, receiver_index);
    memcpy(out + REPLY_NONCE_OFFSET, nonce, COOKIE_NONCE_BYTES);
    cookie_of(cookie, m->secret, from);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + REPLY_SEALED_OFFSET, NULL, cookie,
                                               sizeof(cookie), datagram + bytes - MACS_BYTES,
                                               MAC_TAG_BYTES, NULL, nonce, m->own.seal);
    sodium_memzero(cookie, sizeof(cookie));
}
