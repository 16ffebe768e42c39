/* SPDX-License-Identifier: MIT
 *
 * looping.c - loop probes in and out of the site; frame/loop.c has the rules.
 */
#include "site/private.h"

#include <string.h>

static void report_loop(struct site *site, const struct loop_event *event)
{
    struct site_event out = {.shut_here = event->shut_here};
    switch (event->kind) {
    case LOOP_NONE:
        return;
    case LOOP_ON_LAN:
        out.kind = EVENT_LOOP_ON_LAN;
        break;
    case LOOP_THROUGH_PEER:
        out.kind = EVENT_LOOP_THROUGH_PEER;
        break;
    case LOOP_OVERLAY:
        out.kind = EVENT_LOOP_OVERLAY;
        break;
    case LOOP_REOPENED:
        out.kind = EVENT_LOOP_REOPENED;
        break;
    }
    if (event->port < SITE_PEERS_MAX && site->peer[event->port].used)
        out.peer = site->peer[event->port].config.name;
    site->ops.event(site->ops.context, &out);
    border_publish(site); /* what is shut may not get the rest of this turn's frames */
}

/* Straight to the peer: neither the guard nor a shut port stops a probe. */
static void send_probe(struct site *site, struct peer *peer, uint8_t probe[LOOP_PROBE_BYTES])
{
    if (peer->up && peer_can_send(peer))
        order_own_frame(site, peer, probe, loop_used_bytes(probe));
}

static void pass_probe(struct site *site, const uint8_t *stamped, const struct peer *from)
{
    uint8_t probe[LOOP_PROBE_BYTES];
    for_each_peer(site, peer)
    {
        if (peer == from)
            continue;
        loop_address(&site->loop, stamped, peer_number(site, peer), probe, site->now_us);
        send_probe(site, peer, probe);
    }
}

/* A peer left away what is zero: make the frame what it is on a LAN. */
static void make_whole(struct packet *packet, uint8_t room[LOOP_PROBE_BYTES])
{
    memset(room, 0, LOOP_PROBE_BYTES);
    memcpy(room, packet->frame, packet->frame_bytes);
    packet->frame = room;
    packet->frame_bytes = LOOP_PROBE_BYTES;
}

void site_receive_probe_frame(struct site *site, const struct packet *packet, struct peer *from)
{
    uint8_t room[LOOP_PROBE_BYTES], stamped[LOOP_PROBE_BYTES];
    size_t bytes = 0;
    bool to_lan = false;
    struct loop_event event = {.kind = LOOP_NONE};
    struct packet probe = *packet;

    if (from && probe.frame_bytes < LOOP_PROBE_BYTES)
        make_whole(&probe, room);
    enum loop_verdict verdict =
        loop_receive(&site->loop, &probe, from ? peer_number(site, from) : LOOP_LAN,
                     from ? from->config.public_key : NULL, stamped, sizeof stamped, &bytes,
                     &to_lan, &event, site->now_us);
    report_loop(site, &event);
    if (verdict == LOOP_CONSUME)
        return;
    if (from && to_lan) {
        /* Our own source and length: a peer's could teach the bridge where a local MAC lives not.
         */
        memcpy(probe.frame + 6, site->lan.tap_mac.octet, sizeof site->lan.tap_mac.octet);
        site_deliver_frame(site, probe.frame, LOOP_PROBE_BYTES);
    }
    if (bytes != 0 && (!from || site->config.hub))
        pass_probe(site, stamped, from);
}

void site_loop_tick(struct site *site)
{
    uint8_t probe[LOOP_PROBE_BYTES];
    struct loop_event event;

    for (;;) {
        event.kind = LOOP_NONE;
        loop_tick(&site->loop, site->now_us, &event);
        if (event.kind == LOOP_NONE)
            break;
        if (event.kind == LOOP_REOPENED && event.port == LOOP_LAN)
            order_forget_macs(site); /* learned while both homes were one */
        report_loop(site, &event);
    }
    if (!loop_due(&site->loop, site->now_us))
        return;
    size_t bytes = loop_build(&site->loop, LOOP_LAN, probe, sizeof probe, site->now_us);
    if (bytes != 0)
        site_deliver_frame(site, probe, bytes);
    for_each_peer(site, peer)
    {
        if (loop_build(&site->loop, peer_number(site, peer), probe, sizeof probe, site->now_us))
            send_probe(site, peer, probe);
    }
    loop_sent(&site->loop, site->now_us);
}

void site_note_flap(struct site *site, const struct mac *mac)
{
    loop_hint(&site->loop, site->now_us);
    if (flap_notice(&site->flap, mac, site->now_us)) {
        struct site_event event = {.kind = EVENT_MAC_FLAPS, .mac = *mac};
        site->ops.event(site->ops.context, &event);
    }
}
