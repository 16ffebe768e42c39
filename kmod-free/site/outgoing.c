/* SPDX-License-Identifier: MIT
 *
 * outgoing.c - from frames to sealed datagrams.
 *
 * Each peer with something to say fills one slot of the batch. A slot is sealed when the next
 * chunk does not fit or at site_flush(), and then waits for its fellows, so that the shell sends
 * many with one call. Slots are taken in order and never given back before the whole batch has
 * been sent: the order on the wire is the order of the counters.
 */
#include "site/private.h"

#include "bytes.h"
#include "frame/segment.h"

#include <string.h>

enum { CONTROL_VALUE_MAX = 1000 };

size_t peer_outer_header_bytes(const struct peer *peer)
{
    bool v6 = peer->endpoint.address.family == IP_V6;
    return (size_t)(v6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES) + UDP_HEADER_BYTES;
}

/* The payload that fills an outer packet of @outer_packet_bytes. */
static size_t payload_bytes(const struct peer *peer, uint16_t outer_packet_bytes)
{
    return outer_packet_bytes - peer_outer_header_bytes(peer) - DATA_HEADER_BYTES -
           aead_tag_bytes(peer->current->suite);
}

static size_t peer_payload_bytes(const struct peer *peer)
{
    return payload_bytes(peer, path_mtu_usable_bytes(peer_path(peer)));
}

/* The largest IP packet that, in a frame like @packet's, still travels in one datagram. */
uint16_t peer_ip_packet_bytes(const struct peer *peer, const struct packet *packet)
{
    size_t payload = payload_bytes(peer, peer_path(peer)->mtu_bytes);
    return (uint16_t)(chunk_body_max(payload) - packet->network_offset);
}

bool peer_can_send(const struct peer *peer)
{
    return peer->current != NULL && peer->endpoint.address.family != IP_NONE;
}

static void batch_transmit(struct site *site)
{
    struct datagram datagrams[BATCH_DATAGRAMS];
    size_t count = 0;
    for (size_t i = 0; i < site->batch_count; i++) {
        const struct batch_slot *slot = &site->batch[i];
        if (slot->bytes != 0)
            datagrams[count++] = (struct datagram){slot->to, slot->data, slot->bytes, slot->probe};
    }
    if (count != 0)
        site->ops.transmit(site->ops.context, datagrams, count);
    site->batch_count = 0;
    site->batch_used_bytes = 0;
}

void peer_release_batch(struct site *site, struct peer *peer)
{
    struct batch_slot *slot = peer->packing;
    if (!slot)
        return;
    slot->to = peer->endpoint;
    slot->bytes = session_seal(peer->current, slot->data, peer->packer.used);
    peer->packing = NULL;
    peer->tx_bytes += slot->bytes;
    liveness_sent(&peer->liveness, site->now_us);
    peer_path_sent(site, peer, slot->bytes);
}

static void batch_release(struct site *site)
{
    for_each_peer(site, peer) peer_release_batch(site, peer);
    batch_transmit(site);
}

static void batch_begin(struct site *site, struct peer *peer, uint16_t outer_packet_bytes)
{
    size_t payload = payload_bytes(peer, outer_packet_bytes);
    if (site->batch_count == BATCH_DATAGRAMS)
        batch_release(site);
    peer->packing = &site->batch[site->batch_count++];
    peer->packing->bytes = 0;
    peer->packing->probe = false;
    peer->packing->data = site->batch_bytes + site->batch_used_bytes;
    site->batch_used_bytes += outer_packet_bytes;
    packer_init(&peer->packer, peer->packing->data + DATA_HEADER_BYTES, payload);
}

/* A packer with room for a chunk of @body_bytes, which must fit an empty one. */
static struct packer *peer_packer(struct site *site, struct peer *peer, size_t body_bytes)
{
    if (peer->packing && packer_room(&peer->packer) < body_bytes)
        peer_release_batch(site, peer);
    if (!peer->packing)
        batch_begin(site, peer, path_mtu_usable_bytes(peer_path(peer)));
    return &peer->packer;
}

static void send_in_pieces(struct site *site, struct peer *peer, unsigned pieces,
                           const uint8_t *frame, size_t bytes)
{
    uint16_t id = peer->fragment_id++;
    size_t offset = 0;

    for (unsigned left = pieces; left > 0; left--) {
        size_t piece = (bytes - offset + left - 1) / left;
        packer_add_fragment(peer_packer(site, peer, FRAGMENT_HEADER_BYTES + piece), id,
                            (uint16_t)offset, (uint16_t)bytes, frame + offset, piece);
        offset += piece;
    }
    site->counters.fragmented++;
}

void peer_send_frame(struct site *site, struct peer *peer, const uint8_t *frame, size_t bytes)
{
    size_t room = peer_payload_bytes(peer);
    if (bytes <= chunk_body_max(room)) {
        packer_add(peer_packer(site, peer, bytes), CHUNK_FRAME, false, frame, bytes);
    } else {
        unsigned pieces = fragment_plan(bytes, room);
        if (pieces == 0) {
            site->counters.too_large++;
            return;
        }
        send_in_pieces(site, peer, pieces, frame, bytes);
    }
    peer->tx_frames++;
}

static bool takes_partial(const struct peer *peer)
{
    return (peer->current->remote_features & FEATURE_CHECKSUM_PARTIAL) != 0;
}

/* A UDP datagram larger than one of ours: its boundaries are its own, so it goes in pieces. */
static void send_large_segment(struct site *site, struct peer *peer, struct segmenter *segmenter)
{
    uint8_t frame[REASSEMBLY_FRAME_MAX_BYTES];
    peer_send_frame(site, peer, frame, segment_next(segmenter, frame));
}

static void send_segments(struct site *site, struct peer *peer, const struct packet *packet,
                          const struct offload *large)
{
    size_t room = chunk_body_max(peer_payload_bytes(peer)), bytes;
    struct segmenter segmenter;
    bool partial = takes_partial(peer);
    bool ready = segment_begin(&segmenter, packet, large, room, partial);

    if (ready && segment_frame_bytes(&segmenter) > room) {
        partial = false; /* pieces have no place for the mark */
        ready = segment_begin(&segmenter, packet, large, room, partial);
    }
    if (!ready || segment_frame_bytes(&segmenter) > REASSEMBLY_FRAME_MAX_BYTES) {
        site->counters.too_large++;
        return;
    }
    while ((bytes = segment_next_bytes(&segmenter)) != 0) {
        if (bytes > room) {
            send_large_segment(site, peer, &segmenter);
            continue;
        }
        struct packer *packer = peer_packer(site, peer, bytes);
        segment_next(&segmenter, packer_reserve(packer, CHUNK_FRAME, partial, bytes));
        peer->tx_frames++;
    }
}

static void send_whole(struct site *site, struct peer *peer, struct packet *packet)
{
    size_t bytes = packet->frame_bytes;
    if (!takes_partial(peer) || bytes > chunk_body_max(peer_payload_bytes(peer)))
        site_finish_checksum(packet);
    if (!packet->checksum_partial) {
        peer_send_frame(site, peer, packet->frame, bytes);
        return;
    }
    packer_add(peer_packer(site, peer, bytes), CHUNK_FRAME, true, packet->frame, bytes);
    peer->tx_frames++;
}

void peer_send_packet(struct site *site, struct peer *peer, struct packet *packet,
                      const struct offload *large)
{
    if (large)
        send_segments(site, peer, packet, large);
    else
        send_whole(site, peer, packet);
}

void peer_send_control(struct site *site, struct peer *peer, enum control_type type,
                       const uint8_t *value, size_t bytes)
{
    uint8_t body[1 + CONTROL_VALUE_MAX];
    if (!peer_can_send(peer) || bytes > CONTROL_VALUE_MAX)
        return;
    body[0] = (uint8_t)type;
    if (bytes != 0)
        memcpy(body + 1, value, bytes);
    packer_add(peer_packer(site, peer, 1 + bytes), CHUNK_CONTROL, false, body, 1 + bytes);
}

void peer_send_control_alone(struct site *site, struct peer *peer, enum control_type type,
                             const uint8_t *value, size_t bytes)
{
    peer_release_batch(site, peer);
    peer_send_control(site, peer, type, value, bytes);
    peer_release_batch(site, peer);
}

void peer_send_padded_probe(struct site *site, struct peer *peer, uint64_t value,
                            uint16_t outer_packet_bytes)
{
    uint8_t body[1 + sizeof value] = {CONTROL_PROBE};
    store_be64(body + 1, value);
    peer_release_batch(site, peer);
    batch_begin(site, peer, outer_packet_bytes);
    peer->packing->probe = true;
    packer_add(&peer->packer, CHUNK_CONTROL, false, body, sizeof body);
    packer_pad(&peer->packer);
    peer_release_batch(site, peer);
}

void site_transmit_now(struct site *site, const struct endpoint *to, const uint8_t *datagram,
                       size_t bytes)
{
    struct datagram one = {.to = *to, .data = datagram, .bytes = bytes};
    site->ops.transmit(site->ops.context, &one, 1);
}

void site_flush(struct site *site, uint64_t now_us)
{
    site->now_us = now_us;
    site_deliver_flush(site);
    batch_release(site);
}
