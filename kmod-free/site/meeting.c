/* SPDX-License-Identifier: MIT
 *
 * meeting.c - a site as the meeting point of its peers, and peers met through one.
 *
 * Two sites that cannot reach each other may have a peer in common. What one wants to send the
 * other, an initiation or any sealed datagram, it hands to that peer inside its own session with it
 * (CONTROL_RELAY, with the id of whom it is for), and that peer hands it on (CONTROL_RELAYED, with
 * the id of whom it is from), if it knows both. It cannot read it. With each handshake it passes
 * on, and now and then besides, it tells where it sees the sender by IPv4 and by IPv6
 * (CONTROL_SEEN): so two ends of NATs learn each other's mapping, and a hole may be punched.
 *
 * Without relay-for-peers it passes on as much as a meeting takes, some datagrams a second: enough
 * for handshakes, candidates and checks. What was passed on is not passed on again.
 */
#include "site/private.h"

#include "rate.h"
#include "tunnel/endpoint.h"

#include <string.h>

enum {
    MEETING_BURST = 40,              /* datagrams of one peer */
    MEETING_PER_SECOND = 8,          /* after that */
    NEWS_BURST = 2 * SITE_PEERS_MAX, /* places where others are seen, of one peer */
    STRANGE_MAX = 2,                 /* of these at one address that nobody has proved, ... */
};

#define MEETING_EACH_US (UINT64_C(1000000) / MEETING_PER_SECOND)
#define SEEN_EACH_US    UINT64_C(5000000)
#define NEWS_EACH_US    UINT64_C(2500000)
#define STRANGE_US      UINT64_C(300000000) /* ... in this time */

static struct peer *find_by_id(struct site *site, const uint8_t id[SITE_ID_BYTES])
{
    for_each_peer(site, peer) if (peer->config.has_key && memcmp(peer->config.public_key, id,
                                                                 SITE_ID_BYTES) == 0) return peer;
    return NULL;
}

/* ---- at the meeting point ---- */

static bool may_pass(const struct site *site, struct peer *from)
{
    return site->config.relay_for_peers ||
           rate_admits(&from->meeting_us, MEETING_EACH_US, MEETING_BURST, site->now_us);
}

/* With each handshake; and now and then, for the sender's NAT may be another one today. */
static bool is_to_be_told(const struct site *site, const struct peer *from, uint8_t type)
{
    return type != WIRE_DATA || !endpoint_equal(&from->endpoint, &from->seen_told) ||
           site->now_us - from->seen_told_us >= SEEN_EACH_US;
}

static void tell_seen_at(struct site *site, struct peer *to, const struct peer *of,
                         enum ip_family family)
{
    uint8_t value[SITE_ID_BYTES + ENDPOINT_BYTES_MAX];
    const struct endpoint *at = paths_seen_at(&of->paths, family);
    if (!at)
        return;
    memcpy(value, of->config.public_key, SITE_ID_BYTES);
    size_t bytes = endpoint_encode(at, value + SITE_ID_BYTES);
    peer_send_control(site, to, CONTROL_SEEN, value, SITE_ID_BYTES + bytes);
}

/* By both families, whichever we use: @to may have the other one only, and knows from nobody else
 * that the sender really is there. */
static void tell_seen(struct site *site, struct peer *to, struct peer *of)
{
    tell_seen_at(site, to, of, IP_V4);
    tell_seen_at(site, to, of, IP_V6);
    of->seen_told = of->endpoint;
    of->seen_told_us = site->now_us;
}

void peer_receive_relay(struct site *site, struct peer *from, uint8_t *value, size_t bytes)
{
    if (bytes < SITE_ID_BYTES + DATA_HEADER_BYTES || value[SITE_ID_BYTES] < WIRE_INITIATION) {
        site->counters.malformed++;
        return;
    }
    struct peer *to = find_by_id(site, value);
    if (!to || to == from || !from->config.has_key || !peer_can_send(to) ||
        to->endpoint.via >= VIA_PEER || site->from.via >= VIA_PEER || !may_pass(site, from)) {
        site->counters.relay_dropped++;
        return;
    }
    site->counters.relayed++;
    if (is_to_be_told(site, from, value[SITE_ID_BYTES]))
        tell_seen(site, to, from);
    order_relay(site, to, CONTROL_RELAYED, from->config.public_key, value + SITE_ID_BYTES,
                bytes - SITE_ID_BYTES);
}

/* ---- at its peers ---- */

void peer_send_relay(struct site *site, const struct endpoint *to, const uint8_t *datagram,
                     size_t bytes)
{
    struct peer *carrier = &site->peer[carrier_number(to)];
    uint8_t copy[INITIATION_BYTES]; /* an order's body may be changed */
    if (!carrier->used || !peer_can_send(carrier) || bytes > sizeof copy)
        return;
    memcpy(copy, datagram, bytes);
    order_relay(site, carrier, CONTROL_RELAY, to->address.octet, copy, bytes);
}

void peer_receive_relayed(struct site *site, struct peer *carrier, uint8_t *value, size_t bytes)
{
    struct endpoint from = {.address.family = IP_SITE,
                            .via = (uint8_t)(VIA_PEER + peer_number(site, carrier))};
    struct endpoint before = site->from;
    if (bytes <= SITE_ID_BYTES || before.via >= VIA_PEER) {
        site->counters.malformed++;
        return;
    }
    memcpy(from.address.octet, value, SITE_ID_BYTES);
    site_receive_from(site, &from, value + SITE_ID_BYTES, bytes - SITE_ID_BYTES);
    site->from = before;
}

void peer_news_init(struct site *site, struct peer *peer)
{
    uint64_t seed;
    site_random(site, &seed, sizeof seed);
    attestation_init(&peer->strange, seed, STRANGE_MAX, STRANGE_US);
}

/* Homes may share an IPv4 address, behind one NAT, but not the network of an IPv6 address: a
 * stranger's, with all the addresses in it, counts as one. */
static struct ip_address home_of(struct ip_address address)
{
    if (address.family == IP_V6)
        memset(address.octet + 8, 0, 8);
    return address;
}

/* What one peer says of all others must not aim us at a stranger, nor at one after the other. */
static bool believes(struct site *site, struct peer *from, const struct peer *of,
                     const struct ip_address *at)
{
    struct ip_address home = home_of(*at);
    return rate_admits(&from->news_us, NEWS_EACH_US, NEWS_BURST, site->now_us) &&
           (paths_attested(&of->paths, at) ||
            attestation_take(&from->strange, &home, site->now_us));
}

/* The meeting point is ours, by configuration: its word is good enough to look there, with the few
 * datagrams that paths.h allows. But not about itself. */
void peer_receive_seen(struct site *site, struct peer *from, const uint8_t *value, size_t bytes)
{
    struct candidate seen = {.kind = CANDIDATE_REFLEXIVE};
    if (bytes <= SITE_ID_BYTES ||
        endpoint_decode(&seen.endpoint, value + SITE_ID_BYTES, bytes - SITE_ID_BYTES) == 0) {
        site->counters.malformed++;
        return;
    }
    struct peer *peer = find_by_id(site, value);
    if (!peer || peer == from || !candidate_usable(&seen))
        return;
    struct endpoint *known = &peer->met_at[seen.endpoint.address.family == IP_V6];
    if (!endpoint_equal(known, &seen.endpoint) &&
        !believes(site, from, peer, &seen.endpoint.address))
        return;
    *known = seen.endpoint;
    peer_find_detours(site, peer);
}
