/* SPDX-License-Identifier: MIT
 *
 * reflexive_world.h - what the tests of reflexive.c share: a clock, servers' addresses, and the
 * answers that they give.
 */
#ifndef REFLEXIVE_WORLD_H
#define REFLEXIVE_WORLD_H

#include "tunnel/reflexive.h"

#include "bytes.h"

#include <check.h>
#include <stdlib.h>

#define MS     UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define START  UINT64_C(7000000)

static struct reflexive r;
static uint64_t now_us;
static unsigned randoms;

static inline void count_up(void *context, void *out, size_t bytes)
{
    ck_assert_ptr_eq(context, &randoms);
    ck_assert_uint_eq(bytes, STUN_TRANSACTION_BYTES);
    memset(out, 0, bytes);
    randoms++;
    memcpy(out, &randoms, sizeof randoms);
}

static inline void begin(void)
{
    const struct reflexive_ops ops = {&randoms, count_up};
    memset(&r, 0xee, sizeof r);
    now_us = START;
    randoms = 0;
    reflexive_init(&r, &ops);
    ck_assert_uint_eq(reflexive_deadline_us(&r), UINT64_MAX);
}

/* 203.0.113.@n for servers, 192.0.2.@n for what they see; and the like in IPv6. */
static inline struct endpoint v4(uint8_t net, uint8_t n, uint16_t port)
{
    struct endpoint e = {.address = ip_v4((const uint8_t[]){net, 0, 2, n}), .port = port};
    return e;
}

static inline struct endpoint v6(uint8_t n, uint16_t port)
{
    uint8_t octets[16] = {0x20, 1, 0x0d, 0xb8, [15] = n};
    return (struct endpoint){.address = ip_v6(octets), .port = port};
}

static inline struct endpoint server(uint8_t n)
{
    return v4(203, n, 3478);
}

static inline struct endpoint mapped(uint8_t n, uint16_t port)
{
    return v4(192, n, port);
}

static inline void set_servers(uint8_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        struct endpoint e = server((uint8_t)(i + 1));
        reflexive_set_server(&r, i, &e, 1, now_us);
    }
}

/* All that is due now. */
static inline size_t take_due(struct reflexive_request *out, size_t capacity)
{
    size_t count = 0;
    while (count < capacity && reflexive_due(&r, now_us, &out[count])) {
        ck_assert_uint_eq(out[count].count, 20);
        ck_assert_mem_eq(out[count].bytes, "\0\1\0\0\x21\x12\xa4\x42", 8);
        count++;
    }
    ck_assert_uint_lt(count, capacity);
    return count;
}

static inline void nothing_due(void)
{
    struct reflexive_request request;
    ck_assert(!reflexive_due(&r, now_us, &request));
}

struct said {
    struct endpoint mapped, other;
    unsigned error;
};

static inline size_t write_answer(uint8_t *out, size_t capacity,
                                  const struct reflexive_request *request, const struct said *said)
{
    struct stun_writer w;
    stun_begin(&w, out, capacity, STUN_BINDING, said->error > 0 ? STUN_ERROR : STUN_SUCCESS,
               request->bytes + 8);
    if (said->error > 0)
        stun_add_u32(&w, ATTRIBUTE_ERROR_CODE, said->error / 100 << 8 | said->error % 100);
    if (said->mapped.address.family != IP_NONE)
        stun_add_xor_address(&w, ATTRIBUTE_XOR_MAPPED_ADDRESS, &said->mapped);
    if (said->other.address.family != IP_NONE) {
        uint8_t value[20] = {0, said->other.address.family == IP_V4 ? 1 : 2};
        store_be16(value + 2, said->other.port);
        memcpy(value + 4, said->other.address.octet, 16);
        stun_add(&w, ATTRIBUTE_OTHER_ADDRESS, value, said->other.address.family == IP_V4 ? 8 : 20);
    }
    stun_add_fingerprint(&w);
    return stun_end(&w);
}

static inline bool answer_from(const struct endpoint *from, const struct reflexive_request *request,
                               const struct said *said)
{
    uint8_t out[200];
    size_t bytes = write_answer(out, sizeof out, request, said);
    ck_assert_uint_gt(bytes, 0);
    return reflexive_receive(&r, from, out, bytes, now_us);
}

static inline void answer(const struct reflexive_request *request, struct endpoint seen)
{
    ck_assert(answer_from(&request->to, request, &(struct said){.mapped = seen}));
}

static inline const struct reflexive_result *result(void)
{
    return reflexive_result(&r, IP_V4);
}

static inline void ck_endpoint(const struct endpoint *got, struct endpoint want)
{
    ck_assert_msg(endpoint_equal(got, &want), "family %u .%u:%u, not .%u:%u", got->address.family,
                  got->address.octet[3], got->port, want.address.octet[3], want.port);
}

static inline void let_pass(uint64_t time_us)
{
    struct reflexive_request request[20];
    for (uint64_t until_us = now_us + time_us; now_us < until_us; now_us += 500 * MS)
        take_due(request, 20);
}

static inline int run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
