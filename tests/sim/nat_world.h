/* SPDX-License-Identifier: MIT
 *
 * nat_world.h - homes of the virtual network behind NATs and firewalls, in RFC 4787's words.
 *
 * A box is a table of flows: who inside spoke to whom outside, and by which port of the box. How a
 * flow gets its port is the mapping (s.4.1) and the allocation (s.4.2), who may come in by it the
 * filtering (s.5). A flow dies when nothing passed it for a while, in either direction (s.4.3).
 * A home has up to two boxes one behind the other for IPv4, and one, a firewall, for IPv6. Behind
 * boxes all homes have the same private address.
 */
#ifndef SIM_NAT_WORLD_H
#define SIM_NAT_WORLD_H

#include "net.h"
#include "tunnel/candidate.h"

enum { NAT_FLOWS_MAX = 1024, NAT_BOXES_MAX = 2 };

enum nat_mapping { MAPPING_NONE, MAPPING_INDEPENDENT, MAPPING_DEPENDENT };
enum nat_filtering { FILTERING_NONE, FILTERING_ADDRESS, FILTERING_ADDRESS_AND_PORT };
enum nat_allocation { PORT_PRESERVED, PORT_RANDOM, PORT_OF_SET };

/* What a home is behind: see nat_world.c for what each is made of. */
enum nat_kind {
    NAT_PUBLIC, /* no box, IPv4 and IPv6 */
    NAT_FULL_CONE,
    NAT_ADDRESS_RESTRICTED,
    NAT_EIM,        /* port preserved */
    NAT_RESTRICTED, /* another port */
    NAT_SYMMETRIC,
    NAT_MAPE_EIM,
    NAT_MAPE_NUMGEN,
    NAT_CGNAT,           /* NAT over NAT */
    NAT_CGNAT_SYMMETRIC, /* the outer one's mapping is endpoint-dependent */
    NAT_IP6FW,           /* IPv6 alone, nothing comes in unasked */
    NAT_KINDS
};

struct nat_flow {
    struct endpoint inner, far;
    uint16_t port;
    uint64_t used_us;
};

struct nat_box {
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    enum nat_allocation allocation;
    struct ip_address outside; /* MAPPING_NONE: not used */
    struct port_set set;       /* PORT_OF_SET: in turn */
    uint64_t life_us;
    uint64_t rng;
    unsigned next; /* of the set */
    unsigned count;
    struct nat_flow flow[NAT_FLOWS_MAX];
};

struct nat_home {
    bool has_v4, has_v6;
    struct endpoint v4, v6; /* the machine's own, maybe private */
    unsigned boxes;
    struct nat_box box[NAT_BOXES_MAX]; /* for IPv4, the home's own first */
    bool walled;
    struct nat_box wall; /* for IPv6 */
};

struct nat_world {
    struct sim sim; /* first: the hooks find the world by it */
    struct nat_home home[SIM_NODES_MAX];
    bool cut[SIM_NODES_MAX][SIM_NODES_MAX]; /* [from][to]: nothing passes directly */
    unsigned long strays;                   /* datagrams that reached nobody */
};

enum nat_way { WAY_RELAY, WAY_DIRECT4, WAY_DIRECT6 };

/** nat_out() - A datagram leaves through the box
 *  @from: Translated; false: the box is full */
bool nat_out(struct nat_box *box, struct endpoint *from, const struct endpoint *to,
             uint64_t now_us);

/** nat_in() - A datagram arrives outside the box
 *  @to: Translated to who it is for; false: it may not enter */
bool nat_in(struct nat_box *box, const struct endpoint *from, struct endpoint *to, uint64_t now_us);

/** nat_world_begin() - An empty world, as sim_begin(); end with sim_end() */
void nat_world_begin(struct nat_world *world, uint64_t seed);

/** nat_world_place() - What a machine, which is off, is behind. @life_us of its mappings */
void nat_world_place(struct nat_world *world, unsigned node, enum nat_kind kind, uint64_t life_us);

/** nat_world_add_v6() - IPv6 appears; walled: nothing comes in unasked */
void nat_world_add_v6(struct nat_world *world, unsigned node, bool walled);

/** nat_world_reboot() - The boxes forget everything, the outermost has another address */
void nat_world_reboot(struct nat_world *world, unsigned node);

/** nat_world_public() - The home's address as the world sees it; port 0 when a box decides it */
struct endpoint nat_world_public(const struct nat_world *world, unsigned node,
                                 enum ip_family family);

/** nat_world_candidates() - What a daemon there would find out: its own addresses, what a STUN
 *  server sees of it (which keeps the mapping alive), and by MAP-E's rules the ports of a home
 *  whose mapping gives each destination another */
void nat_world_candidates(struct nat_world *world, unsigned node, struct candidate_list *out);

/** nat_best() - The best way there is between two homes, by their boxes' rules alone */
enum nat_way nat_best(const struct nat_home *a, const struct nat_home *b);

#endif
