/* SPDX-License-Identifier: MIT
 *
 * packet.c - see packet.h. Each layer's parser takes a cursor that ends where its parent said the
 * layer ends, so a length field can shorten what follows but never lengthen it.
 */
#include "frame/packet.h"

#include "cursor.h"

enum {
    VLAN_ID_MASK = 0x0fff,
    LENGTH_FIELD_MAX = 0x05ff, /* at most this it is an 802.3 length (IEEE 802.3 s.3.2.6) */
    ARP_BYTES = 28,
    TCP_MIN_HEADER_BYTES = 20,
    ICMP_COMMON_BYTES = 4, /* type, code, checksum: ICMP, ICMPv6 and IGMP alike */
    IPV4_OPTION_END = 0,
    IPV4_OPTION_NOP = 1,
    IPV4_OPTION_ROUTER_ALERT = 148, /* RFC 2113 */
    IPV6_OPTION_PAD1 = 0,
    IPV6_OPTION_ROUTER_ALERT = 5, /* RFC 2711 */
    EXTENSION_HEADERS_MAX = 8,
};

enum extension {
    EXTENSION_HOP_BY_HOP = 0,
    EXTENSION_ROUTING = 43,
    EXTENSION_FRAGMENT = 44,
    EXTENSION_AUTHENTICATION = 51,
    EXTENSION_DESTINATION = 60,
    EXTENSION_MOBILITY = 135,
    EXTENSION_HIP = 139,
    EXTENSION_SHIM6 = 140,
};

static uint16_t offset_of(const struct packet *p, const struct cursor *c)
{
    return (uint16_t)(c->at - p->frame);
}

/* ---- transport ---- */

/* Bytes that must be there for a transport header to be used; 0 when the protocol is not looked
 * into, SIZE_MAX when the header is wrong however much there is. */
static size_t transport_header_bytes(uint8_t protocol, struct cursor c)
{
    size_t tcp_bytes;
    switch (protocol) {
    case IP_PROTOCOL_UDP:
        return UDP_HEADER_BYTES;
    case IP_PROTOCOL_TCP:
        if (cursor_left(&c) < TCP_MIN_HEADER_BYTES)
            return TCP_MIN_HEADER_BYTES;
        tcp_bytes = (size_t)4 * (c.at[12] >> 4);
        return tcp_bytes < TCP_MIN_HEADER_BYTES ? SIZE_MAX : tcp_bytes;
    case IP_PROTOCOL_ICMP:
    case IP_PROTOCOL_ICMPV6:
    case IP_PROTOCOL_IGMP:
        return ICMP_COMMON_BYTES;
    default:
        return 0;
    }
}

static void parse_transport(struct packet *p, struct cursor c)
{
    size_t need = transport_header_bytes(p->protocol, c);
    if (need == 0)
        return;
    if (cursor_left(&c) < need) {
        /* A first fragment may be shorter than its transport header; a whole packet may not. */
        p->malformed = !p->fragment || need == SIZE_MAX;
        return;
    }
    p->transport_offset = offset_of(p, &c);
    if (p->protocol == IP_PROTOCOL_UDP || p->protocol == IP_PROTOCOL_TCP) {
        p->source_port = load_be16(c.at);
        p->destination_port = load_be16(c.at + 2);
    }
}

/* ---- IPv4 ---- */

static bool ipv4_has_router_alert(struct cursor options)
{
    uint8_t type, length;
    while (cursor_u8(&options, &type) && type != IPV4_OPTION_END) {
        if (type == IPV4_OPTION_NOP)
            continue;
        if (type == IPV4_OPTION_ROUTER_ALERT)
            return true;
        if (!cursor_u8(&options, &length) || length < 2 || !cursor_skip(&options, length - 2u))
            break;
    }
    return false;
}

static bool parse_ipv4(struct packet *p, struct cursor c)
{
    const uint8_t *ip;
    if (!cursor_take(&c, IPV4_HEADER_BYTES, &ip) || ip[0] >> 4 != 4)
        return false;
    size_t header_bytes = (size_t)4 * (ip[0] & 0xf), total_bytes = load_be16(ip + 2);
    if (header_bytes < IPV4_HEADER_BYTES || total_bytes < header_bytes ||
        total_bytes - IPV4_HEADER_BYTES > cursor_left(&c))
        return false;
    c.end = ip + total_bytes; /* the rest is Ethernet padding */
    struct cursor options = cursor_over(c.at, header_bytes - IPV4_HEADER_BYTES);
    cursor_skip(&c, header_bytes - IPV4_HEADER_BYTES);

    uint16_t fragment_field = load_be16(ip + 6);
    p->network = PACKET_IPV4;
    p->network_end = (uint32_t)(c.end - p->frame);
    p->protocol = ip[9];
    p->ip_source = ip_v4(ip + 12);
    p->ip_destination = ip_v4(ip + 16);
    p->router_alert = ipv4_has_router_alert(options);
    p->later_fragment = (fragment_field & 0x1fff) != 0;
    p->fragment = p->later_fragment || (fragment_field & 0x2000) != 0;
    if (!p->later_fragment)
        parse_transport(p, c);
    return true;
}

/* ---- IPv6 ---- */

static bool ipv6_has_router_alert(struct cursor options)
{
    uint8_t type, length;
    while (cursor_u8(&options, &type)) {
        if (type == IPV6_OPTION_PAD1)
            continue;
        if (type == IPV6_OPTION_ROUTER_ALERT)
            return true;
        if (!cursor_u8(&options, &length) || !cursor_skip(&options, length))
            break;
    }
    return false;
}

/* One extension header; the cursor stands behind it afterwards. False when it is cut off. */
static bool pass_extension(struct packet *p, struct cursor *c, uint8_t *next)
{
    const uint8_t *header = c->at;
    uint8_t type = *next, length;
    if (cursor_left(c) < 8)
        return false;
    *next = header[0];
    length = header[1];
    if (type == EXTENSION_FRAGMENT) {
        /* An atomic fragment counts as one too: ND must not carry the header at all (RFC 6980). */
        p->fragment = true;
        p->later_fragment = (load_be16(header + 2) & 0xfff8) != 0;
        return cursor_skip(c, 8);
    }
    size_t bytes =
        type == EXTENSION_AUTHENTICATION ? (size_t)4 * (length + 2u) : (size_t)8 * (length + 1u);
    if (cursor_left(c) < bytes)
        return false;
    if (type == EXTENSION_HOP_BY_HOP && !p->router_alert)
        p->router_alert = ipv6_has_router_alert(cursor_over(header + 2, bytes - 2));
    return cursor_skip(c, bytes);
}

static bool is_extension(uint8_t type)
{
    switch (type) {
    case EXTENSION_HOP_BY_HOP:
    case EXTENSION_ROUTING:
    case EXTENSION_FRAGMENT:
    case EXTENSION_AUTHENTICATION:
    case EXTENSION_DESTINATION:
    case EXTENSION_MOBILITY:
    case EXTENSION_HIP:
    case EXTENSION_SHIM6:
        return true;
    default:
        return false;
    }
}

static bool parse_ipv6(struct packet *p, struct cursor c)
{
    const uint8_t *ip;
    if (!cursor_take(&c, IPV6_HEADER_BYTES, &ip) || ip[0] >> 4 != 6)
        return false;
    size_t payload_bytes = load_be16(ip + 4);
    if (payload_bytes > cursor_left(&c))
        return false;
    c.end = c.at + payload_bytes;

    uint8_t next = ip[6];
    p->network = PACKET_IPV6;
    p->network_end = (uint32_t)(c.end - p->frame);
    p->ip_source = ip_v6(ip + 8);
    p->ip_destination = ip_v6(ip + 24);
    for (unsigned n = 0; is_extension(next) && !p->later_fragment; n++) {
        /* Nobody sends more of them; a packet that does hides something. */
        if (n == EXTENSION_HEADERS_MAX || !pass_extension(p, &c, &next)) {
            p->malformed = true;
            break;
        }
    }
    p->protocol = next;
    if (!p->later_fragment && !p->malformed)
        parse_transport(p, c);
    return true;
}

/* ---- ARP and Ethernet ---- */

/* Ethernet and IPv4 only (RFC 826 with hardware type 1, protocol 0x0800, lengths 6 and 4). */
static bool parse_arp(struct packet *p, struct cursor c)
{
    const uint8_t *arp;
    static const uint8_t ethernet_ipv4[6] = {0, 1, 8, 0, 6, 4};
    if (!cursor_take(&c, ARP_BYTES, &arp) || memcmp(arp, ethernet_ipv4, sizeof ethernet_ipv4) != 0)
        return false;
    p->network = PACKET_ARP;
    p->network_end = offset_of(p, &c);
    return true;
}

static void parse_vlan_tags(struct packet *p, struct cursor *c)
{
    uint16_t tag;
    while ((p->ether_type == ETHER_TYPE_VLAN || p->ether_type == ETHER_TYPE_QINQ) &&
           p->vlan_tags < 2 && cursor_left(c) >= VLAN_TAG_BYTES) {
        cursor_u16(c, &tag);
        cursor_u16(c, &p->ether_type);
        if (p->vlan_tags++ == 0)
            p->vlan_id = tag & VLAN_ID_MASK;
    }
}

static bool parse_network(struct packet *p, struct cursor c)
{
    switch (p->ether_type) {
    case ETHER_TYPE_IPV4:
        return parse_ipv4(p, c);
    case ETHER_TYPE_IPV6:
        return parse_ipv6(p, c);
    case ETHER_TYPE_ARP:
        return parse_arp(p, c);
    default:
        return true;
    }
}

bool packet_parse(struct packet *packet, uint8_t *frame, size_t frame_bytes)
{
    struct cursor c = cursor_over(frame, frame_bytes);
    const uint8_t *addresses;

    *packet = (struct packet){.frame = frame, .frame_bytes = frame_bytes};
    if (frame_bytes > PACKET_FRAME_MAX_BYTES || !cursor_take(&c, 12, &addresses) ||
        !cursor_u16(&c, &packet->ether_type))
        return false;
    memcpy(packet->destination.octet, addresses, 6);
    memcpy(packet->source.octet, addresses + 6, 6);
    parse_vlan_tags(packet, &c);
    packet->network_offset = offset_of(packet, &c);
    if (packet->ether_type <= LENGTH_FIELD_MAX)
        packet->ether_type = 0;
    else if (!parse_network(packet, c))
        packet->malformed = true;
    return true;
}
