/* SPDX-License-Identifier: MIT
 *
 * multicast.c - the groups known by name; multicast.h says how a frame is judged.
 */
#include "frame/multicast.h"

#include "bytes.h"

struct group_v4 {
    uint32_t address;
    uint8_t class;
};

static const struct group_v4 GROUP_V4[] = {
    {0xe0000001, CLASS_GROUP_KNOWN}, /* 224.0.0.1 all hosts: IGMP, and some old announcers */
    {0xe0000002, CLASS_GROUP_KNOWN}, /* 224.0.0.2 all routers: IGMPv2 leaves */
    {0xe0000016, CLASS_GROUP_KNOWN}, /* 224.0.0.22 IGMPv3 reports */
    {0xe00000fb, CLASS_DISCOVERY},   /* 224.0.0.251 mDNS */
    {0xe00000fc, CLASS_DISCOVERY},   /* 224.0.0.252 LLMNR */
    {0xe0000116, CLASS_DISCOVERY},   /* 224.0.1.22 SLPv1 */
    {0xe0000118, CLASS_DISCOVERY},   /* 224.0.1.24 WINS */
    {0xe0000123, CLASS_DISCOVERY},   /* 224.0.1.35 SLPv1 directory agents */
    {0xe0000154, CLASS_DISCOVERY},   /* 224.0.1.84 Jini */
    {0xe0000155, CLASS_DISCOVERY},   /* 224.0.1.85 Jini */
    {0xe0000181,
     CLASS_GROUP_KNOWN}, /* 224.0.1.129 PTP, steady rather than bursty: its own bucket */
    {0xe0000182, CLASS_GROUP_KNOWN}, /* 224.0.1.130 */
    {0xe0000183, CLASS_GROUP_KNOWN}, /* 224.0.1.131 */
    {0xe0000184, CLASS_GROUP_KNOWN}, /* 224.0.1.132 */
    {0xeffffffa, CLASS_DISCOVERY},   /* 239.255.255.250 SSDP, WS-Discovery */
    {0xeffffffd, CLASS_DISCOVERY},   /* 239.255.255.253 SLPv2 */
};

struct group_v6 {
    uint8_t address[16];
    uint8_t class;
};

/* The rest of ff02::/16 is CLASS_GROUP_KNOWN, the rest of ff00::/8 CLASS_GROUP_OTHER. mDNS at site
 * scope (ff05::fb) is not here: RFC 6762 s.3 names ff02::fb alone, so nothing listens there. */
static const struct group_v6 GROUP_V6[] = {
    {{0xff, 2, [15] = 0x0c}, CLASS_DISCOVERY},        /* ff02::c SSDP, WS-Discovery */
    {{0xff, 5, [15] = 0x0c}, CLASS_DISCOVERY},        /* ff05::c SSDP */
    {{0xff, 2, [15] = 0xfb}, CLASS_DISCOVERY},        /* ff02::fb mDNS */
    {{0xff, 2, [13] = 1, [15] = 3}, CLASS_DISCOVERY}, /* ff02::1:3 LLMNR */
};

static uint8_t class_of_v4(uint32_t group)
{
    for (size_t i = 0; i < sizeof GROUP_V4 / sizeof GROUP_V4[0]; i++)
        if (GROUP_V4[i].address == group)
            return GROUP_V4[i].class;
    return CLASS_GROUP_OTHER;
}

static uint8_t class_of_v6(const uint8_t group[16])
{
    for (size_t i = 0; i < sizeof GROUP_V6 / sizeof GROUP_V6[0]; i++)
        if (memcmp(GROUP_V6[i].address, group, 16) == 0)
            return GROUP_V6[i].class;
    return group[1] == 0x02 ? CLASS_GROUP_KNOWN : CLASS_GROUP_OTHER;
}

/* Router and neighbour discovery (RFC 4861): types 133-137. */
static bool is_neighbor_discovery(const struct packet *p)
{
    return p->network == PACKET_IPV6 && p->protocol == IP_PROTOCOL_ICMPV6 &&
           p->transport_offset != 0 && p->frame[p->transport_offset] >= ND_ROUTER_SOLICITATION &&
           p->frame[p->transport_offset] <= ND_REDIRECT;
}

/* IGMP and MLD. Old reports go to the group they report, but are not its data. */
static bool is_membership(const struct packet *p)
{
    if (p->network == PACKET_IPV4)
        return p->protocol == IP_PROTOCOL_IGMP;
    if (p->protocol != IP_PROTOCOL_ICMPV6 || p->transport_offset == 0)
        return false;
    uint8_t type = p->frame[p->transport_offset];
    return (type >= 130 && type <= 132) || type == 143;
}

static bool is_group(const struct ip_address *a)
{
    return a->family == IP_V4 ? a->octet[0] >> 4 == 0xe : a->octet[0] == 0xff;
}

static enum multicast_class classify_ip(const struct packet *p)
{
    const struct ip_address *to = &p->ip_destination;
    if (!is_group(to))
        return CLASS_BROADCAST;
    if (is_neighbor_discovery(p))
        return CLASS_NEIGHBOR;
    if (is_membership(p))
        return CLASS_GROUP_KNOWN;
    uint8_t found =
        to->family == IP_V4 ? class_of_v4(load_be32(to->octet)) : class_of_v6(to->octet);
    if (found == CLASS_GROUP_OTHER && mac_is_broadcast(&p->destination))
        return CLASS_BROADCAST;
    return (enum multicast_class)found;
}

enum multicast_class multicast_classify(const struct packet *p)
{
    if (!mac_is_group(&p->destination))
        return CLASS_UNICAST;
    if (p->network == PACKET_ARP)
        return CLASS_NEIGHBOR;
    if (p->network == PACKET_IPV4 || p->network == PACKET_IPV6)
        return classify_ip(p);
    return CLASS_BROADCAST;
}

bool multicast_crosses(enum multicast_class c, bool all)
{
    return all || c != CLASS_GROUP_OTHER;
}
