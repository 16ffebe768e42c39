/* SPDX-License-Identifier: MIT
 *
 * reply.c - the joiner's reply: write, read, open, explain. reply.h draws the bytes.
 */
#include "tunnel/reply.h"

#include "crypto/hash.h"
#include "cursor.h"

#include <sodium.h>
#include <string.h>

enum { SEAL_KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES };

_Static_assert((int)REPLY_BYTES_MAX <= (int)PASTE_BYTES_MAX, "a reply is a line to paste");
_Static_assert((int)REPLY_NONCE_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "");
_Static_assert((int)REPLY_TAG_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_ABYTES, "");

/* Where what stands before the seal stands. */
enum {
    ID_AT = PASTE_HEADER_BYTES,
    HOME_AT = ID_AT + TOKEN_ID_BYTES,
    NONCE_AT = HOME_AT + REPLY_HOME_BYTES,
};

static void derive(uint8_t out[HASH_BYTES], const uint8_t key[32], const char *label,
                   const uint8_t id[TOKEN_ID_BYTES])
{
    uint8_t input[32 + TOKEN_ID_BYTES];
    size_t label_bytes = strlen(label);

    memcpy(input, label, label_bytes + 1);
    memcpy(input + label_bytes, id, TOKEN_ID_BYTES);
    hash_hmac(out, key, 32, input, label_bytes + TOKEN_ID_BYTES);
}

static void home_of(uint8_t out[REPLY_HOME_BYTES], const uint8_t public_key[PUBLIC_KEY_BYTES],
                    const uint8_t id[TOKEN_ID_BYTES])
{
    uint8_t hash[HASH_BYTES];

    derive(hash, public_key, "lansplice reply home", id);
    memcpy(out, hash, REPLY_HOME_BYTES);
}

/* ---- writing ---- */

/* Return: how many bytes; 0 when there is something not valid */
static size_t write_inner(const struct reply *reply, uint8_t out[REPLY_INNER_BYTES_MAX])
{
    size_t name_bytes = strlen(reply->name), used = PUBLIC_KEY_BYTES + 1 + name_bytes, list;

    if (!site_name_valid(reply->name) ||
        sodium_is_zero(reply->public_key, sizeof reply->public_key))
        return 0;
    memcpy(out, reply->public_key, PUBLIC_KEY_BYTES);
    out[PUBLIC_KEY_BYTES] = (uint8_t)name_bytes;
    memcpy(out + PUBLIC_KEY_BYTES + 1, reply->name, name_bytes);
    list = candidate_encode(&reply->candidates, out + used, REPLY_INNER_BYTES_MAX - used);
    return list > 0 ? used + list : 0;
}

/* The version and the length, which paste_encode() writes, are under the seal, too. */
static void write_open(uint8_t *out, const struct token *token, const uint8_t *nonce, size_t count)
{
    out[0] = PASTE_VERSION;
    store_be16(out + 1, (uint16_t)count);
    memcpy(out + ID_AT, token->id, TOKEN_ID_BYTES);
    home_of(out + HOME_AT, token->public_key, token->id);
    memcpy(out + NONCE_AT, nonce, REPLY_NONCE_BYTES);
}

size_t reply_encode(const struct reply *reply, const struct token *token,
                    const uint8_t nonce[REPLY_NONCE_BYTES], char *out, size_t capacity)
{
    uint8_t inner[REPLY_INNER_BYTES_MAX], bytes[REPLY_BYTES_MAX], key[HASH_BYTES];
    size_t inner_bytes = write_inner(reply, inner);
    size_t count = REPLY_OPEN_BYTES + inner_bytes + REPLY_TAG_BYTES + PASTE_CHECKSUM_BYTES;

    if (inner_bytes == 0)
        return 0;
    write_open(bytes, token, nonce, count);
    derive(key, token->psk, "lansplice reply key", token->id);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + REPLY_OPEN_BYTES, NULL, inner, inner_bytes,
                                               bytes, REPLY_OPEN_BYTES, NULL, nonce, key);
    sodium_memzero(key, sizeof key);
    return paste_encode(REPLY_MARK, bytes, count, out, capacity);
}

/* ---- reading ---- */

enum paste_error reply_decode(struct reply_line *line, const char *text, size_t bytes)
{
    size_t count;
    enum paste_error error;

    memset(line, 0, sizeof *line);
    error = paste_decode(REPLY_MARK, line->bytes, sizeof line->bytes, &count, text, bytes);
    if (error == PASTE_OTHER && paste_begins(TOKEN_MARK, text, bytes))
        error = PASTE_OTHER_KIND;
    if (error == PASTE_OK && count < REPLY_OPEN_BYTES + REPLY_TAG_BYTES + PASTE_CHECKSUM_BYTES)
        error = PASTE_INVALID;
    if (error != PASTE_OK) {
        memset(line, 0, sizeof *line);
        return error;
    }
    line->count = count - PASTE_CHECKSUM_BYTES;
    memcpy(line->id, line->bytes + ID_AT, TOKEN_ID_BYTES);
    return PASTE_OK;
}

bool reply_is_for(const struct reply_line *line, const uint8_t public_key[PUBLIC_KEY_BYTES])
{
    uint8_t home[REPLY_HOME_BYTES];

    home_of(home, public_key, line->id);
    return memcmp(home, line->bytes + HOME_AT, sizeof home) == 0;
}

static bool take_inner(struct reply *reply, const uint8_t *inner, size_t count)
{
    struct cursor c = cursor_over(inner, count);
    const uint8_t *key, *name;
    uint8_t name_bytes;

    if (!cursor_take(&c, PUBLIC_KEY_BYTES, &key) || !cursor_u8(&c, &name_bytes) ||
        name_bytes > SITE_NAME_MAX || !cursor_take(&c, name_bytes, &name))
        return false;
    memcpy(reply->public_key, key, PUBLIC_KEY_BYTES);
    memcpy(reply->name, name, name_bytes);
    return strlen(reply->name) == name_bytes && site_name_valid(reply->name) &&
           !sodium_is_zero(reply->public_key, sizeof reply->public_key) &&
           candidate_decode(&reply->candidates, c.at, cursor_left(&c));
}

bool reply_open(struct reply *reply, const struct reply_line *line, const uint8_t psk[PSK_BYTES])
{
    uint8_t inner[REPLY_INNER_BYTES_MAX], key[HASH_BYTES];
    unsigned long long inner_bytes = 0;
    bool good;

    memset(reply, 0, sizeof *reply);
    if (line->count < REPLY_OPEN_BYTES + REPLY_TAG_BYTES)
        return false;
    derive(key, psk, "lansplice reply key", line->id);
    good = crypto_aead_xchacha20poly1305_ietf_decrypt(
               inner, &inner_bytes, NULL, line->bytes + REPLY_OPEN_BYTES,
               line->count - REPLY_OPEN_BYTES, line->bytes, REPLY_OPEN_BYTES,
               line->bytes + NONCE_AT, key) == 0 &&
           take_inner(reply, inner, (size_t)inner_bytes);
    sodium_memzero(key, sizeof key);
    if (!good)
        memset(reply, 0, sizeof *reply);
    return good;
}
