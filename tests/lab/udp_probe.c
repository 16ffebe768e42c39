/* SPDX-License-Identifier: MIT
 *
 * udp_probe send ADDRESS COUNT BYTES WITHOUT REFUSAL | receive SECONDS WITHOUT
 *
 * Numbered datagrams through the daemon's UDP: COUNT of them in batches of 100, three of four with
 * BYTES bytes, the others shorter, and each byte known. WITHOUT is "segment", "gro" or "-". REFUSAL
 * is the errno by which the kernel is to refuse each message of several datagrams; 0: none.
 *
 *   sent=N gso=0|1 dropped=N too_large=N         received=N bytes=N wrong=N gro=0|1 rss_kib=N
 *
 * The receiver ends when no more comes, after SECONDS at last. wrong counts datagrams whose bytes
 * are not as sent, and gaps in the numbers.
 */
#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { PORT = 7788, BATCH = 100, BYTES_MAX = 9000, QUIET_MS = 300 };

static int refusal;

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

/* The linker puts it between udp_send.c and the C library. */
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned good = 0;

    while (good < count && (refusal == 0 || messages[good].msg_hdr.msg_iovlen == 1))
        good++;
    if (good > 0)
        return __real_sendmmsg(fd, messages, good, flags);
    errno = refusal;
    return -1;
}

static uint8_t byte_of(uint32_t number, size_t bytes, size_t i)
{
    return (uint8_t)(number * 7 + bytes + i);
}

static size_t make(uint8_t *out, uint32_t number, size_t most)
{
    size_t bytes = rand() % 4 == 0 ? 4 + (size_t)rand() % (most - 4) : most;

    for (size_t i = 0; i < bytes; i++)
        out[i] = byte_of(number, bytes, i);
    memcpy(out, &number, sizeof number);
    return bytes;
}

static int send_all(struct udp *udp, const char *address, uint32_t count, size_t most)
{
    static uint8_t buffer[BATCH][BYTES_MAX];
    struct endpoint to = {.port = PORT};
    struct datagram datagrams[BATCH];
    struct timespec pause = {.tv_nsec = 2000000};
    uint8_t octet[16];
    uint32_t number = 0;

    if (inet_pton(AF_INET, address, octet) == 1)
        to.address = ip_v4(octet);
    else if (inet_pton(AF_INET6, address, octet) == 1)
        to.address = ip_v6(octet);
    while (number < count) {
        size_t n = 0;
        for (; n < BATCH && number < count; n++, number++)
            datagrams[n] = (struct datagram){
                .to = to, .data = buffer[n], .bytes = make(buffer[n], number, most)};
        udp_transmit(udp, datagrams, n, udp->refused);
        nanosleep(&pause, NULL);
    }
    printf("sent=%u gso=%d dropped=%llu too_large=%llu\n", count, udp->gso,
           (unsigned long long)udp->send_dropped, (unsigned long long)udp->send_too_large);
    return 0;
}

struct tally {
    uint32_t next;
    unsigned long received, bytes, wrong;
    uint32_t waited_us; /* the longest */
};

static void on_datagram(void *context, const struct endpoint *from, uint8_t *datagram, size_t bytes,
                        uint32_t waited_us)
{
    struct tally *tally = context;
    uint32_t number = 0;
    size_t i = sizeof number;

    (void)from;
    if (bytes >= sizeof number)
        memcpy(&number, datagram, sizeof number);
    while (i < bytes && datagram[i] == byte_of(number, bytes, i))
        i++;
    tally->wrong += number != tally->next || i != bytes;
    tally->next = number + 1;
    tally->received++;
    tally->bytes += bytes;
    tally->waited_us = waited_us > tally->waited_us ? waited_us : tally->waited_us;
    memset(datagram, 0xee, bytes); /* it is ours: no other datagram may suffer */
}

static int receive_all(struct udp *udp, int seconds)
{
    struct pollfd polls[UDP_FAMILIES] = {{.fd = udp->fd[UDP_V4], .events = POLLIN},
                                         {.fd = udp->fd[UDP_V6], .events = POLLIN}};
    struct tally tally = {0};
    struct rusage usage;
    time_t end = time(NULL) + seconds;

    puts("ready");
    fflush(stdout);
    while (time(NULL) < end) {
        if (poll(polls, UDP_FAMILIES, QUIET_MS) == 0 && tally.received > 0)
            break;
        for (enum udp_family f = UDP_V4; f < UDP_FAMILIES; f++)
            while (udp_receive(udp, f, on_datagram, &tally))
                continue;
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("received=%lu bytes=%lu wrong=%lu gro=%d rss_kib=%ld waited_us=%u\n", tally.received,
           tally.bytes, tally.wrong, udp->gro, usage.ru_maxrss, tally.waited_us);
    return 0;
}

int main(int argc, char **argv)
{
    bool sends = argc == 7 && strcmp(argv[1], "send") == 0;
    struct udp_options options = {0};
    struct error error;
    struct udp udp;

    if (!sends && (argc != 4 || strcmp(argv[1], "receive") != 0))
        return 2;
    options.no_segment = strcmp(argv[sends ? 5 : 3], "segment") == 0;
    options.no_gro = strcmp(argv[sends ? 5 : 3], "gro") == 0;
    if (!udp_open(&udp, sends ? 0 : PORT, &options, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    if (!sends)
        return receive_all(&udp, atoi(argv[2]));
    refusal = atoi(argv[6]);
    return send_all(&udp, argv[2], (uint32_t)atoi(argv[3]), (size_t)atoi(argv[4]));
}
