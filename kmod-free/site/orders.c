/* SPDX-License-Identifier: MIT
 *
 * orders.c - orders to the egress, as calls or as messages. See border.h.
 *
 * The functions named obey_*() are what an order means to the egress. In one thread they are called
 * at once, in two when the message is read.
 */
#include "site/border.h"

#include "site/message.h"
#include "site/private.h"

#include <sodium.h>
#include <string.h>

/* Of the mailbox, what can be lost leaves so much to rules, paths and sealers. With less than half
 * of the least mailbox, what is small always fits an empty one, wherever it stands. */
enum { KEPT_BYTES = 4096 };

enum order {
    ORDER_RULES,      /* rules_order */
    ORDER_PATH,       /* path_order */
    ORDER_SEALER,     /* sealer_order */
    ORDER_CONTROL,    /* peer_order; the message */
    ORDER_CHECK,      /* check_order; the message */
    ORDER_RELAY,      /* relay_order; the datagram */
    ORDER_PROBE,      /* probe_order */
    ORDER_OWN_FRAME,  /* peer_order; the frame */
    ORDER_FORWARD,    /* forward_order; the frame */
    ORDER_FORGET_MAC, /* struct mac */
    ORDER_FORGET_MACS,
};

struct rules_order {
    struct rules rules;
    bool site_shut;
};

struct path_order {
    struct egress_path path;
    uint16_t peer;
};

struct sealer_order {
    struct sealer sealer;
    uint16_t peer;
};

struct peer_order {
    uint16_t peer;
    bool alone; /* in a datagram of its own */
};

struct check_order {
    struct endpoint to;
    uint16_t peer;
};

struct relay_order {
    uint16_t carrier;
    uint8_t type; /* enum control_type */
    uint8_t site[SITE_ID_BYTES];
};

struct probe_order {
    uint64_t value;
    uint16_t peer, outer_packet_bytes;
};

struct forward_order {
    uint32_t peers;
    bool checksum_partial;
};

/* ---- what orders mean ---- */

static size_t order_head_bytes(unsigned kind)
{
    static const size_t bytes[] = {
        [ORDER_RULES] = sizeof(struct rules_order),
        [ORDER_PATH] = sizeof(struct path_order),
        [ORDER_SEALER] = sizeof(struct sealer_order),
        [ORDER_CONTROL] = sizeof(struct peer_order),
        [ORDER_CHECK] = sizeof(struct check_order),
        [ORDER_RELAY] = sizeof(struct relay_order),
        [ORDER_PROBE] = sizeof(struct probe_order),
        [ORDER_OWN_FRAME] = sizeof(struct peer_order),
        [ORDER_FORWARD] = sizeof(struct forward_order),
        [ORDER_FORGET_MAC] = sizeof(struct mac),
        [ORDER_FORGET_MACS] = 0,
    };
    return bytes[kind];
}

static void obey_rules(struct egress *egress, const struct message *m)
{
    struct rules_order order;
    memcpy(&order, m->head, sizeof order);
    egress->rules = order.rules;
    egress->site_shut = order.site_shut;
}

/* What is being packed was sized for the old path. What was sent to a peer that is gone is nobody's
 * any more. */
static void obey_path(struct egress *egress, const struct message *m)
{
    struct path_order order;
    memcpy(&order, m->head, sizeof order);
    struct egress_peer *peer = &egress->peer[order.peer];
    egress_release(egress, peer);
    if (peer->path.tenant != order.path.tenant)
        peer->sent = (struct egress_sent){0};
    peer->path = order.path;
}

/* What is being packed was sized for the old keys, and is sealed under them. */
static void obey_sealer(struct egress *egress, const struct message *m)
{
    struct sealer_order order;
    memcpy(&order, m->head, sizeof order);
    egress_release(egress, &egress->peer[order.peer]);
    egress->peer[order.peer].sealer = order.sealer;
    sodium_memzero(&order, sizeof order);
}

static void obey_control(struct egress *egress, const struct message *m)
{
    struct peer_order order;
    memcpy(&order, m->head, sizeof order);
    egress_send_control(egress, &egress->peer[order.peer], m->body, m->body_bytes, order.alone);
}

static void obey_check(struct egress *egress, const struct message *m)
{
    struct check_order order;
    memcpy(&order, m->head, sizeof order);
    egress_send_check(egress, &egress->peer[order.peer], &order.to, m->body, m->body_bytes);
}

static void obey_relay(struct egress *egress, const struct message *m)
{
    struct relay_order order;
    memcpy(&order, m->head, sizeof order);
    egress_relay(egress, &egress->peer[order.carrier], (enum control_type)order.type, order.site,
                 m->body, m->body_bytes);
}

static void obey_probe(struct egress *egress, const struct message *m)
{
    struct probe_order order;
    memcpy(&order, m->head, sizeof order);
    egress_send_probe(egress, &egress->peer[order.peer], order.value, order.outer_packet_bytes);
}

static void obey_own_frame(struct egress *egress, const struct message *m)
{
    struct peer_order order;
    memcpy(&order, m->head, sizeof order);
    egress_send_own_frame(egress, &egress->peer[order.peer], m->body, m->body_bytes);
}

static void obey_forward(struct egress *egress, const struct message *m)
{
    struct forward_order order;
    struct packet packet;
    memcpy(&order, m->head, sizeof order);
    if (!packet_parse(&packet, m->body, m->body_bytes))
        return; /* cannot be: it was parsed before */
    packet.checksum_partial = order.checksum_partial;
    egress_forward(egress, order.peers, &packet, NULL);
}

static void obey_forget_mac(struct egress *egress, const struct message *m)
{
    struct mac mac;
    memcpy(&mac, m->head, sizeof mac);
    fdb_forget(&egress->local_macs, &mac, ANY_VLAN);
}

static void obey_forget_macs(struct egress *egress, const struct message *m)
{
    (void)m;
    fdb_forget_port(&egress->local_macs, 0);
}

static void obey(struct egress *egress, const struct message *m)
{
    static void (*const how[])(struct egress *, const struct message *) = {
        [ORDER_RULES] = obey_rules,
        [ORDER_PATH] = obey_path,
        [ORDER_SEALER] = obey_sealer,
        [ORDER_CONTROL] = obey_control,
        [ORDER_CHECK] = obey_check,
        [ORDER_RELAY] = obey_relay,
        [ORDER_PROBE] = obey_probe,
        [ORDER_OWN_FRAME] = obey_own_frame,
        [ORDER_FORWARD] = obey_forward,
        [ORDER_FORGET_MAC] = obey_forget_mac,
        [ORDER_FORGET_MACS] = obey_forget_macs,
    };
    how[m->kind](egress, m);
}

void egress_take_orders(struct egress *egress, uint64_t now_us)
{
    const size_t capacity = egress->orders->capacity;
    struct mailbox_message m;
    size_t taken = 0;
    egress->now_us = now_us;
    while (taken < capacity && mailbox_peek(egress->orders, &m)) {
        struct message order = message_read(&m, order_head_bytes(m.kind));
        taken += MAILBOX_HEAD_BYTES + m.length;
        obey(egress, &order);
        mailbox_done(egress->orders);
    }
    /* It may have been full, or more than half so, for which site_has_room() says no. That much
     * goes in two calls at most, should one have been under way: a quarter is in the larger of them
     * for sure. */
    egress->made_room = egress->made_room || taken >= capacity / 4;
}

/* ---- giving orders ---- */

/* @keep_bytes: what must stay free in the mailbox. Return: false when it is lost */
static bool give(struct site *site, const struct message *m, size_t keep_bytes)
{
    if (!site->orders) {
        site->egress.now_us = site->now_us;
        obey(&site->egress, m);
        return true;
    }
    if (!message_put(site->orders, m, keep_bytes))
        return false;
    site->orders_given = true;
    return true;
}

static void send_order(struct site *site, enum order kind, const void *head, uint8_t *body,
                       size_t body_bytes)
{
    struct message m = {kind, head, order_head_bytes(kind), body, body_bytes};
    if (!give(site, &m, KEPT_BYTES))
        site->counters.orders_lost++;
}

static bool settle_order(struct site *site, enum order kind, const void *head)
{
    struct message m = {kind, head, order_head_bytes(kind), NULL, 0};
    return give(site, &m, 0);
}

/* ---- what the egress knows ---- */

static bool gateways_equal(const struct gateway_set *a, const struct gateway_set *b)
{
    return memcmp(a, b, sizeof *a) == 0; /* octets only */
}

static bool rules_equal(const struct rules *a, const struct rules *b)
{
    return a->guard == b->guard && a->multicast_all == b->multicast_all &&
           a->ra_routes == b->ra_routes && a->icmp_hint == b->icmp_hint &&
           a->lan_mtu_bytes == b->lan_mtu_bytes && gateways_equal(&a->gateways, &b->gateways);
}

static bool path_equal(const struct egress_path *a, const struct egress_path *b)
{
    return a->up == b->up && a->shut == b->shut && a->takes_partial == b->takes_partial &&
           a->usable_bytes == b->usable_bytes && a->mtu_bytes == b->mtu_bytes &&
           a->tenant == b->tenant && endpoint_equal(&a->to, &b->to) &&
           gateways_equal(&a->gateways, &b->gateways);
}

static struct rules compose_rules(const struct site *site)
{
    return (struct rules){.guard = site->config.guard,
                          .multicast_all = site->config.multicast_all,
                          .ra_routes = site->config.ra_routes,
                          .icmp_hint = site->config.icmp_hint,
                          .lan_mtu_bytes = site->lan.mtu_bytes,
                          .gateways = site->gateways};
}

static void publish_rules(struct site *site)
{
    struct known *known = &site->known;
    struct rules_order order = {compose_rules(site), loop_site_shut(&site->loop)};
    site->rules = order.rules;
    if ((order.site_shut != known->site_shut || !rules_equal(&order.rules, &known->rules)) &&
        settle_order(site, ORDER_RULES, &order)) {
        known->site_shut = order.site_shut;
        known->rules = order.rules;
    }
}

static struct egress_path compose_path(const struct site *site, const struct peer *peer)
{
    uint16_t number = peer_number(site, peer), tenant = site->known.peer[number].tenant;
    if (!peer->used)
        return (struct egress_path){.tenant = tenant};
    return (struct egress_path){
        .up = peer->up,
        .shut = loop_peer_shut(&site->loop, number),
        .takes_partial =
            peer->current && (peer->current->remote_features & FEATURE_CHECKSUM_PARTIAL) != 0,
        .usable_bytes = path_mtu_usable_bytes(peer_mtu(peer)),
        .mtu_bytes = peer_mtu(peer)->mtu_bytes,
        .to = peer->endpoint,
        .gateways = peer->remote.gateways,
        .tenant = tenant,
    };
}

/* Return: whether the egress knows it */
static bool publish_path(struct site *site, const struct peer *peer)
{
    struct path_order order = {compose_path(site, peer), peer_number(site, peer)};
    struct known_peer *known = &site->known.peer[order.peer];
    if (path_equal(&order.path, &known->path))
        return true;
    if (!settle_order(site, ORDER_PATH, &order))
        return false;
    known->path = order.path;
    return true;
}

/* The session keeps no copy of what it has given away: so it is not given twice, and what it still
 * has is new, whatever its index. Return: whether the egress has it */
static bool publish_sealer(struct site *site, struct peer *peer)
{
    struct sealer_order order = {.peer = peer_number(site, peer)};
    struct known_peer *known = &site->known.peer[order.peer];
    struct sealer *fresh = peer->current ? &peer->current->sealer : NULL;
    uint32_t index = peer->current ? peer->current->local_index : 0;
    if (index == known->session && (!fresh || fresh->key.suite == SUITE_NONE))
        return true;
    if (fresh)
        order.sealer = *fresh;
    bool taken = settle_order(site, ORDER_SEALER, &order);
    sodium_memzero(&order, sizeof order);
    if (!taken)
        return false;
    known->session = index;
    if (fresh)
        sodium_memzero(fresh, sizeof *fresh);
    return true;
}

/* What is being packed is for the old session at the old place: so its end comes first. New keys
 * never go before the path they are for. Return: whether the egress knows all of it */
static bool publish_peer(struct site *site, struct peer *peer)
{
    return publish_path(site, peer) && publish_sealer(site, peer);
}

void border_publish_peer(struct site *site, struct peer *peer)
{
    if (!peer->used)
        site->known.peer[peer_number(site, peer)].tenant++;
    publish_peer(site, peer);
}

void border_publish(struct site *site)
{
    publish_rules(site);
    for (struct peer *peer = site->peer; peer < site->peer + SITE_PEERS_MAX; peer++)
        if (peer->used || site->known.peer[peer_number(site, peer)].session != 0)
            publish_peer(site, peer);
}

/* What is for a peer must not go to whom the egress still takes for it. */
static void send_to_peer(struct site *site, struct peer *peer, struct message order)
{
    if (!publish_peer(site, peer) || !give(site, &order, KEPT_BYTES))
        site->counters.orders_lost++;
}

void order_control(struct site *site, struct peer *peer, uint8_t *body, size_t bytes, bool alone)
{
    struct peer_order order = {.peer = peer_number(site, peer), .alone = alone};
    send_to_peer(site, peer, (struct message){ORDER_CONTROL, &order, sizeof order, body, bytes});
}

void order_check(struct site *site, struct peer *peer, const struct endpoint *to, uint8_t *body,
                 size_t bytes)
{
    struct check_order order = {*to, peer_number(site, peer)};
    send_to_peer(site, peer, (struct message){ORDER_CHECK, &order, sizeof order, body, bytes});
}

void order_relay(struct site *site, struct peer *carrier, enum control_type type,
                 const uint8_t id[SITE_ID_BYTES], uint8_t *datagram, size_t bytes)
{
    struct relay_order order = {.carrier = peer_number(site, carrier), .type = (uint8_t)type};
    memcpy(order.site, id, sizeof order.site);
    send_to_peer(site, carrier,
                 (struct message){ORDER_RELAY, &order, sizeof order, datagram, bytes});
}

void order_probe(struct site *site, struct peer *peer, uint64_t value, uint16_t outer_packet_bytes)
{
    struct probe_order order = {value, peer_number(site, peer), outer_packet_bytes};
    send_to_peer(site, peer, (struct message){ORDER_PROBE, &order, sizeof order, NULL, 0});
}

void order_own_frame(struct site *site, struct peer *peer, uint8_t *frame, size_t bytes)
{
    struct peer_order order = {.peer = peer_number(site, peer)};
    send_to_peer(site, peer, (struct message){ORDER_OWN_FRAME, &order, sizeof order, frame, bytes});
}

void order_forward(struct site *site, uint32_t peers, struct packet *packet)
{
    struct forward_order order = {.peers = peers, .checksum_partial = packet->checksum_partial};
    send_order(site, ORDER_FORWARD, &order, packet->frame, packet->frame_bytes);
}

void order_forget_mac(struct site *site, const struct mac *mac)
{
    send_order(site, ORDER_FORGET_MAC, mac, NULL, 0);
}

void order_forget_macs(struct site *site)
{
    send_order(site, ORDER_FORGET_MACS, NULL, NULL, 0);
}
