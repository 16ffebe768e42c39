/* SPDX-License-Identifier: MIT
 *
 * token.h - the one-time line by which a home invites another.
 *
 * Text: "lansplice1:" and base64url without padding. White space anywhere within is ignored when
 * reading, so a line that a mail program wrapped still works; a letter lost or changed is caught
 * by the checksum. Content, after a version byte:
 *   public key 32, token id 16, one-time PSK 32, name length 1 and name,
 *   endpoint count 1, each endpoint length 2 and text; checksum 4 (BLAKE2b of all before)
 * The PSK makes it a secret until it is used. The expiry is not in it: only the inviter judges it.
 */
#ifndef TUNNEL_TOKEN_H
#define TUNNEL_TOKEN_H

#include "site.h"

enum {
    TOKEN_ENDPOINTS_MAX = 4,
    ENDPOINT_TEXT_MAX = 263, /* a host name of 253, brackets, colon and port */
    TOKEN_BODY_MAX = 1 + PUBLIC_KEY_BYTES + TOKEN_ID_BYTES + PSK_BYTES + 1 + SITE_NAME_MAX + 1 +
                     TOKEN_ENDPOINTS_MAX * (2 + ENDPOINT_TEXT_MAX) + 4,
    TOKEN_TEXT_MAX = 16 + (TOKEN_BODY_MAX * 4 + 2) / 3, /* with the final NUL */
    TOKEN_FINGERPRINT_BYTES = 25,                       /* "1234 1234 1234 1234 1234" */
};

struct token {
    uint8_t public_key[PUBLIC_KEY_BYTES]; /* the inviter's */
    uint8_t id[TOKEN_ID_BYTES];
    uint8_t psk[PSK_BYTES];
    char name[SITE_NAME_MAX + 1]; /* the inviter's */
    uint8_t endpoint_count;
    char endpoint[TOKEN_ENDPOINTS_MAX][ENDPOINT_TEXT_MAX + 1];
};

enum token_error {
    TOKEN_OK,
    TOKEN_NOT_A_TOKEN,
    TOKEN_CUT_SHORT,
    TOKEN_CHECKSUM,
    TOKEN_VERSION,
    TOKEN_INVALID,
};

/** token_encode() - One line without a newline, NUL-terminated; Return: its length, 0: no room */
size_t token_encode(const struct token *token, char *out, size_t capacity);

/** token_decode() - @bytes of @text, white space within ignored; wipes what it copied */
enum token_error token_decode(struct token *token, const char *text, size_t bytes);

/** token_error_text() - What is wrong and what to do, one line */
const char *token_error_text(enum token_error error);

/**
 * token_fingerprint() - What the two people compare: "1234 5678 9012 3456 7890"
 *
 * From the public key and the id, not the PSK: it may be read aloud.
 */
void token_fingerprint(const struct token *token, char out[TOKEN_FINGERPRINT_BYTES]);

/** endpoint_text_valid() - host:port, 192.0.2.1:port or [2001:db8::1]:port; port 1-65535 */
bool endpoint_text_valid(const char *text);

#endif
