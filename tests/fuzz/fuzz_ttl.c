/* SPDX-License-Identifier: MIT
 *
 * fuzz_ttl.c - any frame: a repair changes the TTL and the IPv4 header checksum and nothing else,
 * only upwards, and leaves a good header checksum good and a bad one bad.
 */
#include "frame/checksum.h"
#include "frame/ttl.h"

#include <stdlib.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool header_checksum_good(const uint8_t *ip)
{
    return checksum_finish(checksum_add(0, ip, (size_t)4 * (ip[0] & 0xf))) == 0;
}

static void require_repair(const struct packet *p, const uint8_t *before,
                           enum ttl_repaired repaired)
{
    bool v4 = p->network == PACKET_IPV4;
    size_t ttl = p->network_offset + (v4 ? 8u : 7u), checksum = p->network_offset + 10u;
    require(p->protocol == IP_PROTOCOL_UDP && !p->router_alert && mac_is_group(&p->destination));
    require(p->frame[ttl] > before[ttl]);
    require(p->frame[ttl] == (repaired == TTL_REPAIRED_MDNS ? 255 : 4));
    for (size_t i = 0; i < p->frame_bytes; i++)
        require(p->frame[i] == before[i] || i == ttl ||
                (v4 && (i == checksum || i == checksum + 1)));
    if (v4)
        require(header_checksum_good(p->frame + p->network_offset) ==
                header_checksum_good(before + p->network_offset));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

/* The first octet chooses what is switched on. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    if (count < 1)
        return 0;
    unsigned what = input[0] & 3u;
    const uint8_t *before = input + 1;
    size_t bytes = count - 1;
    uint8_t *frame = malloc(bytes ? bytes : 1);
    struct packet p;
    require(frame != NULL);
    if (bytes > 0)
        memcpy(frame, before, bytes);
    if (packet_parse(&p, frame, bytes)) {
        enum ttl_repaired repaired = ttl_repair(&p, what);
        if (repaired == TTL_UNTOUCHED)
            require(memcmp(frame, before, bytes) == 0);
        else
            require_repair(&p, before, repaired);
        require(ttl_repair(&p, what) == TTL_UNTOUCHED);
    }
    free(frame);
    return 0;
}
