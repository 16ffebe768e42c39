/* SPDX-License-Identifier: MIT
 *
 * doctor_facts.c - see doctor_facts.h. The kernel is asked for the route to each address, as it
 * would be taken by a datagram; that says the interface, and whether a router is between.
 */
#include "doctor_facts.h"

#include "../copy.h"
#include "../json_fields.h"
#include "../socket_address.h"
#include "daemon_client.h"
#include "doctor_names.h"
#include "firewall.h"

#include <errno.h>
#include <json-c/json.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

/* ---- daemon and links ---- */

/* The daemon knows what its file does not say any more. */
static void recall(struct config *config, struct json_object *status)
{
    copy_text(config->name, sizeof config->name, json_text(status, "name"));
    copy_text(config->tap, sizeof config->tap, json_text(status, "tap"));
    if (json_field(status, "bridge") != NULL)
        copy_text(config->bridge, sizeof config->bridge, json_text(status, "bridge"));
}

/* Return: false when a daemon is there, or may be, and we are not allowed to ask it */
static bool ask_daemon(struct doctor_facts *facts, struct error *error)
{
    facts->status = daemon_status(facts->config, &facts->daemon_error);
    if (facts->status != NULL || (errno != EACCES && errno != EPERM))
        return true;
    *error = facts->daemon_error;
    return false;
}

static const struct link *find_link(const struct doctor_facts *facts, const char *name, int index)
{
    for (size_t i = 0; i < facts->link_count; i++)
        if (name != NULL ? strcmp(facts->links[i].name, name) == 0 : facts->links[i].index == index)
            return &facts->links[i];
    return NULL;
}

/* The bridge of the configuration; when others place the TAP, the one that it is in. */
static void find_lan(struct doctor_facts *facts)
{
    const struct config *config = facts->config;
    const struct link *bridge = NULL;

    facts->tap = find_link(facts, config->tap, 0);
    if (config->bridge[0] != '\0')
        bridge = find_link(facts, config->bridge, 0);
    else if (facts->tap != NULL && facts->tap->master != 0)
        bridge = find_link(facts, NULL, facts->tap->master);
    facts->bridge = bridge != NULL && strcmp(bridge->kind, "bridge") == 0 ? bridge : NULL;
}

static bool read_links(struct doctor_facts *facts, struct netlink *netlink, struct error *error)
{
    int code = netlink_links(netlink, &facts->links, &facts->link_count);

    if (code < 0)
        error_set(error, EXIT_FAILED, "cannot read the network interfaces: %s",
                  netlink_error_text(code));
    return code >= 0;
}

/* ---- the kernel's answer ---- */

/* What the kernel says of the route to an address. */
struct answer {
    uint8_t type; /* RTN_UNICAST ...; RTN_UNSPEC: there is none */
    int interface;
    bool gateway;
};

static void take_answer(void *context, struct nlmsghdr *message)
{
    struct answer *answer = context;
    const struct rtmsg *route = nlmsg_data(message);

    if (message->nlmsg_type != RTM_NEWROUTE || nlmsg_datalen(message) < (int)sizeof *route)
        return;
    struct nlattr *interface = nlmsg_find_attr(message, sizeof *route, RTA_OIF);
    answer->type = route->rtm_type;
    answer->interface = interface != NULL ? (int)nla_get_u32(interface) : 0;
    answer->gateway = nlmsg_find_attr(message, sizeof *route, RTA_GATEWAY) != NULL ||
                      nlmsg_find_attr(message, sizeof *route, RTA_VIA) != NULL;
}

static struct nl_msg *make_question(const struct ip_address *to)
{
    bool v4 = to->family == IP_V4;
    struct rtmsg route = {.rtm_family = v4 ? AF_INET : AF_INET6, .rtm_dst_len = v4 ? 32 : 128};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, 0);

    if (message != NULL && nlmsg_append(message, &route, sizeof route, NLMSG_ALIGNTO) == 0 &&
        nla_put(message, RTA_DST, v4 ? 4 : 16, to->octet) == 0)
        return message;
    nlmsg_free(message);
    return NULL;
}

static void look_up(struct doctor_route *route, struct netlink *netlink)
{
    struct nl_msg *message = make_question(&route->endpoint.address);
    struct answer answer = {0};

    route->way = WAY_NONE;
    if (message == NULL || netlink_ask(netlink, message, take_answer, &answer) < 0)
        return;
    if (answer.type == RTN_LOCAL)
        route->way = WAY_SELF;
    else if (answer.type == RTN_UNICAST &&
             netlink_link_by_index(netlink, answer.interface, &route->out))
        route->way = answer.gateway ? WAY_GATEWAY : WAY_ON_LINK;
}

static void find_way(struct doctor_route *route, struct netlink *netlink)
{
    if (route->endpoint.scope_id == 0)
        look_up(route, netlink);
    else if (netlink_link_by_index(netlink, (int)route->endpoint.scope_id, &route->out))
        route->way = WAY_ON_LINK;
    else
        route->way = WAY_NONE;
}

/* ---- endpoints ---- */

static bool is_listed(const struct doctor_facts *facts, const char *peer,
                      const struct endpoint *endpoint)
{
    for (size_t i = 0; i < facts->route_count; i++)
        if (strcmp(facts->route[i].peer, peer) == 0 &&
            endpoint_equal(&facts->route[i].endpoint, endpoint))
            return true;
    return false;
}

static struct doctor_route *add_route(struct doctor_facts *facts, const char *peer,
                                      const char *text)
{
    struct doctor_route *route = &facts->route[facts->route_count];

    if (facts->route_count == DOCTOR_ROUTES_MAX)
        return NULL;
    *route = (struct doctor_route){.peer = peer};
    copy_text(route->text, sizeof route->text, text);
    facts->route_count++;
    return route;
}

static void add_address(struct doctor_facts *facts, struct netlink *netlink, const char *peer,
                        const char *text, const struct endpoint *endpoint, bool in_use)
{
    struct doctor_route *route;

    if (is_listed(facts, peer, endpoint))
        return;
    route = add_route(facts, peer, text);
    if (route == NULL)
        return;
    route->endpoint = *endpoint;
    route->in_use = in_use;
    find_way(route, netlink);
}

/* What needs no DNS; a name is passed over. */
static void add_numeric(struct doctor_facts *facts, struct netlink *netlink, const char *peer,
                        const char *text, bool in_use)
{
    struct endpoint endpoint = {0};

    if (endpoint_from_text(&endpoint, text))
        add_address(facts, netlink, peer, text, &endpoint, in_use);
}

/* A name without any address is a route, too, to be told about. */
static void add_name(struct doctor_facts *facts, struct netlink *netlink, const char *peer,
                     const struct doctor_name *name)
{
    struct doctor_route *route = name->count == 0 ? add_route(facts, peer, name->text) : NULL;

    if (route != NULL)
        route->way = name->answered ? WAY_UNRESOLVED : WAY_UNANSWERED;
    for (size_t i = 0; i < name->count; i++)
        add_address(facts, netlink, peer, name->text, &name->address[i], false);
}

/* ---- peers ---- */

/* Return: where the daemon says that the peer is, if it is up; otherwise NULL */
static const char *current_endpoint(const struct doctor_facts *facts, const char *name)
{
    size_t count;
    struct json_object *peers = json_list(facts->status, "peers", &count);

    for (size_t i = 0; i < count; i++) {
        struct json_object *peer = json_object_array_get_idx(peers, i);
        if (strcmp(json_text(peer, "name"), name) == 0 &&
            strcmp(json_text(peer, "state"), "up") == 0 && json_field(peer, "endpoint") != NULL)
            return json_text(peer, "endpoint");
    }
    return NULL;
}

/* DNS is asked for those peers only whose address the daemon does not know. */
static void ask_names(const struct doctor_facts *facts, struct doctor_name *names)
{
    const struct config *config = facts->config;
    size_t count = 0;

    for (size_t i = 0; i < config->peer_count; i++) {
        const struct config_peer *peer = &config->peer[i];
        for (unsigned e = 0; e < peer->endpoint_count; e++)
            if (current_endpoint(facts, peer->name) == NULL)
                names[count++] = (struct doctor_name){.text = peer->endpoint[e]};
    }
    if (count > 0)
        doctor_names_ask(names, count);
}

/* The status and the links are there already. */
static void find_routes(struct doctor_facts *facts, struct netlink *netlink)
{
    static struct doctor_name names[DOCTOR_NAMES_MAX];
    const struct doctor_name *name = names;
    const struct config *config = facts->config;

    ask_names(facts, names);
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct config_peer *peer = &config->peer[i];
        const char *current = current_endpoint(facts, peer->name);
        if (current != NULL)
            add_numeric(facts, netlink, peer->name, current, true);
        for (unsigned e = 0; e < peer->endpoint_count; e++)
            if (current != NULL)
                add_numeric(facts, netlink, peer->name, peer->endpoint[e], false);
            else
                add_name(facts, netlink, peer->name, name++);
    }
}

/* ---- the way out ---- */

/* By the default route: PCP's anycast address (RFC 7723) is announced nowhere. */
static void find_way_out(struct netlink *netlink, const struct ip_address *far, struct link *out)
{
    struct doctor_route route = {.endpoint = {.address = *far, .port = 9}};

    look_up(&route, netlink);
    *out = route.out;
}

static void find_firewall(struct doctor_facts *facts, struct netlink *netlink)
{
    static const uint8_t v4[4] = {192, 0, 0, 9};
    static const uint8_t v6[16] = {0x20, 0x01, 0, 1, [15] = 1};
    const struct ip_address far4 = ip_v4(v4), far6 = ip_v6(v6);

    facts->firewall = firewall_rules();
    find_way_out(netlink, &far4, &facts->way_out4);
    find_way_out(netlink, &far6, &facts->way_out6);
}

/* ---- all ---- */

bool doctor_gather(struct doctor_facts *facts, struct config *config, const struct error *refusal,
                   struct error *error)
{
    struct netlink netlink;
    bool read;

    memset(facts, 0, sizeof *facts);
    facts->config = config;
    facts->config_error = refusal != NULL ? refusal->text : NULL;
    if (!ask_daemon(facts, error))
        return false;
    if (refusal != NULL && facts->status == NULL) {
        *error = *refusal;
        return false;
    }
    if (refusal != NULL)
        recall(config, facts->status);
    if (!netlink_open(&netlink, error))
        return false;
    read = read_links(facts, &netlink, error);
    if (read) {
        find_lan(facts);
        doctor_look(&facts->machine, config, &netlink, facts->bridge, facts->tap);
        find_routes(facts, &netlink);
        find_firewall(facts, &netlink);
    }
    netlink_close(&netlink);
    return read;
}

void doctor_release(struct doctor_facts *facts)
{
    json_object_put(facts->status);
    json_object_put(facts->firewall);
    free(facts->links);
}
