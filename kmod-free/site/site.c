/* SPDX-License-Identifier: MIT
 *
 * site.c - a site's life: settings, peers, time, what comes in. See site.h and private.h.
 */
#include "site/private.h"

#include <sodium.h>
#include <string.h>

#define NEVER       UINT64_MAX
#define UNPROVED_US UINT64_C(30000000) /* a responder's session that nobody used */
#define EXPIRE_US   UINT64_C(250000)

/* ---- small helpers of all files here ---- */

struct peer *site_find_peer(struct site *site, const char *name)
{
    for_each_peer(site, peer) if (strcmp(peer->config.name, name) == 0) return peer;
    return NULL;
}

void site_report(struct site *site, enum site_event_kind kind, const struct peer *peer)
{
    struct site_event event = {.kind = kind};
    if (peer) {
        event.peer = peer->config.name;
        event.endpoint = peer->endpoint;
    }
    site->ops.event(site->ops.context, &event);
}

void site_transmit_now(struct site *site, const struct endpoint *to, const uint8_t *datagram,
                       size_t bytes)
{
    struct datagram one = {.to = *to, .data = datagram, .bytes = bytes};
    if (to->via >= VIA_PEER)
        peer_send_relay(site, to, datagram, bytes);
    else
        site->ops.transmit(site->ops.context, &one, 1);
}

void site_random(struct site *site, void *out, size_t bytes)
{
    site->ops.random(site->ops.context, out, bytes);
}

/* ---- sessions' roles ---- */

void peer_drop_session(struct peer *peer, struct session **which)
{
    struct session *session = *which;
    if (!session)
        return;
    peer->lost_before += session_lost(session);
    session_wipe(session);
    *which = NULL;
}

void peer_set_session(struct site *site, struct peer *peer, struct session *session)
{
    peer_drop_session(peer, &peer->previous);
    peer->previous = peer->current;
    peer->current = session;
    peer->handshaked = true;
    peer->ignored_initiation = false;
    peer->handshake_us = site->now_us;
    site->counters.handshakes++;
    liveness_session(&peer->liveness, session->initiator, site->now_us);
}

void peer_move_endpoint(struct site *site, struct peer *peer, const struct endpoint *to)
{
    if (endpoint_equal(&peer->endpoint, to))
        return;
    peer->endpoint = *to;
    if (peer->up)
        peer_mtu_begin(site, peer);
    site_report(site, EVENT_PEER_MOVED, peer);
}

void peer_came_up(struct site *site, struct peer *peer)
{
    if (peer->up || !peer->current || peer->liveness.down_told || !peer_carries_frames(site, peer))
        return;
    peer->up = true;
    peer_mtu_begin(site, peer);
    site_report(site, EVENT_PEER_UP, peer);
    loop_link_changed(&site->loop, site->now_us);
    site_announce_changed(site);
    if (!peer->current->enrolling)
        peer_tell_site(site, peer);
    if (site->config.hub)
        site_tell_all(site);
    site_meetings_changed(site);
}

void peer_went_down(struct site *site, struct peer *peer)
{
    if (!peer->up)
        return;
    peer->up = false;
    peer_mtu_stop(peer);
    fdb_forget_port(&site->remote_macs, peer_number(site, peer));
    loop_peer_gone(&site->loop, peer_number(site, peer), site->now_us);
    peer->down_us = site->now_us;
    site_report(site, EVENT_PEER_DOWN, peer);
    site_announce_peer_down(site);
    if (site->config.hub)
        site_tell_all(site);
    site_meetings_changed(site);
}

static void peer_drop_all(struct peer *peer)
{
    peer_drop_session(peer, &peer->initiating);
    peer_drop_session(peer, &peer->next);
    peer_drop_session(peer, &peer->previous);
    peer_drop_session(peer, &peer->current);
    noise_wipe(&peer->noise);
}

/* ---- life ---- */

size_t site_bytes(void)
{
    return sizeof(struct site);
}

static void take_options(struct site_config *own, const struct site_config *config)
{
    own->guard = config->guard;
    own->ttl_repair = config->ttl_repair;
    own->multicast_all = config->multicast_all;
    own->ra_routes = config->ra_routes;
    own->ipv6_on_link = config->ipv6_on_link;
    own->hub = config->hub;
    own->icmp_hint = config->icmp_hint;
    own->relay_for_peers = config->relay_for_peers;
    own->outer_packet_bytes = config->outer_packet_bytes;
    own->timers = config->timers;
}

static void keep_available_suites(struct site_config *config)
{
    uint8_t kept = 0;
    for (unsigned i = 0; i < config->suite_count; i++)
        if (aead_available((enum suite)config->suite[i]))
            config->suite[kept++] = config->suite[i];
    config->suite_count = kept;
}

bool site_init(struct site *site, const struct site_config *config, const struct site_ops *ops,
               uint64_t order_next, uint64_t order_limit, uint64_t now_us)
{
    uint8_t random[32];

    site->config = *config;
    site->ops = *ops;
    site->now_us = now_us;
    site->order_next = order_next;
    site->order_limit = order_limit;
    keep_available_suites(&site->config);
    if (site->config.suite_count == 0 ||
        !noise_public_from_private(site->public_key, config->private_key))
        return false;

    cookie_key_derive(&site->cookie_maker.own, site->public_key);
    site_random(site, random, 16);
    admission_init(&site->admission, random);
    site_random(site, random, 16);
    hosts_init(&site->hosts, random);
    site_random(site, random, 16);
    fdb_init(&site->remote_macs, site->remote_entry, REMOTE_MACS, random, MACS_PER_PEER);
    egress_init(&site->egress, &site->remote_macs, random, now_us);
    border_take_egress(site);
    site_deliver_begin(site);
    site_random(site, random, sizeof random);
    loop_init(&site->loop, site->public_key, config->hub, random, &site->lan.tap_mac, now_us);
    site->announce_next_us = NEVER;
    site->expire_next_us = now_us + EXPIRE_US;
    site->tell_next_us = UINT64_MAX;
    sodium_memzero(random, sizeof random);
    border_publish(site);
    return true;
}

/* All but the reassembly, which is large, mostly never touched, and holds no key. */
static void peer_clear(struct peer *peer)
{
    sodium_memzero(peer, offsetof(struct peer, reassembly));
    reassembly_reset(&peer->reassembly);
}

void site_wipe(struct site *site)
{
    /* Not the whole of it: that would make all of the sparse memory resident, to be zeroed. */
    for_each_peer(site, peer) peer_clear(peer);
    sodium_memzero(&site->egress, offsetof(struct egress, batch_bytes));
    sodium_memzero(site, offsetof(struct site, peer));
}

/* Those behind a peer first: a meeting point that was told goodbye passes nothing on. */
static void send_close(struct site *site, bool behind_a_peer)
{
    for_each_peer(site, peer) if ((peer->endpoint.via >= VIA_PEER) == behind_a_peer)
        peer_send_control(site, peer, CONTROL_CLOSE, NULL, 0);
    site_flush(site, site->now_us);
}

void site_close(struct site *site, uint64_t now_us)
{
    site->now_us = now_us;
    site_announce_end(site);
    send_close(site, true);
    send_close(site, false);
    site->closing = true;
}

void site_reserve_order(struct site *site, uint64_t limit)
{
    site->order_limit = limit;
    site->order_low_told = false;
}

/* ---- settings ---- */

static void begin_codel(struct site *site, struct peer *peer)
{
    uint8_t key[CODEL_KEY_BYTES];
    site_random(site, key, sizeof key);
    codel_init(&peer->codel, key);
    sodium_memzero(key, sizeof key);
}

static void peer_begin(struct site *site, struct peer *peer, const struct peer_config *config)
{
    peer_clear(peer);
    peer->used = true;
    peer->config = *config;
    if (config->has_key)
        cookie_key_derive(&peer->cookie_key, config->public_key);
    liveness_init(&peer->liveness, config->keepalive_us, site->config.timers.rekey_after_us,
                  site->config.timers.reject_after_us);
    peer->liveness.eager = config->joining;
    storm_init(&peer->storm_from_peer, site->now_us);
    begin_codel(site, peer);
    peer_paths_init(site, peer);
    peer_find_detours(site, peer);
    peer_mtu_set(site, peer);
}

static bool same_identity(const struct peer_config *a, const struct peer_config *b)
{
    return a->has_key == b->has_key && a->has_token == b->has_token && a->joining == b->joining &&
           sodium_memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0 &&
           sodium_memcmp(a->psk, b->psk, sizeof a->psk) == 0 &&
           (!a->has_token || (sodium_memcmp(a->token_id, b->token_id, sizeof a->token_id) == 0 &&
                              sodium_memcmp(a->token_psk, b->token_psk, sizeof a->token_psk) == 0));
}

bool site_set_peer(struct site *site, const struct peer_config *config, uint64_t now_us)
{
    struct peer *peer = site_find_peer(site, config->name);
    site->now_us = now_us;
    if (peer && same_identity(&peer->config, config)) {
        peer->config.keepalive_us = peer->liveness.keepalive_us = config->keepalive_us;
        /* The time left is told by a clock that may be set back: it never grows. */
        if (config->token_until_us < peer->config.token_until_us)
            peer->config.token_until_us = config->token_until_us;
        return true;
    }
    if (peer)
        site_remove_peer(site, config->name, now_us);
    for (peer = site->peer; peer < site->peer + SITE_PEERS_MAX; peer++)
        if (!peer->used) {
            peer_begin(site, peer, config);
            return true;
        }
    return false;
}

void site_remove_peer(struct site *site, const char *name, uint64_t now_us)
{
    struct peer *peer = site_find_peer(site, name);
    site->now_us = now_us;
    if (!peer)
        return;
    peer_send_control(site, peer, CONTROL_CLOSE, NULL, 0);
    peer_went_down(site, peer);
    peer_drop_all(peer);
    for (struct clash_entry *e = site->clash; e < site->clash + SITE_CLASHES_MAX; e++)
        if (strcmp(e->clash.peer, name) == 0)
            e->used = false;
    peer_clear(peer);
    border_publish_peer(site, peer);
    site_announce_changed(site);
}

void site_set_options(struct site *site, const struct site_config *config)
{
    take_options(&site->config, config);
    for_each_peer(site, peer)
    {
        liveness_set_timers(&peer->liveness, config->timers.rekey_after_us,
                            config->timers.reject_after_us);
        peer_mtu_set(site, peer);
    }
    loop_set_hub(&site->loop, config->hub, site->now_us);
    border_publish(site);
    site_tell_all(site);
    site_announce_changed(site);
}

void site_set_endpoints(struct site *site, const char *name, const struct endpoint *endpoints,
                        size_t count, uint64_t now_us)
{
    struct peer *peer = site_find_peer(site, name);
    struct candidate_list list = {0};
    site->now_us = now_us;
    if (!peer)
        return;
    for (size_t i = 0; i < count && i < PEER_ENDPOINTS_MAX; i++)
        candidate_add(&list,
                      &(struct candidate){.kind = CANDIDATE_CONFIGURED, .endpoint = endpoints[i]});
    bool changed = !candidate_list_equal(&list, &peer->configured);
    peer->configured = list;
    paths_set(&peer->paths, PATHS_CONFIGURED, &list, now_us);
    for (size_t i = 0; i < list.count; i++)
        paths_attest(&peer->paths, &list.item[i].endpoint.address);
    peer_find_detours(site, peer);
    if (changed && !peer->up && peer_callable(peer))
        liveness_call(&peer->liveness, now_us);
}

static void refresh_gateways(struct site *site)
{
    struct gateway_set gateways = site->lan.gateways;
    if (gateways.count == 0)
        gateway_learned(&site->gateway_learner, site->now_us, &gateways);
    if (memcmp(&gateways, &site->gateways, sizeof gateways) == 0)
        return;
    site->gateways = gateways;
    site_judge_clashes(site);
    site_tell_all(site);
}

/* Only when netlink knows no gateway: a bridge without addresses, or a box without a route. */
void site_learn_gateways(struct site *site, const struct packet *packet)
{
    if (gateway_learn(&site->gateway_learner, packet, site->now_us))
        refresh_gateways(site);
}

void site_set_lan(struct site *site, const struct site_lan *lan, uint64_t now_us)
{
    site->now_us = now_us;
    site->lan = *lan;
    loop_set_tap_mac(&site->loop, &lan->tap_mac);
    refresh_gateways(site);
    border_publish(site);
    site_judge_clashes(site);
    site_tell_all(site);
    site_announce_changed(site);
}

void site_network_changed(struct site *site, uint64_t now_us)
{
    site->now_us = now_us;
    for_each_peer(site, peer)
    {
        paths_restart(&peer->paths, now_us);
        if (peer->current) {
            liveness_prove(&peer->liveness, now_us);
            peer_mtu_doubt(site, peer);
        } else if (peer_callable(peer))
            liveness_call(&peer->liveness, now_us);
    }
}

void site_link_changed(struct site *site, uint64_t now_us)
{
    site->now_us = now_us;
    loop_link_changed(&site->loop, now_us);
}

/* ---- time ---- */

static void peer_tick(struct site *site, struct peer *peer)
{
    unsigned due = liveness_due(&peer->liveness, peer_callable(peer), site->now_us);
    if (due & LIVENESS_REJECT) {
        peer_drop_session(peer, &peer->previous);
        peer_drop_session(peer, &peer->current);
        peer_went_down(site, peer);
    }
    if (due & LIVENESS_DOWN)
        peer_went_down(site, peer);
    if (due & LIVENESS_PROBE) {
        if (peer->liveness.unanswered_probes > 0)
            paths_doubt(&peer->paths, site->now_us);
        peer_probe(site, peer);
    }
    if (due & LIVENESS_HANDSHAKE)
        peer_initiate(site, peer);
    peer_paths_tick(site, peer);
    peer_mtu_tick(site, peer);
}

/* Age out what has no deadline worth a timer of its own. */
static void expire(struct site *site)
{
    if (site->now_us < site->expire_next_us)
        return;
    site->expire_next_us = site->now_us + EXPIRE_US;
    for_each_peer(site, peer)
    {
        reassembly_expire(&peer->reassembly, site->now_us);
        site->counters.reassembly_expired += peer->reassembly.expired;
        peer->reassembly.expired = 0;
        if (peer->previous &&
            site->now_us - peer->previous->created_us >= peer->liveness.reject_after_us)
            peer_drop_session(peer, &peer->previous);
        if (peer->next && site->now_us - peer->next->created_us >= UNPROVED_US)
            peer_drop_session(peer, &peer->next);
    }
    if (site->lan.gateways.count == 0)
        refresh_gateways(site);
}

void site_tick(struct site *site, uint64_t now_us)
{
    site->now_us = now_us;
    if (site->closing)
        return;
    for_each_peer(site, peer) peer_tick(site, peer);
    site_loop_tick(site);
    site_announce_tick(site);
    site_tell_tick(site);
    site_candidates_tick(site);
    expire(site);
    site_flush(site, now_us);
}

static bool anybody_up(const struct site *site)
{
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++)
        if (p->used && p->up)
            return true;
    return false;
}

uint64_t site_deadline_us(const struct site *site)
{
    uint64_t at = site->announce_next_us;
    if (site->closing)
        return NEVER;
    if (anybody_up(site) && site->expire_next_us < at)
        at = site->expire_next_us;
    if (site->tell_next_us < at)
        at = site->tell_next_us;
    if (site->candidates_changed && site->candidates_next_us < at)
        at = site->candidates_next_us;
    if (loop_deadline_us(&site->loop) < at)
        at = loop_deadline_us(&site->loop);
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++) {
        if (!p->used)
            continue;
        uint64_t peer_at = liveness_deadline_us(&p->liveness, peer_callable(p));
        if (peer_at < at)
            at = peer_at;
        if (peer_mtu_deadline_us(p) < at)
            at = peer_mtu_deadline_us(p);
        if (peer_paths_deadline_us(p) < at)
            at = peer_paths_deadline_us(p);
    }
    return at;
}

void site_receive_frame(struct site *site, const uint8_t *offload, uint8_t *frame, size_t bytes,
                        uint64_t now_us)
{
    site->now_us = now_us;
    egress_receive_frame(&site->egress, offload, frame, bytes, now_us);
}

void site_flush(struct site *site, uint64_t now_us)
{
    site->now_us = now_us;
    site_deliver_flush(site);
    border_publish(site);
    if (site->orders)
        border_wake(site);
    else
        egress_flush(&site->egress, now_us);
}

void site_receive_from(struct site *site, const struct endpoint *from, uint8_t *datagram,
                       size_t bytes)
{
    site->from = *from;
    switch (datagram[0]) {
    case WIRE_DATA:
        site_receive_data(site, datagram, bytes);
        break;
    case WIRE_INITIATION:
    case WIRE_RESPONSE:
    case WIRE_COOKIE:
        site_receive_handshake(site, datagram, bytes);
        break;
    default:
        site->counters.malformed++;
        break;
    }
}

void site_receive_datagram(struct site *site, const struct endpoint *from, uint8_t *datagram,
                           size_t bytes, uint32_t waited_us, uint64_t now_us)
{
    site->now_us = now_us;
    site->waited_us = waited_us;
    if (bytes == 0 || site->closing)
        return;
    if (from->port == 0) { /* nobody could be answered there */
        site->counters.malformed++;
        return;
    }
    site_receive_from(site, from, datagram, bytes);
}

/* By which socket a relayed one's datagrams come is not known here: better none is dropped. */
void site_drained(struct site *site, enum ip_family family)
{
    for_each_peer(site, peer) if (peer->endpoint.via != VIA_DIRECT ||
                                  peer->endpoint.address.family == family)
        codel_emptied(&peer->codel);
}
