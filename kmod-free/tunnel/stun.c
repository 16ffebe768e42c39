/* SPDX-License-Identifier: MIT
 *
 * stun.c - write and read STUN messages. stun.h says how it works.
 */
#include "tunnel/stun.h"

#include "bytes.h"
#include "cursor.h"

#include <sodium.h>
#include <string.h>

enum {
    LENGTH_OFFSET = 2,
    COOKIE_OFFSET = 4,
    TRANSACTION_OFFSET = 8,
    FINGERPRINT_BYTES = 4,
    WHOLE_INTEGRITY_BYTES = STUN_ATTRIBUTE_HEADER_BYTES + STUN_INTEGRITY_BYTES,
    ADDRESS_V4_BYTES = 8,
    ADDRESS_V6_BYTES = 20,
    FAMILY_V4 = 1,
    FAMILY_V6 = 2,
    REQUIRED_BELOW = 0x8000,
};

static const uint32_t MAGIC_COOKIE = 0x2112a442;
static const uint32_t FINGERPRINT_XOR = 0x5354554e; /* "STUN" */

static size_t padded(size_t bytes)
{
    return (bytes + 3) & ~(size_t)3;
}

/* The CRC-32 of ITU V.42, as Ethernet's (RFC 8489 s.14.7); messages are too few for a table. */
static uint32_t crc32(const uint8_t *data, size_t bytes)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* ---- writing ---- */

static uint16_t encode_type(enum stun_method method, enum stun_class class_)
{
    unsigned m = method, c = class_;
    return (uint16_t)((m & 0x00f) | (m & 0x070) << 1 | (m & 0xf80) << 2 | (c & 1) << 4 |
                      (c & 2) << 7);
}

static void store_length(struct stun_writer *writer, size_t message_bytes)
{
    store_be16(writer->data + LENGTH_OFFSET, (uint16_t)(message_bytes - STUN_HEADER_BYTES));
}

void stun_begin(struct stun_writer *writer, uint8_t *out, size_t capacity, enum stun_method method,
                enum stun_class class_, const uint8_t transaction[STUN_TRANSACTION_BYTES])
{
    *writer = (struct stun_writer){.data = out, .capacity = capacity};
    if (capacity < STUN_HEADER_BYTES) {
        writer->overflow = true;
        return;
    }
    store_be16(out, encode_type(method, class_));
    store_be16(out + LENGTH_OFFSET, 0);
    store_be32(out + COOKIE_OFFSET, MAGIC_COOKIE);
    memcpy(out + TRANSACTION_OFFSET, transaction, STUN_TRANSACTION_BYTES);
    writer->bytes = STUN_HEADER_BYTES;
}

/* Room for an attribute's value, its header written; NULL: does not fit. */
static uint8_t *reserve(struct stun_writer *writer, uint16_t type, size_t bytes)
{
    size_t left = writer->capacity - writer->bytes;
    size_t length_left = UINT16_MAX - (writer->bytes - STUN_HEADER_BYTES);
    size_t needed = STUN_ATTRIBUTE_HEADER_BYTES + padded(bytes);
    if (writer->overflow || needed > left || needed > length_left) {
        writer->overflow = true;
        return NULL;
    }
    uint8_t *header = writer->data + writer->bytes;
    uint8_t *value = header + STUN_ATTRIBUTE_HEADER_BYTES;
    store_be16(header, type);
    store_be16(header + 2, (uint16_t)bytes);
    memset(value + bytes, 0, padded(bytes) - bytes);
    writer->bytes += needed;
    store_length(writer, writer->bytes);
    return value;
}

void stun_add(struct stun_writer *writer, uint16_t type, const void *value, size_t bytes)
{
    uint8_t *out = reserve(writer, type, bytes);
    if (out && bytes > 0)
        memcpy(out, value, bytes);
}

void stun_add_u32(struct stun_writer *writer, uint16_t type, uint32_t value)
{
    uint8_t *out = reserve(writer, type, 4);
    if (out)
        store_be32(out, value);
}

/* XOR an address' port and octets with the message's cookie and transaction; undoes itself. */
static void xor_address(uint8_t *value, size_t bytes, const uint8_t *message)
{
    value[2] ^= message[COOKIE_OFFSET];
    value[3] ^= message[COOKIE_OFFSET + 1];
    for (size_t i = 4; i < bytes; i++)
        value[i] ^= message[COOKIE_OFFSET + i - 4];
}

void stun_add_xor_address(struct stun_writer *writer, uint16_t type,
                          const struct endpoint *endpoint)
{
    bool v4 = endpoint->address.family == IP_V4;
    size_t bytes = v4 ? ADDRESS_V4_BYTES : ADDRESS_V6_BYTES;
    uint8_t *out = reserve(writer, type, bytes);
    if (!out)
        return;
    out[0] = 0;
    out[1] = v4 ? FAMILY_V4 : FAMILY_V6;
    store_be16(out + 2, endpoint->port);
    memcpy(out + 4, endpoint->address.octet, bytes - 4);
    xor_address(out, bytes, writer->data);
}

void stun_add_integrity(struct stun_writer *writer, const uint8_t *key, size_t key_bytes,
                        stun_hmac_fn *hmac)
{
    size_t before = writer->bytes;
    uint8_t *out = reserve(writer, ATTRIBUTE_MESSAGE_INTEGRITY, STUN_INTEGRITY_BYTES);
    if (out)
        hmac(key, key_bytes, writer->data, before, out);
}

void stun_add_fingerprint(struct stun_writer *writer)
{
    size_t before = writer->bytes;
    uint8_t *out = reserve(writer, ATTRIBUTE_FINGERPRINT, FINGERPRINT_BYTES);
    if (out)
        store_be32(out, crc32(writer->data, before) ^ FINGERPRINT_XOR);
}

size_t stun_end(const struct stun_writer *writer)
{
    return writer->overflow ? 0 : writer->bytes;
}

/* ---- reading ---- */

struct attribute {
    uint16_t type;
    const uint8_t *value;
    size_t bytes;
};

static struct cursor attributes(const struct stun_message *message)
{
    return cursor_over(message->data + STUN_HEADER_BYTES, message->bytes - STUN_HEADER_BYTES);
}

/* The attribute at @c, which is passed; false at the end, and when it is cut short. */
static bool next_attribute(struct cursor *c, struct attribute *out)
{
    uint16_t length;
    const uint8_t *padding;
    if (!cursor_u16(c, &out->type) || !cursor_u16(c, &length))
        return false;
    out->bytes = length;
    return cursor_take(c, length, &out->value) && cursor_take(c, padded(length) - length, &padding);
}

/* Reads the header. */
static bool parse_header(struct stun_message *message, const uint8_t *datagram, size_t bytes)
{
    if (bytes < STUN_HEADER_BYTES)
        return false;
    unsigned type = load_be16(datagram), length = load_be16(datagram + LENGTH_OFFSET);
    if ((type & 0xc000) != 0 || length != bytes - STUN_HEADER_BYTES ||
        load_be32(datagram + COOKIE_OFFSET) != MAGIC_COOKIE)
        return false;
    *message = (struct stun_message){
        .method = (enum stun_method)((type & 0x00f) | (type >> 1 & 0x070) | (type >> 2 & 0xf80)),
        .class_ = (enum stun_class)((type >> 4 & 1) | (type >> 7 & 2)),
        .transaction = datagram + TRANSACTION_OFFSET,
        .data = datagram,
        .bytes = bytes,
    };
    return true;
}

/* It covers all that stands before it, the header's length included, which counts it as well. */
static bool fingerprint_ok(const struct stun_message *message, const struct attribute *fingerprint)
{
    size_t before = (size_t)(fingerprint->value - message->data) - STUN_ATTRIBUTE_HEADER_BYTES;
    return fingerprint->bytes == FINGERPRINT_BYTES &&
           load_be32(fingerprint->value) == (crc32(message->data, before) ^ FINGERPRINT_XOR);
}

bool stun_parse(struct stun_message *message, const uint8_t *datagram, size_t bytes)
{
    if (!parse_header(message, datagram, bytes))
        return false;
    struct cursor c = attributes(message);
    while (cursor_left(&c) > 0) {
        struct attribute a;
        if (!next_attribute(&c, &a))
            return false;
        if (a.type == ATTRIBUTE_MESSAGE_INTEGRITY && a.bytes != STUN_INTEGRITY_BYTES)
            return false;
        if (a.type == ATTRIBUTE_FINGERPRINT &&
            (cursor_left(&c) > 0 || !fingerprint_ok(message, &a)))
            return false;
    }
    return true;
}

/* How far into the attributes that end a message one has come: each is followed only by later. */
enum covered { COVERED_ALL, COVERED_BY_SHA1, COVERED_BY_SHA256, COVERED_BY_FINGERPRINT };

static enum covered covered_by(uint16_t type)
{
    switch (type) {
    case ATTRIBUTE_MESSAGE_INTEGRITY:
        return COVERED_BY_SHA1;
    case ATTRIBUTE_MESSAGE_INTEGRITY_SHA256:
        return COVERED_BY_SHA256;
    case ATTRIBUTE_FINGERPRINT:
        return COVERED_BY_FINGERPRINT;
    default:
        return COVERED_ALL;
    }
}

/* The next attribute that counts; @seen: COVERED_ALL at first. */
static bool next_counting(struct cursor *c, enum covered *seen, struct attribute *out)
{
    while (next_attribute(c, out)) {
        enum covered kind = covered_by(out->type);
        if (kind >= *seen) {
            *seen = kind;
            return true;
        }
    }
    return false;
}

bool stun_find(const struct stun_message *message, uint16_t type, const uint8_t **value,
               size_t *bytes)
{
    struct cursor c = attributes(message);
    enum covered seen = COVERED_ALL;
    struct attribute a;
    while (next_counting(&c, &seen, &a)) {
        if (a.type == type) {
            *value = a.value;
            *bytes = a.bytes;
            return true;
        }
    }
    return false;
}

static bool is_xored(uint16_t type)
{
    return type == ATTRIBUTE_XOR_MAPPED_ADDRESS || type == ATTRIBUTE_XOR_PEER_ADDRESS ||
           type == ATTRIBUTE_XOR_RELAYED_ADDRESS;
}

static bool read_address(const struct stun_message *message, const struct attribute *a,
                         struct endpoint *out)
{
    uint8_t plain[ADDRESS_V6_BYTES];
    if ((a->bytes != ADDRESS_V4_BYTES && a->bytes != ADDRESS_V6_BYTES) ||
        a->value[1] != (a->bytes == ADDRESS_V4_BYTES ? FAMILY_V4 : FAMILY_V6))
        return false;
    memcpy(plain, a->value, a->bytes);
    if (is_xored(a->type))
        xor_address(plain, a->bytes, message->data);
    *out = (struct endpoint){
        .address = a->bytes == ADDRESS_V4_BYTES ? ip_v4(plain + 4) : ip_v6(plain + 4),
        .port = load_be16(plain + 2),
    };
    return true;
}

bool stun_get_address(const struct stun_message *message, uint16_t type, struct endpoint *out)
{
    struct attribute a = {.type = type};
    return stun_find(message, type, &a.value, &a.bytes) && read_address(message, &a, out);
}

bool stun_get_address_of(const struct stun_message *message, uint16_t type, enum ip_family family,
                         struct endpoint *out)
{
    struct cursor c = attributes(message);
    enum covered seen = COVERED_ALL;
    struct attribute a;
    while (next_counting(&c, &seen, &a))
        if (a.type == type && read_address(message, &a, out) && out->address.family == family)
            return true;
    return false;
}

bool stun_get_error(const struct stun_message *message, unsigned *code, const char **reason,
                    size_t *reason_bytes)
{
    const uint8_t *value;
    size_t bytes;
    if (!stun_find(message, ATTRIBUTE_ERROR_CODE, &value, &bytes) || bytes < 4)
        return false;
    unsigned hundreds = value[2] & 7, rest = value[3];
    if (hundreds < 3 || hundreds > 6 || rest > 99)
        return false;
    *code = hundreds * 100 + rest;
    *reason = (const char *)value + 4;
    *reason_bytes = bytes - 4;
    return true;
}

bool stun_integrity_ok(const struct stun_message *message, const uint8_t *key, size_t key_bytes,
                       stun_hmac_fn *hmac)
{
    uint8_t covered[STUN_MESSAGE_MAX_BYTES], expected[STUN_INTEGRITY_BYTES];
    const uint8_t *value;
    size_t bytes;
    if (!stun_find(message, ATTRIBUTE_MESSAGE_INTEGRITY, &value, &bytes))
        return false;
    size_t before = (size_t)(value - message->data) - STUN_ATTRIBUTE_HEADER_BYTES;
    if (before > sizeof covered)
        return false;
    memcpy(covered, message->data, before);
    /* As if the message ended with the integrity: a fingerprint was added after it. */
    store_be16(covered + LENGTH_OFFSET,
               (uint16_t)(before + WHOLE_INTEGRITY_BYTES - STUN_HEADER_BYTES));
    hmac(key, key_bytes, covered, before, expected);
    return sodium_memcmp(value, expected, sizeof expected) == 0;
}

static bool is_known(uint16_t type)
{
    switch ((enum stun_attribute)type) {
    case ATTRIBUTE_MAPPED_ADDRESS:
    case ATTRIBUTE_USERNAME:
    case ATTRIBUTE_MESSAGE_INTEGRITY:
    case ATTRIBUTE_ERROR_CODE:
    case ATTRIBUTE_UNKNOWN_ATTRIBUTES:
    case ATTRIBUTE_CHANNEL_NUMBER:
    case ATTRIBUTE_LIFETIME:
    case ATTRIBUTE_XOR_PEER_ADDRESS:
    case ATTRIBUTE_DATA:
    case ATTRIBUTE_REALM:
    case ATTRIBUTE_NONCE:
    case ATTRIBUTE_XOR_RELAYED_ADDRESS:
    case ATTRIBUTE_REQUESTED_ADDRESS_FAMILY:
    case ATTRIBUTE_EVEN_PORT:
    case ATTRIBUTE_REQUESTED_TRANSPORT:
    case ATTRIBUTE_DONT_FRAGMENT:
    case ATTRIBUTE_MESSAGE_INTEGRITY_SHA256:
    case ATTRIBUTE_PASSWORD_ALGORITHM:
    case ATTRIBUTE_USERHASH:
    case ATTRIBUTE_XOR_MAPPED_ADDRESS:
    case ATTRIBUTE_RESERVATION_TOKEN:
        return true;
    default:
        return false;
    }
}

size_t stun_unknown_required(const struct stun_message *message, uint16_t *out, size_t capacity)
{
    struct cursor c = attributes(message);
    enum covered seen = COVERED_ALL;
    struct attribute a;
    size_t count = 0;
    while (next_counting(&c, &seen, &a)) {
        if (a.type >= REQUIRED_BELOW || is_known(a.type))
            continue;
        if (count < capacity)
            out[count] = a.type;
        count++;
    }
    return count;
}
