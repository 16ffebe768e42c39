/* SPDX-License-Identifier: MIT
 *
 * udp.h - the WAN side: one UDP socket per address family, read and written in batches, and many
 * datagrams as one message where the kernel can (UDP_SEGMENT, UDP_GRO; Linux 4.18 and 5.0).
 *
 * Each outer packet carries DF and is never fragmented by the kernel. IP_PMTUDISC_PROBE makes it
 * ignore the path MTU it has cached: the tunnel sizes its own datagrams. The IPv6 socket is
 * IPV6_V6ONLY, so an IPv4-mapped address is never seen. Sending is best effort, as UDP is: what
 * the kernel does not take at once is dropped and counted.
 *
 * Errors. IP_RECVERR keeps what the kernel and ICMP say of our datagrams in a queue beside the
 * socket, read by udp_read_errors() (udp_errors.c). It also makes each ICMP error fail the next
 * call on the socket, whatever datagram that is about: such a call is made again before its
 * failure is believed.
 */
#ifndef UDP_H
#define UDP_H

#include "error.h"
#include "site.h"

#include <stdatomic.h>

enum udp_family { UDP_V4, UDP_V6, UDP_FAMILIES };

/* For tests: what not to use. */
struct udp_options {
    bool no_segment, no_gro;
    bool no_timestamp; /* nobody knows how long a datagram waited */
};

struct udp {
    int fd[UDP_FAMILIES]; /* -1: that family is not available here */
    bool gro;             /* in use: several datagrams are received as one message */
    /* Any thread may send. */
    atomic_bool gso; /* in use: several are sent as one */
    atomic_ulong send_dropped;
    atomic_ulong send_too_large; /* probes of the path MTU are not counted */
    /* The thread that receives alone. */
    uint64_t icmp_errors;                  /* those that do not concern sizes */
    struct endpoint refused[UDP_FAMILIES]; /* too large for our own kernel, and not told yet */
};

/**
 * udp_receive_fn - One datagram
 * @datagram: May be changed in place, not beyond its end: the next one may begin there. It is good
 *            until the next call of udp_receive(), on whichever family
 * @waited_us: How long it waited to be read; 0 when the kernel does not tell
 */
typedef void udp_receive_fn(void *context, const struct endpoint *from, uint8_t *datagram,
                            size_t bytes, uint32_t waited_us);

/**
 * udp_open() - Bind @port on both families
 *
 * A family that is not there is logged and gone on without. The big socket buffers need
 * CAP_NET_ADMIN, so this comes before privileges are reduced.
 *
 * Return: false with @error (port in use, neither family there); nothing is left open then
 */
bool udp_open(struct udp *udp, uint16_t port, const struct udp_options *options,
              struct error *error);

/**
 * udp_rebind() - Listen at another port, on the families there are
 *
 * What waits in the old sockets is lost. Their descriptors are kept, but who polls them must begin
 * anew. Other threads may be sending.
 *
 * Return: false when that port cannot be had: all is as before
 */
bool udp_rebind(struct udp *udp, uint16_t port, const struct udp_options *options);

void udp_close(struct udp *udp);

/**
 * udp_receive() - Read one batch and hand each datagram to @receive
 *
 * A batch is 64 messages or what 128 KiB hold: some forty datagrams of 1500 bytes, or twice as many
 * when the kernel joins them (UDP_GRO). That memory is used again by the next call: a core that
 * keeps references must be flushed first. One thread may receive.
 *
 * Return: true when the batch was full, so that more may be waiting
 */
bool udp_receive(struct udp *udp, enum udp_family family, udp_receive_fn *receive, void *context);

/**
 * udp_too_large_fn - Somebody says that a datagram was too large
 * @to:        Where it went; port 0: not known
 * @mtu_bytes: Largest outer IP packet; 0: not told
 * @by_kernel: Our own kernel refused it; otherwise ICMP, which anyone can forge
 */
typedef void udp_too_large_fn(void *context, const struct endpoint *to, uint16_t mtu_bytes,
                              bool by_kernel);

/** udp_read_errors() - Read up to 256 errors and hand those about sizes to @report */
void udp_read_errors(struct udp *udp, enum udp_family family, udp_too_large_fn *report,
                     void *context);

/** udp_has_refused() - Whether udp_read_errors() has a datagram to tell of that this thread has
 * just sent: one that the kernel found too large */
bool udp_has_refused(const struct udp *udp, enum udp_family family);

/**
 * udp_transmit() - Send a batch now, each datagram on the socket of its family, in this order
 * @refused: Where to note, by family, one that our kernel found too large; NULL: it need not be,
 * the error queue will tell
 *
 * Datagrams that follow one another to the same destination and have one size (the last may be
 * smaller) go as one message, 64 KiB at most.
 */
void udp_transmit(struct udp *udp, const struct datagram *datagrams, size_t count,
                  struct endpoint refused[UDP_FAMILIES]);

#endif
