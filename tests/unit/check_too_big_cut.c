/* SPDX-License-Identifier: MIT
 *
 * check_too_big_cut.c - fragments make the packet they were cut from, with the headers a router
 * would give them; what may not be cut stays whole.
 */
#include "frame/too_big.h"
#include "frames.h"

#include <check.h>

enum { FRAME_MAX = 65535, DF = 0x4000, MF = 0x2000 };

static void sum_ip4(uint8_t *ip)
{
    store_be16(ip + 10, 0);
    store_be16(ip + 10, (uint16_t)~frame_sum(0, ip, (size_t)4 * (ip[0] & 0xf)));
}

/* An IPv4 frame with any payload up to the largest; returns its length. */
static size_t large_frame(uint8_t *frame, struct frame_spec spec, size_t payload_bytes)
{
    size_t at = frame_ether(frame, spec, 0x0800);
    at += frame_ip4_header(frame + at, spec, 50, payload_bytes);
    for (size_t i = 0; i < payload_bytes; i++)
        frame[at + i] = (uint8_t)(i * 7 + i / 256); /* no two places nearby look alike */
    return at + payload_bytes;
}

static struct frame_spec spec_to_cut(uint8_t tags, uint16_t fragment_field, size_t options_bytes)
{
    static const uint8_t OPTIONS[40] = {148, 4, 0, 0, 130, 11, 1, 2, 3};
    return (struct frame_spec){.ip_source = frame_ip("192.168.1.2"),
                               .ip_destination = frame_ip("192.168.1.3"),
                               .ttl = 7,
                               .fragment_field = fragment_field,
                               .ip_options = OPTIONS,
                               .ip_options_bytes = options_bytes,
                               .vlan_tags = tags,
                               .vlan_tci = 0xa005}; /* priority 5, VLAN 5 */
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
    uint8_t piece[FRAME_BYTES_MAX];
    struct too_big_cutter cutter = {.frame = frame, .network_end = 100, .room_bytes = 100};
    ck_assert(packet_parse(&p, frame, bytes));
    ck_assert_msg(!too_big_cut(&cutter, &p, mtu_bytes), "%s", what);
    ck_assert_msg(too_big_next(&cutter, piece, sizeof piece) == 0, "%s: a piece", what);
}

START_TEST(cuts_nothing_else)
{
    uint8_t frame[FRAME_BYTES_MAX] = {0}, upper[1480] = {0};
    struct frame_spec spec = spec_to_cut(0, 0, 0);
    struct frame_spec v6 = {.ip_source = frame_ip("2001:db8::1"),
                            .ip_destination = frame_ip("2001:db8::2")};
    require_uncut("fits", frame, large_frame(frame, spec, 1380), 1400);
    require_uncut("fits with padding", frame, large_frame(frame, spec, 26) + 30, 68);
    require_uncut("no payload", frame, large_frame(frame, spec, 0), 68);
    require_uncut("MTU 67", frame, large_frame(frame, spec, 1480), 67);
    require_uncut("MTU 0", frame, large_frame(frame, spec, 1480), 0);
    require_uncut("MTU 19", frame, large_frame(frame, spec, 1480), 19);
    require_uncut("DF", frame, large_frame(frame, spec_to_cut(0, DF, 0), 1480), 1400);
    require_uncut("DF, MF", frame, large_frame(frame, spec_to_cut(0, DF | MF, 0), 1480), 1400);
    require_uncut("IPv6", frame, frame_udp(frame, v6, upper, 1452), 1400);
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
    upper[12] = 0x40; /* 16 bytes long, it says */
    bytes = frame_packet(frame, spec, 6, upper, sizeof upper);
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
        struct frame_spec spec = spec_to_cut(1, 0, 12);
        struct too_big_cutter cutter;
        struct packet p;
        spec.ip_options = ROW[i].first;
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
    Suite *s = suite_create("too_big_cut");
    TCase *tc = tcase_create("cut");
    tcase_add_test(tc, cuts_and_fits_together);
    tcase_add_test(tc, cuts_into_as_few_as_may_be);
    tcase_add_test(tc, cuts_nothing_else);
    tcase_add_test(tc, cuts_nothing_that_ends_beyond_a_datagram);
    tcase_add_test(tc, copies_the_options_that_say_so);
    tcase_add_test(tc, heeds_the_capacity);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
