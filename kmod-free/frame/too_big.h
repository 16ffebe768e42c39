/* SPDX-License-Identifier: MIT
 *
 * too_big.h - what a router does with a packet that is too large for the next link: tell its
 * sender what would fit, or cut it into fragments.
 *
 * Theory of operation. A bridge has no address to speak from, so the ICMP error comes from whom
 * the packet was for, as the kernel's tunnels do for bridged traffic: the sender's firewall knows
 * that address. Whatever was odd about a packet, its sender is not told: an error that answers an
 * error or a group starts storms, and one that answers a forged source hits a stranger.
 *
 *   packet                              too_big_icmp()                      too_big_cut()
 *   IPv4, don't fragment                type 3 code 4 (RFC 1191)            no
 *   IPv4, may be fragmented             none                                yes (RFC 791 s.3.2)
 *   IPv6                                type 2 (RFC 4443 s.3.2)             no
 *   IPv6, and not even 1280 would fit   none: 1280 is everybody's right     no
 *
 * The answer has DSCP 0, not the CS6 that RFC 1812 s.4.3.2.5 wants of routers: nobody waits for
 * it, and a home's Wi-Fi would put it before the voice.
 */
#ifndef FRAME_TOO_BIG_H
#define FRAME_TOO_BIG_H

#include "frame/packet.h"

enum {
    TOO_BIG_FRAME_BYTES = ETHER_HEADER_BYTES + 2 * VLAN_TAG_BYTES + 1280,
    TOO_BIG_PER_S = 10,
    TOO_BIG_BURST = 10,
    TOO_BIG_OPTIONS_BYTES_MAX = 40, /* of an IPv4 header */
};

/**
 * too_big_icmp() - Build the ICMP error that tells @packet's sender what size would fit
 * @packet:     As parsed; not changed
 * @mtu_bytes:  Largest IP packet that fits
 * @out:        Receives an Ethernet frame with @packet's VLAN tags; not inside @packet's frame
 *
 * The packet is quoted as it is, as much as the error may hold: up to 576 bytes of IPv4 (RFC 1812
 * s.4.3.2.3), 1280 of IPv6.
 *
 * None is sent when the packet fits; is malformed, not IP or a later fragment; is IPv4 without DF;
 * goes to or comes from a group MAC or an IP address that is not one host's (RFC 1122 s.3.2.2,
 * RFC 4443 s.2.4e; RFC 4443 would answer multicast, but a group is no source); is an ICMP error or
 * may be one; and when @mtu_bytes is below IP's own minimum, 68 or 1280.
 *
 * Return: bytes of the frame written to @out; 0 when none may be sent
 */
size_t too_big_icmp(const struct packet *packet, uint16_t mtu_bytes,
                    uint8_t out[TOO_BIG_FRAME_BYTES]);

/* At most TOO_BIG_PER_S errors, TOO_BIG_BURST at once. Zero is ready for use. */
struct too_big_limit {
    uint64_t whole_us; /* of rate.h */
};

/**
 * too_big_allows() - Whether one more error may be sent, which is then counted
 * @now_us:  Monotonic time; going back only means waiting
 */
bool too_big_allows(struct too_big_limit *limit, uint64_t now_us);

/* A packet on its way to be cut. Zero: nothing left. */
struct too_big_cutter {
    const uint8_t *frame;                                            /* the caller's */
    size_t network_offset, payload_offset, network_end, next_offset; /* in frame */
    size_t room_bytes;                                               /* payload of one fragment */
    uint8_t later_options[TOO_BIG_OPTIONS_BYTES_MAX]; /* of all fragments but the first */
};

/**
 * too_big_cut() - Begin to cut an IPv4 packet without DF into fragments (RFC 791 s.3.2)
 * @packet:     Its frame must stay until the last fragment is taken. The transport checksum must be
 *              a whole one: it lies in the first fragment, and covers all
 * @mtu_bytes:  Largest IP packet that fits
 *
 * A packet that is a fragment itself is cut further.
 *
 * Return: false when it may not be cut: not IPv4, DF, fits already, @mtu_bytes below 68, malformed
 * (its header checksum and options included: neither is to be mended)
 */
bool too_big_cut(struct too_big_cutter *cutter, const struct packet *packet, uint16_t mtu_bytes);

/**
 * too_big_next() - Write the next fragment, in order, as a frame of its own
 * @out:       Not inside the packet's frame
 * @capacity:  Of @out; network_offset + mtu_bytes is always enough
 *
 * Options without the copied flag (RFC 791 s.3.1) are in the first fragment only; in the others
 * NOPs stand for them. Ethernet's padding is left behind.
 *
 * Return: bytes of the frame; 0: no more, or @capacity too small
 */
size_t too_big_next(struct too_big_cutter *cutter, uint8_t *out, size_t capacity);

#endif
