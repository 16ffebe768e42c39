/* SPDX-License-Identifier: MIT
 *
 * token.c - see token.h.
 */
#include "tunnel/token.h"

#include "bytes.h"
#include "frame/cursor.h"

#include <sodium.h>
#include <string.h>

static const char PREFIX[] = "lansplice1:";
enum { TOKEN_VERSION_1 = 1, CHECKSUM_BYTES = 4, PREFIX_LENGTH = sizeof PREFIX - 1 };

/* ---- endpoints ---- */

static bool port_valid(const char *text)
{
    unsigned long port = 0;
    size_t n = 0;
    for (; text[n] >= '0' && text[n] <= '9' && n < 6; n++)
        port = port * 10 + (unsigned)(text[n] - '0');
    return n >= 1 && n <= 5 && text[n] == '\0' && port >= 1 && port <= 65535;
}

static bool host_char_valid(char c, bool bracketed)
{
    bool digit = c >= '0' && c <= '9';
    if (bracketed) /* an IPv6 address, perhaps with %interface */
        return digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ':' || c == '.' ||
               c == '%' || c == '-' || c == '_';
    return digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           c == '_';
}

bool endpoint_text_valid(const char *text)
{
    bool bracketed = text[0] == '[';
    const char *host = text + (bracketed ? 1 : 0);
    size_t length = strlen(text), n = 0;

    if (length > ENDPOINT_TEXT_MAX)
        return false;
    while (host_char_valid(host[n], bracketed))
        n++;
    if (n == 0 || n > 253 || host[0] == '-')
        return false;
    if (bracketed && (host[n++] != ']' || !memchr(host, ':', n)))
        return false;
    return host[n] == ':' && port_valid(host + n + 1);
}

/* ---- encoding ---- */

static void checksum(const uint8_t *bytes, size_t count, uint8_t out[CHECKSUM_BYTES])
{
    uint8_t hash[crypto_generichash_BYTES];
    crypto_generichash(hash, sizeof hash, bytes, count, NULL, 0);
    memcpy(out, hash, CHECKSUM_BYTES);
    sodium_memzero(hash, sizeof hash);
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t count)
{
    memcpy(to, bytes, count);
    return to + count;
}

static size_t encode_body(const struct token *token, uint8_t body[TOKEN_BODY_MAX])
{
    uint8_t *p = body;
    size_t name_bytes = strlen(token->name);

    *p++ = TOKEN_VERSION_1;
    p = put(p, token->public_key, sizeof token->public_key);
    p = put(p, token->id, sizeof token->id);
    p = put(p, token->psk, sizeof token->psk);
    *p++ = (uint8_t)name_bytes;
    p = put(p, token->name, name_bytes);
    *p++ = token->endpoint_count;
    for (size_t i = 0; i < token->endpoint_count; i++) {
        size_t length = strlen(token->endpoint[i]);
        store_be16(p, (uint16_t)length);
        p = put(p + 2, token->endpoint[i], length);
    }
    checksum(body, (size_t)(p - body), p);
    return (size_t)(p - body) + CHECKSUM_BYTES;
}

size_t token_encode(const struct token *token, char *out, size_t capacity)
{
    uint8_t body[TOKEN_BODY_MAX];
    size_t bytes = encode_body(token, body);
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    size_t need = PREFIX_LENGTH + sodium_base64_encoded_len(bytes, variant);

    if (need <= capacity) {
        memcpy(out, PREFIX, PREFIX_LENGTH);
        sodium_bin2base64(out + PREFIX_LENGTH, capacity - PREFIX_LENGTH, body, bytes, variant);
    }
    sodium_memzero(body, sizeof body);
    return need <= capacity ? need - 1 : 0;
}

/* ---- decoding ---- */

static bool take_text(struct cursor *c, size_t bytes, char *out, size_t max)
{
    const uint8_t *text;
    if (bytes > max || !cursor_take(c, bytes, &text) || memchr(text, 0, bytes) != NULL)
        return false;
    memcpy(out, text, bytes);
    out[bytes] = '\0';
    return true;
}

static bool take_endpoints(struct token *token, struct cursor *c)
{
    if (!cursor_u8(c, &token->endpoint_count) || token->endpoint_count > TOKEN_ENDPOINTS_MAX)
        return false;
    for (size_t i = 0; i < token->endpoint_count; i++) {
        uint16_t length;
        if (!cursor_u16(c, &length) ||
            !take_text(c, length, token->endpoint[i], ENDPOINT_TEXT_MAX) ||
            !endpoint_text_valid(token->endpoint[i]))
            return false;
    }
    return true;
}

static bool take_fixed(struct cursor *c, uint8_t *out, size_t count)
{
    const uint8_t *p;
    if (!cursor_take(c, count, &p))
        return false;
    memcpy(out, p, count);
    return true;
}

static enum token_error decode_body(struct token *token, const uint8_t *body, size_t bytes)
{
    uint8_t sum[CHECKSUM_BYTES], version, name_bytes;

    if (bytes < 1 + PUBLIC_KEY_BYTES + TOKEN_ID_BYTES + PSK_BYTES + 2 + CHECKSUM_BYTES)
        return TOKEN_CUT_SHORT;
    checksum(body, bytes - CHECKSUM_BYTES, sum);
    if (sodium_memcmp(sum, body + bytes - CHECKSUM_BYTES, CHECKSUM_BYTES) != 0)
        return TOKEN_CHECKSUM;
    struct cursor c = cursor_over(body, bytes - CHECKSUM_BYTES);
    if (!cursor_u8(&c, &version) || version != TOKEN_VERSION_1)
        return TOKEN_VERSION;
    if (!take_fixed(&c, token->public_key, sizeof token->public_key) ||
        !take_fixed(&c, token->id, sizeof token->id) ||
        !take_fixed(&c, token->psk, sizeof token->psk) || !cursor_u8(&c, &name_bytes) ||
        !take_text(&c, name_bytes, token->name, SITE_NAME_MAX) || !site_name_valid(token->name) ||
        !take_endpoints(token, &c) || cursor_left(&c) != 0)
        return TOKEN_INVALID;
    return TOKEN_OK;
}

/* Copy without white space; returns the length, or capacity + 1 when it is longer. */
static size_t strip(char *out, size_t capacity, const char *text, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n')
            continue;
        if (n == capacity)
            return capacity + 1;
        out[n++] = text[i];
    }
    return n;
}

static enum token_error decode_text(struct token *token, const char *text, size_t length)
{
    uint8_t body[TOKEN_BODY_MAX];
    const char *end;
    size_t bytes;

    if (length < PREFIX_LENGTH || memcmp(text, PREFIX, PREFIX_LENGTH) != 0)
        return length >= 9 && memcmp(text, PREFIX, 9) == 0 ? TOKEN_VERSION : TOKEN_NOT_A_TOKEN;
    text += PREFIX_LENGTH;
    length -= PREFIX_LENGTH;
    int failed = sodium_base642bin(body, sizeof body, text, length, NULL, &bytes, &end,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    /* A length of 4n + 1 letters, or stray bits at the end, mean that letters are missing. */
    bool alien = end != text + length && (size_t)(end - text) + 1 < length;
    enum token_error error = failed != 0 || end != text + length
                                 ? (alien ? TOKEN_NOT_A_TOKEN : TOKEN_CUT_SHORT)
                                 : decode_body(token, body, bytes);
    sodium_memzero(body, sizeof body);
    return error;
}

enum token_error token_decode(struct token *token, const char *text, size_t bytes)
{
    char line[TOKEN_TEXT_MAX];
    size_t length = strip(line, sizeof line, text, bytes);

    memset(token, 0, sizeof *token);
    enum token_error error =
        length > sizeof line ? TOKEN_NOT_A_TOKEN : decode_text(token, line, length);
    sodium_memzero(line, sizeof line);
    if (error != TOKEN_OK)
        sodium_memzero(token, sizeof *token);
    return error;
}

const char *token_error_text(enum token_error error)
{
    switch (error) {
    case TOKEN_OK:
        return "the token is fine";
    case TOKEN_CUT_SHORT:
        return "the token is incomplete: copy the whole line that 'lansplice invite' printed";
    case TOKEN_CHECKSUM:
        return "the token was damaged on its way: copy it again, or make a new one with "
               "'lansplice invite'";
    case TOKEN_VERSION:
        return "the token is of another version of lansplice: use the same version at both homes";
    case TOKEN_INVALID:
        return "the token holds values that make no sense: make a new one with 'lansplice invite'";
    case TOKEN_NOT_A_TOKEN:
        break;
    }
    return "this is not a token: it begins with 'lansplice1:' and is printed by 'lansplice invite'";
}

void token_fingerprint(const struct token *token, char out[TOKEN_FINGERPRINT_BYTES])
{
    static const char label[] = "lansplice fingerprint";
    uint8_t hash[crypto_generichash_BYTES];
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)label, sizeof label - 1);
    crypto_generichash_update(&state, token->public_key, sizeof token->public_key);
    crypto_generichash_update(&state, token->id, sizeof token->id);
    crypto_generichash_final(&state, hash, sizeof hash);
    for (size_t group = 0; group < 5; group++) {
        unsigned value = load_be32(hash + 4 * group) % 10000;
        char *digits = out + 5 * group;
        for (size_t i = 4; i-- > 0; value /= 10)
            digits[i] = (char)('0' + value % 10);
        digits[4] = group < 4 ? ' ' : '\0';
    }
}
