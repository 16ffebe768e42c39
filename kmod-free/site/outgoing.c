/* SPDX-License-Identifier: MIT
 *
 * outgoing.c - from frames to sealed datagrams. See egress.h.
 */
#include "site/border.h"

#include "bytes.h"
#include "frame/segment.h"
#include "tunnel/reassembly.h"

#include <string.h>

enum { ETHER_FRAME_MIN_BYTES = 60 }; /* less room than this in a datagram is no room */

static enum ip_family family_of(const struct egress_peer *peer)
{
    return (enum ip_family)peer->path.to.address.family;
}

static size_t usable_payload_bytes(const struct egress_peer *peer)
{
    return data_payload_bytes(family_of(peer), peer->sealer.key.suite, peer->path.usable_bytes);
}

uint16_t egress_ip_packet_bytes(const struct egress_peer *peer, const struct packet *packet)
{
    return judge_ip_packet_bytes(family_of(peer), peer->sealer.key.suite, peer->path.mtu_bytes,
                                 packet);
}

bool egress_can_send(const struct egress_peer *peer)
{
    return peer->sealer.key.suite != SUITE_NONE && family_of(peer) != IP_NONE;
}

/* ---- the batch ---- */

static void batch_transmit(struct egress *egress)
{
    struct datagram datagrams[BATCH_DATAGRAMS];
    size_t count = 0;
    for (size_t i = 0; i < egress->batch_count; i++) {
        const struct batch_slot *slot = &egress->batch[i];
        if (slot->bytes != 0)
            datagrams[count++] = (struct datagram){slot->to, slot->data, slot->bytes, slot->probe};
    }
    if (count != 0)
        egress->ops.transmit(egress->ops.context, datagrams, count);
    egress->batch_count = egress->batch_used_bytes = 0;
    egress->batch_kept = egress->batch_kept_bytes = 0;
}

static bool through_a_peer(const struct endpoint *to)
{
    return to->via >= VIA_PEER;
}

/* A sealed datagram leaves its slot, which stays empty, for one of the peer that passes it on. If
 * more is needed for that than was kept the batch is sent, and its memory used again: hence the
 * copy. */
static void hand_over(struct egress *egress, const struct batch_slot *slot,
                      const struct endpoint *to, size_t bytes)
{
    struct egress_peer *carrier = &egress->peer[carrier_number(to)];
    uint8_t datagram[OUTER_PACKET_MAX_BYTES];
    memcpy(datagram, slot->data, bytes);
    egress_relay(egress, carrier, CONTROL_RELAY, to->address.octet, datagram, bytes);
}

/* A slot whose datagram is complete. */
static void finish_slot_to(struct egress *egress, struct egress_peer *peer,
                           const struct endpoint *to, size_t bytes)
{
    struct batch_slot *slot = peer->packing;
    bool asks = peer->sent.asks;
    peer->packing = NULL;
    note_sent(egress, peer, bytes, bytes + outer_header_bytes((enum ip_family)to->address.family));
    if (slot->kept_bytes != 0) {
        egress->batch_kept--;
        egress->batch_kept_bytes -= slot->kept_bytes;
    }
    if (through_a_peer(to)) {
        egress->peer[carrier_number(to)].sent.asks |= asks;
        hand_over(egress, slot, to, bytes);
        return;
    }
    slot->to = *to;
    slot->bytes = bytes;
}

static void finish_slot(struct egress *egress, struct egress_peer *peer, size_t bytes)
{
    finish_slot_to(egress, peer, &peer->path.to, bytes);
}

void egress_release(struct egress *egress, struct egress_peer *peer)
{
    if (peer->packing)
        finish_slot(egress, peer,
                    sealer_seal(&peer->sealer, peer->packing->data, peer->packer.used));
}

/* What goes through a peer first: it fills that one's datagram. */
static void batch_release(struct egress *egress)
{
    for (struct egress_peer *p = egress->peer; p < egress->peer + SITE_PEERS_MAX; p++)
        if (through_a_peer(&p->path.to))
            egress_release(egress, p);
    for (struct egress_peer *p = egress->peer; p < egress->peer + SITE_PEERS_MAX; p++)
        egress_release(egress, p);
    batch_transmit(egress);
}

static bool batch_has_room(const struct egress *egress, size_t slots, size_t bytes)
{
    return egress->batch_count + egress->batch_kept + slots <= BATCH_DATAGRAMS &&
           egress->batch_used_bytes + egress->batch_kept_bytes + bytes <= BATCH_BYTES;
}

/* What a peer passes on needs room twice. It is kept from the beginning, so that the batch is never
 * full when it is released: else each of those that are being passed on would release the rest. */
static void batch_begin(struct egress *egress, struct egress_peer *peer, const struct endpoint *to,
                        uint16_t outer_packet_bytes)
{
    size_t payload =
        data_payload_bytes(family_of(peer), peer->sealer.key.suite, outer_packet_bytes);
    uint16_t kept_bytes =
        through_a_peer(to) ? egress->peer[carrier_number(to)].path.usable_bytes : 0;
    size_t kept = kept_bytes != 0 ? 1 : 0;
    if (!batch_has_room(egress, 1 + kept, (size_t)outer_packet_bytes + kept_bytes))
        batch_release(egress);
    peer->packing = &egress->batch[egress->batch_count++];
    *peer->packing = (struct batch_slot){.data = egress->batch_bytes + egress->batch_used_bytes,
                                         .kept_bytes = kept_bytes};
    egress->batch_used_bytes += outer_packet_bytes;
    egress->batch_kept += kept;
    egress->batch_kept_bytes += kept_bytes;
    packer_init(&peer->packer, peer->packing->data + DATA_HEADER_BYTES, payload);
}

/* What is being packed goes out if a chunk of @body_bytes does not fit beside it. */
static void make_room(struct egress *egress, struct egress_peer *peer, size_t body_bytes)
{
    if (peer->packing && packer_room(&peer->packer) < body_bytes)
        egress_release(egress, peer);
}

/* A packer with room for a chunk of @body_bytes, which must fit an empty one. */
static struct packer *packer_for(struct egress *egress, struct egress_peer *peer, size_t body_bytes)
{
    make_room(egress, peer, body_bytes);
    if (!peer->packing)
        batch_begin(egress, peer, &peer->path.to, peer->path.usable_bytes);
    return &peer->packer;
}

/* ---- frames ---- */

/* While the datagram it is in, or its last piece, has not ended: that one's note says so. */
static void count_frame(struct egress_peer *peer)
{
    peer->sent.frames++;
    peer->sent.asks = true;
}

static void send_in_pieces(struct egress *egress, struct egress_peer *peer, unsigned pieces,
                           const uint8_t *frame, size_t bytes)
{
    uint16_t id = peer->fragment_id++;
    size_t offset = 0;

    for (unsigned left = pieces; left > 0; left--) {
        size_t piece = (bytes - offset + left - 1) / left;
        packer_add_fragment(packer_for(egress, peer, FRAGMENT_HEADER_BYTES + piece), id,
                            (uint16_t)offset, (uint16_t)bytes, frame + offset, piece);
        offset += piece;
    }
    egress->counters->fragmented++;
}

/* Return: whether it was */
static bool send_frame(struct egress *egress, struct egress_peer *peer, const uint8_t *frame,
                       size_t bytes)
{
    if (!egress_can_send(peer))
        return false;
    size_t room = usable_payload_bytes(peer);
    unsigned pieces = bytes <= chunk_body_max(room) ? 1 : fragment_plan(bytes, room);
    if (pieces == 0)
        egress->counters->too_large++;
    else if (pieces == 1)
        packer_add(packer_for(egress, peer, bytes), CHUNK_FRAME, false, frame, bytes);
    else
        send_in_pieces(egress, peer, pieces, frame, bytes);
    return pieces != 0;
}

/* A frame of the LAN, without checksum left to do. */
static void send_lan_frame(struct egress *egress, struct egress_peer *peer, const uint8_t *frame,
                           size_t bytes)
{
    if (send_frame(egress, peer, frame, bytes))
        count_frame(peer);
}

void egress_send_own_frame(struct egress *egress, struct egress_peer *peer, const uint8_t *frame,
                           size_t bytes)
{
    send_frame(egress, peer, frame, bytes);
}

/* It fills its datagram, or nearly: nothing is to be packed beside it. */
static void seal_segment(struct egress *egress, struct egress_peer *peer,
                         struct segmenter *segmenter, bool partial)
{
    size_t bytes;
    uint8_t *segment = segment_next_in_place(segmenter, CHUNK_HEADER_BYTES, &bytes);
    batch_begin(egress, peer, &peer->path.to, peer->path.usable_bytes);
    count_frame(peer);
    finish_slot(egress, peer,
                sealer_seal_from(&peer->sealer, peer->packing->data,
                                 chunk_begin(segment, CHUNK_FRAME, partial, bytes),
                                 CHUNK_HEADER_BYTES + bytes));
}

/* Frames that come behind it may be packed with it. */
static void pack_segment(struct egress *egress, struct egress_peer *peer,
                         struct segmenter *segmenter, bool partial)
{
    size_t bytes = segment_next_bytes(segmenter);
    struct packer *packer = packer_for(egress, peer, bytes);
    segment_next(segmenter, packer_reserve(packer, CHUNK_FRAME, partial, bytes));
    count_frame(peer);
}

/* A UDP datagram larger than one of ours: its boundaries are its own, so it goes in pieces. */
static void send_segment_in_pieces(struct egress *egress, struct egress_peer *peer,
                                   struct segmenter *segmenter)
{
    uint8_t frame[REASSEMBLY_FRAME_MAX_BYTES];
    send_lan_frame(egress, peer, frame, segment_next(segmenter, frame));
}

static void send_segments(struct egress *egress, struct egress_peer *peer,
                          const struct packet *packet, const struct offload *large, bool last)
{
    size_t room = chunk_body_max(usable_payload_bytes(peer)), bytes;
    struct segmenter segmenter;
    bool partial = peer->path.takes_partial;
    bool ready = segment_begin(&segmenter, packet, large, room, partial);

    if (ready && segment_next_bytes(&segmenter) > room) {
        partial = false; /* pieces have no place for the mark */
        ready = segment_begin(&segmenter, packet, large, room, partial);
    }
    if (!ready || segment_next_bytes(&segmenter) > REASSEMBLY_FRAME_MAX_BYTES) {
        egress->counters->too_large++;
        return;
    }
    while ((bytes = segment_next_bytes(&segmenter)) != 0) {
        if (bytes > room) {
            send_segment_in_pieces(egress, peer, &segmenter);
            continue;
        }
        make_room(egress, peer, bytes);
        if (last && !peer->packing && room - bytes < ETHER_FRAME_MIN_BYTES)
            seal_segment(egress, peer, &segmenter, partial);
        else
            pack_segment(egress, peer, &segmenter, partial);
    }
}

static void send_whole(struct egress *egress, struct egress_peer *peer, struct packet *packet)
{
    size_t bytes = packet->frame_bytes;
    if (!peer->path.takes_partial || bytes > chunk_body_max(usable_payload_bytes(peer)))
        judge_finish_checksum(packet);
    if (!packet->checksum_partial) {
        send_lan_frame(egress, peer, packet->frame, bytes);
        return;
    }
    packer_add(packer_for(egress, peer, bytes), CHUNK_FRAME, true, packet->frame, bytes);
    count_frame(peer);
}

void egress_send_packet(struct egress *egress, struct egress_peer *peer, struct packet *packet,
                        const struct offload *large, bool last)
{
    if (large)
        send_segments(egress, peer, packet, large, last);
    else
        send_whole(egress, peer, packet);
}

/* ---- control ---- */

void egress_send_control(struct egress *egress, struct egress_peer *peer, const uint8_t *body,
                         size_t bytes, bool alone)
{
    if (!egress_can_send(peer))
        return;
    if (alone)
        egress_release(egress, peer);
    packer_add(packer_for(egress, peer, bytes), CHUNK_CONTROL, false, body, bytes);
    if (alone)
        egress_release(egress, peer);
}

void egress_send_check(struct egress *egress, struct egress_peer *peer, const struct endpoint *to,
                       const uint8_t *body, size_t bytes)
{
    if (!egress_can_send(peer))
        return;
    egress_release(egress, peer);
    batch_begin(egress, peer, to, OUTER_PACKET_MIN_BYTES);
    packer_add(&peer->packer, CHUNK_CONTROL, false, body, bytes);
    finish_slot_to(egress, peer, to,
                   sealer_seal(&peer->sealer, peer->packing->data, peer->packer.used));
}

/* Not through one that is itself reached through another: nobody passes on what was passed on. */
void egress_relay(struct egress *egress, struct egress_peer *carrier, enum control_type type,
                  const uint8_t site[SITE_ID_BYTES], const uint8_t *datagram, size_t bytes)
{
    size_t body_bytes = 1 + SITE_ID_BYTES + bytes;
    if (!egress_can_send(carrier) || through_a_peer(&carrier->path.to) ||
        body_bytes > chunk_body_max(usable_payload_bytes(carrier))) {
        egress->counters->relay_dropped++;
        return;
    }
    uint8_t *body =
        packer_reserve(packer_for(egress, carrier, body_bytes), CHUNK_CONTROL, false, body_bytes);
    body[0] = (uint8_t)type;
    memcpy(body + 1, site, SITE_ID_BYTES);
    memcpy(body + 1 + SITE_ID_BYTES, datagram, bytes);
}

void egress_send_probe(struct egress *egress, struct egress_peer *peer, uint64_t value,
                       uint16_t outer_packet_bytes)
{
    uint8_t body[1 + sizeof value] = {CONTROL_PROBE};
    if (!egress_can_send(peer))
        return;
    store_be64(body + 1, value);
    egress_release(egress, peer);
    batch_begin(egress, peer, &peer->path.to, outer_packet_bytes);
    peer->packing->probe = true;
    packer_add(&peer->packer, CHUNK_CONTROL, false, body, sizeof body);
    packer_pad(&peer->packer);
    egress_release(egress, peer);
}

void egress_flush(struct egress *egress, uint64_t now_us)
{
    egress->now_us = now_us;
    batch_release(egress);
    note_counts(egress);
}
