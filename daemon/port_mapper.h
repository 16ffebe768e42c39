/* SPDX-License-Identifier: MIT
 *
 * port_mapper.h - has the home's gateways let others reach our UDP port.
 *
 * For each IP family the gateway of the default route is asked by PCP or NAT-PMP (port_mapping.h),
 * from the address that the route gives us. An IPv4 gateway that knows neither, or refuses, is
 * asked by UPnP (upnp.h). With a new gateway or address all begins anew, and at the end what was
 * granted is given back.
 *
 * Nothing is asked for where nothing can be gained: without a gateway (PPPoE), and for IPv4 when
 * our own address is a public one: no NAT is in front of it.
 */
#ifndef PORT_MAPPER_H
#define PORT_MAPPER_H

#include "tunnel/port_mapping.h"
#include "upnp.h"

#include <uv.h>

enum { PORT_MAPPER_SECRET_BYTES = 32, PORT_MAPPER_SIDES = 2 };

struct port_mapper_listener {
    void *context;
    void (*changed)(void *context); /* port_mapper_mapped() or port_mapper_json() differ */
};

/* One IP family. */
struct port_mapper_side {
    struct port_mapper *mapper;
    uint8_t family;
    bool unneeded; /* our address is public */
    bool routed;   /* there is a gateway to be asked, by route */
    struct wan_route route;
    struct port_mapping asking;
    int fd; /* to the gateway; -1: not open, or on its way to be closed */
    uv_poll_t poll;
    bool polled;      /* poll is initialised and not yet closed */
    int announced_fd; /* what gateways tell unasked; -1: not open */
    uv_poll_t announced_poll;
    uint8_t told_state; /* of asking, as the listener and the log know it */
    struct endpoint told;
};

struct port_mapper {
    uv_loop_t *loop; /* NULL: not started */
    struct netlink *netlink;
    struct port_mapper_listener listener;
    uint16_t port;
    uint8_t secret[PORT_MAPPER_SECRET_BYTES];
    uv_timer_t timer;
    struct port_mapper_side side[PORT_MAPPER_SIDES]; /* IPv4, IPv6 */
    struct upnp upnp;
};

struct json_object;

/**
 * port_mapper_start() - Begin to ask, in zeroed memory
 * @port:   The UDP port that is to be reached
 * @secret: What nobody else knows and what is the same at the next start: after a crash the gateway
 *          knows us again by what is derived from it. Copied; port_mapper_stop() wipes it
 */
void port_mapper_start(struct port_mapper *mapper, uv_loop_t *loop, struct netlink *netlink,
                       const struct port_mapper_listener *listener, uint16_t port,
                       const uint8_t secret[PORT_MAPPER_SECRET_BYTES]);

/** port_mapper_refresh() - Addresses or routes changed: ask the gateways there are now */
void port_mapper_refresh(struct port_mapper *mapper);

/** port_mapper_set_port() - Another port is to be reached; the mappings of the old are given back
 */
void port_mapper_set_port(struct port_mapper *mapper, uint16_t port);

/**
 * port_mapper_stop() - Give back what was granted; waits two seconds at most, for UPnP
 *
 * Its handles are closed by the owner of the loop, whose turns must follow.
 */
void port_mapper_stop(struct port_mapper *mapper);

/**
 * port_mapper_mapped() - Where others reach us by what was granted
 *
 * What is behind another NAT is left out.
 *
 * Return: how many of @out are used
 */
size_t port_mapper_mapped(const struct port_mapper *mapper, struct endpoint out[PORT_MAPPER_SIDES]);

/**
 * port_mapper_json() - For status and doctor: an array of an object for each family, the caller's
 *
 * family   "ipv4" | "ipv6"
 * state    "mapped" | "asking" | "refused" | "silent" | "unneeded" (our address is public)
 *          | "no gateway"
 * gateway  its address, or null
 * protocol "pcp" | "nat-pmp" | "upnp", when mapped; else null
 * external "192.0.2.1:40001", when mapped; else null
 * expires_s  when mapped; else null
 * problem  a sentence, or null
 */
struct json_object *port_mapper_json(const struct port_mapper *mapper);

#endif
