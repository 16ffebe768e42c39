/* SPDX-License-Identifier: MIT
 *
 * fuzz_blob.c - any text as a blob, and any content with a right seal, which a fuzzer would not
 * find by itself.
 */
#include "tunnel/blob.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
    INNER_MAX = BLOB_BYTES_MAX - 1 - 24 - 16
};

static const struct blob_place place = {{1}, {2}};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_good(uint64_t counter, const struct candidate_list *list)
{
    static const uint8_t nonce[BLOB_NONCE_BYTES];
    char text[BLOB_TEXT_SIZE];
    struct candidate_list again;
    uint64_t counter_again;
    size_t chars = blob_seal(&place, counter, list, nonce, text, sizeof text);

    require(list->count <= CANDIDATES_MAX);
    require(chars > 0 && chars < sizeof text && strlen(text) == chars);
    require(blob_open(&place, &counter_again, &again, text, chars));
    require(counter_again == counter && again.count <= list->count);
}

/* Return: whether it was opened */
static bool try_text(const char *text, size_t chars)
{
    static const struct candidate_list nothing;
    struct candidate_list list;
    uint64_t counter = 1;
    bool opened;

    memset(&list, 0xff, sizeof list);
    opened = blob_open(&place, &counter, &list, text, chars);
    if (opened)
        require_good(counter, &list);
    else
        require(counter == 0 && memcmp(&list, &nothing, sizeof list) == 0);
    return opened;
}

static void try_inner(const uint8_t *inner, size_t count)
{
    uint8_t bytes[BLOB_BYTES_MAX] = {1}, about[BLOB_NAME_BYTES + 1];
    char text[BLOB_TEXT_SIZE];

    if (count > INNER_MAX)
        return;
    memcpy(about, place.name, BLOB_NAME_BYTES);
    about[BLOB_NAME_BYTES] = 1;
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + 1 + BLOB_NONCE_BYTES, NULL, inner, count,
                                               about, sizeof about, NULL, bytes + 1, place.key);
    sodium_bin2base64(text, sizeof text, bytes, 1 + BLOB_NONCE_BYTES + count + BLOB_TAG_BYTES,
                      BASE64);
    require(try_text(text, strlen(text)) <= (count > 8)); /* a counter and a list at least */
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    require(!try_text((const char *)input, count));
    try_inner(input, count);
    return 0;
}
