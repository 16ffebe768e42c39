/* SPDX-License-Identifier: MIT
 *
 * map_e.c - see map_e.h
 */
#include "tunnel/map_e.h"

#include "bytes.h"
#include "tunnel/map_e_rules.h"

enum { PORT_BITS = 16, FIRST_USER_PORT = 1024 };

/* ---- port sets ---- */

static bool is_valid(const struct port_set *set)
{
    return set->offset_bits + set->psid_bits <= PORT_BITS && set->psid >> set->psid_bits == 0;
}

/* m: a block has 2^m ports. */
static unsigned block_bits(const struct port_set *set)
{
    return PORT_BITS - (unsigned)set->offset_bits - set->psid_bits;
}

/* The number of the first port: with no offset bits A may be 0 (s.5.1), but port 0 is none. */
static unsigned first_number(const struct port_set *set)
{
    if (set->offset_bits > 0)
        return 1U << block_bits(set);
    return set->psid == 0 ? 1 : 0;
}

unsigned map_e_port_count(const struct port_set *set)
{
    if (!is_valid(set))
        return 0;
    return (1U << (set->offset_bits + block_bits(set))) - first_number(set);
}

uint16_t map_e_port(const struct port_set *set, unsigned n)
{
    unsigned m = block_bits(set), number = n + first_number(set);
    unsigned block = number >> m, within = number & ((1U << m) - 1);

    return (uint16_t)((block << set->psid_bits | set->psid) << m | within);
}

bool map_e_contains(const struct port_set *set, uint16_t port)
{
    if (!is_valid(set) || port == 0)
        return false;
    unsigned above = (unsigned)port >> block_bits(set); /* A || PSID */
    unsigned psid = above & ((1U << set->psid_bits) - 1);

    return psid == set->psid && (set->offset_bits == 0 || above >> set->psid_bits != 0);
}

uint16_t map_e_choose_port(const struct port_set *set, uint32_t seed)
{
    unsigned count = map_e_port_count(set), low = 0;

    while (low < count && map_e_port(set, low) < FIRST_USER_PORT)
        low++;
    return low < count ? map_e_port(set, low + seed % (count - low)) : 0;
}

/* ---- rules ---- */

static bool matches(const struct map_e_rule *rule, const struct ip_address *ipv6)
{
    uint64_t prefix = (uint64_t)rule->ipv6 << 32 | (uint64_t)rule->ipv6_next << 24;

    return (load_be64(ipv6->octet) ^ prefix) >> (64 - rule->ipv6_bits) == 0;
}

static struct map_e derive(const struct map_e_service *service, const struct map_e_rule *rule,
                           const struct ip_address *ipv6)
{
    unsigned ea_bits = MAP_E_END_BITS - (unsigned)rule->ipv6_bits;
    uint64_t ea = load_be64(ipv6->octet) << rule->ipv6_bits >> (64 - ea_bits);
    uint8_t octets[4];

    store_be32(octets, rule->ipv4 | (uint32_t)(ea >> service->psid_bits));
    return (struct map_e){
        .service = service->name,
        .address = ip_v4(octets),
        .ports = {.offset_bits = service->offset_bits,
                  .psid_bits = service->psid_bits,
                  .psid = (uint16_t)(ea & ((UINT64_C(1) << service->psid_bits) - 1))},
    };
}

bool map_e_recognise(const struct ip_address *ipv6, struct map_e *out)
{
    if (ipv6->family != IP_V6)
        return false;
    for (size_t s = 0; s < MAP_E_SERVICES; s++)
        for (size_t r = 0; r < map_e_services[s].rule_count; r++)
            if (matches(&map_e_services[s].rules[r], ipv6)) {
                *out = derive(&map_e_services[s], &map_e_services[s].rules[r], ipv6);
                return true;
            }
    return false;
}

bool map_e_confirms(const struct map_e *map, const struct endpoint *mapped)
{
    return ip_equal(&map->address, &mapped->address) && map_e_contains(&map->ports, mapped->port);
}
