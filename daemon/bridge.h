/* SPDX-License-Identifier: MIT
 *
 * bridge.h - the TAP as a port of the home's bridge: joining it, and leaving it as it was.
 */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "netlink.h"

enum { BRIDGE_PORT_SETTINGS = 12 };

/* Port attributes as they were; valid only when 'known'. */
struct bridge_port {
    bool known;
    bool present[BRIDGE_PORT_SETTINGS];
    uint8_t value[BRIDGE_PORT_SETTINGS];
};

/**
 * bridge_join() - Make the link @port a port of @bridge, with the settings the tunnel needs
 *
 * Return: false with the reason logged, when the kernel refused
 */
bool bridge_join(struct netlink *netlink, const struct link *bridge, int port);

/** bridge_set_port() - The settings alone, for a port that others put into a bridge */
void bridge_set_port(struct netlink *netlink, int port);

/** bridge_flush_port() - Let the bridge forget which addresses are behind a port */
void bridge_flush_port(struct netlink *netlink, int port);

/** bridge_read_port() - Remember a port's settings, to be given to bridge_restore_port() */
void bridge_read_port(struct netlink *netlink, int port, struct bridge_port *out);

/** bridge_port_wrong() - The name of a setting that is not as the tunnel needs it; NULL: none */
const char *bridge_port_wrong(const struct bridge_port *settings);

void bridge_restore_port(struct netlink *netlink, int port, const struct bridge_port *settings);

/**
 * bridge_restore() - After the TAP has left: give the bridge back the MAC it had
 * @before: How it was when the TAP joined
 *
 * Only a bridge without other ports takes its MAC from the TAP, and has none once that leaves.
 * Its MTU is the kernel's care: following the ports, unless somebody fixed it; to set it here
 * would fix it for ever.
 */
void bridge_restore(struct netlink *netlink, const struct link *before, const struct mac *tap_mac);

#endif
