/* SPDX-License-Identifier: MIT
 *
 * aead.c - the ciphers of data datagrams; aead.h says what is offered.
 *
 * A suite is a row of the table: its lengths and four functions over libsodium. To add one write
 * those functions and the row, and its member of the key's union. A suite that the libsodium
 * compiled with lacks has a row that says no more than its name.
 */
#include "crypto/aead.h"

#include "bytes.h"

#include <string.h>

enum { NONCE_MAX_BYTES = 32, COUNTER_BYTES = 8 };

/* What sealing and opening need besides the key. */
struct job {
    uint8_t nonce[NONCE_MAX_BYTES];
    const uint8_t *aad;
    size_t aad_bytes;
    const uint8_t *from;
    uint8_t *to;  /* is @from, or does not overlap it */
    size_t bytes; /* of @from, with the tag when opening */
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
    crypto_aead_chacha20poly1305_ietf_encrypt(j->to, NULL, j->from, j->bytes, j->aad, j->aad_bytes,
                                              NULL, j->nonce, key->state.chacha20poly1305);
}

static bool chacha_open(const struct aead_key *key, const struct job *j)
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(j->to, NULL, NULL, j->from, j->bytes, j->aad,
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
    crypto_aead_aes256gcm_encrypt_afternm(j->to, NULL, j->from, j->bytes, j->aad, j->aad_bytes,
                                          NULL, j->nonce, &key->state.aes256gcm);
}

static bool aes_open(const struct aead_key *key, const struct job *j)
{
    return crypto_aead_aes256gcm_decrypt_afternm(j->to, NULL, NULL, j->from, j->bytes, j->aad,
                                                 j->aad_bytes, j->nonce,
                                                 &key->state.aes256gcm) == 0;
}

/* --- AEGIS, RFC 10032; quick, and safe from timing, only where the processor has AES --- */

#ifdef AEAD_AEGIS

/* As libsodium asks before it takes something better than its software. */
static bool aegis_available(void)
{
    return (sodium_runtime_has_aesni() != 0 && sodium_runtime_has_avx() != 0) ||
           sodium_runtime_has_armcrypto() != 0;
}

static void aegis128l_init(struct aead_key *key, const uint8_t material[AEAD_KEY_MATERIAL_BYTES])
{
    memcpy(key->state.aegis128l, material, sizeof(key->state.aegis128l));
}

static void aegis128l_seal(const struct aead_key *key, const struct job *j)
{
    crypto_aead_aegis128l_encrypt(j->to, NULL, j->from, j->bytes, j->aad, j->aad_bytes, NULL,
                                  j->nonce, key->state.aegis128l);
}

static bool aegis128l_open(const struct aead_key *key, const struct job *j)
{
    return crypto_aead_aegis128l_decrypt(j->to, NULL, NULL, j->from, j->bytes, j->aad, j->aad_bytes,
                                         j->nonce, key->state.aegis128l) == 0;
}

static void aegis256_init(struct aead_key *key, const uint8_t material[AEAD_KEY_MATERIAL_BYTES])
{
    memcpy(key->state.aegis256, material, sizeof(key->state.aegis256));
}

static void aegis256_seal(const struct aead_key *key, const struct job *j)
{
    crypto_aead_aegis256_encrypt(j->to, NULL, j->from, j->bytes, j->aad, j->aad_bytes, NULL,
                                 j->nonce, key->state.aegis256);
}

static bool aegis256_open(const struct aead_key *key, const struct job *j)
{
    return crypto_aead_aegis256_decrypt(j->to, NULL, NULL, j->from, j->bytes, j->aad, j->aad_bytes,
                                        j->nonce, key->state.aegis256) == 0;
}

#endif

/* --- the table --- */

static const struct {
    const char *name;
    size_t tag_bytes; /* 0: no such suite here */
    size_t nonce_bytes;
    bool (*available)(void);
    void (*init)(struct aead_key *key, const uint8_t material[AEAD_KEY_MATERIAL_BYTES]);
    void (*seal)(const struct aead_key *key, const struct job *job);
    bool (*open)(const struct aead_key *key, const struct job *job);
} suites[] = {
    [SUITE_CHACHA20POLY1305] = {"chacha20poly1305", 16, 12, always_available, chacha_init,
                                chacha_seal, chacha_open},
    [SUITE_AES256GCM] = {"aes256gcm", 16, 12, aes_available, aes_init, aes_seal, aes_open},
#ifdef AEAD_AEGIS
    [SUITE_AEGIS128L] = {"aegis128l", 32, 16, aegis_available, aegis128l_init, aegis128l_seal,
                         aegis128l_open},
    [SUITE_AEGIS256] = {"aegis256", 32, 32, aegis_available, aegis256_init, aegis256_seal,
                        aegis256_open},
#else
    [SUITE_AEGIS128L] = {.name = "aegis128l"},
    [SUITE_AEGIS256] = {.name = "aegis256"},
#endif
};

enum { SUITES = sizeof(suites) / sizeof(suites[0]) };

const char *aead_name(enum suite suite)
{
    size_t i = (size_t)suite;

    return i < SUITES ? suites[i].name : NULL;
}

size_t aead_tag_bytes(enum suite suite)
{
    size_t i = (size_t)suite;

    return i < SUITES ? suites[i].tag_bytes : 0;
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

/* The counter's place in a nonce of zeros: the last 8 bytes of 12, 16 or 32. */
static void put_counter(struct job *job, enum suite suite, uint64_t counter)
{
    store_be64(job->nonce + suites[suite].nonce_bytes - COUNTER_BYTES, counter);
}

void aead_seal_from(const struct aead_key *key, uint64_t counter, const uint8_t *aad,
                    size_t aad_bytes, uint8_t *out, const uint8_t *message, size_t message_bytes)
{
    struct job job = {
        .aad = aad, .aad_bytes = aad_bytes, .from = message, .to = out, .bytes = message_bytes};

    if (key->suite == SUITE_NONE) {
        memset(out, 0, message_bytes);
        return;
    }
    put_counter(&job, key->suite, counter);
    suites[key->suite].seal(key, &job);
}

void aead_seal(const struct aead_key *key, uint64_t counter, const uint8_t *aad, size_t aad_bytes,
               uint8_t *text, size_t text_bytes)
{
    aead_seal_from(key, counter, aad, aad_bytes, text, text, text_bytes);
}

bool aead_open(const struct aead_key *key, uint64_t counter, const uint8_t *aad, size_t aad_bytes,
               uint8_t *text, size_t sealed_bytes)
{
    struct job job = {
        .aad = aad, .aad_bytes = aad_bytes, .from = text, .to = text, .bytes = sealed_bytes};

    if (key->suite == SUITE_NONE || sealed_bytes < suites[key->suite].tag_bytes)
        return false;
    put_counter(&job, key->suite, counter);
    return suites[key->suite].open(key, &job);
}
