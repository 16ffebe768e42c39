/* SPDX-License-Identifier: MIT
 *
 * udp_send.c - datagrams to the kernel, many with one call.
 *
 * With UDP_SEGMENT a run of datagrams to one destination goes through the kernel as one message,
 * and is cut where the interface does it or just before. All of a run have the first one's size,
 * but the last may be smaller. sendmmsg() takes several runs, and what is no run, at once.
 *
 * A run that is refused is sent again datagram by datagram, so nothing is lost, and what each of
 * them meets is known. If that succeeds, it was the segmentation the kernel did not like (a tunnel
 * or an interface that cannot do it): there is none from then on. A run too large for the
 * interface says nothing about segmentation.
 *
 * All memory is on the stack: any thread may send.
 */
#include "udp.h"

#include "log.h"
#include "socket_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    BATCH = 64,            /* datagrams of one call */
    RUN_MAX = 64,          /* UDP_MAX_SEGMENTS of kernels before 6.9 */
    RUN_MAX_BYTES = 65507, /* the largest UDP datagram there is */
    /* An ICMP error that waits fails a call, whatever it is about, and each try takes one away. In
     * a flood of them another comes before the next try, again and again: the kernel takes them in,
     * and another thread reads them one by one, which brings up the next each time. */
    TRIES = 80,
    PROBE_TRIES = 8,
    TRIES_AT_ONCE = 16, /* after that the flood is given some time to be over */
    NAP_NS = 20000,
};

_Static_assert(BATCH <= RUN_MAX, "a run never has more than the kernel takes");

struct control {
    _Alignas(struct cmsghdr) uint8_t octet[CMSG_SPACE(sizeof(uint16_t))];
};

/* Message n holds run n: datagrams that follow one another. Messages that follow one another to one
 * destination share its name. */
struct outgoing {
    struct mmsghdr message[BATCH];
    struct control control[BATCH];
    struct iovec iov[BATCH];
    uint8_t length[BATCH]; /* of each run, datagrams */
    struct sockaddr_storage to[BATCH];
};

/* ---- into messages ---- */

/* A probe of the path MTU goes by itself: it shall not take others with it when it is refused. */
static uint8_t run_length(const struct datagram *first, unsigned count)
{
    uint8_t n = 1;
    size_t bytes = first->bytes;

    while (n < count && !first->probe) {
        const struct datagram *next = &first[n];
        if (next->probe || next->bytes == 0 || next->bytes > first->bytes ||
            bytes + next->bytes > RUN_MAX_BYTES || !endpoint_equal(&next->to, &first->to))
            break;
        bytes += next->bytes;
        n++;
        if (next->bytes < first->bytes)
            break;
    }
    return n;
}

static void add_segment_size(struct msghdr *header, struct control *control, uint16_t bytes)
{
    header->msg_control = control;
    header->msg_controllen = sizeof *control;
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof bytes);
    memcpy(CMSG_DATA(c), &bytes, sizeof bytes);
}

/* Return: how many messages the datagrams make */
static unsigned fill(struct outgoing *out, const struct datagram *datagrams, unsigned count,
                     bool segment)
{
    unsigned messages = 0, names = 0;
    socklen_t name_bytes = 0;

    for (unsigned done = 0; done < count; messages++) {
        const struct datagram *first = &datagrams[done];
        struct msghdr *header = &out->message[messages].msg_hdr;
        uint8_t n = segment ? run_length(first, count - done) : 1;
        if (done == 0 || !endpoint_equal(&first->to, &first[-1].to))
            name_bytes = endpoint_to_socket(&first->to, &out->to[names++]);
        *header = (struct msghdr){.msg_name = &out->to[names - 1],
                                  .msg_namelen = name_bytes,
                                  .msg_iov = &out->iov[done],
                                  .msg_iovlen = n};
        for (unsigned i = 0; i < n; i++) /* the kernel only reads; struct iovec has no const */
            out->iov[done + i] = (struct iovec){.iov_base = (void *)(uintptr_t)first[i].data,
                                                .iov_len = first[i].bytes};
        if (n > 1)
            add_segment_size(header, &out->control[messages], (uint16_t)first->bytes);
        out->length[messages] = n;
        done += n;
    }
    return messages;
}

/* ---- out ---- */

/* Where datagrams go, and what is said of those that do not. */
struct way {
    struct udp *udp;
    enum udp_family family;
    struct endpoint *refused; /* the last one too large for our kernel; or NULL */
    size_t too_large_bytes;   /* the smallest datagram that it was: larger ones are, too */
};

static unsigned send_datagrams(struct way *way, const struct datagram *datagrams, unsigned count,
                               bool segment);

static void count_unsent(struct way *way, const struct datagram *d, int code)
{
    if (code != EMSGSIZE) {
        way->udp->send_dropped++;
        return;
    }
    if (!d->probe)
        way->udp->send_too_large++;
    if (way->refused != NULL)
        *way->refused = d->to;
}

/* What one message met. Return: how many of its datagrams were sent after all */
static unsigned send_refused(struct way *way, const struct datagram *run, unsigned length, int code)
{
    struct udp *udp = way->udp;

    if (length == 1) {
        count_unsent(way, run, code);
        return 0;
    }
    if (code == ENOBUFS) { /* the interface's queue dropped all of it */
        udp->send_dropped += length;
        return 0;
    }
    unsigned sent = send_datagrams(way, run, length, false);
    if (sent > 0 && code != EMSGSIZE && atomic_exchange(&udp->gso, false))
        log_info("UDP segmentation does not work here (%s); going on without", strerror(code));
    return sent;
}

static unsigned sum(const uint8_t *length, unsigned count)
{
    unsigned total = 0;

    for (unsigned i = 0; i < count; i++)
        total += length[i];
    return total;
}

/* Our own kernel refuses what is too large each time, and says so by an error that somebody else's
 * may look like. A probe that is lost to one is lost as on the wire. */
static unsigned tries_of(const struct way *way, const struct datagram *first, int code)
{
    if (code != EMSGSIZE)
        return TRIES;
    if (first->bytes >= way->too_large_bytes)
        return 1;
    return first->probe ? PROBE_TRIES : TRIES;
}

static void nap(void)
{
    struct timespec time = {.tv_nsec = NAP_NS};

    nanosleep(&time, NULL);
}

/* What is refused is skipped, and so is what the interface's queue dropped (ENOBUFS): the next may
 * go another way. A full socket drops the rest, as the wire would.
 *
 * Return: how many datagrams were sent */
static unsigned send_datagrams(struct way *way, const struct datagram *datagrams, unsigned count,
                               bool segment)
{
    struct outgoing out;
    unsigned messages = fill(&out, datagrams, count, segment);
    unsigned done = 0, sent = 0, tries = 0;

    while (done < messages) {
        int n = sendmmsg(way->udp->fd[way->family], out.message + done, messages - done,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        int code = n < 0 ? errno : 0;
        if (code == EAGAIN) {
            way->udp->send_dropped += sum(out.length + done, messages - done);
            break;
        }
        if (n < 0 && code != ENOBUFS && ++tries < tries_of(way, datagrams, code)) {
            if (tries > TRIES_AT_ONCE)
                nap();
            continue;
        }
        if (code == EMSGSIZE && datagrams->bytes < way->too_large_bytes)
            way->too_large_bytes = datagrams->bytes;
        unsigned settled = n > 0 ? (unsigned)n : 1;
        unsigned length = sum(out.length + done, settled);
        sent += n >= 0 ? length : send_refused(way, datagrams, length, code);
        datagrams += length;
        done += settled;
        if (n > 0 || code == EMSGSIZE)
            tries = 0; /* else it was no passing error: the next ones are tried once */
    }
    return sent;
}

static enum udp_family family_of(const struct datagram *d)
{
    return d->to.address.family == IP_V4 ? UDP_V4 : UDP_V6;
}

void udp_transmit(struct udp *udp, const struct datagram *datagrams, size_t count,
                  struct endpoint refused[UDP_FAMILIES])
{
    for (size_t done = 0; done < count;) {
        const struct datagram *first = &datagrams[done];
        enum udp_family family = family_of(first);
        struct way way = {udp, family, refused != NULL ? &refused[family] : NULL, SIZE_MAX};
        unsigned n = 1;
        while (n < BATCH && done + n < count && family_of(&first[n]) == family)
            n++;
        if (udp->fd[family] >= 0)
            send_datagrams(&way, first, n, udp->gso);
        else
            udp->send_dropped += n;
        done += n;
    }
}
