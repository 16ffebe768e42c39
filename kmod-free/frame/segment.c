/* SPDX-License-Identifier: MIT
 *
 * segment.c - see segment.h.
 */
#include "frame/segment.h"

#include "bytes.h"
#include "frame/checksum.h"

enum {
    IPV4_TOTAL_LENGTH = 2, /* offsets in the headers */
    IPV4_ID = 4,
    IPV4_CHECKSUM = 10,
    IPV6_PAYLOAD_LENGTH = 4,
    TCP_SEQUENCE = 4,
    TCP_FLAGS = 13,
    TCP_CHECKSUM = 16,
    UDP_LENGTH = 4,
    UDP_CHECKSUM = 6,

    FLAG_FIN = 0x01,
    FLAG_SYN = 0x02,
    FLAG_PSH = 0x08,
    FLAG_CWR = 0x80,
};

/* ---- beginning ---- */

static bool may_be_cut(const struct packet *p, const struct offload *offload)
{
    if (!offload_possible(p) || offload->segment_bytes == 0)
        return false;
    if (p->protocol == IP_PROTOCOL_UDP)
        return offload->gso == OFFLOAD_UDP;
    return offload->gso == OFFLOAD_TCP &&
           (p->frame[p->transport_offset + TCP_FLAGS] & FLAG_SYN) == 0;
}

static size_t checksum_offset(const struct segmenter *s)
{
    return s->transport_offset + (s->tcp ? TCP_CHECKSUM : UDP_CHECKSUM);
}

/* The pseudo-header's sum without the length, which differs from segment to segment. */
static uint32_t sum_pseudo_header(const struct segmenter *s, const struct packet *p, bool partial)
{
    if (!partial)
        return offload_pseudo_checksum(p, 0);
    uint16_t bytes = (uint16_t)(p->network_end - p->transport_offset);
    return (uint32_t)load_be16(p->frame + checksum_offset(s)) + (uint16_t)~bytes;
}

/* What is the same in every segment is summed once. */
static void prepare_headers(struct segmenter *s, const struct packet *p, bool partial)
{
    memcpy(s->headers, p->frame, s->header_bytes);
    s->transport_sum = sum_pseudo_header(s, p, partial);
    if (!s->v4)
        return;
    uint8_t *ip = s->headers + s->network_offset;
    uint16_t id = load_be16(ip + IPV4_ID);
    store_be16(ip + IPV4_TOTAL_LENGTH, 0);
    store_be16(ip + IPV4_ID, 0);
    store_be16(ip + IPV4_CHECKSUM, 0);
    s->network_sum = checksum_add(0, ip, (size_t)4 * (ip[0] & 0xf));
    store_be16(ip + IPV4_ID, id);
}

bool segment_begin(struct segmenter *s, const struct packet *packet, const struct offload *offload,
                   size_t frame_max_bytes, bool partial)
{
    *s = (struct segmenter){.partial = partial, .ecn = offload->ecn};
    size_t header_bytes = offload_headers_bytes(packet), segment_bytes = offload->segment_bytes;
    if (!may_be_cut(packet, offload) || header_bytes > SEGMENT_HEADERS_MAX_BYTES ||
        header_bytes >= packet->network_end || header_bytes >= frame_max_bytes)
        return false;
    s->v4 = packet->network == PACKET_IPV4;
    s->tcp = packet->protocol == IP_PROTOCOL_TCP;
    if (s->tcp && segment_bytes > frame_max_bytes - header_bytes)
        segment_bytes = frame_max_bytes - header_bytes;
    s->payload = packet->frame + header_bytes;
    s->payload_bytes = packet->network_end - header_bytes;
    s->segment_bytes = segment_bytes;
    s->header_bytes = header_bytes;
    s->network_offset = packet->network_offset;
    s->transport_offset = packet->transport_offset;
    s->tcp_flags = s->tcp ? packet->frame[packet->transport_offset + TCP_FLAGS] : 0;
    prepare_headers(s, packet, offload->checksum_partial);
    return true;
}

/* ---- cutting ---- */

static size_t next_payload_bytes(const struct segmenter *s)
{
    return s->payload_bytes < s->segment_bytes ? s->payload_bytes : s->segment_bytes;
}

static void set_network(struct segmenter *s, size_t payload_bytes)
{
    uint8_t *ip = s->headers + s->network_offset;
    size_t bytes = s->header_bytes - s->network_offset + payload_bytes;
    if (!s->v4) {
        store_be16(ip + IPV6_PAYLOAD_LENGTH, (uint16_t)(bytes - IPV6_HEADER_BYTES));
        return;
    }
    uint32_t sum = s->network_sum + load_be16(ip + IPV4_ID) + (uint32_t)bytes;
    store_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)bytes);
    store_be16(ip + IPV4_CHECKSUM, checksum_finish(sum));
}

static uint8_t flags_of(const struct segmenter *s, size_t payload_bytes)
{
    bool last = payload_bytes == s->payload_bytes;
    return s->tcp_flags & (uint8_t) ~(last ? 0 : FLAG_FIN | FLAG_PSH);
}

static uint16_t checksum_of(const struct segmenter *s, size_t payload_bytes)
{
    size_t header_bytes = s->header_bytes - s->transport_offset;
    uint32_t sum = s->transport_sum + (uint32_t)(header_bytes + payload_bytes);
    if (s->partial)
        return (uint16_t)~checksum_finish(sum);
    sum = checksum_add(sum, s->headers + s->transport_offset, header_bytes);
    uint16_t checksum = checksum_finish(checksum_add(sum, s->payload, payload_bytes));
    return checksum == 0 && !s->tcp ? 0xffff : checksum; /* UDP's 0 means 'none' (RFC 768) */
}

static void set_transport(struct segmenter *s, size_t payload_bytes)
{
    uint8_t *transport = s->headers + s->transport_offset;
    if (s->tcp)
        transport[TCP_FLAGS] = flags_of(s, payload_bytes);
    else
        store_be16(transport + UDP_LENGTH, (uint16_t)(UDP_HEADER_BYTES + payload_bytes));
    store_be16(s->headers + checksum_offset(s), 0); /* it counts as zero in its own sum */
    store_be16(s->headers + checksum_offset(s), checksum_of(s, payload_bytes));
}

static void advance(struct segmenter *s, size_t payload_bytes)
{
    uint8_t *ip = s->headers + s->network_offset, *tcp = s->headers + s->transport_offset;
    s->payload += payload_bytes;
    s->payload_bytes -= payload_bytes;
    if (s->v4)
        store_be16(ip + IPV4_ID, (uint16_t)(load_be16(ip + IPV4_ID) + 1u));
    if (s->tcp)
        store_be32(tcp + TCP_SEQUENCE, load_be32(tcp + TCP_SEQUENCE) + (uint32_t)payload_bytes);
    if (s->ecn)
        s->tcp_flags &= (uint8_t)~FLAG_CWR;
}

/* The next segment's headers, put to @out, which may be right in front of its payload. */
static void put_headers(struct segmenter *s, uint8_t *out, size_t payload_bytes)
{
    set_network(s, payload_bytes);
    set_transport(s, payload_bytes);
    memcpy(out, s->headers, s->header_bytes);
    advance(s, payload_bytes);
}

size_t segment_next(struct segmenter *s, uint8_t *out)
{
    const uint8_t *payload = s->payload;
    size_t payload_bytes = next_payload_bytes(s);
    if (payload_bytes == 0)
        return 0;
    put_headers(s, out, payload_bytes);
    memcpy(out + s->header_bytes, payload, payload_bytes);
    return s->header_bytes + payload_bytes;
}

/* The frame begins header_bytes before its payload, and @room_bytes before that are free: so they
 * are before each segment's payload. */
uint8_t *segment_next_in_place(struct segmenter *s, size_t room_bytes, size_t *bytes)
{
    size_t payload_bytes = next_payload_bytes(s);
    if (payload_bytes == 0 || room_bytes > SEGMENT_ROOM_BYTES)
        return NULL;
    uint8_t *segment = s->payload - s->header_bytes;
    put_headers(s, segment, payload_bytes);
    *bytes = s->header_bytes + payload_bytes;
    return segment;
}

size_t segment_next_bytes(const struct segmenter *s)
{
    size_t bytes = next_payload_bytes(s);
    return bytes == 0 ? 0 : s->header_bytes + bytes;
}

/* They only become smaller. */
