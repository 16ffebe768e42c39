/* SPDX-License-Identifier: MIT
 *
 * check_packet.c - packet_parse() on whole, odd, cut and broken frames.
 *
 * Frames are parsed in heap blocks of exactly their length, so that the address sanitizer sees
 * any step beyond the end.
 */
#include "frame/packet.h"
#include "frames.h"

#include <check.h>

static const uint8_t ROUTER_ALERT_V4[4] = {148, 4, 0, 0};
static const uint8_t RECORD_ROUTE_V4[8] = {7, 7, 4, 0, 0, 0, 0, 0};
static const uint8_t LATE_ALERT_V4[8] = {1, 1, 7, 2, 148, 4, 0, 0};
static const uint8_t ALERT_BEHIND_END_V4[8] = {0, 2, 148, 4, 0, 0, 0, 0};
static const uint8_t ALERT_INSIDE_V4[8] = {7, 7, 148, 4, 0, 0, 0, 0}; /* data, not an option */
static const uint8_t ZERO_LENGTH_V4[8] = {7, 0, 148, 4, 0, 0, 0, 0};

struct outcome {
    int network;
    bool malformed, router_alert, fragment, later_fragment;
    int protocol;
    int transport_after; /* transport_offset - network_offset; 0: none */
};

/* The only place where frames are parsed: an exact copy, and promises every outcome must keep. */
static struct packet parse_exactly(const uint8_t *frame, size_t bytes, bool *parsed)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, frame, bytes);
    struct packet p;
    *parsed = packet_parse(&p, copy, bytes);
    if (*parsed) {
        ck_assert(p.network_offset <= bytes && p.network_end <= bytes);
        ck_assert(p.transport_offset == 0 || p.transport_offset + 4u <= p.network_end);
        ck_assert(!(p.later_fragment && p.transport_offset));
        ck_assert(!(p.malformed && p.transport_offset));
        ck_assert(p.network != PACKET_OTHER || (p.network_end == 0 && p.ip_source.family == 0));
    }
    ck_assert(memcmp(copy, frame, bytes) == 0);
    free(copy);
    p.frame = NULL;
    return p;
}

static void expect(const char *what, const uint8_t *frame, size_t bytes, struct outcome want)
{
    bool parsed;
    struct packet p = parse_exactly(frame, bytes, &parsed);
    ck_assert_msg(parsed, "%s: refused", what);
    ck_assert_msg(p.network == want.network, "%s: network %d", what, p.network);
    ck_assert_msg(p.malformed == want.malformed, "%s: malformed %d", what, p.malformed);
    ck_assert_msg(p.router_alert == want.router_alert, "%s: alert %d", what, p.router_alert);
    ck_assert_msg(p.fragment == want.fragment, "%s: fragment %d", what, p.fragment);
    ck_assert_msg(p.later_fragment == want.later_fragment, "%s: later %d", what, p.later_fragment);
    ck_assert_msg(p.protocol == want.protocol, "%s: protocol %d", what, p.protocol);
    int after = p.transport_offset ? p.transport_offset - p.network_offset : 0;
    ck_assert_msg(after == want.transport_after, "%s: transport at %d", what, after);
}

static struct frame_spec spec_v4(void)
{
    return (struct frame_spec){.ip_source = frame_ip("192.168.1.2"),
                               .ip_destination = frame_ip("192.168.1.3"),
                               .ttl = 64,
                               .source_port = 1111,
                               .destination_port = 2222};
}

static struct frame_spec spec_v6(void)
{
    return (struct frame_spec){.ip_source = frame_ip("fe80::2"),
                               .ip_destination = frame_ip("ff02::fb"),
                               .ttl = 64,
                               .source_port = 1111,
                               .destination_port = 2222};
}

/* ---- Ethernet ---- */

START_TEST(finds_everything_behind_any_number_of_tags)
{
    static const struct {
        uint8_t tags;
        uint16_t tci, vlan_id;
    } ROW[] = {{0, 0, 0}, {1, 7, 7}, {1, 0xe000, 0}, {1, 0xefff, 0xfff}, {2, 0x2064, 0x064}};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (int family = 0; family < 2; family++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec spec = family ? spec_v6() : spec_v4();
            spec.vlan_tags = ROW[i].tags;
            spec.vlan_tci = ROW[i].tci;
            size_t bytes = frame_udp(frame, spec, "x", 1);
            bool parsed;
            struct packet p = parse_exactly(frame, bytes, &parsed);
            struct mac to = frame_mac_for(&spec.ip_destination), from = frame_mac(1);
            ck_assert(parsed && !p.malformed);
            ck_assert_uint_eq(p.vlan_tags, ROW[i].tags);
            ck_assert_uint_eq(p.vlan_id, ROW[i].vlan_id);
            ck_assert_uint_eq(p.ether_type, family ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4);
            ck_assert_uint_eq(p.network, family ? PACKET_IPV6 : PACKET_IPV4);
            ck_assert_uint_eq(p.network_offset, 14u + 4u * ROW[i].tags);
            ck_assert_uint_eq(p.network_end, bytes);
            ck_assert_uint_eq(p.transport_offset, p.network_offset + (family ? 40u : 20u));
            ck_assert_uint_eq(p.source_port, 1111);
            ck_assert_uint_eq(p.destination_port, 2222);
            ck_assert(mac_equal(&p.destination, &to) && mac_equal(&p.source, &from));
            ck_assert(ip_equal(&p.ip_source, &spec.ip_source));
            ck_assert(ip_equal(&p.ip_destination, &spec.ip_destination));
        }
    }
}
END_TEST

START_TEST(stops_at_what_is_not_ip)
{
    static const struct {
        const char *what;
        uint16_t type_field, ether_type;
        uint8_t tags, tags_seen;
    } ROW[] = {
        {"802.3 length", 0x0026, 0, 0, 0},
        {"802.3 length 0", 0, 0, 0, 0},
        {"largest length", 0x05ff, 0, 0, 0},
        {"smallest type", 0x0600, 0x0600, 0, 0},
        {"802.3 length behind a tag", 0x0026, 0, 1, 1},
        {"PPPoE discovery", 0x8863, 0x8863, 0, 0},
        {"PPPoE session", 0x8864, 0x8864, 0, 0},
        {"802.1X", 0x888e, 0x888e, 2, 2},
        {"IPv4 behind three tags", 0x0800, 0x8100, 3, 2},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[100] = {0};
        struct frame_spec spec = {.destination = frame_mac(2), .vlan_tags = ROW[i].tags};
        size_t at = frame_ether(frame, spec, ROW[i].type_field);
        frame[at] = 0x45; /* looks like IP to one who does not ask */
        expect(ROW[i].what, frame, sizeof frame, (struct outcome){.network = PACKET_OTHER});
        bool parsed;
        struct packet p = parse_exactly(frame, sizeof frame, &parsed);
        ck_assert_msg(p.ether_type == ROW[i].ether_type, "%s", ROW[i].what);
        ck_assert_msg(p.vlan_tags == ROW[i].tags_seen, "%s", ROW[i].what);
    }
}
END_TEST

START_TEST(refuses_too_short_and_too_long)
{
    static uint8_t big[PACKET_FRAME_MAX_BYTES + 1];
    struct packet p;
    struct frame_spec spec = spec_v4();
    for (size_t bytes = 0; bytes < ETHER_HEADER_BYTES; bytes++)
        ck_assert(!packet_parse(&p, big, bytes));
    frame_ether(big, spec, ETHER_TYPE_IPV4);
    ck_assert(packet_parse(&p, big, ETHER_HEADER_BYTES));
    ck_assert(p.malformed && p.network == PACKET_OTHER);
    ck_assert(packet_parse(&p, big, PACKET_FRAME_MAX_BYTES));
    ck_assert(!packet_parse(&p, big, PACKET_FRAME_MAX_BYTES + 1));
}
END_TEST

/* Two tags and an IP packet as large as its length field can say. */
START_TEST(parses_the_largest_packet)
{
    for (unsigned v6 = 0; v6 < 2; v6++) {
        static uint8_t big[PACKET_FRAME_MAX_BYTES];
        struct frame_spec spec = v6 ? spec_v6() : spec_v4();
        struct packet p;
        spec.vlan_tags = 2;
        frame_udp(big, spec, NULL, 0);
        store_be16(big + 22 + (v6 ? 4 : 2), 65535);
        size_t bytes = 22 + (v6 ? 40 : 0) + 65535;
        ck_assert(packet_parse(&p, big, bytes));
        ck_assert(!p.malformed && p.transport_offset == 22 + (v6 ? 40 : 20));
        ck_assert_uint_eq(p.network_end, bytes);
        ck_assert(packet_parse(&p, big, bytes - 1) && p.malformed);
    }
}
END_TEST

START_TEST(leaves_a_cut_tag_alone)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct frame_spec spec = spec_v4();
    bool parsed;
    spec.vlan_tags = 1;
    frame_udp(frame, spec, NULL, 0);
    for (size_t bytes = 14; bytes < 18; bytes++) {
        struct packet p = parse_exactly(frame, bytes, &parsed);
        ck_assert(parsed && p.vlan_tags == 0 && p.ether_type == ETHER_TYPE_VLAN);
    }
    struct packet p = parse_exactly(frame, 18, &parsed);
    ck_assert(parsed && p.vlan_tags == 1 && p.ether_type == ETHER_TYPE_IPV4 && p.malformed);
}
END_TEST

/* ---- ARP ---- */

START_TEST(takes_arp_of_ethernet_and_ipv4_only)
{
    uint8_t frame[FRAME_BYTES_MAX];
    size_t bytes = frame_arp(frame, spec_v4(), FRAME_ARP_REQUEST, frame_mac(0));
    const struct outcome whole = {.network = PACKET_ARP},
                         broken = {.network = PACKET_OTHER, .malformed = true};
    ck_assert_uint_eq(bytes, 42);
    expect("arp", frame, bytes, whole);
    memset(frame + bytes, 0, 18);
    expect("padded arp", frame, 60, whole);
    expect("cut arp", frame, bytes - 1, broken);
    for (size_t at = 14; at < 20; at++) { /* hardware, protocol, two lengths */
        frame[at] ^= 0x40;
        expect("arp of another kind", frame, bytes, broken);
        frame[at] ^= 0x40;
    }
    bool parsed;
    ck_assert_uint_eq(parse_exactly(frame, 60, &parsed).network_end, 42);
}
END_TEST

/* ---- IPv4 ---- */

#define WHOLE(o) o, sizeof o

START_TEST(walks_ipv4)
{
    static const struct {
        const char *what;
        const uint8_t *options;
        size_t options_bytes;
        uint16_t fragment_field;
        uint8_t protocol;
        size_t upper_bytes;
        struct outcome want;
    } ROW[] = {
        {"udp", NULL, 0, 0, 17, 8, {PACKET_IPV4, 0, 0, 0, 0, 17, 20}},
        {"udp DF", NULL, 0, 0x4000, 17, 8, {PACKET_IPV4, 0, 0, 0, 0, 17, 20}},
        {"short udp", NULL, 0, 0, 17, 7, {PACKET_IPV4, 1, 0, 0, 0, 17, 0}},
        {"empty udp", NULL, 0, 0, 17, 0, {PACKET_IPV4, 1, 0, 0, 0, 17, 0}},
        {"first", NULL, 0, 0x2000, 17, 8, {PACKET_IPV4, 0, 0, 1, 0, 17, 20}},
        {"short first", NULL, 0, 0x2000, 17, 7, {PACKET_IPV4, 0, 0, 1, 0, 17, 0}},
        {"middle", NULL, 0, 0x2001, 17, 8, {PACKET_IPV4, 0, 0, 1, 1, 17, 0}},
        {"last", NULL, 0, 0x1fff, 17, 8, {PACKET_IPV4, 0, 0, 1, 1, 17, 0}},
        {"half way", NULL, 0, 0x1000, 17, 8, {PACKET_IPV4, 0, 0, 1, 1, 17, 0}},
        {"icmp", NULL, 0, 0, 1, 4, {PACKET_IPV4, 0, 0, 0, 0, 1, 20}},
        {"short icmp", NULL, 0, 0, 1, 3, {PACKET_IPV4, 1, 0, 0, 0, 1, 0}},
        {"igmp", WHOLE(ROUTER_ALERT_V4), 0, 2, 8, {PACKET_IPV4, 0, 1, 0, 0, 2, 24}},
        {"options", WHOLE(RECORD_ROUTE_V4), 0, 17, 8, {PACKET_IPV4, 0, 0, 0, 0, 17, 28}},
        {"late alert", WHOLE(LATE_ALERT_V4), 0, 17, 8, {PACKET_IPV4, 0, 1, 0, 0, 17, 28}},
        {"behind end", WHOLE(ALERT_BEHIND_END_V4), 0, 17, 8, {PACKET_IPV4, 0, 0, 0, 0, 17, 28}},
        {"data 148", WHOLE(ALERT_INSIDE_V4), 0, 17, 8, {PACKET_IPV4, 0, 0, 0, 0, 17, 28}},
        {"zero length", WHOLE(ZERO_LENGTH_V4), 0, 17, 8, {PACKET_IPV4, 0, 0, 0, 0, 17, 28}},
        {"alert, last", WHOLE(ROUTER_ALERT_V4), 1, 17, 8, {PACKET_IPV4, 0, 1, 1, 1, 17, 0}},
        {"esp", NULL, 0, 0, 50, 40, {PACKET_IPV4, 0, 0, 0, 0, 50, 0}},
        {"sctp", NULL, 0, 0, 132, 0, {PACKET_IPV4, 0, 0, 0, 0, 132, 0}},
    };
    static const uint8_t upper[64];
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec spec = spec_v4();
            spec.vlan_tags = tags;
            spec.ip_options = ROW[i].options;
            spec.ip_options_bytes = ROW[i].options_bytes;
            spec.fragment_field = ROW[i].fragment_field;
            size_t bytes = frame_packet(frame, spec, ROW[i].protocol, upper, ROW[i].upper_bytes);
            expect(ROW[i].what, frame, bytes, ROW[i].want);
        }
    }
}
END_TEST

START_TEST(checks_every_ipv4_length)
{
    static const struct {
        const char *what;
        uint8_t version_ihl;
        int total_bytes; /* added to the right one */
        bool good;
    } ROW[] = {
        {"right", 0x45, 0, true},
        {"version 6", 0x65, 0, false},
        {"version 0", 0x05, 0, false},
        {"header of 4 words", 0x44, 0, false},
        {"header of 0", 0x40, 0, false},
        {"header beyond total", 0x4f, 0, false},
        {"longer than it", 0x45, 1, false},
        {"all of the padding", 0x45, 4, true},
        {"beyond the frame", 0x45, 5, false},
        {"total below header", 0x45, -9, false},
        {"no payload", 0x45, -8, true},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        size_t padding = strcmp(ROW[i].what, "longer than it") == 0 ? 0 : 4;
        size_t bytes = frame_udp(frame, spec_v4(), NULL, 0);
        memset(frame + bytes, 0xee, padding);
        frame[14] = ROW[i].version_ihl;
        store_be16(frame + 16, (uint16_t)(28 + ROW[i].total_bytes));
        bool parsed;
        struct packet p = parse_exactly(frame, bytes + padding, &parsed);
        ck_assert_msg(parsed && (p.network == PACKET_IPV4) == ROW[i].good, "%s", ROW[i].what);
        if (ROW[i].good)
            ck_assert_int_eq(p.network_end, 14 + 28 + ROW[i].total_bytes);
        else
            ck_assert_msg(p.malformed, "%s", ROW[i].what);
    }
}
END_TEST

/* ---- TCP ---- */

START_TEST(wants_a_whole_tcp_header)
{
    static const struct {
        const char *what;
        uint8_t words;
        size_t bytes;
        uint16_t fragment_field;
        bool found, malformed;
    } ROW[] = {
        {"plain", 5, 20, 0, true, false},
        {"with data", 5, 33, 0, true, false},
        {"full of options", 15, 60, 0, true, false},
        {"options cut", 15, 59, 0, false, true},
        {"options cut by a fragment", 15, 56, 0x2000, false, false},
        {"four words", 4, 20, 0, false, true},
        {"four words in a fragment", 4, 24, 0x2000, false, true},
        {"no words", 0, 60, 0, false, true},
        {"19 bytes", 5, 19, 0, false, true},
        {"12 bytes", 5, 12, 0, false, true},
        {"nothing", 5, 0, 0, false, true},
        {"8 bytes of a fragment", 5, 8, 0x2000, false, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], tcp[60] = {0};
        struct frame_spec spec = spec_v4();
        tcp[12] = (uint8_t)(ROW[i].words << 4);
        spec.fragment_field = ROW[i].fragment_field;
        size_t bytes = frame_packet(frame, spec, 6, tcp, ROW[i].bytes);
        expect(ROW[i].what, frame, bytes,
               (struct outcome){PACKET_IPV4, ROW[i].malformed, 0, ROW[i].fragment_field != 0, 0, 6,
                                ROW[i].found ? 20 : 0});
    }
}
END_TEST

/* ---- IPv6 ---- */

#define PADN(n)           1, (n)-2
#define EXT8(next)        (next), 0, PADN(6), 0, 0, 0, 0
#define EXT16(next)       (next), 1, PADN(14), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define ALERT8(next)      (next), 0, 5, 2, 0, 0, PADN(2)
#define FRAG(next, field) (next), 0, (uint8_t)((field) >> 8), (uint8_t)(field), 0, 0, 0, 9
#define AH12(next)        (next), 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1
START_TEST(walks_ipv6)
{
    const struct {
        const char *what;
        uint8_t first;
        const uint8_t *chain;
        size_t chain_bytes;
        uint8_t protocol;
        struct outcome want;
    } ROW[] = {
        {"udp", 17, NULL, 0, 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 40}},
        {"hop by hop", 0, FRAME_CHAIN(EXT8(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 48}},
        {"long hop by hop", 0, FRAME_CHAIN(EXT16(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 56}},
        {"routing", 43, FRAME_CHAIN(EXT8(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 48}},
        {"destination", 60, FRAME_CHAIN(EXT8(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 48}},
        {"mobility", 135, FRAME_CHAIN(EXT8(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 48}},
        {"hip", 139, FRAME_CHAIN(EXT8(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 48}},
        {"shim6", 140, FRAME_CHAIN(EXT8(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 48}},
        {"ah counts words", 51, FRAME_CHAIN(AH12(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 17, 52}},
        {"alert", 0, FRAME_CHAIN(ALERT8(17)), 17, {PACKET_IPV6, 0, 1, 0, 0, 17, 48}},
        {"alert kept", 0, FRAME_CHAIN(ALERT8(0), EXT8(17)), 17, {PACKET_IPV6, 0, 1, 0, 0, 17, 56}},
        {"alert behind pad1",
         0,
         FRAME_CHAIN(17, 0, 0, 5, 2, 0, 0, 0),
         17,
         {PACKET_IPV6, 0, 1, 0, 0, 17, 48}},
        {"5 is data",
         0,
         FRAME_CHAIN(17, 0, 30, 4, 5, 2, 0, 0),
         17,
         {PACKET_IPV6, 0, 0, 0, 0, 17, 48}},
        {"alert in destination is none",
         60,
         FRAME_CHAIN(ALERT8(17)),
         17,
         {PACKET_IPV6, 0, 0, 0, 0, 17, 48}},
        {"atomic", 44, FRAME_CHAIN(FRAG(17, 0)), 17, {PACKET_IPV6, 0, 0, 1, 0, 17, 48}},
        {"first", 44, FRAME_CHAIN(FRAG(17, 1)), 17, {PACKET_IPV6, 0, 0, 1, 0, 17, 48}},
        {"middle", 44, FRAME_CHAIN(FRAG(17, 9)), 17, {PACKET_IPV6, 0, 0, 1, 1, 17, 0}},
        {"last", 44, FRAME_CHAIN(FRAG(17, 8)), 17, {PACKET_IPV6, 0, 0, 1, 1, 17, 0}},
        {"reserved bits are no offset",
         44,
         FRAME_CHAIN(FRAG(17, 6)),
         17,
         {PACKET_IPV6, 0, 0, 1, 0, 17, 48}},
        {"later: no walk",
         44,
         FRAME_CHAIN(FRAG(60, 8), EXT8(17)),
         17,
         {PACKET_IPV6, 0, 0, 1, 1, 60, 0}},
        {"first: walk on",
         44,
         FRAME_CHAIN(FRAG(60, 1), EXT8(17)),
         17,
         {PACKET_IPV6, 0, 0, 1, 0, 17, 56}},
        {"every one",
         0,
         FRAME_CHAIN(EXT8(60), EXT8(43), EXT8(44), FRAG(51, 0), AH12(60), EXT8(135), EXT8(139),
                     EXT8(17)),
         17,
         {PACKET_IPV6, 0, 0, 1, 0, 17, 108}},
        {"one too many",
         60,
         FRAME_CHAIN(EXT8(60), EXT8(60), EXT8(60), EXT8(60), EXT8(60), EXT8(60), EXT8(60), EXT8(60),
                     EXT8(17)),
         17,
         {PACKET_IPV6, 1, 0, 0, 0, 60, 0}},
        {"esp ends", 60, FRAME_CHAIN(EXT8(50), EXT8(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 50, 0}},
        {"no next ends", 60, FRAME_CHAIN(EXT8(59), EXT8(17)), 17, {PACKET_IPV6, 0, 0, 0, 0, 59, 0}},
        {"unknown ends",
         60,
         FRAME_CHAIN(EXT8(253), EXT8(17)),
         17,
         {PACKET_IPV6, 0, 0, 0, 0, 253, 0}},
        {"beyond the end",
         60,
         FRAME_CHAIN(17, 9, 0, 0, 0, 0, 0, 0),
         17,
         {PACKET_IPV6, 1, 0, 0, 0, 17, 0}},
    };
    static const uint8_t upper[20];
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec spec = spec_v6();
            spec.vlan_tags = tags;
            spec.extensions = ROW[i].chain;
            spec.extensions_bytes = ROW[i].chain_bytes;
            spec.extension_type = ROW[i].first;
            size_t bytes = frame_packet(frame, spec, ROW[i].protocol, upper, sizeof upper);
            expect(ROW[i].what, frame, bytes, ROW[i].want);
        }
    }
}
END_TEST

START_TEST(checks_the_ipv6_length)
{
    uint8_t frame[FRAME_BYTES_MAX];
    size_t bytes = frame_udp(frame, spec_v6(), "abcd", 4);
    const struct outcome broken = {.network = PACKET_OTHER, .malformed = true};
    memset(frame + bytes, 0, 10);
    bool parsed;
    ck_assert_uint_eq(parse_exactly(frame, bytes + 10, &parsed).network_end, bytes);
    expect("padded", frame, bytes + 10, (struct outcome){PACKET_IPV6, 0, 0, 0, 0, 17, 40});
    store_be16(frame + 18, 13);
    expect("one too many", frame, bytes, broken);
    store_be16(frame + 18, 7);
    expect("udp cut by the length", frame, bytes, (struct outcome){PACKET_IPV6, 1, 0, 0, 0, 17, 0});
    store_be16(frame + 18, 0);
    expect("empty", frame, bytes, (struct outcome){PACKET_IPV6, 1, 0, 0, 0, 17, 0});
    store_be16(frame + 18, 12);
    frame[14] = 0x45;
    expect("version 4", frame, bytes, broken);
}
END_TEST

/* ---- cuts ---- */

static size_t sample(unsigned n, uint8_t *frame)
{
    static const uint8_t MSS[8] = {1, 2, 4, 5, 0xb4, 1, 1, 0};
    static const uint8_t PREFIX[32] = {3, 4, 64, 0x80};
    static const uint8_t EVERY[] = {ALERT8(60), EXT16(44), FRAG(51, 0), AH12(17)};
    struct frame_spec v4 = spec_v4(), v6 = spec_v6();
    struct mac mac = frame_mac(1);
    v4.vlan_tags = v6.vlan_tags = (uint8_t)(n / 10);
    switch (n % 10) {
    case 0:
        return frame_arp(frame, v4, FRAME_ARP_REPLY, frame_mac(2));
    case 1:
        v4.ip_options = LATE_ALERT_V4;
        v4.ip_options_bytes = sizeof LATE_ALERT_V4;
        return frame_udp(frame, v4, "hello", 5);
    case 2:
        return frame_tcp(frame, v4, FRAME_TCP_SYN, MSS, sizeof MSS);
    case 3:
        return frame_tcp(frame, v6, FRAME_TCP_SYN, MSS, sizeof MSS);
    case 4:
        v6.extensions = EVERY;
        v6.extensions_bytes = sizeof EVERY;
        v6.extension_type = 0;
        return frame_udp(frame, v6, "hello", 5);
    case 5:
        return frame_ns(frame, v6, frame_ip("fe80::9"), &mac);
    case 6:
        return frame_na(frame, v6, 0xe0, frame_ip("fe80::9"), &mac);
    case 7:
        return frame_rs(frame, v6, NULL);
    case 8:
        return frame_ra(frame, v6, 1800, PREFIX, sizeof PREFIX);
    default:
        v4.fragment_field = 0x2005;
        return frame_packet(frame, v4, 17, "abcdefgh", 8);
    }
}

/* Each cut frame is either too short for Ethernet, malformed, or a tag that lost its end; the
 * whole one, with any bit spoilt, keeps parse_exactly()'s promises. */
START_TEST(survives_cuts_and_spoilt_bits)
{
    for (unsigned n = 0; n < 30; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        size_t bytes = sample(n, frame);
        bool parsed;
        for (size_t cut = 0; cut < bytes; cut++) {
            struct packet p = parse_exactly(frame, cut, &parsed);
            ck_assert(parsed == (cut >= 14));
            if (parsed)
                ck_assert_msg(p.network == PACKET_OTHER && (p.malformed || cut < 14 + 4 * (n / 10)),
                              "sample %u cut to %zu", n, cut);
        }
        struct packet whole = parse_exactly(frame, bytes, &parsed);
        ck_assert_msg(parsed && !whole.malformed && whole.network_end == bytes, "sample %u", n);
        for (size_t at = 0; at < bytes; at++) {
            uint8_t kept = frame[at];
            for (unsigned bit = 0; bit < 8; bit++) {
                frame[at] = (uint8_t)(kept ^ 1u << bit);
                parse_exactly(frame, bytes, &parsed);
            }
            frame[at] = kept;
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("packet");
    TCase *tc = tcase_create("packet");
    tcase_add_test(tc, finds_everything_behind_any_number_of_tags);
    tcase_add_test(tc, stops_at_what_is_not_ip);
    tcase_add_test(tc, refuses_too_short_and_too_long);
    tcase_add_test(tc, parses_the_largest_packet);
    tcase_add_test(tc, leaves_a_cut_tag_alone);
    tcase_add_test(tc, takes_arp_of_ethernet_and_ipv4_only);
    tcase_add_test(tc, walks_ipv4);
    tcase_add_test(tc, checks_every_ipv4_length);
    tcase_add_test(tc, wants_a_whole_tcp_header);
    tcase_add_test(tc, walks_ipv6);
    tcase_add_test(tc, checks_the_ipv6_length);
    tcase_add_test(tc, survives_cuts_and_spoilt_bits);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
