/* SPDX-License-Identifier: MIT
 *
 * hash.h - HMAC-BLAKE2b and Noise's HKDF.
 *
 * libsodium has neither. Its keyed BLAKE2b is not HMAC, and Noise (revision 34, section 4.3) asks
 * for HMAC (RFC 2104) even over a hash that has a keyed mode of its own; so both are built here
 * from the plain, unkeyed hash: 64 bytes of output, 128-byte block.
 */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { HASH_BYTES = 64, HASH_BLOCK_BYTES = 128 };

/**
 * hash_hmac() - HMAC-BLAKE2b-512 (RFC 2104)
 * @out: the code; may overlap neither @key nor @data
 * @key: the key, of any length; longer than a block it is hashed first
 * @key_bytes: length of @key
 * @data: what is authenticated; may be NULL when @data_bytes is 0
 * @data_bytes: length of @data
 */
void hash_hmac(uint8_t out[64], const uint8_t *key, size_t key_bytes, const uint8_t *data,
               size_t data_bytes);

/**
 * hash_hkdf() - Noise's HKDF(chaining_key, input, outputs) (revision 34, section 4.3)
 * @out: receives @outputs blocks of 64 bytes; may overlap @chaining_key and @input
 * @outputs: 1 to 3
 * @chaining_key: HMAC's key in the extraction
 * @input: input key material; may be NULL when @input_bytes is 0
 * @input_bytes: length of @input
 */
void hash_hkdf(uint8_t (*out)[64], size_t outputs, const uint8_t chaining_key[64],
               const uint8_t *input, size_t input_bytes);

/**
 * hash_hkdf_joined() - hash_hkdf() over two byte strings, as if they stood in one buffer
 * @out: as hash_hkdf()
 * @outputs: as hash_hkdf()
 * @chaining_key: as hash_hkdf()
 * @first: first half of the input key material; may be NULL when @first_bytes is 0
 * @first_bytes: length of @first
 * @second: second half; may be NULL when @second_bytes is 0
 * @second_bytes: length of @second
 */
void hash_hkdf_joined(uint8_t (*out)[64], size_t outputs, const uint8_t chaining_key[64],
                      const uint8_t *first, size_t first_bytes, const uint8_t *second,
                      size_t second_bytes);

#endif
