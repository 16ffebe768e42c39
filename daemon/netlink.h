/* SPDX-License-Identifier: MIT
 *
 * netlink.h - asking the kernel about links, and changing them.
 *
 * Two sockets: one for questions and changes, answered before the call returns (the kernel
 * answers netlink in the caller's own time, there is nothing to wait for); one that is woken by
 * changes others make. What changed is not told, only that something did: whoever listens reads
 * the state again. So a lost message (ENOBUFS) does no harm, and no model of the machine is kept
 * that could go wrong.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include "error.h"
#include "site.h"

#include <net/if.h>

struct nl_sock;
struct nl_msg;

struct netlink {
    struct nl_sock *requests, *events;
};

struct link {
    int index, master; /* master 0: none */
    unsigned mtu, queue_length;
    bool up, running;
    int addrgen; /* IFLA_INET6_ADDR_GEN_MODE, -1: no IPv6 on it */
    struct mac mac;
    char name[IFNAMSIZ];
    char kind[16]; /* "bridge", "tun", ... or "" */
};

/** netlink_open() - Open both sockets; false with @error */
bool netlink_open(struct netlink *netlink, struct error *error);

void netlink_close(struct netlink *netlink);

/** netlink_events_fd() - Becomes readable when netlink_read_events() has something to say */
int netlink_events_fd(const struct netlink *netlink);

/**
 * netlink_read_events() - Read all waiting events
 * @neighbours_of: Neighbours of this interface index alone matter
 *
 * Return: whether a link, an address, a default route or such a neighbour came, went or changed, or
 * the kernel lost messages
 */
bool netlink_read_events(struct netlink *netlink, int neighbours_of);

/** netlink_link_by_name() - false when there is none */
bool netlink_link_by_name(struct netlink *netlink, const char *name, struct link *out);
bool netlink_link_by_index(struct netlink *netlink, int index, struct link *out);

/**
 * netlink_links() - All links there are
 * @out:   Receives an array, the caller's to free()
 * @count: Receives how many
 *
 * Return: 0, or libnl's negative error; nothing is received then
 */
int netlink_links(struct netlink *netlink, struct link **out, size_t *count);

/* Changes of one link. Return: 0, or libnl's negative error (netlink_error_text() names it). */
int netlink_set_master(struct netlink *netlink, int index, int master);
int netlink_set_mtu(struct netlink *netlink, int index, unsigned mtu);
int netlink_set_mac(struct netlink *netlink, int index, const struct mac *mac);
int netlink_set_up(struct netlink *netlink, int index, bool up);
int netlink_set_addrgen(struct netlink *netlink, int index, int mode);
int netlink_set_queue_length(struct netlink *netlink, int index, unsigned packets);

/** netlink_send() - Send a request of one's own making and wait for its ack; @message is freed */
int netlink_send(struct netlink *netlink, struct nl_msg *message);

/**
 * netlink_dump() - Have the kernel list objects, each message given to @each
 * @type:   RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH or RTM_GETLINK
 * @family: AF_UNSPEC, AF_BRIDGE ...
 *
 * Return: 0, or libnl's negative error: what @each was given may then be a part, or two states
 */
struct nlmsghdr;
typedef void netlink_each_fn(void *context, struct nlmsghdr *message);
int netlink_dump(struct netlink *netlink, int type, int family, netlink_each_fn *each,
                 void *context);

/**
 * netlink_ask() - Send a question of one's own making and have its answer given to @each
 * @message: Freed
 *
 * Return: 0, or libnl's negative error, also when the kernel knows no answer
 */
int netlink_ask(struct netlink *netlink, struct nl_msg *message, netlink_each_fn *each,
                void *context);

const char *netlink_error_text(int code);

#endif
