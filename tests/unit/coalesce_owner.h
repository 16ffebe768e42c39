/* SPDX-License-Identifier: MIT
 *
 * coalesce_owner.h - what owns a coalescer in the tests: builds frames and gives them, cuts what is
 * emitted again, and compares with what was given.
 *
 * The cutting is a second implementation, byte by byte and with slow sums. Each frame that comes
 * out must be one that was given: the same bytes when it was not joined; when it was, the same but
 * for the IPv4 id of TCP with DF, with its checksum complete, and only if the checksums given were
 * right.
 * At a flush all must have come out once, in the order given within a flow, and their memory is
 * spoilt and freed. A breach aborts.
 */
#ifndef TESTS_COALESCE_OWNER_H
#define TESTS_COALESCE_OWNER_H

#include "frame/coalesce.h"
#include "frames.h"

#include <stdio.h>

#define REQUIRE(holds)                                                                             \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds);                    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { OWNER_FRAMES_MAX = 256, OWNER_TCP = 6, OWNER_UDP = 17 };

struct owner_frame {
    uint8_t *given; /* a copy, as it was */
    uint8_t *live;  /* what the coalescer saw; NULL when it was not holdable */
    size_t bytes;
    bool partial;
    struct packet packet; /* of @given */
    size_t place;         /* among all that came out, from 1; 0: not yet */
};

struct owner {
    struct coalescer c;
    struct owner_frame frame[OWNER_FRAMES_MAX];
    size_t frames;
    size_t out;               /* frames that came out, cut ones counted one by one */
    size_t emitted;           /* calls of emit */
    size_t joined;            /* frames that came in large ones, over all times */
    struct offload offload;   /* of the last emitted */
    size_t slices, out_bytes; /* of the last emitted */
};

/* ---- where things are ---- */

struct owner_layout {
    bool v4, tcp;
    size_t network, transport, headers;
};

/* Of a frame with one of the simple header chains that may be joined; false for any other. */
static inline bool owner_layout_of(struct owner_layout *l, const uint8_t *frame, size_t bytes)
{
    size_t at = 12;
    for (unsigned tags = 0; tags < 2 && at + 2 <= bytes; tags++) {
        if (load_be16(frame + at) != 0x8100 && load_be16(frame + at) != 0x88a8)
            break;
        at += 4;
    }
    l->network = at + 2;
    if (l->network + 20 > bytes)
        return false;
    const uint8_t *ip = frame + l->network;
    l->v4 = load_be16(frame + at) == 0x0800 && ip[0] == 0x45;
    if (!l->v4 && (load_be16(frame + at) != 0x86dd || ip[0] >> 4 != 6))
        return false;
    l->transport = l->network + (l->v4 ? 20 : 40);
    if (l->transport > bytes)
        return false;
    uint8_t protocol = ip[l->v4 ? 9 : 6];
    l->tcp = protocol == OWNER_TCP;
    if (!l->tcp && protocol != OWNER_UDP)
        return false;
    l->headers = l->transport + (l->tcp ? 20 : 8);
    if (l->headers > bytes)
        return false;
    if (l->tcp)
        l->headers = l->transport + (size_t)4 * (frame[l->transport + 12] >> 4);
    return l->headers <= bytes;
}

static inline uint16_t owner_pseudo_sum(const struct owner_layout *l, const uint8_t *frame,
                                        size_t transport_bytes)
{
    const uint8_t *from = frame + l->network + (l->v4 ? 12 : 8);
    uint8_t rest[4] = {0, l->tcp ? OWNER_TCP : OWNER_UDP, (uint8_t)(transport_bytes >> 8),
                       (uint8_t)transport_bytes};
    return frame_sum(frame_sum(0, from, l->v4 ? 8 : 32), rest, sizeof rest);
}

static inline uint8_t *owner_checksum_field(const struct owner_layout *l, uint8_t *frame)
{
    return frame + l->transport + (l->tcp ? 16 : 6);
}

/* Sets the checksums as the rest of the frame wants them. */
static inline void owner_sum(const struct owner_layout *l, uint8_t *frame, size_t bytes,
                             bool partial)
{
    uint8_t *ip = frame + l->network, *field = owner_checksum_field(l, frame);
    size_t transport_bytes = bytes - l->transport;
    uint16_t sum = owner_pseudo_sum(l, frame, transport_bytes);
    if (l->v4) {
        store_be16(ip + 10, 0);
        store_be16(ip + 10, (uint16_t)~frame_sum(0, ip, 20));
    }
    store_be16(field, 0);
    if (!partial)
        sum = (uint16_t)~frame_sum(sum, frame + l->transport, transport_bytes);
    store_be16(field, sum == 0 && !l->tcp ? 0xffff : sum);
}

/* ---- comparing ---- */

/* Make equal what may differ between a frame given and the same one cut from a large frame; false
 * when a checksum is wrong, in which case it must never have been joined. */
static inline bool owner_normalize(uint8_t *frame, size_t bytes, bool partial)
{
    struct owner_layout l;
    if (!owner_layout_of(&l, frame, bytes))
        return false;
    uint8_t *ip = frame + l.network, *field = owner_checksum_field(&l, frame);
    uint16_t pseudo = owner_pseudo_sum(&l, frame, bytes - l.transport);
    if (l.v4 && !frame_ip4_checksum_good(ip))
        return false;
    if (!l.tcp && load_be16(field) == 0)
        return false;
    if (partial ? load_be16(field) % 0xffff != pseudo % 0xffff
                : frame_sum(pseudo, frame + l.transport, bytes - l.transport) != 0xffff)
        return false;
    memset(field, 0, 2);
    if (l.v4) {
        memset(ip + 10, 0, 2);
        if (l.tcp && (ip[6] & 0x40))
            memset(ip + 4, 0, 2);
    }
    return true;
}

static inline bool owner_equal(const struct owner_frame *f, const uint8_t *out, size_t bytes,
                               bool partial, bool cut)
{
    if (bytes != f->bytes)
        return false;
    if (!cut)
        return partial == f->partial && memcmp(f->given, out, bytes) == 0;
    uint8_t *a = malloc(bytes), *b = malloc(bytes);
    REQUIRE(a && b);
    memcpy(a, f->given, bytes);
    memcpy(b, out, bytes);
    bool equal = owner_normalize(a, bytes, f->partial) && owner_normalize(b, bytes, partial) &&
                 memcmp(a, b, bytes) == 0;
    free(a);
    free(b);
    return equal;
}

/* Find which it is, and note that it came out. */
static inline void owner_take(struct owner *o, const uint8_t *out, size_t bytes, bool partial,
                              bool cut)
{
    size_t i = 0;
    while (i < o->frames &&
           (o->frame[i].place != 0 || !owner_equal(&o->frame[i], out, bytes, partial, cut)))
        i++;
    REQUIRE(i < o->frames);
    o->frame[i].place = ++o->out;
    o->joined += cut;
}

/* ---- cutting ---- */

static inline void owner_require_large(const struct offload *offload, const uint8_t *frame,
                                       size_t bytes, const struct owner_layout *l)
{
    const uint8_t *ip = frame + l->network, *transport = frame + l->transport;
    size_t transport_bytes = bytes - l->transport;
    REQUIRE(bytes <= COALESCE_FRAME_MAX_BYTES && bytes > l->headers + offload->segment_bytes);
    REQUIRE(offload->checksum_partial && !offload->ecn && !offload->checksum_valid);
    REQUIRE(offload->gso == (l->tcp ? OFFLOAD_TCP : OFFLOAD_UDP));
    if (l->v4)
        REQUIRE(load_be16(ip + 2) == bytes - l->network && frame_ip4_checksum_good(ip));
    else
        REQUIRE(load_be16(ip + 4) == transport_bytes);
    REQUIRE(l->tcp ? (transport[13] & ~0x49) == 0x10 : load_be16(transport + 4) == transport_bytes);
    REQUIRE(load_be16(transport + (l->tcp ? 16 : 6)) ==
            owner_pseudo_sum(l, frame, transport_bytes));
}

/* Piece @n of the large frame's payload, @at in it. */
static inline size_t owner_cut(uint8_t *out, const struct owner_layout *l, const uint8_t *frame,
                               size_t n, size_t at, size_t payload_bytes, bool last)
{
    size_t bytes = l->headers + payload_bytes;
    uint8_t *ip = out + l->network, *transport = out + l->transport;
    memcpy(out, frame, l->headers);
    memcpy(out + l->headers, frame + l->headers + at, payload_bytes);
    if (l->v4) {
        store_be16(ip + 2, (uint16_t)(bytes - l->network));
        store_be16(ip + 4, (uint16_t)(load_be16(ip + 4) + n));
    } else {
        store_be16(ip + 4, (uint16_t)(bytes - l->transport));
    }
    if (l->tcp) {
        store_be32(transport + 4, load_be32(transport + 4) + (uint32_t)at);
        transport[13] &= last ? 0xff : 0xf6;
    } else {
        store_be16(transport + 4, (uint16_t)(bytes - l->transport));
    }
    owner_sum(l, out, bytes, false);
    return bytes;
}

static inline void owner_cut_all(struct owner *o, const struct offload *offload,
                                 const uint8_t *frame, size_t bytes, size_t slices)
{
    struct owner_layout l;
    REQUIRE(owner_layout_of(&l, frame, bytes));
    owner_require_large(offload, frame, bytes, &l);
    size_t payload_bytes = bytes - l.headers, n = 0;
    uint8_t *out = malloc(bytes);
    REQUIRE(out);
    for (size_t at = 0; at < payload_bytes; n++) {
        size_t left = payload_bytes - at;
        size_t count = left < offload->segment_bytes ? left : offload->segment_bytes;
        size_t out_bytes = owner_cut(out, &l, frame, n, at, count, count == left);
        owner_take(o, out, out_bytes, false, true);
        at += count;
    }
    REQUIRE(n == slices);
    free(out);
}

static inline void owner_emit(void *context, const struct offload *offload,
                              const struct packet *packet, const struct slice *slices, size_t count)
{
    struct owner *o = context;
    size_t bytes = 0, at = 0;
    REQUIRE(count >= 1 && count <= COALESCE_SLICES_MAX);
    REQUIRE((count > 1) == (offload->gso != OFFLOAD_WHOLE));
    REQUIRE(packet->frame == slices[0].bytes && packet->frame_bytes == slices[0].length);
    for (size_t i = 0; i < count; i++)
        bytes += slices[i].length;
    uint8_t *frame = malloc(bytes);
    REQUIRE(frame);
    for (size_t i = 0; i < count; at += slices[i++].length)
        memcpy(frame + at, slices[i].bytes, slices[i].length);
    if (count == 1)
        owner_take(o, frame, bytes, offload->checksum_partial, false);
    else
        owner_cut_all(o, offload, frame, bytes, count);
    free(frame);
    o->emitted++;
    o->offload = *offload;
    o->slices = count;
    o->out_bytes = bytes;
}

/* ---- giving ---- */

static inline void owner_init(struct owner *o, bool udp)
{
    memset(o, 0, sizeof *o);
    o->c.context = o;
    o->c.emit = owner_emit;
    o->c.udp = udp;
}

/* True when it was joined. A frame that is not holdable goes the slow way, and is gone after. */
static inline bool owner_give(struct owner *o, const uint8_t *frame, size_t bytes, bool partial,
                              bool holdable)
{
    REQUIRE(o->frames < OWNER_FRAMES_MAX && bytes > 0);
    struct owner_frame *f = &o->frame[o->frames++];
    *f = (struct owner_frame){malloc(bytes), malloc(bytes), bytes, partial, {0}, 0};
    REQUIRE(f->given && f->live);
    memcpy(f->given, frame, bytes);
    memcpy(f->live, frame, bytes);
    packet_parse(&f->packet, f->given, bytes);
    bool joined = holdable && coalesce_append(&o->c, f->live, bytes, partial);
    struct packet packet;
    if (!joined && packet_parse(&packet, f->live, bytes))
        coalesce_offer(&o->c, &packet, partial, holdable);
    else if (!joined)
        f->place = SIZE_MAX; /* no frame at all: nobody offers it */
    if (!holdable) {
        REQUIRE(f->place != 0);
        memset(f->live, 0xa5, bytes);
        free(f->live);
        f->live = NULL;
    }
    return joined;
}

/* Must the two come out in the order they were given? */
static inline bool owner_ordered(const struct packet *a, const struct packet *b)
{
    if (a->transport_offset == 0 || !ip_equal(&a->ip_source, &b->ip_source) ||
        !ip_equal(&a->ip_destination, &b->ip_destination))
        return false;
    if (b->transport_offset == 0)
        return b->fragment;
    return a->protocol == b->protocol && a->source_port == b->source_port &&
           a->destination_port == b->destination_port;
}

static inline void owner_flush(struct owner *o)
{
    coalesce_flush(&o->c);
    for (size_t i = 0; i < o->frames; i++) {
        struct owner_frame *f = &o->frame[i];
        REQUIRE(f->place != 0);
        for (size_t j = 0; j < i; j++)
            REQUIRE(o->frame[j].place < f->place ||
                    !owner_ordered(&o->frame[j].packet, &f->packet));
    }
    for (size_t i = 0; i < o->frames; i++) {
        struct owner_frame *f = &o->frame[i];
        if (f->live)
            memset(f->live, 0xa5, f->bytes);
        free(f->live);
        free(f->given);
    }
    o->frames = 0;
}

/* ---- frames to give ---- */

enum {
    FIN = 0x01,
    SYN = 0x02,
    RST = 0x04,
    PSH = 0x08,
    ACK = 0x10,
    URG = 0x20,
    ECE = 0x40,
    CWR = 0x80,
    DF = 0x4000,
    PAYLOAD = 100,
    FIRST_SEQUENCE = 0x01020304,
    FIRST_ID = 0xfffe, /* wraps soon */
};

/* A kind of flow. */
struct kind {
    bool v6, udp, partial;
    uint8_t tags, option_bytes; /* TCP: a multiple of 4 */
    uint16_t fragment_field;
};

/* One frame of a flow; 'n' is counted in full payloads. */
struct piece {
    unsigned n;
    size_t payload_bytes;
    uint8_t flags;
    uint16_t port;
};

static struct owner o;

static inline void setup(void)
{
    owner_init(&o, true);
}

static inline void teardown(void)
{
    owner_flush(&o);
}

static inline size_t build(uint8_t *frame, struct kind k, struct piece piece)
{
    uint8_t upper[FRAME_BYTES_MAX] = {0};
    size_t header_bytes = k.udp ? 8 : 20u + k.option_bytes;
    struct frame_spec spec = {.ip_source = frame_ip(k.v6 ? "2001:db8::1" : "192.168.1.2"),
                              .ip_destination = frame_ip(k.v6 ? "2001:db8::2" : "192.168.1.3"),
                              .ttl = 64,
                              .fragment_field = k.fragment_field,
                              .vlan_tags = k.tags,
                              .vlan_tci = 0x2005};
    store_be16(upper, (uint16_t)(50000 + piece.port));
    store_be16(upper + 2, 445);
    if (k.udp) {
        store_be16(upper + 4, (uint16_t)(8 + piece.payload_bytes));
    } else {
        store_be32(upper + 4, FIRST_SEQUENCE + piece.n * PAYLOAD);
        store_be32(upper + 8, 0xa0b0c0d0);
        upper[12] = (uint8_t)(header_bytes / 4 << 4);
        upper[13] = piece.flags;
        store_be16(upper + 14, 0x1234);
        memset(upper + 20, 1, k.option_bytes);
    }
    for (size_t i = 0; i < piece.payload_bytes; i++)
        upper[header_bytes + i] = (uint8_t)(piece.n * PAYLOAD + i * 7);
    size_t bytes = frame_packet(frame, spec, k.udp ? OWNER_UDP : OWNER_TCP, upper,
                                header_bytes + piece.payload_bytes);
    struct owner_layout l;
    REQUIRE(owner_layout_of(&l, frame, bytes));
    if (l.v4)
        store_be16(frame + l.network + 4, (uint16_t)(FIRST_ID + piece.n));
    owner_sum(&l, frame, bytes, k.partial);
    return bytes;
}

static inline bool give(struct kind k, struct piece piece)
{
    uint8_t frame[FRAME_BYTES_MAX];
    size_t bytes = build(frame, k, piece);
    return owner_give(&o, frame, bytes, k.partial, true);
}

static inline struct piece full(unsigned n)
{
    return (struct piece){n, PAYLOAD, ACK, 0};
}

/* All kinds of flow in turn; false behind the last. */
static inline bool next_kind(struct kind *k, unsigned i)
{
    *k = (struct kind){.v6 = i & 1,
                       .udp = i & 2,
                       .partial = i & 4,
                       .fragment_field = i & 8 ? DF : 0,
                       .tags = (uint8_t)((i >> 4) % 3),
                       .option_bytes = (uint8_t)(i / 48 * 20)};
    return i < 48 * 3;
}

#endif
