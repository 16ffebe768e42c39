/* SPDX-License-Identifier: MIT
 *
 * wan_route.c - see wan_route.h.
 */
#include "wan_route.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t anycast_v4[4] = {192, 0, 0, 9};
static const uint8_t anycast_v6[16] = {0x20, 0x01, 0x00, 0x01, [15] = 0x01};

static bool address_from(struct ip_address *out, uint8_t family, struct nlattr *a)
{
    if (a == NULL || nla_len(a) != (family == IP_V4 ? 4 : 16))
        return false;
    *out = family == IP_V4 ? ip_v4(nla_data(a)) : ip_v6(nla_data(a));
    return true;
}

static void see_route(void *context, struct nlmsghdr *header)
{
    struct wan_route *out = context;
    const struct rtmsg *route = nlmsg_data(header);

    if (header->nlmsg_type != RTM_NEWROUTE || nlmsg_datalen(header) < (int)sizeof *route ||
        route->rtm_type != RTN_UNICAST)
        return;
    uint8_t family = route->rtm_family == AF_INET ? IP_V4 : IP_V6;
    struct nlattr *interface = nlmsg_find_attr(header, sizeof *route, RTA_OIF);
    address_from(&out->gateway.address, family,
                 nlmsg_find_attr(header, sizeof *route, RTA_GATEWAY));
    address_from(&out->source, family, nlmsg_find_attr(header, sizeof *route, RTA_PREFSRC));
    if (interface == NULL || if_indextoname(nla_get_u32(interface), out->interface) == NULL)
        return;
    if (family == IP_V6 && ip_is_link_local(&out->gateway.address))
        out->gateway.scope_id = nla_get_u32(interface);
}

static struct nl_msg *make_question(uint8_t family)
{
    bool v4 = family == IP_V4;
    struct rtmsg route = {.rtm_family = v4 ? AF_INET : AF_INET6, .rtm_dst_len = v4 ? 32 : 128};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, 0);

    if (message != NULL && nlmsg_append(message, &route, sizeof route, NLMSG_ALIGNTO) == 0 &&
        nla_put(message, RTA_DST, v4 ? 4 : 16, v4 ? anycast_v4 : anycast_v6) == 0)
        return message;
    nlmsg_free(message);
    return NULL;
}

bool wan_route_find(struct netlink *netlink, uint8_t family, struct wan_route *out)
{
    struct nl_msg *question = make_question(family);

    memset(out, 0, sizeof *out);
    if (question != NULL)
        netlink_ask(netlink, question, see_route, out);
    if (out->gateway.address.family == family && out->source.family == family &&
        out->interface[0] != '\0')
        return true;
    memset(out, 0, sizeof *out);
    return false;
}

bool wan_route_equal(const struct wan_route *a, const struct wan_route *b)
{
    return endpoint_equal(&a->gateway, &b->gateway) && ip_equal(&a->source, &b->source) &&
           strcmp(a->interface, b->interface) == 0;
}
