/* SPDX-License-Identifier: MIT
 *
 * check_too_big.c - whom an ICMP error tells what fits, and its octets.
 *
 * The expected frames are built by frames.h, which sums octet by octet and knows nothing of
 * checksum.c.
 */
#include "frame/too_big.h"
#include "frames.h"

#include <check.h>

enum {
    LAN_TCI = 0xa005, /* priority 5, VLAN 5 */
    DF = 0x4000,
    MF = 0x2000,
    UDP = 17,
    ICMP = 1,
    ICMPV6 = 58,
};

static struct frame_spec spec_of(bool v6, uint8_t tags)
{
    return (struct frame_spec){.ip_source = frame_ip(v6 ? "2001:db8::1" : "192.168.1.2"),
                               .ip_destination = frame_ip(v6 ? "2001:db8::2" : "192.168.1.3"),
                               .ttl = 7,
                               .fragment_field = DF,
                               .vlan_tags = tags,
                               .vlan_tci = LAN_TCI};
}

/* Octets in which no two places look alike. */
static void fill(uint8_t *bytes, size_t count)
{
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

static void sum_ip4(uint8_t *ip)
{
    store_be16(ip + 10, 0);
    store_be16(ip + 10, (uint16_t)~frame_sum(0, ip, (size_t)4 * (ip[0] & 0xf)));
}

/* A frame whose IP packet has @packet_bytes. */
static size_t frame_of(uint8_t *frame, struct frame_spec spec, uint8_t protocol,
                       size_t packet_bytes)
{
    uint8_t upper[FRAME_BYTES_MAX];
    size_t header_bytes = spec.ip_destination.family == IP_V4 ? 20 + spec.ip_options_bytes
                                                              : 40 + spec.extensions_bytes;
    fill(upper, packet_bytes - header_bytes);
    if (protocol == UDP)
        store_be16(upper + 4, (uint16_t)(packet_bytes - header_bytes));
    return frame_packet(frame, spec, protocol, upper, packet_bytes - header_bytes);
}

/* ---- the answer's octets ---- */

/* What must come back: built anew from the other side's point of view. */
static size_t build_answer(uint8_t *out, struct frame_spec asked, const uint8_t *quote,
                           size_t quote_bytes, uint16_t mtu_bytes)
{
    bool v4 = asked.ip_source.family == IP_V4;
    size_t room = v4 ? 576 - 28 : 1280 - 48;
    uint8_t icmp[1280] = {v4 ? 3 : 2,        v4 ? 4 : 0, 0, 0, 0, 0, (uint8_t)(mtu_bytes >> 8),
                          (uint8_t)mtu_bytes};
    struct frame_spec spec = {.destination = frame_mac(1),
                              .source = frame_mac(2),
                              .vlan_tags = asked.vlan_tags,
                              .vlan_tci = asked.vlan_tci,
                              .ip_source = asked.ip_destination,
                              .ip_destination = asked.ip_source,
                              .fragment_field = DF,
                              .ttl = 64};
    size_t bytes = 8 + (quote_bytes < room ? quote_bytes : room);
    memcpy(icmp + 8, quote, bytes - 8);
    if (!v4)
        return frame_summed(out, spec, ICMPV6, icmp, bytes, 2);
    store_be16(icmp + 2, (uint16_t)~frame_sum(0, icmp, bytes));
    uint8_t *ip = out + 14 + 4 * asked.vlan_tags;
    size_t frame_bytes = frame_packet(out, spec, ICMP, icmp, bytes);
    store_be16(ip + 4, 0);
    sum_ip4(ip);
    return frame_bytes;
}

static size_t answer_to(uint8_t *frame, size_t bytes, uint16_t mtu_bytes, uint8_t *out)
{
    struct packet p;
    uint8_t kept[FRAME_BYTES_MAX];
    memcpy(kept, frame, bytes);
    ck_assert(packet_parse(&p, frame, bytes));
    size_t got = too_big_icmp(&p, mtu_bytes, out);
    ck_assert_msg(memcmp(kept, frame, bytes) == 0, "the packet was changed");
    return got;
}

START_TEST(tells_what_fits)
{
    static const struct {
        bool v6;
        uint16_t packet_bytes, mtu_bytes;
        bool told;
    } ROW[] = {
        {false, 1500, 1426, true},   {false, 1427, 1426, true}, {false, 1426, 1426, false},
        {false, 1425, 1426, false},  {false, 1500, 68, true},   {false, 1500, 67, false},
        {false, 1500, 0, false},     {false, 69, 68, true},     {false, 68, 68, false},
        {false, 547, 68, true},      {false, 548, 68, true},    {false, 549, 68, true},
        {false, 1281, 1280, true},   {false, 1280, 1279, true}, {false, 1500, 1500, false},
        {false, 1900, 1500, true},   {true, 1500, 1406, true},  {true, 1407, 1406, true},
        {true, 1406, 1406, false},   {true, 1500, 1281, true},  {true, 1500, 1280, true},
        {true, 1281, 1280, true},    {true, 1280, 1280, false}, {true, 1500, 1279, false},
        {true, 1280, 1279, false},   {true, 1281, 1279, false}, {true, 1500, 0, false},
        {true, 1500, 1500, false},   {true, 1900, 1500, true},  {true, 1900, 65535, false},
        {false, 1900, 65535, false}, {false, 20, 68, false},    {true, 40, 1280, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[FRAME_BYTES_MAX], want[FRAME_BYTES_MAX] = {0};
            uint8_t got[TOO_BIG_FRAME_BYTES];
            struct frame_spec spec = spec_of(ROW[i].v6, tags);
            size_t at = 14 + 4u * tags, want_bytes = 0;
            size_t bytes = frame_of(frame, spec, 50, ROW[i].packet_bytes);
            if (ROW[i].told)
                want_bytes = build_answer(want, spec, frame + at, bytes - at, ROW[i].mtu_bytes);
            memset(frame + bytes, 0, 8); /* Ethernet padding: neither counted nor quoted */
            size_t got_bytes = answer_to(frame, bytes + 8, ROW[i].mtu_bytes, got);
            ck_assert_msg(got_bytes == want_bytes, "row %zu, %u tags: %zu bytes, not %zu", i, tags,
                          got_bytes, want_bytes);
            ck_assert_msg(memcmp(got, want, want_bytes) == 0, "row %zu: octets differ", i);
        }
    }
}
END_TEST

START_TEST(fills_what_an_error_may_hold)
{
    static const struct {
        bool v6;
        uint8_t tags;
        size_t want_bytes;
    } ROW[] = {
        {false, 0, 14 + 576}, {false, 1, 18 + 576}, {false, 2, 22 + 576},
        {true, 0, 14 + 1280}, {true, 1, 18 + 1280}, {true, 2, TOO_BIG_FRAME_BYTES},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], out[TOO_BIG_FRAME_BYTES];
        size_t bytes = frame_of(frame, spec_of(ROW[i].v6, ROW[i].tags), UDP, 1500);
        ck_assert_uint_eq(answer_to(frame, bytes, 1400, out), ROW[i].want_bytes);
    }
}
END_TEST

/* Who gets the error must not answer it, whatever fits. */
START_TEST(does_not_answer_itself)
{
    for (unsigned v6 = 0; v6 < 2; v6++) {
        uint8_t frame[FRAME_BYTES_MAX], first[TOO_BIG_FRAME_BYTES], second[TOO_BIG_FRAME_BYTES];
        size_t bytes = frame_of(frame, spec_of(v6, 0), UDP, 1500);
        bytes = answer_to(frame, bytes, 1400, first);
        ck_assert_uint_ne(bytes, 0);
        ck_assert_uint_eq(answer_to(first, bytes, 68, second), 0);
    }
}
END_TEST

/* ---- who is not told ---- */

static bool told(struct frame_spec spec, uint8_t protocol)
{
    uint8_t frame[FRAME_BYTES_MAX], out[TOO_BIG_FRAME_BYTES];
    size_t bytes = frame_of(frame, spec, protocol, 1500);
    return answer_to(frame, bytes, 1400, out) != 0;
}

START_TEST(tells_senders_of_ipv4_with_df_only)
{
    static const struct {
        uint16_t field;
        bool told;
    } ROW[] = {
        {DF, true},           {0, false},           {DF | 0x8000, true}, {0x8000, false},
        {DF | MF, true},      {MF, false},          {DF | 1, false},     {1, false},
        {DF | MF | 1, false}, {DF | 0x1fff, false}, {MF | 1, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct frame_spec spec = spec_of(false, 0);
        spec.fragment_field = ROW[i].field;
        ck_assert_msg(told(spec, UDP) == ROW[i].told, "field %04x", ROW[i].field);
    }
}
END_TEST

START_TEST(passes_extension_headers)
{
    const struct {
        const char *what;
        uint8_t first;
        const uint8_t *chain;
        size_t chain_bytes;
        bool told;
    } ROW[] = {
        {"none", 0, NULL, 0, true},
        {"hop by hop", 0, FRAME_CHAIN(17, 0, 1, 4, 0, 0, 0, 0), true},
        {"atomic fragment", 44, FRAME_CHAIN(17, 0, 0, 0, 0, 0, 0, 1), true},
        {"first fragment", 44, FRAME_CHAIN(17, 0, 0, 1, 0, 0, 0, 1), true},
        {"later fragment", 44, FRAME_CHAIN(17, 0, 0, 8, 0, 0, 0, 1), false},
        {"last fragment", 44, FRAME_CHAIN(17, 0, 0, 9, 0, 0, 0, 1), false},
        {"cut off: malformed", 60, FRAME_CHAIN(17, 255, 1, 4, 0, 0, 0, 0), false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct frame_spec spec = spec_of(true, 0);
        spec.extensions = ROW[i].chain;
        spec.extensions_bytes = ROW[i].chain_bytes;
        spec.extension_type = ROW[i].first;
        ck_assert_msg(told(spec, UDP) == ROW[i].told, "%s", ROW[i].what);
    }
}
END_TEST

START_TEST(tells_single_hosts_only)
{
    static const struct {
        const char *address;
        bool told;
    } ROW[] = {
        {"192.168.1.9", true},
        {"10.255.255.255", true},
        {"1.0.0.0", true},
        {"169.254.3.4", true},
        {"126.1.1.1", true},
        {"128.0.0.1", true},
        {"223.255.255.255", true},
        {"0.0.0.0", false},
        {"0.1.2.3", false},
        {"127.0.0.1", false},
        {"127.255.1.1", false},
        {"224.0.0.1", false},
        {"239.255.255.250", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"2001:db8::9", true},
        {"fe80::1", true},
        {"fd00::1", true},
        {"::2", true},
        {"fe00::1", true},
        {"::", false},
        {"::1", false},
        {"::ffff:192.168.1.9", false},
        {"ff02::1", false},
        {"ff02::fb", false},
        {"ff0e::1", false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct ip_address address = frame_ip(ROW[i].address);
        bool v6 = address.family == IP_V6;
        struct frame_spec from = spec_of(v6, 0), to = spec_of(v6, 0);
        from.ip_source = address;
        to.ip_destination = address;
        to.destination = frame_mac(2);
        ck_assert_msg(told(from, UDP) == ROW[i].told, "from %s", ROW[i].address);
        ck_assert_msg(told(to, UDP) == ROW[i].told, "to %s", ROW[i].address);
    }
}
END_TEST

START_TEST(answers_no_group_mac)
{
    const struct {
        struct mac mac;
        bool told;
    } ROW[] = {
        {frame_mac(9), true},
        {{{0x00, 0x11, 0x22, 0x33, 0x44, 0x55}}, true},
        {{{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}}, true},
        {frame_broadcast(), false},
        {{{0x01, 0x00, 0x5e, 0, 0, 1}}, false},
        {{{0x33, 0x33, 0, 0, 0, 1}}, false},
        {{{0x03, 0, 0, 0, 0, 1}}, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (unsigned v6 = 0; v6 < 2; v6++) {
            struct frame_spec from = spec_of(v6, 1), to = spec_of(v6, 1);
            from.source = ROW[i].mac;
            to.destination = ROW[i].mac;
            ck_assert_msg(told(from, UDP) == ROW[i].told, "source %zu", i);
            ck_assert_msg(told(to, UDP) == ROW[i].told, "destination %zu", i);
        }
    }
}
END_TEST

START_TEST(answers_no_icmp_error)
{
    for (unsigned type = 0; type < 256; type++) {
        uint8_t frame[FRAME_BYTES_MAX], out[TOO_BIG_FRAME_BYTES], icmp[1460] = {(uint8_t)type};
        size_t bytes = frame_packet(frame, spec_of(false, 0), ICMP, icmp, sizeof icmp);
        bool query = type == 0 || type == 8 || (type >= 13 && type <= 18);
        ck_assert_msg((answer_to(frame, bytes, 1400, out) != 0) == query, "ICMP %u", type);

        bytes = frame_packet(frame, spec_of(true, 0), ICMPV6, icmp, sizeof icmp);
        bool informational = type >= 128 && type != FRAME_REDIRECT;
        ck_assert_msg((answer_to(frame, bytes, 1400, out) != 0) == informational, "ICMPv6 %u",
                      type);

        /* Under the other's number they are just some protocol. */
        bytes = frame_packet(frame, spec_of(false, 0), ICMPV6, icmp, sizeof icmp);
        ck_assert(answer_to(frame, bytes, 1400, out) != 0);
        bytes = frame_packet(frame, spec_of(true, 0), ICMP, icmp, sizeof icmp);
        ck_assert(answer_to(frame, bytes, 1400, out) != 0);
    }
}
END_TEST

/* With IPv4 the type is always there: what does not fit 68 bytes holds more than a header. */
START_TEST(answers_no_icmp_whose_type_is_cut_off)
{
    uint8_t chain[1304] = {[0] = 44, 161, 1, 4, [1296] = ICMPV6, [1299] = 1};
    struct frame_spec spec = spec_of(true, 0);
    spec.extensions = chain; /* destination options of 1296 bytes, and a first fragment's header */
    spec.extensions_bytes = sizeof chain;
    spec.extension_type = 60;
    spec.destination = (struct mac){{128}}; /* what is at the frame's offset 0 is no type */
    for (size_t upper_bytes = 0; upper_bytes <= 8; upper_bytes++) {
        static const uint8_t echo[8] = {128};
        uint8_t frame[FRAME_BYTES_MAX], out[TOO_BIG_FRAME_BYTES];
        size_t bytes = frame_packet(frame, spec, ICMPV6, echo, upper_bytes);
        ck_assert_uint_eq(answer_to(frame, bytes, 1280, out) != 0, upper_bytes >= 4);
    }
}
END_TEST

/* Frames that no router would look at: each is spoilt in one place. */
START_TEST(answers_nothing_malformed)
{
    static const struct {
        const char *what;
        bool v6;
        size_t at; /* in the frame */
        uint8_t value;
    } ROW[] = {
        {"no change v4", false, 0, 2},
        {"no change v6", true, 0, 2},
        {"ether type", false, 12, 0x88},
        {"version of v4", false, 14, 0x65},
        {"header too short", false, 14, 0x44},
        {"header checksum", false, 24, 0x5a},
        {"source", false, 29, 99},
        {"longer than it is", false, 16, 0x7f},
        {"version of v6", true, 14, 0x40},
        {"v6 longer than it is", true, 18, 0x7f},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], out[TOO_BIG_FRAME_BYTES];
        size_t bytes = frame_of(frame, spec_of(ROW[i].v6, 0), UDP, 1500);
        frame[ROW[i].at] = ROW[i].value;
        ck_assert_msg((answer_to(frame, bytes, 1400, out) != 0) == (i < 2), "%s", ROW[i].what);
    }
}
END_TEST

START_TEST(answers_ip_only)
{
    uint8_t frame[FRAME_BYTES_MAX] = {0}, out[TOO_BIG_FRAME_BYTES];
    size_t bytes = frame_arp(frame, spec_of(false, 0), FRAME_ARP_REPLY, frame_mac(2));
    memcpy(frame, frame_mac(2).octet, 6);
    ck_assert_uint_eq(answer_to(frame, bytes + 1400, 68, out), 0);
    ck_assert_uint_eq(answer_to(frame, bytes, 0, out), 0);
    store_be16(frame + 12, 0x8863); /* PPPoE */
    ck_assert_uint_eq(answer_to(frame, 1514, 68, out), 0);
    store_be16(frame + 12, 1400); /* 802.3 */
    ck_assert_uint_eq(answer_to(frame, 1514, 68, out), 0);
    bytes = frame_of(frame, spec_of(false, 3), UDP, 1500);
    ck_assert_uint_eq(answer_to(frame, bytes, 68, out), 0);
}
END_TEST

/* ---- how often ---- */

START_TEST(allows_ten_at_once_and_ten_a_second)
{
    static const uint64_t START_US[] = {0, 1, 99999, 1000000, 5000000000, UINT64_MAX / 2};
    for (size_t i = 0; i < sizeof START_US / sizeof START_US[0]; i++) {
        struct too_big_limit limit = {0};
        uint64_t now_us = START_US[i];
        for (unsigned n = 0; n < 10; n++)
            ck_assert_msg(too_big_allows(&limit, now_us), "%u", n);
        ck_assert(!too_big_allows(&limit, now_us));
        ck_assert(!too_big_allows(&limit, now_us + 99999));
        ck_assert(too_big_allows(&limit, now_us + 100000));
        ck_assert(!too_big_allows(&limit, now_us + 100000));
        ck_assert(!too_big_allows(&limit, now_us)); /* back in time */

        now_us += 3600u * 1000000ull; /* rest is not saved up */
        for (unsigned n = 0; n < 10; n++)
            ck_assert(too_big_allows(&limit, now_us));
        ck_assert(!too_big_allows(&limit, now_us));

        now_us += 10u * 1000000u;
        unsigned sent = 0;
        for (unsigned ms = 0; ms < 10000; ms++)
            sent += too_big_allows(&limit, now_us + ms * 1000u);
        ck_assert_uint_eq(sent, 10 + 99);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("too_big");
    TCase *tc = tcase_create("too_big");
    tcase_add_test(tc, tells_what_fits);
    tcase_add_test(tc, fills_what_an_error_may_hold);
    tcase_add_test(tc, does_not_answer_itself);
    tcase_add_test(tc, tells_senders_of_ipv4_with_df_only);
    tcase_add_test(tc, passes_extension_headers);
    tcase_add_test(tc, tells_single_hosts_only);
    tcase_add_test(tc, answers_no_group_mac);
    tcase_add_test(tc, answers_no_icmp_error);
    tcase_add_test(tc, answers_no_icmp_whose_type_is_cut_off);
    tcase_add_test(tc, answers_nothing_malformed);
    tcase_add_test(tc, answers_ip_only);
    tcase_add_test(tc, allows_ten_at_once_and_ten_a_second);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
