/* SPDX-License-Identifier: MIT
 *
 * fuzz_token.c - any text as a token and as an endpoint; and any body with a right checksum, which
 * a fuzzer would not find by itself.
 */
#include "tunnel/token.h"

#include "bytes.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING, MARK_CHARS = 11 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_good(const struct token *token)
{
    char text[TOKEN_TEXT_SIZE];
    struct token again;
    size_t chars = token_encode(token, text, sizeof text);

    require(site_name_valid(token->name) && token->endpoint_count <= TOKEN_ENDPOINTS_MAX);
    for (size_t i = 0; i < token->endpoint_count; i++)
        require(endpoint_text_valid(token->endpoint[i]));
    require(chars > 0 && chars < sizeof text && strlen(text) == chars);
    require(token_decode(&again, text, chars) == PASTE_OK);
    require(memcmp(token, &again, offsetof(struct token, candidates)) == 0);
    require(again.candidates.count <= token->candidates.count); /* what is usable */
}

static void try_text(const char *text, size_t chars)
{
    static const struct token nothing;
    struct token token;
    memset(&token, 0xff, sizeof token);
    enum paste_error error = token_decode(&token, text, chars);
    if (error == PASTE_OK)
        require_good(&token);
    else
        require(memcmp(&token, &nothing, sizeof token) == 0);
}

/* The input as a body: version, length, checksum and base64 are put around it. */
static void try_body(const uint8_t *body, size_t body_bytes)
{
    uint8_t bytes[TOKEN_BYTES_MAX], hash[crypto_generichash_BYTES_MAX];
    char text[TOKEN_TEXT_SIZE] = "lansplice1:";
    size_t count = 3 + body_bytes;
    if (count + 4 > sizeof bytes)
        return;
    bytes[0] = 1;
    store_be16(bytes + 1, (uint16_t)(count + 4));
    memcpy(bytes + 3, body, body_bytes);
    crypto_generichash(hash, sizeof hash, bytes, count, NULL, 0);
    memcpy(bytes + count, hash, 4);
    sodium_bin2base64(text + MARK_CHARS, sizeof text - MARK_CHARS, bytes, count + 4, BASE64);
    try_text(text, strlen(text));
}

static void try_endpoint(const uint8_t *input, size_t count)
{
    char *text = malloc(count + 1);
    memcpy(text, input, count);
    text[count] = '\0';
    if (endpoint_text_valid(text)) {
        require(strlen(text) < TOKEN_ENDPOINT_SIZE);
        require(text[0] != '-' && strpbrk(text, " \t\r\n/%$;'\"\\") == NULL);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    try_text((const char *)input, count);
    try_body(input, count);
    try_endpoint(input, count);
    return 0;
}
