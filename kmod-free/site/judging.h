/* SPDX-License-Identifier: MIT
 *
 * judging.h - what both directions ask of a frame: may it cross, and how must it be changed?
 *
 * The rules are values, and each direction has its own copy of them: nothing here is shared between
 * threads. What is dropped or changed is counted in the counters that are passed.
 */
#ifndef SITE_JUDGING_H
#define SITE_JUDGING_H

#include "frame/gateway.h"
#include "frame/guard.h"
#include "frame/packet.h"
#include "frame/storm.h"
#include "site.h"

enum { ROUTES_FRAME_BYTES = ETHER_HEADER_BYTES + 2 * VLAN_TAG_BYTES + 1500 };

struct rules {
    unsigned guard; /* enum guard_word, or-ed */
    bool multicast_all, ra_routes, icmp_hint;
    uint16_t lan_mtu_bytes;      /* 0: not known */
    struct gateway_set gateways; /* this home's */
};

/** judge_guard() - Whether the guard's words stop it; counted then */
bool judge_guard(const struct rules *rules, const struct packet *packet,
                 enum guard_direction direction, struct site_counters *counters);

/** judge_class() - Whether its multicast class crosses and the storm limit allows it */
bool judge_class(const struct rules *rules, struct storm *storm, const struct packet *packet,
                 uint64_t now_us, struct site_counters *counters);

/** judge_is_icmpv6() - Whether it is an ICMPv6 message of @type */
bool judge_is_icmpv6(const struct packet *packet, uint8_t type);

/** judge_about_neighbors() - Whether it is ARP or neighbour discovery */
bool judge_about_neighbors(const struct packet *packet);

/** judge_is_for_routes() - With ra-routes: a router advertisement, which the guard would drop,
 *  crosses cut to its routes */
bool judge_is_for_routes(const struct rules *rules, const struct packet *packet);

/**
 * judge_cut_to_routes() - Cut a router advertisement to what may cross
 * @packet: Lies in @out afterwards
 *
 * Return: false, and counted, when nothing of it may
 */
bool judge_cut_to_routes(const struct rules *rules, struct packet *packet,
                         uint8_t out[ROUTES_FRAME_BYTES], struct site_counters *counters);

/**
 * judge_ip_packet_bytes() - Largest IP packet that, in a frame like this one, travels in one
 * datagram
 * @family, @suite, @outer_packet_bytes: As for data_payload_bytes()
 */
uint16_t judge_ip_packet_bytes(enum ip_family family, enum suite suite, uint16_t outer_packet_bytes,
                               const struct packet *packet);

/**
 * judge_clamp_mss() - Make the segments that a SYN asks for fit one datagram, and our LAN
 * @ip_packet_bytes: Largest IP packet that, in a frame like this one, travels in one datagram
 */
void judge_clamp_mss(const struct rules *rules, struct packet *packet, uint16_t ip_packet_bytes,
                     struct site_counters *counters);

/** judge_finish_checksum() - If it is partial: finish it */
void judge_finish_checksum(struct packet *packet);

#endif
