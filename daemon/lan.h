/* SPDX-License-Identifier: MIT
 *
 * lan.h - what this machine's LAN looks like: addresses, prefixes and gateways, by netlink.
 *
 * Who is the LAN's gateway, for each IP family:
 *   the default route leads out of the LAN interface:  its next hop (a box beside the router)
 *   the default route leads elsewhere:                 this machine (the router)
 *   no default route, but addresses:                   this machine (a router whose WAN is down),
 *                      unless the other family's default route shows that the router is beside
 *   no addresses:                                      unknown; the core learns it from the LAN
 */
#ifndef LAN_H
#define LAN_H

#include "netlink.h"
#include "site.h"

enum { WAN_ADDRESSES_MAX = 8 };

struct lan_view {
    struct site_lan lan;
    /* Addresses of this machine by which it may be reached from outside: of the interfaces other
     * than the LAN's, and the LAN's own where that is the way out. No link-local ones. */
    uint8_t wan_count;
    struct ip_address wan[WAN_ADDRESSES_MAX];
    uint64_t outside; /* hash of all global addresses and default routes: differs when they do */
};

/**
 * lan_read() - Look at the LAN as it is now, but for its MTU, which network.c knows
 * @interface: The bridge, or the TAP itself when it is in none
 * @tap_mac:   As the bridge sees it
 *
 * Return: 0, or the netlink error of what could not be read: @out is then of no use
 */
int lan_read(struct netlink *netlink, const struct link *interface, bool is_bridge,
             const struct mac *tap_mac, struct lan_view *out);

/** lan_equal() - Whether two look the same, MTU included; both as lan_read() gave them */
bool lan_equal(const struct site_lan *a, const struct site_lan *b);

#endif
