/* SPDX-License-Identifier: MIT
 *
 * check_offload_edges.c - partial checksums and large frames where a site changes or refuses what
 * passes: MSS clamp, checksums of other protocols, a LAN with a smaller MTU, hints.
 */
#include "offload_world.h"
#include "run.h"

#include "bytes.h"
#include "frame/checksum.h"
#include "frame/offload.h"
#include "site/private.h"

#include <string.h>

/* ---- what is changed on the way ---- */

/* The last TCP SYN, ICMPv6 or fragments that reached a LAN, beside the streams. */
static struct {
    unsigned syns, pings, fragments;
    uint16_t mss;
    bool checksum_right;
} seen;

static void watch(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    static uint8_t copy[PACKET_FRAME_MAX_BYTES];
    struct packet p;
    (void)sim;
    memcpy(copy, frame, bytes);
    if (node != PARENTS || !packet_parse(&p, copy, bytes))
        return;
    const uint8_t *transport = copy + p.transport_offset;
    if (p.fragment) {
        seen.fragments++;
    } else if (p.protocol == IP_PROTOCOL_TCP && p.transport_offset != 0) {
        seen.syns++;
        seen.mss = load_be16(transport + 22);
        seen.checksum_right = load_be16(transport + 16) == checksum_transport(&p);
    } else if (judge_is_icmpv6(&p, 128)) {
        seen.pings++;
        seen.checksum_right = load_be16(transport + 2) == checksum_transport(&p);
    }
}

/* Ethernet, IPv6 and as much transport header; the checksum field holds the pseudo-header's sum. */
static size_t build_v6(uint8_t *out, uint8_t protocol, const uint8_t *transport, size_t bytes,
                       size_t field)
{
    static const uint8_t ethernet[14] = {2, 0, 0, 0, 1, PARENTS, 2, 0, 0, 0, 1, HOME, 0x86, 0xdd};
    uint8_t *ip = out + sizeof ethernet;
    memcpy(out, ethernet, sizeof ethernet);
    memset(ip, 0, IPV6_HEADER_BYTES);
    ip[0] = 0x60;
    store_be16(ip + 4, (uint16_t)bytes);
    ip[6] = protocol;
    ip[7] = 64;
    ip[8] = ip[24] = 0xfd;
    ip[23] = 10 + HOME;
    ip[39] = 10 + PARENTS;
    memcpy(ip + IPV6_HEADER_BYTES, transport, bytes);
    uint32_t sum = checksum_add(protocol + (uint32_t)bytes, ip + 8, 32);
    store_be16(ip + IPV6_HEADER_BYTES + field, (uint16_t)~checksum_finish(sum));
    return sizeof ethernet + IPV6_HEADER_BYTES + bytes;
}

/* NEEDS_CSUM from the transport header on. */
static void send_partial_v6(struct world *w, uint8_t protocol, const uint8_t *transport,
                            size_t bytes, uint8_t field)
{
    const uint8_t offload[OFFLOAD_HEADER_BYTES] = {1, [6] = 54, [8] = field};
    uint8_t frame[200];
    size_t frame_bytes = build_v6(frame, protocol, transport, bytes, field);
    sim_frame(&w->sim.node[HOME], offload, frame, frame_bytes);
    world_flush(w, HOME);
    sim_run(&w->sim, 50000);
}

START_TEST(partial_checksums_of_syns_and_pings_are_finished)
{
    static const uint8_t syn[24] = {78, 32, 0, 80, [12] = 6 << 4, 2, 1, 0, [20] = 2, 4, 0x23, 0};
    static const uint8_t ping[12] = {128, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    for (unsigned variant = 0; variant < 16; variant++) {
        struct layout layout = {
            .homes = 2, .wan_mtu_bytes = 1400, .no_large = variant & 3, .no_partial = variant >> 2};
        struct world *w = world_begin(variant, &layout);
        memset(&seen, 0, sizeof seen);
        w->sim.on_lan = watch;
        send_partial_v6(w, IP_PROTOCOL_TCP, syn, sizeof syn, 16);
        ck_assert_uint_eq(seen.syns, 1);
        ck_assert(seen.checksum_right);
        ck_assert_uint_gt(seen.mss, 1200);
        ck_assert_uint_lt(seen.mss, 1300);
        send_partial_v6(w, IP_PROTOCOL_ICMPV6, ping, sizeof ping, 2);
        ck_assert_uint_eq(seen.pings, 1);
        ck_assert(seen.checksum_right);
        world_end(w);
    }
}
END_TEST

START_TEST(a_large_frame_that_begins_a_connection_is_refused)
{
    struct layout layout = {.homes = 2, .wan_mtu_bytes = 1500};
    struct world *w = world_begin(1, &layout);
    struct stream_kind kind = {.from = HOME, .to = PARENTS};
    struct stream_frame frame = {
        .payload_bytes = 3000, .segment_bytes = 1000, .partial = true, .tcp_flags = STREAM_TCP_SYN};
    streams_open(w->streams, &kind);
    streams_send(w->streams, 0, &frame);
    world_flush(w, HOME);
    sim_run(&w->sim, 50000);
    ck_assert_uint_eq(w->streams->segments[PARENTS], 0);
    ck_assert_uint_eq(world_counters(w, HOME)->too_large, 1);
    world_end(w);
}
END_TEST

/* ---- a LAN with a smaller MTU than the tunnel ---- */

static void set_lan_mtu(struct world *w, unsigned home, uint16_t mtu_bytes)
{
    struct site_lan lan = w->sim.node[home].site->lan;
    lan.mtu_bytes = mtu_bytes;
    site_set_lan(w->sim.node[home].site, &lan, w->sim.now_us);
}

START_TEST(a_smaller_lan_gets_all_the_same_in_order)
{
    for (unsigned variant = 0; variant < 16; variant++) {
        struct layout layout = {.homes = 2, .wan_mtu_bytes = 1500, .no_large = variant & 3};
        struct world *w = world_begin(variant, &layout);
        struct stream_kind kind = {
            .from = HOME, .to = PARENTS, .udp = variant & 4, .v6 = variant & 8};
        struct stream_frame small = {
            .payload_bytes = 500, .partial = true, .tcp_flags = STREAM_TCP_ACK};
        struct stream_frame large = {.payload_bytes = 5000,
                                     .segment_bytes = 1300,
                                     .partial = true,
                                     .tcp_flags = STREAM_TCP_ACK};
        kind.dont_fragment = true;
        set_lan_mtu(w, PARENTS, 1000);
        streams_open(w->streams, &kind);
        for (unsigned i = 0; i < 5; i++) {
            streams_send(w->streams, 0, &small);
            streams_send(w->streams, 0, &large);
        }
        world_flush(w, HOME);
        sim_run(&w->sim, 50000);
        world_assert_complete(w);
        world_assert_ordered(w);
        ck_assert_uint_eq(world_counters(w, PARENTS)->lan_too_large, 20);
        world_end(w);
    }
}
END_TEST

/* Put the fragments of one datagram together. */
static uint8_t whole[3000];
static size_t whole_bytes;

static void gather(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    (void)sim;
    if (node != PARENTS || load_be16(frame + 12) != ETHER_TYPE_IPV4 || frame[23] != IP_PROTOCOL_UDP)
        return;
    size_t offset = (size_t)8 * (load_be16(frame + 20) & 0x1fff);
    if (offset + bytes > sizeof whole)
        abort();
    memcpy(whole + 34 + offset, frame + 34, bytes - 34);
    if (offset == 0)
        memcpy(whole, frame, 34);
    whole_bytes += bytes - 34;
    seen.fragments++;
}

START_TEST(a_checksum_is_finished_before_its_packet_is_cut)
{
    for (unsigned no_large = 0; no_large < 4; no_large++) {
        struct layout layout = {.homes = 2, .wan_mtu_bytes = 1500, .no_large = no_large};
        struct world *w = world_begin(no_large, &layout);
        struct stream_kind kind = {.from = HOME, .to = PARENTS, .udp = true};
        struct stream_frame frame = {.payload_bytes = 1300, .partial = true};
        struct packet p;
        set_lan_mtu(w, PARENTS, 1000);
        memset(&seen, 0, sizeof seen);
        whole_bytes = 0;
        w->sim.on_lan = gather;
        w->sim.context = w->streams;
        streams_open(w->streams, &kind);
        streams_send(w->streams, 0, &frame);
        world_flush(w, HOME);
        sim_run(&w->sim, 50000);
        ck_assert_uint_eq(seen.fragments, 2);
        ck_assert_uint_eq(whole_bytes, 1308);
        store_be16(whole + 16, 20 + 1308);
        store_be16(whole + 20, 0);
        ck_assert(packet_parse(&p, whole, 34 + 1308) && p.transport_offset != 0);
        ck_assert_uint_eq(load_be16(whole + 34 + 6), checksum_transport(&p));
        world_end(w);
    }
}
END_TEST

/* Large frames are made to fit; only one that comes whole and too large is worth a word. */
START_TEST(hints_are_for_whole_frames)
{
    struct layout layout = {.homes = 2, .wan_mtu_bytes = 1400, .icmp_hint = true};
    struct world *w = world_begin(3, &layout);
    struct stream_kind kind = {.from = HOME, .to = PARENTS, .dont_fragment = true};
    struct stream_frame frame = {.payload_bytes = 14600,
                                 .segment_bytes = 1460,
                                 .partial = true,
                                 .tcp_flags = STREAM_TCP_ACK};
    streams_open(w->streams, &kind);
    streams_send(w->streams, 0, &frame);
    world_flush(w, HOME);
    sim_run(&w->sim, 50000);
    ck_assert_uint_eq(world_counters(w, HOME)->icmp_hints, 0);
    frame.payload_bytes = 1460;
    frame.segment_bytes = 0;
    streams_send(w->streams, 0, &frame);
    world_flush(w, HOME);
    sim_run(&w->sim, 50000);
    ck_assert_uint_eq(world_counters(w, HOME)->icmp_hints, 1);
    world_assert_complete(w);
    world_end(w);
}
END_TEST

SIM_MAIN("offload_edges", partial_checksums_of_syns_and_pings_are_finished,
         a_large_frame_that_begins_a_connection_is_refused,
         a_smaller_lan_gets_all_the_same_in_order, a_checksum_is_finished_before_its_packet_is_cut,
         hints_are_for_whole_frames)
