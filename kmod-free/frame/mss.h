/* SPDX-License-Identifier: MIT
 *
 * mss.h - lowering the MSS that TCP announces, so that its segments fit one datagram each.
 *
 * The tunnel carries any frame by cutting it, but a datagram per segment is cheaper and a lost
 * piece costs less. The MSS option counts neither IP nor TCP options (RFC 6691), so the budget is
 *   IPv4: 20 + 20. IP options are not subtracted: the sender takes its own off every segment.
 *   IPv6: 40 + the extension headers this SYN carries + 20, as later segments carry them as well.
 * Only the first MSS option counts; options that do not parse up to it leave the SYN alone.
 */
#ifndef FRAME_MSS_H
#define FRAME_MSS_H

#include "frame/packet.h"

/**
 * mss_clamp() - Lower the MSS option of a SYN or SYN-ACK in place
 * @ip_packet_max_bytes:  Largest inner IP packet that fits one datagram
 *
 * Only lowers; a SYN without the option, any fragment and a maximum that leaves no room for data
 * are left alone. The TCP checksum follows by RFC 1624: one that was wrong stays wrong.
 * Return: true when it was lowered
 */
bool mss_clamp(struct packet *packet, uint16_t ip_packet_max_bytes);

#endif
