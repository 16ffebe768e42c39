/* SPDX-License-Identifier: MIT
 *
 * blob.h - the rendezvous blob: one home's candidates, sealed for one other home, to be left
 * wherever both can look: a shared folder, DNS TXT, MQTT.
 *
 * The text is base64url without padding of
 *   version 1 | nonce 24 | sealed: counter 8 | candidates (candidate.h) | tag 16
 * sealed with XChaCha20-Poly1305; the place's name and the version are the additional data.
 * The counter is higher in each blob than in all that its writer sealed before: a reader that
 * keeps the highest cannot be made to go back by whoever keeps the blobs.
 *
 * Each direction between two homes has a place of its own, whose name and key are the first 16
 * bytes of output 1 and the first 32 of output 2 of
 *   HKDF(BLAKE2b-512("lansplice rendezvous"), secret || sender || receiver)
 * For peers, secret is X25519(static, static) || preshared key, and sender and receiver are their
 * public keys. For an invite that nobody has used, secret is the token's PSK || id; the sender is
 * 32 bytes of 1 for the inviter, of 2 for the joiner, the receiver the other. Names tell nothing
 * to others: not who writes, nor for whom, nor that two of them are the two directions.
 */
#ifndef TUNNEL_BLOB_H
#define TUNNEL_BLOB_H

#include "tunnel/candidate.h"
#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BLOB_NAME_BYTES = 16,
    BLOB_KEY_BYTES = 32,
    BLOB_NONCE_BYTES = 24,
    BLOB_TAG_BYTES = 16,
    BLOB_BYTES_MAX = 1 + BLOB_NONCE_BYTES + 8 + CANDIDATES_MAX_BYTES + BLOB_TAG_BYTES,
    BLOB_TEXT_SIZE = (BLOB_BYTES_MAX * 4 + 2) / 3 + 1, /* any blob's text and its NUL */
};

/* A place for blobs. Holds a secret: wipe it. */
struct blob_place {
    uint8_t name[BLOB_NAME_BYTES], key[BLOB_KEY_BYTES];
};

/* The two places of a pair of homes, as one of them sees it. */
struct blob_places {
    struct blob_place ours, theirs; /* where we write; where we read */
};

/**
 * blob_places_of_peers() - the places of two homes that have each other's public keys
 * @private_key: ours
 * @peer_key: the other home's public key
 * @psk: the preshared key; all zeros: none
 *
 * Return: false, and all zeros, when there is no shared secret with that key.
 */
bool blob_places_of_peers(struct blob_places *places, const uint8_t private_key[PUBLIC_KEY_BYTES],
                          const uint8_t peer_key[PUBLIC_KEY_BYTES], const uint8_t psk[PSK_BYTES]);

/**
 * blob_places_of_token() - the places of the two homes that know a token
 * @inviter: whether we made it
 */
void blob_places_of_token(struct blob_places *places, const uint8_t id[TOKEN_ID_BYTES],
                          const uint8_t psk[PSK_BYTES], bool inviter);

/**
 * blob_seal() - write a blob's text
 * @place: where it will be left: ours
 * @counter: higher than in all blobs before
 * @nonce: random
 * @out: receives the text and a NUL; BLOB_TEXT_SIZE is always enough
 * @capacity: bytes there are at @out
 *
 * Return: the text's length without its NUL; 0 when it does not fit.
 */
size_t blob_seal(const struct blob_place *place, uint64_t counter,
                 const struct candidate_list *candidates, const uint8_t nonce[BLOB_NONCE_BYTES],
                 char *out, size_t capacity);

/**
 * blob_open() - read a blob's text
 * @place: where it was found: theirs
 * @counter: receives the counter
 * @candidates: receives the candidates; not checked for being usable
 * @text: need not end in a NUL; blanks and line ends are ignored
 * @chars: length of @text
 *
 * Return: false, and @candidates all zero, when it was not sealed by the other home for us there.
 */
bool blob_open(const struct blob_place *place, uint64_t *counter, struct candidate_list *candidates,
               const char *text, size_t chars);

#endif
