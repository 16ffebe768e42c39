/* SPDX-License-Identifier: MIT
 *
 * mss.h - lowering the MSS that TCP announces, so that its segments fit one datagram each.
 *
 * The tunnel carries any frame by cutting it, but a datagram per segment is cheaper and a lost
 * piece costs less. The MSS option counts neither IP nor TCP options (RFC 6691), so the budget is
 * the largest IP packet less 40 (IPv4) or 60 (IPv6), less the IPv6 extension headers that this
 * SYN carries, as later segments will carry them too. IPv4 options are not subtracted: they are
 * rare and the sender subtracts them itself.
 */
#ifndef FRAME_MSS_H
#define FRAME_MSS_H

#include "frame/packet.h"

/**
 * mss_clamp() - Lower the MSS option of a SYN or SYN-ACK in place
 * @ip_packet_max_bytes:  Largest inner IP packet that fits one datagram
 *
 * Only lowers; a SYN without the option and any fragment is left alone. The TCP checksum follows
 * by RFC 1624.
 * Return: true when it was lowered
 */
bool mss_clamp(struct packet *packet, uint16_t ip_packet_max_bytes);

#endif
