/* SPDX-License-Identifier: MIT
 *
 * netlink.c - see netlink.h. All is read and changed by messages, since only a few attributes are
 * wanted; libnl-route's objects of all there are would cost half a megabyte of memory.
 */
#include "netlink.h"

#include "log.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum {
    EVENT_BUFFER_BYTES = 1 << 20,
    ANSWER_MS = 200,
    LINKS_AT_FIRST = 16,
    DUMP_TRIES = 8, /* of one that others' changes spoil */
};

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

/* ---- messages of one's own ---- */

int netlink_send(struct netlink *netlink, struct nl_msg *message)
{
    return nl_send_sync(netlink->requests, message);
}

struct reader {
    netlink_each_fn *each;
    void *context;
};

static int on_answer(struct nl_msg *message, void *context)
{
    struct reader *reader = context;

    reader->each(reader->context, nlmsg_hdr(message));
    return NL_OK;
}

/* Return: 0, or libnl's negative error */
static int read_answers(struct nl_sock *socket, netlink_each_fn *each, void *context)
{
    struct reader reader = {each, context};
    struct nl_cb *callbacks = nl_cb_alloc(NL_CB_DEFAULT);

    if (callbacks == NULL)
        return -NLE_NOMEM;
    nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, on_answer, &reader);
    int code = nl_recvmsgs(socket, callbacks);
    nl_cb_put(callbacks);
    return code < 0 ? code : 0;
}

int netlink_dump(struct netlink *netlink, int type, int family, netlink_each_fn *each,
                 void *context)
{
    /* A bridge's table wants the whole of it; the others its beginning, a struct rtgenmsg. */
    struct ndmsg of = {.ndm_family = (uint8_t)family};
    size_t bytes = type == RTM_GETNEIGH ? sizeof of : sizeof(struct rtgenmsg);
    int code = nl_send_simple(netlink->requests, type, NLM_F_DUMP, &of, bytes);

    if (code >= 0)
        code = read_answers(netlink->requests, each, context);
    if (code < 0)
        renew_requests(netlink);
    return code < 0 ? code : 0;
}

int netlink_ask(struct netlink *netlink, struct nl_msg *message, netlink_each_fn *each,
                void *context)
{
    int code = nl_send_auto(netlink->requests, message);

    nlmsg_free(message);
    if (code >= 0)
        code = read_answers(netlink->requests, each, context);
    if (code >= 0) /* the acknowledgement comes by itself */
        code = nl_wait_for_ack(netlink->requests);
    if (code < 0)
        renew_requests(netlink);
    return code < 0 ? code : 0;
}

/* ---- reading links ---- */

static struct nlattr *find(const struct nlmsghdr *message, int attribute)
{
    return nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)message, sizeof(struct ifinfomsg),
                           attribute);
}

/* An attribute inside another, either of which may be missing. */
static struct nlattr *find_inside(struct nlattr *nest, int attribute)
{
    return nest != NULL ? nla_find(nla_data(nest), nla_len(nest), attribute) : NULL;
}

static uint32_t number(struct nlattr *a)
{
    return a != NULL && nla_len(a) >= (int)sizeof(uint32_t) ? nla_get_u32(a) : 0;
}

/* libnl's own copy, because a string may come without its end. */
static void read_text(struct nlattr *a, char *out, size_t room)
{
    if (a != NULL)
        nla_strlcpy(out, a, room);
}

static int read_addrgen(const struct nlmsghdr *message)
{
    struct nlattr *ipv6 = find_inside(find(message, IFLA_AF_SPEC), AF_INET6);
    struct nlattr *mode = find_inside(ipv6, IFLA_INET6_ADDR_GEN_MODE);

    return mode != NULL && nla_len(mode) >= 1 ? nla_get_u8(mode) : -1;
}

/* Return: false when the message is about something else */
static bool read_link(const struct nlmsghdr *message, struct link *out)
{
    const struct ifinfomsg *header = nlmsg_data(message);
    struct nlattr *address;

    if (message->nlmsg_type != RTM_NEWLINK || nlmsg_datalen(message) < (int)sizeof *header)
        return false;
    *out = (struct link){
        .index = header->ifi_index,
        .master = (int)number(find(message, IFLA_MASTER)),
        .mtu = number(find(message, IFLA_MTU)),
        .queue_length = number(find(message, IFLA_TXQLEN)),
        .up = (header->ifi_flags & IFF_UP) != 0,
        .running = (header->ifi_flags & IFF_RUNNING) != 0,
        .addrgen = read_addrgen(message),
    };
    address = find(message, IFLA_ADDRESS);
    if (address != NULL && nla_len(address) == sizeof out->mac.octet)
        memcpy(out->mac.octet, nla_data(address), sizeof out->mac.octet);
    read_text(find(message, IFLA_IFNAME), out->name, sizeof out->name);
    read_text(find_inside(find(message, IFLA_LINKINFO), IFLA_INFO_KIND), out->kind,
              sizeof out->kind);
    return true;
}

static void on_one_link(void *context, struct nlmsghdr *message)
{
    read_link(message, context);
}

/* Return: NULL without memory; to be given a value to */
static struct nl_msg *new_link_message(int type, const struct ifinfomsg *header)
{
    struct nl_msg *message = nlmsg_alloc_simple(type, 0);

    if (message != NULL &&
        nlmsg_append(message, (void *)(uintptr_t)header, sizeof *header, NLMSG_ALIGNTO) == 0)
        return message;
    nlmsg_free(message);
    return NULL;
}

bool netlink_link_by_name(struct netlink *netlink, const char *name, struct link *out)
{
    struct nl_msg *message = new_link_message(RTM_GETLINK, &(struct ifinfomsg){0});

    *out = (struct link){0};
    if (message == NULL || nla_put_string(message, IFLA_IFNAME, name) < 0) {
        nlmsg_free(message);
        return false;
    }
    return netlink_ask(netlink, message, on_one_link, out) == 0 && out->index != 0;
}

bool netlink_link_by_index(struct netlink *netlink, int index, struct link *out)
{
    struct nl_msg *message = new_link_message(RTM_GETLINK, &(struct ifinfomsg){.ifi_index = index});

    *out = (struct link){0};
    if (message == NULL || index <= 0) {
        nlmsg_free(message);
        return false;
    }
    return netlink_ask(netlink, message, on_one_link, out) == 0 && out->index != 0;
}

struct collection {
    struct link *links;
    size_t count, room;
    bool full; /* no memory for more */
};

static void on_link(void *context, struct nlmsghdr *message)
{
    struct collection *all = context;

    if (all->count == all->room) {
        size_t room = all->room * 2;
        struct link *more = realloc(all->links, room * sizeof *more);
        all->full = all->full || more == NULL;
        if (more == NULL)
            return;
        all->links = more;
        all->room = room;
    }
    if (read_link(message, &all->links[all->count]))
        all->count++;
}

/* Return: 0, or libnl's negative error: -NLE_DUMP_INTR when something changed meanwhile */
static int collect_links(struct netlink *netlink, struct collection *all)
{
    *all = (struct collection){.room = LINKS_AT_FIRST};
    all->links = malloc(all->room * sizeof *all->links);
    if (all->links == NULL)
        return -NLE_NOMEM;
    int code = netlink_dump(netlink, RTM_GETLINK, AF_UNSPEC, on_link, all);
    if (code == 0 && all->full)
        code = -NLE_NOMEM;
    if (code < 0)
        free(all->links);
    return code;
}

int netlink_links(struct netlink *netlink, struct link **out, size_t *count)
{
    struct collection all;
    int code = -NLE_DUMP_INTR;

    for (unsigned i = 0; i < DUMP_TRIES && code == -NLE_DUMP_INTR; i++)
        code = collect_links(netlink, &all);
    if (code < 0)
        return code;
    *out = all.links;
    *count = all.count;
    return 0;
}

/* ---- changing links ---- */

/* Return: 0, or libnl's negative error */
static int change_link(struct netlink *netlink, int index, int attribute, const void *value,
                       size_t bytes)
{
    struct nl_msg *message = new_link_message(RTM_SETLINK, &(struct ifinfomsg){.ifi_index = index});

    if (message != NULL && nla_put(message, attribute, (int)bytes, value) == 0)
        return netlink_send(netlink, message);
    nlmsg_free(message);
    return -NLE_NOMEM;
}

static int change_number(struct netlink *netlink, int index, int attribute, uint32_t value)
{
    return change_link(netlink, index, attribute, &value, sizeof value);
}

int netlink_set_master(struct netlink *netlink, int index, int master)
{
    return change_number(netlink, index, IFLA_MASTER, (uint32_t)master);
}

int netlink_set_mtu(struct netlink *netlink, int index, unsigned mtu)
{
    return change_number(netlink, index, IFLA_MTU, mtu);
}

int netlink_set_queue_length(struct netlink *netlink, int index, unsigned packets)
{
    return change_number(netlink, index, IFLA_TXQLEN, packets);
}

int netlink_set_mac(struct netlink *netlink, int index, const struct mac *mac)
{
    return change_link(netlink, index, IFLA_ADDRESS, mac->octet, sizeof mac->octet);
}

int netlink_set_up(struct netlink *netlink, int index, bool up)
{
    const struct ifinfomsg header = {
        .ifi_index = index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP};
    struct nl_msg *message = new_link_message(RTM_SETLINK, &header);

    return message != NULL ? netlink_send(netlink, message) : -NLE_NOMEM;
}

int netlink_set_addrgen(struct netlink *netlink, int index, int mode)
{
    struct nl_msg *message = new_link_message(RTM_SETLINK, &(struct ifinfomsg){.ifi_index = index});
    struct nlattr *families, *ipv6;

    if (message != NULL && (families = nla_nest_start(message, IFLA_AF_SPEC)) != NULL &&
        (ipv6 = nla_nest_start(message, AF_INET6)) != NULL &&
        nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, (uint8_t)mode) == 0) {
        nla_nest_end(message, ipv6);
        nla_nest_end(message, families);
        return netlink_send(netlink, message);
    }
    nlmsg_free(message);
    return -NLE_NOMEM;
}
