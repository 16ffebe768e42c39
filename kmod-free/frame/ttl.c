/* SPDX-License-Identifier: MIT
 *
 * ttl.c - see ttl.h.
 */
#include "frame/ttl.h"

#include "bytes.h"
#include "frame/checksum.h"

enum {
    MDNS_PORT = 5353,
    MDNS_TTL = 255,
    SSDP_PORT = 1900,
    SSDP_TTL_MIN = 4,
    IPV4_TTL_OFFSET = 8,
    IPV4_CHECKSUM_OFFSET = 10,
    IPV6_HOP_LIMIT_OFFSET = 7,
};

struct repair_rule {
    unsigned what;
    enum ttl_repaired counted;
    struct ip_address group;
    uint16_t port;
    uint8_t ttl;
    bool exactly; /* else: at least */
};

static const struct repair_rule rules[] = {
    {TTL_REPAIR_MDNS, TTL_REPAIRED_MDNS, {IP_V4, {224, 0, 0, 251}}, MDNS_PORT, MDNS_TTL, true},
    {TTL_REPAIR_MDNS,
     TTL_REPAIRED_MDNS,
     {IP_V6, {0xff, 2, [15] = 0xfb}},
     MDNS_PORT,
     MDNS_TTL,
     true},
    {TTL_REPAIR_SSDP,
     TTL_REPAIRED_SSDP,
     {IP_V4, {239, 255, 255, 250}},
     SSDP_PORT,
     SSDP_TTL_MIN,
     false},
    {TTL_REPAIR_SSDP,
     TTL_REPAIRED_SSDP,
     {IP_V6, {0xff, 2, [15] = 0x0c}},
     SSDP_PORT,
     SSDP_TTL_MIN,
     false},
    {TTL_REPAIR_SSDP,
     TTL_REPAIRED_SSDP,
     {IP_V6, {0xff, 5, [15] = 0x0c}},
     SSDP_PORT,
     SSDP_TTL_MIN,
     false},
};

static bool rule_matches(const struct repair_rule *rule, const struct packet *p)
{
    if (!ip_equal(&p->ip_destination, &rule->group))
        return false;
    return p->later_fragment || (p->transport_offset != 0 && p->destination_port == rule->port);
}

static void set_ttl(struct packet *p, uint8_t ttl)
{
    uint8_t *ip = p->frame + p->network_offset;
    if (p->network == PACKET_IPV6) {
        ip[IPV6_HOP_LIMIT_OFFSET] = ttl;
        return;
    }
    uint16_t old_word = load_be16(ip + IPV4_TTL_OFFSET);
    ip[IPV4_TTL_OFFSET] = ttl;
    store_be16(ip + IPV4_CHECKSUM_OFFSET,
               checksum_update16(load_be16(ip + IPV4_CHECKSUM_OFFSET), old_word,
                                 load_be16(ip + IPV4_TTL_OFFSET)));
}

enum ttl_repaired ttl_repair(struct packet *p, unsigned what)
{
    if ((p->network != PACKET_IPV4 && p->network != PACKET_IPV6) || p->malformed ||
        p->router_alert || p->protocol != IP_PROTOCOL_UDP || !mac_is_group(&p->destination))
        return TTL_UNTOUCHED;
    uint8_t ttl =
        p->frame[p->network_offset + (p->network == PACKET_IPV4 ? (unsigned)IPV4_TTL_OFFSET
                                                                : (unsigned)IPV6_HOP_LIMIT_OFFSET)];
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct repair_rule *rule = &rules[i];
        if (!(what & rule->what) || !rule_matches(rule, p))
            continue;
        if (rule->exactly ? ttl == rule->ttl : ttl >= rule->ttl)
            return TTL_UNTOUCHED;
        set_ttl(p, rule->ttl);
        return rule->counted;
    }
    return TTL_UNTOUCHED;
}
