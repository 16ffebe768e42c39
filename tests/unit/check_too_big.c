/* SPDX-License-Identifier: MIT
 *
 * check_too_big.c - whom an ICMP error tells what fits, its octets, and that fragments make the
 * packet they were cut from.
 *
 * The expected frames are built by frames.h, which sums octet by octet and knows nothing of
 * checksum.c.
 */
#include "frame/too_big.h"
#include "frames.h"

#include <check.h>

enum {
    LAN_TCI = 0xa005, /* priority 5, VLAN 5 */
    FRAME_MAX = 65535,
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
            uint8_t frame[FRAME_BYTES_MAX], want[FRAME_BYTES_MAX];
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
        size_t bytes = answer_to(frame, frame_of(frame, spec_of(v6, 0), UDP, 1500), 1400, first);
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
    ck_assert_uint_eq(answer_to(frame, frame_of(frame, spec_of(false, 3), UDP, 1500), 68, out), 0);
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

/* ---- cutting ---- */

/* An IPv4 frame with any payload up to the largest; returns its length. */
static size_t large_frame(uint8_t *frame, struct frame_spec spec, size_t payload_bytes)
{
    size_t at = frame_ether(frame, spec, 0x0800);
    at += frame_ip4_header(frame + at, spec, 50, payload_bytes);
    fill(frame + at, payload_bytes);
    return at + payload_bytes;
}

static struct frame_spec spec_to_cut(uint8_t tags, uint16_t fragment_field, size_t options_bytes)
{
    static const uint8_t OPTIONS[40] = {148, 4, 0, 0, 130, 11, 1, 2, 3};
    struct frame_spec spec = spec_of(false, tags);
    spec.fragment_field = fragment_field;
    spec.ip_options = OPTIONS;
    spec.ip_options_bytes = options_bytes;
    return spec;
}

/* Cuts and puts together again; every header must be the original's but for what a router
 * changes. Returns the number of fragments. */
static unsigned require_cut(struct frame_spec spec, size_t payload_bytes, uint16_t mtu_bytes)
{
    static uint8_t frame[FRAME_MAX], kept[FRAME_MAX], piece[FRAME_MAX], wanted[128];
    size_t padding = 6, at = 14 + 4u * spec.vlan_tags, header_bytes = 20 + spec.ip_options_bytes;
    size_t bytes = large_frame(frame, spec, payload_bytes), covered = 0, got;
    struct packet p;
    struct too_big_cutter cutter;
    unsigned count = 0;
    memset(frame + bytes, 0xee, padding);
    memcpy(kept, frame, bytes + padding);
    ck_assert(packet_parse(&p, frame, bytes + padding));
    ck_assert(too_big_cut(&cutter, &p, mtu_bytes));
    for (; (got = too_big_next(&cutter, piece, at + mtu_bytes)) > 0; count++) {
        size_t data_bytes = got - at - header_bytes;
        bool last = covered + data_bytes == payload_bytes;
        ck_assert_uint_le(got, at + mtu_bytes);
        ck_assert(last || (data_bytes % 8 == 0 && data_bytes + 8 > mtu_bytes - header_bytes));
        ck_assert(
            memcmp(piece + at + header_bytes, kept + at + header_bytes + covered, data_bytes) == 0);

        memcpy(wanted, kept, at + header_bytes);
        uint8_t *ip = wanted + at;
        store_be16(ip + 2, (uint16_t)(header_bytes + data_bytes));
        store_be16(ip + 6, (uint16_t)((spec.fragment_field + covered / 8) | (last ? 0u : MF)));
        sum_ip4(ip);
        ck_assert_msg(memcmp(piece, wanted, at + header_bytes) == 0, "headers of piece %u", count);
        covered += data_bytes;
    }
    ck_assert_uint_eq(covered, payload_bytes);
    ck_assert_uint_eq(too_big_next(&cutter, piece, sizeof piece), 0);
    ck_assert(memcmp(frame, kept, bytes + padding) == 0);
    return count;
}

START_TEST(cuts_and_fits_together)
{
    static const uint16_t FIELD[] = {0, MF, 1, MF | 100, 0x8000, 0x1c00};
    static const uint16_t MTU[] = {68, 69, 75, 76, 77, 576, 1279, 1280, 1281, 1386};
    static const size_t OPTIONS[] = {0, 4, 20, 40};
    for (size_t m = 0; m < sizeof MTU / sizeof MTU[0]; m++) {
        for (size_t f = 0; f < sizeof FIELD / sizeof FIELD[0]; f++) {
            for (size_t o = 0; o < sizeof OPTIONS / sizeof OPTIONS[0]; o++) {
                struct frame_spec spec =
                    spec_to_cut((uint8_t)((m + f + o) % 3), FIELD[f], OPTIONS[o]);
                /* The last may be as long as fits, the others are a multiple of 8. */
                size_t fits = MTU[m] - 20u - OPTIONS[o], room = fits / 8 * 8;
                for (size_t more = 1; more <= 18; more++)
                    ck_assert_uint_eq(require_cut(spec, fits + more, MTU[m]),
                                      1 + (more + room - 1) / room);
                require_cut(spec, 4000, MTU[m]);
            }
        }
    }
}
END_TEST

START_TEST(cuts_into_as_few_as_may_be)
{
    static const struct {
        size_t options_bytes, payload_bytes;
        uint16_t mtu_bytes;
        unsigned want;
    } ROW[] = {
        {0, 1480, 1499, 2},  {0, 1480, 1426, 2}, {0, 1480, 1280, 2},   {0, 1480, 764, 2},
        {0, 1480, 763, 3},   {0, 1480, 576, 3},  {0, 1480, 68, 31},    {40, 16, 68, 2},
        {40, 1440, 68, 180}, {0, 2961, 1500, 3}, {0, 65000, 1500, 44}, {0, 65000, 65019, 2},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct frame_spec spec = spec_to_cut(0, 0, ROW[i].options_bytes);
        unsigned got = require_cut(spec, ROW[i].payload_bytes, ROW[i].mtu_bytes);
        ck_assert_msg(got == ROW[i].want, "row %zu: %u pieces, not %u", i, got, ROW[i].want);
    }
}
END_TEST

/* Nothing is cut, and nothing comes out. */
static void require_uncut(const char *what, uint8_t *frame, size_t bytes, uint16_t mtu_bytes)
{
    struct packet p;
    struct too_big_cutter cutter;
    uint8_t piece[FRAME_BYTES_MAX];
    memset(&cutter, 0xff, sizeof cutter);
    ck_assert(packet_parse(&p, frame, bytes));
    ck_assert_msg(!too_big_cut(&cutter, &p, mtu_bytes), "%s", what);
    ck_assert_msg(too_big_next(&cutter, piece, sizeof piece) == 0, "%s: a piece", what);
}

START_TEST(cuts_nothing_else)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct frame_spec spec = spec_to_cut(0, 0, 0);
    require_uncut("fits", frame, large_frame(frame, spec, 1380), 1400);
    require_uncut("fits with padding", frame, large_frame(frame, spec, 26) + 30, 68);
    require_uncut("no payload", frame, large_frame(frame, spec, 0), 68);
    require_uncut("MTU 67", frame, large_frame(frame, spec, 1480), 67);
    require_uncut("MTU 0", frame, large_frame(frame, spec, 1480), 0);
    require_uncut("MTU 19", frame, large_frame(frame, spec, 1480), 19);
    require_uncut("DF", frame, large_frame(frame, spec_to_cut(0, DF, 0), 1480), 1400);
    require_uncut("DF, MF", frame, large_frame(frame, spec_to_cut(0, DF | MF, 0), 1480), 1400);
    require_uncut("IPv6", frame, frame_of(frame, spec_of(true, 0), UDP, 1500), 1400);
    require_uncut("three tags", frame, large_frame(frame, spec_to_cut(3, 0, 0), 1480), 1400);
    size_t bytes = frame_arp(frame, spec, FRAME_ARP_REQUEST, frame_mac(0));
    require_uncut("ARP", frame, bytes + 1400, 68);

    bytes = large_frame(frame, spec, 1480);
    frame[14 + 10] ^= 1;
    require_uncut("header checksum", frame, bytes, 1400);
    frame[14 + 10] ^= 1;
    frame[14] = 0x44;
    require_uncut("header too short", frame, bytes, 1400);
    require_uncut("not all there", frame, large_frame(frame, spec, 1480) - 1, 1400);
    bytes = frame_of(frame, spec, UDP, 1500);
    frame[14 + 9] = 6; /* as TCP: */
    frame[14 + 20 + 12] = 0x40;
    sum_ip4(frame + 14);
    require_uncut("malformed TCP", frame, bytes, 1400);
}
END_TEST

/* The last octet a datagram can have is number 65534, its header counted. */
START_TEST(cuts_nothing_that_ends_beyond_a_datagram)
{
    static const struct {
        size_t offset_units, payload_bytes;
        bool cut;
    } ROW[] = {
        {8191 - 185, 1467, true}, {8191 - 185, 1468, false}, {8191, 1480, false},
        {8191 - 184, 1459, true}, {8191 - 184, 1460, false}, {0, 1480, true},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct frame_spec spec = spec_to_cut(0, (uint16_t)ROW[i].offset_units, 0);
        if (ROW[i].cut)
            ck_assert_uint_eq(require_cut(spec, ROW[i].payload_bytes, 1400), 2);
        else
            require_uncut("beyond", frame, large_frame(frame, spec, ROW[i].payload_bytes), 1400);
    }
}
END_TEST

START_TEST(copies_the_options_that_say_so)
{
    static const struct {
        const char *what;
        uint8_t first[12], later[12];
        bool malformed;
    } ROW[] = {
        {"none but padding", {0}, {0}, false},
        {"NOPs", {1, 1, 1, 1}, {1, 1, 1, 1}, false},
        {"record route", {7, 7, 4, 9, 9, 9, 9}, {1, 1, 1, 1, 1, 1, 1}, false},
        {"timestamp", {68, 8, 5, 0, 1, 2, 3, 4}, {1, 1, 1, 1, 1, 1, 1, 1}, false},
        {"router alert", {148, 4, 0, 0}, {148, 4, 0, 0}, false},
        {"source route", {137, 7, 4, 1, 2, 3, 4}, {137, 7, 4, 1, 2, 3, 4}, false},
        {"one of each",
         {7, 3, 4, 148, 4, 0, 0, 68, 4, 5, 0, 1},
         {1, 1, 1, 148, 4, 0, 0, 1, 1, 1, 1, 1},
         false},
        {"behind the end", {0, 7, 3, 4, 7, 0}, {0, 7, 3, 4, 7, 0}, false},
        {"shortest", {7, 2, 148, 2}, {1, 1, 148, 2}, false},
        {"to the last octet",
         {1, 7, 11, 4, 9, 9, 9, 9, 9, 9, 9, 9},
         {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
         false},
        {"length 0", {7, 0, 4}, {0}, true},
        {"length 1", {148, 1, 4}, {0}, true},
        {"beyond the header", {1, 7, 12, 4}, {0}, true},
        {"no length", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 7}, {0}, true},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], piece[FRAME_BYTES_MAX];
        struct frame_spec spec = spec_of(false, 1);
        struct too_big_cutter cutter;
        struct packet p;
        spec.fragment_field = 0;
        spec.ip_options = ROW[i].first;
        spec.ip_options_bytes = 12;
        size_t bytes = large_frame(frame, spec, 200);
        if (ROW[i].malformed) {
            require_uncut(ROW[i].what, frame, bytes, 100);
            continue;
        }
        ck_assert(packet_parse(&p, frame, bytes) && too_big_cut(&cutter, &p, 100));
        for (unsigned n = 0; n < 4; n++) {
            ck_assert_uint_ne(too_big_next(&cutter, piece, 118), 0);
            const uint8_t *want = n == 0 ? ROW[i].first : ROW[i].later;
            ck_assert_msg(memcmp(piece + 18 + 20, want, 12) == 0, "%s, piece %u", ROW[i].what, n);
            ck_assert(frame_ip4_checksum_good(piece + 18));
        }
        ck_assert_uint_eq(too_big_next(&cutter, piece, 118), 0);
    }
}
END_TEST

START_TEST(heeds_the_capacity)
{
    uint8_t frame[FRAME_BYTES_MAX], piece[FRAME_BYTES_MAX];
    struct packet p;
    struct too_big_cutter cutter;
    size_t bytes = large_frame(frame, spec_to_cut(0, 0, 0), 1480);
    ck_assert(packet_parse(&p, frame, bytes) && too_big_cut(&cutter, &p, 1426));
    ck_assert_uint_eq(too_big_next(&cutter, piece, 0), 0);
    ck_assert_uint_eq(too_big_next(&cutter, piece, 14 + 20 + 1399), 0);
    ck_assert_uint_eq(too_big_next(&cutter, piece, 14 + 20 + 1400), 14 + 20 + 1400);
    ck_assert_uint_eq(too_big_next(&cutter, piece, 14 + 20 + 79), 0);
    ck_assert_uint_eq(too_big_next(&cutter, piece, 14 + 20 + 80), 14 + 20 + 80);
    ck_assert_uint_eq(too_big_next(&cutter, piece, sizeof piece), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("too_big");
    TCase *icmp = tcase_create("icmp"), *cut = tcase_create("cut");
    tcase_add_test(icmp, tells_what_fits);
    tcase_add_test(icmp, fills_what_an_error_may_hold);
    tcase_add_test(icmp, does_not_answer_itself);
    tcase_add_test(icmp, tells_senders_of_ipv4_with_df_only);
    tcase_add_test(icmp, passes_extension_headers);
    tcase_add_test(icmp, tells_single_hosts_only);
    tcase_add_test(icmp, answers_no_group_mac);
    tcase_add_test(icmp, answers_no_icmp_error);
    tcase_add_test(icmp, answers_no_icmp_whose_type_is_cut_off);
    tcase_add_test(icmp, answers_nothing_malformed);
    tcase_add_test(icmp, answers_ip_only);
    tcase_add_test(icmp, allows_ten_at_once_and_ten_a_second);
    tcase_add_test(cut, cuts_and_fits_together);
    tcase_add_test(cut, cuts_into_as_few_as_may_be);
    tcase_add_test(cut, cuts_nothing_else);
    tcase_add_test(cut, cuts_nothing_that_ends_beyond_a_datagram);
    tcase_add_test(cut, copies_the_options_that_say_so);
    tcase_add_test(cut, heeds_the_capacity);
    suite_add_tcase(s, icmp);
    suite_add_tcase(s, cut);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
