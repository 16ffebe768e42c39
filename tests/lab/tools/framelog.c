/* SPDX-License-Identifier: MIT
 *
 * framelog INTERFACE FILE - write down every frame of an interface, with what a pcap file cannot
 * hold: whether its checksum is partial still, and at which size it is to be cut.
 *
 * The kernel shows both in the virtio-net header before each frame (PACKET_VNET_HDR). A VLAN tag
 * that travels beside the frame is put back into it. FILE is a row of records, all integers in the
 * machine's own order (soak_frames.py reads it):
 *
 *   0  time_us, 8           since 1970
 *   8  bytes, 4             of the frame that follows
 *  12  segment bytes, 2     gso_size; 0: the frame is not to be cut
 *  14  gso type, 1          as in the virtio-net header
 *  15  flags, 1             1: sent by this machine; 2: the checksum is partial
 *  16  frame
 *
 * It says "ready" on stdout once it listens. SIGTERM or SIGINT ends it: what has come until then is
 * written, and the last line is
 *
 *   frames=N lost=N
 *
 * Lost are those for which the socket's buffer had no room, or which the kernel could not describe
 * (its EINVAL): the file then proves nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum {
    BATCH = 16,
    MACS_BYTES = 12,
    TAG_BYTES = 4,
    FRAME_MAX_BYTES = 65536 + 64, /* the largest packet, and the headers before it */
    CONTROL_BYTES = 256,
    FILE_BUFFER_BYTES = 1 << 20,
    SOCKET_BUFFER_BYTES = 1 << 28, /* of small frames most is the kernel's overhead */
    LOOK_UP_US = 100000,           /* how often an idle one sees whether it shall end */
};

enum { FLAG_SENT = 1, FLAG_PARTIAL = 2 };

struct record {
    uint64_t time_us;
    uint32_t bytes;
    uint16_t segment_bytes;
    uint8_t gso_type;
    uint8_t flags;
};
_Static_assert(sizeof(struct record) == 16, "the reader's struct");

struct slot {
    struct virtio_net_hdr header;
    uint8_t frame[FRAME_MAX_BYTES];
    struct sockaddr_ll from;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
    struct iovec part[2];
};

struct beside {
    uint64_t time_us;
    bool tagged;
    uint16_t tag[2]; /* TPID and TCI, network order */
};

struct log {
    int socket;
    FILE *file;
    uint64_t frames, undescribed;
};

static volatile sig_atomic_t stopping;

static void die(const char *what)
{
    fprintf(stderr, "framelog: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void stop(int signal)
{
    (void)signal;
    stopping = 1;
}

static void set(int fd, int level, int option, const void *value, socklen_t size, const char *name)
{
    if (setsockopt(fd, level, option, value, size) != 0)
        die(name);
}

static int open_socket(const char *interface)
{
    const int on = 1, buffer_bytes = SOCKET_BUFFER_BYTES;
    const struct timeval look_up = {.tv_usec = LOOK_UP_US};
    const struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                        .sll_protocol = htons(ETH_P_ALL),
                                        .sll_ifindex = (int)if_nametoindex(interface)};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);

    if (fd < 0 || address.sll_ifindex == 0)
        die(interface);
    set(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on, "PACKET_VNET_HDR");
    set(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on, "PACKET_AUXDATA");
    set(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on, "SO_TIMESTAMPNS");
    set(fd, SOL_SOCKET, SO_RCVTIMEO, &look_up, sizeof look_up, "SO_RCVTIMEO");
    set(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes, "SO_RCVBUFFORCE");
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        die(interface);
    return fd;
}

static struct beside read_control(struct msghdr *message)
{
    struct beside beside = {0};

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(c), sizeof at);
            beside.time_us = (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
        } else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
            struct tpacket_auxdata data;
            memcpy(&data, CMSG_DATA(c), sizeof data);
            beside.tagged = (data.tp_status & TP_STATUS_VLAN_VALID) != 0;
            beside.tag[0] = htons((data.tp_status & TP_STATUS_VLAN_TPID_VALID) ? data.tp_vlan_tpid
                                                                               : ETH_P_8021Q);
            beside.tag[1] = htons(data.tp_vlan_tci);
        }
    }
    return beside;
}

static void put(struct log *log, const void *bytes, size_t count)
{
    if (fwrite(bytes, 1, count, log->file) != count)
        die("write");
}

static void keep(struct log *log, struct slot *slot, struct msghdr *message, size_t received)
{
    struct beside beside = read_control(message);
    size_t bytes = received - sizeof slot->header;
    size_t before = beside.tagged && bytes >= MACS_BYTES ? MACS_BYTES : bytes;
    unsigned type = slot->header.gso_type;
    struct record record = {
        .time_us = beside.time_us,
        .bytes = (uint32_t)(bytes + (before < bytes ? TAG_BYTES : 0)),
        .segment_bytes = type == VIRTIO_NET_HDR_GSO_NONE ? 0 : slot->header.gso_size,
        .gso_type = (uint8_t)type,
    };

    if (slot->from.sll_pkttype == PACKET_OUTGOING)
        record.flags |= FLAG_SENT;
    if (slot->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        record.flags |= FLAG_PARTIAL;
    put(log, &record, sizeof record);
    put(log, slot->frame, before);
    if (before < bytes) {
        put(log, beside.tag, TAG_BYTES);
        put(log, slot->frame + before, bytes - before);
    }
    log->frames++;
}

static void prepare(struct mmsghdr *message, struct slot *slot)
{
    slot->part[0] = (struct iovec){&slot->header, sizeof slot->header};
    slot->part[1] = (struct iovec){slot->frame, sizeof slot->frame};
    message->msg_hdr = (struct msghdr){.msg_name = &slot->from,
                                       .msg_namelen = sizeof slot->from,
                                       .msg_iov = slot->part,
                                       .msg_iovlen = 2,
                                       .msg_control = slot->control,
                                       .msg_controllen = sizeof slot->control};
}

/* One batch. Return: whether anything was there */
static bool read_batch(struct log *log, struct slot *slots, int flags)
{
    struct mmsghdr message[BATCH];

    for (int i = 0; i < BATCH; i++)
        prepare(&message[i], &slots[i]);
    int count = recvmmsg(log->socket, message, BATCH, flags, NULL);
    if (count < 0 && errno == EINVAL) {
        log->undescribed++;
        return true;
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        die("recvmmsg");
    for (int i = 0; i < count; i++) {
        if (message[i].msg_len < sizeof slots->header || message[i].msg_hdr.msg_flags & MSG_TRUNC)
            log->undescribed++;
        else
            keep(log, &slots[i], &message[i].msg_hdr, message[i].msg_len);
    }
    return count > 0;
}

static uint64_t dropped(int fd)
{
    struct tpacket_stats stats;
    socklen_t size = sizeof stats;

    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0)
        die("PACKET_STATISTICS");
    return stats.tp_drops;
}

int main(int argc, char **argv)
{
    static struct slot slots[BATCH];
    struct sigaction action = {.sa_handler = stop};

    if (argc != 3) {
        fprintf(stderr, "usage: framelog INTERFACE FILE\n");
        return 2;
    }
    struct log log = {.file = fopen(argv[2], "wb")};
    if (!log.file || setvbuf(log.file, NULL, _IOFBF, FILE_BUFFER_BYTES) != 0)
        die(argv[2]);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    log.socket = open_socket(argv[1]);
    puts("ready");
    fflush(stdout);
    while (!stopping)
        read_batch(&log, slots, MSG_WAITFORONE);
    while (read_batch(&log, slots, MSG_DONTWAIT))
        ;
    if (fclose(log.file) != 0)
        die(argv[2]);
    uint64_t lost = dropped(log.socket) + log.undescribed;
    printf("frames=%" PRIu64 " lost=%" PRIu64 "\n", log.frames, lost);
    return 0;
}
