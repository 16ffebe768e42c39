/* SPDX-License-Identifier: MIT
 *
 * wan_route.h - the way out: by which gateway, over which interface and from which address this
 * machine reaches the Internet.
 *
 * The kernel is asked where a packet to the anycast address of PCP servers (RFC 7723) would go: it
 * is announced nowhere else, so that is what the default route says, with all there may be of
 * metrics, several next hops and rules.
 */
#ifndef WAN_ROUTE_H
#define WAN_ROUTE_H

#include "netlink.h"

struct wan_route {
    struct endpoint gateway;  /* the address, and the scope of a link-local one; port 0 */
    struct ip_address source; /* ours */
    char interface[IFNAMSIZ];
};

/**
 * wan_route_find() - Look for the default route of a family
 * @family: IP_V4 or IP_V6
 * @out:    All zero when there is none
 *
 * Return: whether there is one, with a gateway; a line such as PPPoE has none
 */
bool wan_route_find(struct netlink *netlink, uint8_t family, struct wan_route *out);

/** wan_route_equal() - Whether both lead out alike */
bool wan_route_equal(const struct wan_route *a, const struct wan_route *b);

#endif
