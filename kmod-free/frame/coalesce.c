/* SPDX-License-Identifier: MIT
 *
 * coalesce.c - see coalesce.h. Headers are compared under masks: a table says for each layer which
 * bits two segments of a large frame share; the few fields that a mask leaves out are then looked
 * at one by one.
 */
#include "frame/coalesce.h"

#include "bytes.h"
#include "frame/checksum.h"

enum { /* offsets in the headers */
       IPV4_TOTAL_BYTES = 2,
       IPV4_ID = 4,
       IPV4_FLAGS = 6,
       IPV4_CHECKSUM = 10,
       IPV6_PAYLOAD_BYTES = 4,
       TCP_SEQUENCE = 4,
       TCP_FLAGS = 13,
       TCP_CHECKSUM = 16,
       UDP_BYTES = 4,
       UDP_CHECKSUM = 6,
       PORTS_BYTES = 4,
       TCP_HEADER_MAX_BYTES = 60,
};

enum { IPV4_DF = 0x40, TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_ACK = 0x10, TCP_ECE = 0x40 };

/* ---- Masks ---- */

#define ANY2  0, 0
#define SAME2 0xff, 0xff
#define SAME4 SAME2, SAME2
#define SAME8 SAME4, SAME4

/* Any: total length, id, checksum. */
static const uint8_t IPV4_MASK[IPV4_HEADER_BYTES] = {SAME2, ANY2, ANY2, SAME4, ANY2, SAME8};
/* Any: payload length. */
static const uint8_t IPV6_MASK[IPV6_HEADER_BYTES] = {SAME4, ANY2,  SAME2, SAME8,
                                                     SAME8, SAME8, SAME8};
/* Any: sequence number, PSH and FIN, checksum. Options are as many as there are. */
static const uint8_t TCP_MASK[TCP_HEADER_MAX_BYTES] = {
    SAME4, ANY2,  ANY2,  SAME4, 0xff, 0xff & ~(TCP_PSH | TCP_FIN), SAME2, ANY2, SAME2,
    SAME8, SAME8, SAME8, SAME8, SAME8};
/* Any: length, checksum. */
static const uint8_t UDP_MASK[UDP_HEADER_BYTES] = {SAME4, ANY2, ANY2};

/* @count is a multiple of 4. */
static bool equal_under(const uint8_t *mask, const uint8_t *a, const uint8_t *b, size_t count)
{
    uint32_t differing = 0;
    for (size_t i = 0; i < count; i += 4) {
        uint32_t m, x, y;
        memcpy(&m, mask + i, 4);
        memcpy(&x, a + i, 4);
        memcpy(&y, b + i, 4);
        differing |= (x ^ y) & m;
    }
    return differing == 0;
}

/* ---- Checksums ---- */

/* Of one's complement sums, where 0 and 0xffff are one number. */
static bool sums_equal(uint16_t a, uint16_t b)
{
    return a % 0xffff == b % 0xffff;
}

static size_t checksum_field(const struct coalesce_flow *f)
{
    return f->packet.protocol == IP_PROTOCOL_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
}

/* Of a frame that has the flow's headers: the sum must be what its kind, partial or not, says. */
static bool transport_sum_right(const struct coalesce_flow *f, const uint8_t *frame, size_t bytes,
                                bool partial)
{
    const uint8_t *transport = frame + f->packet.transport_offset;
    size_t transport_bytes = bytes - f->packet.transport_offset;
    uint32_t sum = f->pseudo_sum + (uint32_t)transport_bytes;
    uint16_t found = load_be16(transport + checksum_field(f));
    if (f->packet.protocol == IP_PROTOCOL_UDP && found == 0)
        return false; /* there is none */
    if (partial)
        return sums_equal(found, (uint16_t)~checksum_finish(sum));
    return checksum_finish(checksum_add(sum, transport, transport_bytes)) == 0;
}

static bool sums_right(const struct coalesce_flow *f, const uint8_t *frame, size_t bytes,
                       bool partial)
{
    if (f->packet.network == PACKET_IPV4 &&
        checksum_finish(checksum_add(0, frame + f->packet.network_offset, IPV4_HEADER_BYTES)) != 0)
        return false;
    return transport_sum_right(f, frame, bytes, partial);
}

/* Put off until there is something to join to it: most flows never have. */
static bool prove_first(struct coalesce_flow *f)
{
    if (f->proven)
        return true;
    f->pseudo_sum = offload_pseudo_checksum(&f->packet, 0);
    f->proven = sums_right(f, f->packet.frame, f->packet.frame_bytes, f->partial);
    return f->proven;
}

/* ---- Emitting ---- */

static void mend_ipv4(uint8_t *ip, size_t total_bytes)
{
    uint16_t checksum = load_be16(ip + IPV4_CHECKSUM), old = load_be16(ip + IPV4_TOTAL_BYTES);
    store_be16(ip + IPV4_TOTAL_BYTES, (uint16_t)total_bytes);
    store_be16(ip + IPV4_CHECKSUM, checksum_update16(checksum, old, (uint16_t)total_bytes));
}

/* Make the first frame's headers those of all. */
static void mend(const struct coalesce_flow *f)
{
    const struct packet *p = &f->packet;
    uint8_t *ip = p->frame + p->network_offset, *transport = p->frame + p->transport_offset;
    size_t transport_bytes = f->frame_bytes - p->transport_offset;
    if (p->network == PACKET_IPV4)
        mend_ipv4(ip, IPV4_HEADER_BYTES + transport_bytes);
    else
        store_be16(ip + IPV6_PAYLOAD_BYTES, (uint16_t)transport_bytes);
    if (p->protocol == IP_PROTOCOL_UDP)
        store_be16(transport + UDP_BYTES, (uint16_t)transport_bytes);
    store_be16(transport + checksum_field(f), offload_pseudo_checksum(p, transport_bytes));
}

static void emit_alone(struct coalescer *c, const struct packet *packet, bool partial)
{
    struct offload offload = {.checksum_partial = partial};
    struct slice slice = {packet->frame, packet->frame_bytes};
    c->emit(c->context, &offload, packet, &slice, 1);
}

static void emit_slot(struct coalescer *c, size_t slot)
{
    struct coalesce_flow *f = &c->flow[slot];
    c->held_since[slot] = 0;
    if (f->slices == 1) {
        emit_alone(c, &f->packet, f->partial);
        return;
    }
    struct offload offload = {
        .checksum_partial = true,
        .gso = f->packet.protocol == IP_PROTOCOL_TCP ? OFFLOAD_TCP : OFFLOAD_UDP,
        .segment_bytes = f->segment_bytes,
    };
    mend(f);
    c->emit(c->context, &offload, &f->packet, f->slice, f->slices);
}

/* The slot held longest; COALESCE_FLOWS when none is held. */
static size_t oldest_slot(const struct coalescer *c)
{
    size_t oldest = COALESCE_FLOWS;
    for (size_t i = 0; i < COALESCE_FLOWS; i++) {
        if (c->held_since[i] != 0 &&
            (oldest == COALESCE_FLOWS || c->held_since[i] < c->held_since[oldest]))
            oldest = i;
    }
    return oldest;
}

/* ---- Appending ---- */

/* Cutting gives the segments ids that count up. For TCP with DF any will do. */
static bool id_continues(const struct coalesce_flow *f, const uint8_t *ip)
{
    bool means_nothing = f->packet.protocol == IP_PROTOCOL_TCP && (ip[IPV4_FLAGS] & IPV4_DF) != 0;
    return means_nothing || load_be16(ip + IPV4_ID) == f->next_id;
}

static bool network_continues(const struct coalesce_flow *f, const uint8_t *frame, size_t bytes)
{
    size_t offset = f->packet.network_offset;
    const uint8_t *ip = frame + offset, *first = f->packet.frame + offset;
    if (f->packet.network == PACKET_IPV6)
        return equal_under(IPV6_MASK, ip, first, IPV6_HEADER_BYTES) &&
               load_be16(ip + IPV6_PAYLOAD_BYTES) + (size_t)IPV6_HEADER_BYTES == bytes - offset;
    return equal_under(IPV4_MASK, ip, first, IPV4_HEADER_BYTES) &&
           load_be16(ip + IPV4_TOTAL_BYTES) == bytes - offset && id_continues(f, ip);
}

static bool transport_continues(const struct coalesce_flow *f, const uint8_t *frame, size_t bytes)
{
    size_t offset = f->packet.transport_offset;
    const uint8_t *transport = frame + offset, *first = f->packet.frame + offset;
    if (f->packet.protocol == IP_PROTOCOL_UDP)
        return equal_under(UDP_MASK, transport, first, UDP_HEADER_BYTES) &&
               load_be16(transport + UDP_BYTES) == bytes - offset;
    return equal_under(TCP_MASK, transport, first, f->headers_bytes - offset) &&
           load_be32(transport + TCP_SEQUENCE) == f->next_sequence;
}

static bool continues(const struct coalesce_flow *f, const uint8_t *frame, size_t bytes)
{
    const struct packet *p = &f->packet;
    /* Ports first: they tell most flows apart. */
    return bytes > f->headers_bytes && bytes <= p->frame_bytes &&
           memcmp(frame + p->transport_offset, p->frame + p->transport_offset, PORTS_BYTES) == 0 &&
           f->slices < COALESCE_SLICES_MAX &&
           f->frame_bytes + (bytes - f->headers_bytes) <= COALESCE_FRAME_MAX_BYTES &&
           memcmp(frame, p->frame, p->network_offset) == 0 && network_continues(f, frame, bytes) &&
           transport_continues(f, frame, bytes);
}

/* The slot of the flow that the frame continues; COALESCE_FLOWS when there is none. */
static size_t continued_slot(const struct coalescer *c, const uint8_t *frame, size_t bytes)
{
    for (size_t i = 0; i < COALESCE_FLOWS; i++) {
        size_t slot = (c->last + i) % COALESCE_FLOWS;
        if (c->held_since[slot] != 0 && continues(&c->flow[slot], frame, bytes))
            return slot;
    }
    return COALESCE_FLOWS;
}

static void add_slice(struct coalesce_flow *f, const uint8_t *bytes, size_t length)
{
    f->slice[f->slices++] = (struct slice){bytes, length};
    f->frame_bytes += (uint32_t)length;
}

/* PSH and FIN of the last segment are those of the large frame. */
static bool take_ending(const struct coalesce_flow *f, const uint8_t *frame)
{
    size_t flags_offset = (size_t)f->packet.transport_offset + TCP_FLAGS;
    if (f->packet.protocol != IP_PROTOCOL_TCP)
        return false;
    uint8_t ending = frame[flags_offset] & (TCP_PSH | TCP_FIN);
    f->packet.frame[flags_offset] |= ending;
    return ending != 0;
}

bool coalesce_append(struct coalescer *c, uint8_t *frame, size_t bytes, bool partial)
{
    size_t slot = continued_slot(c, frame, bytes);
    if (slot == COALESCE_FLOWS)
        return false;
    struct coalesce_flow *f = &c->flow[slot];
    if (!prove_first(f) || !sums_right(f, frame, bytes, partial))
        return false;
    size_t payload_bytes = bytes - f->headers_bytes;
    add_slice(f, frame + f->headers_bytes, payload_bytes);
    f->next_sequence += (uint32_t)payload_bytes;
    f->next_id++;
    c->last = (uint8_t)slot;
    if (take_ending(f, frame) || payload_bytes < f->segment_bytes)
        emit_slot(c, slot);
    return true;
}

/* ---- Offering ---- */

static bool same_flow(const struct packet *held, const struct packet *p)
{
    if (!ip_equal(&held->ip_source, &p->ip_source) ||
        !ip_equal(&held->ip_destination, &p->ip_destination))
        return false;
    if (p->transport_offset == 0)
        return p->fragment; /* of any of the flows between the two */
    return held->protocol == p->protocol && held->source_port == p->source_port &&
           held->destination_port == p->destination_port;
}

static void emit_flow_of(struct coalescer *c, const struct packet *packet)
{
    for (size_t i = 0; i < COALESCE_FLOWS; i++) {
        if (c->held_since[i] != 0 && same_flow(&c->flow[i].packet, packet))
            emit_slot(c, i);
    }
}

static bool is_plain_ip(const struct packet *p)
{
    size_t header_bytes = p->network == PACKET_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
    return p->transport_offset == p->network_offset + header_bytes &&
           p->network_end == p->frame_bytes && !mac_is_group(&p->destination);
}

/* May it be the first of a large frame? PSH and FIN would end it right away. */
static bool is_joinable(const struct coalescer *c, const struct packet *p)
{
    if (!offload_possible(p) || !is_plain_ip(p) || p->frame_bytes <= offload_headers_bytes(p))
        return false;
    const uint8_t *transport = p->frame + p->transport_offset;
    if (p->protocol == IP_PROTOCOL_TCP)
        return (transport[TCP_FLAGS] | TCP_ECE) == (TCP_ACK | TCP_ECE);
    return c->udp && load_be16(transport + UDP_BYTES) == p->frame_bytes - p->transport_offset;
}

static void hold(struct coalesce_flow *f, const struct packet *packet, bool partial)
{
    const uint8_t *frame = packet->frame;
    size_t headers_bytes = offload_headers_bytes(packet);
    f->packet = *packet;
    f->headers_bytes = (uint16_t)headers_bytes;
    f->segment_bytes = (uint16_t)(packet->frame_bytes - headers_bytes);
    f->next_sequence = load_be32(frame + packet->transport_offset + TCP_SEQUENCE);
    f->next_sequence += f->segment_bytes;
    f->next_id = (uint16_t)(load_be16(frame + packet->network_offset + IPV4_ID) + 1);
    f->partial = partial;
    f->proven = false;
    f->slices = 0;
    f->frame_bytes = 0;
    add_slice(f, frame, packet->frame_bytes);
}

static size_t make_room(struct coalescer *c)
{
    for (size_t i = 0; i < COALESCE_FLOWS; i++) {
        if (c->held_since[i] == 0)
            return i;
    }
    size_t slot = oldest_slot(c);
    emit_slot(c, slot);
    return slot;
}

void coalesce_offer(struct coalescer *c, const struct packet *packet, bool partial, bool holdable)
{
    emit_flow_of(c, packet);
    if (!holdable || !is_joinable(c, packet)) {
        emit_alone(c, packet, partial);
        return;
    }
    size_t slot = make_room(c);
    hold(&c->flow[slot], packet, partial);
    c->held_since[slot] = ++c->offered;
    c->last = (uint8_t)slot;
}

void coalesce_flush(struct coalescer *c)
{
    for (size_t slot; (slot = oldest_slot(c)) != COALESCE_FLOWS;)
        emit_slot(c, slot);
}
