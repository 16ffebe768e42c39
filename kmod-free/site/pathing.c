/* SPDX-License-Identifier: MIT
 *
 * pathing.c - by which way a peer is reached: what tunnel/paths.h decides, sent and answered.
 *
 * A check is a control message in a datagram of its own, on the current session, by the path in
 * question; the answer goes back to where the check came from, and says where that was: so each
 * end learns by what addresses it is seen, without a STUN server, and tells its other peers. What a
 * peer says of itself (CONTROL_CANDIDATES) counts whether it came in a session, in a reply line or
 * by a rendezvous. Until a session goes straight to the peer it is said again and again.
 *
 * Before there is a session, initiations go to all candidates. An end that may only wait, because
 * its token is out, punches instead: a STUN indication, which nobody answers, opens its own NAT for
 * the initiation that will come from there. With a session punches into a port set are checks: the
 * one that meets the port is answered, and has the peer check this way at once.
 */
#include "site/private.h"

#include "bytes.h"
#include "tunnel/endpoint.h"
#include "tunnel/stun.h"

#include <string.h>

enum {
    CHECK_BYTES = 8,
    TURN_PATHS_MAX = 4, /* through each of our TURN relays */
};

#define TELL_AGAIN_US UINT64_C(5000000)
#define TELL_EACH_US  UINT64_C(1000000) /* to all */
#define PUNCH_EACH_US UINT64_C(1000000)

/* ---- the selection ---- */

/* A meeting point that passes on only what peers need to meet has no place for frames. */
bool peer_carries_frames(const struct site *site, const struct peer *peer)
{
    const struct peer *carrier = &site->peer[carrier_number(&peer->endpoint)];
    return peer->endpoint.via < VIA_PEER ||
           (carrier->used && carrier->up && carrier->remote.relays);
}

void peer_paths_init(struct site *site, struct peer *peer)
{
    uint64_t seed;
    site_random(site, &seed, sizeof seed);
    paths_init(&peer->paths, seed);
    peer_news_init(site, peer);
}

/* What the paths have selected is where the peer is. */
static void follow_path(struct site *site, struct peer *peer)
{
    const struct endpoint *selected = paths_selected(&peer->paths);
    if (selected && peer->current)
        peer_move_endpoint(site, peer, selected);
    if (peer->up && !peer_carries_frames(site, peer))
        peer_went_down(site, peer);
}

void peer_path_proved(struct site *site, struct peer *peer)
{
    paths_proved(&peer->paths, &site->from, site->now_us);
    follow_path(site, peer);
}

void peer_path_received(struct site *site, struct peer *peer, bool moves)
{
    if (paths_received(&peer->paths, &site->from, moves, site->now_us))
        follow_path(site, peer);
}

bool peer_has_target(const struct peer *peer)
{
    return peer->paths.count != 0 || peer->endpoint.address.family != IP_NONE;
}

size_t peer_targets(struct site *site, struct peer *peer, struct endpoint out[PATHS_MAX])
{
    size_t count = paths_targets(&peer->paths, out, PATHS_MAX, site->now_us);
    if (peer->paths.count == 0 && peer->endpoint.address.family != IP_NONE)
        out[count++] = peer->endpoint;
    return count;
}

/* ---- checks ---- */

static void send_check(struct site *site, struct peer *peer, const struct path_check *check)
{
    uint8_t body[1 + CHECK_BYTES] = {CONTROL_CHECK};
    store_be64(body + 1, check->value);
    order_check(site, peer, &check->to, body, sizeof body);
}

void peer_receive_check(struct site *site, struct peer *peer, const uint8_t *value, size_t bytes)
{
    uint8_t body[1 + CHECK_BYTES + ENDPOINT_BYTES_MAX] = {CONTROL_CHECK_REPLY};
    if (bytes != CHECK_BYTES || !peer_can_send(peer))
        return;
    memcpy(body + 1, value, CHECK_BYTES);
    size_t more = endpoint_encode(&site->from, body + 1 + CHECK_BYTES);
    order_check(site, peer, &site->from, body, 1 + CHECK_BYTES + more);
}

/* How this peer sees us, others may, too. */
static void note_seen_as(struct site *site, struct peer *peer, const struct endpoint *seen_as)
{
    struct endpoint *known = &peer->seen_as[seen_as->address.family == IP_V6];
    if (seen_as->address.family == IP_NONE || site->from.via != VIA_DIRECT ||
        endpoint_equal(known, seen_as))
        return;
    if (known->address.family == IP_V4) /* port sets are IPv4's */
        for_each_peer(site, p) paths_spray_again(&p->paths);
    *known = *seen_as;
    site->candidates_changed = true;
    site_report(site, EVENT_SEEN_AS, peer);
}

static void take_rtt(struct peer *peer)
{
    int64_t rtt_us = paths_srtt_us(&peer->paths);
    if (rtt_us >= 0)
        codel_set_rtt(&peer->codel, (uint64_t)rtt_us);
}

void peer_receive_check_reply(struct site *site, struct peer *peer, const uint8_t *value,
                              size_t bytes)
{
    struct endpoint seen_as;
    if (bytes < CHECK_BYTES ||
        endpoint_decode(&seen_as, value + CHECK_BYTES, bytes - CHECK_BYTES) == 0) {
        site->counters.malformed++;
        return;
    }
    if (paths_answered(&peer->paths, &site->from, load_be64(value), &seen_as, site->now_us))
        note_seen_as(site, peer, &seen_as);
    follow_path(site, peer);
    take_rtt(peer);
    peer_came_up(site, peer); /* by this path it may carry frames */
}

/* ---- candidates ---- */

static void add_seen(struct candidate_list *list, const struct endpoint *seen_as)
{
    struct candidate c = {.kind = CANDIDATE_REFLEXIVE, .endpoint = *seen_as};
    if (seen_as->address.family != IP_NONE && candidate_usable(&c))
        candidate_add(list, &c);
}

/* What this site knows of itself, and how its other peers see it. */
static void compose_candidates(const struct site *site, const struct peer *to,
                               struct candidate_list *out)
{
    *out = site->own_candidates;
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++)
        for (unsigned i = 0; p->used && p != to && p->current && i < 2; i++)
            add_seen(out, &p->seen_as[i]);
}

void peer_tell_candidates(struct site *site, struct peer *peer)
{
    uint8_t value[CANDIDATES_MAX_BYTES];
    struct candidate_list list;
    peer->tell_candidates_us = site->now_us + TELL_AGAIN_US;
    if (!peer_can_send(peer) || peer->current->enrolling)
        return;
    compose_candidates(site, peer, &list);
    size_t bytes = candidate_encode(&list, value, sizeof value);
    if (bytes != 0)
        peer_send_control(site, peer, CONTROL_CANDIDATES, value, bytes);
}

/* The other home has the same subnets: what is sent there would go through the tunnel itself. */
static bool is_inside(const struct site *site, const struct ip_address *address)
{
    for (unsigned i = 0; i < site->lan.prefix_count; i++)
        if (ip_prefix_contains(&site->lan.prefix[i], address))
            return true;
    return false;
}

static void meetings_changed(struct site *site, struct peer *peer);

static void take_candidates(struct site *site, struct peer *peer, const struct candidate_list *list)
{
    peer->told_candidates.count = 0;
    for (unsigned i = 0; i < list->count; i++)
        if (!is_inside(site, &list->item[i].endpoint.address))
            candidate_add(&peer->told_candidates, &list->item[i]);
    paths_set(&peer->paths, PATHS_TOLD, &peer->told_candidates, site->now_us);
    meetings_changed(site, peer);
}

void peer_receive_candidates(struct site *site, struct peer *peer, const uint8_t *value,
                             size_t bytes)
{
    struct candidate_list list;
    if (candidate_decode(&list, value, bytes))
        take_candidates(site, peer, &list);
    else
        site->counters.malformed++;
}

void site_take_candidates(struct site *site, const char *name, const struct candidate_list *list,
                          uint64_t now_us)
{
    struct peer *peer = site_find_peer(site, name);
    site->now_us = now_us;
    if (!peer || peer->current) /* in a session it speaks for itself */
        return;
    take_candidates(site, peer, list);
    if (peer_callable(peer))
        liveness_call(&peer->liveness, now_us);
}

void site_set_own_candidates(struct site *site, const struct candidate_list *list, uint64_t now_us)
{
    site->now_us = now_us;
    site->own_candidates = *list;
    site->candidates_changed = true;
}

void site_set_turn(struct site *site, unsigned v4, unsigned v6, uint64_t now_us)
{
    site->now_us = now_us;
    if (site->turn_v4 == v4 && site->turn_v6 == v6)
        return;
    site->turn_v4 = (uint8_t)v4;
    site->turn_v6 = (uint8_t)v6;
    site_meetings_changed(site);
}

/* ---- by way of others ---- */

static void add_through(const struct site *site, const struct peer *peer, bool relaying,
                        struct candidate_list *list)
{
    struct candidate c = {.kind = CANDIDATE_THROUGH_PEER, .endpoint.address.family = IP_SITE};
    memcpy(c.endpoint.address.octet, peer->config.public_key, SITE_ID_BYTES);
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++) {
        if (!p->used || p == peer || !p->up || p->endpoint.via >= VIA_PEER ||
            p->remote.relays != relaying)
            continue;
        c.endpoint.via = (uint8_t)(VIA_PEER + peer_number(site, p));
        candidate_add(list, &c);
    }
}

static void add_turn(const struct site *site, const struct candidate_list *theirs,
                     struct candidate_list *list)
{
    for (unsigned relay = 0; relay < VIA_TURNS; relay++) {
        unsigned added = 0;
        for (unsigned i = 0; i < theirs->count && added < TURN_PATHS_MAX; i++) {
            struct candidate c = theirs->item[i];
            bool v6 = c.endpoint.address.family == IP_V6;
            if (((v6 ? site->turn_v6 : site->turn_v4) >> relay & 1) == 0 ||
                c.kind == CANDIDATE_PORT_SET || ip_is_private(&c.endpoint.address))
                continue;
            c.kind = CANDIDATE_RELAYED;
            c.endpoint.via = (uint8_t)(VIA_TURN + relay);
            candidate_add(list, &c);
            added++;
        }
    }
}

void peer_find_detours(struct site *site, struct peer *peer)
{
    struct candidate_list list = {0};
    for (unsigned i = 0; i < 2; i++)
        if (!is_inside(site, &peer->met_at[i].address))
            add_seen(&list, &peer->met_at[i]);
    if (peer->config.has_key)
        add_through(site, peer, true, &list);
    if (peer->config.has_key && !peer->up) /* only to meet */
        add_through(site, peer, false, &list);
    add_turn(site, &peer->configured, &list);
    add_turn(site, &peer->told_candidates, &list);
    paths_set(&peer->paths, PATHS_MEETING, &list, site->now_us);
}

static void meetings_changed(struct site *site, struct peer *peer)
{
    bool was_callable = peer_callable(peer);
    peer_find_detours(site, peer);
    if (!peer->current && !was_callable && peer_callable(peer))
        liveness_call(&peer->liveness, site->now_us);
    follow_path(site, peer);
    peer_came_up(site, peer);
}

void site_meetings_changed(struct site *site)
{
    for_each_peer(site, peer) meetings_changed(site, peer);
}

/* ---- holes ---- */

/* RFC 8489 s.2: an indication is not answered; any NAT lets it out. */
static void punch(struct site *site, const struct endpoint *to)
{
    uint8_t transaction[STUN_TRANSACTION_BYTES], datagram[STUN_HEADER_BYTES];
    struct stun_writer writer;
    site_random(site, transaction, sizeof transaction);
    stun_begin(&writer, datagram, sizeof datagram, STUN_BINDING, STUN_INDICATION, transaction);
    size_t bytes = stun_end(&writer);
    site_transmit_now(site, to, datagram, bytes);
    site->counters.punches++;
}

/* No path awaits an answer to the value 0: the one that comes shows a path that nobody named. */
static void punch_into_set(struct site *site, struct peer *peer, const struct endpoint *to)
{
    if (!peer_can_send(peer)) {
        punch(site, to);
        return;
    }
    send_check(site, peer, &(struct path_check){*to, 0});
    site->counters.punches++;
}

static bool only_waits(const struct peer *peer)
{
    return !peer->current && !peer_callable(peer) && peer->paths.count != 0;
}

static void punch_tick(struct site *site, struct peer *peer)
{
    struct endpoint to[PATHS_MAX];
    while (paths_spray(&peer->paths, site->now_us, &to[0]))
        punch_into_set(site, peer, &to[0]);
    if (!only_waits(peer) || site->now_us < peer->punch_next_us)
        return;
    peer->punch_next_us = site->now_us + PUNCH_EACH_US;
    size_t count = paths_targets(&peer->paths, to, PATHS_MAX, site->now_us);
    for (size_t i = 0; i < count; i++)
        if (to[i].via == VIA_DIRECT)
            punch(site, &to[i]);
}

/* ---- time ---- */

static bool tells_again(const struct peer *peer)
{
    return peer_can_send(peer) && peer->endpoint.via != VIA_DIRECT;
}

void peer_paths_tick(struct site *site, struct peer *peer)
{
    struct path_check check;
    punch_tick(site, peer);
    if (!peer_can_send(peer))
        return;
    while (paths_due(&peer->paths, site->now_us, &check))
        send_check(site, peer, &check);
    follow_path(site, peer);
    if (tells_again(peer) && site->now_us >= peer->tell_candidates_us)
        peer_tell_candidates(site, peer);
    peer->liveness.keepalive_us = paths_keepalive_us(&peer->paths, peer->config.keepalive_us);
}

uint64_t peer_paths_deadline_us(const struct peer *peer)
{
    uint64_t at = paths_spray_deadline_us(&peer->paths);
    if (only_waits(peer) && peer->punch_next_us < at)
        at = peer->punch_next_us;
    if (peer_can_send(peer) && paths_deadline_us(&peer->paths) < at)
        at = paths_deadline_us(&peer->paths);
    if (tells_again(peer) && peer->tell_candidates_us < at)
        at = peer->tell_candidates_us;
    return at;
}

void site_candidates_tick(struct site *site)
{
    if (!site->candidates_changed || site->now_us < site->candidates_next_us)
        return;
    site->candidates_changed = false;
    site->candidates_next_us = site->now_us + TELL_EACH_US;
    for_each_peer(site, peer) peer_tell_candidates(site, peer);
}
