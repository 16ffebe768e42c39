/* SPDX-License-Identifier: MIT
 *
 * token.c - the invite token's text: write, read, explain. token.h draws the bytes.
 */
#include "tunnel/token.h"

#include "bytes.h"
#include "cursor.h"
#include "tunnel/paste.h"
#include "tunnel/reply.h"

#include <sodium.h>
#include <string.h>

enum { HASH_BYTES = crypto_generichash_BYTES_MAX }; /* BLAKE2b-512 */

_Static_assert((int)TOKEN_BYTES_MAX <= (int)PASTE_BYTES_MAX, "a token is a line to paste");

/* ---- endpoints ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

/* All of @text is a decimal of at most @max, without a leading zero. */
static bool decimal_valid(const char *text, size_t chars, unsigned max, unsigned *out)
{
    if (chars == 0 || chars > 5 || (chars > 1 && text[0] == '0'))
        return false;
    *out = 0;
    for (size_t i = 0; i < chars; i++) {
        if (!is_digit(text[i]))
            return false;
        *out = *out * 10 + (unsigned)(text[i] - '0');
    }
    return *out <= max;
}

/* How many characters come before the next @stop, or the end. */
static size_t part_chars(const char *text, size_t chars, char stop)
{
    const char *end = memchr(text, stop, chars);
    return end ? (size_t)(end - text) : chars;
}

static bool ipv4_valid(const char *text, size_t chars)
{
    unsigned octet;
    for (int left = 3; left >= 0; left--) {
        size_t part = part_chars(text, chars, '.');
        if (!decimal_valid(text, part, 255, &octet) || (part < chars) != (left > 0))
            return false;
        if (left > 0) {
            text += part + 1;
            chars -= part + 1;
        }
    }
    return true;
}

static bool ipv6_group_valid(const char *text, size_t chars)
{
    for (size_t i = 0; i < chars; i++)
        if (!is_hex(text[i]))
            return false;
    return chars >= 1 && chars <= 4;
}

/* Counts the groups of a part without "::"; the last may be IPv4 and is worth two. -1: not one. */
static int ipv6_groups(const char *text, size_t chars, bool ipv4_may_end)
{
    int groups = 0;
    if (chars == 0)
        return 0;
    for (;;) {
        size_t part = part_chars(text, chars, ':');
        bool last = part == chars;
        if (last && ipv4_may_end && ipv4_valid(text, part))
            return groups + 2;
        if (!ipv6_group_valid(text, part))
            return -1;
        groups++;
        if (last)
            return groups;
        text += part + 1;
        chars -= part + 1;
    }
}

/* RFC 4291 s.2.2: eight groups, or fewer around one "::", which stands for at least one. */
static bool ipv6_valid(const char *text, size_t chars)
{
    size_t gap = 0;
    while (gap + 1 < chars && (text[gap] != ':' || text[gap + 1] != ':'))
        gap++;
    if (gap + 1 >= chars)
        return ipv6_groups(text, chars, true) == 8;
    int before = ipv6_groups(text, gap, false);
    int after = ipv6_groups(text + gap + 2, chars - gap - 2, true);
    return before >= 0 && after >= 0 && before + after <= 7;
}

static bool label_valid(const char *text, size_t chars)
{
    for (size_t i = 0; i < chars; i++)
        if (!is_name_char(text[i]))
            return false;
    return chars >= 1 && chars <= 63 && text[0] != '-' && text[chars - 1] != '-';
}

/* RFC 1123 s.2.1. One whose last label is all digits would be taken for an IPv4 address. */
static bool host_name_valid(const char *text, size_t chars)
{
    size_t part;
    if (chars > 253)
        return false;
    while (part = part_chars(text, chars, '.'), part < chars) {
        if (!label_valid(text, part))
            return false;
        text += part + 1;
        chars -= part + 1;
    }
    bool digits = true;
    for (size_t i = 0; i < part; i++)
        digits = digits && is_digit(text[i]);
    return label_valid(text, part) && !digits;
}

/* RFC 2782: "_service._udp." and a host name, without a port, which DNS tells. */
bool endpoint_text_is_srv(const char *text)
{
    static const char protocol[] = "._udp.";
    size_t chars = strlen(text), service = part_chars(text, chars, '.');

    return text[0] == '_' && label_valid(text + 1, service - 1) &&
           chars > service + sizeof protocol - 1 && chars <= 253 &&
           memcmp(text + service, protocol, sizeof protocol - 1) == 0 &&
           host_name_valid(text + service + sizeof protocol - 1,
                           chars - service - (sizeof protocol - 1));
}

bool endpoint_text_valid(const char *text)
{
    const char *colon = strrchr(text, ':');
    unsigned port;
    if (text[0] == '_')
        return endpoint_text_is_srv(text);
    if (!colon || !decimal_valid(colon + 1, strlen(colon + 1), 65535, &port) || port == 0)
        return false;
    size_t host = (size_t)(colon - text);
    if (host > 2 && text[0] == '[' && text[host - 1] == ']')
        return ipv6_valid(text + 1, host - 2);
    return ipv4_valid(text, host) || host_name_valid(text, host);
}

/* ---- the bytes ---- */

static bool token_valid(const struct token *token)
{
    if (sodium_is_zero(token->public_key, sizeof token->public_key) ||
        sodium_is_zero(token->psk, sizeof token->psk) || !site_name_valid(token->name) ||
        token->endpoint_count > TOKEN_ENDPOINTS_MAX)
        return false;
    for (size_t i = 0; i < token->endpoint_count; i++)
        if (strlen(token->endpoint[i]) > TOKEN_ENDPOINT_CHARS ||
            !endpoint_text_valid(token->endpoint[i]))
            return false;
    return true;
}

static uint8_t *put(uint8_t *out, const void *bytes, size_t count)
{
    memcpy(out, bytes, count);
    return out + count;
}

static size_t write_bytes(const struct token *token, uint8_t out[TOKEN_BYTES_MAX])
{
    uint8_t *end = out + PASTE_HEADER_BYTES;
    size_t name_bytes = strlen(token->name);

    end = put(end, token->public_key, sizeof token->public_key);
    end = put(end, token->id, sizeof token->id);
    end = put(end, token->psk, sizeof token->psk);
    *end++ = (uint8_t)name_bytes;
    end = put(end, token->name, name_bytes);
    *end++ = token->endpoint_count;
    for (size_t i = 0; i < token->endpoint_count; i++) {
        size_t bytes = strlen(token->endpoint[i]);
        store_be16(end, (uint16_t)bytes);
        end = put(end + 2, token->endpoint[i], bytes);
    }
    end += candidate_encode(&token->candidates, end, CANDIDATES_MAX_BYTES);
    return (size_t)(end - out) + PASTE_CHECKSUM_BYTES;
}

static bool take_copy(struct cursor *c, void *out, size_t count)
{
    const uint8_t *bytes;
    if (!cursor_take(c, count, &bytes))
        return false;
    memcpy(out, bytes, count);
    return true;
}

/* A text of @count bytes into a zeroed string of @size; a NUL inside it is none of ours. */
static bool take_text(struct cursor *c, size_t count, char *out, size_t size)
{
    return count < size && take_copy(c, out, count) && strlen(out) == count;
}

static bool take_endpoints(struct token *token, struct cursor *c)
{
    if (!cursor_u8(c, &token->endpoint_count) || token->endpoint_count > TOKEN_ENDPOINTS_MAX)
        return false;
    for (size_t i = 0; i < token->endpoint_count; i++) {
        uint16_t bytes;
        if (!cursor_u16(c, &bytes) ||
            !take_text(c, bytes, token->endpoint[i], sizeof token->endpoint[i]))
            return false;
    }
    return true;
}

static bool take_body(struct token *token, struct cursor *c)
{
    uint8_t name_bytes;
    return take_copy(c, token->public_key, sizeof token->public_key) &&
           take_copy(c, token->id, sizeof token->id) &&
           take_copy(c, token->psk, sizeof token->psk) && cursor_u8(c, &name_bytes) &&
           take_text(c, name_bytes, token->name, sizeof token->name) && take_endpoints(token, c) &&
           candidate_decode(&token->candidates, c->at, cursor_left(c)) && token_valid(token);
}

/* ---- the text ---- */

size_t token_encode(const struct token *token, char *out, size_t capacity)
{
    uint8_t bytes[TOKEN_BYTES_MAX];
    if (!token_valid(token))
        return 0;
    size_t chars = paste_encode(TOKEN_MARK, bytes, write_bytes(token, bytes), out, capacity);
    sodium_memzero(bytes, sizeof bytes);
    return chars;
}

enum paste_error token_decode(struct token *token, const char *text, size_t bytes)
{
    uint8_t all[TOKEN_BYTES_MAX];
    size_t count;
    enum paste_error error = paste_decode(TOKEN_MARK, all, sizeof all, &count, text, bytes);

    memset(token, 0, sizeof *token);
    if (error == PASTE_OTHER && paste_begins(REPLY_MARK, text, bytes))
        error = PASTE_OTHER_KIND;
    if (error == PASTE_OK) {
        struct cursor body = cursor_over(all + PASTE_HEADER_BYTES,
                                         count - PASTE_HEADER_BYTES - PASTE_CHECKSUM_BYTES);
        error = take_body(token, &body) ? PASTE_OK : PASTE_INVALID;
    }
    sodium_memzero(all, sizeof all);
    if (error != PASTE_OK)
        sodium_memzero(token, sizeof *token);
    return error;
}

/* 5 digits from each 32 bits: the bias of the remainder is below 1 in 40000. */
void token_fingerprint_of(const uint8_t key[PUBLIC_KEY_BYTES], const uint8_t id[TOKEN_ID_BYTES],
                          char out[TOKEN_FINGERPRINT_BYTES])
{
    enum { GROUPS = 4, DIGITS = 5 };
    static const uint8_t label[] = "lansplice fingerprint";
    uint8_t hash[HASH_BYTES];
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_update(&state, label, sizeof label - 1);
    crypto_generichash_update(&state, key, PUBLIC_KEY_BYTES);
    crypto_generichash_update(&state, id, TOKEN_ID_BYTES);
    crypto_generichash_final(&state, hash, sizeof hash);
    for (size_t group = 0; group < GROUPS; group++) {
        uint32_t value = load_be32(hash + 4 * group) % 100000;
        char *text = out + group * (DIGITS + 1);
        for (size_t i = DIGITS; i > 0; i--, value /= 10)
            text[i - 1] = (char)('0' + value % 10);
        text[DIGITS] = group + 1 < GROUPS ? ' ' : '\0';
    }
}

void token_fingerprint(const struct token *token, char out[TOKEN_FINGERPRINT_BYTES])
{
    token_fingerprint_of(token->public_key, token->id, out);
}
