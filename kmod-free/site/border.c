/* SPDX-License-Identifier: MIT
 *
 * border.c - orders and notes, as calls or as messages. See border.h.
 *
 * The functions named do_*() are what an order means to the egress, take_*() what a note means to
 * the site. In one thread they are called at once, in two when their message is read.
 */
#include "site/border.h"

#include "site/private.h"

#include <sodium.h>

#include <string.h>

enum {
    NOTED_FRAME_MAX_BYTES = 2048, /* all that teaches is smaller, or none the wiser */
    RESERVE_BYTES = 8192,         /* of the orders' mailbox, for what must not wait */
};

#define TELL_EACH_US UINT64_C(10000) /* what was sent and counted */

enum order {
    ORDER_RULES,      /* rules_order */
    ORDER_PATH,       /* path_order */
    ORDER_SEALER,     /* sealer_order */
    ORDER_CONTROL,    /* peer_order; the message */
    ORDER_PROBE,      /* probe_order */
    ORDER_FRAME,      /* peer_order; the frame */
    ORDER_FORWARD,    /* forward_order; the frame */
    ORDER_FORGET_MAC, /* struct mac */
    ORDER_FORGET_MACS,
};

enum note {
    NOTE_FRAME,     /* the frame */
    NOTE_CAME_HOME, /* home_note */
    NOTE_SENT,      /* sent_note */
    NOTE_COUNTED,   /* struct site_counters */
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

struct probe_order {
    uint64_t value;
    uint16_t peer, outer_packet_bytes;
};

struct forward_order {
    uint32_t peers;
    bool checksum_partial;
};

struct home_note {
    struct mac mac;
    uint16_t vlan_id;
};

struct sent_note {
    struct egress_sent sent;
    uint16_t peer;
};

/* An order or a note: a head, which is one of the structs above, and whatever follows it. */
struct message {
    unsigned kind;
    const void *head;
    size_t head_bytes;
    uint8_t *body;
    size_t body_bytes;
};

static struct message message_read(const struct mailbox_message *m, size_t head_bytes)
{
    return (struct message){.kind = m->kind,
                            .head = m->bytes,
                            .head_bytes = head_bytes,
                            .body = m->bytes + head_bytes,
                            .body_bytes = m->length - head_bytes};
}

static bool message_put(struct mailbox *box, const struct message *m)
{
    return mailbox_put(box, m->kind, m->head, m->head_bytes, m->body, m->body_bytes);
}

/* ---- what orders mean ---- */

static size_t order_head_bytes(unsigned kind)
{
    static const size_t bytes[] = {
        [ORDER_RULES] = sizeof(struct rules_order),
        [ORDER_PATH] = sizeof(struct path_order),
        [ORDER_SEALER] = sizeof(struct sealer_order),
        [ORDER_CONTROL] = sizeof(struct peer_order),
        [ORDER_PROBE] = sizeof(struct probe_order),
        [ORDER_FRAME] = sizeof(struct peer_order),
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

/* What is being packed was sized for the old path. */
static void obey_path(struct egress *egress, const struct message *m)
{
    struct path_order order;
    memcpy(&order, m->head, sizeof order);
    egress_release(egress, &egress->peer[order.peer]);
    egress->peer[order.peer].path = order.path;
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

static void obey_probe(struct egress *egress, const struct message *m)
{
    struct probe_order order;
    memcpy(&order, m->head, sizeof order);
    egress_send_probe(egress, &egress->peer[order.peer], order.value, order.outer_packet_bytes);
}

static void obey_frame(struct egress *egress, const struct message *m)
{
    struct peer_order order;
    memcpy(&order, m->head, sizeof order);
    egress_send_frame(egress, &egress->peer[order.peer], m->body, m->body_bytes);
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
        [ORDER_PROBE] = obey_probe,
        [ORDER_FRAME] = obey_frame,
        [ORDER_FORWARD] = obey_forward,
        [ORDER_FORGET_MAC] = obey_forget_mac,
        [ORDER_FORGET_MACS] = obey_forget_macs,
    };
    how[m->kind](egress, m);
}

void egress_take_orders(struct egress *egress, uint64_t now_us)
{
    struct mailbox_message m;
    egress->now_us = now_us;
    while (mailbox_peek(egress->orders, &m)) {
        struct message order = message_read(&m, order_head_bytes(m.kind));
        obey(egress, &order);
        mailbox_done(egress->orders);
    }
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
    if (mailbox_room(site->orders) < m->head_bytes + m->body_bytes + keep_bytes ||
        !message_put(site->orders, m))
        return false;
    site->orders_given = true;
    return true;
}

/* What can be lost leaves room for what must not. */
static void send_order(struct site *site, enum order kind, const void *head, uint8_t *body,
                       size_t body_bytes)
{
    struct message m = {kind, head, order_head_bytes(kind), body, body_bytes};
    if (!give(site, &m, RESERVE_BYTES))
        site->counters.orders_lost++;
}

static bool settle_order(struct site *site, enum order kind, const void *head)
{
    struct message m = {kind, head, order_head_bytes(kind), NULL, 0};
    return give(site, &m, 0);
}

static void publish_rules(struct site *site)
{
    struct rules_order order;
    memset(&order, 0, sizeof order); /* compared whole */
    order.rules.guard = site->config.guard;
    order.rules.multicast_all = site->config.multicast_all;
    order.rules.ra_routes = site->config.ra_routes;
    order.rules.icmp_hint = site->config.icmp_hint;
    order.rules.lan_mtu_bytes = site->lan.mtu_bytes;
    order.rules.gateways = site->gateways;
    site->rules = order.rules;
    order.site_shut = loop_site_shut(&site->loop);
    struct known *known = &site->known;
    if ((order.site_shut != known->site_shut ||
         memcmp(&order.rules, &known->rules, sizeof order.rules) != 0) &&
        settle_order(site, ORDER_RULES, &order)) {
        known->site_shut = order.site_shut;
        known->rules = order.rules;
    }
}

static void compose_path(const struct site *site, const struct peer *peer, struct egress_path *path)
{
    if (!peer->used)
        return;
    path->up = peer->up;
    path->shut = loop_peer_shut(&site->loop, peer_number(site, peer));
    path->takes_partial =
        peer->current && (peer->current->remote_features & FEATURE_CHECKSUM_PARTIAL) != 0;
    path->usable_bytes = path_mtu_usable_bytes(peer_path(peer));
    path->mtu_bytes = peer_path(peer)->mtu_bytes;
    path->to = peer->endpoint;
    path->gateways = peer->remote.gateways;
}

static void publish_path(struct site *site, const struct peer *peer)
{
    struct path_order order;
    memset(&order, 0, sizeof order); /* compared whole */
    order.peer = peer_number(site, peer);
    compose_path(site, peer, &order.path);
    struct known_peer *known = &site->known.peer[order.peer];
    if (memcmp(&order.path, &known->path, sizeof order.path) != 0 &&
        settle_order(site, ORDER_PATH, &order))
        known->path = order.path;
}

/* The session keeps no copy of what it has given away. */
static void publish_sealer(struct site *site, struct peer *peer)
{
    struct sealer_order order = {.peer = peer_number(site, peer)};
    struct known_peer *known = &site->known.peer[order.peer];
    uint32_t index = peer->current ? peer->current->local_index : 0;
    if (index == known->session)
        return;
    if (peer->current)
        order.sealer = peer->current->sealer;
    if (settle_order(site, ORDER_SEALER, &order)) {
        known->session = index;
        if (peer->current)
            sodium_memzero(&peer->current->sealer, sizeof peer->current->sealer);
    }
    sodium_memzero(&order, sizeof order);
}

/* What is being packed is for the old session at the old place: so its end comes first, and the
 * path before the new session. */
void border_publish_peer(struct site *site, struct peer *peer)
{
    publish_path(site, peer);
    publish_sealer(site, peer);
}

void border_publish(struct site *site)
{
    publish_rules(site);
    for (struct peer *peer = site->peer; peer < site->peer + SITE_PEERS_MAX; peer++)
        if (peer->used || site->known.peer[peer_number(site, peer)].session != 0)
            border_publish_peer(site, peer);
}

void order_control(struct site *site, struct peer *peer, uint8_t *body, size_t bytes, bool alone)
{
    struct peer_order order = {.peer = peer_number(site, peer), .alone = alone};
    border_publish_peer(site, peer);
    send_order(site, ORDER_CONTROL, &order, body, bytes);
}

void order_probe(struct site *site, struct peer *peer, uint64_t value, uint16_t outer_packet_bytes)
{
    struct probe_order order = {value, peer_number(site, peer), outer_packet_bytes};
    border_publish_peer(site, peer);
    send_order(site, ORDER_PROBE, &order, NULL, 0);
}

void order_frame(struct site *site, struct peer *peer, uint8_t *frame, size_t bytes)
{
    struct peer_order order = {.peer = peer_number(site, peer)};
    border_publish_peer(site, peer);
    send_order(site, ORDER_FRAME, &order, frame, bytes);
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

/* ---- what notes mean ---- */

static size_t note_head_bytes(unsigned kind)
{
    static const size_t bytes[] = {
        [NOTE_FRAME] = 0,
        [NOTE_CAME_HOME] = sizeof(struct home_note),
        [NOTE_SENT] = sizeof(struct sent_note),
        [NOTE_COUNTED] = sizeof(struct site_counters),
    };
    return bytes[kind];
}

static void take_frame(struct site *site, const struct message *m)
{
    struct packet packet;
    if (!packet_parse(&packet, m->body, m->body_bytes))
        return; /* cannot be: it was parsed before */
    if (loop_is_probe(&packet))
        site_receive_probe_frame(site, &packet, NULL);
    else
        site_learn_frame(site, &packet);
    border_publish(site); /* the next frame may not be forwarded any more */
}

/* Noted once for each frame until it is forgotten here: only the first of them is a move. */
static void take_came_home(struct site *site, const struct message *m)
{
    struct home_note note;
    memcpy(&note, m->head, sizeof note);
    if (fdb_lookup(&site->remote_macs, &note.mac, note.vlan_id, site->now_us) < 0)
        return;
    fdb_forget(&site->remote_macs, &note.mac, note.vlan_id);
    site_note_flap(site, &note.mac);
}

static void take_sent(struct site *site, const struct message *m)
{
    struct sent_note note;
    memcpy(&note, m->head, sizeof note);
    struct peer *peer = &site->peer[note.peer];
    if (!peer->used)
        return;
    peer->tx_frames += note.sent.frames;
    peer->tx_bytes += note.sent.bytes;
    liveness_sent(&peer->liveness, note.sent.last_us);
    peer_path_sent(peer, note.sent.largest_bytes, note.sent.last_us);
}

/* All of its members are uint64_t. */
static void take_counted(struct site *site, const struct message *m)
{
    uint64_t more[sizeof(struct site_counters) / sizeof(uint64_t)], sum[sizeof more / sizeof *more];
    memcpy(more, m->head, sizeof more);
    memcpy(sum, &site->counters, sizeof sum);
    for (size_t i = 0; i < sizeof sum / sizeof *sum; i++)
        sum[i] += more[i];
    memcpy(&site->counters, sum, sizeof sum);
}

static void take(struct site *site, const struct message *m)
{
    static void (*const how[])(struct site *, const struct message *) = {
        [NOTE_FRAME] = take_frame,
        [NOTE_CAME_HOME] = take_came_home,
        [NOTE_SENT] = take_sent,
        [NOTE_COUNTED] = take_counted,
    };
    how[m->kind](site, m);
}

void site_take_notes(struct site *site, uint64_t now_us)
{
    struct mailbox_message m;
    site->now_us = now_us;
    while (site->notes && mailbox_peek(site->notes, &m)) {
        struct message note = message_read(&m, note_head_bytes(m.kind));
        take(site, &note);
        mailbox_done(site->notes);
    }
}

/* ---- giving notes ---- */

/* Return: false when it is lost */
static bool tell(struct egress *egress, enum note kind, const void *head, uint8_t *body,
                 size_t body_bytes)
{
    struct message m = {kind, head, note_head_bytes(kind), body, body_bytes};
    if (egress->site) {
        egress->site->now_us = egress->now_us;
        take(egress->site, &m);
        return true;
    }
    if (!message_put(egress->notes, &m))
        return false;
    egress->notes_given = true;
    return true;
}

void note_frame(struct egress *egress, struct packet *packet)
{
    if (packet->frame_bytes <= NOTED_FRAME_MAX_BYTES &&
        !tell(egress, NOTE_FRAME, NULL, packet->frame, packet->frame_bytes))
        egress->counters->notes_lost++;
}

void note_came_home(struct egress *egress, const struct mac *mac, uint16_t vlan_id)
{
    struct home_note note = {*mac, vlan_id};
    if (!tell(egress, NOTE_CAME_HOME, &note, NULL, 0))
        egress->counters->notes_lost++;
}

static bool tell_sent(struct egress *egress, struct egress_peer *peer)
{
    struct sent_note note = {peer->sent, (uint16_t)(peer - egress->peer)};
    bool told = tell(egress, NOTE_SENT, &note, NULL, 0);
    if (told)
        peer->sent = (struct egress_sent){0};
    return told;
}

void note_sent(struct egress *egress, struct egress_peer *peer, size_t datagram_bytes,
               size_t outer_bytes)
{
    struct egress_sent *sent = &peer->sent;
    sent->last_us = egress->now_us;
    sent->bytes += datagram_bytes;
    if (outer_bytes > sent->largest_bytes)
        sent->largest_bytes = (uint16_t)outer_bytes;
    if (egress->site)
        tell_sent(egress, peer);
}

static bool anything_counted(const struct egress *egress)
{
    static const struct site_counters none;
    return memcmp(&egress->counted, &none, sizeof none) != 0;
}

static void tell_all(struct egress *egress)
{
    for (struct egress_peer *p = egress->peer; p < egress->peer + SITE_PEERS_MAX; p++)
        if (p->sent.largest_bytes != 0)
            tell_sent(egress, p);
    if (anything_counted(egress) && tell(egress, NOTE_COUNTED, &egress->counted, NULL, 0))
        egress->counted = (struct site_counters){0};
}

static bool has_untold(const struct egress *egress)
{
    for (const struct egress_peer *p = egress->peer; p < egress->peer + SITE_PEERS_MAX; p++)
        if (p->sent.largest_bytes != 0)
            return true;
    return anything_counted(egress);
}

void note_counts(struct egress *egress)
{
    if (egress->site)
        return;
    egress->untold = has_untold(egress);
    if (egress->untold && egress->now_us - egress->told_us >= TELL_EACH_US) {
        egress->told_us = egress->now_us;
        tell_all(egress);
        egress->untold = has_untold(egress);
    }
    if (egress->notes_given)
        egress->ops.wake_site(egress->ops.context);
    egress->notes_given = false;
}

uint64_t egress_deadline_us(const struct egress *egress)
{
    return egress->untold ? egress->told_us + TELL_EACH_US : UINT64_MAX;
}

/* ---- one thread or two ---- */

struct egress *site_split(struct site *site, const struct egress_ops *ops, struct mailbox *orders,
                          struct mailbox *notes)
{
    struct egress *egress = &site->egress;
    site->orders = egress->orders = orders;
    site->notes = egress->notes = notes;
    egress->ops = *ops;
    egress->site = NULL;
    egress->counters = &egress->counted;
    return egress;
}

void site_join(struct site *site, uint64_t now_us)
{
    struct egress *egress = &site->egress;
    if (!site->orders)
        return;
    egress_take_orders(egress, now_us);
    site_take_notes(site, now_us);
    egress->site = site;
    tell_all(egress);
    border_take_egress(site);
}

void border_wake(struct site *site)
{
    if (site->orders_given)
        site->egress.ops.wake_egress(site->egress.ops.context);
    site->orders_given = false;
}

void border_take_egress(struct site *site)
{
    struct egress *egress = &site->egress;
    egress->ops = (struct egress_ops){
        .context = site->ops.context, .transmit = site->ops.transmit, .deliver = site->ops.deliver};
    egress->site = site;
    egress->counters = &site->counters;
    site->orders = site->notes = egress->orders = egress->notes = NULL;
}
