/* SPDX-License-Identifier: MIT
 *
 * fuzz_port_mapping.c - any row of answers and of time: requests are well formed and never more
 * than may be, and what is told as mapped is an address and port of the right family.
 *
 * Input: family 1; then steps: what happens 1, its argument 1, and for an answer so many bytes.
 */
#include "tunnel/port_mapping.h"

#include <stdlib.h>
#include <string.h>

static struct port_mapping p;
static uint64_t now_us;
static uint8_t request[PORT_MAPPING_REQUEST_MAX];

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void begin(bool v4)
{
    struct port_mapping_settings settings = {.port = 7788, .gateway = {.port = 5351}};

    settings.source.family = settings.gateway.address.family = v4 ? IP_V4 : IP_V6;
    settings.source.octet[0] = settings.gateway.address.octet[0] = 10;
    port_mapping_begin(&p, &settings, now_us);
}

static void check(void)
{
    require(p.state <= PORT_MAPPING_SILENT && p.step <= PORT_MAPPING_NAT_PMP_PORT);
    require(p.settings.source.family == IP_V4 || p.step == PORT_MAPPING_PCP);
    require(port_mapping_protocol(&p) != NULL);
    if (p.state == PORT_MAPPING_MAPPED) {
        require(p.external.port != 0 && p.external.address.family == p.settings.source.family);
        require(!ip_is_unspecified(&p.external.address));
        require(p.granted == PORT_MAPPING_PCP || p.granted == PORT_MAPPING_NAT_PMP_PORT);
    } else {
        require((port_mapping_problem(&p) == NULL) == (p.state == PORT_MAPPING_ASKING));
    }
}

static void due(void)
{
    size_t bytes = port_mapping_due(&p, now_us, request);

    require(bytes == 0 || bytes == 2 || bytes == 12 || bytes == 60);
    require(bytes == 0 || (bytes == 60) == (p.step == PORT_MAPPING_PCP));
    require(port_mapping_deadline_us(&p) > now_us);
    require(port_mapping_due(&p, now_us, request) == 0);
}

/* As it is; or as an answer to what was asked last, so that it gets past the first checks. */
static void answer(bool made_fit, const uint8_t *bytes, size_t count)
{
    uint8_t data[256];

    memcpy(data, bytes, count);
    if (made_fit && p.step == PORT_MAPPING_PCP && count >= 60) {
        memcpy(data, "\2\x81", 2);
        memcpy(data + 24, p.settings.nonce, PORT_MAPPING_NONCE_BYTES);
        memcpy(data + 36, "\x11\0\0\0\x1e\x6c", 6);
    } else if (made_fit && count >= 12) {
        memcpy(data, p.step == PORT_MAPPING_NAT_PMP_PORT ? "\0\x81\0\0" : "\0\x80\0\0", 4);
        memcpy(data + 8, "\x1e\x6c", 2);
    }
    port_mapping_receive(&p, &p.settings.gateway, data, count, now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    size_t at = 1;

    if (count == 0)
        return 0;
    now_us = 0;
    begin(input[0] & 1);
    while (at + 2 <= count) {
        uint8_t what = input[at], argument = input[at + 1];
        at += 2;
        if (what % 5 <= 1) {
            size_t bytes = argument < count - at ? argument : count - at;
            answer(what % 5 == 1, input + at, bytes);
            at += bytes;
        } else if (what % 5 == 2) {
            now_us += (uint64_t)argument * argument * argument * 1000;
        } else if (what % 5 == 3) {
            now_us = port_mapping_deadline_us(&p) > now_us ? port_mapping_deadline_us(&p) : now_us;
        } else {
            port_mapping_unreachable(&p, now_us);
        }
        due();
        check();
    }
    port_mapping_release(&p, request);
    require(port_mapping_deadline_us(&p) == UINT64_MAX);
    return 0;
}
