/* SPDX-License-Identifier: MIT
 *
 * check_stun.c - STUN messages: the vectors of RFC 5769, what is written, what is refused.
 */
#include "tunnel/stun.h"

#include "bytes.h"
#include "hmac_sha1.h"

#include <check.h>
#include <stdlib.h>

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"

/* RFC 5769 s.2.1 */
static const uint8_t request[] =
    "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x10STUN test client"
    "\x00\x24\x00\x04\x6e\x00\x01\xff"
    "\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
    "\x00\x06\x00\x09\x65vtj:h6vY   "
    "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5"
    "\x71\xa2"
    "\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/* RFC 5769 s.2.2 */
static const uint8_t response_v4[] =
    "\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x0btest vector "
    "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
    "\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b"
    "\xe7\xd7"
    "\x80\x28\x00\x04\xc0\x7d\x4c\x96";

/* RFC 5769 s.2.3 */
static const uint8_t response_v6[] =
    "\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x0btest vector "
    "\x00\x20\x00\x14\x00\x02\xa1\x47"
    "\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
    "\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3"
    "\xed\x41"
    "\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

/* RFC 5769 s.2.4; and the MD5 of its user name, realm and password, which is the key. */
static const uint8_t request_long_term[] =
    "\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e"
    "\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
    "\x00\x00"
    "\x00\x15\x00\x1c"
    "f//499k954d6OL34oL9FSTvy64sA"
    "\x00\x14\x00\x0b"
    "example.org\x00"
    "\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8"
    "\x96\x66";
static const uint8_t long_term_key[] =
    "\xe8\xca\x7a\xd5\x9d\x5e\xb0\x51\x8e\x31\x29\x11\xd2\xda\xb2\xa9";

static const uint8_t transaction[STUN_TRANSACTION_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static const struct vector {
    const char *name;
    const uint8_t *data;
    size_t bytes;
    const uint8_t *key;
    size_t key_bytes;
    enum stun_class class_;
} vector[] = {
    {"request", request, sizeof request - 1, (const uint8_t *)PASSWORD, sizeof PASSWORD - 1,
     STUN_REQUEST},
    {"response IPv4", response_v4, sizeof response_v4 - 1, (const uint8_t *)PASSWORD,
     sizeof PASSWORD - 1, STUN_SUCCESS},
    {"response IPv6", response_v6, sizeof response_v6 - 1, (const uint8_t *)PASSWORD,
     sizeof PASSWORD - 1, STUN_SUCCESS},
    {"long-term request", request_long_term, sizeof request_long_term - 1, long_term_key,
     sizeof long_term_key - 1, STUN_REQUEST},
};

enum { VECTORS = sizeof vector / sizeof *vector };

static struct endpoint at_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct endpoint){.address = ip_v4((const uint8_t[]){a, b, c, d}), .port = port};
}

static struct endpoint at_v6(const uint8_t octets[16], uint16_t port)
{
    return (struct endpoint){.address = ip_v6(octets), .port = port};
}

/* A message of @count bytes at the end of its own memory, so that a sanitizer sees what reads past
 * it. */
static uint8_t *exactly(const uint8_t *bytes, size_t count)
{
    uint8_t *copy = malloc(count + (count == 0));
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, count);
    return copy;
}

static bool parses(const uint8_t *bytes, size_t count)
{
    struct stun_message message;
    uint8_t *copy = exactly(bytes, count);
    bool good = stun_parse(&message, copy, count);
    free(copy);
    return good;
}

/* ---- the RFC's vectors ---- */

START_TEST(vectors_are_read)
{
    for (size_t i = 0; i < VECTORS; i++) {
        const struct vector *v = &vector[i];
        struct stun_message m;
        ck_assert_msg(stun_parse(&m, v->data, v->bytes), "%s", v->name);
        ck_assert_uint_eq(m.method, STUN_BINDING);
        ck_assert_uint_eq(m.class_, v->class_);
        ck_assert_ptr_eq(m.transaction, v->data + 8);
        ck_assert_uint_eq(m.bytes, v->bytes);
        ck_assert_msg(stun_integrity_ok(&m, v->key, v->key_bytes, hmac_sha1), "%s", v->name);
        ck_assert(!stun_integrity_ok(&m, v->key, v->key_bytes - 1, hmac_sha1));
    }
}
END_TEST

START_TEST(vectors_have_their_attributes)
{
    static const uint8_t v6[] = {0x20, 1,    0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78,
                                 0,    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};
    struct endpoint want_v4 = at_v4(192, 0, 2, 1, 32853), want_v6 = at_v6(v6, 32853), got;
    struct stun_message m;
    const uint8_t *value;
    size_t bytes;
    uint16_t unknown[2] = {0};

    ck_assert(stun_parse(&m, response_v4, sizeof response_v4 - 1));
    ck_assert(stun_get_address(&m, ATTRIBUTE_XOR_MAPPED_ADDRESS, &got));
    ck_assert(endpoint_equal(&got, &want_v4));
    ck_assert(!stun_get_address(&m, ATTRIBUTE_MAPPED_ADDRESS, &got));
    ck_assert(stun_find(&m, ATTRIBUTE_SOFTWARE, &value, &bytes));
    ck_assert_uint_eq(bytes, 11);
    ck_assert_mem_eq(value, "test vector", 11);

    ck_assert(stun_parse(&m, response_v6, sizeof response_v6 - 1));
    ck_assert(stun_get_address(&m, ATTRIBUTE_XOR_MAPPED_ADDRESS, &got));
    ck_assert(endpoint_equal(&got, &want_v6));
    ck_assert_uint_eq(stun_unknown_required(&m, unknown, 2), 0);

    /* ICE's PRIORITY is required and not ours; ICE-CONTROLLED need not be known. */
    ck_assert(stun_parse(&m, request, sizeof request - 1));
    ck_assert_uint_eq(stun_unknown_required(&m, unknown, 2), 1);
    ck_assert_uint_eq(unknown[0], 0x0024);
    ck_assert_uint_eq(unknown[1], 0);
    ck_assert_uint_eq(stun_unknown_required(&m, NULL, 0), 1);
}
END_TEST

/* The vector, written anew. Its padding is blanks, ours zeros: one without padding is chosen. */
START_TEST(it_writes_the_long_term_request)
{
    uint8_t out[STUN_MESSAGE_MAX_BYTES];
    struct stun_writer w;
    stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_REQUEST, request_long_term + 8);
    stun_add(&w, ATTRIBUTE_USERNAME, request_long_term + 24, 18);
    stun_add(&w, ATTRIBUTE_NONCE, "f//499k954d6OL34oL9FSTvy64sA", 28);
    stun_add(&w, ATTRIBUTE_REALM, "example.org", 11);
    stun_add_integrity(&w, long_term_key, sizeof long_term_key - 1, hmac_sha1);
    ck_assert_uint_eq(stun_end(&w), sizeof request_long_term - 1);
    ck_assert_mem_eq(out, request_long_term, sizeof request_long_term - 1);
}
END_TEST

/* But in the type of the last attribute, a fingerprint, which is then another that nobody needs. */
START_TEST(one_bit_changed_is_noticed)
{
    for (size_t i = 0; i < VECTORS; i++) {
        bool has_fingerprint = vector[i].data != request_long_term;
        uint8_t changed[sizeof request_long_term + sizeof request];
        for (size_t bit = 0; bit < vector[i].bytes * 8; bit++) {
            struct stun_message m;
            if (has_fingerprint && bit / 8 / 2 == (vector[i].bytes - 8) / 2)
                continue;
            memcpy(changed, vector[i].data, vector[i].bytes);
            changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
            ck_assert_msg(!stun_parse(&m, changed, vector[i].bytes) ||
                              !stun_integrity_ok(&m, vector[i].key, vector[i].key_bytes, hmac_sha1),
                          "%s: bit %zu", vector[i].name, bit);
        }
    }
}
END_TEST

START_TEST(one_cut_short_is_refused)
{
    for (size_t i = 0; i < VECTORS; i++) {
        for (size_t bytes = 0; bytes < vector[i].bytes; bytes++)
            ck_assert_msg(!parses(vector[i].data, bytes), "%s: %zu bytes", vector[i].name, bytes);
        ck_assert(parses(vector[i].data, vector[i].bytes));
    }
}
END_TEST

/* ---- writing and reading ---- */

START_TEST(types_are_interleaved)
{
    static const struct {
        enum stun_method method;
        enum stun_class class_;
        uint16_t type;
    } row[] = {
        {STUN_BINDING, STUN_REQUEST, 0x0001},     {STUN_BINDING, STUN_INDICATION, 0x0011},
        {STUN_BINDING, STUN_SUCCESS, 0x0101},     {STUN_BINDING, STUN_ERROR, 0x0111},
        {STUN_ALLOCATE, STUN_ERROR, 0x0113},      {STUN_REFRESH, STUN_REQUEST, 0x0004},
        {STUN_SEND, STUN_INDICATION, 0x0016},     {STUN_DATA, STUN_INDICATION, 0x0017},
        {STUN_CHANNEL_BIND, STUN_REQUEST, 9},     {STUN_CREATE_PERMISSION, STUN_SUCCESS, 0x0108},
        {(enum stun_method)0x00f, 0, 0x000f},     {(enum stun_method)0x070, 0, 0x00e0},
        {(enum stun_method)0xf80, 0, 0x3e00},     {(enum stun_method)0xfff, STUN_ERROR, 0x3fff},
        {(enum stun_method)0, STUN_ERROR, 0x110},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        uint8_t out[STUN_HEADER_BYTES];
        struct stun_writer w;
        struct stun_message m;
        stun_begin(&w, out, sizeof out, row[i].method, row[i].class_, transaction);
        ck_assert_uint_eq(stun_end(&w), STUN_HEADER_BYTES);
        ck_assert_uint_eq(load_be16(out), row[i].type);
        ck_assert(stun_parse(&m, out, sizeof out));
        ck_assert_uint_eq(m.method, row[i].method);
        ck_assert_uint_eq(m.class_, row[i].class_);
        ck_assert_mem_eq(m.transaction, transaction, sizeof transaction);
    }
}
END_TEST

START_TEST(it_writes_the_bytes_of_the_wire)
{
    static const uint8_t want[] = {
        0x00, 0x16, 0, 36, 0x21, 0x12, 0xa4, 0x42,      1,         2,    3,    4,
        5,    6,    7, 8,  9,    10,   11,   12, /* header */
        0x00, 0x12, 0, 8,  0,    1,    0x21, 0x12 ^ 80, 0x21 ^ 10, 0x12, 0xa4, 0x42 ^ 1,
        0x00, 0x0d, 0, 4,  0x12, 0x34, 0x56, 0x78, /* LIFETIME */
        0x00, 0x1a, 0, 0,                          /* DONT-FRAGMENT */
        0x00, 0x13, 0, 5,  'h',  'e',  'l',  'l',       'o',       0,    0,    0,
    };
    struct endpoint peer = at_v4(10, 0, 0, 1, 80);
    uint8_t out[100];
    struct stun_writer w;
    memset(out, 0xee, sizeof out);
    stun_begin(&w, out, sizeof out, STUN_SEND, STUN_INDICATION, transaction);
    stun_add_xor_address(&w, ATTRIBUTE_XOR_PEER_ADDRESS, &peer);
    stun_add_u32(&w, ATTRIBUTE_LIFETIME, 0x12345678);
    stun_add(&w, ATTRIBUTE_DONT_FRAGMENT, NULL, 0);
    stun_add(&w, ATTRIBUTE_DATA, "hello", 5);
    ck_assert_uint_eq(stun_end(&w), sizeof want);
    ck_assert_mem_eq(out, want, sizeof want);
    ck_assert_uint_eq(out[sizeof want], 0xee);
}
END_TEST

START_TEST(it_reads_what_it_wrote)
{
    static const uint8_t v6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 9};
    static const uint16_t types[] = {ATTRIBUTE_XOR_MAPPED_ADDRESS, ATTRIBUTE_XOR_PEER_ADDRESS,
                                     ATTRIBUTE_XOR_RELAYED_ADDRESS};
    struct endpoint both[] = {at_v4(203, 0, 113, 255, 65535), at_v6(v6, 1)};
    for (size_t i = 0; i < 6; i++) {
        uint8_t out[STUN_MESSAGE_MAX_BYTES];
        struct stun_writer w;
        struct stun_message m;
        struct endpoint got;
        const uint8_t *value;
        size_t bytes;
        stun_begin(&w, out, sizeof out, STUN_ALLOCATE, STUN_SUCCESS, transaction);
        stun_add_xor_address(&w, types[i % 3], &both[i / 3]);
        stun_add_u32(&w, ATTRIBUTE_LIFETIME, 600);
        stun_add_integrity(&w, long_term_key, 16, hmac_sha1);
        stun_add_fingerprint(&w);
        ck_assert(stun_parse(&m, out, stun_end(&w)));
        ck_assert(stun_integrity_ok(&m, long_term_key, 16, hmac_sha1));
        ck_assert(stun_get_address(&m, types[i % 3], &got));
        ck_assert(endpoint_equal(&got, &both[i / 3]));
        ck_assert(stun_find(&m, ATTRIBUTE_LIFETIME, &value, &bytes));
        ck_assert_uint_eq(bytes, 4);
        ck_assert_uint_eq(load_be32(value), 600);
        ck_assert(stun_find(&m, ATTRIBUTE_FINGERPRINT, &value, &bytes));
        ck_assert(!stun_find(&m, ATTRIBUTE_REALM, &value, &bytes));
    }
}
END_TEST

/* One byte too few anywhere: nothing past the room is written, and the end says so. */
START_TEST(it_never_passes_the_capacity)
{
    struct endpoint peer = at_v4(10, 0, 0, 1, 80);
    size_t whole = 20 + 12 + 8 + 8 + 24 + 8;
    for (size_t capacity = 0; capacity <= whole; capacity++) {
        uint8_t *out = malloc(capacity + (capacity == 0));
        struct stun_writer w;
        ck_assert_ptr_nonnull(out);
        stun_begin(&w, out, capacity, STUN_SEND, STUN_INDICATION, transaction);
        stun_add_xor_address(&w, ATTRIBUTE_XOR_PEER_ADDRESS, &peer);
        stun_add_u32(&w, ATTRIBUTE_LIFETIME, 1);
        stun_add(&w, ATTRIBUTE_DATA, "abc", 3);
        stun_add_integrity(&w, long_term_key, 16, hmac_sha1);
        stun_add_fingerprint(&w);
        ck_assert_uint_eq(stun_end(&w), capacity == whole ? whole : 0);
        free(out);
    }
}
END_TEST

/* The length field has 16 bits, whatever the room. */
START_TEST(it_never_passes_the_length_field)
{
    static uint8_t out[200000], data[70000];
    static const struct {
        size_t bytes;
        bool fits;
    } row[] = {{65528, true}, {65529, false}, {65532, false}, {65536, false}, {70000, false}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct stun_writer w;
        struct stun_message m;
        stun_begin(&w, out, sizeof out, STUN_SEND, STUN_INDICATION, transaction);
        stun_add(&w, ATTRIBUTE_DATA, data, row[i].bytes);
        ck_assert_uint_eq(stun_end(&w), row[i].fits ? 24 + row[i].bytes : 0);
        if (row[i].fits) {
            ck_assert(stun_parse(&m, out, stun_end(&w)));
            stun_add(&w, ATTRIBUTE_DONT_FRAGMENT, NULL, 0);
            ck_assert_uint_eq(stun_end(&w), 0);
        }
    }
}
END_TEST

/* ---- what is refused ---- */

#define HEADER(length) "\x01\x01\x00" length "\x21\x12\xa4\x42xxxxyyyyzzzz"

START_TEST(malformed_is_refused)
{
    static const struct {
        const char *name, *bytes;
        size_t count;
        bool good;
    } row[] = {
        {"nothing but a header", HEADER("\x00"), 20, true},
        {"the two high bits", "\x41\x01\x00\x00\x21\x12\xa4\x42xxxxyyyyzzzz", 20, false},
        {"one high bit", "\x81\x01\x00\x00\x21\x12\xa4\x42xxxxyyyyzzzz", 20, false},
        {"no cookie", "\x01\x01\x00\x00\x21\x12\xa4\x43xxxxyyyyzzzz", 20, false},
        {"a length of more", HEADER("\x04"), 20, false},
        {"more than the length", HEADER("\x00") "\x80\x22\x00\x00", 24, false},
        {"an empty attribute", HEADER("\x04") "\x80\x22\x00\x00", 24, true},
        {"a length that is odd", HEADER("\x03") "\x80\x22\x00", 23, false},
        {"half an attribute's header", HEADER("\x06") "\x80\x22\x00\x00\x00\x00", 26, false},
        {"a value past the end",
         HEADER("\x08") "\x80\x22\x00\x05"
                        "abcd",
         28, false},
        {"the longest value",
         HEADER("\x08") "\x80\x22\xff\xff"
                        "abcd",
         28, false},
        {"a value to the end",
         HEADER("\x08") "\x80\x22\x00\x04"
                        "abcd",
         28, true},
        {"padding of anything",
         HEADER("\x08") "\x80\x22\x00\x01"
                        "abcd",
         28, true},
        {"short integrity",
         HEADER("\x08") "\x00\x08\x00\x04"
                        "abcd",
         28, false},
        {"a wrong fingerprint",
         HEADER("\x08") "\x80\x28\x00\x04"
                        "abcd",
         28, false},
        {"a short fingerprint",
         HEADER("\x08") "\x80\x28\x00\x03"
                        "abcd",
         28, false},
        {"an empty fingerprint", HEADER("\x04") "\x80\x28\x00\x00", 24, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        ck_assert_msg(parses((const uint8_t *)row[i].bytes, row[i].count) == row[i].good, "%s",
                      row[i].name);
}
END_TEST

static uint32_t fingerprint_of(const uint8_t *data, size_t bytes)
{
    uint32_t crc = 0xffffffff;
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        unsigned in = data[bit / 8] >> bit % 8 & 1;
        crc = crc >> 1 ^ ((crc & 1) != in ? 0xedb88320 : 0);
    }
    return ~crc ^ 0x5354554e;
}

START_TEST(nothing_follows_a_fingerprint)
{
    uint8_t out[200];
    struct stun_writer w;
    stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, transaction);
    stun_add_fingerprint(&w);
    ck_assert(parses(out, stun_end(&w)));
    ck_assert_uint_eq(load_be32(out + 24), fingerprint_of(out, STUN_HEADER_BYTES));
    stun_add_fingerprint(&w);
    ck_assert(!parses(out, stun_end(&w)));

    /* One that is right, and that knows what will follow. */
    stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, transaction);
    stun_add_fingerprint(&w);
    stun_add_u32(&w, ATTRIBUTE_SOFTWARE, 0x61626364);
    size_t bytes = stun_end(&w);
    store_be32(out + STUN_HEADER_BYTES + 4, fingerprint_of(out, STUN_HEADER_BYTES));
    ck_assert(!parses(out, bytes));
}
END_TEST

/* ---- what integrity covers ---- */

START_TEST(what_follows_the_integrity_is_not_seen)
{
    struct endpoint peer = at_v4(10, 0, 0, 1, 80), got;
    uint8_t out[300];
    struct stun_writer w;
    struct stun_message m;
    const uint8_t *value;
    size_t bytes;
    unsigned code;
    const char *reason;
    stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, transaction);
    stun_add(&w, ATTRIBUTE_REALM, "first", 5);
    stun_add(&w, ATTRIBUTE_REALM, "second", 6);
    stun_add_integrity(&w, long_term_key, 16, hmac_sha1);
    size_t protected_bytes = stun_end(&w);
    stun_add_integrity(&w, long_term_key, 15, hmac_sha1);
    stun_add_xor_address(&w, ATTRIBUTE_XOR_MAPPED_ADDRESS, &peer);
    stun_add(&w, ATTRIBUTE_ERROR_CODE, "\0\0\4\1forged", 10);
    stun_add(&w, 0x7777, NULL, 0);
    stun_add(&w, ATTRIBUTE_MESSAGE_INTEGRITY_SHA256, out, 32);
    stun_add(&w, ATTRIBUTE_MESSAGE_INTEGRITY, out, 20);
    stun_add(&w, ATTRIBUTE_NONCE, "late", 4);
    stun_add_fingerprint(&w);

    ck_assert(stun_parse(&m, out, stun_end(&w)));
    ck_assert(stun_find(&m, ATTRIBUTE_REALM, &value, &bytes));
    ck_assert_uint_eq(bytes, 5);
    ck_assert_mem_eq(value, "first", 5);
    ck_assert(stun_find(&m, ATTRIBUTE_MESSAGE_INTEGRITY, &value, &bytes));
    ck_assert_ptr_eq(value, out + protected_bytes - 20);
    ck_assert(stun_integrity_ok(&m, long_term_key, 16, hmac_sha1));
    ck_assert(!stun_get_address(&m, ATTRIBUTE_XOR_MAPPED_ADDRESS, &got));
    ck_assert(!stun_get_error(&m, &code, &reason, &bytes));
    ck_assert(!stun_find(&m, ATTRIBUTE_NONCE, &value, &bytes));
    ck_assert_uint_eq(stun_unknown_required(&m, NULL, 0), 0);
    ck_assert(stun_find(&m, ATTRIBUTE_MESSAGE_INTEGRITY_SHA256, &value, &bytes));
    ck_assert(stun_find(&m, ATTRIBUTE_FINGERPRINT, &value, &bytes));
}
END_TEST

START_TEST(no_integrity_is_not_right)
{
    static uint8_t out[4000], data[STUN_MESSAGE_MAX_BYTES];
    struct stun_writer w;
    struct stun_message m;
    stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, transaction);
    stun_add_fingerprint(&w);
    ck_assert(stun_parse(&m, out, stun_end(&w)));
    ck_assert(!stun_integrity_ok(&m, long_term_key, 16, hmac_sha1));

    /* The longest that is looked at, and one that is longer. */
    for (size_t more = 0; more <= 4; more += 4) {
        size_t bytes = STUN_MESSAGE_MAX_BYTES - STUN_HEADER_BYTES - STUN_ATTRIBUTE_HEADER_BYTES;
        stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, transaction);
        stun_add(&w, ATTRIBUTE_SOFTWARE, data, bytes + more);
        stun_add_integrity(&w, long_term_key, 16, hmac_sha1);
        ck_assert(stun_parse(&m, out, stun_end(&w)));
        ck_assert(stun_integrity_ok(&m, long_term_key, 16, hmac_sha1) == (more == 0));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stun");
    TCase *tcase = tcase_create("stun");

    tcase_add_test(tcase, vectors_are_read);
    tcase_add_test(tcase, vectors_have_their_attributes);
    tcase_add_test(tcase, it_writes_the_long_term_request);
    tcase_add_test(tcase, one_bit_changed_is_noticed);
    tcase_add_test(tcase, one_cut_short_is_refused);
    tcase_add_test(tcase, types_are_interleaved);
    tcase_add_test(tcase, it_writes_the_bytes_of_the_wire);
    tcase_add_test(tcase, it_reads_what_it_wrote);
    tcase_add_test(tcase, it_never_passes_the_capacity);
    tcase_add_test(tcase, it_never_passes_the_length_field);
    tcase_add_test(tcase, malformed_is_refused);
    tcase_add_test(tcase, nothing_follows_a_fingerprint);
    tcase_add_test(tcase, what_follows_the_integrity_is_not_seen);
    tcase_add_test(tcase, no_integrity_is_not_right);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
