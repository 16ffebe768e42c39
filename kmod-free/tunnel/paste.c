/* SPDX-License-Identifier: MIT
 *
 * paste.c - lines to copy and paste: write, read, say what is wrong. paste.h draws the bytes.
 */
#include "tunnel/paste.h"

#include "bytes.h"

#include <sodium.h>
#include <string.h>

enum {
    HEADER_CHARS = 4,
    VERSION_CHARS = 2,                         /* of a mark: the version and the colon */
    HASH_BYTES = crypto_generichash_BYTES_MAX, /* BLAKE2b-512 */
    BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};

static void checksum(const uint8_t *bytes, size_t count, uint8_t out[PASTE_CHECKSUM_BYTES])
{
    uint8_t hash[HASH_BYTES];
    crypto_generichash(hash, sizeof hash, bytes, count, NULL, 0);
    memcpy(out, hash, PASTE_CHECKSUM_BYTES);
}

size_t paste_encode(const char *mark, uint8_t *bytes, size_t count, char *out, size_t capacity)
{
    size_t mark_chars = strlen(mark);
    size_t size = mark_chars + sodium_base64_encoded_len(count, BASE64); /* its NUL included */
    if (size > capacity)
        return 0;
    bytes[0] = PASTE_VERSION;
    store_be16(bytes + 1, (uint16_t)count);
    checksum(bytes, count - PASTE_CHECKSUM_BYTES, bytes + count - PASTE_CHECKSUM_BYTES);
    memcpy(out, mark, mark_chars + 1);
    sodium_bin2base64(out + mark_chars, capacity - mark_chars, bytes, count, BASE64);
    return size - 1;
}

/* Copies all but blanks; returns how many characters that were, perhaps more than @capacity. */
static size_t squeeze(char *out, size_t capacity, const char *text, size_t chars)
{
    size_t count = 0;
    for (size_t i = 0; i < chars; i++) {
        if (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r'))
            continue;
        if (count < capacity)
            out[count] = text[i];
        count++;
    }
    return count;
}

/* All of @text, which is as long as @count bytes need or longer; then it does not fit. libsodium
 * takes what is not ASCII for a '_'. */
static bool base64_read(uint8_t *out, size_t count, const char *text, size_t chars)
{
    for (size_t i = 0; i < chars; i++)
        if ((uint8_t)text[i] >= 0x80)
            return false;
    return sodium_base642bin(out, count, text, chars, NULL, NULL, NULL, BASE64) == 0;
}

static enum paste_error judge_bytes(const uint8_t *bytes, size_t count)
{
    uint8_t sum[PASTE_CHECKSUM_BYTES];
    if (count < PASTE_HEADER_BYTES + PASTE_CHECKSUM_BYTES)
        return PASTE_DAMAGED;
    count -= PASTE_CHECKSUM_BYTES;
    checksum(bytes, count, sum);
    if (memcmp(sum, bytes + count, PASTE_CHECKSUM_BYTES) != 0)
        return PASTE_DAMAGED;
    return bytes[0] == PASTE_VERSION ? PASTE_OK : PASTE_OTHER_VERSION;
}

/* The base64 after the mark: its first group says how long all of it is. */
static enum paste_error read_base64(uint8_t *bytes, size_t capacity, size_t *count,
                                    const char *text, size_t chars)
{
    uint8_t header[PASTE_HEADER_BYTES];
    if (chars < HEADER_CHARS)
        return PASTE_CUT_SHORT;
    if (!base64_read(header, sizeof header, text, HEADER_CHARS))
        return PASTE_DAMAGED;
    *count = load_be16(header + 1);
    if (*count > capacity)
        return PASTE_DAMAGED;
    if (chars < sodium_base64_encoded_len(*count, BASE64) - 1)
        return PASTE_CUT_SHORT;
    return base64_read(bytes, *count, text, chars) ? judge_bytes(bytes, *count) : PASTE_DAMAGED;
}

/* The mark, of whatever version. */
static bool has_mark(const char *mark, const char *text, size_t chars)
{
    size_t name_chars = strlen(mark) - VERSION_CHARS, at = name_chars;

    if (chars <= name_chars || memcmp(text, mark, name_chars) != 0)
        return false;
    while (at < chars && text[at] >= '0' && text[at] <= '9')
        at++;
    return at > name_chars && at < chars && text[at] == ':';
}

/* Of text that lacks the whole mark: the mark's beginning, another version's mark, or nothing. */
static enum paste_error judge_mark(const char *mark, const char *text, size_t chars)
{
    if (chars > 0 && chars < strlen(mark) && memcmp(text, mark, chars) == 0)
        return PASTE_CUT_SHORT;
    return has_mark(mark, text, chars) ? PASTE_OTHER_VERSION : PASTE_OTHER;
}

enum paste_error paste_decode(const char *mark, uint8_t *bytes, size_t capacity, size_t *count,
                              const char *text, size_t chars)
{
    char line[PASTE_TEXT_SIZE];
    size_t mark_chars = strlen(mark), squeezed = squeeze(line, sizeof line, text, chars);
    enum paste_error error;

    /* A full line is longer than any already: what it lacks does not change the answer. */
    *count = 0;
    if (squeezed > sizeof line)
        squeezed = sizeof line;
    if (squeezed < mark_chars || memcmp(line, mark, mark_chars) != 0)
        error = judge_mark(mark, line, squeezed);
    else
        error = read_base64(bytes, capacity, count, line + mark_chars, squeezed - mark_chars);
    sodium_memzero(line, sizeof line);
    return error;
}

bool paste_begins(const char *mark, const char *text, size_t chars)
{
    char line[PASTE_MARK_MAX];
    size_t squeezed = squeeze(line, sizeof line, text, chars);

    return has_mark(mark, line, squeezed < sizeof line ? squeezed : sizeof line);
}
