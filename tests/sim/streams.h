/* SPDX-License-Identifier: MIT
 *
 * streams.h - TCP and UDP of hosts whose TAP takes work off them: frames with partial checksums and
 * large frames enter one home, and a book is kept of what reaches the hosts of the others.
 *
 * A stream is a sequence of payload bytes between two hosts, known by its source port. A byte is
 * known by its position: TCP's sequence number says it, in UDP each datagram begins with it. So
 * however the frames are cut on their way, each byte is seen to come once, unspoiled, under the
 * headers of the frame it was sent in.
 */
#ifndef SIM_STREAMS_H
#define SIM_STREAMS_H

#include "net.h"

#include "frame/packet.h"

enum {
    STREAMS_MAX = 32,
    STREAM_FRAMES_MAX = 1024,
    STREAM_BYTES_MAX = 8 << 20,
    STREAM_HEADERS_MAX_BYTES = 160,
    STREAM_HOMES = 3,
    STREAM_PORT = 20000, /* of the first one */
    STREAM_TCP_FIN = 0x01,
    STREAM_TCP_SYN = 0x02,
    STREAM_TCP_PSH = 0x08,
    STREAM_TCP_ACK = 0x10,
    STREAM_TCP_URG = 0x20,
    STREAM_TCP_ECE = 0x40,
    STREAM_TCP_CWR = 0x80,
};

enum stream_to { STREAM_TO_HOST, STREAM_TO_UNKNOWN, STREAM_TO_GROUP };

struct stream_kind {
    unsigned from, to; /* homes; @to counts with STREAM_TO_HOST only */
    enum stream_to addressed;
    bool v6, udp, dont_fragment;
    uint8_t vlan_tags;
    bool network_options;   /* IPv4 options, or an IPv6 extension header */
    bool transport_options; /* TCP's time stamp */
};

/* One frame as its sender hands it in. */
struct stream_frame {
    size_t payload_bytes;
    uint16_t segment_bytes; /* 0: it is not large */
    uint8_t tcp_flags;
    bool ecn, partial;
};

struct stream_record {
    uint32_t start, end; /* positions of its payload */
    struct stream_frame frame;
    size_t network_offset, transport_offset, header_bytes;
    uint8_t headers[STREAM_HEADERS_MAX_BYTES];
};

struct stream {
    struct stream_kind kind;
    uint32_t first_sequence, bytes; /* sent so far */
    unsigned frames;
    struct stream_record record[STREAM_FRAMES_MAX];
    struct {
        uint8_t *seen; /* each byte */
        uint32_t bytes, next;
        unsigned segments, repeated, overtaken;
        size_t largest_segment; /* payload of the last frame's largest */
    } at[STREAM_HOMES];
};

struct streams {
    struct sim *sim;
    struct stream *stream[STREAMS_MAX];
    unsigned count;
    unsigned spoiled;                 /* came with other bytes than were sent */
    unsigned strays;                  /* came where they had no business */
    unsigned segments[STREAM_HOMES];  /* of all streams, that came here */
    unsigned handed_in[STREAM_HOMES]; /* frames of all streams */
    const char *why;                  /* the last one was spoiled */
};

/** streams_new() - Takes the world's on_lan hook; streams_free() it */
struct streams *streams_new(struct sim *sim);
void streams_free(struct streams *s);

/** streams_greet() - Each host says once where it is, with every VLAN tag there will be */
void streams_greet(struct streams *s);

/** streams_open() - A stream of that kind without bytes; returns its number */
unsigned streams_open(struct streams *s, const struct stream_kind *kind);

/** streams_build() - The stream's next frame as it would be; returns its length */
size_t streams_build(struct stream *stream, unsigned number, const struct stream_frame *frame,
                     uint8_t *out, uint8_t offload[10]);

/** streams_send() - Hand the stream's next frame in; the site is not flushed */
void streams_send(struct streams *s, unsigned number, const struct stream_frame *frame);

/** streams_complete() - Did every byte of every stream come everywhere it should? */
bool streams_complete(const struct streams *s);

/** streams_clean() - Did nothing come spoiled, astray or twice? */
bool streams_clean(const struct streams *s);

/** streams_ordered() - Did no segment overtake another of its stream? */
bool streams_ordered(const struct streams *s);

#endif
