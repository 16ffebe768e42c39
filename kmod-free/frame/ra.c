/* SPDX-License-Identifier: MIT
 *
 * ra.c - cutting down and building router advertisements; ra.h says why.
 */
#include "frame/ra.h"

#include "bytes.h"
#include "cursor.h"
#include "frame/checksum.h"

enum {
    IPV6_PAYLOAD_LENGTH = 4,
    IPV6_NEXT_HEADER = 6,
    IPV6_HOP_LIMIT = 7,
    IPV6_SOURCE = 8,
    IPV6_DESTINATION = 24,
    RA_BYTES = 16, /* RFC 4861 s.4.2, and offsets in the message */
    RA_CODE = 1,
    RA_CHECKSUM = 2,
    RA_HOP_LIMIT = 4,
    RA_FLAGS = 5,
    RA_FLAGS_DHCP = 0xc0, /* M and O */
    RA_LIFETIME = 6,
    RA_TIMES = 8, /* reachable and retransmission, 4 bytes each */
    RA_TIMES_BYTES = 8,
    OPTION_SLLAO = 1,
    OPTION_PREFIX = 3,
    OPTION_ROUTE = 24,
    SLLAO_BYTES = 8,
    PREFIX_BYTES = 32,
    PREFIX_FLAG_ON_LINK = 0x80,
    PREFIX_FLAG_AUTONOMOUS = 0x40,
};

/* ---- Cutting down ---- */

static bool is_gateway(const struct gateway_set *set, const struct ip_address *address,
                       const struct mac *mac)
{
    for (size_t i = 0; i < set->count && i < GATEWAYS_MAX; i++) {
        const struct gateway *g = &set->gateway[i];
        if (ip_equal(&g->address, address) || (!mac_is_zero(&g->mac) && mac_equal(&g->mac, mac)))
            return true;
    }
    return false;
}

/* A valid RA (RFC 4861 s.6.1.2) without extension headers, whole and with its checksum right. */
static bool is_plain_ra(const struct packet *p)
{
    if (p->network != PACKET_IPV6 || p->protocol != IP_PROTOCOL_ICMPV6 || p->fragment ||
        p->transport_offset != p->network_offset + IPV6_HEADER_BYTES ||
        p->network_end - p->transport_offset < RA_BYTES)
        return false;
    const uint8_t *ra = p->frame + p->transport_offset;
    return ra[0] == ND_ROUTER_ADVERTISEMENT && ra[RA_CODE] == 0 &&
           p->frame[p->network_offset + IPV6_HOP_LIMIT] == 255 && ip_is_link_local(&p->ip_source) &&
           load_be16(ra + RA_CHECKSUM) == checksum_transport(p);
}

static bool is_specific_route(const uint8_t *option, size_t option_bytes)
{
    uint8_t prefix_bits = option[2];
    if (prefix_bits < RA_PREFIX_MIN_BITS || prefix_bits > 128)
        return false;
    /* The prefix field is 8 or 16 bytes (RFC 4191 s.2.3). */
    return option_bytes == 24 || (option_bytes == 16 && prefix_bits <= 64);
}

static bool is_plain_prefix(const uint8_t *option, size_t option_bytes)
{
    return option_bytes == PREFIX_BYTES && option[2] >= RA_PREFIX_MIN_BITS && option[2] <= 128 &&
           (option[3] & PREFIX_FLAG_AUTONOMOUS) == 0;
}

static bool is_kept(const uint8_t *option, size_t option_bytes)
{
    switch (option[0]) {
    case OPTION_SLLAO:
        return option_bytes == SLLAO_BYTES;
    case OPTION_PREFIX:
        return is_plain_prefix(option, option_bytes);
    case OPTION_ROUTE:
        return is_specific_route(option, option_bytes);
    default:
        return false;
    }
}

static bool is_gateway_sllao(const uint8_t *option, const struct packet *p,
                             const struct gateway_set *local)
{
    struct mac mac;
    memcpy(mac.octet, option + 2, sizeof mac.octet);
    return option[0] == OPTION_SLLAO && is_gateway(local, &p->ip_source, &mac);
}

/* Copies what is kept of the options behind @p's RA header. Returns the bytes written, or 0 when
 * the RA must not pass. */
static size_t copy_options(const struct packet *p, const struct gateway_set *local, uint8_t *out,
                           size_t capacity)
{
    size_t written = 0;
    bool has_route = false;
    struct cursor c = cursor_over(p->frame + p->transport_offset + RA_BYTES,
                                  (size_t)p->network_end - p->transport_offset - RA_BYTES);
    while (cursor_left(&c) > 0) {
        const uint8_t *option;
        size_t option_bytes = cursor_left(&c) < 2 ? 0 : (size_t)c.at[1] * 8;
        if (option_bytes == 0 || !cursor_take(&c, option_bytes, &option) ||
            is_gateway_sllao(option, p, local))
            return 0;
        if (!is_kept(option, option_bytes))
            continue;
        if (capacity - written < option_bytes)
            return 0;
        memcpy(out + written, option, option_bytes);
        written += option_bytes;
        has_route |= option[0] == OPTION_ROUTE;
    }
    return has_route ? written : 0;
}

/* Hosts are told nothing of the link: 0 means 'unspecified by this router' (RFC 4861 s.4.2). */
static void clear_link_parameters(uint8_t *ra)
{
    ra[RA_HOP_LIMIT] = 0;
    ra[RA_FLAGS] &= (uint8_t)~RA_FLAGS_DHCP;
    memset(ra + RA_TIMES, 0, RA_TIMES_BYTES);
}

/* Fills in payload length and checksum of the RA in @frame. */
static bool finish(uint8_t *frame, size_t frame_bytes, size_t network_offset)
{
    struct packet p;
    size_t payload_bytes = frame_bytes - network_offset - IPV6_HEADER_BYTES;
    store_be16(frame + network_offset + IPV6_PAYLOAD_LENGTH, (uint16_t)payload_bytes);
    if (!packet_parse(&p, frame, frame_bytes) || p.transport_offset == 0)
        return false;
    store_be16(frame + p.transport_offset + RA_CHECKSUM, checksum_transport(&p));
    return true;
}

size_t ra_restrict(const struct packet *p, const struct gateway_set *local, uint8_t *out,
                   size_t capacity)
{
    if (!is_plain_ra(p) || is_gateway(local, &p->ip_source, &p->source))
        return 0;
    if (load_be16(p->frame + p->transport_offset + RA_LIFETIME) != 0)
        return 0;
    size_t header_bytes = (size_t)p->transport_offset + RA_BYTES;
    if (capacity < header_bytes)
        return 0;
    size_t option_bytes = copy_options(p, local, out + header_bytes, capacity - header_bytes);
    if (option_bytes == 0)
        return 0;
    memcpy(out, p->frame, header_bytes);
    clear_link_parameters(out + p->transport_offset);
    size_t frame_bytes = header_bytes + option_bytes;
    return finish(out, frame_bytes, p->network_offset) ? frame_bytes : 0;
}

/* ---- Building ---- */

static bool is_tellable(const struct ip_prefix *prefix)
{
    const struct ip_address *a = &prefix->address;
    return a->family == IP_V6 && a->octet[0] != 0xff && !ip_is_link_local(a) &&
           prefix->length_bits >= RA_PREFIX_MIN_BITS && prefix->length_bits <= 128;
}

static void store_prefix(uint8_t *option, const struct ip_prefix *prefix, uint32_t lifetime_s)
{
    memset(option, 0, PREFIX_BYTES);
    option[0] = OPTION_PREFIX;
    option[1] = PREFIX_BYTES / 8;
    option[2] = prefix->length_bits;
    option[3] = PREFIX_FLAG_ON_LINK;
    store_be32(option + 4, lifetime_s);
    store_be32(option + 8, lifetime_s);
    memcpy(option + 16, prefix->address.octet, 16);
}

static void store_ethernet(uint8_t *out, const struct mac *source)
{
    static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
    memcpy(out, all_nodes, sizeof all_nodes);
    memcpy(out + 6, source->octet, sizeof source->octet);
    store_be16(out + 12, ETHER_TYPE_IPV6);
}

/* Link-local address of a MAC (RFC 4291 app. A). */
static void store_eui64(uint8_t address[16], const struct mac *mac)
{
    static const uint8_t head[8] = {0xfe, 0x80};
    memcpy(address, head, sizeof head);
    memcpy(address + 8, mac->octet, 3);
    address[8] ^= 2;
    store_be16(address + 11, 0xfffe);
    memcpy(address + 13, mac->octet + 3, 3);
}

/* Without its payload length, which finish() knows. */
static void store_ipv6(uint8_t *ip, const struct mac *source)
{
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    memset(ip, 0, IPV6_HEADER_BYTES);
    ip[0] = 6 << 4;
    ip[IPV6_NEXT_HEADER] = IP_PROTOCOL_ICMPV6;
    ip[IPV6_HOP_LIMIT] = 255;
    store_eui64(ip + IPV6_SOURCE, source);
    memcpy(ip + IPV6_DESTINATION, all_nodes, sizeof all_nodes);
}

size_t ra_on_link(uint8_t *out, size_t capacity, const struct mac *source,
                  const struct ip_prefix *prefixes, size_t count, uint32_t valid_lifetime_s)
{
    const size_t ra_offset = ETHER_HEADER_BYTES + IPV6_HEADER_BYTES;
    const size_t options_offset = ra_offset + RA_BYTES;
    size_t bytes = options_offset;
    size_t most = options_offset + (size_t)RA_ON_LINK_PREFIXES_MAX * PREFIX_BYTES;
    if (capacity < most)
        most = capacity;
    for (size_t i = 0; i < count && bytes + PREFIX_BYTES <= most; i++) {
        if (!is_tellable(&prefixes[i]))
            continue;
        store_prefix(out + bytes, &prefixes[i], valid_lifetime_s);
        bytes += PREFIX_BYTES;
    }
    if (bytes == options_offset)
        return 0;
    store_ethernet(out, source);
    store_ipv6(out + ETHER_HEADER_BYTES, source);
    memset(out + ra_offset, 0, RA_BYTES);
    out[ra_offset] = ND_ROUTER_ADVERTISEMENT;
    return finish(out, bytes, ETHER_HEADER_BYTES) ? bytes : 0;
}
