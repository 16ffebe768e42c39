/* SPDX-License-Identifier: MIT
 *
 * guard.c - the stateless words of the guard; guard.h says what each decides and why.
 */
#include "frame/guard.h"

#include "bytes.h"

enum {
    DHCPV4_SERVER = 67,
    DHCPV4_CLIENT = 68,
    DHCPV6_CLIENT = 546,
    DHCPV6_SERVER = 547,
    IGMP_QUERY = 0x11,
    MLD_QUERY = 130,
    ICMP_REDIRECT = 5, /* RFC 792; 9 and 10 are RFC 1256 */
    ICMP_ROUTER_ADVERTISEMENT = 9,
    ICMP_ROUTER_SOLICITATION = 10,
    ETHER_TYPE_MAC_CONTROL = 0x8808, /* pause */
    ETHER_TYPE_SLOW = 0x8809,        /* LACP */
    ETHER_TYPE_PPPOE_DISCOVERY = 0x8863,
    ETHER_TYPE_PPPOE_SESSION = 0x8864,
    ETHER_TYPE_EAPOL = 0x888e, /* 802.1X */
    ETHER_TYPE_LLDP = 0x88cc,
    ANY_WORD = GUARD_DHCP | GUARD_RA | GUARD_GATEWAY | GUARD_HOSTS | GUARD_QUERIER | GUARD_STP,
};

static bool is_link_control_group(const struct mac *to)
{
    static const uint8_t ieee[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};
    static const struct mac cisco_cdp = {{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc}};
    static const struct mac cisco_pvst = {{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}};
    return (memcmp(to->octet, ieee, sizeof ieee) == 0 && to->octet[5] <= 0x0f) ||
           mac_equal(to, &cisco_cdp) || mac_equal(to, &cisco_pvst);
}

static bool is_link_control_type(uint16_t ether_type)
{
    switch (ether_type) {
    case ETHER_TYPE_MAC_CONTROL:
    case ETHER_TYPE_SLOW:
    case ETHER_TYPE_PPPOE_DISCOVERY:
    case ETHER_TYPE_PPPOE_SESSION:
    case ETHER_TYPE_EAPOL:
    case ETHER_TYPE_LLDP:
        return true;
    default:
        return false;
    }
}

/* An Ethernet type inside 802.2 SNAP (RFC 1042, 802.1H): an access point takes it out again. */
static bool is_snap_of_ethernet(const struct packet *p)
{
    static const uint8_t rfc1042[6] = {0xaa, 0xaa, 3, 0, 0, 0},
                         tunnel[6] = {0xaa, 0xaa, 3, 0, 0, 0xf8};
    const uint8_t *llc = p->frame + p->network_offset;
    if (p->ether_type != 0 || p->frame_bytes - p->network_offset < 8 ||
        (memcmp(llc, rfc1042, 6) != 0 && memcmp(llc, tunnel, 6) != 0))
        return false;
    uint16_t type = load_be16(llc + 6);
    return type == ETHER_TYPE_IPV4 || type == ETHER_TYPE_ARP || type == ETHER_TYPE_IPV6 ||
           type == ETHER_TYPE_VLAN || type == ETHER_TYPE_QINQ || is_link_control_type(type);
}

static bool is_port(uint16_t port, uint8_t network)
{
    if (network == PACKET_IPV4)
        return port == DHCPV4_SERVER || port == DHCPV4_CLIENT;
    return port == DHCPV6_CLIENT || port == DHCPV6_SERVER;
}

static unsigned breaks_icmpv6(const struct packet *p, enum guard_direction direction)
{
    uint8_t type = p->frame[p->transport_offset];
    if (type == MLD_QUERY)
        return direction == GUARD_FROM_PEER ? GUARD_QUERIER : 0;
    if (type < ND_ROUTER_SOLICITATION || type > ND_REDIRECT)
        return 0;
    if (p->fragment)
        return GUARD_RA | GUARD_GATEWAY | GUARD_HOSTS; /* never valid: RFC 6980 */
    bool router =
        type == ND_ROUTER_SOLICITATION || type == ND_ROUTER_ADVERTISEMENT || type == ND_REDIRECT;
    return router ? GUARD_RA : 0;
}

/* The words a packet breaks whose transport header can be seen. */
static unsigned breaks_transport(const struct packet *p, enum guard_direction direction)
{
    uint8_t type = p->frame[p->transport_offset];
    switch (p->protocol) {
    case IP_PROTOCOL_ICMP:
        return type == ICMP_REDIRECT || type == ICMP_ROUTER_ADVERTISEMENT ||
                       type == ICMP_ROUTER_SOLICITATION
                   ? GUARD_RA
                   : 0;
    case IP_PROTOCOL_UDP:
        return is_port(p->source_port, p->network) || is_port(p->destination_port, p->network)
                   ? GUARD_DHCP
                   : 0;
    case IP_PROTOCOL_ICMPV6:
        return p->network == PACKET_IPV6 ? breaks_icmpv6(p, direction) : 0;
    case IP_PROTOCOL_IGMP:
        return direction == GUARD_FROM_PEER && p->frame[p->transport_offset] == IGMP_QUERY
                   ? GUARD_QUERIER
                   : 0;
    default:
        return 0;
    }
}

/* The words a packet could break that ends before its transport header is to be seen. */
static unsigned could_break_transport(const struct packet *p)
{
    switch (p->protocol) {
    case IP_PROTOCOL_ICMP:
        return GUARD_RA;
    case IP_PROTOCOL_UDP:
        return GUARD_DHCP;
    case IP_PROTOCOL_ICMPV6:
        return GUARD_RA | GUARD_GATEWAY | GUARD_HOSTS | GUARD_QUERIER;
    case IP_PROTOCOL_IGMP:
        return GUARD_QUERIER;
    default:
        return 0;
    }
}

/* The words a frame could break whose headers do not parse. */
static unsigned could_break_malformed(const struct packet *p)
{
    switch (p->ether_type) {
    case ETHER_TYPE_ARP:
        return GUARD_GATEWAY | GUARD_HOSTS;
    case ETHER_TYPE_IPV4:
        return GUARD_DHCP | GUARD_QUERIER;
    default:
        return GUARD_DHCP | GUARD_RA | GUARD_GATEWAY | GUARD_HOSTS | GUARD_QUERIER;
    }
}

static unsigned breaks(const struct packet *p, enum guard_direction direction)
{
    if (is_link_control_group(&p->destination) || is_link_control_type(p->ether_type))
        return GUARD_STP;
    if (p->ether_type == ETHER_TYPE_VLAN || p->ether_type == ETHER_TYPE_QINQ ||
        is_snap_of_ethernet(p))
        return ANY_WORD;
    if (p->malformed)
        return could_break_malformed(p);
    if ((p->network != PACKET_IPV4 && p->network != PACKET_IPV6) || p->later_fragment)
        return 0;
    return p->transport_offset != 0 ? breaks_transport(p, direction) : could_break_transport(p);
}

enum guard_word guard_check(const struct packet *p, unsigned words, enum guard_direction direction)
{
    unsigned broken = breaks(p, direction) & words & ANY_WORD;
    return (enum guard_word)(broken & (~broken + 1)); /* the lowest bit */
}
