/* SPDX-License-Identifier: MIT
 *
 * check_guard.c - the stateless words of the guard, as tables of frames.
 */
#include "frame/guard.h"

#include "frames.h"

#include <check.h>

enum { ALL_WORDS = 63 };

static const char *const V4 = "192.168.1.50", *const V6 = "fe80::50";

static enum guard_word check_bytes(uint8_t *frame, size_t bytes, unsigned words,
                                   enum guard_direction direction)
{
    struct packet p;
    ck_assert(packet_parse(&p, frame, bytes));
    return guard_check(&p, words, direction);
}

/* The frame is dropped under @from_lan and @from_peer (0: passes) with all words on; passes with
 * that word off; and is dropped with that word alone. */
static void expect(const char *what, size_t row, uint8_t *frame, size_t bytes, unsigned from_lan,
                   unsigned from_peer)
{
    for (unsigned d = GUARD_FROM_LAN; d <= GUARD_FROM_PEER; d++) {
        unsigned word = d == GUARD_FROM_LAN ? from_lan : from_peer;
        unsigned found = check_bytes(frame, bytes, ALL_WORDS, (enum guard_direction)d);
        ck_assert_msg(found == word, "%s, row %zu, direction %u: %u", what, row, d, found);
        found = check_bytes(frame, bytes, word, (enum guard_direction)d);
        ck_assert_msg(found == word, "%s, row %zu, direction %u, alone: %u", what, row, d, found);
        found = check_bytes(frame, bytes, 0, (enum guard_direction)d);
        ck_assert_msg(found == 0, "%s, row %zu, direction %u, off: %u", what, row, d, found);
    }
}

START_TEST(dhcp)
{
    static const struct {
        bool v6;
        uint16_t source, destination;
        unsigned word;
    } ROW[] = {
        {false, 68, 67, GUARD_DHCP},
        {false, 67, 68, GUARD_DHCP},
        {false, 67, 67, GUARD_DHCP},
        {false, 68, 40000, GUARD_DHCP},
        {false, 40000, 67, GUARD_DHCP},
        {false, 66, 69, 0},
        {false, 546, 547, 0},
        {false, 5353, 5353, 0},
        {true, 546, 547, GUARD_DHCP},
        {true, 547, 546, GUARD_DHCP},
        {true, 547, 547, GUARD_DHCP},
        {true, 40000, 547, GUARD_DHCP},
        {true, 546, 40000, GUARD_DHCP},
        {true, 67, 68, 0},
        {true, 545, 548, 0},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec s = {.vlan_tags = tags,
                                   .ip_source = frame_ip(ROW[i].v6 ? V6 : V4),
                                   .ip_destination =
                                       frame_ip(ROW[i].v6 ? "ff02::1:2" : "255.255.255.255"),
                                   .ttl = 64,
                                   .source_port = ROW[i].source,
                                   .destination_port = ROW[i].destination};
            size_t bytes = frame_udp(frame, s, "x", 1);
            expect("dhcp", i, frame, bytes, ROW[i].word, ROW[i].word);
            /* Only UDP has these services. */
            expect("tcp", i, frame, frame_tcp(frame, s, FRAME_TCP_SYN, NULL, 0), 0, 0);
        }
}
END_TEST

START_TEST(dhcp_in_fragments_and_behind_options)
{
    static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    uint8_t frame[FRAME_BYTES_MAX], udp[16] = {0, 68, 0, 67, 0, 16};
    struct frame_spec s = {.ip_source = frame_ip("0.0.0.0"),
                           .ip_destination = frame_ip("255.255.255.255"),
                           .ttl = 64,
                           .ip_options = nops,
                           .ip_options_bytes = sizeof nops};
    expect("options", 0, frame, frame_packet(frame, s, 17, udp, 16), GUARD_DHCP, GUARD_DHCP);
    s.fragment_field = 0x2000;
    expect("first fragment", 0, frame, frame_packet(frame, s, 17, udp, 16), GUARD_DHCP, GUARD_DHCP);
    expect("ports cut off", 0, frame, frame_packet(frame, s, 17, udp, 2), GUARD_DHCP, GUARD_DHCP);
    expect("length cut off", 0, frame, frame_packet(frame, s, 17, udp, 7), GUARD_DHCP, GUARD_DHCP);
    s.fragment_field = 1;
    expect("later fragment", 0, frame, frame_packet(frame, s, 17, udp, 16), 0, 0);
    s.fragment_field = 0x2000;
    udp[1] = 70;
    udp[3] = 71;
    expect("other ports", 0, frame, frame_packet(frame, s, 17, udp, 16), 0, 0);
}
END_TEST

/* ICMPv6 by type; what is a query is only judged from a peer. */
START_TEST(icmpv6)
{
    static const struct {
        uint8_t type;
        unsigned from_lan, from_peer;
    } ROW[] = {
        {1, 0, 0},
        {128, 0, 0},
        {129, 0, 0},
        {130, 0, GUARD_QUERIER},
        {131, 0, 0},
        {132, 0, 0},
        {133, GUARD_RA, GUARD_RA},
        {134, GUARD_RA, GUARD_RA},
        {135, 0, 0},
        {136, 0, 0},
        {137, GUARD_RA, GUARD_RA},
        {138, 0, 0},
        {143, 0, 0},
    };
    static const uint8_t hop_by_hop[8] = {58, 0, 5, 2, 0, 0, 1, 0}; /* Router Alert, as MLD's */
    static const uint8_t body[20];
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        for (unsigned extended = 0; extended <= 1; extended++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec s = {.ip_source = frame_ip(V6),
                                   .ip_destination = frame_ip("ff02::1"),
                                   .ttl = 255,
                                   .vlan_tags = (uint8_t)extended,
                                   .extensions = hop_by_hop,
                                   .extensions_bytes = extended ? sizeof hop_by_hop : 0};
            size_t bytes = frame_icmp6(frame, s, ROW[i].type, body, sizeof body);
            expect("icmpv6", i, frame, bytes, ROW[i].from_lan, ROW[i].from_peer);
        }
}
END_TEST

/* Behind a fragment header ND is never valid, and cut short nobody can say what it is. */
START_TEST(icmpv6_in_fragments)
{
    /* next header, reserved, offset and more-fragments, identification */
    static const uint8_t atomic[8] = {58, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t first[8] = {58, 0, 0, 1, 0, 0, 0, 1};
    static const uint8_t later[8] = {58, 0, 0, 8, 0, 0, 0, 1};
    static const struct {
        const uint8_t *fragment;
        uint8_t type;
        size_t bytes;
        unsigned word; /* the first of those it could break */
    } ROW[] = {
        {atomic, 134, 24, GUARD_RA}, {first, 134, 24, GUARD_RA}, {first, 135, 24, GUARD_RA},
        {first, 136, 24, GUARD_RA},  {first, 137, 24, GUARD_RA}, {atomic, 136, 24, GUARD_RA},
        {first, 128, 24, 0},         {first, 134, 2, GUARD_RA},  {first, 128, 0, GUARD_RA},
        {later, 134, 24, 0},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], icmp[24] = {ROW[i].type};
        struct frame_spec s = {.ip_source = frame_ip(V6),
                               .ip_destination = frame_ip("ff02::1"),
                               .ttl = 255,
                               .extensions = ROW[i].fragment,
                               .extensions_bytes = 8,
                               .extension_type = 44};
        size_t bytes = frame_packet(frame, s, 58, icmp, ROW[i].bytes);
        expect("fragment", i, frame, bytes, ROW[i].word, ROW[i].word);
        if (ROW[i].word == 0)
            continue;
        /* gateway and hosts cannot read it either */
        ck_assert_int_eq(check_bytes(frame, bytes, GUARD_GATEWAY | GUARD_HOSTS, GUARD_FROM_LAN),
                         GUARD_GATEWAY);
        ck_assert_int_eq(check_bytes(frame, bytes, GUARD_HOSTS, GUARD_FROM_PEER), GUARD_HOSTS);
        ck_assert_int_eq(check_bytes(frame, bytes, GUARD_DHCP | GUARD_STP, GUARD_FROM_PEER), 0);
    }
}
END_TEST

START_TEST(igmp)
{
    static const struct {
        uint8_t type;
        unsigned from_peer;
    } ROW[] = {{0x11, GUARD_QUERIER}, {0x12, 0}, {0x16, 0}, {0x17, 0}, {0x22, 0}};
    static const uint8_t router_alert[4] = {148, 4, 0, 0};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], message[12] = {ROW[i].type};
        struct frame_spec s = {.ip_source = frame_ip(V4),
                               .ip_destination = frame_ip("224.0.0.1"),
                               .ttl = 1,
                               .ip_options = router_alert,
                               .ip_options_bytes = sizeof router_alert};
        expect("igmp", i, frame, frame_packet(frame, s, 2, message, sizeof message), 0,
               ROW[i].from_peer);
    }
}
END_TEST

START_TEST(link_control_by_address)
{
    static const struct {
        struct mac to;
        unsigned word;
    } ROW[] = {
        {{{0x01, 0x80, 0xc2, 0, 0, 0x00}}, GUARD_STP}, /* STP */
        {{{0x01, 0x80, 0xc2, 0, 0, 0x01}}, GUARD_STP}, /* pause */
        {{{0x01, 0x80, 0xc2, 0, 0, 0x02}}, GUARD_STP}, /* LACP */
        {{{0x01, 0x80, 0xc2, 0, 0, 0x03}}, GUARD_STP}, /* 802.1X */
        {{{0x01, 0x80, 0xc2, 0, 0, 0x0e}}, GUARD_STP}, /* LLDP */
        {{{0x01, 0x80, 0xc2, 0, 0, 0x0f}}, GUARD_STP},
        {{{0x01, 0x80, 0xc2, 0, 0, 0x10}}, 0},
        {{{0x01, 0x80, 0xc2, 0, 1, 0x00}}, 0},
        {{{0x00, 0x80, 0xc2, 0, 0, 0x00}}, 0},
        {{{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc}}, GUARD_STP}, /* CDP */
        {{{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}}, GUARD_STP}, /* PVST */
        {{{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xce}}, 0},
        {{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, 0},
    };
    /* As an 802.3 length, as some EtherType, and even as IP. */
    static const uint16_t TYPE[] = {38, 0x0842, 0x88e1};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        for (size_t t = 0; t < sizeof TYPE / sizeof TYPE[0]; t++) {
            uint8_t frame[60] = {0};
            struct frame_spec s = {.destination = ROW[i].to, .vlan_tags = (uint8_t)t};
            frame_ether(frame, s, TYPE[t]);
            expect("address", i, frame, sizeof frame, ROW[i].word, ROW[i].word);
        }
}
END_TEST

START_TEST(link_control_by_type)
{
    static const struct {
        uint16_t type;
        unsigned word;
    } ROW[] = {
        {0x8808, GUARD_STP}, {0x8809, GUARD_STP}, {0x8863, GUARD_STP}, {0x8864, GUARD_STP},
        {0x888e, GUARD_STP}, {0x88cc, GUARD_STP}, {0x0842, 0},         {0x8862, 0},
        {0x8865, 0},         {0x88cb, 0},         {0x22f0, 0},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[60] = {0};
            struct frame_spec s = {.destination = frame_mac(9), .vlan_tags = tags};
            frame_ether(frame, s, ROW[i].type);
            expect("type", i, frame, sizeof frame, ROW[i].word, ROW[i].word);
        }
}
END_TEST

/* A frame that hides what it is is counted under the first word switched on it could break. */
START_TEST(hidden)
{
    static const uint8_t short_routing[4] = {58, 9, 0, 0};
    static const struct {
        const char *what;
        uint16_t type;
        uint8_t byte; /* first of the payload */
        unsigned could_break;
    } ROW[] = {
        {"ARP of odd lengths", 0x0806, 0, GUARD_GATEWAY | GUARD_HOSTS},
        {"IPv4 header too short", 0x0800, 0x44, GUARD_DHCP | GUARD_QUERIER},
        {"not IPv4", 0x0800, 0x65, GUARD_DHCP | GUARD_QUERIER},
        {"not IPv6", 0x86dd, 0x40,
         GUARD_DHCP | GUARD_RA | GUARD_GATEWAY | GUARD_HOSTS | GUARD_QUERIER},
        {"third VLAN tag", 0x8100, 0, ALL_WORDS},
        {"third service tag", 0x88a8, 0, ALL_WORDS},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[82] = {0};
        struct frame_spec s = {.destination = frame_broadcast(), .vlan_tags = 2};
        frame[frame_ether(frame, s, ROW[i].type)] = ROW[i].byte;
        for (unsigned words = 0; words <= ALL_WORDS; words++) {
            unsigned both = words & ROW[i].could_break, lowest = 1;
            while (both != 0 && (both & lowest) == 0)
                lowest <<= 1;
            ck_assert_msg(check_bytes(frame, sizeof frame, words, GUARD_FROM_PEER) ==
                              (both ? lowest : 0),
                          "%s, words %u", ROW[i].what, words);
        }
    }
    /* A chain of extension headers cut off before ICMPv6. */
    uint8_t frame[FRAME_BYTES_MAX];
    struct frame_spec s = {.ip_source = frame_ip(V6),
                           .ip_destination = frame_ip("ff02::1"),
                           .ttl = 255,
                           .extensions = short_routing,
                           .extensions_bytes = sizeof short_routing,
                           .extension_type = 43};
    size_t bytes = frame_packet(frame, s, 58, NULL, 0);
    ck_assert_int_eq(check_bytes(frame, bytes, GUARD_RA, GUARD_FROM_PEER), GUARD_RA);
}
END_TEST

START_TEST(icmpv4)
{
    /* A redirect makes a host send to another router; 9 and 10 are router discovery (RFC 1256). */
    static const struct {
        uint8_t type;
        unsigned word;
    } ROW[] = {{0, 0}, {3, 0},        {4, 0},         {5, GUARD_RA},
               {8, 0}, {9, GUARD_RA}, {10, GUARD_RA}, {11, 0}};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[FRAME_BYTES_MAX], icmp[36] = {ROW[i].type};
            struct frame_spec s = {.vlan_tags = tags,
                                   .ip_source = frame_ip("192.168.1.1"),
                                   .ip_destination = frame_ip("192.168.1.20"),
                                   .ttl = 64};
            size_t bytes = frame_summed(frame, s, 1, icmp, sizeof icmp, 2);
            ck_assert_int_eq(check_bytes(frame, bytes, ALL_WORDS, GUARD_FROM_PEER), ROW[i].word);
            ck_assert_int_eq(check_bytes(frame, bytes, ALL_WORDS, GUARD_FROM_LAN), ROW[i].word);
            ck_assert_int_eq(check_bytes(frame, bytes, ALL_WORDS & ~GUARD_RA, GUARD_FROM_PEER), 0);
        }
}
END_TEST

/* An access point unwraps SNAP: what is inside would get round every word (CVE-2021-27853). */
START_TEST(ethernet_inside_snap)
{
    static const struct {
        uint8_t snap[8];
        bool hides;
    } ROW[] = {
        {{0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x06}, true},
        {{0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00}, true},
        {{0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd}, true},
        {{0xaa, 0xaa, 3, 0, 0, 0xf8, 0x08, 0x06}, true},
        {{0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0x00}, true},
        {{0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0xcc}, true},
        {{0xaa, 0xaa, 3, 0, 0, 0, 0x80, 0x9b}, false},       /* AppleTalk */
        {{0xaa, 0xaa, 3, 0, 0x0c, 0xcd, 0x08, 0x06}, false}, /* another organisation's */
        {{0xf0, 0xf0, 3, 0, 0, 0, 0x08, 0x06}, false},       /* NetBEUI */
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[82] = {0};
            struct frame_spec s = {.destination = frame_broadcast(), .vlan_tags = tags};
            size_t at = frame_ether(frame, s, 36);
            memcpy(frame + at, ROW[i].snap, sizeof ROW[i].snap);
            ck_assert_msg((check_bytes(frame, sizeof frame, ALL_WORDS, GUARD_FROM_PEER) != 0) ==
                              ROW[i].hides,
                          "row %zu, %u tags", i, tags);
            ck_assert_int_eq(check_bytes(frame, at + 7, ALL_WORDS, GUARD_FROM_PEER), 0);
        }
}
END_TEST

/* What must cross with every word on. */
START_TEST(ordinary_frames_pass)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct mac mac = frame_mac(1);
    struct frame_spec s4 = {.ip_source = frame_ip(V4),
                            .ip_destination = frame_ip("224.0.0.251"),
                            .ttl = 255,
                            .source_port = 5353,
                            .destination_port = 5353};
    struct frame_spec s6 = s4;
    s6.ip_source = frame_ip(V6);
    s6.ip_destination = frame_ip("ff02::fb");
    expect("mDNS", 4, frame, frame_udp(frame, s4, "x", 1), 0, 0);
    expect("mDNS", 6, frame, frame_udp(frame, s6, "x", 1), 0, 0);
    expect("NS", 0, frame, frame_ns(frame, s6, frame_ip(V6), &mac), 0, 0);
    expect("NA", 0, frame, frame_na(frame, s6, 0x20, frame_ip(V6), &mac), 0, 0);
    expect("ARP", 0, frame, frame_arp(frame, s4, FRAME_ARP_REQUEST, frame_mac(0)), 0, 0);
    expect("TCP", 0, frame, frame_tcp(frame, s4, FRAME_TCP_SYN, NULL, 0), 0, 0);
    expect("ping", 0, frame, frame_packet(frame, s4, 1, "\x08\0\0\0\0\0\0\0", 8), 0, 0);
    expect("GRE", 0, frame, frame_packet(frame, s4, 47, "\0\0\x08\0", 4), 0, 0);
    expect("a fragment of TCP", 0, frame,
           (s4.fragment_field = 0x2000, frame_packet(frame, s4, 6, "\0\x50", 2)), 0, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guard");
    TCase *words = tcase_create("words");
    tcase_add_test(words, dhcp);
    tcase_add_test(words, dhcp_in_fragments_and_behind_options);
    tcase_add_test(words, icmpv6);
    tcase_add_test(words, icmpv6_in_fragments);
    tcase_add_test(words, igmp);
    tcase_add_test(words, link_control_by_address);
    tcase_add_test(words, link_control_by_type);
    tcase_add_test(words, icmpv4);
    tcase_add_test(words, ethernet_inside_snap);
    tcase_add_test(words, hidden);
    tcase_add_test(words, ordinary_frames_pass);
    suite_add_tcase(suite, words);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
