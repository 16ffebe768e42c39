/* SPDX-License-Identifier: MIT
 *
 * fuzz_hello.c - any bytes as the opened payload of an initiation or a response: what is taken
 * says only what can be said, and says the same when it is written and read again.
 *
 * Input: one byte, even for an initiation; then the payload.
 */
#include "tunnel/handshake.h"

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool equal(const struct hello *a, const struct hello *b)
{
    return a->version == b->version && a->has_token == b->has_token && a->has_site == b->has_site &&
           a->order == b->order && a->features == b->features && a->suite_count == b->suite_count &&
           memcmp(a->suite, b->suite, sizeof a->suite) == 0 &&
           memcmp(a->token_id, b->token_id, sizeof a->token_id) == 0 &&
           site_info_equal(&a->site, &b->site);
}

static void check_sense(const struct hello *hello, bool response)
{
    static const uint8_t zero[TOKEN_ID_BYTES];
    require(hello->suite_count <= HELLO_SUITES_MAX);
    require(hello->has_site == (hello->site.name[0] != '\0'));
    require(!hello->has_site || site_name_valid(hello->site.name));
    require(hello->has_token || memcmp(hello->token_id, zero, sizeof zero) == 0);
    for (unsigned i = hello->suite_count; i < HELLO_SUITES_MAX; i++)
        require(hello->suite[i] == 0);
    require(!response || (hello->suite_count == 1 && !hello->has_token && hello->order == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    if (count == 0)
        return 0;
    bool response = (input[0] & 1) != 0;
    bool (*decode)(const uint8_t *, size_t, struct hello *) =
        response ? hello_decode_response : hello_decode_initiation;
    size_t bytes = count - 1, again_bytes;
    uint8_t *payload = malloc(bytes + (bytes == 0)); /* the sanitizer sees its end */
    uint8_t again[RESPONSE_PAYLOAD_MAX_BYTES];
    struct hello hello, hello_again;

    if (!payload)
        return 0;
    memcpy(payload, input + 1, bytes);
    memset(&hello, 0xa5, sizeof hello);
    memset(&hello_again, 0x5a, sizeof hello_again);
    if (decode(payload, bytes, &hello)) {
        check_sense(&hello, response);
        again_bytes = response ? hello_encode_response(&hello, again)
                               : hello_encode_initiation(&hello, again);
        require(again_bytes <= (response ? RESPONSE_PAYLOAD_MAX_BYTES : INITIATION_PAYLOAD_BYTES));
        require(decode(again, again_bytes, &hello_again));
        require(equal(&hello, &hello_again));
        require(!decode(again, again_bytes - 1, &hello_again)); /* nothing of it was padding */
    }
    free(payload);
    return 0;
}
