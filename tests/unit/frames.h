/* SPDX-License-Identifier: MIT
 *
 * frames.h - builders of Ethernet frames for the tests.
 *
 * A test names what it cares about in a struct frame_spec and leaves the rest zero. Every builder
 * writes a whole, correct frame of at most FRAME_BYTES_MAX and returns its length; a test then
 * spoils what it wants to see spoilt. The checksums here are summed byte by byte on purpose: what
 * checksum.c computes is compared with them.
 *
 *     uint8_t frame[FRAME_BYTES_MAX];
 *     struct frame_spec spec = {.ip_source = frame_ip("192.168.1.2"),
 *                               .ip_destination = frame_ip("224.0.0.251"), .ttl = 255,
 *                               .source_port = 5353, .destination_port = 5353};
 *     size_t bytes = frame_udp(frame, spec, "hello", 5);
 */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include "address.h"
#include "bytes.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

enum {
    FRAME_BYTES_MAX = 2048,
    FRAME_TCP_FIN = 0x01,
    FRAME_TCP_SYN = 0x02,
    FRAME_TCP_RST = 0x04,
    FRAME_TCP_ACK = 0x10,
    FRAME_ARP_REQUEST = 1,
    FRAME_ARP_REPLY = 2,
    FRAME_RS = 133,
    FRAME_RA = 134,
    FRAME_NS = 135,
    FRAME_NA = 136,
    FRAME_REDIRECT = 137,
};

struct frame_spec {
    struct mac destination; /* zero: the group MAC of ip_destination, or 02::2 */
    struct mac source;      /* zero: 02::1 */
    uint8_t vlan_tags;      /* 0-3; two: 0x88a8 outside, 0x8100 inside */
    uint16_t vlan_tci;      /* of the outermost tag; the inner ones count up from it */

    struct ip_address ip_source, ip_destination; /* their family makes it IPv4 or IPv6 */
    uint8_t ttl;                                 /* taken as it is; ND builders: 0 means 255 */

    /* IPv4 */
    const uint8_t *ip_options;
    size_t ip_options_bytes; /* a multiple of 4 */
    uint16_t fragment_field; /* flags and offset: 0x2000 more fragments, 0x4000 DF */

    /* IPv6: whole extension headers, each next-header octet right except that the first one's
     * type is extension_type */
    const uint8_t *extensions;
    size_t extensions_bytes;
    uint8_t extension_type;

    uint16_t source_port, destination_port; /* UDP and TCP */
};

/* The octets of extensions and extensions_bytes, in a table of cases. */
#define FRAME_CHAIN(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* ---- values ---- */

static inline struct ip_address frame_ip(const char *text)
{
    uint8_t octets[16];
    if (inet_pton(AF_INET, text, octets) == 1)
        return ip_v4(octets);
    if (inet_pton(AF_INET6, text, octets) == 1)
        return ip_v6(octets);
    abort();
}

/* 02:00:00:00:xx:xx, a unicast address nobody owns. */
static inline struct mac frame_mac(uint16_t n)
{
    struct mac m = {{0x02}};
    store_be16(m.octet + 4, n);
    return m;
}

static inline struct mac frame_broadcast(void)
{
    return (struct mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
}

/* Where a host would send it: RFC 1112 s.6.4, RFC 2464 s.7; unicast goes to 02::2. */
static inline struct mac frame_mac_for(const struct ip_address *to)
{
    const uint8_t *o = to->octet;
    if (to->family == IP_V6 && o[0] == 0xff)
        return (struct mac){{0x33, 0x33, o[12], o[13], o[14], o[15]}};
    if (to->family == IP_V4 && (o[0] & 0xf0) == 0xe0)
        return (struct mac){{0x01, 0x00, 0x5e, o[1] & 0x7f, o[2], o[3]}};
    if (to->family == IP_V4 && load_be32(o) == 0xffffffff)
        return frame_broadcast();
    return frame_mac(2);
}

/* ---- checksums, the slow way ---- */

/* One's complement sum (RFC 1071), one octet at a time. */
static inline uint16_t frame_sum(uint16_t sum, const uint8_t *bytes, size_t count)
{
    uint32_t wide = sum;
    for (size_t i = 0; i < count; i++) {
        wide += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        wide = (wide & 0xffff) + (wide >> 16);
    }
    return (uint16_t)wide;
}

/* What is found in a checksum field, left in place, makes the sum 0xffff when it is right. */
static inline bool frame_ip4_checksum_good(const uint8_t *ip)
{
    return frame_sum(0, ip, (size_t)4 * (ip[0] & 0xf)) == 0xffff;
}

static inline uint16_t frame_pseudo_sum(const struct ip_address *source,
                                        const struct ip_address *destination, uint8_t protocol,
                                        size_t upper_bytes)
{
    size_t address_bytes = source->family == IP_V4 ? 4 : 16;
    uint8_t rest[4] = {0, protocol, (uint8_t)(upper_bytes >> 8), (uint8_t)upper_bytes};
    uint16_t sum = frame_sum(0, source->octet, address_bytes);
    sum = frame_sum(sum, destination->octet, address_bytes);
    return frame_sum(sum, rest, sizeof rest);
}

static inline bool frame_upper_checksum_good(const struct ip_address *source,
                                             const struct ip_address *destination, uint8_t protocol,
                                             const uint8_t *upper, size_t bytes)
{
    return frame_sum(frame_pseudo_sum(source, destination, protocol, bytes), upper, bytes) ==
           0xffff;
}

/* ---- layers ---- */

/* Ethernet with its tags; returns where the payload goes. */
static inline size_t frame_ether(uint8_t *out, struct frame_spec spec, uint16_t ether_type)
{
    if (mac_is_zero(&spec.destination))
        spec.destination = frame_mac_for(&spec.ip_destination);
    if (mac_is_zero(&spec.source))
        spec.source = frame_mac(1);
    memcpy(out, spec.destination.octet, 6);
    memcpy(out + 6, spec.source.octet, 6);
    size_t at = 12;
    for (unsigned i = 0; i < spec.vlan_tags; i++, at += 4) {
        store_be16(out + at, i + 1 < spec.vlan_tags ? 0x88a8 : 0x8100);
        store_be16(out + at + 2, (uint16_t)(spec.vlan_tci + i));
    }
    store_be16(out + at, ether_type);
    return at + 2;
}

static inline size_t frame_ip4_header(uint8_t *ip, struct frame_spec spec, uint8_t protocol,
                                      size_t upper_bytes)
{
    size_t bytes = 20 + spec.ip_options_bytes;
    assert(spec.ip_options_bytes % 4 == 0 && bytes <= 60);
    memset(ip, 0, bytes);
    ip[0] = (uint8_t)(0x40 | bytes / 4);
    store_be16(ip + 2, (uint16_t)(bytes + upper_bytes));
    store_be16(ip + 4, 0x1234);
    store_be16(ip + 6, spec.fragment_field);
    ip[8] = spec.ttl;
    ip[9] = protocol;
    memcpy(ip + 12, spec.ip_source.octet, 4);
    memcpy(ip + 16, spec.ip_destination.octet, 4);
    if (spec.ip_options_bytes > 0)
        memcpy(ip + 20, spec.ip_options, spec.ip_options_bytes);
    store_be16(ip + 10, (uint16_t)~frame_sum(0, ip, bytes));
    return bytes;
}

static inline size_t frame_ip6_header(uint8_t *ip, struct frame_spec spec, uint8_t protocol,
                                      size_t upper_bytes)
{
    memset(ip, 0, 40);
    ip[0] = 0x60;
    store_be16(ip + 4, (uint16_t)(spec.extensions_bytes + upper_bytes));
    ip[6] = spec.extensions_bytes > 0 ? spec.extension_type : protocol;
    ip[7] = spec.ttl;
    memcpy(ip + 8, spec.ip_source.octet, 16);
    memcpy(ip + 24, spec.ip_destination.octet, 16);
    if (spec.extensions_bytes > 0)
        memcpy(ip + 40, spec.extensions, spec.extensions_bytes);
    return 40 + spec.extensions_bytes;
}

/* A whole frame around @upper as it is: also for fragments and unknown protocols. */
static inline size_t frame_packet(uint8_t *out, struct frame_spec spec, uint8_t protocol,
                                  const void *upper, size_t upper_bytes)
{
    bool v4 = spec.ip_destination.family == IP_V4;
    assert(14 + 12 + 60 + spec.extensions_bytes + upper_bytes <= FRAME_BYTES_MAX);
    size_t at = frame_ether(out, spec, v4 ? 0x0800 : 0x86dd);
    at += v4 ? frame_ip4_header(out + at, spec, protocol, upper_bytes)
             : frame_ip6_header(out + at, spec, protocol, upper_bytes);
    if (upper_bytes > 0)
        memcpy(out + at, upper, upper_bytes);
    return at + upper_bytes;
}

/* The same with the checksum at @field of @upper filled in. */
static inline size_t frame_summed(uint8_t *out, struct frame_spec spec, uint8_t protocol,
                                  uint8_t *upper, size_t upper_bytes, size_t field)
{
    store_be16(upper + field, 0);
    uint16_t sum = frame_pseudo_sum(&spec.ip_source, &spec.ip_destination, protocol, upper_bytes);
    uint16_t checksum = (uint16_t)~frame_sum(sum, upper, upper_bytes);
    store_be16(upper + field, checksum == 0 && protocol == 17 ? 0xffff : checksum);
    return frame_packet(out, spec, protocol, upper, upper_bytes);
}

/* ---- UDP, TCP ---- */

static inline size_t frame_udp(uint8_t *out, struct frame_spec spec, const void *payload,
                               size_t payload_bytes)
{
    uint8_t udp[FRAME_BYTES_MAX] = {0};
    assert(8 + payload_bytes <= sizeof udp);
    store_be16(udp, spec.source_port);
    store_be16(udp + 2, spec.destination_port);
    store_be16(udp + 4, (uint16_t)(8 + payload_bytes));
    if (payload_bytes > 0)
        memcpy(udp + 8, payload, payload_bytes);
    return frame_summed(out, spec, 17, udp, 8 + payload_bytes, 6);
}

/* @options_bytes: a multiple of 4, at most 40. */
static inline size_t frame_tcp(uint8_t *out, struct frame_spec spec, uint8_t flags,
                               const void *options, size_t options_bytes)
{
    uint8_t tcp[60] = {0};
    size_t bytes = 20 + options_bytes;
    assert(options_bytes % 4 == 0 && bytes <= sizeof tcp);
    store_be16(tcp, spec.source_port);
    store_be16(tcp + 2, spec.destination_port);
    store_be32(tcp + 4, 0x01020304);
    tcp[12] = (uint8_t)(bytes / 4 << 4);
    tcp[13] = flags;
    store_be16(tcp + 14, 0xfaf0);
    if (options_bytes > 0)
        memcpy(tcp + 20, options, options_bytes);
    return frame_summed(out, spec, 6, tcp, bytes, 16);
}

/* ---- ARP ---- */

/* Sender is spec.source and spec.ip_source, target @target_mac and spec.ip_destination. A zero
 * spec.destination means broadcast. */
static inline size_t frame_arp(uint8_t *out, struct frame_spec spec, uint16_t operation,
                               struct mac target_mac)
{
    static const uint8_t ETHERNET_IPV4[6] = {0, 1, 8, 0, 6, 4};
    if (mac_is_zero(&spec.destination))
        spec.destination = frame_broadcast();
    if (mac_is_zero(&spec.source))
        spec.source = frame_mac(1);
    size_t at = frame_ether(out, spec, 0x0806);
    memcpy(out + at, ETHERNET_IPV4, 6);
    store_be16(out + at + 6, operation);
    memcpy(out + at + 8, spec.source.octet, 6);
    memcpy(out + at + 14, spec.ip_source.octet, 4);
    memcpy(out + at + 18, target_mac.octet, 6);
    memcpy(out + at + 24, spec.ip_destination.octet, 4);
    return at + 28;
}

/* ---- ICMPv6, neighbour discovery (RFC 4861 s.4) ---- */

/* @body: what follows type, code and checksum. */
static inline size_t frame_icmp6(uint8_t *out, struct frame_spec spec, uint8_t type,
                                 const void *body, size_t body_bytes)
{
    uint8_t icmp[FRAME_BYTES_MAX] = {type};
    assert(4 + body_bytes <= sizeof icmp);
    if (body_bytes > 0)
        memcpy(icmp + 4, body, body_bytes);
    return frame_summed(out, spec, 58, icmp, 4 + body_bytes, 2);
}

/* An ND message: @fixed_bytes of @fixed, then a link-layer address option unless @mac is NULL. */
static inline size_t frame_nd(uint8_t *out, struct frame_spec spec, uint8_t type,
                              const uint8_t *fixed, size_t fixed_bytes, uint8_t option,
                              const struct mac *mac)
{
    uint8_t body[64] = {0};
    assert(fixed_bytes + 8 <= sizeof body);
    memcpy(body, fixed, fixed_bytes);
    if (mac) {
        body[fixed_bytes] = option;
        body[fixed_bytes + 1] = 1;
        memcpy(body + fixed_bytes + 2, mac->octet, 6);
    }
    spec.ttl = spec.ttl ? spec.ttl : 255;
    return frame_icmp6(out, spec, type, body, fixed_bytes + (mac ? 8 : 0));
}

/* @mac: source link-layer address option, NULL for none (as DAD sends it). */
static inline size_t frame_ns(uint8_t *out, struct frame_spec spec, struct ip_address target,
                              const struct mac *mac)
{
    uint8_t fixed[20] = {0};
    memcpy(fixed + 4, target.octet, 16);
    return frame_nd(out, spec, FRAME_NS, fixed, sizeof fixed, 1, mac);
}

/* @flags: 0x80 router, 0x40 solicited, 0x20 override; @mac: target link-layer address or NULL. */
static inline size_t frame_na(uint8_t *out, struct frame_spec spec, uint8_t flags,
                              struct ip_address target, const struct mac *mac)
{
    uint8_t fixed[20] = {flags};
    memcpy(fixed + 4, target.octet, 16);
    return frame_nd(out, spec, FRAME_NA, fixed, sizeof fixed, 2, mac);
}

static inline size_t frame_rs(uint8_t *out, struct frame_spec spec, const struct mac *mac)
{
    static const uint8_t RESERVED[4];
    return frame_nd(out, spec, FRAME_RS, RESERVED, sizeof RESERVED, 1, mac);
}

/* @options: whole ND options. */
static inline size_t frame_ra(uint8_t *out, struct frame_spec spec, uint16_t router_lifetime_s,
                              const void *options, size_t options_bytes)
{
    uint8_t body[1024] = {64};
    assert(12 + options_bytes <= sizeof body);
    store_be16(body + 2, router_lifetime_s);
    if (options_bytes > 0)
        memcpy(body + 12, options, options_bytes);
    spec.ttl = spec.ttl ? spec.ttl : 255;
    return frame_icmp6(out, spec, FRAME_RA, body, 12 + options_bytes);
}

#endif
