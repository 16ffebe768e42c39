/* SPDX-License-Identifier: MIT
 *
 * hash.c - HMAC-BLAKE2b and Noise's HKDF; hash.h says why they are built here.
 *
 * One HMAC is two hashes: of (key ^ 0x36...) || data, then of (key ^ 0x5c...) || that. HKDF is a
 * row of HMACs under a secret drawn out of the input, each fed the block before it and a number.
 */
#include "crypto/hash.h"

#include <sodium.h>
#include <string.h>

/* What is authenticated: two byte strings, as if joined. */
struct input {
    const uint8_t *first, *second;
    size_t first_bytes, second_bytes;
};

/* One pass of HMAC: the hash of the key's block, masked, and the input. */
static void hash_masked(uint8_t out[HASH_BYTES], const uint8_t key_block[HASH_BLOCK_BYTES],
                        uint8_t mask, const struct input *input)
{
    crypto_generichash_state state;
    uint8_t block[HASH_BLOCK_BYTES];

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = key_block[i] ^ mask;
    crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    crypto_generichash_update(&state, block, sizeof(block));
    crypto_generichash_update(&state, input->first, input->first_bytes);
    crypto_generichash_update(&state, input->second, input->second_bytes);
    crypto_generichash_final(&state, out, HASH_BYTES);
    sodium_memzero(block, sizeof(block));
    sodium_memzero(&state, sizeof(state));
}

static void hmac(uint8_t out[HASH_BYTES], const uint8_t *key, size_t key_bytes,
                 const struct input *input)
{
    uint8_t key_block[HASH_BLOCK_BYTES] = {0}, inner[HASH_BYTES];
    const struct input outer = {.first = inner, .first_bytes = sizeof(inner)};

    if (key_bytes > sizeof(key_block))
        crypto_generichash(key_block, HASH_BYTES, key, key_bytes, NULL, 0);
    else if (key_bytes > 0)
        memcpy(key_block, key, key_bytes);
    hash_masked(inner, key_block, 0x36, input);
    hash_masked(out, key_block, 0x5c, &outer);
    sodium_memzero(key_block, sizeof(key_block));
    sodium_memzero(inner, sizeof(inner));
}

void hash_hmac(uint8_t out[64], const uint8_t *key, size_t key_bytes, const uint8_t *data,
               size_t data_bytes)
{
    hmac(out, key, key_bytes, &(struct input){.first = data, .first_bytes = data_bytes});
}

void hash_hkdf_joined(uint8_t (*out)[64], size_t outputs, const uint8_t chaining_key[64],
                      const uint8_t *first, size_t first_bytes, const uint8_t *second,
                      size_t second_bytes)
{
    const struct input input = {first, second, first_bytes, second_bytes};
    uint8_t secret[HASH_BYTES], block[HASH_BYTES + 1];
    size_t previous_bytes = 0; /* the first block has no block before it */

    hmac(secret, chaining_key, HASH_BYTES, &input);
    for (size_t i = 0; i < outputs; i++) {
        block[previous_bytes] = (uint8_t)(i + 1);
        hash_hmac(out[i], secret, sizeof(secret), block, previous_bytes + 1);
        memcpy(block, out[i], HASH_BYTES);
        previous_bytes = HASH_BYTES;
    }
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(block, sizeof(block));
}

void hash_hkdf(uint8_t (*out)[64], size_t outputs, const uint8_t chaining_key[64],
               const uint8_t *input, size_t input_bytes)
{
    hash_hkdf_joined(out, outputs, chaining_key, input, input_bytes, NULL, 0);
}
