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
enum { NOISE_MESSAGE_MAX_BYTES = 65535 };

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
    uint8_t rs_public[NOISE_KEY_BYTES]; /* remote static, if known before */
    uint8_t e_private[NOISE_KEY_BYTES]; /* fresh ephemeral */
    uint8_t psk[NOISE_KEY_BYTES];
};

/* All zero is a handshake that is over with: wiped, failed or never begun. */
struct noise {
    uint64_t nonce;
    const uint8_t *tokens; /* the next token of the pattern; NULL once wiped */
    bool initiator, my_turn, has_key, has_psk;
    struct noise_keys keys;
    uint8_t e_public[NOISE_KEY_BYTES], re_public[NOISE_KEY_BYTES];
    uint8_t chaining_key[NOISE_HASH_BYTES], hash[NOISE_HASH_BYTES], key[NOISE_KEY_BYTES];
};

/**
 * noise_init() - begin a handshake
 * @n: the handshake; whatever was in it is overwritten
 * @pattern: which handshake
 * @initiator: whether this side writes message 1
 * @prologue: bytes both sides must agree on; may be NULL when @prologue_bytes is 0
 * @prologue_bytes: length of @prologue
 * @keys: copied; a member the pattern does not use is ignored. @keys->psk may be set later with
 *        noise_set_psk(). @keys->e_private must be fresh: never use it for two handshakes
 */
void noise_init(struct noise *n, enum noise_pattern pattern, bool initiator,
                const uint8_t *prologue, size_t prologue_bytes, const struct noise_keys *keys);

/**
 * noise_set_psk() - give the pre-shared key, any time before the message that mixes it in
 * @n: the handshake
 * @psk: copied
 *
 * An IKpsk2 responder learns who calls, and so which key to use, only from message 1.
 */
void noise_set_psk(struct noise *n, const uint8_t psk[32]);

/**
 * noise_write() - write the next message (WriteMessage, section 5.3)
 * @n: the handshake; it must be this side's turn
 * @payload: sealed into the message as soon as the pattern has a key; may be NULL when empty
 * @payload_bytes: length of @payload
 * @out: receives the message; may not overlap @payload
 * @out_capacity: room in @out
 * @out_bytes: receives the message's length, 0 on failure
 *
 * Return: false, and @n is wiped, when it is not our turn, the handshake is over or failed, @out
 * is too small, the message would pass 65535 bytes, or a Diffie-Hellman result is all zero.
 */
bool noise_write(struct noise *n, const uint8_t *payload, size_t payload_bytes, uint8_t *out,
                 size_t out_capacity, size_t *out_bytes);

/**
 * noise_read() - read the other side's next message (ReadMessage, section 5.3)
 * @n: the handshake; it must be the other side's turn. Who must be able to go on after a forged
 *     message reads with a copy of it
 * @message: the whole message, no more
 * @message_bytes: length of @message
 * @payload: receives the payload; may not overlap @message
 * @payload_capacity: room in @payload
 * @payload_bytes: receives the payload's length, 0 on failure
 *
 * Return: false, and @n is wiped, when the message is too short, too long, not authentic or holds
 * a key of small order, when @payload is too small, or when it is not the other side's turn.
 */
bool noise_read(struct noise *n, const uint8_t *message, size_t message_bytes, uint8_t *payload,
                size_t payload_capacity, size_t *payload_bytes);

/**
 * noise_remote_static() - the other side's static public key
 * @n: the handshake, after the message that carried the key, or given it at noise_init()
 *
 * Return: 32 bytes, valid as long as @n is.
 */
const uint8_t *noise_remote_static(const struct noise *n);

/** noise_done() - whether the last message of the pattern has been written or read */
bool noise_done(const struct noise *n);

/**
 * noise_split() - the two transport keys (Split, section 5.2)
 * @n: the handshake, done
 * @k1: for what the initiator sends
 * @k2: for what the responder sends
 */
void noise_split(const struct noise *n, uint8_t k1[32], uint8_t k2[32]);

/**
 * noise_export() - keys bound to the handshake and to a label: HKDF(ck, h || info)
 * @n: the handshake, done
 * @info: what the keys are for; may be NULL when @info_bytes is 0
 * @info_bytes: length of @info
 * @out: receives @outputs blocks of 64 bytes
 * @outputs: 1 to 3
 *
 * Where noise_split() would give the same keys whatever was negotiated, these differ with @info.
 */
void noise_export(const struct noise *n, const uint8_t *info, size_t info_bytes, uint8_t (*out)[64],
                  size_t outputs);

/** noise_wipe() - forget everything; the handshake can then only be begun anew */
void noise_wipe(struct noise *n);

/**
 * noise_public_from_private() - X25519 public key of a private key (RFC 7748)
 * @pub: receives the public key
 * @priv: the private key, 32 random bytes
 *
 * Return: false when there is none that could be used.
 */
bool noise_public_from_private(uint8_t pub[32], const uint8_t priv[32]);

#endif
