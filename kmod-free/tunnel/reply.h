/* SPDX-License-Identifier: MIT
 *
 * reply.h - the second paste: what a joiner gives back to the inviter when neither home can be
 * called, so that both can send at once.
 *
 * The text is a line to paste (paste.h) with the mark "lansplice-reply1:" and the body
 *   token id 16 | home 4 | nonce 24 | sealed: joiner's public key 32 | name length 1, name |
 *   candidates (candidate.h) | tag 16
 * Home is the first bytes of HMAC-BLAKE2b(inviter's public key, "lansplice reply home" || token
 * id): it tells a reply that was made for another home from one whose token is over, and tells
 * nobody else anything. Sealed is XChaCha20-Poly1305 under the first 32 bytes of
 * HMAC-BLAKE2b(the token's one-time PSK, "lansplice reply key" || token id), all bytes before it
 * being the additional data. So only who has the token can read the line or have written it; it is
 * no secret itself.
 */
#ifndef TUNNEL_REPLY_H
#define TUNNEL_REPLY_H

#include "tunnel/candidate.h"
#include "tunnel/paste.h"
#include "tunnel/site_info.h"
#include "tunnel/token.h"
#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_MARK "lansplice-reply1:"

enum {
    REPLY_HOME_BYTES = 4,
    REPLY_NONCE_BYTES = 24,
    REPLY_TAG_BYTES = 16,
    REPLY_OPEN_BYTES = PASTE_HEADER_BYTES + TOKEN_ID_BYTES + REPLY_HOME_BYTES + REPLY_NONCE_BYTES,
    REPLY_INNER_BYTES_MAX = PUBLIC_KEY_BYTES + 1 + SITE_NAME_MAX + CANDIDATES_MAX_BYTES,
    REPLY_BYTES_MAX =
        REPLY_OPEN_BYTES + REPLY_INNER_BYTES_MAX + REPLY_TAG_BYTES + PASTE_CHECKSUM_BYTES,
    REPLY_TEXT_SIZE = PASTE_TEXT_SIZE_OF(sizeof REPLY_MARK - 1, REPLY_BYTES_MAX),
};

struct reply {
    uint8_t public_key[PUBLIC_KEY_BYTES]; /* the joiner's */
    char name[SITE_NAME_MAX + 1];         /* of the joining site */
    struct candidate_list candidates;
};

/* A line whose seal has not been opened: @id says with which token's PSK that goes. */
struct reply_line {
    uint8_t id[TOKEN_ID_BYTES];
    uint8_t bytes[REPLY_BYTES_MAX];
    size_t count; /* of these, without the checksum */
};

/**
 * reply_encode() - write a reply's text
 * @reply: what it says
 * @token: what it is the answer to
 * @nonce: random, never used with this token before
 * @out: receives the text and a NUL; REPLY_TEXT_SIZE is always enough
 * @capacity: bytes there are at @out
 *
 * Return: the text's length without its NUL; 0 when it does not fit or a field is not valid.
 */
size_t reply_encode(const struct reply *reply, const struct token *token,
                    const uint8_t nonce[REPLY_NONCE_BYTES], char *out, size_t capacity);

/**
 * reply_decode() - read a reply's text as far as that needs no key
 * @line: the result; all zero unless PASTE_OK is returned
 * @text: need not end in a NUL; blanks and line ends are ignored
 * @bytes: length of @text
 *
 * Return: PASTE_OK, or what is wrong.
 */
enum paste_error reply_decode(struct reply_line *line, const char *text, size_t bytes);

/**
 * reply_is_for() - whether the token was made by that home, if the line is right
 * @public_key: of the home
 */
bool reply_is_for(const struct reply_line *line, const uint8_t public_key[PUBLIC_KEY_BYTES]);

/**
 * reply_open() - read the rest
 * @reply: the result; all zero unless true is returned
 * @psk: of the token that @line->id names
 *
 * Return: false when it was not written by a holder of the token, or says what cannot be.
 */
bool reply_open(struct reply *reply, const struct reply_line *line, const uint8_t psk[PSK_BYTES]);

#endif
