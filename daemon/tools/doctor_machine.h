/* SPDX-License-Identifier: MIT
 *
 * doctor_machine.h - what `lansplice doctor` sees of this machine by itself, whether the daemon
 * runs or not: the ways out, MAP-E's rules, the clock, the LAN's DHCP ranges, and which devices are
 * behind the tunnel.
 */
#ifndef DOCTOR_MACHINE_H
#define DOCTOR_MACHINE_H

#include "../bridge.h"
#include "../config.h"
#include "../lan.h"
#include "../map_rules.h"
#include "dhcp_pools.h"

enum { DOCTOR_POOLS_MAX = 8, DOCTOR_REMOTE_MAX = 256 };

/* A device that this machine has spoken to, on the far side of the TAP. */
struct remote_device {
    struct ip_address address;
    struct mac mac;
};

struct doctor_machine {
    struct ip_address source4, source6; /* what the Internet is spoken to from; IP_NONE: no route */
    bool has_map;                       /* this router does MAP-E: */
    struct map_e map;
    int64_t clock_behind_s; /* of the newest file that was there before it; 0: not */

    struct site_lan lan; /* all zero: there is no bridge */
    struct bridge_port tap_port;
    size_t pool_count, remote_count;
    struct dhcp_pool pool[DOCTOR_POOLS_MAX];
    struct remote_device remote[DOCTOR_REMOTE_MAX];
};

/**
 * doctor_look() - Look at the machine
 * @machine: Overwritten
 * @bridge, @tap: NULL when there is none
 *
 * What cannot be seen is as if it were not there.
 */
void doctor_look(struct doctor_machine *machine, const struct config *config,
                 struct netlink *netlink, const struct link *bridge, const struct link *tap);

#endif
