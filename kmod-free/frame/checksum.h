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

/** checksum_add() - Add @count bytes, as big-endian words, an odd last one padded with zero */
uint32_t checksum_add(uint32_t sum, const uint8_t *bytes, size_t count);

/** checksum_finish() - Fold and complement a sum */
uint16_t checksum_finish(uint32_t sum);

/**
 * checksum_transport() - What the TCP, UDP or ICMPv6 checksum of an unfragmented packet should be
 *
 * Over the pseudo-header and the transport part, its checksum field taken as zero. For UDP, 0 is
 * returned as 0xffff (RFC 768). 0 when there is no such transport header.
 */
uint16_t checksum_transport(const struct packet *packet);

#endif
