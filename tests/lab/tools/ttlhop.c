/* SPDX-License-Identifier: MIT
 *
 * ttlhop INTERFACE INTERFACE N - a relay that lowers TTL and hop limit by N.
 *
 * It is what a Wi-Fi repeater or an mDNS relay does to frames on their way through a home. The
 * IPv4 header checksum is mended as RFC 1624 says. The TTL never goes below 1, so that large N
 * yields TTL 1. ICMPv6 is not touched: neighbour discovery demands 255 and such boxes leave it
 * alone, else nothing would work behind them.
 */
#include "relay.h"

#include <netinet/in.h>
#include <poll.h>

enum { IPV4_TTL = 8, IPV4_CHECKSUM = 10, IPV6_NEXT_HEADER = 6, IPV6_HOP_LIMIT = 7 };

static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint8_t lowered(uint8_t ttl, unsigned by)
{
    return (uint8_t)(ttl > by ? ttl - by : 1);
}

static void lower_ipv4(uint8_t *ip, unsigned by)
{
    uint16_t before = load16(ip + IPV4_TTL);
    ip[IPV4_TTL] = lowered(ip[IPV4_TTL], by);
    uint32_t sum = (uint16_t)~load16(ip + IPV4_CHECKSUM);
    sum += (uint16_t)~before;
    sum += load16(ip + IPV4_TTL);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~sum;
    ip[IPV4_CHECKSUM] = (uint8_t)(sum >> 8);
    ip[IPV4_CHECKSUM + 1] = (uint8_t)sum;
}

static void lower_frame(struct relay_frame *frame, unsigned by)
{
    size_t at = RELAY_MACS_BYTES;
    uint16_t type = load16(frame->bytes + at);

    while ((type == ETH_P_8021Q || type == ETH_P_8021AD) && at + 6 <= frame->len) {
        at += RELAY_TAG_BYTES;
        type = load16(frame->bytes + at);
    }
    uint8_t *ip = frame->bytes + at + 2;
    size_t len = frame->len - at - 2;
    if (type == ETH_P_IP && len >= 20)
        lower_ipv4(ip, by);
    else if (type == ETH_P_IPV6 && len >= 40 && ip[IPV6_NEXT_HEADER] != IPPROTO_ICMPV6)
        ip[IPV6_HOP_LIMIT] = lowered(ip[IPV6_HOP_LIMIT], by);
}

int main(int argc, char **argv)
{
    static struct relay_frame frame;

    if (argc != 4) {
        fputs("usage: ttlhop INTERFACE INTERFACE N\n", stderr);
        return 2;
    }
    unsigned by = (unsigned)strtoul(argv[3], NULL, 10);
    struct pollfd ports[2] = {{relay_open(argv[1]), POLLIN, 0}, {relay_open(argv[2]), POLLIN, 0}};
    puts("ready");
    fflush(stdout);
    while (poll(ports, 2, -1) >= 0) {
        for (int i = 0; i < 2; i++) {
            while (ports[i].revents && relay_read(ports[i].fd, &frame)) {
                lower_frame(&frame, by);
                relay_write(ports[!i].fd, &frame);
            }
        }
    }
    relay_die("poll");
}
