/* SPDX-License-Identifier: MIT
 *
 * probing.c - a peer's path MTU: what tunnel/path_mtu.h decides, sent and answered.
 *
 * A probe is an ordinary CONTROL_PROBE in a datagram of its own, padded to the size in question;
 * its answer is small. So each end measures the path that its own datagrams take, and the answers
 * need no size. The control beside a round's probes is a small probe. Each travels alone: packed
 * with LAN frames it would share the fate of a large datagram.
 *
 * Per address family there is one search, and one for relays, which carry less; that of the
 * endpoint in use runs, the others' last result is kept for people to look at.
 */
#include "site/private.h"

#include "bytes.h"

enum { OVER_V4, OVER_V6, RELAYED };

static unsigned mtu_kind(const struct peer *peer)
{
    if (peer->endpoint.via != VIA_DIRECT)
        return RELAYED;
    return peer->endpoint.address.family == IP_V6 ? OVER_V6 : OVER_V4;
}

static struct path_mtu *mtu_of(struct peer *peer)
{
    return &peer->mtu[mtu_kind(peer)];
}

const struct path_mtu *peer_mtu(const struct peer *peer)
{
    return &peer->mtu[mtu_kind(peer)];
}

void peer_mtu_set(const struct site *site, struct peer *peer)
{
    /* A size that is set is for the network outside: what a relay adds is not known. */
    for (unsigned i = 0; i < MTU_KINDS; i++)
        path_mtu_set(&peer->mtu[i], i == RELAYED ? 0 : site->config.outer_packet_bytes,
                     site->config.timers.raise_after_us);
    if (peer->up && peer_mtu(peer)->state == PATH_MTU_STOPPED)
        peer_mtu_begin(site, peer);
}

void peer_mtu_begin(const struct site *site, struct peer *peer)
{
    peer_mtu_stop(peer);
    path_mtu_begin(mtu_of(peer),
                   mtu_kind(peer) == RELAYED ? IP_SITE
                                             : (enum ip_family)peer->endpoint.address.family,
                   site->now_us);
}

void peer_mtu_stop(struct peer *peer)
{
    for (unsigned i = 0; i < MTU_KINDS; i++)
        path_mtu_stop(&peer->mtu[i]);
}

void peer_mtu_doubt(const struct site *site, struct peer *peer)
{
    path_mtu_hint(mtu_of(peer), 0, true, site->now_us);
}

void peer_mtu_tick(struct site *site, struct peer *peer)
{
    struct path_mtu_probe probe[PATH_MTU_SIZES_MAX];
    struct path_mtu *mtu = mtu_of(peer);
    uint64_t black_holes = mtu->black_holes;

    if (!peer->up || !peer_can_send(peer))
        return;
    unsigned count = path_mtu_due(mtu, paths_srtt_us(&peer->paths), site->now_us, probe);
    for (unsigned i = 0; i < count; i++)
        order_probe(site, peer, probe[i].value, probe[i].bytes);
    if (count != 0)
        peer_probe(site, peer);
    site->counters.mtu_probes += count;
    site->counters.mtu_black_holes += mtu->black_holes - black_holes;
}

uint64_t peer_mtu_deadline_us(const struct peer *peer)
{
    return peer->up && peer_can_send(peer) ? path_mtu_deadline_us(peer_mtu(peer)) : UINT64_MAX;
}

void peer_probe_answered(const struct site *site, struct peer *peer, const uint8_t *value)
{
    uint64_t v = load_be64(value);
    if (path_mtu_is_probe(v))
        path_mtu_answered(mtu_of(peer), v, site->now_us);
    else
        path_mtu_control(mtu_of(peer), v, site->now_us);
}

void peer_mtu_sent(struct peer *peer, uint16_t outer_bytes, uint64_t now_us)
{
    path_mtu_sent(mtu_of(peer), outer_bytes, now_us);
}

void site_path_hint(struct site *site, const struct endpoint *to, uint16_t mtu_bytes,
                    bool by_kernel, uint64_t now_us)
{
    site->now_us = now_us;
    for_each_peer(site, peer)
    {
        const struct endpoint *at = &peer->endpoint;
        if (at->via != VIA_DIRECT || !ip_equal(&at->address, &to->address) ||
            (to->port != 0 && to->port != at->port))
            continue;
        site->counters.path_hints++;
        path_mtu_hint(mtu_of(peer), mtu_bytes, by_kernel, now_us);
    }
}

void peer_mtu_status(const struct peer *peer, enum ip_family family, uint64_t now_us,
                     struct path_status *out)
{
    unsigned kind = family == IP_SITE ? RELAYED : family == IP_V6 ? OVER_V6 : OVER_V4;
    const struct path_mtu *mtu = &peer->mtu[kind];
    *out = (struct path_status){
        .known = mtu->proved || (peer->up && mtu == peer_mtu(peer)),
        .mtu_bytes = mtu->mtu_bytes,
        .state = (enum path_mtu_state)mtu->state,
        .limit = (enum path_mtu_limit)mtu->limit,
        .told_bytes = mtu->told_bytes,
        .proved_age_us = mtu->proved ? now_us - mtu->proved_us : UINT64_MAX,
    };
}
