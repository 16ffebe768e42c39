/* SPDX-License-Identifier: MIT
 *
 * bridge.c - see bridge.h. The library of Debian 12 does not know all of these attributes, so
 * they are sent as messages of our own: RTM_SETLINK, family AF_BRIDGE, IFLA_PROTINFO. One message
 * per attribute, so that a kernel that lacks one still gets the others.
 */
#include "bridge.h"

#include "log.h"

/* Before linux/in6.h: musl defines these structs itself. */
#include <netinet/in.h>

#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

struct port_setting {
    int attribute;
    uint8_t value;
    const char *name;
};

/* With snooping and a querier a port hears groups only if it asked for them; multicast_router 2
 * (always a router port) is what makes discovery reach the TAP. */
static const struct port_setting wanted[BRIDGE_PORT_SETTINGS] = {
    {IFLA_BRPORT_LEARNING, 1, "learning"},
    {IFLA_BRPORT_UNICAST_FLOOD, 1, "flood"},
    {IFLA_BRPORT_MCAST_FLOOD, 1, "mcast_flood"},
    {IFLA_BRPORT_BCAST_FLOOD, 1, "bcast_flood"},
    {IFLA_BRPORT_MODE, 0, "hairpin"},
    {IFLA_BRPORT_ISOLATED, 0, "isolated"},
    {IFLA_BRPORT_FAST_LEAVE, 0, "fast_leave"},
    {IFLA_BRPORT_NEIGH_SUPPRESS, 0, "neigh_suppress"},
    {IFLA_BRPORT_MCAST_TO_UCAST, 0, "mcast_to_unicast"},
    {IFLA_BRPORT_PROTECT, 0, "root_block"},
    {IFLA_BRPORT_GUARD, 1, "guard"},
    {IFLA_BRPORT_MULTICAST_ROUTER, 2, "mcast_router"},
};

/* One attribute of a port: @bytes of @value, none for a flag. */
static int set_attribute(struct netlink *netlink, int port, int attribute, const uint8_t *value,
                         int bytes)
{
    struct ifinfomsg header = {.ifi_family = AF_BRIDGE, .ifi_index = port};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_SETLINK, NLM_F_ACK);
    struct nlattr *nest;

    if (message == NULL)
        return -NLE_NOMEM;
    if (nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO) < 0 ||
        (nest = nla_nest_start(message, IFLA_PROTINFO | NLA_F_NESTED)) == NULL ||
        nla_put(message, attribute, bytes, value) < 0) {
        nlmsg_free(message);
        return -NLE_NOMEM;
    }
    nla_nest_end(message, nest);
    return netlink_send(netlink, message);
}

static int set_one(struct netlink *netlink, int port, int attribute, uint8_t value)
{
    return set_attribute(netlink, port, attribute, &value, sizeof value);
}

void bridge_flush_port(struct netlink *netlink, int port)
{
    int code = set_attribute(netlink, port, IFLA_BRPORT_FLUSH, NULL, 0);

    if (code < 0)
        log_debug("bridge port: flush: %s", netlink_error_text(code));
}

void bridge_set_port(struct netlink *netlink, int port)
{
    for (unsigned i = 0; i < BRIDGE_PORT_SETTINGS; i++) {
        int code = set_one(netlink, port, wanted[i].attribute, wanted[i].value);
        if (code < 0)
            log_debug("bridge port: %s: %s", wanted[i].name, netlink_error_text(code));
    }
}

bool bridge_join(struct netlink *netlink, const struct link *bridge, int port)
{
    int code = netlink_set_master(netlink, port, bridge->index);

    if (code < 0) {
        log_warn("cannot put the TAP into bridge %s: %s", bridge->name, netlink_error_text(code));
        return false;
    }
    bridge_set_port(netlink, port);
    return true;
}

struct port_reading {
    int port;
    struct bridge_port *out;
};

static void read_port(void *context, struct nlmsghdr *message)
{
    struct port_reading *reading = context;
    const struct ifinfomsg *header = nlmsg_data(message);

    if (nlmsg_datalen(message) < (int)sizeof *header || header->ifi_index != reading->port)
        return;
    struct nlattr *settings = nlmsg_find_attr(message, sizeof *header, IFLA_PROTINFO);
    if (settings == NULL)
        return;
    reading->out->known = true;
    for (unsigned i = 0; i < BRIDGE_PORT_SETTINGS; i++) {
        struct nlattr *a = nla_find(nla_data(settings), nla_len(settings), wanted[i].attribute);
        reading->out->present[i] = a != NULL && nla_len(a) == 1;
        if (reading->out->present[i])
            reading->out->value[i] = nla_get_u8(a);
    }
}

void bridge_read_port(struct netlink *netlink, int port, struct bridge_port *out)
{
    struct port_reading reading = {port, out};

    memset(out, 0, sizeof *out);
    netlink_dump(netlink, RTM_GETLINK, AF_BRIDGE, read_port, &reading);
}

const char *bridge_port_wrong(const struct bridge_port *settings)
{
    for (unsigned i = 0; settings->known && i < BRIDGE_PORT_SETTINGS; i++)
        if (settings->present[i] && settings->value[i] != wanted[i].value)
            return wanted[i].name;
    return NULL;
}

void bridge_restore_port(struct netlink *netlink, int port, const struct bridge_port *settings)
{
    for (unsigned i = 0; settings->known && i < BRIDGE_PORT_SETTINGS; i++)
        if (settings->present[i])
            set_one(netlink, port, wanted[i].attribute, settings->value[i]);
}

void bridge_restore(struct netlink *netlink, const struct link *before, const struct mac *tap_mac)
{
    struct link now;

    if (!netlink_link_by_index(netlink, before->index, &now))
        return;
    bool ours = mac_equal(&now.mac, tap_mac) || mac_is_zero(&now.mac);
    if (ours && !mac_equal(&now.mac, &before->mac))
        netlink_set_mac(netlink, now.index, &before->mac);
}
