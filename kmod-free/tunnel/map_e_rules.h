/* SPDX-License-Identifier: MIT
 *
 * map_e_rules.h - the MAP-E rules of known services: facts, for map_e.h.
 *
 * All of them end at bit 56 of the IPv6 address, whether the home is given a /56 or one /64 of it.
 * So the length of a rule's IPv4 prefix follows: 56 - ipv6_bits = 32 - ipv4_bits + psid_bits.
 */
#ifndef TUNNEL_MAP_E_RULES_H
#define TUNNEL_MAP_E_RULES_H

#include <stddef.h>
#include <stdint.h>

enum { MAP_E_END_BITS = 56 };

struct map_e_rule {
    uint32_t ipv6;     /* the first 32 bits of its IPv6 prefix, ... */
    uint8_t ipv6_next; /* ... the next 8, ... */
    uint8_t ipv6_bits; /* ... and how many of these 40 count */
    uint32_t ipv4;     /* its IPv4 prefix */
};

struct map_e_service {
    const char *name;
    uint8_t offset_bits, psid_bits;
    const struct map_e_rule *rules;
    size_t rule_count;
};

enum { MAP_E_SERVICES = 3 };
extern const struct map_e_service map_e_services[MAP_E_SERVICES];

#endif
