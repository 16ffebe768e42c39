/* SPDX-License-Identifier: MIT
 *
 * ra.h - router advertisements that may cross, and those we make ourselves.
 *
 * Crossing (`ra-routes = on`): a Thread or Matter border router announces routes to its mesh by
 * Route Information Options (RFC 4191) in an RA whose router lifetime is 0. Such an RA may cross,
 * cut down to what it says of those routes; any RA of a default router may not. Setting the
 * lifetime of a router's own RA to 0 instead would be wrong: where both homes' routers are fe80::1
 * hosts would drop their default route.
 *
 * Making (`ipv6-on-link`): each home keeps its own /64, so a host would send packets for a far
 * device to its own gateway, which loses them. We tell the LAN that the peers' prefixes are on
 * this link; the host then asks by ND, and ND crosses.
 */
#ifndef FRAME_RA_H
#define FRAME_RA_H

#include "address.h"
#include "frame/gateway.h"
#include "frame/packet.h"

#include <stddef.h>

enum {
    /* A shorter prefix is a provider's or half the Internet (2000::/3), never one home's. */
    RA_PREFIX_MIN_BITS = 48,
    /* What fits into one packet every link carries (1280 bytes, RFC 8200 s.5). */
    RA_ON_LINK_PREFIXES_MAX = 38,
};

/**
 * ra_restrict() - Cut a router advertisement down to its specific routes
 * @p:         Any packet
 * @local:     Gateways of this home; an RA with the link-local address or the MAC of one, in the
 *             Ethernet header or its SLLAO, never crosses, from either side
 * @out:       The frame to let pass instead; must not overlap @p's
 * @capacity:  Room there; @p's frame_bytes is always enough
 *
 * Kept: SLLAO, RIOs, and PIOs without the A flag, each of prefixes of RA_PREFIX_MIN_BITS at least.
 * Everything else is stripped, unknown options included; and what the header says of the link
 * itself (M, O, hop limit, reachable and retransmission time) is made 'unspecified'. The ICMPv6
 * checksum is made anew, so one that was wrong is refused here.
 *
 * Return: length of the frame, or 0 to drop: not a valid RA (RFC 4861 s.6.1.2), with extension
 * headers, its lifetime not 0, no RIO left, a local gateway's, or no room
 */
size_t ra_restrict(const struct packet *p, const struct gateway_set *local, uint8_t *out,
                   size_t capacity);

/**
 * ra_on_link() - Build a router advertisement that only says which prefixes are on this link
 * @out:               A whole Ethernet frame to 33:33:00:00:00:01
 * @capacity:          Room there; 70 bytes and 32 for each prefix, else the last are left out
 * @source:            The TAP's MAC; the IPv6 source is its EUI-64 link-local address
 * @prefixes:          Of any family; IPv4, link-local, multicast and too short ones are passed over
 * @valid_lifetime_s:  Valid and preferred lifetime of each prefix
 *
 * No SLLAO: it would have hosts make a neighbour entry for an address the TAP does not have and
 * nobody ever sends to, since the router lifetime is 0.
 *
 * Return: length of the frame, or 0 when there is no prefix to tell
 */
size_t ra_on_link(uint8_t *out, size_t capacity, const struct mac *source,
                  const struct ip_prefix *prefixes, size_t count, uint32_t valid_lifetime_s);

#endif
