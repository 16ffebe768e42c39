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
    TCP_OPTION_AO = 29,
    IPV6_NEXT_HEADER = 6,
    EXTENSION_FRAGMENT = 44,
    EXTENSION_AUTHENTICATION = 51,
};

/* ---- Which ---- */

/* packet_parse() has walked the extension headers up to TCP, so their lengths are right. */
static bool has_authentication_header(const struct packet *p)
{
    size_t at = (size_t)p->network_offset + IPV6_HEADER_BYTES;
    uint8_t next = p->frame[p->network_offset + IPV6_NEXT_HEADER];
    while (at < p->transport_offset && next != EXTENSION_AUTHENTICATION) {
        const uint8_t *header = p->frame + at;
        at += next == EXTENSION_FRAGMENT ? 8 : (size_t)8 * (header[1] + 1u);
        next = header[0];
    }
    return at < p->transport_offset;
}

static bool is_clampable(const struct packet *p)
{
    return p->protocol == IP_PROTOCOL_TCP && p->transport_offset != 0 &&
           (p->frame[p->transport_offset + TCP_FLAGS_OFFSET] & TCP_SYN) != 0 &&
           !(p->network == PACKET_IPV6 && has_authentication_header(p));
}

/* ---- Where ---- */

static struct cursor options_of(const uint8_t *tcp)
{
    return cursor_over(tcp + TCP_HEADER_BYTES, (size_t)4 * (tcp[12] >> 4) - TCP_HEADER_BYTES);
}

/* The next option of kind @wanted, and its length; NULL when none is left. */
static const uint8_t *next_option(struct cursor *c, uint8_t wanted, uint8_t *length)
{
    uint8_t kind;
    while (cursor_u8(c, &kind) && kind != TCP_OPTION_END) {
        const uint8_t *option = c->at - 1;
        if (kind == TCP_OPTION_NOP)
            continue;
        if (!cursor_u8(c, length) || *length < 2 || !cursor_skip(c, *length - 2u))
            break;
        if (kind == wanted)
            return option;
    }
    return NULL;
}

static bool has_authentication_option(const uint8_t *tcp)
{
    struct cursor c = options_of(tcp);
    uint8_t length;
    return next_option(&c, TCP_OPTION_AO, &length) != NULL;
}

/* ---- What ---- */

static uint16_t swap16(uint16_t v)
{
    return (uint16_t)(v << 8 | v >> 8);
}

static void set_mss(uint8_t *tcp, size_t at, uint16_t mss, bool checksum_partial)
{
    uint16_t old_mss = load_be16(tcp + at), checksum = load_be16(tcp + TCP_CHECKSUM_OFFSET);
    store_be16(tcp + at, mss);
    if (checksum_partial)
        return; /* it covers the pseudo-header only */
    /* At an odd offset each half lies in another word; the sum is the same, bytes swapped
     * (RFC 1071 s.2B). */
    checksum = at % 2 == 0 ? checksum_update16(checksum, old_mss, mss)
                           : checksum_update16(checksum, swap16(old_mss), swap16(mss));
    store_be16(tcp + TCP_CHECKSUM_OFFSET, checksum);
}

static bool lower_all(uint8_t *tcp, uint16_t mss, bool checksum_partial)
{
    struct cursor c = options_of(tcp);
    const uint8_t *option;
    uint8_t length;
    bool lowered = false;
    while ((option = next_option(&c, TCP_OPTION_MSS, &length)) != NULL) {
        if (length != TCP_OPTION_MSS_BYTES || load_be16(option + 2) <= mss)
            continue;
        set_mss(tcp, (size_t)(option + 2 - tcp), mss, checksum_partial);
        lowered = true;
    }
    return lowered;
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
    if (!is_clampable(p))
        return false;
    uint8_t *tcp = p->frame + p->transport_offset;
    size_t budget = header_budget_bytes(p);
    if (ip_packet_max_bytes <= budget || has_authentication_option(tcp))
        return false;
    return lower_all(tcp, (uint16_t)(ip_packet_max_bytes - budget), p->checksum_partial);
}
