/* SPDX-License-Identifier: MIT
 *
 * relay.h - an Ethernet port of a lab tool: whole frames by AF_PACKET, tags and offloads kept.
 *
 * The kernel takes VLAN tags and unfinished checksums out of the bytes. Both come back here: the
 * tag by PACKET_AUXDATA into the frame, the offload state as a virtio-net header that is handed on
 * unread, so that what leaves is what a cable would have carried.
 */
#ifndef LAB_RELAY_H
#define LAB_RELAY_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RELAY_FRAME_MAX_BYTES = 65536 + 64, RELAY_TAG_BYTES = 4, RELAY_MACS_BYTES = 12 };

struct relay_frame {
    struct virtio_net_hdr offload;
    size_t len;
    uint8_t bytes[RELAY_FRAME_MAX_BYTES];
};

static inline void relay_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/**
 * relay_open() - a promiscuous port that does not hear what it sends
 * @name: interface
 *
 * Return: the socket; the program ends when there is none.
 */
static inline int relay_open(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    int on = 1, buffer_bytes = 8 << 20;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};

    at.sll_ifindex = (int)if_nametoindex(name);
    all.mr_ifindex = at.sll_ifindex;
    if (fd < 0 || !at.sll_ifindex ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) ||
        setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) ||
        bind(fd, (struct sockaddr *)&at, sizeof at))
        relay_die(name);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
    return fd;
}

static inline void relay_put_tag(struct relay_frame *frame, const struct tpacket_auxdata *aux)
{
    uint16_t tag[2] = {htons(aux->tp_vlan_tpid), htons(aux->tp_vlan_tci)};
    uint8_t *at = frame->bytes + RELAY_MACS_BYTES;

    memmove(at + RELAY_TAG_BYTES, at, frame->len - RELAY_MACS_BYTES);
    memcpy(at, tag, RELAY_TAG_BYTES);
    frame->len += RELAY_TAG_BYTES;
    if (frame->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        frame->offload.csum_start = (uint16_t)(frame->offload.csum_start + RELAY_TAG_BYTES);
    if (frame->offload.hdr_len)
        frame->offload.hdr_len = (uint16_t)(frame->offload.hdr_len + RELAY_TAG_BYTES);
}

/**
 * relay_read() - take the next frame
 * @fd: of relay_open()
 * @frame: receives it
 *
 * Return: true when there was one.
 */
static inline bool relay_read(int fd, struct relay_frame *frame)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct iovec parts[2] = {{&frame->offload, sizeof frame->offload},
                             {frame->bytes, sizeof frame->bytes - RELAY_TAG_BYTES}};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);

    if (got < (ssize_t)(sizeof frame->offload + ETHER_HDR_LEN))
        return false;
    frame->len = (size_t)got - sizeof frame->offload;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        struct tpacket_auxdata aux;
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if (aux.tp_status & TP_STATUS_VLAN_VALID)
            relay_put_tag(frame, &aux);
    }
    return true;
}

/**
 * relay_write() - put a frame on a port; one that the link does not take is lost, as on a cable
 * @fd: of relay_open()
 * @frame: from relay_read()
 */
static inline void relay_write(int fd, const struct relay_frame *frame)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)&frame->offload, sizeof frame->offload},
                             {(void *)(uintptr_t)frame->bytes, frame->len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    if (sendmsg(fd, &message, 0) < 0 && (errno == ENETDOWN || errno == ENXIO || errno == ENODEV))
        relay_die("send");
}

#endif
