/* SPDX-License-Identifier: MIT
 *
 * check_offload.c - what a virtio-net header may say about a frame, as tables, and partial
 * checksums made whole against the slow sums of frames.h.
 */
#include "frame/offload.h"
#include "frames.h"

#include "frame/checksum.h"

#include <check.h>

enum { NEEDS_CHECKSUM = 1, DATA_VALID = 2 };
enum { TCP_V4 = 1, UFO = 3, TCP_V6 = 4, UDP_L4 = 5, ECN = 0x80 };

enum kind { TCP4, TCP6, UDP4, UDP6, KINDS };

static uint8_t frame[FRAME_BYTES_MAX], header[OFFLOAD_HEADER_BYTES];

static bool kind_is_v6(unsigned kind)
{
    return kind % 2 == 1;
}

static bool kind_is_udp(unsigned kind)
{
    return kind >= UDP4;
}

static size_t field_of(unsigned kind)
{
    return kind_is_udp(kind) ? 6 : 16;
}

static struct frame_spec spec_of(bool v6, uint8_t tags)
{
    return (struct frame_spec){.ip_source = frame_ip(v6 ? "2001:db8::1:2" : "10.0.0.1"),
                               .ip_destination = frame_ip(v6 ? "2001:db8::ffff:1" : "10.9.8.7"),
                               .vlan_tags = tags,
                               .ttl = 9,
                               .source_port = 50000,
                               .destination_port = 53};
}

static struct packet packet_of(size_t bytes)
{
    struct packet p;
    ck_assert(packet_parse(&p, frame, bytes));
    return p;
}

/* A whole frame with a complete checksum and @payload_bytes (TCP: rounded to options). */
static struct packet whole(unsigned kind, uint8_t tags, const void *payload, size_t payload_bytes)
{
    struct frame_spec spec = spec_of(kind_is_v6(kind), tags);
    uint8_t tcp[FRAME_BYTES_MAX - 200] = {0};
    if (kind_is_udp(kind))
        return packet_of(frame_udp(frame, spec, payload, payload_bytes));
    tcp[12] = 0x60;
    tcp[13] = FRAME_TCP_ACK;
    memcpy(tcp + 24, payload, payload_bytes);
    return packet_of(frame_summed(frame, spec, 6, tcp, 24 + payload_bytes, 16));
}

static void set_header(unsigned flags, unsigned type, size_t segment, size_t start, size_t offset)
{
    memset(header, 0, sizeof header);
    header[0] = (uint8_t)flags;
    header[1] = (uint8_t)type;
    header[2] = 0xee; /* length of headers: a hint that nobody needs */
    header[3] = 0xff;
    header[4] = (uint8_t)segment;
    header[5] = (uint8_t)(segment >> 8);
    header[6] = (uint8_t)start;
    header[7] = (uint8_t)(start >> 8);
    header[8] = (uint8_t)offset;
    header[9] = (uint8_t)(offset >> 8);
}

static void expect_equal(struct offload got, struct offload want, const char *what)
{
    ck_assert_msg(got.checksum_partial == want.checksum_partial, "%s: partial", what);
    ck_assert_msg(got.checksum_valid == want.checksum_valid, "%s: valid", what);
    ck_assert_msg(got.ecn == want.ecn && got.gso == want.gso, "%s: gso", what);
    ck_assert_msg(got.segment_bytes == want.segment_bytes, "%s: segment", what);
}

/* ---- reading ---- */

static uint8_t right_type(unsigned kind)
{
    static const uint8_t TYPE[KINDS] = {TCP_V4, TCP_V6, UDP_L4, UDP_L4};
    return TYPE[kind];
}

/* Each of the 256 types, for each kind of frame. */
START_TEST(takes_the_type_of_the_frame_only)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (unsigned type = 0; type < 256; type++) {
            struct packet p = whole(kind, 0, "payload", 7);
            struct offload got;
            bool ecn = type & ECN, large = (type & 0x7fu) == right_type(kind);
            set_header(NEEDS_CHECKSUM, type, 5, p.transport_offset, field_of(kind));
            bool good = type == 0 || (large && !(ecn && kind_is_udp(kind)));
            ck_assert_msg(offload_read(&got, header, &p) == good, "kind %u, type %u", kind, type);
            struct offload want = {.checksum_partial = true, .segment_bytes = type == 0 ? 0 : 5};
            want.gso = type == 0 ? OFFLOAD_WHOLE : kind_is_udp(kind) ? OFFLOAD_UDP : OFFLOAD_TCP;
            want.ecn = ecn;
            if (good)
                expect_equal(got, want, "type");
        }
    }
}
END_TEST

START_TEST(reads_every_flag)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        for (unsigned kind = 0; kind < KINDS; kind++) {
            struct packet p = whole(kind, 1, "payload", 7);
            struct offload got;
            bool partial = flags & NEEDS_CHECKSUM;
            struct offload want = {.checksum_partial = partial,
                                   .checksum_valid = !partial && (flags & DATA_VALID)};
            set_header(flags, 0, 1000, p.transport_offset, field_of(kind));
            ck_assert(offload_read(&got, header, &p));
            expect_equal(got, want, "whole");
            set_header(flags, right_type(kind), 1000, p.transport_offset, field_of(kind));
            want.gso = kind_is_udp(kind) ? OFFLOAD_UDP : OFFLOAD_TCP;
            want.segment_bytes = 1000;
            ck_assert(offload_read(&got, header, &p));
            expect_equal(got, want, "large");
        }
    }
}
END_TEST

START_TEST(refuses_segments_without_bytes)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        static const uint16_t SEGMENT[] = {0, 1, 255, 256, 1448, 65535};
        for (size_t i = 0; i < sizeof SEGMENT / sizeof SEGMENT[0]; i++) {
            struct packet p = whole(kind, 0, "payload", 7);
            struct offload got;
            set_header(1, right_type(kind), SEGMENT[i], p.transport_offset, field_of(kind));
            ck_assert_int_eq(offload_read(&got, header, &p), SEGMENT[i] != 0);
            ck_assert(SEGMENT[i] == 0 || got.segment_bytes == SEGMENT[i]);
        }
    }
}
END_TEST

/* A frame that was read stays as it was, but for a checksum elsewhere. */
START_TEST(refuses_large_frames_of_other_kinds)
{
    static const uint8_t upper[40] = {[12] = 0x50};
    static const struct {
        bool v6;
        uint8_t protocol;
        uint16_t fragment_field;
        size_t bytes;
    } ROW[] = {
        {false, 1, 0, 40},  {false, 47, 0, 40},     {true, 58, 0, 40},       {true, 59, 0, 40},
        {false, 6, 19, 40}, {false, 6, 0x2000, 40}, {false, 17, 0x2000, 40}, {false, 6, 0, 19},
        {false, 17, 0, 7},  {true, 17, 0, 7},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        static const uint8_t TYPE[] = {TCP_V4, TCP_V6, UDP_L4, ECN};
        for (unsigned t = 0; t < sizeof TYPE; t++) {
            struct frame_spec spec = spec_of(ROW[i].v6, 0);
            struct offload got;
            spec.fragment_field = ROW[i].fragment_field;
            size_t bytes = frame_packet(frame, spec, ROW[i].protocol, upper, ROW[i].bytes);
            struct packet p = packet_of(bytes);
            ck_assert(!offload_possible(&p));
            ck_assert_uint_eq(offload_headers_bytes(&p), 0);
            set_header(0, TYPE[t], 8, 0, 0);
            ck_assert_msg(!offload_read(&got, header, &p), "row %zu", i);
            set_header(1, TYPE[t], 8, p.network_offset + (ROW[i].v6 ? 40u : 20u), 6);
            ck_assert_msg(!offload_read(&got, header, &p), "row %zu", i);
        }
    }
}
END_TEST

/* ---- checksums elsewhere ---- */

/* A host leaves any checksum undone that is summed alike: here those of ICMPv6 and of GRE. */
START_TEST(finishes_other_checksums_at_once)
{
    for (uint8_t tags = 0; tags < 3; tags++) {
        uint8_t want[FRAME_BYTES_MAX], gre[30] = {0x80, 0, 8, 0, [9] = 77, [29] = 3};
        struct frame_spec v6 = spec_of(true, tags), v4 = spec_of(false, tags);
        struct offload got;
        size_t bytes = frame_icmp6(want, v6, 200, "odd", 3), at = 14u + 4u * tags + 40;
        memcpy(frame, want, bytes);
        store_be16(frame + at + 2, frame_pseudo_sum(&v6.ip_source, &v6.ip_destination, 58, 7));
        memset(frame + bytes, 0xaa, 9); /* padding is none of it */
        struct packet p = packet_of(bytes + 9);
        set_header(NEEDS_CHECKSUM | DATA_VALID, 0, 0, at, 2);
        ck_assert(offload_read(&got, header, &p));
        expect_equal(got, (struct offload){0}, "icmp6");
        ck_assert(memcmp(frame, want, bytes) == 0 && frame[bytes] == 0xaa);

        bytes = frame_packet(frame, v4, 47, gre, sizeof gre);
        p = packet_of(bytes);
        at = 14u + 4u * tags + 20;
        set_header(NEEDS_CHECKSUM, 0, 0, at, 4);
        ck_assert(offload_read(&got, header, &p));
        expect_equal(got, (struct offload){0}, "gre");
        ck_assert_uint_eq(load_be16(frame + at + 4), (uint16_t)~frame_sum(0, gre, sizeof gre));
    }
}
END_TEST

/* A packet within a packet, in one whose outer checksum is complete: UDP in UDP. */
START_TEST(finishes_within_a_tunnel)
{
    uint8_t inner[FRAME_BYTES_MAX], kept[FRAME_BYTES_MAX];
    struct frame_spec spec = spec_of(false, 0);
    struct offload got;
    size_t inner_bytes = frame_udp(inner, spec, "abcde", 5);
    uint16_t complete = load_be16(inner + 34 + 6);
    store_be16(inner + 34 + 6, frame_pseudo_sum(&spec.ip_source, &spec.ip_destination, 17, 13));
    size_t bytes = frame_udp(frame, spec, inner, inner_bytes), at = 34 + 8 + 34;
    memcpy(kept, frame, bytes);
    store_be16(kept + at + 6, complete);
    struct packet p = packet_of(bytes);
    set_header(NEEDS_CHECKSUM, 0, 0, at, 6);
    ck_assert(offload_read(&got, header, &p));
    expect_equal(got, (struct offload){0}, "tunnel");
    ck_assert(memcmp(frame, kept, bytes) == 0);
    /* cut alike, the tunnel's packet is not ours to understand */
    set_header(NEEDS_CHECKSUM, UDP_L4, 4, at, 6);
    ck_assert(!offload_read(&got, header, &p));
    ck_assert(memcmp(frame, kept, bytes) == 0);
}
END_TEST

/* A fragment's sum covers what is there; not IP at all: to the end of the frame. */
START_TEST(finishes_fragments_and_strangers)
{
    uint8_t udp[24] = {[3] = 53, [5] = 24, [7] = 99, [20] = 7};
    struct frame_spec spec = spec_of(false, 0);
    struct offload got;
    spec.fragment_field = 0x2000;
    struct packet p = packet_of(frame_packet(frame, spec, 17, udp, sizeof udp));
    ck_assert(p.transport_offset == 34 && p.fragment);
    set_header(NEEDS_CHECKSUM, 0, 0, 34, 6);
    ck_assert(offload_read(&got, header, &p));
    expect_equal(got, (struct offload){0}, "fragment");
    ck_assert_uint_eq(load_be16(frame + 34 + 6), (uint16_t)~frame_sum(0, udp, sizeof udp));

    size_t at = frame_ether(frame, spec, 0x8864);
    memcpy(frame + at, udp, sizeof udp);
    p = packet_of(at + sizeof udp);
    set_header(NEEDS_CHECKSUM, 0, 0, at, 6);
    ck_assert(offload_read(&got, header, &p));
    expect_equal(got, (struct offload){0}, "pppoe");
    ck_assert_uint_eq(load_be16(frame + at + 6), (uint16_t)~frame_sum(0, udp, sizeof udp));
}
END_TEST

/* As the kernel writes it: 0 would mean 'none' to UDP, and is the same number to others. */
START_TEST(writes_ones_for_zero)
{
    static const uint8_t upper[8] = {0xff, 0xff};
    struct offload got;
    struct packet p = packet_of(frame_packet(frame, spec_of(false, 0), 99, upper, sizeof upper));
    set_header(NEEDS_CHECKSUM, 0, 0, 34, 6);
    ck_assert(offload_read(&got, header, &p));
    ck_assert_uint_eq(load_be16(frame + 34 + 6), 0xffff);
}
END_TEST

/* Every start and offset around the edges: what lies outside is refused and nothing is touched. */
START_TEST(stays_within_the_packet)
{
    static const uint8_t upper[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    uint8_t kept[FRAME_BYTES_MAX];
    size_t bytes = frame_packet(frame, spec_of(false, 0), 99, upper, sizeof upper);
    memset(frame + bytes, 0x11, 16); /* padding, outside too */
    memcpy(kept, frame, bytes + 16);
    for (size_t start = 0; start < bytes + 20; start++) {
        for (size_t offset = 0; offset < bytes + 20; offset++) {
            struct packet p = packet_of(bytes + 16);
            struct offload got;
            size_t field = start + offset;
            bool inside = start >= 14 && field + 2 <= bytes;
            set_header(NEEDS_CHECKSUM, 0, 0, start, offset);
            ck_assert_int_eq(offload_read(&got, header, &p), inside);
            if (inside)
                memcpy(frame + field, kept + field, 2);
            ck_assert(memcmp(frame, kept, bytes + 16) == 0);
        }
    }
    struct packet p = packet_of(bytes);
    struct offload got;
    set_header(NEEDS_CHECKSUM, 0, 0, 65535, 65535);
    ck_assert(!offload_read(&got, header, &p));
}
END_TEST

/* Near misses of the frame's own checksum are another's; never 'partial', never large. */
START_TEST(knows_its_own_checksum)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (int off = -2; off <= 2; off++) {
            for (int more = -2; more <= 2; more++) {
                struct packet p = whole(kind, 0, "payload", 7);
                struct offload got;
                size_t start = (size_t)(p.transport_offset + off);
                size_t offset = (size_t)((int)field_of(kind) + more);
                bool own = off == 0 && more == 0;
                set_header(NEEDS_CHECKSUM, right_type(kind), 3, start, offset);
                ck_assert_int_eq(offload_read(&got, header, &p), own);
                set_header(NEEDS_CHECKSUM, 0, 0, start, offset);
                ck_assert(offload_read(&got, header, &p));
                ck_assert_int_eq(got.checksum_partial, own);
            }
        }
    }
}
END_TEST

/* ---- finishing ---- */

START_TEST(makes_partial_checksums_whole)
{
    static uint8_t payload[1400];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 167 + i / 256);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (uint8_t tags = 0; tags < 3; tags++) {
            for (size_t count = 0; count < sizeof payload; count += count < 70 ? 1 : 133) {
                struct packet p = whole(kind, tags, payload, count);
                uint8_t want[FRAME_BYTES_MAX], *field;
                size_t upper_bytes = p.network_end - p.transport_offset;
                memcpy(want, frame, p.frame_bytes);
                field = frame + p.transport_offset + field_of(kind);
                uint16_t pseudo = frame_pseudo_sum(&p.ip_source, &p.ip_destination,
                                                   kind_is_udp(kind) ? 17 : 6, upper_bytes);
                ck_assert_uint_eq(offload_pseudo_checksum(&p, upper_bytes), pseudo);
                ck_assert_uint_eq(offload_headers_bytes(&p),
                                  p.transport_offset + (kind_is_udp(kind) ? 8u : 24u));
                store_be16(field, pseudo);
                memset(frame + p.frame_bytes, 0xaa, 9); /* padding is none of it */
                struct packet padded = packet_of(p.frame_bytes + 9);
                offload_finish_checksum(&padded);
                ck_assert(memcmp(frame, want, p.frame_bytes) == 0);
            }
        }
    }
}
END_TEST

START_TEST(sends_no_zero_over_udp)
{
    uint8_t payload[2] = {0, 0};
    struct packet p = whole(UDP4, 0, payload, 2);
    memcpy(frame + 34 + 8, frame + 34 + 6, 2); /* now the sum is all ones */
    store_be16(frame + 34 + 6, offload_pseudo_checksum(&p, 10));
    offload_finish_checksum(&p);
    ck_assert_uint_eq(load_be16(frame + 34 + 6), 0xffff);
}
END_TEST

START_TEST(sums_large_pseudo_headers)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct packet p = whole(kind, 0, "x", 1);
        for (size_t bytes = 0; bytes < 65536; bytes += 251)
            ck_assert_uint_eq(offload_pseudo_checksum(&p, bytes),
                              frame_pseudo_sum(&p.ip_source, &p.ip_destination,
                                               kind_is_udp(kind) ? 17 : 6, bytes));
    }
}
END_TEST

START_TEST(finishes_nothing_that_cannot_be_partial)
{
    uint8_t kept[FRAME_BYTES_MAX];
    static const uint8_t upper[40] = {[12] = 0x50};
    for (unsigned n = 0; n < 4; n++) {
        struct frame_spec spec = spec_of(n == 0, 0);
        spec.fragment_field = n == 1 ? 0x2000 : n == 2 ? 0x0003 : 0;
        uint8_t protocol = n == 0 ? 58 : n == 3 ? 47 : 6;
        struct packet p = packet_of(frame_packet(frame, spec, protocol, upper, sizeof upper));
        memcpy(kept, frame, p.frame_bytes);
        offload_finish_checksum(&p);
        ck_assert(memcmp(frame, kept, p.frame_bytes) == 0);
    }
}
END_TEST

/* ---- writing ---- */

START_TEST(writes_these_octets)
{
    struct packet p = whole(TCP6, 2, "payload", 7); /* transport at 62, headers 86 */
    static const struct {
        struct offload offload;
        uint8_t want[OFFLOAD_HEADER_BYTES];
    } ROW[] = {
        {{0}, {0}},
        {{.checksum_valid = true}, {2}},
        {{.checksum_partial = true}, {1, 0, 0, 0, 0, 0, 62, 0, 16, 0}},
        {{.checksum_partial = true, .checksum_valid = true}, {1, 0, 0, 0, 0, 0, 62, 0, 16, 0}},
        {{.checksum_partial = true, .gso = OFFLOAD_TCP, .segment_bytes = 0x0512},
         {1, 4, 86, 0, 0x12, 0x05, 62, 0, 16, 0}},
        {{.checksum_partial = true, .gso = OFFLOAD_TCP, .segment_bytes = 9, .ecn = true},
         {1, 0x84, 86, 0, 9, 0, 62, 0, 16, 0}},
        {{.checksum_valid = true, .gso = OFFLOAD_TCP, .segment_bytes = 9}, {2, 4, 86, 0, 9}},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        memset(header, 0xcc, sizeof header);
        offload_write(header, &ROW[i].offload, &p);
        ck_assert_msg(memcmp(header, ROW[i].want, sizeof header) == 0, "row %zu", i);
    }
}
END_TEST

START_TEST(reads_what_it_wrote)
{
    for (unsigned n = 0; n < KINDS * 3 * 16; n++) {
        unsigned kind = n % KINDS, tags = n / KINDS % 3, bits = n / KINDS / 3;
        struct packet p = whole(kind, (uint8_t)tags, "payload", 7);
        struct offload got, want = {.checksum_partial = bits & 1,
                                    .checksum_valid = (bits & 3) == 2,
                                    .ecn = (bits & 12) == 12 && !kind_is_udp(kind)};
        if (bits & 4) {
            want.gso = kind_is_udp(kind) ? OFFLOAD_UDP : OFFLOAD_TCP;
            want.segment_bytes = 1234;
        }
        offload_write(header, &want, &p);
        ck_assert_uint_eq(header[1], bits & 4 ? right_type(kind) | (want.ecn ? ECN : 0) : 0);
        ck_assert(offload_read(&got, header, &p));
        expect_equal(got, want, "again");
    }
}
END_TEST

/* A peer may claim of any frame that its checksum is partial. */
START_TEST(says_nothing_of_other_frames)
{
    static const uint8_t upper[40] = {[12] = 0x50}, nothing[OFFLOAD_HEADER_BYTES];
    static const struct offload claim = {
        .checksum_partial = true, .gso = OFFLOAD_TCP, .segment_bytes = 9, .ecn = true};
    for (unsigned n = 0; n < 5; n++) {
        struct frame_spec spec = spec_of(n == 0, 0);
        spec.fragment_field = n == 1 ? 0x2000 : n == 2 ? 0x0003 : 0;
        uint8_t protocol = n == 0 ? 58 : n == 3 ? 47 : 6;
        size_t bytes = frame_packet(frame, spec, protocol, upper, n == 4 ? 10 : sizeof upper);
        struct packet p = packet_of(bytes);
        offload_write(header, &claim, &p);
        ck_assert_msg(memcmp(header, nothing, sizeof header) == 0, "case %u", n);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("offload");
    TCase *tc = tcase_create("offload");
    tcase_add_test(tc, takes_the_type_of_the_frame_only);
    tcase_add_test(tc, reads_every_flag);
    tcase_add_test(tc, refuses_segments_without_bytes);
    tcase_add_test(tc, refuses_large_frames_of_other_kinds);
    tcase_add_test(tc, finishes_other_checksums_at_once);
    tcase_add_test(tc, finishes_within_a_tunnel);
    tcase_add_test(tc, finishes_fragments_and_strangers);
    tcase_add_test(tc, writes_ones_for_zero);
    tcase_add_test(tc, stays_within_the_packet);
    tcase_add_test(tc, knows_its_own_checksum);
    tcase_add_test(tc, makes_partial_checksums_whole);
    tcase_add_test(tc, sends_no_zero_over_udp);
    tcase_add_test(tc, sums_large_pseudo_headers);
    tcase_add_test(tc, finishes_nothing_that_cannot_be_partial);
    tcase_add_test(tc, writes_these_octets);
    tcase_add_test(tc, reads_what_it_wrote);
    tcase_add_test(tc, says_nothing_of_other_frames);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
