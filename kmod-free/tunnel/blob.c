/* SPDX-License-Identifier: MIT
 *
 * blob.c - names, keys and sealing of rendezvous blobs; see blob.h.
 */
#include "tunnel/blob.h"

#include "bytes.h"
#include "crypto/hash.h"
#include "cursor.h"

#include <sodium.h>
#include <string.h>

enum {
    VERSION = 1,
    SEALED_AT = 1 + BLOB_NONCE_BYTES,
    INNER_BYTES_MAX = 8 + CANDIDATES_MAX_BYTES,
    ABOUT_BYTES = BLOB_NAME_BYTES + 1,
    BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};

_Static_assert((int)BLOB_KEY_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "");
_Static_assert((int)BLOB_NONCE_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "");
_Static_assert((int)BLOB_TAG_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_ABYTES, "");

/* ---- places ---- */

static void derive(struct blob_place *place, const uint8_t *secret, size_t secret_bytes,
                   const uint8_t sender[32], const uint8_t receiver[32])
{
    static const uint8_t label[] = "lansplice rendezvous";
    uint8_t chaining_key[HASH_BYTES], direction[64], out[2][HASH_BYTES];

    crypto_generichash(chaining_key, sizeof chaining_key, label, sizeof label - 1, NULL, 0);
    memcpy(direction, sender, 32);
    memcpy(direction + 32, receiver, 32);
    hash_hkdf_joined(out, 2, chaining_key, secret, secret_bytes, direction, sizeof direction);
    memcpy(place->name, out[0], BLOB_NAME_BYTES);
    memcpy(place->key, out[1], BLOB_KEY_BYTES);
    sodium_memzero(out, sizeof out);
}

bool blob_places_of_peers(struct blob_places *places, const uint8_t private_key[PUBLIC_KEY_BYTES],
                          const uint8_t peer_key[PUBLIC_KEY_BYTES], const uint8_t psk[PSK_BYTES])
{
    uint8_t secret[32 + PSK_BYTES], our_key[PUBLIC_KEY_BYTES];
    bool shared = crypto_scalarmult_base(our_key, private_key) == 0 &&
                  crypto_scalarmult(secret, private_key, peer_key) == 0;

    memset(places, 0, sizeof *places);
    if (shared) {
        memcpy(secret + 32, psk, PSK_BYTES);
        derive(&places->ours, secret, sizeof secret, our_key, peer_key);
        derive(&places->theirs, secret, sizeof secret, peer_key, our_key);
    }
    sodium_memzero(secret, sizeof secret);
    return shared;
}

void blob_places_of_token(struct blob_places *places, const uint8_t id[TOKEN_ID_BYTES],
                          const uint8_t psk[PSK_BYTES], bool inviter)
{
    uint8_t secret[PSK_BYTES + TOKEN_ID_BYTES], inviter_is[32], joiner_is[32];
    struct blob_place *by_inviter = inviter ? &places->ours : &places->theirs;
    struct blob_place *by_joiner = inviter ? &places->theirs : &places->ours;

    memcpy(secret, psk, PSK_BYTES);
    memcpy(secret + PSK_BYTES, id, TOKEN_ID_BYTES);
    memset(inviter_is, 1, sizeof inviter_is);
    memset(joiner_is, 2, sizeof joiner_is);
    derive(by_inviter, secret, sizeof secret, inviter_is, joiner_is);
    derive(by_joiner, secret, sizeof secret, joiner_is, inviter_is);
    sodium_memzero(secret, sizeof secret);
}

/* ---- blobs ---- */

static void write_about(uint8_t out[ABOUT_BYTES], const struct blob_place *place)
{
    memcpy(out, place->name, BLOB_NAME_BYTES);
    out[BLOB_NAME_BYTES] = VERSION;
}

size_t blob_seal(const struct blob_place *place, uint64_t counter,
                 const struct candidate_list *candidates, const uint8_t nonce[BLOB_NONCE_BYTES],
                 char *out, size_t capacity)
{
    uint8_t inner[INNER_BYTES_MAX], bytes[BLOB_BYTES_MAX], about[ABOUT_BYTES];
    size_t list_bytes = candidate_encode(candidates, inner + 8, sizeof inner - 8);
    size_t count = SEALED_AT + 8 + list_bytes + BLOB_TAG_BYTES;

    if (list_bytes == 0 || sodium_base64_encoded_len(count, BASE64) > capacity)
        return 0;
    store_be64(inner, counter);
    bytes[0] = VERSION;
    memcpy(bytes + 1, nonce, BLOB_NONCE_BYTES);
    write_about(about, place);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + SEALED_AT, NULL, inner, 8 + list_bytes,
                                               about, sizeof about, NULL, nonce, place->key);
    sodium_bin2base64(out, capacity, bytes, count, BASE64);
    return sodium_base64_encoded_len(count, BASE64) - 1;
}

static bool take_inner(uint64_t *counter, struct candidate_list *candidates, const uint8_t *inner,
                       size_t count)
{
    struct cursor c = cursor_over(inner, count);

    return cursor_u64(&c, counter) && candidate_decode(candidates, c.at, cursor_left(&c));
}

bool blob_open(const struct blob_place *place, uint64_t *counter, struct candidate_list *candidates,
               const char *text, size_t chars)
{
    uint8_t inner[INNER_BYTES_MAX], bytes[BLOB_BYTES_MAX], about[ABOUT_BYTES];
    unsigned long long inner_bytes = 0;
    size_t count = 0;

    *counter = 0;
    memset(candidates, 0, sizeof *candidates);
    if (sodium_base642bin(bytes, sizeof bytes, text, chars, " \t\r\n", &count, NULL, BASE64) != 0 ||
        count < SEALED_AT + BLOB_TAG_BYTES || bytes[0] != VERSION)
        return false;
    write_about(about, place);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(inner, &inner_bytes, NULL, bytes + SEALED_AT,
                                                   count - SEALED_AT, about, sizeof about,
                                                   bytes + 1, place->key) == 0 &&
        take_inner(counter, candidates, inner, (size_t)inner_bytes))
        return true;
    *counter = 0;
    memset(candidates, 0, sizeof *candidates);
    return false;
}
