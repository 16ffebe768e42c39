/* SPDX-License-Identifier: MIT
 *
 * ttl.h - mending the TTL or hop limit of discovery packets that a hop on the way has lowered.
 *
 * mDNS demands 255 (RFC 6762 s.11) and some devices drop anything else; SSDP is sent with 2 or 4
 * (UPnP DA) and dies after as many hops. A value of 255 is also the proof of being on-link that
 * others rely on (RFC 5082), so the repair is narrow:
 *   - mDNS: UDP port 5353 to 224.0.0.251 or ff02::fb: set to 255
 *   - SSDP: UDP port 1900 to 239.255.255.250, ff02::c or ff05::c: raised to 4, never lowered
 *   - only frames to a group MAC, only without Router Alert
 * A later fragment has no ports. To the mDNS group all UDP is mDNS. 239.255.255.250 and ff02::c
 * are shared with WS-Discovery, whose fragments are then raised as well: it checks no TTL, so
 * that is harmless, while an SSDP datagram with one dead fragment is lost whole.
 * A TTL of 0 is repaired like any other: such a packet was sent by a hop that did not look.
 */
#ifndef FRAME_TTL_H
#define FRAME_TTL_H

#include "frame/packet.h"

enum ttl_repaired { TTL_UNTOUCHED, TTL_REPAIRED_MDNS, TTL_REPAIRED_SSDP };

enum { TTL_REPAIR_MDNS = 1, TTL_REPAIR_SSDP = 2 };

/**
 * ttl_repair() - Repair a frame in place
 * @what:  TTL_REPAIR_..., or-ed
 *
 * The IPv4 header checksum follows by RFC 1624; one that was wrong stays wrong.
 */
enum ttl_repaired ttl_repair(struct packet *packet, unsigned what);

#endif
