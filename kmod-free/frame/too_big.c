/* SPDX-License-Identifier: MIT
 *
 * too_big.c - see too_big.h.
 */
#include "frame/too_big.h"

#include "cursor.h"
#include "frame/checksum.h"
#include "rate.h"

enum {
    IPV4_MTU_MIN_BYTES = 68,     /* RFC 791 s.3.2: the longest header and eight bytes */
    IPV4_ERROR_BYTES_MAX = 576,  /* RFC 1812 s.4.3.2.3 */
    IPV6_ERROR_BYTES_MAX = 1280, /* RFC 4443 s.2.4c */
    ANSWER_TTL = 64,

    IPV4_TOTAL_LENGTH = 2, /* offsets in the header */
    IPV4_FRAGMENT = 6,
    IPV4_TTL = 8,
    IPV4_PROTOCOL = 9,
    IPV4_CHECKSUM = 10,
    IPV4_SOURCE = 12,
    IPV4_DESTINATION = 16,
    IPV6_PAYLOAD_LENGTH = 4,
    IPV6_NEXT_HEADER = 6,
    IPV6_HOP_LIMIT = 7,
    IPV6_SOURCE = 8,
    IPV6_DESTINATION = 24,

    DONT_FRAGMENT = 0x4000,
    MORE_FRAGMENTS = 0x2000,
    FRAGMENT_OFFSET = 0x1fff, /* in units of 8 bytes */

    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_COPIED = 0x80,

    ICMP_HEADER_BYTES = 8, /* of both errors */
    ICMP_CHECKSUM = 2,
    ICMP_UNREACHABLE_MTU = 6, /* 16 bits (RFC 1191 s.4) */
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4, /* code */
    ICMP_ECHO = 8,
    ICMP_TIMESTAMP = 13,
    ICMP_ADDRESS_MASK_REPLY = 18,
    ICMPV6_PACKET_TOO_BIG = 2,
    ICMPV6_TOO_BIG_MTU = 4, /* 32 bits */
    ICMPV6_INFORMATIONAL = 128,

    SECOND_US = 1000000,
    INTERVAL_US = SECOND_US / TOO_BIG_PER_S,
};

static size_t packet_bytes(const struct packet *p)
{
    return (size_t)p->network_end - p->network_offset;
}

static size_t ipv4_header_bytes(const uint8_t *ip)
{
    return (size_t)4 * (ip[0] & 0xf);
}

static bool ipv4_checksum_good(const uint8_t *ip)
{
    return checksum_finish(checksum_add(0, ip, ipv4_header_bytes(ip))) == 0;
}

static void set_ipv4_checksum(uint8_t *ip)
{
    store_be16(ip + IPV4_CHECKSUM, 0);
    uint32_t sum = checksum_add(0, ip, ipv4_header_bytes(ip));
    store_be16(ip + IPV4_CHECKSUM, checksum_finish(sum));
}

/* ---- Who is told ---- */

/* Any ICMP message that does not say that it is none: an unknown type, or one that was cut off. */
static bool may_be_error(const struct packet *p)
{
    bool v4 = p->network == PACKET_IPV4;
    if (p->protocol != (v4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6))
        return false;
    if (p->transport_offset == 0)
        return true;
    uint8_t type = p->frame[p->transport_offset];
    if (v4)
        return type != ICMP_ECHO && type != ICMP_ECHO_REPLY &&
               (type < ICMP_TIMESTAMP || type > ICMP_ADDRESS_MASK_REPLY);
    return type < ICMPV6_INFORMATIONAL || type == ND_REDIRECT;
}

static bool network_may_be_answered(const struct packet *p, uint16_t mtu_bytes)
{
    const uint8_t *ip = p->frame + p->network_offset;
    switch (p->network) {
    case PACKET_IPV4:
        return mtu_bytes >= IPV4_MTU_MIN_BYTES &&
               (load_be16(ip + IPV4_FRAGMENT) & DONT_FRAGMENT) != 0 && ipv4_checksum_good(ip);
    case PACKET_IPV6:
        return mtu_bytes >= IPV6_MTU_MIN_BYTES;
    default:
        return false;
    }
}

/* A subnet's own broadcast address, as a destination, comes with a group MAC. */
static bool may_be_answered(const struct packet *p, uint16_t mtu_bytes)
{
    return !p->malformed && network_may_be_answered(p, mtu_bytes) && packet_bytes(p) > mtu_bytes &&
           !p->later_fragment && !mac_is_group(&p->source) && !mac_is_group(&p->destination) &&
           ip_is_one_host(&p->ip_source) && ip_is_one_host(&p->ip_destination) && !may_be_error(p);
}

/* ---- The answer ---- */

/* Back to where it came from, with the same tags and ether type; returns the length. */
static size_t write_ether(const struct packet *p, uint8_t *out)
{
    memcpy(out, p->source.octet, 6);
    memcpy(out + 6, p->destination.octet, 6);
    memcpy(out + 12, p->frame + 12, p->network_offset - 12u);
    return p->network_offset;
}

/* As much of the packet as leaves @max_bytes for the whole answer; returns the ICMP length. */
static size_t write_quote(const struct packet *p, uint8_t *icmp, size_t max_bytes)
{
    size_t bytes = packet_bytes(p), room = max_bytes - ICMP_HEADER_BYTES;
    if (bytes > room)
        bytes = room;
    memset(icmp, 0, ICMP_HEADER_BYTES);
    memcpy(icmp + ICMP_HEADER_BYTES, p->frame + p->network_offset, bytes);
    return ICMP_HEADER_BYTES + bytes;
}

static size_t write_ipv4(const struct packet *p, uint16_t mtu_bytes, uint8_t *ip)
{
    uint8_t *icmp = ip + IPV4_HEADER_BYTES;
    size_t icmp_bytes = write_quote(p, icmp, IPV4_ERROR_BYTES_MAX - IPV4_HEADER_BYTES);
    icmp[0] = ICMP_UNREACHABLE;
    icmp[1] = ICMP_FRAGMENTATION_NEEDED;
    store_be16(icmp + ICMP_UNREACHABLE_MTU, mtu_bytes);
    store_be16(icmp + ICMP_CHECKSUM, checksum_finish(checksum_add(0, icmp, icmp_bytes)));

    memset(ip, 0, IPV4_HEADER_BYTES);
    ip[0] = 4 << 4 | IPV4_HEADER_BYTES / 4;
    store_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)(IPV4_HEADER_BYTES + icmp_bytes));
    store_be16(ip + IPV4_FRAGMENT, DONT_FRAGMENT); /* so its id may be 0 (RFC 6864 s.4.1) */
    ip[IPV4_TTL] = ANSWER_TTL;
    ip[IPV4_PROTOCOL] = IP_PROTOCOL_ICMP;
    memcpy(ip + IPV4_SOURCE, p->ip_destination.octet, 4);
    memcpy(ip + IPV4_DESTINATION, p->ip_source.octet, 4);
    set_ipv4_checksum(ip);
    return IPV4_HEADER_BYTES + icmp_bytes;
}

static size_t write_ipv6(const struct packet *p, uint16_t mtu_bytes, uint8_t *ip)
{
    uint8_t *icmp = ip + IPV6_HEADER_BYTES;
    size_t icmp_bytes = write_quote(p, icmp, IPV6_ERROR_BYTES_MAX - IPV6_HEADER_BYTES);
    icmp[0] = ICMPV6_PACKET_TOO_BIG;
    store_be32(icmp + ICMPV6_TOO_BIG_MTU, mtu_bytes);

    memset(ip, 0, IPV6_HEADER_BYTES);
    ip[0] = 6 << 4;
    store_be16(ip + IPV6_PAYLOAD_LENGTH, (uint16_t)icmp_bytes);
    ip[IPV6_NEXT_HEADER] = IP_PROTOCOL_ICMPV6;
    ip[IPV6_HOP_LIMIT] = ANSWER_TTL;
    memcpy(ip + IPV6_SOURCE, p->ip_destination.octet, 16);
    memcpy(ip + IPV6_DESTINATION, p->ip_source.octet, 16);

    /* The pseudo-header (RFC 8200 s.8.1): both addresses, length, protocol. */
    uint32_t sum = checksum_add((uint32_t)icmp_bytes + IP_PROTOCOL_ICMPV6, ip + IPV6_SOURCE, 32);
    store_be16(icmp + ICMP_CHECKSUM, checksum_finish(checksum_add(sum, icmp, icmp_bytes)));
    return IPV6_HEADER_BYTES + icmp_bytes;
}

size_t too_big_icmp(const struct packet *packet, uint16_t mtu_bytes,
                    uint8_t out[TOO_BIG_FRAME_BYTES])
{
    if (!may_be_answered(packet, mtu_bytes))
        return 0;
    size_t at = write_ether(packet, out);
    return at + (packet->network == PACKET_IPV4 ? write_ipv4(packet, mtu_bytes, out + at)
                                                : write_ipv6(packet, mtu_bytes, out + at));
}

bool too_big_allows(struct too_big_limit *limit, uint64_t now_us)
{
    return rate_admits(&limit->whole_us, INTERVAL_US, TOO_BIG_BURST, now_us);
}

/* ---- Cutting ---- */

/* Copies IPv4 @options and puts NOPs for those that only the first fragment carries; false when
 * they do not parse. */
static bool make_later_options(const uint8_t *options, size_t count, uint8_t *out)
{
    struct cursor c = cursor_over(options, count);
    uint8_t type, length;
    if (count > 0)
        memcpy(out, options, count);
    while (cursor_u8(&c, &type) && type != OPTION_END) {
        size_t at = count - cursor_left(&c) - 1;
        if (type == OPTION_NOP)
            continue;
        if (!cursor_u8(&c, &length) || length < 2 || !cursor_skip(&c, length - 2u))
            return false;
        if (!(type & OPTION_COPIED))
            memset(out + at, OPTION_NOP, length);
    }
    return true;
}

/* The whole datagram must not be longer than a length field can say, or offsets would wrap. */
static bool ipv4_may_be_cut(const struct packet *p, uint16_t mtu_bytes)
{
    if (p->network != PACKET_IPV4 || p->malformed || mtu_bytes < IPV4_MTU_MIN_BYTES ||
        packet_bytes(p) <= mtu_bytes)
        return false;
    const uint8_t *ip = p->frame + p->network_offset;
    uint16_t field = load_be16(ip + IPV4_FRAGMENT);
    size_t begins_bytes = (size_t)8 * (field & FRAGMENT_OFFSET);
    return !(field & DONT_FRAGMENT) && begins_bytes + packet_bytes(p) <= UINT16_MAX &&
           ipv4_checksum_good(ip);
}

bool too_big_cut(struct too_big_cutter *cutter, const struct packet *packet, uint16_t mtu_bytes)
{
    *cutter = (struct too_big_cutter){0};
    if (!ipv4_may_be_cut(packet, mtu_bytes))
        return false;
    const uint8_t *ip = packet->frame + packet->network_offset;
    size_t header_bytes = ipv4_header_bytes(ip);
    if (!make_later_options(ip + IPV4_HEADER_BYTES, header_bytes - IPV4_HEADER_BYTES,
                            cutter->later_options))
        return false;
    cutter->frame = packet->frame;
    cutter->network_offset = packet->network_offset;
    cutter->payload_offset = packet->network_offset + header_bytes;
    cutter->next_offset = cutter->payload_offset;
    cutter->network_end = packet->network_end;
    cutter->room_bytes = mtu_bytes - header_bytes;
    return true;
}

/* Makes the copied header of the packet that of the fragment with @data_bytes from next_offset. */
static void set_fragment(const struct too_big_cutter *c, uint8_t *ip, size_t data_bytes)
{
    size_t header_bytes = c->payload_offset - c->network_offset;
    size_t before = c->next_offset - c->payload_offset;
    unsigned field = load_be16(ip + IPV4_FRAGMENT) + (unsigned)(before / 8);
    if (c->next_offset + data_bytes < c->network_end)
        field |= MORE_FRAGMENTS;
    if (before > 0)
        memcpy(ip + IPV4_HEADER_BYTES, c->later_options, header_bytes - IPV4_HEADER_BYTES);
    store_be16(ip + IPV4_FRAGMENT, (uint16_t)field);
    store_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)(header_bytes + data_bytes));
    set_ipv4_checksum(ip);
}

size_t too_big_next(struct too_big_cutter *cutter, uint8_t *out, size_t capacity)
{
    size_t data_bytes = cutter->network_end - cutter->next_offset;
    if (data_bytes > cutter->room_bytes)
        data_bytes = cutter->room_bytes / 8 * 8; /* what another follows begins at such an offset */
    if (data_bytes == 0 || capacity < cutter->payload_offset + data_bytes)
        return 0;
    memcpy(out, cutter->frame, cutter->payload_offset);
    memcpy(out + cutter->payload_offset, cutter->frame + cutter->next_offset, data_bytes);
    set_fragment(cutter, out + cutter->network_offset, data_bytes);
    cutter->next_offset += data_bytes;
    return cutter->payload_offset + data_bytes;
}
