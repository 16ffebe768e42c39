/* SPDX-License-Identifier: MIT
 *
 * aead.c - the ciphers of data datagrams; aead.h says what is offered.
 *
 * A suite is a row of the table: its tag's length and four functions over libsodium. To add one
 * (AEGIS-128L needs libsodium 1.0.19) write those functions and the row, and its member of the
 * key's union.
 */
#include "crypto/aead.h"

#include "bytes.h"

#include <string.h>

enum { NONCE_BYTES = 12 }; /* of both suites */

/* What sealing and opening need besides the key. */
struct job {
    uint8_t nonce[NONCE_BYTES];
    const uint8_t *aad;
    size_t aad_bytes;
    uint8_t *text;
    size_t bytes; /* of text, with the tag when opening */
};

/* --- ChaCha20-Poly1305, RFC 8439 --- */

static bool always_available(void)
{
    return true;
}

static void chacha_init(struct aead_key *key, const uint8_t material[AEAD_KEY_MATERIAL_BYTES])
{
    memcpy(key->state.chacha20poly1305, material, sizeof(key->state.chacha20poly1305));
}

static void chacha_seal(const struct aead_key *key, const struct job *j)
{
    crypto_aead_chacha20poly1305_ietf_encrypt(j->text, NULL, j->text, j->bytes, j->aad,
                                              j->aad_bytes, NULL, j->nonce,
                                              key->state.chacha20poly1305);
}

static bool chacha_open(const struct aead_key *key, const struct job *j)
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(j->text, NULL, NULL, j->text, j->bytes, j->aad,
                                                     j->aad_bytes, j->nonce,
                                                     key->state.chacha20poly1305) == 0;
}

/* --- AES-256-GCM, NIST SP 800-38D; libsodium has it only where the processor has AES --- */

static bool aes_available(void)
{
    return crypto_aead_aes256gcm_is_available() != 0;
}

static void aes_init(struct aead_key *key, const uint8_t material[AEAD_KEY_MATERIAL_BYTES])
{
    crypto_aead_aes256gcm_beforenm(&key->state.aes256gcm, material);
}

static void aes_seal(const struct aead_key *key, const struct job *j)
{
    crypto_aead_aes256gcm_encrypt_afternm(j->text, NULL, j->text, j->bytes, j->aad, j->aad_bytes,
                                          NULL, j->nonce, &key->state.aes256gcm);
}

static bool aes_open(const struct aead_key *key, const struct job *j)
{
    return crypto_aead_aes256gcm_decrypt_afternm(j->text, NULL, NULL, j->text, j->bytes, j->aad,
                                                 j->aad_bytes, j->nonce,
                                                 &key->state.aes256gcm) == 0;
}

/* --- the table --- */

static const struct {
    size_t tag_bytes; /* 0: no such suite */
    bool (*available)(void);
    void (*init)(struct aead_key *key, const uint8_t material[AEAD_KEY_MATERIAL_BYTES]);
    void (*seal)(const struct aead_key *key, const struct job *job);
    bool (*open)(const struct aead_key *key, const struct job *job);
} suites[] = {
    [SUITE_CHACHA20POLY1305] = {16, always_available, chacha_init, chacha_seal, chacha_open},
    [SUITE_AES256GCM] = {16, aes_available, aes_init, aes_seal, aes_open},
};

size_t aead_tag_bytes(enum suite suite)
{
    size_t i = (size_t)suite;

    return i < sizeof(suites) / sizeof(suites[0]) ? suites[i].tag_bytes : 0;
}

bool aead_available(enum suite suite)
{
    return aead_tag_bytes(suite) > 0 && suites[suite].available();
}

enum suite aead_choose(const uint8_t *preferred, size_t preferred_count, const uint8_t *offered,
                       size_t offered_count)
{
    for (size_t i = 0; i < preferred_count; i++)
        if (offered_count > 0 && memchr(offered, preferred[i], offered_count) != NULL &&
            aead_available((enum suite)preferred[i]))
            return (enum suite)preferred[i];
    return SUITE_NONE;
}

bool aead_init(struct aead_key *key, enum suite suite, const uint8_t material[32])
{
    aead_wipe(key);
    if (!aead_available(suite))
        return false;
    key->suite = suite;
    suites[suite].init(key, material);
    return true;
}

void aead_wipe(struct aead_key *key)
{
    sodium_memzero(key, sizeof(*key));
}

static void make_nonce(uint8_t nonce[NONCE_BYTES], uint64_t counter)
{
    store_be32(nonce, 0);
    store_be64(nonce + 4, counter);
}

void aead_seal(const struct aead_key *key, uint64_t counter, const uint8_t *aad, size_t aad_bytes,
               uint8_t *text, size_t text_bytes)
{
    struct job job = {.aad = aad, .aad_bytes = aad_bytes, .text = text, .bytes = text_bytes};

    if (key->suite == SUITE_NONE) {
        memset(text, 0, text_bytes);
        return;
    }
    make_nonce(job.nonce, counter);
    suites[key->suite].seal(key, &job);
}

bool aead_open(const struct aead_key *key, uint64_t counter, const uint8_t *aad, size_t aad_bytes,
               uint8_t *text, size_t sealed_bytes)
{
    struct job job = {.aad = aad, .aad_bytes = aad_bytes, .text = text, .bytes = sealed_bytes};

    if (key->suite == SUITE_NONE || sealed_bytes < suites[key->suite].tag_bytes)
        return false;
    make_nonce(job.nonce, counter);
    return suites[key->suite].open(key, &job);
}
