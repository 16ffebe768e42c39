/* SPDX-License-Identifier: MIT
 *
 * from_lan.c - a frame read from the TAP on its way to the peers. See egress.h.
 *
 * parse -> loop probe? -> learn -> guard -> class and storm limit -> look up -> (for each peer)
 * gateway rule -> MSS clamp -> pack -> (icmp-hint) tell its sender. What the frame teaches about
 * this LAN (MACs, live hosts, gateways) is learned even when the frame itself may not cross.
 */
#include "site/border.h"

#include "frame/loop.h"

enum { BOOTP_SERVER_PORT = 67 };

void egress_init(struct egress *egress, const struct fdb *remote_macs,
                 const uint8_t hash_key[FDB_HASH_KEY_BYTES], uint64_t now_us)
{
    egress->remote_macs = remote_macs;
    fdb_init(&egress->local_macs, egress->local_entry, LOCAL_MACS, hash_key, LOCAL_MACS);
    storm_init(&egress->storm, now_us);
}

bool egress_lives_here(const struct egress *egress, const struct mac *mac, uint64_t now_us)
{
    return fdb_seen_within(&egress->local_macs, mac, ANY_VLAN, LIVES_HERE_US, now_us);
}

/* What live hosts, gateways and router solicitations are learned from. */
static bool teaches(const struct packet *packet)
{
    if (packet->network == PACKET_ARP ||
        (packet->network == PACKET_IPV6 && packet->protocol == IP_PROTOCOL_ICMPV6))
        return true;
    return (packet->network == PACKET_IPV4 || packet->network == PACKET_IPV6) &&
           packet->protocol == IP_PROTOCOL_UDP &&
           (mac_is_group(&packet->destination) ||
            (packet->transport_offset != 0 && packet->source_port == BOOTP_SERVER_PORT));
}

static void learn(struct egress *egress, struct packet *packet)
{
    /* It lived behind a peer and now speaks here: it was carried over, or this is a loop. */
    if (fdb_lookup(egress->remote_macs, &packet->source, packet->vlan_id, egress->now_us) >= 0)
        note_came_home(egress, &packet->source, packet->vlan_id);
    fdb_learn(&egress->local_macs, &packet->source, ANY_VLAN, 0, egress->now_us);
    if (teaches(packet))
        note_frame(egress, packet);
}

/* @last: it goes to no other */
static void forward_to_peer(struct egress *egress, struct egress_peer *peer, struct packet *packet,
                            const struct offload *large, bool last)
{
    if (!peer->path.up || !egress_can_send(peer))
        return;
    if (peer->path.shut) {
        egress->counters->loop_stopped++;
        return;
    }
    if ((egress->rules.guard & GUARD_GATEWAY) && judge_about_neighbors(packet) &&
        gateway_blocks(packet, &egress->rules.gateways, &peer->path.gateways, GUARD_FROM_LAN)) {
        egress->counters->guard_gateway++;
        return;
    }
    judge_clamp_mss(&egress->rules, packet, egress_ip_packet_bytes(peer, packet), egress->counters);
    egress_send_packet(egress, peer, packet, large, last);
}

void egress_forward(struct egress *egress, uint32_t peers, struct packet *packet,
                    const struct offload *large)
{
    for (unsigned n = 0; n < SITE_PEERS_MAX; n++)
        if (peers & EGRESS_PEER(n))
            forward_to_peer(egress, &egress->peer[n], packet, large, false);
}

/* It is delivered all the same, in pieces: this only tells the sender what would be cheaper.
 * Not below what IPv6 promises, where there is nothing to choose. */
static void hint_too_big(struct egress *egress, const struct egress_peer *peer,
                         const struct packet *packet)
{
    uint8_t frame[TOO_BIG_FRAME_BYTES];
    if (!egress->rules.icmp_hint || !egress_can_send(peer) || peer->path.shut)
        return;
    uint16_t mtu_bytes = egress_ip_packet_bytes(peer, packet);
    if (packet->network == PACKET_IPV6 && mtu_bytes <= IPV6_MTU_MIN_BYTES)
        return;
    size_t bytes = too_big_icmp(packet, mtu_bytes, frame);
    if (bytes == 0 || !too_big_allows(&egress->icmp_limit, egress->now_us))
        return;
    egress->counters->icmp_hints++;
    struct slice whole = {frame, bytes};
    egress->ops.deliver(egress->ops.context, NULL, &whole, 1);
}

static void forward_routes_only(struct egress *egress, struct packet *packet)
{
    uint8_t frame[ROUTES_FRAME_BYTES];
    if (judge_cut_to_routes(&egress->rules, packet, frame, egress->counters))
        egress_forward(egress, EGRESS_ALL_PEERS, packet, NULL);
}

static void forward(struct egress *egress, struct packet *packet, const struct offload *large)
{
    if (!mac_is_group(&packet->destination)) {
        if (egress_lives_here(egress, &packet->destination, egress->now_us))
            return; /* the bridge flooded it to us, but it lives here */
        int n =
            fdb_lookup(egress->remote_macs, &packet->destination, packet->vlan_id, egress->now_us);
        if (n >= 0) {
            forward_to_peer(egress, &egress->peer[n], packet, large, true);
            if (!large)
                hint_too_big(egress, &egress->peer[n], packet);
            return;
        }
        if (!storm_allows_unknown(&egress->storm, packet->frame_bytes, egress->now_us)) {
            egress->counters->storm_dropped++;
            return;
        }
    }
    egress_forward(egress, EGRESS_ALL_PEERS, packet, large);
}

void egress_receive_frame(struct egress *egress, const uint8_t *offload, uint8_t *frame,
                          size_t bytes, uint64_t now_us)
{
    struct offload undone = {0};
    struct packet packet;
    egress->now_us = now_us;
    if (!packet_parse(&packet, frame, bytes) ||
        (offload != NULL && !offload_read(&undone, offload, &packet))) {
        egress->counters->malformed++;
        return;
    }
    packet.checksum_partial = undone.checksum_partial;
    if (loop_is_probe(&packet)) {
        note_frame(egress, &packet);
        return;
    }
    if (egress->site_shut) {
        egress->counters->loop_stopped++;
        return;
    }
    learn(egress, &packet);
    if (judge_is_for_routes(&egress->rules, &packet)) {
        forward_routes_only(egress, &packet);
        return;
    }
    if (judge_guard(&egress->rules, &packet, GUARD_FROM_LAN, egress->counters) ||
        !judge_class(&egress->rules, &egress->storm, &packet, now_us, egress->counters))
        return;
    forward(egress, &packet, undone.gso == OFFLOAD_WHOLE ? NULL : &undone);
}
