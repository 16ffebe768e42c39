/* SPDX-License-Identifier: MIT
 *
 * noise.h - the Noise Protocol Framework, revision 34, for 25519_ChaChaPoly_BLAKE2b.
 *
 * lansplice uses one pattern, IKpsk2. The engine is driven by a table of tokens, because that is
 * shorter than a handshake unrolled by hand and lets the public vectors of its sister patterns
 * (NN, KK, XX, IKpsk1, ...) test every token.
 *
 * A handshake is one struct noise: noise_init(), then noise_write()/noise_read() in turn until
 * noise_done(). A failed call leaves the struct wiped; start again. Randomness is an argument:
 * the caller generates the ephemeral private key.
 */
#ifndef CRYPTO_NOISE_H
#define CRYPTO_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NOISE_KEY_BYTES = 32, NOISE_HASH_BYTES = 64, NOISE_TAG_BYTES = 16 };

enum noise_pattern {
    NOISE_NN,
    NOISE_KK,
    NOISE_IK,
    NOISE_XX,
    NOISE_NNPSK0,
    NOISE_XXPSK3,
    NOISE_KKPSK2,
    NOISE_IKPSK1,
    NOISE_IKPSK2,
};

struct noise_keys {
    uint8_t s_private[NOISE_KEY_BYTES], s_public[NOISE_KEY_BYTES]; /* local static */
    uint8_t rs_public[NOISE_KEY_BYTES];                            /* remote static, when known before */
    uint8_t e_private[NOISE_KEY_BYTES];                            /* fresh ephemeral */
    uint8_t psk[NOISE_KEY_BYTES];
};

struct noise {
    const struct noise_token *tokens; /* next token of the pattern */
    bool initiator, has_key, failed;
    uint64_t nonce;
    struct noise_keys keys;
    uint8_t e_public[NOISE_KEY_BYTES], re_public[NOISE_KEY_BYTES];
    uint8_t chaining_key[NOISE_HASH_BYTES], hash[NOISE_HASH_BYTES], key[NOISE_KEY_BYTES];
};
/* ... the functions are helper 1's to declare (see its task) */
#endif
