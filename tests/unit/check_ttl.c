/* SPDX-License-Identifier: MIT
 *
 * check_ttl.c - which discovery frames get which TTL, and that nothing else changes.
 *
 * Every case is built as IPv4 or IPv6, with 0, 1 and 2 tags. A repaired frame must be the same
 * frame as one built with the repaired TTL, octet by octet: that covers the header checksum.
 */
#include "frame/ttl.h"
#include "frames.h"

#include <check.h>

enum { BOTH = TTL_REPAIR_MDNS | TTL_REPAIR_SSDP, UDP = 17 };

static const uint8_t OPTION_ALERT[4] = {148, 4, 0, 0};
static const uint8_t OPTION_ROUTE[8] = {7, 7, 4};

static struct frame_spec spec_to(const char *to, uint16_t port, uint8_t ttl, uint8_t tags)
{
    struct ip_address destination = frame_ip(to);
    return (struct frame_spec){
        .ip_source = frame_ip(destination.family == IP_V4 ? "192.168.1.2" : "fe80::2"),
        .ip_destination = destination,
        .ttl = ttl,
        .source_port = 40000,
        .destination_port = port,
        .vlan_tags = tags,
        .vlan_tci = 20,
    };
}

/* Repairs what @spec and @upper make and compares with the same made with @ttl. */
static void expect_packet(const char *what, struct frame_spec spec, uint8_t protocol,
                          const void *upper, size_t upper_bytes, unsigned repair,
                          enum ttl_repaired want, uint8_t ttl)
{
    uint8_t frame[FRAME_BYTES_MAX], wanted[FRAME_BYTES_MAX];
    struct packet p;
    size_t bytes = frame_packet(frame, spec, protocol, upper, upper_bytes);
    ck_assert(packet_parse(&p, frame, bytes));
    enum ttl_repaired got = ttl_repair(&p, repair);
    ck_assert_msg(got == want, "%s ttl %d: repaired %d", what, spec.ttl, (int)got);
    spec.ttl = ttl;
    frame_packet(wanted, spec, protocol, upper, upper_bytes);
    ck_assert_msg(memcmp(frame, wanted, bytes) == 0, "%s: octets differ", what);
    ck_assert(want == TTL_UNTOUCHED || ttl_repair(&p, repair) == TTL_UNTOUCHED); /* once */
}

static void expect_udp(const char *what, struct frame_spec spec, unsigned repair,
                       enum ttl_repaired want, uint8_t ttl)
{
    uint8_t udp[12] = {0};
    store_be16(udp, spec.source_port);
    store_be16(udp + 2, spec.destination_port);
    store_be16(udp + 4, sizeof udp);
    expect_packet(what, spec, UDP, udp, sizeof udp, repair, want, ttl);
}

/* ---- groups, ports, values ---- */

struct destination {
    const char *address;
    uint16_t port;
    enum ttl_repaired kind;
};

static const struct destination DESTINATION[] = {
    {"224.0.0.251", 5353, TTL_REPAIRED_MDNS},
    {"ff02::fb", 5353, TTL_REPAIRED_MDNS},
    {"239.255.255.250", 1900, TTL_REPAIRED_SSDP},
    {"ff02::c", 1900, TTL_REPAIRED_SSDP},
    {"ff05::c", 1900, TTL_REPAIRED_SSDP},
    /* the other's port, and WS-Discovery */
    {"224.0.0.251", 1900, TTL_UNTOUCHED},
    {"ff02::fb", 1900, TTL_UNTOUCHED},
    {"239.255.255.250", 5353, TTL_UNTOUCHED},
    {"239.255.255.250", 3702, TTL_UNTOUCHED},
    {"ff02::c", 3702, TTL_UNTOUCHED},
    {"ff05::c", 5353, TTL_UNTOUCHED},
    /* neighbours of the groups */
    {"224.0.0.250", 5353, TTL_UNTOUCHED},
    {"224.0.0.252", 5353, TTL_UNTOUCHED},
    {"224.0.0.252", 5355, TTL_UNTOUCHED},
    {"ff05::fb", 5353, TTL_UNTOUCHED},
    {"ff01::fb", 5353, TTL_UNTOUCHED},
    {"ff02::1:3", 5355, TTL_UNTOUCHED},
    {"ff08::c", 1900, TTL_UNTOUCHED},
    {"239.255.255.251", 1900, TTL_UNTOUCHED},
    {"224.128.0.251", 5353, TTL_UNTOUCHED}, /* has the same MAC */
    {"255.255.255.255", 1900, TTL_UNTOUCHED},
};

static uint8_t wanted_ttl(enum ttl_repaired kind, uint8_t ttl)
{
    if (kind == TTL_REPAIRED_MDNS)
        return 255;
    return kind == TTL_REPAIRED_SSDP && ttl < 4 ? 4 : ttl;
}

START_TEST(repairs_each_group_and_port)
{
    for (size_t i = 0; i < sizeof DESTINATION / sizeof DESTINATION[0]; i++) {
        const struct destination *d = &DESTINATION[i];
        for (unsigned ttl = 0; ttl <= 255; ttl++) {
            for (uint8_t tags = 0; tags <= 2; tags++) {
                uint8_t want = wanted_ttl(d->kind, (uint8_t)ttl);
                expect_udp(d->address, spec_to(d->address, d->port, (uint8_t)ttl, tags), BOTH,
                           want == ttl ? TTL_UNTOUCHED : d->kind, want);
            }
        }
    }
}
END_TEST

START_TEST(repairs_only_what_is_switched_on)
{
    for (size_t i = 0; i < 5; i++) {
        const struct destination *d = &DESTINATION[i];
        for (unsigned what = 0; what <= BOTH; what++) {
            bool on = (what & (d->kind == TTL_REPAIRED_MDNS ? (unsigned)TTL_REPAIR_MDNS
                                                            : (unsigned)TTL_REPAIR_SSDP)) != 0;
            expect_udp(d->address, spec_to(d->address, d->port, 1, 0), what,
                       on ? d->kind : TTL_UNTOUCHED, on ? wanted_ttl(d->kind, 1) : 1);
        }
    }
}
END_TEST

START_TEST(looks_at_the_destination_port_only)
{
    struct frame_spec spec = spec_to("224.0.0.251", 40000, 1, 0);
    spec.source_port = 5353;
    expect_udp("from 5353", spec, BOTH, TTL_UNTOUCHED, 1);
}
END_TEST

START_TEST(leaves_unicast_alone)
{
    for (size_t i = 0; i < 5; i++) {
        struct frame_spec spec = spec_to(DESTINATION[i].address, DESTINATION[i].port, 1, 0);
        spec.destination = frame_mac(2);
        expect_udp("group address to a unicast MAC", spec, BOTH, TTL_UNTOUCHED, 1);
        spec.destination = frame_broadcast();
        expect_udp("group address to all", spec, BOTH, DESTINATION[i].kind,
                   wanted_ttl(DESTINATION[i].kind, 1));
    }
    expect_udp("mDNS reply", spec_to("192.168.1.3", 5353, 254, 0), BOTH, TTL_UNTOUCHED, 254);
    expect_udp("SSDP reply", spec_to("fe80::3", 1900, 1, 0), BOTH, TTL_UNTOUCHED, 1);
    struct frame_spec spec = spec_to("192.168.1.3", 5353, 3, 0);
    spec.destination = frame_broadcast();
    expect_udp("unicast address to all", spec, BOTH, TTL_UNTOUCHED, 3);
}
END_TEST

/* ---- what lies between: options, extension headers, fragments ---- */

START_TEST(heeds_options_and_fragments_of_ipv4)
{
    static const uint8_t piece[24] = {0xde, 0xad};
    static const struct {
        const char *what;
        const uint8_t *options;
        size_t options_bytes;
        uint16_t fragment_field;
        bool touched;
    } ROW[] = {
        {"plain", NULL, 0, 0, true},
        {"record route", OPTION_ROUTE, sizeof OPTION_ROUTE, 0, true},
        {"router alert", OPTION_ALERT, sizeof OPTION_ALERT, 0, false},
        {"first fragment", NULL, 0, 0x2000, true},
        {"later fragment", NULL, 0, 0x2003, true},
        {"last fragment", NULL, 0, 0x0003, true},
        {"later fragment with options", OPTION_ROUTE, sizeof OPTION_ROUTE, 0x0003, true},
        {"later fragment with alert", OPTION_ALERT, sizeof OPTION_ALERT, 0x0003, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (size_t d = 0; d < sizeof DESTINATION / sizeof DESTINATION[0]; d++) {
            struct frame_spec spec = spec_to(DESTINATION[d].address, DESTINATION[d].port, 1, 1);
            if (spec.ip_destination.family != IP_V4)
                continue;
            spec.ip_options = ROW[i].options;
            spec.ip_options_bytes = ROW[i].options_bytes;
            spec.fragment_field = ROW[i].fragment_field;
            enum ttl_repaired kind = ROW[i].touched ? DESTINATION[d].kind : TTL_UNTOUCHED;
            if (!(ROW[i].fragment_field & 0x1fff))
                expect_udp(ROW[i].what, spec, BOTH, kind, wanted_ttl(kind, 1));
            else if (DESTINATION[d].kind != TTL_UNTOUCHED)
                expect_packet(ROW[i].what, spec, UDP, piece, sizeof piece, BOTH, kind,
                              wanted_ttl(kind, 1));
        }
    }
}
END_TEST

START_TEST(heeds_extensions_and_fragments_of_ipv6)
{
    const struct {
        const char *what;
        uint8_t first;
        const uint8_t *chain;
        size_t chain_bytes;
        bool touched;
    } ROW[] = {
        {"hop by hop", 0, FRAME_CHAIN(17, 0, 1, 4, 0, 0, 0, 0), true},
        {"destination", 60, FRAME_CHAIN(17, 0, 1, 4, 0, 0, 0, 0), true},
        {"router alert", 0, FRAME_CHAIN(17, 0, 5, 2, 0, 0, 1, 0), false},
        {"atomic fragment", 44, FRAME_CHAIN(17, 0, 0, 0, 0, 0, 0, 1), true},
        {"first fragment", 44, FRAME_CHAIN(17, 0, 0, 1, 0, 0, 0, 1), true},
        {"later fragment", 44, FRAME_CHAIN(17, 0, 0, 9, 0, 0, 0, 1), true},
        {"later fragment of TCP", 44, FRAME_CHAIN(6, 0, 0, 9, 0, 0, 0, 1), false},
        {"later fragment of ICMPv6", 44, FRAME_CHAIN(58, 0, 0, 9, 0, 0, 0, 1), false},
        {"chain cut", 0, FRAME_CHAIN(17, 40, 0, 0, 0, 0, 0, 0), false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (size_t d = 0; d < 5; d++) {
            struct frame_spec spec = spec_to(DESTINATION[d].address, DESTINATION[d].port, 1, 2);
            if (spec.ip_destination.family != IP_V6)
                continue;
            spec.extensions = ROW[i].chain;
            spec.extensions_bytes = ROW[i].chain_bytes;
            spec.extension_type = ROW[i].first;
            enum ttl_repaired kind = ROW[i].touched ? DESTINATION[d].kind : TTL_UNTOUCHED;
            expect_udp(ROW[i].what, spec, BOTH, kind, wanted_ttl(kind, 1));
        }
    }
}
END_TEST

/* A later fragment has no port to ask, so the group decides; only for UDP, only for these. */
START_TEST(judges_later_fragments_by_group_and_protocol)
{
    static const uint8_t piece[16] = {0};
    static const struct {
        const char *address;
        uint8_t protocol;
        enum ttl_repaired kind;
    } ROW[] = {
        {"224.0.0.251", UDP, TTL_REPAIRED_MDNS}, {"239.255.255.250", UDP, TTL_REPAIRED_SSDP},
        {"224.0.0.251", 6, TTL_UNTOUCHED},       {"224.0.0.251", 2, TTL_UNTOUCHED},
        {"239.255.255.250", 1, TTL_UNTOUCHED},   {"224.0.0.252", UDP, TTL_UNTOUCHED},
        {"192.168.1.3", UDP, TTL_UNTOUCHED},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct frame_spec spec = spec_to(ROW[i].address, 0, 1, 0);
        spec.fragment_field = 0x00b9;
        expect_packet(ROW[i].address, spec, ROW[i].protocol, piece, sizeof piece, BOTH, ROW[i].kind,
                      wanted_ttl(ROW[i].kind, 1));
    }
}
END_TEST

/* ---- never ---- */

START_TEST(never_touches_control_protocols)
{
    static const struct {
        const char *what, *to;
        uint8_t protocol, first_octet, ttl;
    } ROW[] = {
        {"NS", "ff02::1:ff00:1", 58, 135, 254},
        {"NA", "ff02::1", 58, 136, 254},
        {"RS", "ff02::2", 58, 133, 254},
        {"RA", "ff02::1", 58, 134, 254},
        {"ICMPv6 to mDNS", "ff02::fb", 58, 128, 1},
        {"MLD report", "ff02::fb", 58, 131, 1},
        {"IGMPv2 report", "224.0.0.251", 2, 0x16, 1},
        {"IGMP to SSDP", "239.255.255.250", 2, 0x16, 1},
        {"IGMPv3", "224.0.0.22", 2, 0x22, 1},
        {"TCP to mDNS", "224.0.0.251", 6, 0x14, 1},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t upper[24] = {ROW[i].first_octet, 0xe9, 0x14, 0xe9, [12] = 0x50};
        struct frame_spec spec = spec_to(ROW[i].to, 5353, ROW[i].ttl, 0);
        expect_packet(ROW[i].what, spec, ROW[i].protocol, upper, sizeof upper, BOTH, TTL_UNTOUCHED,
                      ROW[i].ttl);
    }
    uint8_t frame[FRAME_BYTES_MAX];
    struct packet p;
    struct frame_spec spec = spec_to("224.0.0.251", 5353, 1, 0);
    size_t bytes = frame_arp(frame, spec, FRAME_ARP_REQUEST, frame_mac(0));
    ck_assert(packet_parse(&p, frame, bytes));
    ck_assert_int_eq(ttl_repair(&p, BOTH), TTL_UNTOUCHED);
}
END_TEST

START_TEST(leaves_broken_packets_alone)
{
    static const uint8_t udp[8] = {0x14, 0xe9, 0x14, 0xe9, 0, 8, 0, 0};
    for (size_t bytes = 0; bytes < sizeof udp; bytes++) {
        expect_packet("short udp", spec_to("224.0.0.251", 5353, 1, 0), UDP, udp, bytes, BOTH,
                      TTL_UNTOUCHED, 1);
        expect_packet("short udp", spec_to("ff02::fb", 5353, 1, 0), UDP, udp, bytes, BOTH,
                      TTL_UNTOUCHED, 1);
    }
    expect_packet("whole udp", spec_to("224.0.0.251", 5353, 1, 0), UDP, udp, sizeof udp, BOTH,
                  TTL_REPAIRED_MDNS, 255);
}
END_TEST

/* A checksum that was wrong before is wrong by as much afterwards. */
START_TEST(mends_no_checksum)
{
    for (unsigned error = 1; error < 0xffff; error += 101) {
        uint8_t frame[FRAME_BYTES_MAX], right[FRAME_BYTES_MAX];
        struct frame_spec spec = spec_to("224.0.0.251", 5353, (uint8_t)error, 0);
        struct packet p;
        size_t bytes = frame_udp(frame, spec, "x", 1);
        store_be16(frame + 24, (uint16_t)(load_be16(frame + 24) ^ error));
        ck_assert(!frame_ip4_checksum_good(frame + 14));
        ck_assert(packet_parse(&p, frame, bytes));
        enum ttl_repaired want = spec.ttl == 255 ? TTL_UNTOUCHED : TTL_REPAIRED_MDNS;
        ck_assert_int_eq(ttl_repair(&p, BOTH), want);
        spec.ttl = 255;
        frame_udp(right, spec, "x", 1);
        ck_assert(!frame_ip4_checksum_good(frame + 14));
        memcpy(frame + 24, right + 24, 2);
        ck_assert_msg(memcmp(frame, right, bytes) == 0, "error %u", error);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ttl");
    TCase *tc = tcase_create("ttl");
    tcase_add_test(tc, repairs_each_group_and_port);
    tcase_add_test(tc, repairs_only_what_is_switched_on);
    tcase_add_test(tc, looks_at_the_destination_port_only);
    tcase_add_test(tc, leaves_unicast_alone);
    tcase_add_test(tc, heeds_options_and_fragments_of_ipv4);
    tcase_add_test(tc, heeds_extensions_and_fragments_of_ipv6);
    tcase_add_test(tc, judges_later_fragments_by_group_and_protocol);
    tcase_add_test(tc, never_touches_control_protocols);
    tcase_add_test(tc, leaves_broken_packets_alone);
    tcase_add_test(tc, mends_no_checksum);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
