/* SPDX-License-Identifier: MIT
 *
 * offload.h - what a TAP with virtio-net headers says beside each frame, and is told.
 *
 * A host that hands a frame to such a TAP may leave two things undone: the transport checksum (its
 * field then holds the sum of the pseudo-header only: 'partial'), and the cutting of a large TCP or
 * UDP frame into segments. And we may hand the TAP frames of the same kind. So each is done once
 * for many segments, or never: inside the authenticated tunnel nobody needs the checksum.
 *
 * The header (struct virtio_net_hdr, virtio 1.1 s.5.1.6), little-endian (TUNSETVNETLE), 10 bytes:
 *   0 flags   1 gso type   2 length of all headers 2   4 segment bytes 2   6 checksum start 2
 *   8 checksum offset 2
 * Offsets that come from elsewhere are never trusted: they must be those of our own parse. Only a
 * checksum of another kind (of ICMPv6, of a packet within the packet, of a fragment) may lie
 * elsewhere in the frame; that one is finished as soon as the header is read, so that nothing
 * behind this file meets any other partial checksum than that of the packet's own TCP or UDP.
 */
#ifndef FRAME_OFFLOAD_H
#define FRAME_OFFLOAD_H

#include "frame/packet.h"

enum { OFFLOAD_HEADER_BYTES = 10 };

enum offload_gso {
    OFFLOAD_WHOLE = 0,
    OFFLOAD_TCP,
    OFFLOAD_UDP
}; /* large: to be cut into segments */

struct offload {
    bool checksum_partial;  /* the TCP or UDP checksum is the pseudo-header's sum only */
    bool checksum_valid;    /* somebody has checked it already (VIRTIO_NET_HDR_F_DATA_VALID) */
    bool ecn;               /* TCP: CWR belongs to the first segment only (RFC 3168) */
    uint8_t gso;            /* enum offload_gso */
    uint16_t segment_bytes; /* gso: payload of each segment but the last */
};

/**
 * offload_possible() - Has @packet a TCP or UDP header of its own, whole and not in a fragment?
 *
 * Only then may its checksum be partial, or the frame large.
 */
bool offload_possible(const struct packet *packet);

/**
 * offload_read() - Decode and check against @packet, which was parsed from the frame behind it
 *
 * A partial checksum that is not that of @packet's own TCP or UDP header is finished in the frame
 * at once, and checksum_partial is false.
 *
 * Return: false when the header speaks of bytes outside the packet, of another kind of large frame
 * than @packet is, or of segments without bytes: drop the frame
 */
bool offload_read(struct offload *out, const uint8_t header[OFFLOAD_HEADER_BYTES],
                  const struct packet *packet);

/**
 * offload_write() - Encode for @packet, whose offsets are used
 *
 * A @packet that is not offload_possible() gets a header that says nothing.
 */
void offload_write(uint8_t header[OFFLOAD_HEADER_BYTES], const struct offload *offload,
                   const struct packet *packet);

/**
 * offload_finish_checksum() - Make a partial checksum whole, in the frame; not for a large one
 *
 * Does nothing when @packet is not offload_possible().
 */
void offload_finish_checksum(const struct packet *packet);

/**
 * offload_pseudo_checksum() - The pseudo-header's sum, as a partial checksum field holds it
 * @transport_bytes:  Length of the TCP or UDP header and what follows it
 *
 * Of RFC 9293 s.3.1 and RFC 8200 s.8.1, folded, not complemented. The destination is the IP
 * header's, which an IPv6 routing header makes the wrong one.
 */
uint16_t offload_pseudo_checksum(const struct packet *packet, size_t transport_bytes);

/** offload_headers_bytes() - Ethernet to TCP or UDP; 0 when @packet is not offload_possible() */
size_t offload_headers_bytes(const struct packet *packet);

#endif
