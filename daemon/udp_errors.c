/* SPDX-License-Identifier: MIT
 *
 * udp_errors.c - what the kernel says of datagrams that did not get through: the error queue of
 * each socket (IP_RECVERR, IPV6_RECVERR; ip(7)).
 *
 * Two kinds of entries concern sizes: our own kernel refused a datagram that the interface cannot
 * carry, or a router on the way did (ICMP 'fragmentation needed', ICMPv6 'packet too big'). Both
 * are reported. All others are counted; whether a peer answers is judged by its datagrams alone,
 * since anyone can forge ICMP.
 */
#include "udp.h"

#include "control_message.h"
#include "log.h"
#include "socket_address.h"
#include "text.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* After netinet/in.h and time.h: musl defines those types itself. */
#include <linux/errqueue.h>

enum {
    BATCH = 256,        /* a flood of forged ICMP shall not fill the buffer datagrams wait in */
    CONTROL_BYTES = 512 /* holds the error with the offender's address */
};

/* One entry, as far as we look at it. */
struct entry {
    struct endpoint to; /* where the datagram went; port 0: not known */
    struct sock_extended_err error;
};

static bool is_error(const struct cmsghdr *c)
{
    return c->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err)) &&
           ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR));
}

/* A time stands before it (SO_TIMESTAMPNS). Return: whether it is there */
static bool take_error(struct msghdr *message, struct sock_extended_err *out)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = control_message_next(message, c)) {
        if (!is_error(c))
            continue;
        memcpy(out, CMSG_DATA(c), sizeof *out);
        return true;
    }
    return false;
}

/* The datagram itself, or what ICMP quoted of it, is not looked at: no buffer for it.
 *
 * Return: false when the queue is empty; an entry that is none of ours has ee_errno 0 */
static bool read_entry(int fd, struct entry *out)
{
    union {
        struct cmsghdr align;
        uint8_t octet[CONTROL_BYTES];
    } control;
    struct sockaddr_storage to = {0};
    struct msghdr message = {.msg_name = &to,
                             .msg_namelen = sizeof to,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    memset(out, 0, sizeof *out);
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    if (!take_error(&message, &out->error) ||
        !endpoint_from_socket(&out->to, (const struct sockaddr *)&to))
        out->error.ee_errno = 0;
    return true;
}

static bool same_report(const struct entry *a, const struct entry *b)
{
    return a->error.ee_errno == b->error.ee_errno && a->error.ee_origin == b->error.ee_origin &&
           a->error.ee_info == b->error.ee_info && endpoint_equal(&a->to, &b->to);
}

static bool is_by_kernel(const struct entry *entry)
{
    return entry->error.ee_origin == SO_EE_ORIGIN_LOCAL;
}

static void count_icmp(struct udp *udp, const struct entry *entry)
{
    char text[TEXT_ENDPOINT_SIZE];

    if (entry->error.ee_origin != SO_EE_ORIGIN_ICMP && entry->error.ee_origin != SO_EE_ORIGIN_ICMP6)
        return;
    udp->icmp_errors++;
    log_debug("udp: ICMP type %u code %u about a datagram to %s", entry->error.ee_type,
              entry->error.ee_code, text_endpoint(&entry->to, text));
}

void udp_read_errors(struct udp *udp, enum udp_family family, udp_too_large_fn *report,
                     void *context)
{
    struct entry entry, last = {0};

    for (unsigned i = 0; i < BATCH && read_entry(udp->fd[family], &entry); i++) {
        if (entry.error.ee_errno != EMSGSIZE) {
            count_icmp(udp, &entry);
            continue;
        }
        if (is_by_kernel(&entry))
            udp->refused[family] = (struct endpoint){0};
        if (same_report(&entry, &last))
            continue;
        last = entry;
        uint32_t mtu = entry.error.ee_info;
        report(context, &entry.to, (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX),
               is_by_kernel(&entry));
    }
    struct endpoint refused = udp->refused[family];
    udp->refused[family] = (struct endpoint){0};
    if (refused.address.family != IP_NONE)
        report(context, &refused, 0, true);
}

bool udp_has_refused(const struct udp *udp, enum udp_family family)
{
    return udp->refused[family].address.family != IP_NONE;
}
