/* SPDX-License-Identifier: MIT
 *
 * telling.c - what sites tell each other inside the tunnel, and the clashes that follow from it.
 *
 * Site info (name, prefixes, gateways) goes out with each handshake and again on change. A hub
 * adds what its other peers told it, since their frames come through it. Probes carry the sender's
 * own time and are answered at once.
 */
#include "site/private.h"

#include "bytes.h"

#include <string.h>

enum { PROBE_BYTES = 8 };

#define TELL_EACH_US  UINT64_C(1000000)   /* a hub repeats each word to all its other peers */
#define CLASH_TOLD_US UINT64_C(600000000) /* an old clash is worth a new line in the log */
#define CLASH_KEPT_US UINT64_C(600000000)

bool peer_can_send(const struct peer *peer)
{
    return peer->current != NULL && peer->endpoint.address.family != IP_NONE;
}

static void send_control(struct site *site, struct peer *peer, enum control_type type,
                         const uint8_t *value, size_t bytes, bool alone)
{
    uint8_t body[1 + CONTROL_VALUE_MAX];
    if (!peer_can_send(peer) || bytes > CONTROL_VALUE_MAX)
        return;
    body[0] = (uint8_t)type;
    if (bytes != 0)
        memcpy(body + 1, value, bytes);
    order_control(site, peer, body, 1 + bytes, alone);
}

void peer_send_control(struct site *site, struct peer *peer, enum control_type type,
                       const uint8_t *value, size_t bytes)
{
    send_control(site, peer, type, value, bytes, false);
}

/* Like peer_send_control(), in a datagram of its own. */
static void send_control_alone(struct site *site, struct peer *peer, enum control_type type,
                               const uint8_t *value, size_t bytes)
{
    send_control(site, peer, type, value, bytes, true);
}

static void add_prefix(struct site_info *info, const struct ip_prefix *prefix)
{
    for (unsigned i = 0; i < info->prefix_count; i++)
        if (ip_prefix_equal(&info->prefix[i], prefix))
            return;
    if (info->prefix_count < SITE_PREFIXES_MAX)
        info->prefix[info->prefix_count++] = *prefix;
}

static void add_gateway(struct gateway_set *set, const struct gateway *gateway)
{
    for (unsigned i = 0; i < set->count; i++)
        if (ip_equal(&set->gateway[i].address, &gateway->address))
            return;
    if (set->count < GATEWAYS_MAX)
        set->gateway[set->count++] = *gateway;
}

static void add_remote(struct site_info *info, const struct site_info *remote)
{
    for (unsigned i = 0; i < remote->prefix_count; i++)
        add_prefix(info, &remote->prefix[i]);
    for (unsigned i = 0; i < remote->gateways.count; i++)
        add_gateway(&info->gateways, &remote->gateways.gateway[i]);
}

void site_compose_info(const struct site *site, const struct peer *to, struct site_info *out)
{
    memset(out, 0, sizeof *out);
    memcpy(out->name, site->config.name, sizeof out->name);
    out->hub = site->config.hub;
    out->relays = site->config.relay_for_peers;
    for (unsigned i = 0; i < site->lan.prefix_count; i++)
        add_prefix(out, &site->lan.prefix[i]);
    out->gateways = site->gateways;
    if (!site->config.hub)
        return;
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++)
        if (p->used && p != to && p->up)
            add_remote(out, &p->remote);
}

void peer_tell_site(struct site *site, struct peer *peer)
{
    uint8_t value[SITE_INFO_MAX_BYTES];
    struct site_info info;
    site_compose_info(site, peer, &info);
    size_t bytes = site_info_encode(&info, value, sizeof value);
    if (bytes == 0 || !peer_can_send(peer))
        return;
    peer_send_control(site, peer, CONTROL_SITE, value, bytes);
    peer->told = info;
}

/* Tell those who last heard something else. */
void site_tell_all(struct site *site)
{
    struct site_info info;
    for_each_peer(site, peer)
    {
        if (!peer->up || peer->current->enrolling)
            continue;
        site_compose_info(site, peer, &info);
        if (!site_info_equal(&info, &peer->told))
            peer_tell_site(site, peer);
    }
}

void peer_probe(struct site *site, struct peer *peer)
{
    uint8_t value[PROBE_BYTES];
    if (!peer_can_send(peer)) { /* not due again before its time */
        liveness_sent(&peer->liveness, site->now_us);
        return;
    }
    store_be64(value, site->now_us);
    send_control_alone(site, peer, CONTROL_PROBE, value, sizeof value);
    liveness_asked(&peer->liveness, site->now_us);
}

/* Only the session the peer uses now can end all: one held back on the way, or overtaken by the
 * peer's restart, speaks of a session that is over. */
static void receive_close(struct site *site, struct peer *peer, uint32_t session)
{
    if (session != peer->current->local_index && peer->current->received != 0)
        return;
    peer_drop_session(peer, &peer->current);
    peer_drop_session(peer, &peer->previous);
    peer_drop_session(peer, &peer->next);
    liveness_closed(&peer->liveness, site->now_us);
    peer_went_down(site, peer);
}

void site_receive_control(struct site *site, struct peer *peer, uint32_t session, uint8_t *body,
                          size_t bytes)
{
    struct site_info info;
    if (bytes == 0) {
        site->counters.malformed++;
        return;
    }
    uint8_t *value = body + 1;
    size_t value_bytes = bytes - 1;
    switch (body[0]) {
    case CONTROL_SITE:
        if (site_info_decode(&info, value, value_bytes))
            peer_take_site_info(site, peer, &info);
        else
            site->counters.malformed++;
        break;
    case CONTROL_PROBE:
        if (value_bytes == PROBE_BYTES)
            send_control_alone(site, peer, CONTROL_PROBE_REPLY, value, PROBE_BYTES);
        break;
    case CONTROL_PROBE_REPLY:
        if (value_bytes == PROBE_BYTES)
            peer_probe_answered(site, peer, value);
        break;
    case CONTROL_CLOSE:
        receive_close(site, peer, session);
        break;
    case CONTROL_CHECK:
        peer_receive_check(site, peer, value, value_bytes);
        break;
    case CONTROL_CHECK_REPLY:
        peer_receive_check_reply(site, peer, value, value_bytes);
        break;
    case CONTROL_CANDIDATES:
        peer_receive_candidates(site, peer, value, value_bytes);
        break;
    case CONTROL_RELAY:
        peer_receive_relay(site, peer, value, value_bytes);
        break;
    case CONTROL_RELAYED:
        peer_receive_relayed(site, peer, value, value_bytes);
        break;
    case CONTROL_SEEN:
        peer_receive_seen(site, peer, value, value_bytes);
        break;
    default: /* of a later version */
        break;
    }
}

void peer_take_site_info(struct site *site, struct peer *peer, const struct site_info *info)
{
    if (site_info_equal(&peer->remote, info))
        return;
    bool relays_changed = peer->remote.relays != info->relays;
    peer->remote = *info;
    site_report(site, EVENT_PEER_SITE, peer);
    site_judge_clashes(site);
    site_announce_changed(site);
    if (relays_changed)
        site_meetings_changed(site);
    if (site->config.hub && site->tell_next_us == UINT64_MAX)
        site->tell_next_us = site->told_us + TELL_EACH_US;
}

void site_tell_tick(struct site *site)
{
    if (site->now_us < site->tell_next_us)
        return;
    site->tell_next_us = UINT64_MAX;
    site->told_us = site->now_us;
    site_tell_all(site);
}

/* ---- clashes ---- */

/* Which to give up first: a free one, then hosts; gateways and subnets are judged only on change.
 */
static unsigned slot_rank(const struct clash_entry *e)
{
    return !e->used ? 0 : e->clash.kind == CLASH_HOST ? 1 : 2;
}

static struct clash_entry *clash_slot(struct site *site, const struct site_clash *clash)
{
    struct clash_entry *oldest = site->clash;
    for (struct clash_entry *e = site->clash; e < site->clash + SITE_CLASHES_MAX; e++) {
        if (e->used && e->clash.kind == clash->kind && strcmp(e->clash.peer, clash->peer) == 0 &&
            ip_equal(&e->clash.address, &clash->address))
            return e;
        if (slot_rank(e) < slot_rank(oldest) ||
            (slot_rank(e) == slot_rank(oldest) && e->clash.last_us < oldest->clash.last_us))
            oldest = e;
    }
    oldest->used = false;
    return oldest;
}

static void report_clash(struct site *site, const struct peer *peer, const struct site_clash *clash)
{
    static const enum site_event_kind kind[] = {
        [CLASH_GATEWAY] = EVENT_CLASH_GATEWAY,
        [CLASH_HOST] = EVENT_CLASH_HOST,
        [CLASH_SUBNET] = EVENT_SUBNETS_DIFFER,
    };
    struct site_event event = {.kind = kind[clash->kind],
                               .peer = peer->config.name,
                               .address = clash->address,
                               .mac = clash->local,
                               .other_mac = clash->remote};
    site->ops.event(site->ops.context, &event);
}

void site_note_clash(struct site *site, const struct peer *peer, enum clash_kind kind,
                     const struct ip_address *address, const struct mac *local,
                     const struct mac *remote)
{
    struct site_clash clash = {.kind = kind, .address = *address, .last_us = site->now_us};
    memcpy(clash.peer, peer->config.name, sizeof clash.peer);
    if (local)
        clash.local = *local;
    if (remote)
        clash.remote = *remote;

    struct clash_entry *entry = clash_slot(site, &clash);
    bool tell = !entry->used || site->now_us - entry->logged_us > CLASH_TOLD_US;
    entry->used = true;
    entry->clash = clash;
    if (tell) {
        entry->logged_us = site->now_us;
        report_clash(site, peer, &clash);
    }
}

static bool share_subnet(const struct site_lan *lan, const struct site_info *remote, bool *both)
{
    bool here = false, there = false;
    for (unsigned i = 0; i < lan->prefix_count; i++) {
        here = here || lan->prefix[i].address.family == IP_V4;
        for (unsigned j = 0; j < remote->prefix_count; j++)
            if (remote->prefix[j].address.family == IP_V4 &&
                ip_prefix_equal(&lan->prefix[i], &remote->prefix[j]))
                return true;
    }
    for (unsigned j = 0; j < remote->prefix_count; j++)
        there = there || remote->prefix[j].address.family == IP_V4;
    *both = here && there;
    return false;
}

static void judge_peer(struct site *site, struct peer *peer)
{
    static const struct ip_address none;
    const struct gateway_set *remote = &peer->remote.gateways;
    bool both = false;

    for (unsigned i = 0; i < site->gateways.count; i++)
        for (unsigned j = 0; j < remote->count; j++) {
            const struct gateway *here = &site->gateways.gateway[i], *there = &remote->gateway[j];
            if (ip_equal(&here->address, &there->address))
                site_note_clash(site, peer, CLASH_GATEWAY, &here->address, &here->mac, &there->mac);
        }
    if (!share_subnet(&site->lan, &peer->remote, &both) && both)
        site_note_clash(site, peer, CLASH_SUBNET, &none, NULL, NULL);
}

/* Gateways and subnets clash as long as they do; hosts are remembered for a while. */
void site_judge_clashes(struct site *site)
{
    uint64_t now_us = site->now_us;
    for_each_peer(site, peer) if (peer->remote.name[0] != '\0') judge_peer(site, peer);
    for (struct clash_entry *e = site->clash; e < site->clash + SITE_CLASHES_MAX; e++)
        if (e->used && e->clash.kind != CLASH_HOST && e->clash.last_us != now_us)
            e->used = false;
}

size_t site_clashes(const struct site *site, uint64_t now_us, struct site_clash *out,
                    size_t capacity)
{
    size_t count = 0;
    for (const struct clash_entry *e = site->clash; e < site->clash + SITE_CLASHES_MAX; e++) {
        bool old = e->clash.kind == CLASH_HOST && now_us - e->clash.last_us > CLASH_KEPT_US;
        if (e->used && !old && count < capacity)
            out[count++] = e->clash;
    }
    return count;
}
