/* SPDX-License-Identifier: MIT
 *
 * ra.h - router advertisements: cutting one down to its routes, and making one of ours.
 *
 * Two homes' advertisements must not mix: each host would take the other home's router for its
 * way out. Two exceptions are safe, both with a router lifetime of 0:
 *
 *  - `ra-routes`: an advertisement that already has lifetime 0 and offers specific routes (RFC
 *    4191), as Thread and Matter border routers send. It is rebuilt from a known few options, so
 *    that nothing else rides along: routes, on-link prefixes without autoconfiguration, and the
 *    source link-layer address cross; DNS servers, MTU, and prefixes for autoconfiguration do not.
 *    (Setting the lifetime of an ordinary router's advertisement to 0 is no remedy: when both
 *    homes' routers are fe80::1, hosts would drop their own default route.)
 *
 *  - `ipv6-on-link`: we tell our LAN that the peers' prefixes are on this link (PIO with L=1, A=0;
 *    RFC 4861 s.4.6.2), so that hosts resolve the other home's global addresses by ND, which
 *    crosses the tunnel, instead of sending to their router, which knows no way.
 */
#ifndef FRAME_RA_H
#define FRAME_RA_H

#include "frame/gateway.h"
#include "frame/packet.h"

#include <stddef.h>

enum { RA_BYTES_MAX = ETHER_HEADER_BYTES + 2 * VLAN_TAG_BYTES + 1500 };

/**
 * ra_restrict() - What of a router advertisement may cross
 * @p:        A router advertisement
 * @local:    This home's gateways: theirs never cross
 * @out:      The frame to pass on instead, tags kept
 *
 * Return: bytes written to @out, or 0: drop it
 */
size_t ra_restrict(const struct packet *p, const struct gateway_set *local, uint8_t *out,
                   size_t capacity);

/**
 * ra_on_link() - An advertisement that makes prefixes on-link
 * @source:            The TAP's MAC; the link-local source address is its EUI-64 (RFC 4291 app. A)
 * @prefixes, @count:  IPv6 ones are used, others passed over; as many as fit 1500 bytes
 * @valid_lifetime_s:  0 withdraws them
 *
 * It carries no source link-layer address: nobody is to send anything to us, and with it hosts
 * would keep a neighbour entry for a machine that does not answer.
 *
 * Return: bytes of the frame, to ff02::1; 0 when there is no IPv6 prefix or no room
 */
size_t ra_on_link(uint8_t *out, size_t capacity, const struct mac *source,
                  const struct ip_prefix *prefixes, size_t count, uint32_t valid_lifetime_s);

#endif
