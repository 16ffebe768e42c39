/* SPDX-License-Identifier: MIT
 *
 * netlink.c - see netlink.h. Links are read and changed through libnl-route's objects; addresses,
 * routes and neighbours are given to the caller as messages, since only a few attributes of them
 * are wanted.
 */
#include "netlink.h"

#include "copy.h"
#include "log.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/rtnl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { EVENT_BUFFER_BYTES = 1 << 20, ANSWER_MS = 200 };

static struct nl_sock *open_socket(void)
{
    struct nl_sock *socket = nl_socket_alloc();

    if (socket != NULL && nl_connect(socket, NETLINK_ROUTE) == 0)
        return socket;
    nl_socket_free(socket);
    return NULL;
}

/* The kernel answers at once. But the library waits even when it could not ask. */
static struct nl_sock *open_requests(void)
{
    const struct timeval limit = {.tv_usec = ANSWER_MS * 1000};
    struct nl_sock *socket = open_socket();

    if (socket != NULL)
        setsockopt(nl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return socket;
}

/* A dump that broke off leaves answers behind, which the next question would take for its own. */
static void renew_requests(struct netlink *netlink)
{
    struct nl_sock *fresh = open_requests();

    if (fresh == NULL)
        return;
    nl_socket_free(netlink->requests);
    netlink->requests = fresh;
}

bool netlink_open(struct netlink *netlink, struct error *error)
{
    netlink->requests = open_requests();
    netlink->events = open_socket();
    if (netlink->requests == NULL || netlink->events == NULL)
        goto fail;
    nl_socket_set_buffer_size(netlink->events, EVENT_BUFFER_BYTES, 0);
    nl_socket_disable_seq_check(netlink->events);
    if (nl_socket_set_nonblocking(netlink->events) != 0 ||
        nl_socket_add_memberships(netlink->events, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
                                  RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                                  RTNLGRP_NEIGH, 0) != 0)
        goto fail;
    return true;
fail:
    error_set(error, EXIT_FAILED, "cannot open netlink: %s", strerror(errno));
    netlink_close(netlink);
    return false;
}

void netlink_close(struct netlink *netlink)
{
    nl_socket_free(netlink->events);
    nl_socket_free(netlink->requests);
    *netlink = (struct netlink){0};
}

int netlink_events_fd(const struct netlink *netlink)
{
    return nl_socket_get_fd(netlink->events);
}

const char *netlink_error_text(int code)
{
    return nl_geterror(code);
}

/* ---- events ---- */

struct reading {
    bool changed;
    int neighbours_of;
};

static bool is_default_route(const struct nlmsghdr *message)
{
    const struct rtmsg *route = nlmsg_data(message);

    return nlmsg_datalen(message) >= (int)sizeof *route && route->rtm_dst_len == 0;
}

static bool is_neighbour_of(const struct nlmsghdr *message, int interface)
{
    const struct ndmsg *neighbour = nlmsg_data(message);

    return nlmsg_datalen(message) >= (int)sizeof *neighbour &&
           neighbour->ndm_ifindex == interface &&
           (neighbour->ndm_family == AF_INET || neighbour->ndm_family == AF_INET6);
}

static bool matters(const struct nlmsghdr *message, int neighbours_of)
{
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return true;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return is_default_route(message);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
        return is_neighbour_of(message, neighbours_of);
    default:
        return false;
    }
}

static int on_event(struct nl_msg *message, void *context)
{
    struct reading *reading = context;

    reading->changed = reading->changed || matters(nlmsg_hdr(message), reading->neighbours_of);
    return NL_OK;
}

bool netlink_read_events(struct netlink *netlink, int neighbours_of)
{
    struct reading reading = {.neighbours_of = neighbours_of};
    int code;

    nl_socket_modify_cb(netlink->events, NL_CB_VALID, NL_CB_CUSTOM, on_event, &reading);
    do
        code = nl_recvmsgs_default(netlink->events);
    while (code >= 0);
    if (code == -NLE_AGAIN)
        return reading.changed;
    log_debug("netlink: %s: reading everything again", nl_geterror(code)); /* ENOBUFS: some lost */
    return true;
}

/* ---- links ---- */

static void link_from_nl(struct rtnl_link *from, struct link *to)
{
    const char *name = rtnl_link_get_name(from), *kind = rtnl_link_get_type(from);
    struct nl_addr *address = rtnl_link_get_addr(from);
    uint8_t mode;

    memset(to, 0, sizeof *to);
    to->index = rtnl_link_get_ifindex(from);
    to->master = rtnl_link_get_master(from);
    to->mtu = rtnl_link_get_mtu(from);
    to->queue_length = rtnl_link_get_txqlen(from);
    to->up = (rtnl_link_get_flags(from) & IFF_UP) != 0;
    to->running = (rtnl_link_get_flags(from) & IFF_RUNNING) != 0;
    to->addrgen = rtnl_link_inet6_get_addr_gen_mode(from, &mode) == 0 ? mode : -1;
    if (address != NULL && nl_addr_get_len(address) == sizeof to->mac.octet)
        memcpy(to->mac.octet, nl_addr_get_binary_addr(address), sizeof to->mac.octet);
    copy_text(to->name, sizeof to->name, name != NULL ? name : "");
    copy_text(to->kind, sizeof to->kind, kind != NULL ? kind : "");
}

static bool get_link(struct netlink *netlink, int index, const char *name, struct link *out)
{
    struct rtnl_link *link = NULL;

    if (rtnl_link_get_kernel(netlink->requests, index, name, &link) != 0)
        return false;
    link_from_nl(link, out);
    rtnl_link_put(link);
    return true;
}

bool netlink_link_by_name(struct netlink *netlink, const char *name, struct link *out)
{
    return get_link(netlink, 0, name, out);
}

bool netlink_link_by_index(struct netlink *netlink, int index, struct link *out)
{
    return index > 0 && get_link(netlink, index, NULL, out);
}

/* The links of @cache as an array; at least one byte, so that NULL is 'no memory' alone. */
static struct link *links_from_cache(struct nl_cache *cache, size_t *count)
{
    struct link *links = malloc((size_t)nl_cache_nitems(cache) * sizeof *links + 1);

    *count = 0;
    for (struct nl_object *o = nl_cache_get_first(cache); links != NULL && o != NULL;
         o = nl_cache_get_next(o))
        link_from_nl((struct rtnl_link *)o, &links[(*count)++]);
    return links;
}

int netlink_links(struct netlink *netlink, struct link **out, size_t *count)
{
    struct nl_cache *cache = NULL;
    int code = rtnl_link_alloc_cache(netlink->requests, AF_UNSPEC, &cache);

    if (code < 0) {
        renew_requests(netlink);
        return code;
    }
    *out = links_from_cache(cache, count);
    nl_cache_free(cache);
    return *out != NULL ? 0 : -NLE_NOMEM;
}

/* Applies @wanted to the link @index; takes @wanted over. */
static int change_link(struct netlink *netlink, int index, struct rtnl_link *wanted)
{
    struct rtnl_link *link = rtnl_link_alloc();
    int code = -NLE_NOMEM;

    if (link != NULL && wanted != NULL) {
        rtnl_link_set_ifindex(link, index);
        rtnl_link_set_ifindex(wanted, index);
        code = rtnl_link_change(netlink->requests, link, wanted, 0);
    }
    rtnl_link_put(wanted);
    rtnl_link_put(link);
    return code;
}

int netlink_set_master(struct netlink *netlink, int index, int master)
{
    if (master == 0)
        return rtnl_link_release_ifindex(netlink->requests, index);
    return rtnl_link_enslave_ifindex(netlink->requests, master, index);
}

int netlink_set_mtu(struct netlink *netlink, int index, unsigned mtu)
{
    struct rtnl_link *wanted = rtnl_link_alloc();

    if (wanted != NULL)
        rtnl_link_set_mtu(wanted, mtu);
    return change_link(netlink, index, wanted);
}

int netlink_set_mac(struct netlink *netlink, int index, const struct mac *mac)
{
    struct rtnl_link *wanted = rtnl_link_alloc();
    struct nl_addr *address = nl_addr_build(AF_LLC, mac->octet, sizeof mac->octet);

    if (wanted != NULL && address != NULL)
        rtnl_link_set_addr(wanted, address);
    int code = change_link(netlink, index, wanted);
    nl_addr_put(address);
    return code;
}

int netlink_set_up(struct netlink *netlink, int index, bool up)
{
    struct rtnl_link *wanted = rtnl_link_alloc();

    if (wanted != NULL && up)
        rtnl_link_set_flags(wanted, IFF_UP);
    if (wanted != NULL && !up)
        rtnl_link_unset_flags(wanted, IFF_UP);
    return change_link(netlink, index, wanted);
}

int netlink_set_addrgen(struct netlink *netlink, int index, int mode)
{
    struct rtnl_link *wanted = rtnl_link_alloc();

    if (wanted != NULL)
        rtnl_link_inet6_set_addr_gen_mode(wanted, (uint8_t)mode);
    return change_link(netlink, index, wanted);
}

int netlink_set_queue_length(struct netlink *netlink, int index, unsigned packets)
{
    struct rtnl_link *wanted = rtnl_link_alloc();

    if (wanted != NULL)
        rtnl_link_set_txqlen(wanted, packets);
    return change_link(netlink, index, wanted);
}

/* ---- messages of one's own ---- */

int netlink_send(struct netlink *netlink, struct nl_msg *message)
{
    return nl_send_sync(netlink->requests, message);
}

struct dump {
    netlink_each_fn *each;
    void *context;
};

static int on_dumped(struct nl_msg *message, void *context)
{
    struct dump *dump = context;

    dump->each(dump->context, nlmsg_hdr(message));
    return NL_OK;
}

int netlink_dump(struct netlink *netlink, int type, int family, netlink_each_fn *each,
                 void *context)
{
    struct dump dump = {each, context};
    struct nl_cb *callbacks = nl_cb_alloc(NL_CB_DEFAULT);
    int code = -NLE_NOMEM;

    if (callbacks == NULL)
        return code;
    nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, on_dumped, &dump);
    code = nl_rtgen_request(netlink->requests, type, family, NLM_F_DUMP);
    if (code >= 0)
        code = nl_recvmsgs(netlink->requests, callbacks);
    nl_cb_put(callbacks);
    if (code < 0)
        renew_requests(netlink);
    return code < 0 ? code : 0;
}
