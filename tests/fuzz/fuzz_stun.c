/* SPDX-License-Identifier: MIT
 *
 * fuzz_stun.c - any bytes as a message, and as the attributes of one whose header and fingerprint
 * are right, which a fuzzer would not find by itself; and both as an answer to our STUN client.
 */
#include "tunnel/reflexive.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 2048 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Any function of all the bytes will do. */
static void sum(const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t bytes,
                uint8_t out[STUN_INTEGRITY_BYTES])
{
    memset(out, 0, STUN_INTEGRITY_BYTES);
    for (size_t i = 0; i < key_bytes; i++)
        out[i % STUN_INTEGRITY_BYTES] ^= key[i];
    for (size_t i = 0; i < bytes; i++)
        out[i % STUN_INTEGRITY_BYTES] ^= data[i];
}

static void require_inside(const struct stun_message *m, const uint8_t *value, size_t bytes)
{
    require(value >= m->data + STUN_HEADER_BYTES && value + bytes <= m->data + m->bytes);
}

static void try_attributes(const struct stun_message *m)
{
    const uint8_t *value;
    const char *reason;
    size_t bytes;
    unsigned code;
    struct endpoint endpoint;
    uint16_t unknown[4];

    for (unsigned type = 0; type <= 0x30; type++) {
        if (stun_find(m, (uint16_t)type, &value, &bytes))
            require_inside(m, value, bytes);
        if (stun_find(m, (uint16_t)(type | 0x8000), &value, &bytes))
            require_inside(m, value, bytes);
        if (stun_get_address(m, (uint16_t)type, &endpoint))
            require(endpoint.address.family == IP_V4 || endpoint.address.family == IP_V6);
    }
    if (stun_get_error(m, &code, &reason, &bytes)) {
        require_inside(m, (const uint8_t *)reason, bytes);
        require(code >= 300 && code <= 699);
    }
    if (stun_integrity_ok(m, (const uint8_t *)"key", 3, sum))
        require(stun_find(m, ATTRIBUTE_MESSAGE_INTEGRITY, &value, &bytes) && bytes == 20);
    size_t count = stun_unknown_required(m, unknown, 4);
    for (size_t i = 0; i < count && i < 4; i++)
        require(unknown[i] < 0x8000);
}

static void zeros(void *context, void *out, size_t bytes)
{
    (void)context;
    memset(out, 0, bytes);
}

/* As the answer to the query of a transaction that is all zeros. */
static void try_answer(const uint8_t *datagram, size_t bytes)
{
    static const struct endpoint server = {.address = {IP_V4, {203, 0, 113, 1}}, .port = 3478};
    const struct reflexive_ops ops = {.random = zeros};
    struct reflexive_request request;
    struct reflexive_answer answers[REFLEXIVE_ANSWERS_MAX];
    struct reflexive r;

    reflexive_init(&r, &ops);
    reflexive_set_server(&r, 0, &server, 1, 0);
    require(reflexive_due(&r, 0, &request) && request.count == STUN_HEADER_BYTES);
    reflexive_receive(&r, &server, datagram, bytes, 1000);
    bool known = reflexive_result(&r, IP_V4)->known;
    require(known == reflexive_take_changed(&r));
    require(reflexive_answers(&r, answers) >= 1 && answers[0].known == known);
    require(reflexive_deadline_us(&r) < UINT64_MAX);
    for (unsigned i = 0; reflexive_due(&r, 1000, &request); i++)
        require(i == 0 && request.to.address.family == IP_V4 &&
                !endpoint_equal(&request.to, &server));
}

static void try_message(const uint8_t *datagram, size_t bytes)
{
    struct stun_message message;
    if (stun_parse(&message, datagram, bytes)) {
        require(message.data == datagram && message.bytes == bytes && bytes % 4 == 0);
        try_attributes(&message);
    }
    try_answer(datagram, bytes);
}

/* The input as a type and attributes, with all around them put right. */
static void try_body(const uint8_t *input, size_t count)
{
    static const uint8_t transaction[STUN_TRANSACTION_BYTES];
    uint8_t out[MESSAGE_MAX];
    struct stun_writer w;
    if (count < 1 || count > MESSAGE_MAX - 100)
        return;
    stun_begin(&w, out, sizeof out, STUN_BINDING, (enum stun_class)(input[0] & 3), transaction);
    size_t body = (count - 1) & ~(size_t)3;
    memcpy(out + w.bytes, input + 1, body);
    w.bytes += body;
    if ((input[0] & 4) != 0)
        stun_add_integrity(&w, (const uint8_t *)"key", 3, sum);
    if ((input[0] & 8) != 0)
        stun_add_fingerprint(&w);
    store_be16(out + 2, (uint16_t)(w.bytes - STUN_HEADER_BYTES));
    try_message(out, stun_end(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    try_message(input, count);
    try_body(input, count);
    return 0;
}
