/* SPDX-License-Identifier: MIT
 *
 * judging.c - see judging.h.
 */
#include "site/judging.h"

#include "frame/mss.h"
#include "frame/multicast.h"
#include "frame/offload.h"
#include "frame/ra.h"
#include "tunnel/chunk.h"
#include "tunnel/session.h"

static void count_guard(struct site_counters *c, enum guard_word word)
{
    switch (word) {
    case GUARD_DHCP:
        c->guard_dhcp++;
        break;
    case GUARD_RA:
        c->guard_ra++;
        break;
    case GUARD_GATEWAY:
        c->guard_gateway++;
        break;
    case GUARD_HOSTS:
        c->guard_hosts++;
        break;
    case GUARD_QUERIER:
        c->guard_querier++;
        break;
    case GUARD_STP:
        c->guard_stp++;
        break;
    }
}

bool judge_guard(const struct rules *rules, const struct packet *packet,
                 enum guard_direction direction, struct site_counters *counters)
{
    enum guard_word word = guard_check(packet, rules->guard, direction);
    if (word == 0)
        return false;
    count_guard(counters, word);
    return true;
}

bool judge_class(const struct rules *rules, struct storm *storm, const struct packet *packet,
                 uint64_t now_us, struct site_counters *counters)
{
    enum multicast_class class = multicast_classify(packet);
    if (!multicast_crosses(class, rules->multicast_all)) {
        counters->multicast_filtered++;
        return false;
    }
    bool allowed =
        class == CLASS_GROUP_OTHER
            ? storm_allows_group(storm, &packet->ip_destination, packet->frame_bytes, now_us)
            : storm_allows(storm, class, packet->frame_bytes, now_us);
    if (!allowed) {
        counters->storm_dropped++;
        return false;
    }
    return true;
}

bool judge_is_icmpv6(const struct packet *packet, uint8_t type)
{
    return packet->network == PACKET_IPV6 && packet->protocol == IP_PROTOCOL_ICMPV6 &&
           packet->transport_offset != 0 && packet->frame[packet->transport_offset] == type;
}

bool judge_about_neighbors(const struct packet *packet)
{
    return packet->network == PACKET_ARP || judge_is_icmpv6(packet, ND_NEIGHBOR_SOLICITATION) ||
           judge_is_icmpv6(packet, ND_NEIGHBOR_ADVERTISEMENT);
}

bool judge_is_for_routes(const struct rules *rules, const struct packet *packet)
{
    return rules->ra_routes && (rules->guard & GUARD_RA) &&
           judge_is_icmpv6(packet, ND_ROUTER_ADVERTISEMENT);
}

bool judge_cut_to_routes(const struct rules *rules, struct packet *packet,
                         uint8_t out[ROUTES_FRAME_BYTES], struct site_counters *counters)
{
    size_t bytes = ra_restrict(packet, &rules->gateways, out, ROUTES_FRAME_BYTES);
    if (bytes != 0 && packet_parse(packet, out, bytes))
        return true;
    counters->guard_ra++;
    return false;
}

uint16_t judge_ip_packet_bytes(enum ip_family family, enum suite suite, uint16_t outer_packet_bytes,
                               const struct packet *packet)
{
    size_t payload = data_payload_bytes(family, suite, outer_packet_bytes);
    return (uint16_t)(chunk_body_max(payload) - packet->network_offset);
}

void judge_clamp_mss(const struct rules *rules, struct packet *packet, uint16_t ip_packet_bytes,
                     struct site_counters *counters)
{
    uint16_t lan_bytes = rules->lan_mtu_bytes;
    bool lan_is_less = lan_bytes != 0 && lan_bytes < ip_packet_bytes;
    if (mss_clamp(packet, lan_is_less ? lan_bytes : ip_packet_bytes))
        counters->mss_clamped++;
}

void judge_finish_checksum(struct packet *packet)
{
    if (packet->checksum_partial)
        offload_finish_checksum(packet);
    packet->checksum_partial = false;
}
