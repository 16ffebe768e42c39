/* SPDX-License-Identifier: MIT
 *
 * packet.h - one parse of an Ethernet frame, shared by every step that looks into it.
 *
 * packet_parse() walks Ethernet, up to two VLAN tags, ARP, IPv4 with options, IPv6 with extension
 * headers, and finds the UDP/TCP/ICMPv6 header. It leaves offsets, not pointers; all later
 * steps (TTL repair, guard, MSS clamp, ...) use these instead of parsing again. Nothing is copied
 * and the frame is not changed. Every length is checked: an offset that is not zero may be
 * used without another check for as many bytes as its comment promises.
 */
#ifndef FRAME_PACKET_H
#define FRAME_PACKET_H

#include "address.h"

#include <stddef.h>

enum {
    ETHER_HEADER_BYTES = 14,
    VLAN_TAG_BYTES = 4,
    PACKET_FRAME_MAX_BYTES = 14 + 2 * 4 + 40 + 65535, /* two tags, the largest IPv6 packet */
    ETHER_TYPE_IPV4 = 0x0800,
    ETHER_TYPE_ARP = 0x0806,
    ETHER_TYPE_IPV6 = 0x86dd,
    ETHER_TYPE_VLAN = 0x8100,
    ETHER_TYPE_QINQ = 0x88a8,
    IP_PROTOCOL_ICMP = 1,
    IP_PROTOCOL_IGMP = 2,
    IP_PROTOCOL_TCP = 6,
    IP_PROTOCOL_UDP = 17,
    IP_PROTOCOL_ICMPV6 = 58,
    IPV4_HEADER_BYTES = 20,    /* without options */
    IPV6_HEADER_BYTES = 40,    /* without extension headers */
    IPV6_MTU_MIN_BYTES = 1280, /* RFC 8200 s.5 */
    UDP_HEADER_BYTES = 8,
    TCP_HEADER_BYTES = 20,        /* without options */
    ND_ROUTER_SOLICITATION = 133, /* ICMPv6 types, RFC 4861 */
    ND_ROUTER_ADVERTISEMENT = 134,
    ND_NEIGHBOR_SOLICITATION = 135,
    ND_NEIGHBOR_ADVERTISEMENT = 136,
    ND_REDIRECT = 137,
};

enum packet_network {
    PACKET_OTHER = 0, /* not IP or ARP, or so malformed that nothing beyond Ethernet is sure */
    PACKET_ARP,       /* Ethernet/IPv4 ARP, whole */
    PACKET_IPV4,
    PACKET_IPV6,
};

struct packet {
    uint8_t *frame;
    size_t frame_bytes;
    struct mac destination;
    struct mac source;
    uint16_t ether_type;   /* innermost; 0 when it is an 802.3 length field */
    uint16_t vlan_id;      /* outermost tag's VID, 0 when untagged or priority tagged */
    uint8_t vlan_tags;     /* 0-2; a third tag makes ether_type a VLAN type and network OTHER */
    uint8_t network;       /* enum packet_network */
    bool malformed;        /* an IP or ARP ether type whose headers do not parse */
    bool checksum_partial; /* set by whoever knows: the TCP or UDP checksum covers the pseudo-header
                              only (frame/offload.h) */

    uint16_t network_offset; /* behind Ethernet and tags. ARP: 28 bytes; IPv4: the header and
                                options; IPv6: 40 bytes; OTHER: whatever frame_bytes leaves */
    uint32_t network_end;    /* end of the IP packet by its own length; <= frame_bytes */
    bool router_alert;       /* IPv4 option 148 or IPv6 hop-by-hop option 5 */
    bool fragment;           /* any fragment: the first, and an atomic IPv6 one (RFC 6946), too */
    bool later_fragment;     /* fragment offset > 0: there is no transport header here */
    struct ip_address ip_source, ip_destination; /* IP only */

    uint8_t protocol;          /* upper-layer protocol after all extension headers; IP only. In a
                                  later IPv6 fragment what its fragment header names */
    uint16_t transport_offset; /* 0: none here; UDP: 8 bytes, TCP: whole header with its options,
                                  ICMP, ICMPv6, IGMP: at least 4; up to network_end */
    uint16_t source_port, destination_port; /* UDP and TCP with transport_offset != 0 */
};

/**
 * packet_parse() - Parse a frame's headers
 * @packet:       Filled in; keeps pointing into @frame, which the caller keeps
 * @frame:        Ethernet frame without FCS
 * @frame_bytes:  Its length
 *
 * Return: false when @frame is shorter than an Ethernet header or longer than
 * PACKET_FRAME_MAX_BYTES: drop it
 */
bool packet_parse(struct packet *packet, uint8_t *frame, size_t frame_bytes);

#endif
