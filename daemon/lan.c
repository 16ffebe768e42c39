/* SPDX-License-Identifier: MIT
 *
 * lan.c - see lan.h. Three dumps (addresses, routes, neighbours), then one decision.
 */
#include "lan.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

enum { ROUTES_MAX = 8, ADDRESSES_MAX = 32 };

struct default_route {
    struct ip_address gateway; /* family IP_NONE: on-link */
    uint8_t family;
    int interface;
    uint32_t metric;
};

struct survey {
    int interface;
    struct lan_view *view;
    unsigned route_count;
    struct default_route route[ROUTES_MAX];
    unsigned address_count;
    struct {
        struct ip_address address;
        bool on_lan;
    } address[ADDRESSES_MAX]; /* of global scope, not deprecated */
};

static uint8_t family_from(int af)
{
    return af == AF_INET ? IP_V4 : af == AF_INET6 ? IP_V6 : IP_NONE;
}

static bool address_from(struct ip_address *out, int af, struct nlattr *a)
{
    if (a == NULL)
        return false;
    if (af == AF_INET && nla_len(a) == 4)
        *out = ip_v4(nla_data(a));
    else if (af == AF_INET6 && nla_len(a) == 16)
        *out = ip_v6(nla_data(a));
    else
        return false;
    return true;
}

/* FNV-1a; summed by the caller, so that the order of a dump does not matter. */
static uint64_t hash_of(const struct ip_address *address, int interface, uint32_t salt)
{
    uint64_t hash = 14695981039346656037u;
    const uint8_t *octet = (const uint8_t *)address;

    for (size_t i = 0; i < sizeof *address; i++)
        hash = (hash ^ octet[i]) * 1099511628211u;
    hash = (hash ^ (uint64_t)(uint32_t)interface) * 1099511628211u;
    return (hash ^ salt) * 1099511628211u;
}

/* ---- addresses ---- */

static struct ip_prefix prefix_of(const struct ip_address *address, uint8_t length_bits)
{
    struct ip_prefix prefix = {*address, length_bits};
    unsigned bytes = address->family == IP_V4 ? 4 : 16;

    for (unsigned i = 0; i < bytes; i++) {
        unsigned keep = length_bits > i * 8 ? length_bits - i * 8u : 0;
        if (keep < 8)
            prefix.address.octet[i] &= (uint8_t)(0xff00u >> keep);
    }
    return prefix;
}

static void add_prefix(struct site_lan *lan, const struct ip_address *address, uint8_t length_bits)
{
    unsigned whole = address->family == IP_V4 ? 32 : 128;

    if (ip_is_link_local(address) || length_bits == 0 || length_bits >= whole)
        return;
    struct ip_prefix prefix = prefix_of(address, length_bits);
    for (unsigned i = 0; i < lan->prefix_count; i++)
        if (ip_prefix_equal(&lan->prefix[i], &prefix))
            return;
    if (lan->prefix_count < SITE_PREFIXES_MAX)
        lan->prefix[lan->prefix_count++] = prefix;
}

static void note_global(struct survey *survey, const struct ip_address *address, bool on_lan)
{
    if (survey->address_count == ADDRESSES_MAX || ip_is_link_local(address))
        return;
    survey->address[survey->address_count].address = *address;
    survey->address[survey->address_count++].on_lan = on_lan;
}

static void see_address(void *context, struct nlmsghdr *message)
{
    struct survey *survey = context;
    struct site_lan *lan = &survey->view->lan;
    const struct ifaddrmsg *header = nlmsg_data(message);
    struct ip_address address;

    if (message->nlmsg_type != RTM_NEWADDR || nlmsg_datalen(message) < (int)sizeof *header)
        return;
    struct nlattr *wide = nlmsg_find_attr(message, sizeof *header, IFA_FLAGS);
    uint32_t flags = wide != NULL ? nla_get_u32(wide) : header->ifa_flags;
    struct nlattr *local = nlmsg_find_attr(message, sizeof *header, IFA_LOCAL);
    if (local == NULL) /* differs from IFA_ADDRESS only on point-to-point links */
        local = nlmsg_find_attr(message, sizeof *header, IFA_ADDRESS);
    if ((flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0 ||
        !address_from(&address, header->ifa_family, local))
        return;

    bool on_lan = (int)header->ifa_index == survey->interface;
    if (header->ifa_scope < RT_SCOPE_LINK) {
        survey->view->outside += hash_of(&address, (int)header->ifa_index, 0);
        if ((flags & IFA_F_DEPRECATED) == 0)
            note_global(survey, &address, on_lan);
    }
    if (!on_lan)
        return;
    if (lan->own_count < SITE_OWN_ADDRESSES_MAX)
        lan->own[lan->own_count++] = address;
    if ((flags & IFA_F_DEPRECATED) == 0)
        add_prefix(lan, &address, header->ifa_prefixlen);
}

/* ---- default routes ---- */

static void add_route(struct survey *survey, const struct default_route *route)
{
    survey->view->outside += hash_of(&route->gateway, route->interface, route->metric + 1);
    if (survey->route_count < ROUTES_MAX)
        survey->route[survey->route_count++] = *route;
}

static void add_multipath(struct survey *survey, struct default_route route, int af,
                          struct nlattr *paths)
{
    const uint8_t *at = nla_data(paths);
    size_t left = (size_t)nla_len(paths);
    struct rtnexthop hop;

    while (left >= sizeof hop) {
        memcpy(&hop, at, sizeof hop);
        size_t step = (hop.rtnh_len + 3u) & ~(size_t)3;
        if (hop.rtnh_len < sizeof hop || step > left)
            return;
        struct nlattr *first = (struct nlattr *)(uintptr_t)(at + sizeof hop);
        memset(&route.gateway, 0, sizeof route.gateway);
        address_from(&route.gateway, af,
                     nla_find(first, (int)(hop.rtnh_len - sizeof hop), RTA_GATEWAY));
        route.interface = hop.rtnh_ifindex;
        add_route(survey, &route);
        at += step;
        left -= step;
    }
}

static void see_route(void *context, struct nlmsghdr *message)
{
    struct survey *survey = context;
    const struct rtmsg *header = nlmsg_data(message);

    if (message->nlmsg_type != RTM_NEWROUTE || nlmsg_datalen(message) < (int)sizeof *header ||
        header->rtm_dst_len != 0 || header->rtm_type != RTN_UNICAST ||
        header->rtm_table != RT_TABLE_MAIN || family_from(header->rtm_family) == IP_NONE)
        return;
    struct default_route route = {.family = family_from(header->rtm_family)};
    struct nlattr *metric = nlmsg_find_attr(message, sizeof *header, RTA_PRIORITY);
    struct nlattr *interface = nlmsg_find_attr(message, sizeof *header, RTA_OIF);
    struct nlattr *paths = nlmsg_find_attr(message, sizeof *header, RTA_MULTIPATH);
    route.metric = metric != NULL ? nla_get_u32(metric) : 0;
    if (paths != NULL) {
        add_multipath(survey, route, header->rtm_family, paths);
        return;
    }
    address_from(&route.gateway, header->rtm_family,
                 nlmsg_find_attr(message, sizeof *header, RTA_GATEWAY));
    route.interface = interface != NULL ? (int)nla_get_u32(interface) : 0;
    add_route(survey, &route);
}

/* ---- gateways ---- */

enum leads { LEADS_NOWHERE, LEADS_TO_LAN, LEADS_ELSEWHERE };

/* Where the best default routes of a family lead; of equal ones the LAN counts. */
static enum leads where_leads(const struct survey *survey, uint8_t family)
{
    enum leads leads = LEADS_NOWHERE;
    uint32_t best = UINT32_MAX;

    for (unsigned i = 0; i < survey->route_count; i++) {
        const struct default_route *r = &survey->route[i];
        enum leads here = r->interface == survey->interface ? LEADS_TO_LAN : LEADS_ELSEWHERE;
        if (r->family != family || r->metric > best)
            continue;
        if (r->metric < best || here == LEADS_TO_LAN)
            leads = here;
        best = r->metric;
    }
    return leads;
}

static bool has_lasting_address(const struct site_lan *lan, uint8_t family)
{
    for (unsigned i = 0; i < lan->own_count; i++)
        if (lan->own[i].family == family && !ip_is_link_local(&lan->own[i]))
            return true;
    return false;
}

static void add_gateway(struct gateway_set *set, const struct ip_address *address,
                        const struct mac *mac)
{
    if (!ip_is_one_host(address)) /* the other homes would refuse all that is told with it */
        return;
    for (unsigned i = 0; i < set->count; i++)
        if (ip_equal(&set->gateway[i].address, address))
            return;
    if (set->count < GATEWAYS_MAX) {
        set->gateway[set->count].address = *address;
        set->gateway[set->count++].mac = *mac;
    }
}

static void add_self(struct site_lan *lan, uint8_t family, const struct mac *mac)
{
    for (unsigned i = 0; i < lan->own_count; i++)
        if (lan->own[i].family == family)
            add_gateway(&lan->gateways, &lan->own[i], mac);
}

/* A neighbour that is a next hop of ours: only now are its address and MAC both known. */
static void see_neighbour(void *context, struct nlmsghdr *message)
{
    struct survey *survey = context;
    const struct ndmsg *header = nlmsg_data(message);
    struct ip_address address;
    struct mac mac;

    if (message->nlmsg_type != RTM_NEWNEIGH || nlmsg_datalen(message) < (int)sizeof *header ||
        header->ndm_ifindex != survey->interface ||
        (header->ndm_state & (NUD_INCOMPLETE | NUD_FAILED)) != 0)
        return;
    struct nlattr *link = nlmsg_find_attr(message, sizeof *header, NDA_LLADDR);
    if (link == NULL || nla_len(link) != (int)sizeof mac.octet ||
        !address_from(&address, header->ndm_family,
                      nlmsg_find_attr(message, sizeof *header, NDA_DST)))
        return;
    memcpy(mac.octet, nla_data(link), sizeof mac.octet);
    for (unsigned i = 0; i < survey->route_count; i++)
        if (survey->route[i].interface == survey->interface &&
            ip_equal(&survey->route[i].gateway, &address) &&
            where_leads(survey, address.family) == LEADS_TO_LAN)
            add_gateway(&survey->view->lan.gateways, &address, &mac);
}

/* A next hop that has not been spoken to yet has no MAC; its address is protected all the same. */
static void add_silent_gateways(struct survey *survey)
{
    static const struct mac unknown;

    for (unsigned i = 0; i < survey->route_count; i++) {
        const struct default_route *r = &survey->route[i];
        if (r->gateway.family == r->family && r->interface == survey->interface &&
            where_leads(survey, r->family) == LEADS_TO_LAN)
            add_gateway(&survey->view->lan.gateways, &r->gateway, &unknown);
    }
}

static bool is_gateway(const struct survey *survey, uint8_t family)
{
    enum leads here = where_leads(survey, family);
    enum leads other = where_leads(survey, family == IP_V4 ? IP_V6 : IP_V4);

    if (here != LEADS_NOWHERE)
        return here == LEADS_ELSEWHERE;
    return other != LEADS_TO_LAN && has_lasting_address(&survey->view->lan, family);
}

/* ---- outside ---- */

/* A router's WAN may have no IPv6 address but a prefix for the LAN: then that is its address. */
static bool lan_is_way_out(const struct survey *survey, uint8_t family)
{
    if (where_leads(survey, family) == LEADS_TO_LAN)
        return true;
    for (unsigned i = 0; i < survey->address_count; i++)
        if (survey->address[i].address.family == family && !survey->address[i].on_lan)
            return false;
    return family == IP_V6 && where_leads(survey, family) == LEADS_ELSEWHERE;
}

static void choose_wan(struct survey *survey)
{
    struct lan_view *view = survey->view;
    for (unsigned i = 0; i < survey->address_count && view->wan_count < WAN_ADDRESSES_MAX; i++) {
        const struct ip_address *address = &survey->address[i].address;
        if (!survey->address[i].on_lan || lan_is_way_out(survey, address->family))
            view->wan[view->wan_count++] = *address;
    }
}

/* After addresses and routes are known. Only a next hop in the LAN has its MAC looked up. */
static int find_gateways(struct netlink *netlink, struct survey *survey, const struct mac *own)
{
    int code = 0;

    if (is_gateway(survey, IP_V4))
        add_self(&survey->view->lan, IP_V4, own);
    if (is_gateway(survey, IP_V6))
        add_self(&survey->view->lan, IP_V6, own);
    if (where_leads(survey, IP_V4) == LEADS_TO_LAN || where_leads(survey, IP_V6) == LEADS_TO_LAN)
        code = netlink_dump(netlink, RTM_GETNEIGH, AF_UNSPEC, see_neighbour, survey);
    add_silent_gateways(survey);
    return code;
}

int lan_read(struct netlink *netlink, const struct link *interface, bool is_bridge,
             const struct mac *tap_mac, struct lan_view *out)
{
    struct survey survey = {.interface = interface->index, .view = out};
    int code;

    memset(out, 0, sizeof *out);
    out->lan.tap_mac = *tap_mac;
    if (is_bridge)
        out->lan.bridge_mac = interface->mac;
    code = netlink_dump(netlink, RTM_GETADDR, AF_UNSPEC, see_address, &survey);
    if (code == 0)
        code = netlink_dump(netlink, RTM_GETROUTE, AF_UNSPEC, see_route, &survey);
    if (code == 0)
        choose_wan(&survey);
    return code == 0 ? find_gateways(netlink, &survey, &interface->mac) : code;
}

/* What is beyond a count is zero, since lan_read() clears all first. */
bool lan_equal(const struct site_lan *a, const struct site_lan *b)
{
    return mac_equal(&a->tap_mac, &b->tap_mac) && mac_equal(&a->bridge_mac, &b->bridge_mac) &&
           a->own_count == b->own_count && memcmp(a->own, b->own, sizeof a->own) == 0 &&
           a->prefix_count == b->prefix_count &&
           memcmp(a->prefix, b->prefix, sizeof a->prefix) == 0 &&
           memcmp(&a->gateways, &b->gateways, sizeof a->gateways) == 0 &&
           a->mtu_bytes == b->mtu_bytes;
}
