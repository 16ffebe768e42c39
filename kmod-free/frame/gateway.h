/* SPDX-License-Identifier: MIT
 *
 * gateway.h - each home keeps its own gateway: the gateway rule, and how a gateway is learned.
 *
 * One ARP request from the other home's router that has the same address flips a client's gateway
 * entry: not only replies claim an address, every frame does that carries it as its sender. So
 * each site tells its peers its gateways' addresses, and per family the homes' gateways
 *
 *   differ:          nobody may claim across the tunnel the address of a gateway on the far side
 *                    of it; requests for a gateway's address cross, both ways, so that someone can
 *                    look after the parents' router from home;
 *   are the same,
 *   or not known:    nothing that names a gateway's address in ARP or ND crosses, either way.
 *
 * 'Claims': ARP sender address (any operation, gratuitous included), NA target, NS source. A probe
 * (ARP with sender 0.0.0.0, DAD with source ::) claims nothing; it asks for its target.
 *
 * The relation is computed per family each time: a set is small, and a frame that is neither ARP
 * nor ND leaves at the first comparison.
 *
 * The learner watches the LAN for a daemon that cannot ask netlink, being on a bridge without an
 * address or not on the router: DHCPv4 OFFER and ACK say the router (option 3), a router
 * advertisement with a lifetime is one, and ARP and NA give the MAC of an address already known.
 */
#ifndef FRAME_GATEWAY_H
#define FRAME_GATEWAY_H

#include "address.h"
#include "frame/guard.h"
#include "frame/packet.h"

#include <stddef.h>

enum { GATEWAYS_MAX = 8 };

/* How long a router named by DHCP is believed: leases of home routers are 1 to 24 hours, and
 * each renewal says it anew. */
#define GATEWAY_DHCP_AGE_US UINT64_C(86400000000)

struct gateway {
    struct ip_address address;
    struct mac mac; /* zero: not known */
};

/* The first @count are set. */
struct gateway_set {
    uint8_t count;
    struct gateway gateway[GATEWAYS_MAX];
};

enum gateway_relation { GATEWAY_UNKNOWN, GATEWAY_SAME, GATEWAY_DIFFER };

/**
 * gateway_relate() - How two homes' gateways of one family stand to each other
 * @family:  enum ip_family
 *
 * Return: unknown when either home has none of that family; same when they share an address
 * (fe80::1 counts: each host has it for its router); else differ
 */
enum gateway_relation gateway_relate(const struct gateway_set *local,
                                     const struct gateway_set *remote, uint8_t family);

/**
 * gateway_blocks() - Apply the gateway rule to a frame
 * @local:      Gateways of this home
 * @remote:     Gateways of the peer it comes from or would go to
 * @direction:  Where it came from
 *
 * Fragmented ND never gets here where it matters: guard_check() drops it under GUARD_GATEWAY.
 *
 * Return: true when it must not cross
 */
bool gateway_blocks(const struct packet *p, const struct gateway_set *local,
                    const struct gateway_set *remote, enum guard_direction direction);

/* A gateway the LAN spoke of. @told_by tells apart whose word a newer one replaces. */
struct gateway_entry {
    struct gateway gateway;    /* address IP_NONE: free slot */
    struct ip_address told_by; /* DHCP server; the router itself for an RA */
    uint64_t told_us, lifetime_us;
};

/* All zero is an empty one. One thread learns and asks. */
struct gateway_learner {
    struct gateway_entry entry[GATEWAYS_MAX];
};

/**
 * gateway_learn() - Watch one frame from the LAN
 * @p:       Any frame from the LAN; never one from a peer
 * @now_us:  Monotonic time
 *
 * A router that is replaced goes at once when the same DHCP server names another in an ACK, or the
 * router's own advertisement has lifetime 0; else when it has aged. When all entries are in use
 * the one that would age first makes room.
 *
 * Return: true when it was of a kind that teaches; gateway_learned() may then say something new
 */
bool gateway_learn(struct gateway_learner *l, const struct packet *p, uint64_t now_us);

/** gateway_learned() - The gateways learned and not aged, in a stable order */
void gateway_learned(const struct gateway_learner *l, uint64_t now_us, struct gateway_set *out);

#endif
