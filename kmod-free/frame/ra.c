/* SPDX-License-Identifier: MIT
 *
 * ra.c - see ra.h.
 */
#include "frame/ra.h"

#include "bytes.h"
#include "frame/checksum.h"
#include "frame/cursor.h"

#include <string.h>

enum {
    IPV6_FIXED_BYTES = 40,
    IPV6_PAYLOAD_LENGTH_OFFSET = 4,
    HOP_LIMIT_ND = 255, /* RFC 4861 s.6.1.2 */
    ICMPV6_ROUTER_ADVERTISEMENT = 134,
    RA_FIXED_BYTES = 16,
    RA_LIFETIME_OFFSET = 6,
    OPTION_SOURCE_LINK_LAYER = 1,
    OPTION_PREFIX = 3,
    OPTION_PREFIX_BYTES = 32,
    OPTION_PREFIX_ON_LINK = 0x80,
    OPTION_PREFIX_AUTONOMOUS = 0x40,
    OPTION_ROUTE = 24, /* RFC 4191 s.2.3 */
    OPTION_ROUTE_BYTES_MIN = 8,
    OPTION_ROUTE_BYTES_MAX = 24,
    PREFIXES_MAX = (1500 - IPV6_FIXED_BYTES - RA_FIXED_BYTES) / OPTION_PREFIX_BYTES,
};

static void finish_icmpv6(uint8_t *frame, size_t bytes, size_t network_offset)
{
    struct packet p;
    store_be16(frame + network_offset + IPV6_PAYLOAD_LENGTH_OFFSET,
               (uint16_t)(bytes - network_offset - IPV6_FIXED_BYTES));
    if (packet_parse(&p, frame, bytes) && p.transport_offset != 0)
        store_be16(frame + p.transport_offset + 2, checksum_transport(&p));
}

/* ---- restricting ---- */

static bool from_a_gateway(const struct packet *p, const struct gateway_set *gateways)
{
    for (size_t i = 0; i < gateways->count; i++)
        if (ip_equal(&gateways->gateway[i].address, &p->ip_source) ||
            mac_equal(&gateways->gateway[i].mac, &p->source))
            return true;
    return false;
}

/* A valid advertisement (RFC 4861 s.6.1.2) right behind the IPv6 header, of no default router. */
static bool is_routes_only(const struct packet *p)
{
    const uint8_t *ip = p->frame + p->network_offset;
    if (p->network != PACKET_IPV6 || p->malformed || p->fragment || ip[7] != HOP_LIMIT_ND ||
        p->protocol != IP_PROTOCOL_ICMPV6 || !ip_is_link_local(&p->ip_source) ||
        p->transport_offset != p->network_offset + IPV6_FIXED_BYTES ||
        p->network_end - p->transport_offset < RA_FIXED_BYTES)
        return false;
    const uint8_t *ra = p->frame + p->transport_offset;
    return ra[0] == ICMPV6_ROUTER_ADVERTISEMENT && ra[1] == 0 &&
           load_be16(ra + RA_LIFETIME_OFFSET) == 0 && checksum_transport(p) == load_be16(ra + 2);
}

static bool option_crosses(const uint8_t *option, size_t bytes)
{
    switch (option[0]) {
    case OPTION_SOURCE_LINK_LAYER:
        return bytes == 8;
    case OPTION_PREFIX:
        return bytes == OPTION_PREFIX_BYTES && !(option[3] & OPTION_PREFIX_AUTONOMOUS);
    case OPTION_ROUTE:
        /* A route to everywhere (length 0) is a default route by another name. */
        return bytes >= OPTION_ROUTE_BYTES_MIN && bytes <= OPTION_ROUTE_BYTES_MAX &&
               option[2] > 0 && option[2] <= 128;
    default:
        return false;
    }
}

size_t ra_restrict(const struct packet *p, const struct gateway_set *local, uint8_t *out,
                   size_t capacity)
{
    if (!is_routes_only(p) || from_a_gateway(p, local) || p->network_end > capacity)
        return 0;
    size_t used = p->transport_offset + (size_t)RA_FIXED_BYTES;
    struct cursor c = cursor_over(p->frame + used, p->network_end - used);
    bool routes = false;
    memcpy(out, p->frame, used);
    while (cursor_left(&c) > 0) {
        const uint8_t *option = c.at;
        size_t bytes = cursor_left(&c) >= 2 ? 8u * option[1] : 0;
        if (bytes == 0 || !cursor_skip(&c, bytes))
            return 0; /* RFC 4861 s.6.1.2: the whole message is invalid */
        if (!option_crosses(option, bytes))
            continue;
        routes = routes || option[0] == OPTION_ROUTE;
        memcpy(out + used, option, bytes);
        used += bytes;
    }
    if (!routes)
        return 0;
    finish_icmpv6(out, used, p->network_offset);
    return used;
}

/* ---- announcing ---- */

static void put_headers(uint8_t *out, const struct mac *source)
{
    static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
    uint8_t *ip = out + ETHER_HEADER_BYTES, *ra = ip + IPV6_FIXED_BYTES;

    memcpy(out, all_nodes_mac, 6);
    memcpy(out + 6, source->octet, 6);
    store_be16(out + 12, ETHER_TYPE_IPV6);
    memset(ip, 0, IPV6_FIXED_BYTES + RA_FIXED_BYTES);
    ip[0] = 0x60;
    ip[6] = IP_PROTOCOL_ICMPV6;
    ip[7] = HOP_LIMIT_ND;
    /* fe80:: and the modified EUI-64 of the MAC */
    ip[8] = 0xfe;
    ip[9] = 0x80;
    memcpy(ip + 16, source->octet, 3);
    ip[16] ^= 2;
    ip[19] = 0xff;
    ip[20] = 0xfe;
    memcpy(ip + 21, source->octet + 3, 3);
    /* ff02::1 */
    ip[24] = 0xff;
    ip[25] = 0x02;
    ip[39] = 1;
    ra[0] = ICMPV6_ROUTER_ADVERTISEMENT;
}

static void put_prefix(uint8_t *option, const struct ip_prefix *prefix, uint32_t valid_lifetime_s)
{
    memset(option, 0, OPTION_PREFIX_BYTES);
    option[0] = OPTION_PREFIX;
    option[1] = OPTION_PREFIX_BYTES / 8;
    option[2] = prefix->length_bits;
    option[3] = OPTION_PREFIX_ON_LINK;
    store_be32(option + 4, valid_lifetime_s);
    store_be32(option + 8, valid_lifetime_s);
    memcpy(option + 16, prefix->address.octet, 16);
}

size_t ra_on_link(uint8_t *out, size_t capacity, const struct mac *source,
                  const struct ip_prefix *prefixes, size_t count, uint32_t valid_lifetime_s)
{
    size_t used = ETHER_HEADER_BYTES + IPV6_FIXED_BYTES + RA_FIXED_BYTES, put = 0;
    if (capacity < used)
        return 0;
    put_headers(out, source);
    for (size_t i = 0; i < count && put < PREFIXES_MAX; i++) {
        if (prefixes[i].address.family != IP_V6)
            continue;
        if (capacity - used < OPTION_PREFIX_BYTES)
            return 0;
        put_prefix(out + used, &prefixes[i], valid_lifetime_s);
        used += OPTION_PREFIX_BYTES;
        put++;
    }
    if (put == 0)
        return 0;
    finish_icmpv6(out, used, ETHER_HEADER_BYTES);
    return used;
}
