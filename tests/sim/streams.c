/* SPDX-License-Identifier: MIT
 *
 * streams.c - see streams.h.
 */
#include "streams.h"

#include "bytes.h"
#include "frame/checksum.h"
#include "frame/segment.h"

#include <stdlib.h>
#include <string.h>

enum {
    VLAN_INNER = 5,
    VLAN_OUTER = 7,
    DESTINATION_PORT = 4433,
    MDNS_PORT = 5353,
    IPV4_ID = 4, /* offsets in the headers */
    IPV4_TTL = 8,
    TCP_FLAGS = 13,
};

/* ---- making frames ---- */

static size_t put_mac(uint8_t *out, unsigned home)
{
    memcpy(out, (const uint8_t[6]){2, 0, 0, 0, 1, (uint8_t)home}, 6);
    return 6;
}

static size_t put_tags(uint8_t *out, unsigned tags)
{
    size_t at = 0;
    if (tags == 2) {
        store_be16(out, ETHER_TYPE_QINQ);
        store_be16(out + 2, VLAN_OUTER);
        at = 4;
    }
    if (tags >= 1) {
        store_be16(out + at, ETHER_TYPE_VLAN);
        store_be16(out + at + 2, VLAN_INNER);
        at += 4;
    }
    return at;
}

static size_t put_ethernet(uint8_t *out, const struct stream_kind *kind)
{
    if (kind->addressed == STREAM_TO_HOST)
        put_mac(out, kind->to);
    else if (kind->addressed == STREAM_TO_UNKNOWN)
        put_mac(out, 99);
    else if (kind->v6)
        memcpy(out, (const uint8_t[6]){0x33, 0x33, 0, 0, 0, 0xfb}, 6);
    else
        memcpy(out, (const uint8_t[6]){1, 0, 0x5e, 0, 0, 0xfb}, 6);
    put_mac(out + 6, kind->from);
    size_t at = 12 + put_tags(out + 12, kind->vlan_tags);
    store_be16(out + at, kind->v6 ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4);
    return at + 2;
}

/* Counts what the frames before it are cut into. Or, as Linux does with DF for a socket that is not
 * connected, begins at 0 in each frame: the hosts of every other home do so. */
static uint16_t next_id(const struct stream *stream)
{
    const struct stream_kind *kind = &stream->kind;
    if (stream->frames == 0 || (kind->udp && kind->dont_fragment && kind->from % 2 != 0))
        return 0;
    const struct stream_record *last = &stream->record[stream->frames - 1];
    size_t segment_bytes = last->frame.segment_bytes, segments = 1;
    if (segment_bytes != 0)
        segments = (last->frame.payload_bytes + segment_bytes - 1) / segment_bytes;
    return (uint16_t)(load_be16(last->headers + last->network_offset + IPV4_ID) + segments);
}

static size_t put_ipv4(uint8_t *ip, const struct stream *stream, size_t transport_bytes)
{
    const struct stream_kind *kind = &stream->kind;
    size_t header_bytes = IPV4_HEADER_BYTES + (kind->network_options ? 4u : 0u);
    ip[0] = (uint8_t)(0x40 | header_bytes / 4);
    ip[1] = 2; /* ECT(0) */
    store_be16(ip + 2, (uint16_t)(header_bytes + transport_bytes));
    store_be16(ip + IPV4_ID, next_id(stream));
    store_be16(ip + 6, kind->dont_fragment ? 0x4000 : 0);
    ip[IPV4_TTL] = kind->addressed == STREAM_TO_GROUP ? 255 : 64;
    ip[9] = kind->udp ? IP_PROTOCOL_UDP : IP_PROTOCOL_TCP;
    memcpy(ip + 12, (const uint8_t[4]){192, 168, 1, (uint8_t)(10 + kind->from)}, 4);
    if (kind->addressed == STREAM_TO_GROUP)
        memcpy(ip + 16, (const uint8_t[4]){224, 0, 0, 251}, 4);
    else
        memcpy(ip + 16, (const uint8_t[4]){192, 168, 1, (uint8_t)(10 + kind->to)}, 4);
    if (kind->network_options)
        memcpy(ip + IPV4_HEADER_BYTES, (const uint8_t[4]){1, 1, 1, 0}, 4);
    store_be16(ip + 10, checksum_finish(checksum_add(0, ip, header_bytes)));
    return header_bytes;
}

static size_t put_ipv6(uint8_t *ip, const struct stream *stream, size_t transport_bytes)
{
    const struct stream_kind *kind = &stream->kind;
    uint8_t protocol = kind->udp ? IP_PROTOCOL_UDP : IP_PROTOCOL_TCP;
    size_t extension_bytes = kind->network_options ? 8 : 0;
    store_be32(ip, UINT32_C(0x60200000) | (uint32_t)kind->from);
    store_be16(ip + 4, (uint16_t)(extension_bytes + transport_bytes));
    ip[6] = kind->network_options ? 60 : protocol;
    ip[7] = kind->addressed == STREAM_TO_GROUP ? 255 : 64;
    memcpy(ip + 8, (const uint8_t[16]){0xfd, 1, [15] = (uint8_t)(10 + kind->from)}, 16);
    if (kind->addressed == STREAM_TO_GROUP)
        memcpy(ip + 24, (const uint8_t[16]){0xff, 2, [15] = 0xfb}, 16);
    else
        memcpy(ip + 24, (const uint8_t[16]){0xfd, 1, [15] = (uint8_t)(10 + kind->to)}, 16);
    if (kind->network_options) /* destination options: padding */
        memcpy(ip + 40, (const uint8_t[8]){protocol, 0, 1, 4}, 8);
    return IPV6_HEADER_BYTES + extension_bytes;
}

static size_t put_tcp(uint8_t *tcp, const struct stream *stream, unsigned number, uint8_t flags)
{
    size_t header_bytes = TCP_HEADER_BYTES + (stream->kind.transport_options ? 12u : 0u);
    store_be16(tcp, (uint16_t)(STREAM_PORT + number));
    store_be16(tcp + 2, DESTINATION_PORT);
    store_be32(tcp + 4, stream->first_sequence + stream->bytes);
    store_be32(tcp + 8, 12345);
    tcp[12] = (uint8_t)(header_bytes / 4 << 4);
    tcp[TCP_FLAGS] = flags;
    store_be16(tcp + 14, 501);
    store_be16(tcp + 18, flags & STREAM_TCP_URG ? 3 : 0);
    if (stream->kind.transport_options)
        memcpy(tcp + 20, (const uint8_t[12]){1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4}, 12);
    return header_bytes;
}

static size_t put_udp(uint8_t *udp, const struct stream *stream, unsigned number, size_t bytes)
{
    store_be16(udp, (uint16_t)(STREAM_PORT + number));
    store_be16(udp + 2, stream->kind.addressed == STREAM_TO_GROUP ? MDNS_PORT : DESTINATION_PORT);
    store_be16(udp + 4, (uint16_t)(UDP_HEADER_BYTES + bytes));
    return UDP_HEADER_BYTES;
}

static uint8_t pattern(unsigned number, uint32_t position)
{
    return (uint8_t)(number * 37 + position * 7 + (position >> 8) * 3 + (position >> 16));
}

/* What the byte at @position is; in UDP a datagram begins with its own position. */
static uint8_t payload_byte(const struct stream *stream, unsigned number,
                            const struct stream_record *r, uint32_t position)
{
    if (stream->kind.udp) {
        uint32_t offset = position - r->start;
        if (r->frame.segment_bytes != 0)
            offset %= r->frame.segment_bytes;
        if (offset < 4)
            return (uint8_t)((position - offset) >> (24 - 8 * offset));
    }
    return pattern(number, position);
}

static void set_checksum(const struct packet *p, bool partial)
{
    uint8_t *field = p->frame + p->transport_offset + (p->protocol == IP_PROTOCOL_TCP ? 16 : 6);
    uint16_t sum = partial ? offload_pseudo_checksum(p, p->network_end - p->transport_offset)
                           : checksum_transport(p);
    store_be16(field, sum);
}

static size_t put_headers(const struct stream *stream, unsigned number,
                          const struct stream_frame *frame, uint8_t *out)
{
    const struct stream_kind *kind = &stream->kind;
    size_t transport_header =
        kind->udp ? UDP_HEADER_BYTES : TCP_HEADER_BYTES + (kind->transport_options ? 12u : 0u);
    size_t transport_bytes = transport_header + frame->payload_bytes;
    size_t at = put_ethernet(out, kind);
    at += kind->v6 ? put_ipv6(out + at, stream, transport_bytes)
                   : put_ipv4(out + at, stream, transport_bytes);
    at += kind->udp ? put_udp(out + at, stream, number, frame->payload_bytes)
                    : put_tcp(out + at, stream, number, frame->tcp_flags);
    return at;
}

static void describe(const struct packet *p, const struct stream_frame *frame, uint8_t *header)
{
    struct offload offload = {.checksum_partial = frame->partial,
                              .ecn = frame->ecn,
                              .segment_bytes = frame->segment_bytes};
    if (frame->segment_bytes != 0)
        offload.gso = p->protocol == IP_PROTOCOL_TCP ? OFFLOAD_TCP : OFFLOAD_UDP;
    offload_write(header, &offload, p);
}

size_t streams_build(struct stream *stream, unsigned number, const struct stream_frame *frame,
                     uint8_t *out, uint8_t offload[10])
{
    struct stream_record *r = &stream->record[stream->frames];
    struct packet p;
    memset(out, 0, STREAM_HEADERS_MAX_BYTES);
    *r = (struct stream_record){.start = stream->bytes, .frame = *frame};
    r->end = r->start + (uint32_t)frame->payload_bytes;
    r->header_bytes = put_headers(stream, number, frame, out);
    for (uint32_t i = 0; i < frame->payload_bytes; i++)
        out[r->header_bytes + i] = payload_byte(stream, number, r, r->start + i);
    size_t bytes = r->header_bytes + frame->payload_bytes;
    if (!packet_parse(&p, out, bytes) || p.network_end != bytes || p.transport_offset == 0)
        abort();
    set_checksum(&p, frame->partial);
    describe(&p, frame, offload);
    r->network_offset = p.network_offset;
    r->transport_offset = p.transport_offset;
    memcpy(r->headers, out, r->header_bytes);
    return bytes;
}

void streams_send(struct streams *s, unsigned number, const struct stream_frame *frame)
{
    struct stream *stream = s->stream[number];
    struct sim_node *node = &s->sim->node[stream->kind.from];
    uint8_t offload[OFFLOAD_HEADER_BYTES];
    uint8_t *memory = malloc(SEGMENT_ROOM_BYTES + STREAM_HEADERS_MAX_BYTES + frame->payload_bytes);
    if (!memory || stream->frames == STREAM_FRAMES_MAX ||
        stream->bytes + frame->payload_bytes > STREAM_BYTES_MAX)
        abort();
    uint8_t *out = memory + SEGMENT_ROOM_BYTES;
    size_t bytes = streams_build(stream, number, frame, out, offload);
    stream->bytes = stream->record[stream->frames++].end;
    s->handed_in[stream->kind.from]++;
    sim_frame(node, offload, out, bytes);
    free(memory); /* the site keeps nothing of it */
}

/* ---- judging what came ---- */

static const struct stream_record *record_of(const struct stream *stream, uint32_t position)
{
    for (unsigned i = stream->frames; i > 0; i--)
        if (stream->record[i - 1].start <= position)
            return position < stream->record[i - 1].end ? &stream->record[i - 1] : NULL;
    return NULL;
}

/* IPv4's id counts the segments. TCP may be cut smaller than its sender said, so which of them one
 * is cannot be told here. */
static void put_id(const struct stream_record *r, const struct packet *p, uint32_t start,
                   uint8_t *ip)
{
    uint16_t segment_bytes = r->frame.segment_bytes;
    if (p->protocol == IP_PROTOCOL_TCP)
        memcpy(ip + IPV4_ID, p->frame + r->network_offset + IPV4_ID, 2);
    else if (segment_bytes != 0)
        store_be16(ip + IPV4_ID,
                   (uint16_t)(load_be16(ip + IPV4_ID) + (start - r->start) / segment_bytes));
}

/* The headers that a segment must have: those of its frame, with lengths, sequence and flags of its
 * own. */
static void expected_headers(const struct stream_record *r, const struct packet *p, uint32_t start,
                             uint32_t end, uint8_t *out)
{
    uint8_t *ip = out + r->network_offset, *transport = out + r->transport_offset;
    size_t ip_bytes = r->header_bytes - r->network_offset + (end - start);
    memcpy(out, r->headers, r->header_bytes);
    if (p->network == PACKET_IPV4) {
        store_be16(ip + 2, (uint16_t)ip_bytes);
        put_id(r, p, start, ip);
        memcpy(ip + 10, p->frame + r->network_offset + 10, 2); /* judged by itself */
    } else {
        store_be16(ip + 4, (uint16_t)(ip_bytes - IPV6_HEADER_BYTES));
    }
    if (p->protocol == IP_PROTOCOL_UDP) {
        store_be16(transport + 4, (uint16_t)(UDP_HEADER_BYTES + (end - start)));
        memcpy(transport + 6, p->frame + r->transport_offset + 6, 2);
        return;
    }
    store_be32(transport + 4, load_be32(transport + 4) + (start - r->start));
    if (end != r->end)
        transport[TCP_FLAGS] &= (uint8_t) ~(STREAM_TCP_FIN | STREAM_TCP_PSH);
    if (r->frame.ecn && start != r->start)
        transport[TCP_FLAGS] &= (uint8_t)~STREAM_TCP_CWR;
    memcpy(transport + 16, p->frame + r->transport_offset + 16, 2);
}

static bool checksums_right(const struct packet *p)
{
    const uint8_t *ip = p->frame + p->network_offset;
    const uint8_t *field =
        p->frame + p->transport_offset + (p->protocol == IP_PROTOCOL_TCP ? 16 : 6);
    if (p->network == PACKET_IPV4 &&
        checksum_finish(checksum_add(0, ip, (size_t)4 * (ip[0] & 0xf))) != 0)
        return false;
    return load_be16(field) % 0xffff == checksum_transport(p) % 0xffff;
}

/* A frame whose sender said how large its segments are is cut no larger, UDP exactly so. */
static bool size_right(const struct stream *stream, const struct stream_record *r, uint32_t start,
                       uint32_t end)
{
    uint32_t segment = r->frame.segment_bytes;
    if (segment == 0)
        return start == r->start && end == r->end;
    if (!stream->kind.udp)
        return end - start <= segment;
    uint32_t most = r->end - start < segment ? r->end - start : segment;
    return (start - r->start) % segment == 0 && end - start == most;
}

static const char *find_fault(const struct stream *stream, unsigned number, const struct packet *p,
                              uint32_t start)
{
    uint8_t headers[STREAM_HEADERS_MAX_BYTES];
    const struct stream_record *r = record_of(stream, start);
    if (!r)
        return "position";
    if (p->frame_bytes <= r->header_bytes || p->network_end != p->frame_bytes ||
        p->transport_offset != r->transport_offset)
        return "length";
    uint32_t end = start + (uint32_t)(p->frame_bytes - r->header_bytes);
    if (end > r->end || !size_right(stream, r, start, end))
        return "size";
    expected_headers(r, p, start, end, headers);
    if (memcmp(headers, p->frame, r->header_bytes) != 0)
        return "headers";
    for (uint32_t at = start; at < end; at++)
        if (p->frame[r->header_bytes + at - start] != payload_byte(stream, number, r, at))
            return "payload";
    return checksums_right(p) ? NULL : "checksum";
}

static void count_segment(struct streams *s, struct stream *stream, unsigned home, uint32_t start,
                          uint32_t bytes)
{
    bool again = false;
    for (uint32_t i = 0; i < bytes; i++) {
        again = again || stream->at[home].seen[start + i];
        stream->at[home].bytes += !stream->at[home].seen[start + i];
        stream->at[home].seen[start + i] = 1;
    }
    s->segments[home]++;
    stream->at[home].segments++;
    stream->at[home].repeated += again;
    stream->at[home].overtaken += start < stream->at[home].next;
    stream->at[home].next = start + bytes;
    if (start == 0 || bytes > stream->at[home].largest_segment)
        stream->at[home].largest_segment = bytes;
}

static bool belongs(const struct stream *stream, unsigned home)
{
    return home != stream->kind.from &&
           (stream->kind.addressed != STREAM_TO_HOST || home == stream->kind.to);
}

static bool is_ours(const struct streams *s, const struct packet *p)
{
    return p->transport_offset != 0 &&
           (p->protocol == IP_PROTOCOL_TCP || p->protocol == IP_PROTOCOL_UDP) &&
           p->source_port >= STREAM_PORT && p->source_port < STREAM_PORT + s->count;
}

static void take(struct streams *s, unsigned home, const struct packet *p)
{
    unsigned number = p->source_port - STREAM_PORT;
    struct stream *stream = s->stream[number];
    const uint8_t *transport = p->frame + p->transport_offset;
    size_t header_bytes = offload_headers_bytes(p);
    if (!belongs(stream, home)) {
        s->strays++;
        return;
    }
    if ((p->protocol == IP_PROTOCOL_UDP) != stream->kind.udp ||
        p->frame_bytes < header_bytes + (stream->kind.udp ? 4u : 0u)) {
        s->why = "kind";
        s->spoiled++;
        return;
    }
    uint32_t start = stream->kind.udp ? load_be32(p->frame + header_bytes)
                                      : load_be32(transport + 4) - stream->first_sequence;
    const char *fault = find_fault(stream, number, p, start);
    if (!fault) {
        count_segment(s, stream, home, start, (uint32_t)(p->frame_bytes - header_bytes));
        return;
    }
    s->why = fault;
    s->spoiled++;
}

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct streams *s = sim->context;
    struct packet p;
    uint8_t *copy = malloc(bytes);
    if (!copy)
        abort();
    memcpy(copy, frame, bytes);
    if (packet_parse(&p, copy, bytes) && is_ours(s, &p))
        take(s, node, &p);
    free(copy);
}

/* ---- the book ---- */

struct streams *streams_new(struct sim *sim)
{
    struct streams *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->sim = sim;
    sim->context = s;
    sim->on_lan = on_lan;
    return s;
}

void streams_free(struct streams *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        for (unsigned home = 0; home < STREAM_HOMES; home++)
            free(s->stream[i]->at[home].seen);
        free(s->stream[i]);
    }
    free(s);
}

unsigned streams_open(struct streams *s, const struct stream_kind *kind)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream || s->count == STREAMS_MAX)
        abort();
    stream->kind = *kind;
    stream->first_sequence = (uint32_t)sim_random(s->sim); /* may wrap on its way */
    for (unsigned home = 0; home < STREAM_HOMES; home++)
        if (belongs(stream, home) && !(stream->at[home].seen = calloc(1, STREAM_BYTES_MAX)))
            abort();
    s->stream[s->count] = stream;
    return s->count++;
}

void streams_greet(struct streams *s)
{
    for (unsigned home = 0; home < s->sim->nodes; home++) {
        for (unsigned tags = 0; tags <= 2; tags++) {
            uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
            put_mac(frame + 6, home);
            size_t at = 12 + put_tags(frame + 12, tags);
            store_be16(frame + at, 0x88b6); /* IEEE 802 local experimental 2 */
            sim_send(s->sim, home, frame, sizeof frame);
        }
    }
    sim_run(s->sim, 100000);
}

bool streams_complete(const struct streams *s)
{
    for (unsigned i = 0; i < s->count; i++)
        for (unsigned home = 0; home < s->sim->nodes; home++)
            if (belongs(s->stream[i], home) && s->stream[i]->at[home].bytes != s->stream[i]->bytes)
                return false;
    return true;
}

bool streams_clean(const struct streams *s)
{
    for (unsigned i = 0; i < s->count; i++)
        for (unsigned home = 0; home < s->sim->nodes; home++)
            if (s->stream[i]->at[home].repeated != 0)
                return false;
    return s->spoiled == 0 && s->strays == 0;
}

bool streams_ordered(const struct streams *s)
{
    for (unsigned i = 0; i < s->count; i++)
        for (unsigned home = 0; home < s->sim->nodes; home++)
            if (s->stream[i]->at[home].overtaken != 0)
                return false;
    return true;
}
