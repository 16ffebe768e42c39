/* SPDX-License-Identifier: MIT
 *
 * segment.h - cut a large TCP or UDP frame (struct offload's gso) into frames that travel by
 * themselves, as the sending host's network card would have done.
 *
 * All headers are copied to each segment, IPv4 and TCP options and IPv6 extension headers included,
 * and these change:
 *   IPv4: total length, id (one more with each), header checksum. IPv6: payload length.
 *   TCP:  sequence number, checksum; FIN and PSH in the last segment only; CWR in the first only
 *         when the host asks for it (RFC 3168; with accurate ECN, RFC 9768, it stays in all). The
 *         urgent pointer stays: it does so in Linux.
 *   UDP:  length, checksum.
 *
 * A partial checksum is carried on as it came but for the length, so what an IPv6 routing header
 * does to the pseudo-header is kept; one that was complete is made afresh, as in Linux.
 *
 * The cutter works on a copy of the headers: of the frame it reads the payload only, segment by
 * segment. So a segment can be made beside the frame (segment_next(), which copies) or in it
 * (segment_next_in_place(), which does not): its headers then stand right in front of its payload,
 * over the frame's own headers or over payload that was taken before. They end where the payload
 * begins, so nothing that is still to come is touched, however small the segments are.
 */
#ifndef FRAME_SEGMENT_H
#define FRAME_SEGMENT_H

#include "frame/offload.h"

/* Ethernet with two tags, IPv6 with some extension headers, TCP with all options; IPv4 needs 142.
 */
enum { SEGMENT_HEADERS_MAX_BYTES = 256 };

/* What segment_next_in_place()'s caller may write in front of a segment; so as much must be free in
 * front of the frame. */
enum { SEGMENT_ROOM_BYTES = 32 };

/* A frame on its way to be cut. Zero: nothing left. */
struct segmenter {
    uint8_t *payload; /* what is left, in the caller's frame */
    size_t payload_bytes;
    size_t segment_bytes; /* payload of each but the last */
    size_t header_bytes;  /* Ethernet to TCP or UDP */
    size_t network_offset, transport_offset;
    bool v4, tcp, partial, ecn;
    uint8_t tcp_flags;                          /* of the whole frame */
    uint32_t network_sum;                       /* IPv4 header without length, id and checksum */
    uint32_t transport_sum;                     /* pseudo-header without length */
    uint8_t headers[SEGMENT_HEADERS_MAX_BYTES]; /* of the next segment, or nearly */
};

/**
 * segment_begin() - Prepare to cut
 * @packet:   Parsed; the payload in its frame must stay until it was taken. Padding behind the
 *            packet is left out
 * @offload:  From offload_read() with @packet; gso is not OFFLOAD_WHOLE
 * @frame_max_bytes:  What fits one datagram. TCP segments are made smaller to fit; UDP datagrams
 *            keep their boundaries and may be larger (the tunnel cuts those into pieces)
 * @partial:  Leave each segment's checksum partial
 *
 * Return: false when it cannot be cut: drop it. It has no payload, or is another kind of packet
 * than @offload says, or a fragment; its headers are longer than SEGMENT_HEADERS_MAX_BYTES, or
 * leave no room in @frame_max_bytes; or it begins a connection (a SYN counts as one more byte of
 * the sequence and is never large)
 */
bool segment_begin(struct segmenter *s, const struct packet *packet, const struct offload *offload,
                   size_t frame_max_bytes, bool partial);

/** segment_next_bytes() - Size of the next segment; 0 when there is none left */
size_t segment_next_bytes(const struct segmenter *s);

/**
 * segment_next() - Write the next segment
 * @out:  Room for segment_next_bytes(), not in the frame that is cut, which stays as it is
 *
 * Return: its length, 0 when there is none left
 */
size_t segment_next(struct segmenter *s, uint8_t *out);

/**
 * segment_next_in_place() - The next segment, where its payload already lies
 * @room_bytes:  How many bytes before the segment the caller wants to write too (a chunk's header);
 *               0 to SEGMENT_ROOM_BYTES. For the first segment they are those before the frame
 * @bytes:       The segment's length, when there is one
 *
 * The frame is destroyed, so the packet that was begun with no longer describes it. When it goes to
 * several peers only the last may take it in place, those before it by segment_next(). The header
 * of struct offload may lie in the room, as it was read by now. Calls of this and of segment_next()
 * may be mixed.
 *
 * Return: where the segment begins, or NULL when none is left (or @room_bytes is too large). The
 * @room_bytes before it are free, too. Good until the next call; what came before it in the frame
 * is overwritten
 */
uint8_t *segment_next_in_place(struct segmenter *s, size_t room_bytes, size_t *bytes);

#endif
