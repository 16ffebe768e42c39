/* SPDX-License-Identifier: MIT
 *
 * token.h - the invite token: one line of text that lets another home join.
 *
 * The text is a line to paste (paste.h) with the mark "lansplice1:" and the body
 *   inviter's public key 32 | token id 16 | one-time PSK 32 | name length 1, name |
 *   endpoint count 1, each: length 2, text | candidates (candidate.h)
 * Endpoints are what a person gave, and lasting; candidates are where the inviter could be called
 * when it made the token. Whoever holds a token is trusted to have it.
 *
 * The text holds a secret: wipe it and struct token when done.
 */
#ifndef TUNNEL_TOKEN_H
#define TUNNEL_TOKEN_H

#include "tunnel/candidate.h"
#include "tunnel/paste.h"
#include "tunnel/site_info.h"
#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TOKEN_ENDPOINTS_MAX = 4,
    TOKEN_ENDPOINT_SIZE = 264,    /* host name 253, ":", port 5, NUL, rounded up */
    TOKEN_ENDPOINT_CHARS = 180,   /* at most, in a token: a line of a configuration is to hold it */
    TOKEN_FINGERPRINT_BYTES = 24, /* four groups of five digits, blanks between, NUL */
    TOKEN_BYTES_MAX = 3 + 32 + 16 + 32 + 1 + SITE_NAME_MAX + 1 +
                      TOKEN_ENDPOINTS_MAX * (2 + TOKEN_ENDPOINT_SIZE - 1) + CANDIDATES_MAX_BYTES +
                      4,
    TOKEN_TEXT_SIZE = 11 + (TOKEN_BYTES_MAX * 4 + 2) / 3 + 1, /* any token's text and its NUL */
};

struct token {
    uint8_t public_key[PUBLIC_KEY_BYTES], id[TOKEN_ID_BYTES], psk[PSK_BYTES];
    char name[SITE_NAME_MAX + 1]; /* of the inviting site */
    uint8_t endpoint_count;
    char endpoint[TOKEN_ENDPOINTS_MAX][TOKEN_ENDPOINT_SIZE];
    struct candidate_list candidates; /* not checked for being usable */
};

#define TOKEN_MARK "lansplice1:"

/**
 * endpoint_text_valid() - is this an endpoint as a person writes it
 * @text: NUL-terminated host:port; host is a DNS name (RFC 1123 s.2.1), a dotted IPv4 address or
 *        an IPv6 address in brackets (RFC 4291 s.2.2); port is 1 to 65535. Or the name of an SRV
 *        record, see below
 */
bool endpoint_text_valid(const char *text);

/**
 * endpoint_text_is_srv() - is this the name of an SRV record (RFC 2782), which tells host and port
 * @text: NUL-terminated; "_service._udp." and a DNS name
 */
bool endpoint_text_is_srv(const char *text);

/**
 * token_encode() - write a token's text
 * @token: what it says
 * @out: receives the text and a NUL; TOKEN_TEXT_SIZE is always enough
 * @capacity: bytes there are at @out
 *
 * Return: the text's length without its NUL; 0 when it does not fit or a field is not valid.
 */
size_t token_encode(const struct token *token, char *out, size_t capacity);

/**
 * token_decode() - read a token's text
 * @token: the result; all zero unless PASTE_OK is returned
 * @text: need not end in a NUL; blanks and line ends are ignored
 * @bytes: length of @text
 *
 * Return: PASTE_OK, or what is wrong.
 */
enum paste_error token_decode(struct token *token, const char *text, size_t bytes);

/**
 * token_fingerprint() - twenty digits for two people to compare
 * @token: of which the public key and the id are used, nothing secret
 * @out: four groups of five digits, 23 characters, and a NUL
 */
void token_fingerprint(const struct token *token, char out[TOKEN_FINGERPRINT_BYTES]);

/** token_fingerprint_of() - the same of any public key, such as the joiner's, and a token's id */
void token_fingerprint_of(const uint8_t key[PUBLIC_KEY_BYTES], const uint8_t id[TOKEN_ID_BYTES],
                          char out[TOKEN_FINGERPRINT_BYTES]);

#endif
