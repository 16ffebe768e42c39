/* SPDX-License-Identifier: MIT
 *
 * udp_receive.c - datagrams from the kernel, as many as the memory for one batch holds.
 *
 * With UDP_GRO the kernel hands over several datagrams of one sender as one message, with their
 * common size beside it; only the last may be smaller. Any message may then be 64 KiB, and whether
 * it is cannot be known before: so messages are read one by one, each behind the one before, and
 * small ones lie densely. That is as quick as recvmmsg() into buffers of 64 KiB each (the call
 * itself is little beside the datagram), in a fraction of the memory and with more datagrams a
 * batch.
 *
 * How long a datagram waited follows from when the kernel took it from the network
 * (SO_TIMESTAMPNS), by the clock of the day, which somebody may set: what cannot be is taken for no
 * time at all. The present is asked for with each message: datagrams that wait are read faster than
 * once for a batch would tell.
 *
 * The memory is static: no allocation per packet, and pages never reached are never resident.
 */
#include "udp.h"

#include "control_message.h"
#include "socket_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    BATCH = 64,               /* small ones shall not keep the other direction waiting */
    MEMORY_BYTES = 128 << 10, /* two of the largest messages, or some forty single datagrams */
    LARGE_BYTES = 65536,      /* of any message with UDP_GRO */
    SMALL_BYTES = 9216,       /* without: more than OUTER_PACKET_MAX_BYTES ever fills */
    ALIGNMENT_BYTES = 64,
    WAITED_MAX_S = 10, /* longer is an error of the clock */
    TRIES = 8, /* of a call that an error which waited may have failed; each takes one away */
};

/* Where the next message goes, and what came. */
struct message {
    uint8_t *data;
    size_t bytes;
    size_t datagram_bytes; /* of each datagram but the last */
    uint32_t waited_us;
    struct endpoint from;
};

static uint32_t waited_us(const struct timespec *arrived)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec < arrived->tv_sec || now.tv_sec - arrived->tv_sec > WAITED_MAX_S)
        return 0;
    int64_t ns =
        (int64_t)(now.tv_sec - arrived->tv_sec) * 1000000000 + now.tv_nsec - arrived->tv_nsec;
    return ns > 0 ? (uint32_t)(ns / 1000) : 0;
}

static bool is_control(const struct cmsghdr *c, int level, int type, size_t bytes)
{
    return c->cmsg_level == level && c->cmsg_type == type && c->cmsg_len >= CMSG_LEN(bytes);
}

/* What was asked for, where the kernel knows it: without, a message is one datagram, just come. */
static void read_control(struct msghdr *header, struct message *message)
{
    struct timespec arrived;
    int size = 0;

    message->waited_us = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL;
         c = control_message_next(header, c)) {
        if (is_control(c, IPPROTO_UDP, UDP_GRO, sizeof size)) {
            memcpy(&size, CMSG_DATA(c), sizeof size);
        } else if (is_control(c, SOL_SOCKET, SCM_TIMESTAMPNS, sizeof arrived)) {
            memcpy(&arrived, CMSG_DATA(c), sizeof arrived);
            message->waited_us = waited_us(&arrived);
        }
    }
    message->datagram_bytes = size > 0 ? (size_t)size : message->bytes;
}

/* Return: false when none is waiting. One that cannot be used has no datagrams: its
 * datagram_bytes are 0 */
static bool read_message(int fd, struct message *message, size_t room)
{
    _Alignas(struct cmsghdr)
        uint8_t control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct timespec))];
    struct sockaddr_storage from;
    struct iovec iov = {.iov_base = message->data, .iov_len = room};
    struct msghdr header;
    ssize_t bytes = -1;

    for (unsigned i = 0; i < TRIES && bytes < 0; i++) {
        header = (struct msghdr){.msg_name = &from,
                                 .msg_namelen = sizeof from,
                                 .msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        bytes = recvmsg(fd, &header, MSG_DONTWAIT);
        if (bytes < 0 && errno == EAGAIN)
            break;
    }
    if (bytes < 0)
        return false;
    message->bytes = (size_t)bytes;
    message->datagram_bytes = 0;
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
        endpoint_from_socket(&message->from, (const struct sockaddr *)&from))
        read_control(&header, message);
    return true;
}

static void hand_over(const struct message *message, udp_receive_fn *receive, void *context)
{
    uint8_t *data = message->data;
    size_t left = message->datagram_bytes != 0 ? message->bytes : 0;

    while (left > 0) {
        size_t bytes = message->datagram_bytes < left ? message->datagram_bytes : left;
        receive(context, &message->from, data, bytes, message->waited_us);
        data += bytes;
        left -= bytes;
    }
}

bool udp_receive(struct udp *udp, enum udp_family family, udp_receive_fn *receive, void *context)
{
    static _Alignas(ALIGNMENT_BYTES) uint8_t memory[MEMORY_BYTES];
    size_t room = udp->gro ? LARGE_BYTES : SMALL_BYTES;
    struct message message = {.data = memory};

    for (unsigned i = 0; i < BATCH && message.data + room <= memory + sizeof memory; i++) {
        if (!read_message(udp->fd[family], &message, room))
            return false;
        hand_over(&message, receive, context);
        message.data += (message.bytes / ALIGNMENT_BYTES + 1) * ALIGNMENT_BYTES;
    }
    return true;
}
