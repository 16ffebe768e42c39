/* SPDX-License-Identifier: MIT
 *
 * from_lan.c - a frame read from the TAP on its way to the peers.
 *
 * parse -> loop probe? -> learn -> guard -> class and storm limit -> look up -> (for each peer)
 * gateway rule -> MSS clamp -> pack -> (icmp-hint) tell its sender. What the frame teaches about
 * this LAN (MACs, live hosts, gateways) is learned even when the frame itself may not cross.
 */
#include "site/private.h"

#include "frame/mss.h"
#include "frame/ra.h"

/* What a loop echoes comes back at once; and a phone that was carried to the other home, or all
 * that a loop made us believe, is soon free. */
#define LIVES_HERE_US UINT64_C(10000000)

static void count_guard(struct site_counters *c, enum guard_word word)
{
    switch (word) {
    case GUARD_DHCP:
        c->guard_dhcp++;
        break;
    case GUARD_RA:
        c->guard_ra++;
        break;
    case GUARD_GATEWAY:
        c->guard_gateway++;
        break;
    case GUARD_HOSTS:
        c->guard_hosts++;
        break;
    case GUARD_QUERIER:
        c->guard_querier++;
        break;
    case GUARD_STP:
        c->guard_stp++;
        break;
    }
}

bool site_guard_blocks(struct site *site, const struct packet *packet,
                       enum guard_direction direction)
{
    enum guard_word word = guard_check(packet, site->config.guard, direction);
    if (word == 0)
        return false;
    count_guard(&site->counters, word);
    return true;
}

bool site_is_icmpv6(const struct packet *packet, uint8_t type)
{
    return packet->network == PACKET_IPV6 && packet->protocol == IP_PROTOCOL_ICMPV6 &&
           packet->transport_offset != 0 && packet->frame[packet->transport_offset] == type;
}

bool site_about_neighbors(const struct packet *packet)
{
    return packet->network == PACKET_ARP || site_is_icmpv6(packet, ND_NEIGHBOR_SOLICITATION) ||
           site_is_icmpv6(packet, ND_NEIGHBOR_ADVERTISEMENT);
}

bool site_lives_here(const struct site *site, const struct mac *mac)
{
    return fdb_seen_within(&site->local_macs, mac, ANY_VLAN, LIVES_HERE_US, site->now_us);
}

static void learn_local(struct site *site, const struct packet *packet)
{
    int peer = fdb_lookup(&site->remote_macs, &packet->source, packet->vlan_id, site->now_us);
    if (peer >= 0) {
        /* It lived behind a peer and now speaks here: it was carried over, or this is a loop. */
        fdb_forget(&site->remote_macs, &packet->source, packet->vlan_id);
        site_note_flap(site, &packet->source);
    }
    fdb_learn(&site->local_macs, &packet->source, ANY_VLAN, 0, site->now_us);
    hosts_learn(&site->hosts, packet, site->now_us);
    if (site->lan.gateways.count == 0)
        site_learn_gateways(site, packet);
}

/* Both ways and at both ends: the segments it asks for fit one datagram, and our LAN. */
void site_clamp_mss(struct site *site, const struct peer *peer, struct packet *packet)
{
    uint16_t bytes = peer_ip_packet_bytes(peer, packet), lan_bytes = site->lan.mtu_bytes;
    if (mss_clamp(packet, lan_bytes != 0 && lan_bytes < bytes ? lan_bytes : bytes))
        site->counters.mss_clamped++;
}

void site_forward_to_peer(struct site *site, struct peer *peer, struct packet *packet,
                          const struct offload *large)
{
    if (!peer->up || !peer_can_send(peer))
        return;
    if (loop_peer_shut(&site->loop, peer_number(site, peer))) {
        site->counters.loop_stopped++;
        return;
    }
    if ((site->config.guard & GUARD_GATEWAY) && site_about_neighbors(packet) &&
        gateway_blocks(packet, &site->gateways, &peer->remote.gateways, GUARD_FROM_LAN)) {
        site->counters.guard_gateway++;
        return;
    }
    site_clamp_mss(site, peer, packet);
    peer_send_packet(site, peer, packet, large);
}

bool site_is_for_routes(const struct site *site, const struct packet *packet)
{
    return site->config.ra_routes && (site->config.guard & GUARD_RA) &&
           site_is_icmpv6(packet, ND_ROUTER_ADVERTISEMENT);
}

bool site_cut_to_routes(struct site *site, struct packet *packet, uint8_t out[ROUTES_FRAME_BYTES])
{
    size_t bytes = ra_restrict(packet, &site->gateways, out, ROUTES_FRAME_BYTES);
    if (bytes != 0 && packet_parse(packet, out, bytes))
        return true;
    site->counters.guard_ra++;
    return false;
}

static void forward_routes_only(struct site *site, struct packet *packet)
{
    uint8_t frame[ROUTES_FRAME_BYTES];
    if (!site_cut_to_routes(site, packet, frame))
        return;
    for_each_peer(site, peer) site_forward_to_peer(site, peer, packet, NULL);
}

/* It is delivered all the same, in pieces: this only tells the sender what would be cheaper.
 * Not below what IPv6 promises, where there is nothing to choose. */
static void hint_too_big(struct site *site, const struct peer *peer, const struct packet *packet)
{
    uint8_t frame[TOO_BIG_FRAME_BYTES];
    if (!site->config.icmp_hint || !peer_can_send(peer) ||
        loop_peer_shut(&site->loop, peer_number(site, peer)))
        return;
    uint16_t mtu_bytes = peer_ip_packet_bytes(peer, packet);
    if (packet->network == PACKET_IPV6 && mtu_bytes <= IPV6_MTU_MIN_BYTES)
        return;
    size_t bytes = too_big_icmp(packet, mtu_bytes, frame);
    if (bytes == 0 || !too_big_allows(&site->icmp_limit, site->now_us))
        return;
    site->counters.icmp_hints++;
    site_deliver_frame(site, frame, bytes);
}

static void forward(struct site *site, struct packet *packet, const struct offload *large)
{
    if (!mac_is_group(&packet->destination)) {
        if (site_lives_here(site, &packet->destination))
            return; /* the bridge flooded it to us, but it lives here */
        int peer =
            fdb_lookup(&site->remote_macs, &packet->destination, packet->vlan_id, site->now_us);
        if (peer >= 0) {
            site_forward_to_peer(site, &site->peer[peer], packet, large);
            if (!large)
                hint_too_big(site, &site->peer[peer], packet);
            return;
        }
        if (!storm_allows_unknown(&site->storm_from_lan, packet->frame_bytes, site->now_us)) {
            site->counters.storm_dropped++;
            return;
        }
    }
    for_each_peer(site, peer) site_forward_to_peer(site, peer, packet, large);
}

bool site_class_passes(struct site *site, struct storm *storm, const struct packet *packet)
{
    enum multicast_class class = multicast_classify(packet);
    if (!multicast_crosses(class, site->config.multicast_all)) {
        site->counters.multicast_filtered++;
        return false;
    }
    bool allowed =
        class == CLASS_GROUP_OTHER
            ? storm_allows_group(storm, &packet->ip_destination, packet->frame_bytes, site->now_us)
            : storm_allows(storm, class, packet->frame_bytes, site->now_us);
    if (!allowed) {
        site->counters.storm_dropped++;
        return false;
    }
    return true;
}

void site_receive_frame(struct site *site, const uint8_t *offload, uint8_t *frame, size_t bytes,
                        uint64_t now_us)
{
    struct offload undone = {0};
    struct packet packet;
    site->now_us = now_us;
    if (!packet_parse(&packet, frame, bytes) ||
        (offload != NULL && !offload_read(&undone, offload, &packet))) {
        site->counters.malformed++;
        return;
    }
    packet.checksum_partial = undone.checksum_partial;
    if (loop_is_probe(&packet)) {
        site_receive_probe_frame(site, &packet, NULL);
        return;
    }
    if (loop_site_shut(&site->loop)) {
        site->counters.loop_stopped++;
        return;
    }
    learn_local(site, &packet);
    if (site_is_icmpv6(&packet, ND_ROUTER_SOLICITATION))
        site_announce_solicited(site);
    if (site_is_for_routes(site, &packet)) {
        forward_routes_only(site, &packet);
        return;
    }
    if (site_guard_blocks(site, &packet, GUARD_FROM_LAN) ||
        !site_class_passes(site, &site->storm_from_lan, &packet))
        return;
    forward(site, &packet, undone.gso == OFFLOAD_WHOLE ? NULL : &undone);
}
