/* SPDX-License-Identifier: MIT
 *
 * hmac_sha1.h - HMAC-SHA1 (RFC 2104, FIPS 180-4) for tests of STUN's integrity: libsodium has none,
 * and the daemon takes it from another library.
 */
#ifndef HMAC_SHA1_H
#define HMAC_SHA1_H

#include "bytes.h"

#include <stddef.h>
#include <string.h>

enum { SHA1_BLOCK_BYTES = 64, SHA1_BYTES = 20, HMAC_TEST_MAX_BYTES = 4096 };

static inline uint32_t sha1_rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static inline void sha1_block(uint32_t h[5], const uint8_t *block)
{
    uint32_t w[80] = {0}, a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned i = 0; i < 80; i++)
        w[i] = i < 16 ? load_be32(block + (size_t)4 * i)
                      : sha1_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                              : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = sha1_rotate(a, 5) + f + e + w[i];
        e = d;
        d = c;
        c = sha1_rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

/* @data: below HMAC_TEST_MAX_BYTES; it is padded here. */
static inline void sha1(const uint8_t *data, size_t bytes, uint8_t out[SHA1_BYTES])
{
    static uint8_t padded[HMAC_TEST_MAX_BYTES + 3 * SHA1_BLOCK_BYTES];
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    size_t count = (bytes + 8) / SHA1_BLOCK_BYTES * SHA1_BLOCK_BYTES + SHA1_BLOCK_BYTES;
    memset(padded, 0, count);
    memcpy(padded, data, bytes);
    padded[bytes] = 0x80;
    store_be64(padded + count - 8, (uint64_t)bytes * 8);
    for (size_t at = 0; at < count; at += SHA1_BLOCK_BYTES)
        sha1_block(h, padded + at);
    for (size_t i = 0; i < 5; i++)
        store_be32(out + 4 * i, h[i]);
}

static inline void hmac_sha1(const uint8_t *key, size_t key_bytes, const uint8_t *data,
                             size_t bytes, uint8_t out[SHA1_BYTES])
{
    static uint8_t text[SHA1_BLOCK_BYTES + HMAC_TEST_MAX_BYTES];
    uint8_t pad[SHA1_BLOCK_BYTES] = {0}, outer[SHA1_BLOCK_BYTES + SHA1_BYTES];
    if (key_bytes > sizeof pad)
        sha1(key, key_bytes, pad);
    else
        memcpy(pad, key, key_bytes);
    for (size_t i = 0; i < sizeof pad; i++) {
        text[i] = pad[i] ^ 0x36;
        outer[i] = pad[i] ^ 0x5c;
    }
    memcpy(text + sizeof pad, data, bytes);
    sha1(text, sizeof pad + bytes, outer + sizeof pad);
    sha1(outer, sizeof outer, out);
}

#endif
