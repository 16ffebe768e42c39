/* SPDX-License-Identifier: MIT
 *
 * aead.h - the ciphers of data datagrams, behind one small interface.
 *
 * A key is one suite and its prepared state. Opening happens in place, sealing there or elsewhere.
 * A nonce is made of the datagram's 64-bit counter, as wire.h says. So a key must never see a
 * counter twice: keys are one per session and direction.
 *
 * sodium_init() must have been called: it finds out what the processor can do.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include "wire.h"

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libsodium has AEGIS since 1.0.19. */
#ifdef crypto_aead_aegis128l_KEYBYTES
#define AEAD_AEGIS 1
_Static_assert(crypto_aead_aegis128l_KEYBYTES == 16 && crypto_aead_aegis128l_NPUBBYTES == 16 &&
                   crypto_aead_aegis128l_ABYTES == 32,
               "wire.h's AEGIS-128L is libsodium's");
_Static_assert(crypto_aead_aegis256_KEYBYTES == 32 && crypto_aead_aegis256_NPUBBYTES == 32 &&
                   crypto_aead_aegis256_ABYTES == 32,
               "wire.h's AEGIS-256 is libsodium's");
#endif

enum { AEAD_KEY_MATERIAL_BYTES = 32, AEAD_TAG_MAX_BYTES = 32 };

/* Look inside only in aead.c. Aligned to 16 bytes, as AES-GCM's round keys are. */
struct aead_key {
    enum suite suite; /* SUITE_NONE: not initialised, or wiped; opens nothing */
    union {
        uint8_t chacha20poly1305[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
        crypto_aead_aes256gcm_state aes256gcm;
#ifdef AEAD_AEGIS
        uint8_t aegis128l[crypto_aead_aegis128l_KEYBYTES]; /* the first half of the material */
        uint8_t aegis256[crypto_aead_aegis256_KEYBYTES];
#endif
    } state;
};

/**
 * aead_name() - a suite's name, as in the configuration
 * @suite: any value
 *
 * Return: a constant such as "aegis128l", also for a suite that this machine cannot use; NULL for a
 * number that means none.
 */
const char *aead_name(enum suite suite);

/**
 * aead_available() - whether this machine can use a suite
 * @suite: any value, also one from the wire
 *
 * Those built on AES only where the processor has it: in software AEGIS would be slow, and its
 * time would tell of the key. So when both sides offer one, both have AES.
 */
bool aead_available(enum suite suite);

/**
 * aead_tag_bytes() - by how much sealing lengthens a text
 * @suite: any value
 *
 * Return: at most AEAD_TAG_MAX_BYTES; 0 for a suite not known here, or not to this libsodium.
 */
size_t aead_tag_bytes(enum suite suite);

/**
 * aead_choose() - the suite both sides can use that we like best
 * @preferred: our suites, best first
 * @preferred_count: how many
 * @offered: the other side's suites, in any order; values not known here are skipped
 * @offered_count: how many
 *
 * Return: the first of @preferred that is offered and available, else SUITE_NONE.
 */
enum suite aead_choose(const uint8_t *preferred, size_t preferred_count, const uint8_t *offered,
                       size_t offered_count);

/**
 * aead_init() - prepare a key
 * @key: receives the prepared key; wipe it with aead_wipe()
 * @suite: which cipher
 * @material: 32 bytes of key material, for this suite and direction only
 *
 * Return: false when the suite is not available; @key is then as if wiped.
 */
bool aead_init(struct aead_key *key, enum suite suite, const uint8_t material[32]);

/** aead_wipe() - forget a key */
void aead_wipe(struct aead_key *key);

/**
 * aead_seal() - encrypt in place and append the tag
 * @key: an initialised key
 * @counter: the datagram's counter, never used with this key before
 * @aad: what is authenticated without being encrypted
 * @aad_bytes: length of @aad
 * @text: plain text; must have room for @text_bytes and the tag
 * @text_bytes: length of the plain text
 *
 * With a key that is not initialised @text is zeroed, so that a bug never sends plain text.
 */
void aead_seal(const struct aead_key *key, uint64_t counter, const uint8_t *aad, size_t aad_bytes,
               uint8_t *text, size_t text_bytes);

/**
 * aead_seal_from() - encrypt to elsewhere and append the tag
 * @key: as for aead_seal()
 * @counter: as for aead_seal()
 * @aad: what is authenticated without being encrypted
 * @aad_bytes: length of @aad
 * @out: receives @message_bytes and the tag; is @message, or does not overlap it
 * @message: plain text, not changed unless it is @out
 * @message_bytes: length of the plain text
 *
 * With a key that is not initialised the first @message_bytes of @out are zeroed.
 */
void aead_seal_from(const struct aead_key *key, uint64_t counter, const uint8_t *aad,
                    size_t aad_bytes, uint8_t *out, const uint8_t *message, size_t message_bytes);

/**
 * aead_open() - verify and decrypt in place
 * @key: a key
 * @counter: the datagram's counter
 * @aad: as it was sealed
 * @aad_bytes: length of @aad
 * @text: sealed text with its tag at the end; the plain text stands at its beginning afterwards
 * @sealed_bytes: length of both; the plain text is aead_tag_bytes() shorter
 *
 * Return: false when it is too short, not authentic, or @key is not initialised; @text then holds
 * nothing of use.
 */
bool aead_open(const struct aead_key *key, uint64_t counter, const uint8_t *aad, size_t aad_bytes,
               uint8_t *text, size_t sealed_bytes);

#endif
