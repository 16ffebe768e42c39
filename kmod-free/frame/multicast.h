/* SPDX-License-Identifier: MIT
 *
 * multicast.h - which class of traffic a frame belongs to.
 *
 * A home's discovery must cross; a home's IPTV (tens of Mbit/s to groups of its own) must not fill
 * the WAN, and the bridge, told to send every group to our port, would let it. So groups are known
 * by name here, everything else only crosses with `multicast = all`, and each class has a storm
 * limit of its own (storm.h).
 *
 * The class is judged by the IP group, as that is what receivers look at; the MAC says only whether
 * the frame is unicast, broadcast or group. When they disagree:
 *   - unicast MAC: unicast, whatever the IP address (one receiver, so no flood to limit);
 *   - broadcast MAC with any IP address but a known group's: broadcast;
 *   - group MAC with an IP address that is no group: broadcast, it is flooded just the same;
 *   - group MAC of one group with an IP address of another: the IP group.
 * Frames to a group MAC that are neither IP nor ARP are broadcast, malformed ones included.
 */
#ifndef FRAME_MULTICAST_H
#define FRAME_MULTICAST_H

#include "frame/packet.h"

enum multicast_class {
    CLASS_UNICAST,
    CLASS_DISCOVERY,   /* mDNS, SSDP, WS-Discovery, LLMNR, SLP, Jini, WINS */
    CLASS_NEIGHBOR,    /* ARP broadcast, IPv6 neighbour and router discovery to a group */
    CLASS_BROADCAST,   /* broadcast, and what is flooded like it */
    CLASS_GROUP_KNOWN, /* other groups that cross by default: membership reports, PTP, ff02::/16 */
    CLASS_GROUP_OTHER, /* groups that cross only with `multicast = all` */
    CLASS_COUNT,
};

/** multicast_classify() - The class of a frame; never CLASS_COUNT */
enum multicast_class multicast_classify(const struct packet *p);

/**
 * multicast_crosses() - Whether a class may cross at all
 * @all:  `multicast = all`
 */
bool multicast_crosses(enum multicast_class c, bool all);

#endif
