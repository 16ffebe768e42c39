/* SPDX-License-Identifier: MIT
 *
 * from_peer.c - a datagram from a peer on its way to the TAP or, on a hub, to other peers.
 *
 * open -> replay -> chunks -> reassemble -> (a standing queue: one less) -> parse -> loop probe? ->
 * source check -> guard, gateway and host rules -> class and storm limit -> learn source -> TTL
 * repair -> MSS clamp -> (too large for this LAN: cut, or tell its sender) -> deliver. The LAN
 * wins: whatever a peer sends that contradicts what lives here is dropped and counted.
 */
#include "site/private.h"

#include "bytes.h"
#include "frame/ttl.h"

static bool is_gateway_mac(const struct site *site, const struct mac *mac)
{
    for (unsigned i = 0; i < site->gateways.count; i++)
        if (mac_equal(&site->gateways.gateway[i].mac, mac))
            return true;
    return false;
}

/* A source that lives here cannot come from a peer: a loop, or somebody pretending. */
static bool source_is_local(const struct site *site, const struct packet *packet)
{
    const struct mac *source = &packet->source;
    return mac_equal(source, &site->lan.tap_mac) || mac_equal(source, &site->lan.bridge_mac) ||
           is_gateway_mac(site, source) || egress_lives_here(&site->egress, source, site->now_us);
}

static bool neighbor_rules_block(struct site *site, struct peer *peer, const struct packet *packet)
{
    struct hosts_clash clash;
    if (!judge_about_neighbors(packet))
        return false;
    if ((site->config.guard & GUARD_GATEWAY) &&
        gateway_blocks(packet, &site->gateways, &peer->remote.gateways, GUARD_FROM_PEER)) {
        site->counters.guard_gateway++;
        return true;
    }
    if ((site->config.guard & GUARD_HOSTS) &&
        hosts_blocks(&site->hosts, packet, site->lan.own, site->lan.own_count,
                     &site->lan.bridge_mac, site->now_us, &clash)) {
        site->counters.guard_hosts++;
        site_note_clash(site, peer, CLASH_HOST, &clash.address, &clash.local, &clash.remote);
        return true;
    }
    return false;
}

void site_learn_frame(struct site *site, const struct packet *packet)
{
    hosts_learn(&site->hosts, packet, site->now_us);
    if (site->lan.gateways.count == 0)
        site_learn_gateways(site, packet);
    if (judge_is_icmpv6(packet, ND_ROUTER_SOLICITATION))
        site_announce_solicited(site);
}

static bool learn_remote(struct site *site, struct peer *peer, const struct packet *packet)
{
    switch (fdb_learn(&site->remote_macs, &packet->source, packet->vlan_id, peer_number(site, peer),
                      site->now_us)) {
    case FDB_FULL:
        site->counters.macs_capped++;
        return false;
    case FDB_MOVED:
        site_note_flap(site, &packet->source);
        break;
    case FDB_NEW:
        order_forget_mac(site, &packet->source);
        break;
    case FDB_KNOWN:
        break;
    }
    return true;
}

static void repair_ttl(struct site *site, struct packet *packet)
{
    switch (ttl_repair(packet, site->config.ttl_repair)) {
    case TTL_REPAIRED_MDNS:
        site->counters.ttl_repaired_mdns++;
        break;
    case TTL_REPAIRED_SSDP:
        site->counters.ttl_repaired_ssdp++;
        break;
    case TTL_UNTOUCHED:
        break;
    }
}

static bool exceeds_lan(const struct site *site, const struct packet *packet)
{
    return site->lan.mtu_bytes != 0 &&
           packet->frame_bytes - packet->network_offset > site->lan.mtu_bytes;
}

static bool has_spoken_here(const struct site *site, const struct mac *mac)
{
    return mac_equal(mac, &site->lan.bridge_mac) ||
           fdb_lookup(&site->egress.local_macs, mac, ANY_VLAN, site->now_us) >= 0;
}

/* Only in the name of who lives here. What was flooded, because nobody knew whose it is, may be for
 * a host of the sender's own home: that answer would teach its bridge that the host is behind the
 * tunnel. */
static void tell_too_big(struct site *site, struct peer *sender, const struct packet *packet)
{
    uint8_t frame[TOO_BIG_FRAME_BYTES];
    if (!has_spoken_here(site, &packet->destination))
        return;
    size_t bytes = too_big_icmp(packet, site->lan.mtu_bytes, frame);
    if (bytes == 0 || !peer_can_send(sender) || !too_big_allows(&site->icmp_limit, site->now_us))
        return;
    site->counters.icmp_hints++;
    order_own_frame(site, sender, frame, bytes);
}

/* A port of the LAN with a smaller MTU would lose it without a word. So what may be cut is cut,
 * and the sender of what may not is told, as a router in this place would do; it is delivered all
 * the same, for it may live behind one of the other ports. */
static void deliver_large(struct site *site, struct peer *from, struct packet *packet)
{
    uint8_t piece[REASSEMBLY_FRAME_MAX_BYTES];
    struct too_big_cutter cutter;
    size_t bytes;

    site->counters.lan_too_large++;
    site_deliver_flush(site); /* it may follow a smaller one of its flow */
    judge_finish_checksum(packet);
    if (too_big_cut(&cutter, packet, site->lan.mtu_bytes)) {
        while ((bytes = too_big_next(&cutter, piece, sizeof piece)) != 0)
            site_deliver_frame(site, piece, bytes);
        return;
    }
    tell_too_big(site, from, packet);
    site_deliver_frame(site, packet->frame, packet->frame_bytes);
}

static void deliver_to_lan(struct site *site, struct peer *from, struct packet *packet, bool lasts)
{
    if (exceeds_lan(site, packet))
        deliver_large(site, from, packet);
    else
        site_deliver_packet(site, from, packet, lasts);
}

/* The answer goes back this way. */
static void clamp_mss(struct site *site, const struct peer *from, struct packet *packet)
{
    if (!peer_can_send(from))
        return;
    uint16_t bytes = judge_ip_packet_bytes((enum ip_family)from->endpoint.address.family,
                                           from->current->suite, peer_mtu(from)->mtu_bytes, packet);
    judge_clamp_mss(&site->rules, packet, bytes, &site->counters);
}

static void flood_to_peers(struct site *site, struct peer *from, struct packet *packet)
{
    if (!mac_is_group(&packet->destination) &&
        !storm_allows_unknown(&from->storm_from_peer, packet->frame_bytes, site->now_us)) {
        site->counters.storm_dropped++;
        return;
    }
    /* One of them may not take a partial one, and the frame is the same for all, and for the LAN.
     */
    judge_finish_checksum(packet);
    order_forward(site, EGRESS_ALL_PEERS & ~EGRESS_PEER(peer_number(site, from)), packet);
}

/* While its port is shut a hub goes on between its peers, who may know each other no other way. */
static void deliver(struct site *site, struct peer *from, struct packet *packet, bool lasts)
{
    int port = -1;
    clamp_mss(site, from, packet);
    if (!mac_is_group(&packet->destination))
        port = fdb_lookup(&site->remote_macs, &packet->destination, packet->vlan_id, site->now_us);
    if (port >= 0) {
        /* Behind a peer: the LAN has no use for it. Split horizon unless we are a hub. */
        if (site->config.hub && &site->peer[port] != from)
            order_forward(site, EGRESS_PEER(port), packet);
        return;
    }
    bool shut = loop_site_shut(&site->loop);
    if (site->config.hub &&
        (shut || !egress_lives_here(&site->egress, &packet->destination, site->now_us))) {
        flood_to_peers(site, from, packet);
        lasts = false; /* what is joined to a held frame goes to the LAN only */
    }
    if (!shut)
        deliver_to_lan(site, from, packet, lasts);
}

/* @lasts: the frame's memory stays until site_flush() */
static void receive_frame(struct site *site, struct peer *peer, uint8_t *frame, size_t bytes,
                          bool checksum_partial, bool lasts)
{
    uint8_t routes[ROUTES_FRAME_BYTES];
    struct packet packet;
    if (!packet_parse(&packet, frame, bytes) || mac_is_group(&packet.source) ||
        (checksum_partial && !offload_possible(&packet))) {
        site->counters.malformed++;
        return;
    }
    packet.checksum_partial = checksum_partial;
    if (loop_is_probe(&packet)) {
        site_receive_probe_frame(site, &packet, peer);
        return;
    }
    bool port_shut = loop_site_shut(&site->loop);
    if ((port_shut && !site->config.hub) || loop_peer_shut(&site->loop, peer_number(site, peer))) {
        site->counters.loop_stopped++;
        return;
    }
    if (!port_shut && source_is_local(site, &packet)) {
        site->counters.guard_source++;
        site_note_flap(site, &packet.source);
        return;
    }
    if (judge_is_for_routes(&site->rules, &packet)) {
        if (!judge_cut_to_routes(&site->rules, &packet, routes, &site->counters))
            return;
    } else if (judge_guard(&site->rules, &packet, GUARD_FROM_PEER, &site->counters)) {
        return;
    }
    if (neighbor_rules_block(site, peer, &packet) ||
        !judge_class(&site->rules, &peer->storm_from_peer, &packet, site->now_us,
                     &site->counters) ||
        !learn_remote(site, peer, &packet))
        return;
    repair_ttl(site, &packet);
    peer->rx_frames++;
    deliver(site, peer, &packet, lasts && packet.frame == frame);
}

/* Return: whether the frame goes on. @standing: its datagram waited long */
static bool passes_queue(struct site *site, struct peer *peer, uint8_t *frame, size_t bytes,
                         bool standing)
{
    if (!standing)
        return true;
    switch (codel_judge(&peer->codel, frame, bytes, site->waited_us, site->now_us)) {
    case CODEL_DROP:
        site->counters.queue_dropped++;
        return false;
    case CODEL_MARK:
        site->counters.queue_marked++;
        codel_mark(frame, bytes);
        break;
    case CODEL_PASS:
        break;
    }
    return true;
}

static void receive_fragment(struct site *site, struct peer *peer, uint32_t session,
                             const struct chunk *chunk, bool standing)
{
    uint16_t id, offset, total;
    const uint8_t *data;
    uint8_t *frame;
    size_t bytes, frame_bytes;

    if (!fragment_parse(chunk, &id, &offset, &total, &data, &bytes)) {
        site->counters.malformed++;
        return;
    }
    switch (reassembly_add(&peer->reassembly, session, id, offset, total, data, bytes, site->now_us,
                           &frame, &frame_bytes)) {
    case REASSEMBLY_COMPLETE:
        site->counters.reassembled++;
        if (passes_queue(site, peer, frame, frame_bytes, standing))
            receive_frame(site, peer, frame, frame_bytes, false, false);
        break;
    case REASSEMBLY_DISCARDED:
        site->counters.reassembly_discarded++;
        break;
    case REASSEMBLY_PENDING:
        break;
    }
}

static void receive_whole(struct site *site, struct peer *peer, const struct chunk *chunk,
                          bool standing)
{
    if (!passes_queue(site, peer, chunk->body, chunk->bytes, standing))
        return;
    if (site_deliver_next(site, peer, chunk->body, chunk->bytes, chunk->checksum_partial))
        peer->rx_frames++;
    else
        receive_frame(site, peer, chunk->body, chunk->bytes, chunk->checksum_partial, true);
}

/* Probes and checks are answered each in a datagram of its own: only the first of a datagram is. */
static bool is_repeated_probe(const struct chunk *chunk, bool *probed)
{
    if (chunk->kind != CHUNK_CONTROL ||
        (chunk->body[0] != CONTROL_PROBE && chunk->body[0] != CONTROL_CHECK))
        return false;
    bool again = *probed;
    *probed = true;
    return again;
}

/* True when a LAN frame, or a piece of one, was inside. */
static bool receive_chunks(struct site *site, struct peer *peer, uint32_t session, uint8_t *payload,
                           size_t bytes)
{
    struct chunk_reader reader;
    struct chunk chunk;
    enum chunk_read result;
    bool frames = false, probed = false;
    bool standing = codel_standing(&peer->codel, site->waited_us);

    chunk_reader_init(&reader, payload, bytes);
    /* A close ends the payload, too: nothing may follow on a session that is gone. */
    while ((result = chunk_next(&reader, &chunk)) == CHUNK_READ_ONE) {
        if (!peer->current)
            break;
        if (is_repeated_probe(&chunk, &probed))
            continue;
        if (chunk.kind == CHUNK_FRAME)
            receive_whole(site, peer, &chunk, standing);
        else if (chunk.kind == CHUNK_FRAGMENT)
            receive_fragment(site, peer, session, &chunk, standing);
        else if (chunk.kind == CHUNK_CONTROL)
            site_receive_control(site, peer, session, chunk.body, chunk.bytes);
        frames = frames || chunk.kind == CHUNK_FRAME || chunk.kind == CHUNK_FRAGMENT;
    }
    if (result == CHUNK_READ_MALFORMED)
        site->counters.malformed++;
    return frames;
}

static bool open_datagram(struct site *site, struct session *session, uint8_t *datagram,
                          size_t bytes, size_t *payload_bytes, bool *newest)
{
    switch (session_open(session, datagram, bytes, payload_bytes, newest)) {
    case SESSION_OPENED:
        return true;
    case SESSION_REPLAYED:
        site->counters.replay_dropped++;
        return false;
    case SESSION_FORGED:
        site->counters.auth_failed++;
        return false;
    }
    return false;
}

/* A check, or its answer, travels alone and says nothing of where its sender wants to be reached.
 */
static bool is_check(const uint8_t *payload, size_t bytes)
{
    if (bytes <= CHUNK_HEADER_BYTES || load_be16(payload) >> CHUNK_KIND_SHIFT != CHUNK_CONTROL)
        return false;
    uint8_t type = payload[CHUNK_HEADER_BYTES];
    return type == CONTROL_CHECK || type == CONTROL_CHECK_REPLY;
}

void site_receive_data(struct site *site, uint8_t *datagram, size_t bytes)
{
    struct peer *peer;
    size_t payload_bytes;
    bool newest;

    if (bytes < DATA_HEADER_BYTES || (load_be32(datagram) & 0xffffff) != 0) {
        site->counters.malformed++;
        return;
    }
    struct session *session = site_find_session(site, load_be32(datagram + 4), &peer);
    if (!session || session == peer->initiating ||
        site->now_us - session->created_us >= peer->liveness.reject_after_us) {
        site->counters.unknown_index++;
        return;
    }
    if (!open_datagram(site, session, datagram, bytes, &payload_bytes, &newest))
        return;
    if (session == peer->next && !peer_prove_next(site, peer))
        return;
    uint8_t *payload = datagram + DATA_HEADER_BYTES;
    bool moves = newest && session == peer->current && !is_check(payload, payload_bytes);
    peer_path_received(site, peer, moves);
    peer_finish_joining(site, peer, session);
    peer->rx_bytes += bytes;
    liveness_received(&peer->liveness, false, site->now_us);
    peer_came_up(site, peer);
    /* A control message may end the session. */
    uint32_t index = session->local_index;
    if (receive_chunks(site, peer, index, payload, payload_bytes) && peer->current)
        liveness_received(&peer->liveness, true, site->now_us);
}
