/* SPDX-License-Identifier: MIT
 *
 * map_e.h - MAP-E (RFC 7597): homes that share a public IPv4 address by dividing its ports.
 *
 * The provider gives a home no IPv4 but a set of ports of an address, and both follow from the
 * home's IPv6 prefix by a rule that all homes of the provider share:
 *
 *   IPv6 prefix = rule's IPv6 prefix || EA bits,  EA bits = the IPv4 address' low bits || PSID
 *   port        = A (a bits, not 0)  || PSID (k bits) || j (m bits),  a + k + m = 16   (s.5.1)
 *
 * So the set is a row of blocks of 2^m ports, one for each A, and never holds the well-known ports.
 * v6plus has a = 4, k = 8: 15 blocks of 16, 240 ports; OCN a = 6, k = 6: 63 of 16, 1008 ports.
 *
 * DHCPv6 may carry the rule (RFC 7598), but the large services in Japan do not use that; what is
 * publicly known of theirs stands in map_e_rules.c. A prefix alone proves nothing: who has another
 * kind of IPv4 over the same IPv6 has the same prefix. map_e_confirms() compares with what STUN
 * saw.
 *
 * A struct port_set may come from anybody; one that cannot be (a + k > 16, PSID too large) is an
 * empty set here.
 */
#ifndef TUNNEL_MAP_E_H
#define TUNNEL_MAP_E_H

#include "tunnel/candidate.h"

struct map_e {
    const char *service;       /* static: "v6plus", "biglobe", "ocn"; NULL: not known */
    struct ip_address address; /* IPv4, shared with others */
    struct port_set ports;     /* ours of it */
};

/** map_e_port_count() - How many ports are in the set; 0 when there is no such set */
unsigned map_e_port_count(const struct port_set *set);

/** map_e_port() - The port of that number, in ascending order; @n below map_e_port_count() */
uint16_t map_e_port(const struct port_set *set, unsigned n);

/** map_e_contains() - Whether the port is in the set */
bool map_e_contains(const struct port_set *set, uint16_t port);

/**
 * map_e_choose_port() - A port to listen on, where people can make a static forward
 * @seed: Random or a hash, of all 32 bits: the same seed gives the same port
 *
 * Return: a port of the set, not below 1024; 0 when there is none
 */
uint16_t map_e_choose_port(const struct port_set *set, uint32_t seed);

/**
 * map_e_recognise() - What IPv4 address and ports a home has by the known rules
 * @ipv6: Any global address of the home's, or its prefix
 * @out:  Receives them; untouched when false is returned
 *
 * Return: whether the address is of a known service
 */
bool map_e_recognise(const struct ip_address *ipv6, struct map_e *out);

/** map_e_confirms() - Whether that is what others see of us: the address, and a port of the set */
bool map_e_confirms(const struct map_e *map, const struct endpoint *mapped);

#endif
