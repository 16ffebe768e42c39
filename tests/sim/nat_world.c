/* SPDX-License-Identifier: MIT
 *
 * nat_world.c - see nat_world.h.
 *
 * Addresses: home n is 203.0.113.(n + 1), after reboots 198.51.100.x, and 2001:db8::(n + 1). Behind
 * a NAT it is 10.0.0.2, and between NAT and NAT 100.64.0.2, whichever home it is.
 */
#include "nat_world.h"

#include <string.h>

enum { PORT = 7788, PORT_LOWEST = 1024, PSID = 0x34 };

static const struct port_set v6plus = {.offset_bits = 4, .psid_bits = 8, .psid = PSID};

/* ---- a box ---- */

static uint64_t box_random(struct nat_box *box)
{
    uint64_t z = box->rng += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void forget_the_old(struct nat_box *box, uint64_t now_us)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < box->count; i++)
        if (now_us - box->flow[i].used_us < box->life_us)
            box->flow[kept++] = box->flow[i];
    box->count = kept;
}

static bool port_is_free(const struct nat_box *box, uint16_t port, const struct endpoint *far)
{
    for (unsigned i = 0; i < box->count; i++)
        if (box->flow[i].port == port &&
            (box->mapping != MAPPING_DEPENDENT || endpoint_equal(&box->flow[i].far, far)))
            return false;
    return true;
}

/* RFC 7597 s.5.1: the nth port of a set, A from 1. */
static uint16_t port_of_set(const struct port_set *set, unsigned n)
{
    unsigned low_bits = 16u - set->offset_bits - set->psid_bits;
    unsigned a = 1 + (n >> low_bits) % ((1u << set->offset_bits) - 1);
    return (uint16_t)(a << (16 - set->offset_bits) | (unsigned)set->psid << low_bits |
                      (n & ((1u << low_bits) - 1)));
}

static uint16_t candidate_port(struct nat_box *box, const struct endpoint *inner, unsigned attempt)
{
    if (box->allocation == PORT_OF_SET)
        return port_of_set(&box->set, box->next++);
    if (box->allocation == PORT_PRESERVED && attempt == 0)
        return inner->port;
    return (uint16_t)(PORT_LOWEST + box_random(box) % (65536 - PORT_LOWEST));
}

/* The port by which the box shows an inner endpoint to a far one; 0: none is left. */
static uint16_t port_for(struct nat_box *box, const struct endpoint *inner,
                         const struct endpoint *far)
{
    for (unsigned i = 0; i < box->count && box->mapping == MAPPING_INDEPENDENT; i++)
        if (endpoint_equal(&box->flow[i].inner, inner))
            return box->flow[i].port;
    if (box->mapping == MAPPING_NONE)
        return inner->port;
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        uint16_t port = candidate_port(box, inner, attempt);
        if (port_is_free(box, port, far))
            return port;
    }
    return 0;
}

static struct nat_flow *flow_of(struct nat_box *box, const struct endpoint *inner,
                                const struct endpoint *far)
{
    for (unsigned i = 0; i < box->count; i++)
        if (endpoint_equal(&box->flow[i].inner, inner) && endpoint_equal(&box->flow[i].far, far))
            return &box->flow[i];
    uint16_t port = port_for(box, inner, far);
    if (port == 0 || box->count == NAT_FLOWS_MAX)
        return NULL;
    box->flow[box->count] = (struct nat_flow){.inner = *inner, .far = *far, .port = port};
    return &box->flow[box->count++];
}

bool nat_out(struct nat_box *box, struct endpoint *from, const struct endpoint *to, uint64_t now_us)
{
    forget_the_old(box, now_us);
    struct nat_flow *flow = flow_of(box, from, to);
    if (!flow)
        return false;
    flow->used_us = now_us;
    if (box->mapping != MAPPING_NONE)
        *from = (struct endpoint){.address = box->outside, .port = flow->port};
    return true;
}

static bool may_come_in(const struct nat_box *box, const struct nat_flow *flow,
                        const struct endpoint *from)
{
    if (box->filtering == FILTERING_NONE)
        return true;
    return ip_equal(&flow->far.address, &from->address) &&
           (box->filtering == FILTERING_ADDRESS || flow->far.port == from->port);
}

bool nat_in(struct nat_box *box, const struct endpoint *from, struct endpoint *to, uint64_t now_us)
{
    forget_the_old(box, now_us);
    for (unsigned i = 0; i < box->count; i++) {
        struct nat_flow *flow = &box->flow[i];
        const struct ip_address *mine =
            box->mapping == MAPPING_NONE ? &flow->inner.address : &box->outside;
        if (flow->port != to->port || !ip_equal(mine, &to->address) ||
            !may_come_in(box, flow, from))
            continue;
        flow->used_us = now_us;
        *to = flow->inner;
        return true;
    }
    return false;
}

/* ---- homes ---- */

static struct endpoint v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct endpoint){.address = ip_v4((const uint8_t[4]){a, b, c, d}), .port = PORT};
}

static struct endpoint v6(unsigned node)
{
    const uint8_t octets[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(node + 1)};
    return (struct endpoint){.address = ip_v6(octets), .port = PORT};
}

struct recipe {
    unsigned boxes;
    bool no_v4, has_v6;
    struct {
        enum nat_mapping mapping;
        enum nat_filtering filtering;
        enum nat_allocation allocation;
    } box[NAT_BOXES_MAX];
};

#define EIM(allocation)                                                                            \
    {                                                                                              \
        MAPPING_INDEPENDENT, FILTERING_ADDRESS_AND_PORT, allocation                                \
    }
#define EDM(allocation)                                                                            \
    {                                                                                              \
        MAPPING_DEPENDENT, FILTERING_ADDRESS_AND_PORT, allocation                                  \
    }

static const struct recipe recipes[NAT_KINDS] = {
    [NAT_PUBLIC] = {.has_v6 = true},
    [NAT_FULL_CONE] = {1, .box = {{MAPPING_INDEPENDENT, FILTERING_NONE, PORT_RANDOM}}},
    [NAT_ADDRESS_RESTRICTED] = {1, .box = {{MAPPING_INDEPENDENT, FILTERING_ADDRESS, PORT_RANDOM}}},
    [NAT_EIM] = {1, .box = {EIM(PORT_PRESERVED)}},
    [NAT_RESTRICTED] = {1, .box = {EIM(PORT_RANDOM)}},
    [NAT_SYMMETRIC] = {1, .box = {EDM(PORT_RANDOM)}},
    [NAT_MAPE_EIM] = {1, .box = {EIM(PORT_OF_SET)}},
    [NAT_MAPE_NUMGEN] = {1, .box = {EDM(PORT_OF_SET)}},
    [NAT_CGNAT] = {2, .box = {EIM(PORT_PRESERVED), EIM(PORT_RANDOM)}},
    [NAT_CGNAT_SYMMETRIC] = {2, .box = {EIM(PORT_PRESERVED), EDM(PORT_RANDOM)}},
    [NAT_IP6FW] = {.no_v4 = true, .has_v6 = true},
};

/* The tables, which are large, are not written to. */
static void nobody_lives_there(struct nat_home *home)
{
    home->has_v4 = home->has_v6 = home->walled = false;
    home->boxes = 0;
    home->v4 = home->v6 = (struct endpoint){.port = 0};
    for (unsigned i = 0; i < NAT_BOXES_MAX; i++)
        home->box[i].count = home->box[i].next = 0;
    home->wall.count = 0;
    home->wall.mapping = MAPPING_NONE;
}

void nat_world_place(struct nat_world *world, unsigned node, enum nat_kind kind, uint64_t life_us)
{
    const struct recipe *recipe = &recipes[kind];
    struct nat_home *home = &world->home[node];
    nobody_lives_there(home);
    home->has_v4 = !recipe->no_v4;
    home->boxes = recipe->boxes;
    home->v4 = recipe->boxes ? v4(10, 0, 0, 2) : v4(203, 0, 113, (uint8_t)(node + 1));
    for (unsigned i = 0; i < recipe->boxes; i++) {
        struct nat_box *box = &home->box[i];
        bool last = i + 1 == recipe->boxes;
        box->mapping = recipe->box[i].mapping;
        box->filtering = recipe->box[i].filtering;
        box->allocation = recipe->box[i].allocation;
        box->outside =
            last ? v4(203, 0, 113, (uint8_t)(node + 1)).address : v4(100, 64, 0, 2).address;
        box->set = v6plus;
        box->life_us = life_us;
        box->rng = sim_random(&world->sim);
    }
    if (recipe->has_v6)
        nat_world_add_v6(world, node, kind == NAT_IP6FW);
    home->wall.life_us = life_us;
}

void nat_world_add_v6(struct nat_world *world, unsigned node, bool walled)
{
    struct nat_home *home = &world->home[node];
    home->has_v6 = true;
    home->walled = walled;
    home->v6 = v6(node);
    home->wall.filtering = FILTERING_ADDRESS_AND_PORT;
}

void nat_world_reboot(struct nat_world *world, unsigned node)
{
    struct nat_home *home = &world->home[node];
    home->wall.count = 0;
    for (unsigned i = 0; i < home->boxes; i++)
        home->box[i].count = 0;
    uint8_t last = (uint8_t)(1 + sim_random(&world->sim) % 254);
    struct endpoint fresh = v4(198, 51, (uint8_t)(100 + node), last);
    if (home->boxes)
        home->box[home->boxes - 1].outside = fresh.address;
    else
        home->v4 = fresh;
}

struct endpoint nat_world_public(const struct nat_world *world, unsigned node,
                                 enum ip_family family)
{
    const struct nat_home *home = &world->home[node];
    if (family == IP_V6)
        return home->v6;
    if (home->boxes == 0)
        return home->v4;
    return (struct endpoint){.address = home->box[home->boxes - 1].outside};
}

/* ---- the way between ---- */

static bool leave(struct sim *sim, unsigned node, struct endpoint *from, const struct endpoint *to)
{
    struct nat_home *home = &((struct nat_world *)sim)->home[node];
    if (to->address.family == IP_V6) {
        *from = home->v6;
        return home->has_v6 && (!home->walled || nat_out(&home->wall, from, to, sim->now_us));
    }
    *from = home->v4;
    if (!home->has_v4 || to->address.family != IP_V4)
        return false;
    if (endpoint_equal(to, &home->v4))
        return true; /* to itself */
    for (unsigned i = 0; i < home->boxes; i++)
        if (!nat_out(&home->box[i], from, to, sim->now_us))
            return false;
    return true;
}

/* Does the datagram reach this home from outside? */
static bool comes_in(struct nat_home *home, const struct endpoint *from, const struct endpoint *at,
                     uint64_t now_us)
{
    struct endpoint to = *at;
    if (at->address.family == IP_V6)
        return home->has_v6 && endpoint_equal(at, &home->v6) &&
               (!home->walled || nat_in(&home->wall, from, &to, now_us));
    if (!home->has_v4)
        return false;
    for (unsigned i = home->boxes; i-- > 0;)
        if (!nat_in(&home->box[i], from, &to, now_us))
            return false;
    return endpoint_equal(&to, &home->v4);
}

static bool is_private(const struct ip_address *a)
{
    return a->family == IP_V4 && (a->octet[0] == 10 || (a->octet[0] == 100 && a->octet[1] == 64));
}

static int enter(struct sim *sim, unsigned sender, const struct endpoint *from,
                 const struct endpoint *to)
{
    struct nat_world *world = (struct nat_world *)sim;
    if (endpoint_equal(to, &world->home[sender].v4) && endpoint_equal(from, to))
        return (int)sender;
    for (unsigned i = 0; i < sim->nodes && !is_private(&to->address); i++)
        if (i != sender && !world->cut[sender][i] &&
            comes_in(&world->home[i], from, to, sim->now_us))
            return (int)i;
    world->strays++;
    return -1;
}

static bool ports_are_of_a_set(const struct nat_home *home)
{
    const struct nat_box *outer = &home->box[home->boxes - 1];
    return outer->mapping == MAPPING_DEPENDENT && outer->allocation == PORT_OF_SET;
}

void nat_world_candidates(struct nat_world *world, unsigned node, struct candidate_list *out)
{
    const struct nat_home *home = &world->home[node];
    const struct endpoint server = v4(192, 0, 2, 1);
    struct candidate found = {.kind = CANDIDATE_HOST, .endpoint = home->v6};
    memset(out, 0, sizeof *out);
    if (home->has_v6)
        candidate_add(out, &found);
    if (!home->has_v4)
        return;
    found.endpoint = home->v4;
    candidate_add(out, &found);
    if (home->boxes == 0)
        return;
    found.kind = CANDIDATE_REFLEXIVE;
    if (leave(&world->sim, node, &found.endpoint, &server))
        candidate_add(out, &found);
    if (!ports_are_of_a_set(home))
        return;
    found = (struct candidate){.kind = CANDIDATE_PORT_SET, .set = v6plus};
    found.endpoint.address = home->box[home->boxes - 1].outside;
    candidate_add(out, &found);
}

void nat_world_begin(struct nat_world *world, uint64_t seed)
{
    for (unsigned i = 0; i < SIM_NODES_MAX; i++)
        nobody_lives_there(&world->home[i]);
    memset(world->cut, 0, sizeof world->cut);
    world->strays = 0;
    sim_begin(&world->sim, seed);
    world->sim.leave = leave;
    world->sim.enter = enter;
}

/* ---- what is possible ---- */

/* How a home's IPv4 looks as a whole: the worst of its boxes decides. */
struct outlook {
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    bool ports_known; /* they are of a set that the other end can be told of */
};

static struct outlook outlook(const struct nat_home *home)
{
    struct outlook seen = {.ports_known = true};
    for (unsigned i = 0; i < home->boxes; i++) {
        const struct nat_box *box = &home->box[i];
        if (box->mapping > seen.mapping)
            seen.mapping = box->mapping;
        if (box->filtering > seen.filtering)
            seen.filtering = box->filtering;
        seen.ports_known &= box->mapping != MAPPING_DEPENDENT || box->allocation == PORT_OF_SET;
    }
    return seen;
}

/* @a's port towards @b cannot be known in advance; @b's towards @a can. */
static bool meets_dependent(const struct outlook *a, const struct outlook *b)
{
    /* b takes whatever port of a's address calls; or punches all the ports that it may be. */
    return b->filtering != FILTERING_ADDRESS_AND_PORT || a->ports_known;
}

static bool meets_v4(const struct nat_home *a, const struct nat_home *b)
{
    struct outlook one = outlook(a), other = outlook(b);
    bool dependent = one.mapping == MAPPING_DEPENDENT;
    bool other_dependent = other.mapping == MAPPING_DEPENDENT;
    if (dependent && other_dependent)
        return false;
    if (dependent)
        return meets_dependent(&one, &other);
    return !other_dependent || meets_dependent(&other, &one);
}

enum nat_way nat_best(const struct nat_home *a, const struct nat_home *b)
{
    if (a->has_v6 && b->has_v6)
        return WAY_DIRECT6;
    return a->has_v4 && b->has_v4 && meets_v4(a, b) ? WAY_DIRECT4 : WAY_RELAY;
}
