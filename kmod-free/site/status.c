/* SPDX-License-Identifier: MIT
 *
 * status.c - a site for people who look: nothing here changes anything.
 */
#include "site/private.h"

#include <string.h>

const struct site_counters *site_counters(const struct site *site)
{
    return &site->counters;
}

size_t site_peer_count(const struct site *site)
{
    size_t count = 0;
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++)
        count += p->used;
    return count;
}

static enum peer_state state_of(const struct peer *peer)
{
    if (peer->up)
        return PEER_UP;
    return peer_callable(peer) ? PEER_CONNECTING : PEER_DOWN;
}

static void fill_status(const struct site *site, const struct peer *peer, uint64_t now_us,
                        struct peer_status *out)
{
    int64_t rtt_us = paths_srtt_us(&peer->paths);
    memset(out, 0, sizeof *out);
    memcpy(out->name, peer->config.name, sizeof out->name);
    out->state = state_of(peer);
    out->invited = peer_awaits_enrolment(peer) && !peer->config.has_key;
    out->joining = peer->config.joining;
    out->shut = loop_peer_shut(&site->loop, peer_number(site, peer));
    out->endpoint = peer->endpoint;
    out->keepalive_us = peer->liveness.keepalive_us;
    out->rtt_ms = rtt_us < 0 ? -1.0 : (double)rtt_us / 1000.0;
    out->path_mtu_bytes = peer_mtu(peer)->mtu_bytes;
    peer_mtu_status(peer, IP_V4, now_us, &out->path_v4);
    peer_mtu_status(peer, IP_V6, now_us, &out->path_v6);
    peer_mtu_status(peer, IP_SITE, now_us, &out->path_relay);
    out->path_count = paths_info(&peer->paths, now_us, out->path, PATHS_MAX);
    out->suite = peer->current ? peer->current->suite : SUITE_NONE;
    out->handshake_age_us = peer->handshaked ? now_us - peer->handshake_us : UINT64_MAX;
    out->tx_frames = peer->tx_frames;
    out->rx_frames = peer->rx_frames;
    out->tx_bytes = peer->tx_bytes;
    out->rx_bytes = peer->rx_bytes;
    out->lost = peer->lost_before + (peer->current ? session_lost(peer->current) : 0) +
                (peer->previous ? session_lost(peer->previous) : 0);
    out->macs = fdb_count(&site->remote_macs, peer_number(site, peer), now_us);
    out->remote = peer->remote;
}

bool site_find_status(const struct site *site, const char *name, uint64_t now_us,
                      struct peer_status *out)
{
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++)
        if (p->used && strcmp(p->config.name, name) == 0) {
            fill_status(site, p, now_us, out);
            return true;
        }
    return false;
}

void site_peer_status(const struct site *site, size_t n, uint64_t now_us, struct peer_status *out)
{
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++) {
        if (!p->used)
            continue;
        if (n-- == 0) {
            fill_status(site, p, now_us, out);
            return;
        }
    }
    memset(out, 0, sizeof *out);
}

struct endpoint site_seen_as(const struct site *site, enum ip_family family)
{
    for (const struct peer *p = site->peer; p < site->peer + SITE_PEERS_MAX; p++)
        if (p->used && p->up && p->seen_as[family == IP_V6].address.family != IP_NONE)
            return p->seen_as[family == IP_V6];
    return (struct endpoint){0};
}

bool site_port_shut(const struct site *site)
{
    return loop_site_shut(&site->loop);
}

const char *site_carrier_name(const struct site *site, const struct endpoint *path,
                              char out[SITE_NAME_MAX + 1])
{
    memset(out, 0, SITE_NAME_MAX + 1);
    if (path->via >= VIA_PEER)
        memcpy(out, site->peer[carrier_number(path)].config.name, SITE_NAME_MAX + 1);
    return out;
}

void site_public_key(const struct site *site, uint8_t out[PUBLIC_KEY_BYTES])
{
    memcpy(out, site->public_key, PUBLIC_KEY_BYTES);
}
