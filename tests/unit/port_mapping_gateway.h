/* SPDX-License-Identifier: MIT
 *
 * port_mapping_gateway.h - the gateway in the tests of port_mapping.h: it speaks PCP and NAT-PMP,
 * and says what a test has it say.
 */
#ifndef TESTS_PORT_MAPPING_GATEWAY_H
#define TESTS_PORT_MAPPING_GATEWAY_H

#include "tunnel/port_mapping.h"

#include "bytes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MS     UINT64_C(1000)
#define SECOND (1000 * MS)
#define NEVER  UINT64_MAX

enum { PORT = 7788, OUTSIDE = 40001 };

/* Each test runs once from each of these: nothing may hang on where the clock begins. */
static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

static const uint8_t nonce[PORT_MAPPING_NONCE_BYTES] = "twelve bytes";
static struct port_mapping p;
static uint64_t now;
static uint8_t request[PORT_MAPPING_REQUEST_MAX], answer[64];
static size_t request_bytes;

static inline struct ip_address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return ip_v4((const uint8_t[]){a, b, c, d});
}

static inline struct ip_address v6(uint8_t first, uint8_t second, uint8_t last)
{
    return ip_v6((const uint8_t[16]){first, second, [15] = last});
}

static inline void begin(uint8_t family, uint64_t at_us)
{
    struct port_mapping_settings settings = {.port = PORT};

    memcpy(settings.nonce, nonce, sizeof nonce);
    settings.gateway.port = PORT_MAPPING_SERVER_PORT;
    settings.gateway.address = family == IP_V4 ? v4(192, 168, 1, 1) : v6(0xfe, 0x80, 1);
    settings.gateway.scope_id = family == IP_V4 ? 0 : 3;
    settings.source = family == IP_V4 ? v4(192, 168, 1, 7) : v6(0x20, 0x01, 7);
    now = at_us;
    memset(&p, 0xa5, sizeof p); /* any content will do */
    port_mapping_begin(&p, &settings, now);
}

/* ---- the gateway ---- */

static struct ip_address outside;
static uint32_t epoch_s, lifetime_s;

static inline bool give_from(const struct endpoint *from, size_t bytes)
{
    uint8_t *exact = malloc(bytes + 1); /* so that a sanitizer sees what is read beyond it */
    memcpy(exact, answer, bytes);
    bool good = port_mapping_receive(&p, from, exact, bytes, now);
    free(exact);
    return good;
}

static inline bool give(size_t bytes)
{
    return give_from(&p.settings.gateway, bytes);
}

static inline void put_address(uint8_t *at, const struct ip_address *a)
{
    memset(at, 0, 16);
    if (a->family == IP_V4)
        at[10] = at[11] = 0xff;
    memcpy(at + (a->family == IP_V4 ? 12 : 0), a->octet, a->family == IP_V4 ? 4 : 16);
}

/* PCP's answer to the last request. */
static inline size_t pcp(uint8_t result)
{
    memset(answer, 0, sizeof answer);
    memcpy(answer, request, 60);
    memset(answer + 12, 0, 12);
    answer[1] |= 0x80;
    answer[3] = result;
    store_be32(answer + 4, lifetime_s);
    store_be32(answer + 8, epoch_s);
    store_be16(answer + 42, OUTSIDE);
    put_address(answer + 44, &outside);
    return 60;
}

static inline size_t nat_pmp_address(uint16_t result)
{
    memset(answer, 0, sizeof answer);
    answer[1] = 128;
    store_be16(answer + 2, result);
    store_be32(answer + 4, epoch_s);
    memcpy(answer + 8, outside.octet, 4);
    return 12;
}

static inline size_t nat_pmp_port(uint16_t result)
{
    memset(answer, 0, sizeof answer);
    answer[1] = 129;
    store_be16(answer + 2, result);
    store_be32(answer + 4, epoch_s);
    store_be16(answer + 8, PORT);
    store_be16(answer + 10, OUTSIDE);
    store_be32(answer + 12, lifetime_s);
    return 16;
}

static inline void gateway_is_well(void)
{
    outside = v4(203, 0, 113, 9);
    epoch_s = 1000;
    lifetime_s = 1200;
}

/* ---- steps ---- */

static inline bool is_pcp(void)
{
    return request_bytes == 60 && request[0] == 2 && request[1] == 1;
}

static inline bool asks_address(void)
{
    return request_bytes == 2 && request[0] == 0 && request[1] == 0;
}

static inline bool asks_port(void)
{
    return request_bytes == 12 && request[0] == 0 && request[1] == 1;
}

/* @request stays when nothing is due. */
static inline bool due(void)
{
    uint8_t fresh[PORT_MAPPING_REQUEST_MAX];

    request_bytes = port_mapping_due(&p, now, fresh);
    if (request_bytes != 0)
        memcpy(request, fresh, sizeof request);
    return request_bytes != 0;
}

/* Nothing before @at_us, and asking changes nothing; then it is due. */
static inline void wait_until(uint64_t at_us)
{
    ck_assert_uint_eq(port_mapping_deadline_us(&p), at_us);
    if (at_us > now) {
        struct port_mapping before = p;
        now = at_us - 1;
        ck_assert(!due());
        ck_assert_mem_eq(&p, &before, sizeof p);
    }
    now = at_us;
}

/* A round of four requests that nobody answers. */
static inline void pass_round(bool (*is_such)(void))
{
    static const uint64_t after_ms[] = {250, 500, 1000, 2000};

    for (size_t i = 0; i < 4; i++) {
        ck_assert(due() && is_such());
        ck_assert(!due());
        wait_until(now + after_ms[i] * MS);
    }
}

static inline void assert_mapped(const char *protocol)
{
    ck_assert_uint_eq(p.state, PORT_MAPPING_MAPPED);
    ck_assert_str_eq(port_mapping_protocol(&p), protocol);
    ck_assert_uint_eq(p.external.port, OUTSIDE);
    ck_assert(ip_equal(&p.external.address, &outside));
    ck_assert_ptr_null(port_mapping_problem(&p));
}

static inline void map_by_pcp(uint64_t at_us)
{
    gateway_is_well();
    begin(IP_V4, at_us);
    ck_assert(due() && is_pcp() && give(pcp(0)));
    assert_mapped("pcp");
}

static inline void map_by_nat_pmp(uint64_t at_us)
{
    gateway_is_well();
    begin(IP_V4, at_us);
    pass_round(is_pcp);
    ck_assert(due() && asks_address() && give(nat_pmp_address(0)));
    ck_assert(due() && asks_port() && give(nat_pmp_port(0)));
    assert_mapped("nat-pmp");
}

#endif
