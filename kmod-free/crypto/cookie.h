/* SPDX-License-Identifier: MIT
 *
 * cookie.h - mac1, mac2 and cookies: what a handshake datagram must show before work is done on it.
 *
 * The scheme is WireGuard's (whitepaper 5.3, 5.4.4 and 5.4.7) with BLAKE2b in BLAKE2s's place. The
 * last 32 bytes of a handshake datagram are mac1 || mac2, 16 bytes each:
 *
 *   key.mac1 = BLAKE2b-256("mac1----" || receiver's public key)
 *   key.seal = BLAKE2b-256("cookie--" || receiver's public key)
 *   mac1     = keyed BLAKE2b-128(key.mac1, all bytes before mac1)
 *   mac2     = keyed BLAKE2b-128(cookie, all bytes before mac2), or zero without a cookie
 *   cookie   = keyed BLAKE2b-128(receiver's secret, family 1 || address 16 || port 2)
 *   reply    = nonce, XChaCha20-Poly1305(key.seal, nonce, cookie, AAD mac1 of the datagram refused)
 *
 * mac1 proves that the sender knows our public key: without it nothing is ever answered. Under load
 * a datagram without a valid mac2 is answered by a cookie only, which costs hashes but no
 * Diffie-Hellman, and keeps no state. A cookie proves that its owner receives at its address and
 * port. An IPv4 address is the first 4 of the 16 octets, the rest zero; a scope is not bound.
 *
 * The receiver's secret changes every 120 s. The one before is kept, so that a cookie is good for
 * the whole 120 s that a sender uses it. Order at the receiver: cookie_mac1_valid(); under load
 * cookie_needs_secret() and, if it does, cookie_set_secret(); cookie_mac2_valid(); if it is not,
 * cookie_make_reply().
 */
#ifndef CRYPTO_COOKIE_H
#define CRYPTO_COOKIE_H

#include "address.h"
#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COOKIE_LIFE_US UINT64_C(120000000) /* of a cookie at its owner, and of a secret */
enum { COOKIE_VALUE_BYTES = 16, COOKIE_SECRET_BYTES = 32, COOKIE_NONCE_BYTES = 24 };

/* What follows from a receiver's public key. */
struct cookie_key {
    uint8_t mac1[32];
    uint8_t seal[32];
};

/* Sender, one per peer. All zero is a jar without a cookie. */
struct cookie_jar {
    uint64_t received_us;
    uint8_t cookie[COOKIE_VALUE_BYTES];
    uint8_t last_mac1[MAC_TAG_BYTES]; /* of the datagram a reply may come for */
    bool have_cookie, have_mac1;
};

/* Receiver, one per own key. All zero but own is a maker without a secret. */
struct cookie_maker {
    uint64_t secret_us; /* when secret was set */
    struct cookie_key own;
    uint8_t secret[COOKIE_SECRET_BYTES], previous_secret[COOKIE_SECRET_BYTES];
    bool have_secret, have_previous;
};

/**
 * cookie_key_derive() - the keys that follow from a public key
 * @k: receives them
 * @public_key: of the receiver of the datagrams
 */
void cookie_key_derive(struct cookie_key *k, const uint8_t public_key[32]);

/**
 * cookie_add_macs() - fill in mac1 and mac2 of a datagram about to be sent
 * @jar: the receiver's cookie, if there is one; remembers mac1
 * @responder: the receiver's keys
 * @datagram: the whole datagram; its last 32 bytes are overwritten
 * @datagram_bytes: length of it, 32 at least
 * @now_us: monotonic microseconds; a cookie of 120 s or older is not used
 */
void cookie_add_macs(struct cookie_jar *jar, const struct cookie_key *responder, uint8_t *datagram,
                     size_t datagram_bytes, uint64_t now_us);

/**
 * cookie_consume_reply() - take the cookie out of a cookie datagram
 * @jar: receives the cookie, for the next cookie_add_macs()
 * @responder: keys of the peer the last datagram was sent to
 * @reply: a whole WIRE_COOKIE datagram, COOKIE_BYTES
 * @now_us: monotonic microseconds
 *
 * Return: false when it does not answer the last datagram sent, or answers it a second time.
 */
bool cookie_consume_reply(struct cookie_jar *jar, const struct cookie_key *responder,
                          const uint8_t *reply, uint64_t now_us);

/**
 * cookie_mac1_valid() - whether the sender of a datagram knows our public key
 * @m: our keys
 * @datagram: the whole datagram
 * @bytes: length of it, any
 */
bool cookie_mac1_valid(const struct cookie_maker *m, const uint8_t *datagram, size_t bytes);

/**
 * cookie_needs_secret() - whether cookie_set_secret() is due
 * @m: the maker
 * @now_us: monotonic microseconds
 *
 * Return: true when there is no secret, or it is 120 s old or older.
 */
bool cookie_needs_secret(const struct cookie_maker *m, uint64_t now_us);

/**
 * cookie_set_secret() - replace the secret, keeping the one before for cookies still in use
 * @m: the maker
 * @secret: fresh random bytes, copied
 * @now_us: monotonic microseconds
 */
void cookie_set_secret(struct cookie_maker *m, const uint8_t secret[32], uint64_t now_us);

/**
 * cookie_mac2_valid() - whether the sender of a datagram receives where it says it sends from
 * @m: the maker; without a secret nothing is valid
 * @datagram: the whole datagram
 * @bytes: length of it, any
 * @from: its source address and port
 */
bool cookie_mac2_valid(const struct cookie_maker *m, const uint8_t *datagram, size_t bytes,
                       const struct endpoint *from);

/**
 * cookie_make_reply() - write the WIRE_COOKIE datagram for a datagram refused
 * @m: the maker, with a secret
 * @out: receives COOKIE_BYTES, fewer than any datagram that is answered with it
 * @receiver_index: the sender index of @datagram
 * @nonce: 24 fresh random bytes
 * @datagram: the datagram refused, its mac1 valid
 * @bytes: length of it, 32 at least
 * @from: its source address and port
 */
void cookie_make_reply(const struct cookie_maker *m, uint8_t out[COOKIE_BYTES],
                       uint32_t receiver_index, const uint8_t nonce[24], const uint8_t *datagram,
                       size_t bytes, const struct endpoint *from);

#endif
