/* SPDX-License-Identifier: MIT
 *
 * coalesce.h - join consecutive TCP segments (and equal UDP datagrams) of a flow into one large
 * frame again, as a receiving network card does (GRO), without copying them.
 *
 * Theory of operation. The frames opened in one turn of a worker lie in its buffers until the turn
 * ends. The first segment of a flow goes the long way (guard, forwarding, ...), is offered and
 * held. A later one is held against it as raw bytes, by coalesce_append(): it is joined when every
 * bit of its Ethernet, IP and TCP headers is the first one's, but those that a next segment has to
 * change, and these are what they must be. So whatever was decided about the first from its
 * headers holds for it, too, and cutting the large frame gives back what came. Held is a list of
 * slices: the first frame whole, then payloads. The headers are mended when the large frame goes.
 *
 * Joined, by Linux's rules (tcp_gro_receive) where none stricter is written here:
 *   - whole packets that fill their frame: no fragments, no IPv4 options, no IPv6 extension
 *     headers, no Ethernet padding; to one station, not to a group (of a group's frames each is
 *     counted and looked at);
 *   - TTL, TOS with its ECN bits, DF, flow label, VLAN tags: equal. The IPv4 id counts up by 1 mod
 *     2^16, as it does when the large frame is cut. Only TCP's with DF is anything (RFC 6864: it
 *     means nothing then), and may come out another;
 *   - TCP with payload and ACK, no SYN, RST, URG or CWR; the next sequence number; acknowledgement,
 *     window, urgent pointer, options, all flags but PSH and FIN equal. PSH or FIN is joined, and
 *     ends the large frame. A segment with CWR stays alone, so none is ever repeated by cutting
 *     (RFC 3168), nor AccECN's counter lost;
 *   - UDP, if the owner asks for it, with payload and a checksum: one without would get one by
 *     being cut. Each datagram comes out as it was;
 *   - payloads all of one size, but a shorter one, which is joined and ends the large frame.
 *
 * A checksum that is wrong never becomes right: IPv4's and, unless partial, the transport's are
 * verified for each joined segment, for the first when the second arrives. A partial one must be
 * the pseudo-header's sum.
 *
 * Order. A flow is two addresses, a protocol and two ports. Before a frame of a flow that does not
 * continue what is held of it (a hole, a retransmission, a pure ACK, a fragment ...) that is
 * emitted. Frames of different flows may overtake one another.
 *
 * States of a flow's slot: free -> held by coalesce_offer() -> joined by coalesce_append(), any
 * number of times -> free, by emit. Slots are emptied oldest first: by coalesce_flush(), or one to
 * make room. One thread uses a coalescer.
 */
#ifndef FRAME_COALESCE_H
#define FRAME_COALESCE_H

#include "frame/offload.h"

enum {
    COALESCE_FLOWS = 8,
    COALESCE_SLICES_MAX = 64,
    COALESCE_FRAME_MAX_BYTES = 65535, /* headers included */
};

/* A part of a frame that lies in several places. */
struct slice {
    const uint8_t *bytes;
    size_t length;
};

struct coalesce_flow {
    struct packet packet;   /* of the first frame */
    uint32_t pseudo_sum;    /* of the pseudo-header with length 0; once it is proven */
    uint32_t frame_bytes;   /* of all slices */
    uint32_t next_sequence; /* TCP */
    uint16_t next_id;       /* IPv4 */
    uint16_t headers_bytes; /* Ethernet, IP and transport */
    uint16_t segment_bytes; /* payload of the first frame */
    uint8_t slices;
    bool partial; /* the first frame's checksum, as it came */
    bool proven;  /* the first frame's checksums are right */
    struct slice slice[COALESCE_SLICES_MAX];
};

/* All zeros but @context and @emit is an empty one. */
struct coalescer {
    void *context;
    /* One frame, complete. The first slice begins with the Ethernet header and ends behind
     * @packet's headers or later; @packet was parsed when only the first slice was there, so its
     * frame_bytes and network_end are that slice's. A large frame has partial checksum and gso set
     * in @offload; any other is one slice, as it came. Slices are good during the call; the
     * coalescer must not be called from within. */
    void (*emit)(void *context, const struct offload *offload, const struct packet *packet,
                 const struct slice *slices, size_t count);
    bool udp; /* join UDP datagrams, too: whoever gets the frames can cut them (USO) */

    uint8_t last;                        /* slot that was continued last */
    uint64_t offered;                    /* frames held so far */
    uint64_t held_since[COALESCE_FLOWS]; /* @offered then, counting itself; 0: the slot is free */
    struct coalesce_flow flow[COALESCE_FLOWS];
};

/**
 * coalesce_append() - Join a frame to the flow it continues, if one is held: the fast way
 * @frame:    Not parsed or checked in any way; stays where and as it is until coalesce_flush()
 * @bytes:    Its length
 * @partial:  Its TCP or UDP checksum is partial
 *
 * Between two flushes all frames must come from one place (the same peer), since one is taken here
 * on the strength of what was decided about another. A decision made from payload, or a count of
 * frames, is not covered.
 *
 * Return: true when it was taken; false: parse and check it, then coalesce_offer() it
 */
bool coalesce_append(struct coalescer *c, uint8_t *frame, size_t bytes, bool partial);

/**
 * coalesce_offer() - Hold a frame that has passed all checks, or emit it at once
 * @packet:    Parsed anew if the frame was changed since; copied. Its frame's headers are changed
 *             when others are joined to it
 * @partial:   Its TCP or UDP checksum is partial
 * @holdable:  The frame stays where and as it is until coalesce_flush()
 *
 * Emitted at once, after what is held of its flow, is what cannot be the first of a large frame.
 */
void coalesce_offer(struct coalescer *c, const struct packet *packet, bool partial, bool holdable);

/** coalesce_flush() - Emit all that is held, oldest flow first; the frames' memory is free then */
void coalesce_flush(struct coalescer *c);

#endif
