/* SPDX-License-Identifier: MIT
 *
 * neighbor.c - reading ARP and ND; neighbor.h says what a claim is.
 */
#include "frame/neighbor.h"

#include "cursor.h"

enum {
    ARP_SENDER_MAC = 8, /* offsets in an Ethernet/IPv4 ARP */
    ARP_SENDER_ADDRESS = 14,
    ARP_TARGET_ADDRESS = 24,
    ND_TARGET = 8, /* offsets in an NS or NA */
    ND_OPTIONS = 24,
};

static struct mac mac_at(const uint8_t *octets)
{
    struct mac m;
    memcpy(m.octet, octets, sizeof m.octet);
    return m;
}

static void read_arp(const struct packet *p, struct neighbor *out)
{
    const uint8_t *arp = p->frame + p->network_offset;
    out->family = IP_V4;
    out->sender = ip_v4(arp + ARP_SENDER_ADDRESS);
    out->target = ip_v4(arp + ARP_TARGET_ADDRESS);
    out->mac = mac_at(arp + ARP_SENDER_MAC);
    out->probe = ip_is_unspecified(&out->sender);
    if (!out->probe)
        out->claimed = out->sender;
}

struct mac neighbor_link_address(const struct packet *p, size_t fixed_bytes, uint8_t type,
                                 struct mac otherwise)
{
    struct cursor c =
        cursor_over(p->frame + p->transport_offset, (size_t)p->network_end - p->transport_offset);
    const uint8_t *option;
    if (!cursor_skip(&c, fixed_bytes))
        return otherwise;
    while (cursor_left(&c) >= 8) {
        size_t option_bytes = (size_t)c.at[1] * 8;
        if (option_bytes == 0 || !cursor_take(&c, option_bytes, &option))
            break; /* the receiver discards the whole message (RFC 4861 s.4.6) */
        if (option[0] == type)
            return mac_at(option + 2);
    }
    return otherwise;
}

static void read_nd(const struct packet *p, uint8_t type, struct neighbor *out)
{
    out->family = IP_V6;
    out->sender = p->ip_source;
    out->target = ip_v6(p->frame + p->transport_offset + ND_TARGET);
    if (type == ND_NEIGHBOR_ADVERTISEMENT) {
        out->claimed = out->target;
        out->mac = neighbor_link_address(p, ND_OPTIONS, ND_OPTION_TARGET_LINK_ADDRESS, p->source);
        return;
    }
    out->mac = neighbor_link_address(p, ND_OPTIONS, ND_OPTION_SOURCE_LINK_ADDRESS, p->source);
    out->probe = ip_is_unspecified(&out->sender);
    if (!out->probe)
        out->claimed = out->sender;
}

bool neighbor_parse(const struct packet *p, struct neighbor *out)
{
    *out = (struct neighbor){.family = IP_NONE};
    if (p->network == PACKET_ARP) {
        read_arp(p, out);
        return true;
    }
    if (p->network != PACKET_IPV6 || p->protocol != IP_PROTOCOL_ICMPV6 || p->fragment ||
        p->transport_offset == 0 || p->network_end - p->transport_offset < ND_OPTIONS)
        return false;
    uint8_t type = p->frame[p->transport_offset];
    if (type != ND_NEIGHBOR_SOLICITATION && type != ND_NEIGHBOR_ADVERTISEMENT)
        return false;
    read_nd(p, type, out);
    return true;
}
