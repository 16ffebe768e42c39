/* SPDX-License-Identifier: MIT
 *
 * address.h - the addresses everything here talks about: MAC, IP, prefix, UDP endpoint.
 *
 * Plain values, copied freely. IP addresses are in network byte order; an IPv4 address uses the
 * first four octets and leaves the others zero, so that two equal addresses are equal bytes.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct mac {
    uint8_t octet[6];
};

/* IP_SITE: no address but a site, by the first eight octets of its public key, as a peer knows it
 * that passes datagrams on. */
enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6, IP_SITE = 8 };

struct ip_address {
    uint8_t family; /* enum ip_family */
    uint8_t octet[16];
};

struct ip_prefix {
    struct ip_address address; /* host bits zero */
    uint8_t length_bits;       /* 0-32 or 0-128 */
};

/* How to get to an endpoint. */
enum {
    VIA_DIRECT = 0,
    VIA_TURN = 1,    /* ... VIA_TURN + VIA_TURNS - 1: our relay on that TURN server */
    VIA_TURNS = 3,   /* how many there may be */
    VIA_PEER = 0x40, /* + a peer's number: it passes on what is for the site in the address */
};

/* A UDP address and port, and the way there. A family of IP_NONE says 'not known'. */
struct endpoint {
    struct ip_address address;
    uint8_t via;
    uint16_t port;
    uint32_t scope_id; /* interface index of an IPv6 link-local address, else 0 */
};

static inline bool mac_equal(const struct mac *a, const struct mac *b)
{
    return memcmp(a->octet, b->octet, sizeof a->octet) == 0;
}

static inline bool mac_is_zero(const struct mac *m)
{
    static const struct mac zero;
    return mac_equal(m, &zero);
}

/* Broadcast or multicast: the I/G bit. */
static inline bool mac_is_group(const struct mac *m)
{
    return (m->octet[0] & 1) != 0;
}

static inline bool mac_is_broadcast(const struct mac *m)
{
    static const struct mac all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    return mac_equal(m, &all);
}

static inline struct ip_address ip_v4(const uint8_t octets[4])
{
    struct ip_address a = {.family = IP_V4};
    memcpy(a.octet, octets, 4);
    return a;
}

static inline struct ip_address ip_v6(const uint8_t octets[16])
{
    struct ip_address a = {.family = IP_V6};
    memcpy(a.octet, octets, 16);
    return a;
}

/** ip_address_bytes() - How many of its octets an address of that family has; 0: it has none */
size_t ip_address_bytes(uint8_t family);

bool ip_equal(const struct ip_address *a, const struct ip_address *b);

bool ip_is_unspecified(const struct ip_address *a);

/** ip_is_link_local() - fe80::/10 (RFC 4291 s.2.5.6) or 169.254/16 (RFC 3927) */
bool ip_is_link_local(const struct ip_address *a);

/** ip_is_loopback() - 127/8 or ::1 */
bool ip_is_loopback(const struct ip_address *a);

/**
 * ip_is_one_host() - whether some one machine, and no group of them, may have it
 *
 * Not the unspecified address, 'this network' (0/8), loopback, multicast, IPv4's reserved 240/4
 * with broadcast (RFC 6890), or IPv4-mapped IPv6, which is on no wire. A subnet's own broadcast
 * address is not known here.
 */
bool ip_is_one_host(const struct ip_address *a);

/**
 * ip_is_private() - whether it means nothing on the Internet
 *
 * Private (RFC 1918), CGNAT's (RFC 6598), DS-Lite's (RFC 6333), unique local (RFC 4193),
 * link-local, loopback, or none.
 */
bool ip_is_private(const struct ip_address *a);

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *a);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

#endif
