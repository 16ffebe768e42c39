/* SPDX-License-Identifier: MIT
 *
 * mss.c - see mss.h.
 */
#include "frame/mss.h"

#include "cursor.h"
#include "frame/checksum.h"

enum {
    TCP_FLAGS_OFFSET = 13,
    TCP_CHECKSUM_OFFSET = 16,
    TCP_SYN = 0x02,
    TCP_OPTION_END = 0,
    TCP_OPTION_NOP = 1,
    TCP_OPTION_MSS = 2,
    TCP_OPTION_MSS_BYTES = 4,
};

/* Offset of the MSS value in the TCP header; 0 when there is none or the options are malformed. */
static size_t find_mss(const uint8_t *tcp, size_t header_bytes)
{
    struct cursor c = cursor_over(tcp, header_bytes);
    uint8_t kind, length;
    cursor_skip(&c, TCP_HEADER_BYTES);
    while (cursor_u8(&c, &kind) && kind != TCP_OPTION_END) {
        if (kind == TCP_OPTION_NOP)
            continue;
        size_t value = header_bytes - cursor_left(&c) + 1;
        if (!cursor_u8(&c, &length) || length < 2 || !cursor_skip(&c, length - 2u))
            break;
        if (kind == TCP_OPTION_MSS)
            return length == TCP_OPTION_MSS_BYTES ? value : 0;
    }
    return 0;
}

static uint16_t swap16(uint16_t v)
{
    return (uint16_t)(v << 8 | v >> 8);
}

static void set_mss(uint8_t *tcp, size_t at, uint16_t mss)
{
    uint16_t old_mss = load_be16(tcp + at), checksum = load_be16(tcp + TCP_CHECKSUM_OFFSET);
    store_be16(tcp + at, mss);
    /* At an odd offset each half lies in another word; the sum is the same, bytes swapped
     * (RFC 1071 s.2B). */
    checksum = at % 2 == 0 ? checksum_update16(checksum, old_mss, mss)
                           : checksum_update16(checksum, swap16(old_mss), swap16(mss));
    store_be16(tcp + TCP_CHECKSUM_OFFSET, checksum);
}

/* What a full segment spends on headers, as mss.h says. */
static size_t header_budget_bytes(const struct packet *p)
{
    size_t network_bytes = p->network == PACKET_IPV4
                               ? (size_t)IPV4_HEADER_BYTES
                               : (size_t)p->transport_offset - p->network_offset;
    return network_bytes + TCP_HEADER_BYTES;
}

bool mss_clamp(struct packet *p, uint16_t ip_packet_max_bytes)
{
    if (p->protocol != IP_PROTOCOL_TCP || p->transport_offset == 0 || p->fragment)
        return false;
    uint8_t *tcp = p->frame + p->transport_offset;
    if (!(tcp[TCP_FLAGS_OFFSET] & TCP_SYN))
        return false;
    size_t at = find_mss(tcp, (size_t)4 * (tcp[12] >> 4)), budget = header_budget_bytes(p);
    if (at == 0 || ip_packet_max_bytes <= budget)
        return false;
    size_t mss = ip_packet_max_bytes - budget;
    if (load_be16(tcp + at) <= mss)
        return false;
    set_mss(tcp, at, (uint16_t)mss);
    return true;
}
