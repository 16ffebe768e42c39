/* SPDX-License-Identifier: MIT
 *
 * guard.h - frames that must not pass between two homes, whatever the homes are.
 *
 * Two routers on one segment fight: each home keeps its own DHCP, its own router advertisements,
 * its own multicast querier and its own spanning tree. Each word of `guard =` in the configuration
 * is one such fight. The words decided here look at the frame alone and are symmetric, except
 * where noted; `gateway` and `hosts`, which need to know the home, stand in gateway.h and hosts.h.
 *
 *   dhcp     DHCPv4 (UDP/IPv4 ports 67, 68) and DHCPv6 (UDP/IPv6 ports 546, 547), source or
 *            destination. A relay's or a rogue server's port is one end's only.
 *   ra       Router Solicitation, Router Advertisement, Redirect; and their elders in ICMPv4:
 *            redirects, and the router discovery of RFC 1256.
 *   querier  IGMP and MLD queries, from a peer only: else one home's querier wins and the other
 *            home loses its memberships when the tunnel goes. From the LAN they are the peer's
 *            guard's to drop: a peer that has this word off wants them.
 *   stp      What never passes a bridge (IEEE 802.1Q table 8-1: 01:80:C2:00:00:00-0F, thus STP,
 *            LACP, 802.1X, pause, LLDP), the same protocols by EtherType when sent to another
 *            address, PPPoE, and Cisco's PVST and CDP groups.
 *
 * Ways around, and what is done about them:
 *   - VLAN tags: two are parsed. A third hides everything from us, and no home has one: dropped
 *     under any word.
 *   - 802.2 SNAP (RFC 1042): an access point turns what is inside into plain Ethernet again
 *     (CVE-2021-27853). Inside is never anything but an EtherType that Ethernet II carries as
 *     well, so if it is IP, ARP, a VLAN tag or link control: dropped under any word.
 *   - Fragments: a first fragment has its ports and is judged by them. Later fragments have none
 *     and are useless without the first: they pass. A first fragment too short to show
 *     its UDP ports, or its ICMPv6 type, is dropped (RFC 1858 s.3.2, RFC 7112).
 *   - Fragmented ND: invalid (RFC 6980), so any ICMPv6 fragment showing an ND type is dropped
 *     under `ra`, `gateway` and `hosts`: those two cannot trust what they see of one. Fragmented
 *     echo passes.
 *   - IP headers that do not parse: nobody honest sends them, but a host's parser may be laxer
 *     than ours. A malformed IP packet or ARP is dropped under any of dhcp, ra, gateway, hosts,
 *     querier.
 *   - IPv6 extension headers cut off, or more of them than anybody sends: malformed, as above.
 */
#ifndef FRAME_GUARD_H
#define FRAME_GUARD_H

#include "frame/packet.h"

/* Where a frame came from. */
enum guard_direction { GUARD_FROM_LAN, GUARD_FROM_PEER };

enum guard_word {
    GUARD_DHCP = 1,
    GUARD_RA = 2,
    GUARD_GATEWAY = 4,
    GUARD_HOSTS = 8,
    GUARD_QUERIER = 16,
    GUARD_STP = 32,
};

/**
 * guard_check() - Judge a frame by the words that need nothing but the frame
 * @words:      enum guard_word, or-ed: those switched on
 * @direction:  Where it came from
 *
 * Return: 0 to let it pass, or the word under which it is dropped. A frame that is dropped because
 * it hides what it is, is counted under the first of the words switched on that it could break.
 */
enum guard_word guard_check(const struct packet *p, unsigned words, enum guard_direction direction);

#endif
