/* SPDX-License-Identifier: MIT
 *
 * udp_receive.c - datagrams from the kernel, many with one call.
 *
 * With UDP_GRO the kernel hands over several datagrams of one sender as one message, with their
 * common size beside it; only the last may be smaller. Any message may then hold 64 KiB, so the
 * buffers are few and large; without it they are many and small.
 *
 * The memory is static: no allocation per packet, and pages of a buffer that no message ever
 * reached are never resident. The message headers are filled once; after each use only what the
 * kernel changed is set again.
 */
#include "udp.h"

#include "socket_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

enum {
    LARGE_BYTES = 65536,
    LARGE_COUNT = 8,    /* of some forty datagrams each; more would only cost memory and cache */
    SMALL_BYTES = 9216, /* more than OUTER_PACKET_MAX_BYTES ever fills */
    SMALL_COUNT = 32,
    TRIES = 8, /* of a call that an error which waited may have failed; each takes one away */
};

_Static_assert(SMALL_BYTES *SMALL_COUNT <= LARGE_BYTES * LARGE_COUNT, "both fit the memory");

/* Room for the one control message that was asked for. */
struct control {
    _Alignas(struct cmsghdr) uint8_t octet[CMSG_SPACE(sizeof(int))];
};

static struct {
    uint8_t memory[LARGE_COUNT * LARGE_BYTES];
    struct sockaddr_storage from[SMALL_COUNT];
    struct iovec iov[SMALL_COUNT];
    struct control control[SMALL_COUNT];
    struct mmsghdr message[SMALL_COUNT];
    unsigned count; /* of messages in use; 0: not prepared */
} in;

static void prepare(bool gro)
{
    size_t bytes = gro ? LARGE_BYTES : SMALL_BYTES;

    in.count = gro ? LARGE_COUNT : SMALL_COUNT;
    for (unsigned i = 0; i < in.count; i++) {
        in.iov[i] = (struct iovec){.iov_base = in.memory + i * bytes, .iov_len = bytes};
        in.message[i].msg_hdr = (struct msghdr){.msg_name = &in.from[i],
                                                .msg_namelen = sizeof in.from[i],
                                                .msg_iov = &in.iov[i],
                                                .msg_iovlen = 1,
                                                .msg_control = &in.control[i],
                                                .msg_controllen = sizeof in.control[i]};
    }
}

/* Return: how many messages were received; negative: none */
static int receive_batch(int fd)
{
    int count = -1;

    for (unsigned i = 0; i < TRIES && count < 0; i++) {
        count = recvmmsg(fd, in.message, in.count, MSG_DONTWAIT, NULL);
        if (count < 0 && errno == EAGAIN)
            break;
    }
    return count;
}

/* The size of each datagram in a message of @bytes but the last */
static size_t datagram_bytes(const struct msghdr *message, size_t bytes)
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(message);
    int size = 0;

    if (c != NULL && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO &&
        c->cmsg_len >= CMSG_LEN(sizeof size))
        memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 ? (size_t)size : bytes;
}

static void hand_over(unsigned i, udp_receive_fn *receive, void *context)
{
    const struct msghdr *message = &in.message[i].msg_hdr;
    uint8_t *data = in.iov[i].iov_base;
    size_t left = in.message[i].msg_len;
    struct endpoint source;

    if ((message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
        !endpoint_from_socket(&source, (const struct sockaddr *)&in.from[i]))
        return;
    size_t size = datagram_bytes(message, left);
    while (left > 0) {
        size_t bytes = size < left ? size : left;
        receive(context, &source, data, bytes);
        data += bytes;
        left -= bytes;
    }
}

bool udp_receive(struct udp *udp, enum udp_family family, udp_receive_fn *receive, void *context)
{
    if (in.count != (udp->gro ? LARGE_COUNT : SMALL_COUNT))
        prepare(udp->gro);
    int count = receive_batch(udp->fd[family]);

    for (unsigned i = 0; count > 0 && i < (unsigned)count; i++) {
        hand_over(i, receive, context);
        in.message[i].msg_hdr.msg_namelen = sizeof in.from[i];
        in.message[i].msg_hdr.msg_controllen = sizeof in.control[i];
    }
    return count == (int)in.count;
}
