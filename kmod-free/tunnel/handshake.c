/* SPDX-License-Identifier: MIT
 *
 * handshake.c - see handshake.h.
 */
#include "tunnel/handshake.h"

#include "bytes.h"
#include "cursor.h"

#include <sodium.h>
#include <string.h>

enum { HELLO_TOKEN = 1 };

const char HANDSHAKE_PROLOGUE[] = "lansplice 1";

void handshake_begin(struct noise *noise, bool initiator, const struct noise_keys *keys)
{
    noise_init(noise, NOISE_IKPSK2, initiator, (const uint8_t *)HANDSHAKE_PROLOGUE,
               strlen(HANDSHAKE_PROLOGUE), keys);
}

/* ---- payloads ---- */

/* Site info with its length in front; length 0 says 'nothing told'. */
static size_t write_site(uint8_t *out, size_t room, const struct hello *hello)
{
    size_t bytes = hello->has_site ? site_info_encode(&hello->site, out + 2, room - 2) : 0;
    store_be16(out, (uint16_t)bytes);
    return 2 + bytes;
}

static bool read_site(struct cursor *c, struct hello *hello)
{
    uint16_t bytes;
    const uint8_t *info;
    if (!cursor_u16(c, &bytes) || !cursor_take(c, bytes, &info))
        return false;
    hello->has_site = bytes != 0;
    return bytes == 0 || site_info_decode(&hello->site, info, bytes);
}

size_t hello_encode_initiation(const struct hello *hello, uint8_t *out)
{
    size_t at = 15u + hello->suite_count;
    out[0] = hello->version;
    out[1] = hello->has_token ? HELLO_TOKEN : 0;
    store_be64(out + 2, hello->order);
    store_be32(out + 10, hello->features);
    out[14] = hello->suite_count;
    memcpy(out + 15, hello->suite, hello->suite_count);
    if (hello->has_token) {
        memcpy(out + at, hello->token_id, TOKEN_ID_BYTES);
        at += TOKEN_ID_BYTES;
    }
    return at + write_site(out + at, INITIATION_PAYLOAD_BYTES - at, hello);
}

bool hello_decode_initiation(const uint8_t *payload, size_t bytes, struct hello *hello)
{
    struct cursor c = cursor_over(payload, bytes);
    const uint8_t *suites, *token;
    uint8_t flags;
    memset(hello, 0, sizeof *hello);
    if (!cursor_u8(&c, &hello->version) || !cursor_u8(&c, &flags) ||
        !cursor_u64(&c, &hello->order) || !cursor_u32(&c, &hello->features) ||
        !cursor_u8(&c, &hello->suite_count) || hello->suite_count > HELLO_SUITES_MAX ||
        !cursor_take(&c, hello->suite_count, &suites))
        return false;
    memcpy(hello->suite, suites, hello->suite_count);
    hello->has_token = (flags & HELLO_TOKEN) != 0;
    if (hello->has_token) {
        if (!cursor_take(&c, TOKEN_ID_BYTES, &token))
            return false;
        memcpy(hello->token_id, token, TOKEN_ID_BYTES);
    }
    return read_site(&c, hello);
}

size_t hello_encode_response(const struct hello *hello, uint8_t *out)
{
    out[0] = hello->version;
    out[1] = hello->suite[0];
    store_be32(out + 2, hello->features);
    return 6 + write_site(out + 6, RESPONSE_PAYLOAD_MAX_BYTES - 6, hello);
}

bool hello_decode_response(const uint8_t *payload, size_t bytes, struct hello *hello)
{
    struct cursor c = cursor_over(payload, bytes);
    memset(hello, 0, sizeof *hello);
    hello->suite_count = 1;
    return cursor_u8(&c, &hello->version) && cursor_u8(&c, &hello->suite[0]) &&
           cursor_u32(&c, &hello->features) && read_site(&c, hello);
}

/* ---- datagrams ---- */

static void write_header(uint8_t *out, enum wire_type type)
{
    out[0] = (uint8_t)type;
    out[1] = WIRE_PART_WHOLE;
    store_be16(out + 2, 0);
}

bool handshake_write_initiation(struct noise *noise, const struct hello *hello,
                                uint32_t sender_index, uint8_t *out)
{
    uint8_t payload[INITIATION_PAYLOAD_BYTES] = {0};
    size_t bytes;

    hello_encode_initiation(hello, payload);
    write_header(out, WIRE_INITIATION);
    store_be32(out + 4, sender_index);
    bool written = noise_write(noise, payload, sizeof payload, out + INITIATION_NOISE_OFFSET,
                               INITIATION_BYTES - INITIATION_NOISE_OFFSET, &bytes);
    sodium_memzero(payload, sizeof payload);
    return written;
}

bool handshake_read_initiation(struct noise *noise, const uint8_t *datagram, struct hello *hello)
{
    uint8_t payload[INITIATION_PAYLOAD_BYTES];
    size_t bytes;
    size_t noise_bytes = INITIATION_BYTES - INITIATION_NOISE_OFFSET - 2 * MAC_TAG_BYTES;

    bool ok = noise_read(noise, datagram + INITIATION_NOISE_OFFSET, noise_bytes, payload,
                         sizeof payload, &bytes) &&
              hello_decode_initiation(payload, bytes, hello);
    sodium_memzero(payload, sizeof payload);
    return ok;
}

size_t handshake_write_response(struct noise *noise, const struct hello *hello,
                                uint32_t sender_index, uint32_t receiver_index, uint8_t *out)
{
    uint8_t payload[RESPONSE_PAYLOAD_MAX_BYTES];
    size_t bytes;

    size_t payload_bytes = hello_encode_response(hello, payload);
    write_header(out, WIRE_RESPONSE);
    store_be32(out + 4, sender_index);
    store_be32(out + 8, receiver_index);
    bool written = noise_write(noise, payload, payload_bytes, out + RESPONSE_NOISE_OFFSET,
                               INITIATION_BYTES - RESPONSE_NOISE_OFFSET, &bytes);
    sodium_memzero(payload, sizeof payload);
    return written ? RESPONSE_NOISE_OFFSET + bytes + 2 * MAC_TAG_BYTES : 0;
}

bool handshake_read_response(struct noise *noise, const uint8_t *datagram, size_t bytes,
                             struct hello *hello)
{
    uint8_t payload[RESPONSE_PAYLOAD_MAX_BYTES];
    size_t payload_bytes;

    if (bytes < RESPONSE_NOISE_OFFSET + NOISE_2_OVERHEAD_BYTES + 2 * MAC_TAG_BYTES ||
        !noise_read(noise, datagram + RESPONSE_NOISE_OFFSET,
                    bytes - RESPONSE_NOISE_OFFSET - 2 * MAC_TAG_BYTES, payload, sizeof payload,
                    &payload_bytes))
        return false;
    bool ok = hello_decode_response(payload, payload_bytes, hello);
    sodium_memzero(payload, sizeof payload);
    return ok;
}
