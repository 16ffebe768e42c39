/* SPDX-License-Identifier: MIT
 *
 * mss.h - lowering the MSS that TCP announces, so that its segments fit one datagram each.
 *
 * The tunnel carries any frame by cutting it, but a datagram per segment is cheaper and a lost
 * piece costs less. The MSS option counts neither IP nor TCP options (RFC 6691), so the budget is
 *   IPv4: 20 + 20. IP options are not subtracted: the sender takes its own off every segment, as
 *         it does with TCP's timestamps.
 *   IPv6: 40 + the extension headers this SYN carries + 20, as later segments carry them as well.
 * Every MSS option is lowered: of several, Linux believes the last that has the right length and is
 * not 0, others the first. An option that does not parse ends the walk, as it does for receivers.
 *
 * Alone are left SYNs whose options are authenticated, which a change would make invalid: those
 * under IPv6's AH, and those with TCP-AO (RFC 5925 s.5.1). TCP-MD5 leaves options out (RFC 2385).
 */
#ifndef FRAME_MSS_H
#define FRAME_MSS_H

#include "frame/packet.h"

/**
 * mss_clamp() - Lower the MSS options of a SYN or SYN-ACK in place
 * @ip_packet_max_bytes:  Largest inner IP packet that fits one datagram
 *
 * Only lowers; a SYN without the option, a fragment without the whole TCP header and a maximum that
 * leaves no room for data are left alone. The TCP checksum follows by RFC 1624, which needs no
 * other fragment: one that was wrong stays wrong.
 * Return: true when any was lowered
 */
bool mss_clamp(struct packet *packet, uint16_t ip_packet_max_bytes);

#endif
