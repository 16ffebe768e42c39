/* SPDX-License-Identifier: MIT
 *
 * candidate.c - see candidate.h.
 */
#include "tunnel/candidate.h"

#include "cursor.h"
#include "tunnel/map_e.h"

#include <string.h>

enum { ITEM_HEADER_BYTES = 2, PORT_BYTES = 2, PORT_SET_BYTES = 4 };
enum { WELL_KNOWN_PORTS = 1024, PORT_HTTPS = 443, PORT_ISAKMP = 500 };

/* ---- which may be used ---- */

static bool is_on_wire(uint8_t kind)
{
    return kind >= CANDIDATE_HOST && kind <= CANDIDATE_PORT_SET;
}

static bool is_local(uint8_t kind)
{
    return kind >= CANDIDATE_CONFIGURED && kind <= CANDIDATE_THROUGH_PEER;
}

/* IPv4-compatible IPv6 (::/96): nothing leads there (RFC 4291 s.2.5.5.1). */
static bool is_v4_compatible(const struct ip_address *a)
{
    static const uint8_t compatible[12];
    return a->family == IP_V6 && memcmp(a->octet, compatible, sizeof compatible) == 0;
}

static bool can_be_sent_to(const struct endpoint *e)
{
    if (e->via >= VIA_PEER)
        return e->address.family == IP_SITE && !ip_is_unspecified(&e->address);
    if (e->via >= VIA_TURN + VIA_TURNS)
        return false;
    if (e->address.family == IP_V6 && e->scope_id == 0 && ip_is_link_local(&e->address))
        return false;
    if (ip_is_loopback(&e->address))
        return true; /* for our own configuration: a peer, or a program that carries it, is here */
    return ip_is_one_host(&e->address) && !is_v4_compatible(&e->address);
}

static bool is_port_for_strangers(uint16_t port)
{
    return port >= WELL_KNOWN_PORTS || port == PORT_HTTPS || port == PORT_ISAKMP;
}

/* That no bits tell apart would be all ports; and there must be one to send to. */
static bool port_set_valid(const struct port_set *set)
{
    return set->psid_bits != 0 && map_e_choose_port(set, 0) != 0;
}

bool candidate_usable(const struct candidate *c)
{
    const struct endpoint *e = &c->endpoint;
    if (!can_be_sent_to(e) || (!is_on_wire(c->kind) && !is_local(c->kind)))
        return false;
    if (c->kind == CANDIDATE_PORT_SET)
        return e->address.family == IP_V4 && e->via == VIA_DIRECT && e->port == 0 &&
               port_set_valid(&c->set) && !ip_is_loopback(&e->address) &&
               !ip_is_link_local(&e->address);
    if (e->via >= VIA_PEER)
        return c->kind == CANDIDATE_THROUGH_PEER && e->port == 0;
    if (is_local(c->kind))
        return e->port != 0;
    return is_port_for_strangers(e->port) && !ip_is_loopback(&e->address) &&
           !ip_is_link_local(&e->address);
}

/* ---- lists ---- */

static bool port_set_equal(const struct port_set *a, const struct port_set *b)
{
    return a->offset_bits == b->offset_bits && a->psid_bits == b->psid_bits && a->psid == b->psid;
}

/* The same place, whatever it is called. */
static bool same_place(const struct candidate *a, const struct candidate *b)
{
    return endpoint_equal(&a->endpoint, &b->endpoint) && port_set_equal(&a->set, &b->set);
}

bool candidate_equal(const struct candidate *a, const struct candidate *b)
{
    return a->kind == b->kind && same_place(a, b);
}

bool candidate_list_equal(const struct candidate_list *a, const struct candidate_list *b)
{
    for (unsigned i = 0; i < a->count && i < b->count; i++)
        if (!candidate_equal(&a->item[i], &b->item[i]))
            return false;
    return a->count == b->count;
}

/* What there are few of, and what helps where nothing else does, goes last. */
static unsigned priority(const struct candidate *c)
{
    switch (c->kind) {
    case CANDIDATE_HOST:
        return c->endpoint.address.family == IP_V6 ? 1 : 0;
    case CANDIDATE_PEER_REFLEXIVE:
        return 2;
    case CANDIDATE_PORT_SET:
    case CANDIDATE_REFLEXIVE:
        return 3;
    case CANDIDATE_MAPPED:
    case CANDIDATE_RELAYED:
        return 4;
    default:
        return 5;
    }
}

void candidate_add(struct candidate_list *list, const struct candidate *candidate)
{
    size_t lowest = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (same_place(&list->item[i], candidate))
            return;
        if (priority(&list->item[i]) < priority(&list->item[lowest]))
            lowest = i;
    }
    if (list->count == CANDIDATES_MAX) {
        if (priority(&list->item[lowest]) >= priority(candidate))
            return;
        list->count--;
        memmove(&list->item[lowest], &list->item[lowest + 1],
                (list->count - lowest) * sizeof list->item[0]);
    }
    list->item[list->count++] = *candidate;
}

/* ---- coding ---- */

static size_t item_bytes(const struct candidate *c)
{
    return ITEM_HEADER_BYTES + ip_address_bytes(c->endpoint.address.family) +
           (c->kind == CANDIDATE_PORT_SET ? PORT_SET_BYTES : PORT_BYTES);
}

static bool is_told(const struct candidate *c)
{
    return is_on_wire(c->kind) && c->endpoint.via == VIA_DIRECT && c->endpoint.scope_id == 0 &&
           candidate_usable(c);
}

static void put_item(uint8_t *out, const struct candidate *c)
{
    size_t octets = ip_address_bytes(c->endpoint.address.family);
    out[0] = c->kind;
    out[1] = c->endpoint.address.family;
    out += ITEM_HEADER_BYTES;
    memcpy(out, c->endpoint.address.octet, octets);
    out += octets;
    if (c->kind == CANDIDATE_PORT_SET) {
        out[0] = c->set.offset_bits;
        out[1] = c->set.psid_bits;
        store_be16(out + 2, c->set.psid);
    } else {
        store_be16(out, c->endpoint.port);
    }
}

size_t candidate_encode(const struct candidate_list *list, uint8_t *out, size_t capacity)
{
    uint8_t count = 0;
    size_t used = 1;
    if (capacity < used)
        return 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct candidate *c = &list->item[i];
        if (!is_told(c))
            continue;
        if (item_bytes(c) > capacity - used)
            return 0;
        put_item(out + used, c);
        used += item_bytes(c);
        count++;
    }
    out[0] = count;
    return used;
}

static bool take_item(struct cursor *in, struct candidate *c)
{
    const uint8_t *octets;
    memset(c, 0, sizeof *c);
    if (!cursor_u8(in, &c->kind) || !cursor_u8(in, &c->endpoint.address.family))
        return false;
    size_t bytes = ip_address_bytes(c->endpoint.address.family);
    if (bytes == 0 || !cursor_take(in, bytes, &octets))
        return false;
    memcpy(c->endpoint.address.octet, octets, bytes);
    if (c->kind != CANDIDATE_PORT_SET)
        return cursor_u16(in, &c->endpoint.port);
    return c->endpoint.address.family == IP_V4 && cursor_u8(in, &c->set.offset_bits) &&
           cursor_u8(in, &c->set.psid_bits) && cursor_u16(in, &c->set.psid) &&
           port_set_valid(&c->set);
}

static bool take_list(struct cursor *in, struct candidate_list *list)
{
    uint8_t count;
    if (!cursor_u8(in, &count) || count > CANDIDATES_MAX)
        return false;
    for (uint8_t i = 0; i < count; i++) {
        struct candidate c;
        if (!take_item(in, &c))
            return false;
        if (is_on_wire(c.kind))
            candidate_add(list, &c);
    }
    return cursor_left(in) == 0;
}

bool candidate_decode(struct candidate_list *list, const uint8_t *data, size_t bytes)
{
    struct cursor in = cursor_over(data, bytes);
    memset(list, 0, sizeof *list);
    if (take_list(&in, list))
        return true;
    memset(list, 0, sizeof *list);
    return false;
}
