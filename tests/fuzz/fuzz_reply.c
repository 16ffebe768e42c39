/* SPDX-License-Identifier: MIT
 *
 * fuzz_reply.c - any text as a reply, any body with a right checksum, and any sealed content with
 * a right seal: the latter two a fuzzer would not find by itself.
 */
#include "tunnel/reply.h"

#include "bytes.h"
#include "crypto/hash.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING, MARK_CHARS = sizeof REPLY_MARK - 1 };

static const struct token token = {.public_key = {1}, .psk = {2}, .id = {3}, .name = "home"};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_good(const struct reply *reply)
{
    static const uint8_t nonce[REPLY_NONCE_BYTES];
    char text[REPLY_TEXT_SIZE];
    struct reply_line line;
    struct reply again;
    size_t chars = reply_encode(reply, &token, nonce, text, sizeof text);

    require(site_name_valid(reply->name) && reply->candidates.count <= CANDIDATES_MAX);
    require(chars > 0 && chars < sizeof text && strlen(text) == chars);
    require(reply_decode(&line, text, chars) == PASTE_OK);
    require(reply_is_for(&line, token.public_key));
    require(reply_open(&again, &line, token.psk));
    require(strcmp(reply->name, again.name) == 0);
}

static void try_text(const char *text, size_t chars)
{
    static const struct reply_line nothing;
    static const struct reply no_reply;
    struct reply_line line;
    struct reply reply;
    enum paste_error error;

    memset(&line, 0xff, sizeof line);
    memset(&reply, 0xff, sizeof reply);
    error = reply_decode(&line, text, chars);
    if (error != PASTE_OK)
        require(memcmp(&line, &nothing, sizeof line) == 0);
    if (reply_open(&reply, &line, token.psk))
        require_good(&reply);
    else
        require(memcmp(&reply, &no_reply, sizeof reply) == 0);
}

/* @bytes: all but the checksum, for which there is room. */
static void try_bytes(uint8_t *bytes, size_t count)
{
    uint8_t hash[crypto_generichash_BYTES_MAX];
    char text[REPLY_TEXT_SIZE] = REPLY_MARK;

    crypto_generichash(hash, sizeof hash, bytes, count, NULL, 0);
    memcpy(bytes + count, hash, PASTE_CHECKSUM_BYTES);
    sodium_bin2base64(text + MARK_CHARS, sizeof text - MARK_CHARS, bytes,
                      count + PASTE_CHECKSUM_BYTES, BASE64);
    try_text(text, strlen(text));
}

static void try_body(const uint8_t *body, size_t body_bytes)
{
    uint8_t bytes[REPLY_BYTES_MAX] = {PASTE_VERSION};
    size_t count = PASTE_HEADER_BYTES + body_bytes;

    if (count + PASTE_CHECKSUM_BYTES > sizeof bytes)
        return;
    store_be16(bytes + 1, (uint16_t)(count + PASTE_CHECKSUM_BYTES));
    memcpy(bytes + PASTE_HEADER_BYTES, body, body_bytes);
    try_bytes(bytes, count);
}

static void try_inner(const uint8_t *inner, size_t inner_bytes)
{
    uint8_t bytes[REPLY_BYTES_MAX] = {PASTE_VERSION}, key[HASH_BYTES], label[19 + TOKEN_ID_BYTES];
    size_t count = REPLY_OPEN_BYTES + inner_bytes + REPLY_TAG_BYTES;

    if (inner_bytes > REPLY_INNER_BYTES_MAX)
        return;
    store_be16(bytes + 1, (uint16_t)(count + PASTE_CHECKSUM_BYTES));
    memcpy(bytes + PASTE_HEADER_BYTES, token.id, TOKEN_ID_BYTES);
    memcpy(label, "lansplice reply key", 19);
    memcpy(label + 19, token.id, TOKEN_ID_BYTES);
    hash_hmac(key, token.psk, PSK_BYTES, label, sizeof label);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + REPLY_OPEN_BYTES, NULL, inner, inner_bytes,
                                               bytes, REPLY_OPEN_BYTES, NULL,
                                               bytes + REPLY_OPEN_BYTES - REPLY_NONCE_BYTES, key);
    try_bytes(bytes, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    try_text((const char *)input, count);
    try_body(input, count);
    try_inner(input, count);
    return 0;
}
