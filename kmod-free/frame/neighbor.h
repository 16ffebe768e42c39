/* SPDX-License-Identifier: MIT
 *
 * neighbor.h - what an ARP or ND frame says about who has which address.
 *
 * ARP (RFC 826, 5227) and neighbour discovery (RFC 4861) are read into one shape, so that the
 * rules about claims (gateway.h, hosts.h) are written once. A frame claims at most one address:
 *
 *   ARP, any operation     the sender's address, with the sender's hardware address: receivers
 *                          update their cache from it whatever the operation is
 *   NS                     its source, with the SLLAO, or with the Ethernet source where it has
 *                          none (a receiver will not cache that, but answers to it)
 *   NA, also unsolicited   its target, with the TLLAO or else the Ethernet source
 *   ARP probe, DAD NS      none: the sender address is zero. It asks for its target, and means to
 *                          have it unless somebody objects
 *
 * The sender and target are kept as they are in the frame for rules that want any mention.
 */
#ifndef FRAME_NEIGHBOR_H
#define FRAME_NEIGHBOR_H

#include "frame/packet.h"

enum {
    ND_OPTION_SOURCE_LINK_ADDRESS = 1,
    ND_OPTION_TARGET_LINK_ADDRESS = 2,
};

struct neighbor {
    uint8_t family;            /* enum ip_family */
    bool probe;                /* sender unspecified: ARP probe or DAD */
    struct ip_address sender;  /* ARP sender, IPv6 source; may be unspecified */
    struct ip_address target;  /* ARP target, ND target */
    struct ip_address claimed; /* family IP_NONE: none */
    struct mac mac;            /* who has @claimed, or who probes */
};

/**
 * neighbor_parse() - Read an ARP, NS or NA
 *
 * Fragmented ND is not read: it is invalid (RFC 6980), and guard_check() drops it.
 * Return: false when it is none of these, or too short to be valid
 */
bool neighbor_parse(const struct packet *p, struct neighbor *out);

/**
 * neighbor_link_address() - The link-layer address in an ND option
 * @p:           An unfragmented ICMPv6 packet with transport_offset
 * @fixed_bytes: Bytes of the ICMPv6 message before its options
 * @type:        ND_OPTION_SOURCE_LINK_ADDRESS or ND_OPTION_TARGET_LINK_ADDRESS
 * @otherwise:   Returned when there is no such option
 */
struct mac neighbor_link_address(const struct packet *p, size_t fixed_bytes, uint8_t type,
                                 struct mac otherwise);

#endif
