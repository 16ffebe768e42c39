/* SPDX-License-Identifier: MIT
 *
 * noise.c - the Noise Protocol Framework, revision 34; noise.h says what is offered.
 *
 * Section numbers are the specification's. Its CipherState (key, nonce), SymmetricState (chaining
 * key, hash) and HandshakeState are one struct here, because a handshake has exactly one of each.
 * A message is a row of tokens up to PAYLOAD; writing or reading it walks that row with a
 * cursor over the message. Every failure ends in noise_wipe().
 */
#include "crypto/noise.h"

#include "crypto/hash.h"

#include <sodium.h>
#include <string.h>

/* Tokens bear the specification's names. Of two letters the first says which of the initiator's
 * keys, the second which of the responder's. */
enum token { END /* 0: what a row leaves unset */, PAYLOAD, E, S, EE, ES, SE, SS, PSK };

/* Pre-messages: whose static key the other side knows beforehand. */
enum { NEITHER = 0, INITIATOR = 1, RESPONDER = 2, BOTH = INITIATOR | RESPONDER };

struct pattern {
    const char *name;
    unsigned known;
    uint8_t tokens[16];
};

#define NAME(pattern) "Noise_" pattern "_25519_ChaChaPoly_BLAKE2b"

/* Sections 7.5 and 9.4. */
static const struct pattern patterns[] = {
    [NOISE_NN] = {NAME("NN"), NEITHER, {E, PAYLOAD, E, EE, PAYLOAD}},
    [NOISE_KK] = {NAME("KK"), BOTH, {E, ES, SS, PAYLOAD, E, EE, SE, PAYLOAD}},
    [NOISE_IK] = {NAME("IK"), RESPONDER, {E, ES, S, SS, PAYLOAD, E, EE, SE, PAYLOAD}},
    [NOISE_XX] = {NAME("XX"), NEITHER, {E, PAYLOAD, E, EE, S, ES, PAYLOAD, S, SE, PAYLOAD}},
    [NOISE_NNPSK0] = {NAME("NNpsk0"), NEITHER, {PSK, E, PAYLOAD, E, EE, PAYLOAD}},
    [NOISE_XXPSK3] = {NAME("XXpsk3"),
                      NEITHER,
                      {E, PAYLOAD, E, EE, S, ES, PAYLOAD, S, SE, PSK, PAYLOAD}},
    [NOISE_KKPSK2] = {NAME("KKpsk2"), BOTH, {E, ES, SS, PAYLOAD, E, EE, SE, PSK, PAYLOAD}},
    [NOISE_IKPSK1] = {NAME("IKpsk1"), RESPONDER, {E, ES, S, SS, PSK, PAYLOAD, E, EE, SE, PAYLOAD}},
    [NOISE_IKPSK2] = {NAME("IKpsk2"), RESPONDER, {E, ES, S, SS, PAYLOAD, E, EE, SE, PSK, PAYLOAD}},
};

/* The message being written or read: what is left of it. */
struct message {
    uint8_t *out;      /* where a writer goes on */
    const uint8_t *in; /* where a reader goes on */
    size_t left_bytes;
};

/* --- SymmetricState and CipherState, sections 5.1 and 5.2 --- */

static void mix_hash(struct noise *n, const uint8_t *data, size_t bytes)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof(n->hash));
    crypto_generichash_update(&state, n->hash, sizeof(n->hash));
    crypto_generichash_update(&state, data, bytes);
    crypto_generichash_final(&state, n->hash, sizeof(n->hash));
}

/* InitializeKey(): HKDF gives 64 bytes, of which a cipher's key is the first 32. */
static void set_key(struct noise *n, const uint8_t key[HASH_BYTES])
{
    memcpy(n->key, key, sizeof(n->key));
    n->nonce = 0;
    n->has_key = true;
}

static void mix_key(struct noise *n, const uint8_t input[NOISE_KEY_BYTES])
{
    uint8_t out[2][HASH_BYTES];

    hash_hkdf(out, 2, n->chaining_key, input, NOISE_KEY_BYTES);
    memcpy(n->chaining_key, out[0], HASH_BYTES);
    set_key(n, out[1]);
    sodium_memzero(out, sizeof(out));
}

static void mix_key_and_hash(struct noise *n, const uint8_t input[NOISE_KEY_BYTES])
{
    uint8_t out[3][HASH_BYTES];

    hash_hkdf(out, 3, n->chaining_key, input, NOISE_KEY_BYTES);
    memcpy(n->chaining_key, out[0], HASH_BYTES);
    mix_hash(n, out[1], HASH_BYTES);
    set_key(n, out[2]);
    sodium_memzero(out, sizeof(out));
}

/* ChaChaPoly's nonce, section 12.3: four zero bytes, then the counter, little-endian. */
static void next_nonce(struct noise *n, uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES])
{
    memset(nonce, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(n->nonce >> (8 * i));
    n->nonce++;
}

static bool encrypt_and_hash(struct noise *n, struct message *c, const uint8_t *text, size_t bytes)
{
    size_t sealed_bytes = bytes + (n->has_key ? NOISE_TAG_BYTES : 0u);

    if (c->left_bytes < sealed_bytes)
        return false;
    if (n->has_key) {
        uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
        next_nonce(n, nonce);
        crypto_aead_chacha20poly1305_ietf_encrypt(c->out, NULL, text, bytes, n->hash,
                                                  sizeof(n->hash), NULL, nonce, n->key);
    } else if (bytes > 0) {
        memcpy(c->out, text, bytes);
    }
    mix_hash(n, c->out, sealed_bytes);
    c->out += sealed_bytes;
    c->left_bytes -= sealed_bytes;
    return true;
}

/* Takes text_bytes of plain text off the message, and the tag that follows when there is a key. */
static bool decrypt_and_hash(struct noise *n, struct message *c, uint8_t *text, size_t text_bytes)
{
    size_t sealed_bytes = text_bytes + (n->has_key ? NOISE_TAG_BYTES : 0u);

    if (c->left_bytes < sealed_bytes)
        return false;
    if (n->has_key) {
        uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
        next_nonce(n, nonce);
        if (crypto_aead_chacha20poly1305_ietf_decrypt(text, NULL, NULL, c->in, sealed_bytes,
                                                      n->hash, sizeof(n->hash), nonce, n->key) != 0)
            return false;
    } else if (text_bytes > 0) {
        memcpy(text, c->in, text_bytes);
    }
    mix_hash(n, c->in, sealed_bytes);
    c->in += sealed_bytes;
    c->left_bytes -= sealed_bytes;
    return true;
}

/* --- HandshakeState, section 5.3 --- */

/* libsodium refuses, as we want it to, a result that is all zero: a point of small order. */
static bool mix_dh(struct noise *n, const uint8_t private_key[32], const uint8_t public_key[32])
{
    uint8_t shared[NOISE_KEY_BYTES];
    bool ok = crypto_scalarmult(shared, private_key, public_key) == 0;

    if (ok)
        mix_key(n, shared);
    sodium_memzero(shared, sizeof(shared));
    return ok;
}

/* A handshake with a psk mixes every e into the key as well, section 9.2. */
static void mix_ephemeral(struct noise *n, const uint8_t public_key[NOISE_KEY_BYTES])
{
    mix_hash(n, public_key, NOISE_KEY_BYTES);
    if (n->has_psk)
        mix_key(n, public_key);
}

static bool write_ephemeral(struct noise *n, struct message *c)
{
    if (c->left_bytes < NOISE_KEY_BYTES ||
        !noise_public_from_private(n->e_public, n->keys.e_private))
        return false;
    memcpy(c->out, n->e_public, NOISE_KEY_BYTES);
    c->out += NOISE_KEY_BYTES;
    c->left_bytes -= NOISE_KEY_BYTES;
    mix_ephemeral(n, n->e_public);
    return true;
}

static bool read_ephemeral(struct noise *n, struct message *c)
{
    if (c->left_bytes < NOISE_KEY_BYTES)
        return false;
    memcpy(n->re_public, c->in, NOISE_KEY_BYTES);
    c->in += NOISE_KEY_BYTES;
    c->left_bytes -= NOISE_KEY_BYTES;
    mix_ephemeral(n, n->re_public);
    return true;
}

/* A token that does the same whichever side handles it. */
static bool mix_token(struct noise *n, uint8_t token)
{
    const struct noise_keys *k = &n->keys;

    switch (token) {
    case EE:
        return mix_dh(n, k->e_private, n->re_public);
    case ES:
        return n->initiator ? mix_dh(n, k->e_private, k->rs_public)
                            : mix_dh(n, k->s_private, n->re_public);
    case SE:
        return n->initiator ? mix_dh(n, k->s_private, n->re_public)
                            : mix_dh(n, k->e_private, k->rs_public);
    case SS:
        return mix_dh(n, k->s_private, k->rs_public);
    case PSK:
        mix_key_and_hash(n, k->psk);
        return true;
    default:
        return false;
    }
}

static bool write_token(struct noise *n, uint8_t token, struct message *c)
{
    if (token == E)
        return write_ephemeral(n, c);
    if (token == S)
        return encrypt_and_hash(n, c, n->keys.s_public, NOISE_KEY_BYTES);
    return mix_token(n, token);
}

static bool read_token(struct noise *n, uint8_t token, struct message *c)
{
    if (token == E)
        return read_ephemeral(n, c);
    if (token == S)
        return decrypt_and_hash(n, c, n->keys.rs_public, NOISE_KEY_BYTES);
    return mix_token(n, token);
}

/* Whether a message may be handled by this side now: write or read. */
static bool is_turn(const struct noise *n, bool writing)
{
    return n->tokens != NULL && *n->tokens != END && n->my_turn == writing;
}

static void end_turn(struct noise *n)
{
    n->tokens++; /* over PAYLOAD */
    n->my_turn = !n->my_turn;
}

static bool write_message(struct noise *n, const uint8_t *payload, size_t payload_bytes,
                          struct message *c)
{
    if (!is_turn(n, true))
        return false;
    for (; *n->tokens != PAYLOAD; n->tokens++)
        if (!write_token(n, *n->tokens, c))
            return false;
    if (!encrypt_and_hash(n, c, payload, payload_bytes))
        return false;
    end_turn(n);
    return true;
}

bool noise_write(struct noise *n, const uint8_t *payload, size_t payload_bytes, uint8_t *out,
                 size_t out_capacity, size_t *out_bytes)
{
    size_t capacity =
        out_capacity < NOISE_MESSAGE_MAX_BYTES ? out_capacity : NOISE_MESSAGE_MAX_BYTES;
    struct message c = {.out = out, .left_bytes = capacity};
    bool ok = payload_bytes <= capacity && write_message(n, payload, payload_bytes, &c);

    *out_bytes = ok ? capacity - c.left_bytes : 0;
    if (!ok)
        noise_wipe(n);
    return ok;
}

static bool read_message(struct noise *n, struct message *c, uint8_t *payload,
                         size_t payload_capacity, size_t *payload_bytes)
{
    size_t tag_bytes;

    if (!is_turn(n, false))
        return false;
    for (; *n->tokens != PAYLOAD; n->tokens++)
        if (!read_token(n, *n->tokens, c))
            return false;
    tag_bytes = n->has_key ? NOISE_TAG_BYTES : 0;
    if (c->left_bytes < tag_bytes || c->left_bytes - tag_bytes > payload_capacity)
        return false;
    *payload_bytes = c->left_bytes - tag_bytes;
    if (!decrypt_and_hash(n, c, payload, *payload_bytes))
        return false;
    end_turn(n);
    return true;
}

bool noise_read(struct noise *n, const uint8_t *message, size_t message_bytes, uint8_t *payload,
                size_t payload_capacity, size_t *payload_bytes)
{
    struct message c = {.in = message, .left_bytes = message_bytes};
    bool ok = message_bytes <= NOISE_MESSAGE_MAX_BYTES &&
              read_message(n, &c, payload, payload_capacity, payload_bytes);

    if (!ok) {
        *payload_bytes = 0;
        noise_wipe(n);
    }
    return ok;
}

void noise_init(struct noise *n, enum noise_pattern pattern, bool initiator,
                const uint8_t *prologue, size_t prologue_bytes, const struct noise_keys *keys)
{
    const struct pattern *p = &patterns[pattern];

    sodium_memzero(n, sizeof(*n));
    n->tokens = p->tokens;
    n->initiator = n->my_turn = initiator;
    n->has_psk = memchr(p->tokens, PSK, sizeof(p->tokens)) != NULL;
    n->keys = *keys;
    memcpy(n->hash, p->name, strlen(p->name)); /* shorter than a hash: zero-padded, not hashed */
    memcpy(n->chaining_key, n->hash, sizeof(n->chaining_key));
    mix_hash(n, prologue, prologue_bytes);
    if (p->known & INITIATOR)
        mix_hash(n, initiator ? n->keys.s_public : n->keys.rs_public, NOISE_KEY_BYTES);
    if (p->known & RESPONDER)
        mix_hash(n, initiator ? n->keys.rs_public : n->keys.s_public, NOISE_KEY_BYTES);
}

void noise_set_psk(struct noise *n, const uint8_t psk[32])
{
    memcpy(n->keys.psk, psk, sizeof(n->keys.psk));
}

const uint8_t *noise_remote_static(const struct noise *n)
{
    return n->keys.rs_public;
}

bool noise_done(const struct noise *n)
{
    return n->tokens != NULL && *n->tokens == END;
}

void noise_split(const struct noise *n, uint8_t k1[32], uint8_t k2[32])
{
    uint8_t out[2][HASH_BYTES];

    hash_hkdf(out, 2, n->chaining_key, NULL, 0);
    memcpy(k1, out[0], NOISE_KEY_BYTES);
    memcpy(k2, out[1], NOISE_KEY_BYTES);
    sodium_memzero(out, sizeof(out));
}

void noise_export(const struct noise *n, const uint8_t *info, size_t info_bytes, uint8_t (*out)[64],
                  size_t outputs)
{
    hash_hkdf_joined(out, outputs, n->chaining_key, n->hash, sizeof(n->hash), info, info_bytes);
}

void noise_wipe(struct noise *n)
{
    sodium_memzero(n, sizeof(*n));
}

bool noise_public_from_private(uint8_t pub[32], const uint8_t priv[32])
{
    return crypto_scalarmult_base(pub, priv) == 0;
}
