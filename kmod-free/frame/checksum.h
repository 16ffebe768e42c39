/* SPDX-License-Identifier: MIT
 *
 * checksum.h - the Internet checksum: whole (RFC 1071) and by difference (RFC 1624).
 */
#ifndef FRAME_CHECKSUM_H
#define FRAME_CHECKSUM_H

#include "frame/packet.h"

/**
 * checksum_update16() - A checksum after one 16-bit word under it changed (RFC 1624 eqn 3)
 *
 * A checksum that was wrong stays wrong by the same amount: a broken packet is not made whole.
 */
uint16_t checksum_update16(uint16_t checksum, uint16_t old_word, uint16_t new_word);

/**
 * checksum_add() - Add @count bytes as big-endian words, an odd last byte padded with zero
 * @sum:  What came before, 0 at first; only the last of several calls may have an odd @count
 *
 * Return: the sum folded to 16 bits, to go on with or to hand to checksum_finish()
 */
uint32_t checksum_add(uint32_t sum, const uint8_t *bytes, size_t count);

/** checksum_finish() - Fold and complement a sum: what is stored in the packet */
uint16_t checksum_finish(uint32_t sum);

/**
 * checksum_transport() - What the TCP, UDP or ICMPv6 checksum of an unfragmented packet should be
 *
 * Over the pseudo-header and the transport part, its checksum field taken as zero. For UDP, 0 is
 * returned as 0xffff (RFC 768), and its own length counts, not the packet's. The destination is the
 * IP header's, so a packet still under way by an IPv6 routing header (RFC 8200 s.8.1) is not
 * covered. 0 when there is no such transport header.
 */
uint16_t checksum_transport(const struct packet *packet);

#endif
