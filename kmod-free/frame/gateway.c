/* SPDX-License-Identifier: MIT
 *
 * gateway.c - the gateway rule and the gateway learner; gateway.h says how they work.
 */
#include "frame/gateway.h"

#include "bytes.h"
#include "cursor.h"
#include "frame/neighbor.h"

/* ---- The rule ---- */

static bool has_family(const struct gateway_set *set, uint8_t family)
{
    for (size_t i = 0; i < set->count && i < GATEWAYS_MAX; i++)
        if (set->gateway[i].address.family == family)
            return true;
    return false;
}

static bool has_address(const struct gateway_set *set, const struct ip_address *address)
{
    if (ip_is_unspecified(address))
        return false;
    for (size_t i = 0; i < set->count && i < GATEWAYS_MAX; i++)
        if (ip_equal(&set->gateway[i].address, address))
            return true;
    return false;
}

enum gateway_relation gateway_relate(const struct gateway_set *local,
                                     const struct gateway_set *remote, uint8_t family)
{
    if (!has_family(local, family) || !has_family(remote, family))
        return GATEWAY_UNKNOWN;
    for (size_t i = 0; i < local->count && i < GATEWAYS_MAX; i++) {
        const struct ip_address *address = &local->gateway[i].address;
        if (address->family == family && has_address(remote, address))
            return GATEWAY_SAME;
    }
    return GATEWAY_DIFFER;
}

bool gateway_blocks(const struct packet *p, const struct gateway_set *local,
                    const struct gateway_set *remote, enum guard_direction direction)
{
    struct neighbor n;
    if (!neighbor_parse(p, &n))
        return false;
    if (gateway_relate(local, remote, n.family) == GATEWAY_DIFFER)
        return has_address(direction == GUARD_FROM_PEER ? local : remote, &n.claimed);
    return has_address(local, &n.sender) || has_address(local, &n.target) ||
           has_address(remote, &n.sender) || has_address(remote, &n.target);
}

/* ---- The learner ---- */

enum {
    DHCP_PORT_SERVER = 67,
    DHCP_PORT_CLIENT = 68,
    DHCP_OP_REPLY = 2,
    DHCP_COOKIE_OFFSET = 236,
    DHCP_OPTION_PAD = 0,
    DHCP_OPTION_ROUTER = 3,
    DHCP_OPTION_MESSAGE_TYPE = 53,
    DHCP_OPTION_SERVER = 54,
    DHCP_OPTION_END = 255,
    DHCP_OFFER = 2,
    DHCP_ACK = 5,
    RA_FIXED_BYTES = 16,
    RA_LIFETIME = 6,
    IPV6_HOP_LIMIT = 7,
};

static bool is_live(const struct gateway_entry *e, uint64_t now_us)
{
    return e->gateway.address.family != IP_NONE && now_us - e->told_us < e->lifetime_us;
}

static uint64_t left_us(const struct gateway_entry *e, uint64_t now_us)
{
    return is_live(e, now_us) ? e->lifetime_us - (now_us - e->told_us) : 0;
}

/* The entry of @address, or the one that makes room for it. */
static struct gateway_entry *entry_for(struct gateway_learner *l, const struct ip_address *address,
                                       uint64_t now_us)
{
    struct gateway_entry *first_to_age = &l->entry[0];
    for (size_t i = 0; i < GATEWAYS_MAX; i++) {
        struct gateway_entry *e = &l->entry[i];
        if (ip_equal(&e->gateway.address, address))
            return e;
        if (left_us(e, now_us) < left_us(first_to_age, now_us))
            first_to_age = e;
    }
    *first_to_age = (struct gateway_entry){.gateway.address = *address};
    return first_to_age;
}

static void forget(struct gateway_learner *l, const struct ip_address *address)
{
    for (size_t i = 0; i < GATEWAYS_MAX; i++)
        if (ip_equal(&l->entry[i].gateway.address, address))
            l->entry[i] = (struct gateway_entry){.lifetime_us = 0};
}

/* What a DHCP server's reply says that matters here. */
struct dhcp_reply {
    uint8_t type;
    struct ip_address server;
    const uint8_t *routers; /* 4 bytes each */
    size_t router_count;
};

/* Option overload (52) and split options (RFC 3396) are not followed: a router option is short and
 * stands in the options field of every server known. */
static void read_dhcp_options(struct cursor c, struct dhcp_reply *out)
{
    uint8_t type, length;
    const uint8_t *value;
    while (cursor_u8(&c, &type) && type != DHCP_OPTION_END) {
        if (type == DHCP_OPTION_PAD)
            continue;
        if (!cursor_u8(&c, &length) || !cursor_take(&c, length, &value))
            return;
        if (type == DHCP_OPTION_MESSAGE_TYPE && length == 1)
            out->type = value[0];
        if (type == DHCP_OPTION_SERVER && length == 4)
            out->server = ip_v4(value);
        if (type == DHCP_OPTION_ROUTER) {
            out->routers = value;
            out->router_count = length / 4u;
        }
    }
}

/* A DHCPv4 OFFER or ACK that names a router (RFC 2131, RFC 2132 s.3.5). */
static bool read_dhcp(const struct packet *p, struct dhcp_reply *out)
{
    static const uint8_t cookie[4] = {99, 130, 83, 99};
    const uint8_t *fixed, *found;
    if (p->network != PACKET_IPV4 || p->protocol != IP_PROTOCOL_UDP || p->fragment ||
        p->transport_offset == 0 || p->source_port != DHCP_PORT_SERVER ||
        p->destination_port != DHCP_PORT_CLIENT)
        return false;
    struct cursor c =
        cursor_over(p->frame + p->transport_offset, (size_t)p->network_end - p->transport_offset);
    if (!cursor_skip(&c, UDP_HEADER_BYTES) || !cursor_take(&c, DHCP_COOKIE_OFFSET, &fixed) ||
        !cursor_take(&c, sizeof cookie, &found) || fixed[0] != DHCP_OP_REPLY ||
        memcmp(found, cookie, sizeof cookie) != 0)
        return false;
    *out = (struct dhcp_reply){.server = p->ip_source};
    read_dhcp_options(c, out);
    return (out->type == DHCP_OFFER || out->type == DHCP_ACK) && out->router_count > 0;
}

static bool names_router(const struct dhcp_reply *reply, const struct ip_address *address)
{
    for (size_t i = 0; i < reply->router_count; i++) {
        struct ip_address router = ip_v4(reply->routers + 4 * i);
        if (ip_equal(&router, address))
            return true;
    }
    return false;
}

/* An ACK is the server's whole present word; an OFFER may never be taken up and only adds. */
static void forget_replaced(struct gateway_learner *l, const struct dhcp_reply *reply)
{
    for (size_t i = 0; i < GATEWAYS_MAX; i++) {
        struct gateway_entry *e = &l->entry[i];
        if (ip_equal(&e->told_by, &reply->server) && !names_router(reply, &e->gateway.address))
            *e = (struct gateway_entry){.lifetime_us = 0};
    }
}

static void learn_dhcp(struct gateway_learner *l, const struct dhcp_reply *reply, uint64_t now_us)
{
    if (reply->type == DHCP_ACK)
        forget_replaced(l, reply);
    for (size_t i = 0; i < reply->router_count && i < GATEWAYS_MAX; i++) {
        struct ip_address router = ip_v4(reply->routers + 4 * i);
        if (!ip_is_one_host(&router))
            continue;
        struct gateway_entry *e = entry_for(l, &router, now_us);
        e->told_by = reply->server;
        e->told_us = now_us;
        e->lifetime_us = GATEWAY_DHCP_AGE_US;
    }
}

/* A router advertisement as a host would accept it (RFC 4861 s.6.1.2). */
static bool is_valid_ra(const struct packet *p)
{
    return p->network == PACKET_IPV6 && p->protocol == IP_PROTOCOL_ICMPV6 && !p->fragment &&
           p->transport_offset != 0 && p->frame[p->transport_offset] == ND_ROUTER_ADVERTISEMENT &&
           p->network_end - p->transport_offset >= RA_FIXED_BYTES &&
           p->frame[p->network_offset + IPV6_HOP_LIMIT] == 255 && ip_is_link_local(&p->ip_source);
}

static void learn_ra(struct gateway_learner *l, const struct packet *p, uint64_t now_us)
{
    uint64_t lifetime_s = load_be16(p->frame + p->transport_offset + RA_LIFETIME);
    if (lifetime_s == 0) {
        forget(l, &p->ip_source);
        return;
    }
    struct gateway_entry *e = entry_for(l, &p->ip_source, now_us);
    e->gateway.mac =
        neighbor_link_address(p, RA_FIXED_BYTES, ND_OPTION_SOURCE_LINK_ADDRESS, p->source);
    e->told_by = p->ip_source;
    e->told_us = now_us;
    e->lifetime_us = lifetime_s * 1000000;
}

/* ARP and ND give the MAC of a gateway, and the new one's when it is replaced. */
static void learn_mac(struct gateway_learner *l, const struct neighbor *n)
{
    if (n->claimed.family == IP_NONE)
        return;
    for (size_t i = 0; i < GATEWAYS_MAX; i++)
        if (ip_equal(&l->entry[i].gateway.address, &n->claimed))
            l->entry[i].gateway.mac = n->mac;
}

bool gateway_learn(struct gateway_learner *l, const struct packet *p, uint64_t now_us)
{
    struct dhcp_reply reply;
    struct neighbor n;
    if (neighbor_parse(p, &n))
        learn_mac(l, &n);
    else if (is_valid_ra(p))
        learn_ra(l, p, now_us);
    else if (read_dhcp(p, &reply))
        learn_dhcp(l, &reply, now_us);
    else
        return false;
    return true;
}

void gateway_learned(const struct gateway_learner *l, uint64_t now_us, struct gateway_set *out)
{
    *out = (struct gateway_set){.count = 0};
    for (size_t i = 0; i < GATEWAYS_MAX; i++)
        if (is_live(&l->entry[i], now_us))
            out->gateway[out->count++] = l->entry[i].gateway;
}
