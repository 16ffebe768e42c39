/* SPDX-License-Identifier: MIT
 *
 * check_segment_in_place.c - segments made in the large frame are those made beside it.
 *
 * Of each of thousands of random frames (both IP versions, TCP and UDP, tags, options, extension
 * headers, segments far smaller than their headers) one copy is cut by segment_next(), which
 * check_segment.c holds against what a host sends, and one in place. The latter lies in memory of
 * just its size and the room before it, so that a sanitizer sees a step outside; and all that may
 * be overwritten is overwritten, so that whoever still needed it shows.
 */
#include "frame/segment.h"
#include "frames.h"

#include <check.h>

enum { SEEDS = 3000, PAYLOAD_MAX_BYTES = 4000, TRANSPORT_MAX_BYTES = 60, JUNK = 0xdb };
enum { TCP_FLAGS = 13, SYN = 0x02 };

/* ---- random frames ---- */

static uint32_t state;

static uint32_t random_below(uint32_t limit)
{
    state = state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)state * limit) >> 32);
}

static bool coin(void)
{
    return random_below(2) != 0;
}

static void fill_random(uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)random_below(256);
}

struct large {
    struct offload offload;
    size_t bytes, frame_max_bytes, room_bytes;
    bool partial;
    uint8_t frame[PACKET_FRAME_MAX_BYTES];
};

/* One destination options header filled with a PadN (RFC 8200 s.4.2), or none. */
static size_t put_extension(uint8_t *out, uint8_t protocol)
{
    size_t bytes = 8u * random_below(5);
    if (bytes == 0)
        return 0;
    memset(out, 0, bytes);
    out[0] = protocol;
    out[1] = (uint8_t)(bytes / 8 - 1);
    out[2] = 1;
    out[3] = (uint8_t)(bytes - 4);
    return bytes;
}

static size_t put_transport(uint8_t *out, bool udp, size_t payload_bytes)
{
    fill_random(out, TRANSPORT_MAX_BYTES);
    if (udp) {
        store_be16(out + 4, (uint16_t)(UDP_HEADER_BYTES + payload_bytes));
        return UDP_HEADER_BYTES;
    }
    size_t bytes = TCP_HEADER_BYTES + 4u * random_below(11);
    out[12] = (uint8_t)(bytes / 4 << 4);
    out[TCP_FLAGS] &= (uint8_t)~SYN;
    return bytes;
}

static size_t put_ip(uint8_t *out, bool udp, const uint8_t *transport, size_t transport_bytes)
{
    static const uint8_t NO_OPERATION[40] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                             1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    bool v6 = coin();
    uint8_t extension[32], protocol = udp ? IP_PROTOCOL_UDP : IP_PROTOCOL_TCP;
    struct frame_spec spec = {.ip_source = frame_ip(v6 ? "2001:db8::1:2" : "10.0.0.1"),
                              .ip_destination = frame_ip(v6 ? "2001:db8::2" : "192.168.7.9"),
                              .vlan_tags = (uint8_t)random_below(3),
                              .vlan_tci = (uint16_t)random_below(65536),
                              .ttl = 63,
                              .ip_options = NO_OPERATION,
                              .ip_options_bytes = 4u * random_below(11),
                              .extensions = extension,
                              .extensions_bytes = put_extension(extension, protocol),
                              .extension_type = 60};
    size_t at = frame_ether(out, spec, v6 ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4);
    at += v6 ? frame_ip6_header(out + at, spec, protocol, transport_bytes)
             : frame_ip4_header(out + at, spec, protocol, transport_bytes);
    memcpy(out + at, transport, transport_bytes);
    return at + transport_bytes;
}

/* Half of them in segments smaller than their headers. */
static uint16_t random_segment_bytes(void)
{
    return (uint16_t)(1 + random_below(coin() ? 60 : 1500));
}

static void make_large(struct large *l, uint32_t seed)
{
    static uint8_t transport[TRANSPORT_MAX_BYTES + PAYLOAD_MAX_BYTES];
    state = seed * 2654435761u;
    bool udp = coin();
    size_t payload_bytes = 1 + random_below(PAYLOAD_MAX_BYTES);
    size_t header_bytes = put_transport(transport, udp, payload_bytes);
    fill_random(transport + header_bytes, payload_bytes);
    l->bytes = put_ip(l->frame, udp, transport, header_bytes + payload_bytes);
    for (uint32_t padding = random_below(2) * random_below(30); padding > 0; padding--)
        l->frame[l->bytes++] = 0xaa;
    l->offload = (struct offload){.checksum_partial = coin(),
                                  .ecn = coin(),
                                  .gso = udp ? OFFLOAD_UDP : OFFLOAD_TCP,
                                  .segment_bytes = random_segment_bytes()};
    l->frame_max_bytes = coin() ? 300 + random_below(1200) : PACKET_FRAME_MAX_BYTES;
    l->room_bytes = coin() ? random_below(SEGMENT_ROOM_BYTES + 1) : SEGMENT_ROOM_BYTES;
    l->partial = coin();
}

/* ---- cutting ---- */

/* A copy of the frame at the end of memory, and of nothing before it but the room. */
static uint8_t *copy_behind_room(const struct large *l)
{
    uint8_t *memory = malloc(l->room_bytes + l->bytes);
    ck_assert_ptr_nonnull(memory);
    memset(memory, JUNK, l->room_bytes);
    memcpy(memory + l->room_bytes, l->frame, l->bytes);
    return memory;
}

static void begin(struct segmenter *s, const struct large *l, uint8_t *frame)
{
    struct packet p;
    ck_assert(packet_parse(&p, frame, l->bytes));
    ck_assert(segment_begin(s, &p, &l->offload, l->frame_max_bytes, l->partial));
}

static void expect_same_segments(struct large *l, uint32_t seed)
{
    static uint8_t want[PACKET_FRAME_MAX_BYTES];
    uint8_t *memory = copy_behind_room(l), *frame = memory + l->room_bytes;
    struct segmenter beside, within;
    size_t taken = 0, bytes, want_bytes;
    begin(&beside, l, l->frame);
    begin(&within, l, frame);
    while ((want_bytes = segment_next(&beside, want)) > 0) {
        uint8_t *segment = segment_next_in_place(&within, l->room_bytes, &bytes);
        ck_assert_ptr_eq(segment, frame + taken);
        ck_assert_uint_eq(bytes, want_bytes);
        ck_assert_msg(memcmp(segment, want, bytes) == 0, "seed %u, at %zu", seed, taken);
        memset(segment - l->room_bytes, JUNK, l->room_bytes + bytes); /* sealed elsewhere by now */
        taken += bytes - within.header_bytes;
    }
    ck_assert_ptr_null(segment_next_in_place(&within, 0, &bytes));
    ck_assert_uint_eq(segment_next_bytes(&within), 0);
    free(memory);
}

START_TEST(makes_the_same_segments)
{
    static struct large l;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        make_large(&l, seed);
        expect_same_segments(&l, seed);
    }
}
END_TEST

/* Or else the test above would be of less than it says. */
START_TEST(has_frames_of_all_kinds)
{
    static struct large l;
    unsigned kinds[64] = {0}, tiny = 0;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        struct packet p;
        make_large(&l, seed);
        ck_assert(packet_parse(&p, l.frame, l.bytes));
        tiny += l.offload.segment_bytes < offload_headers_bytes(&p) + l.room_bytes;
        kinds[(p.network == PACKET_IPV6) | (p.protocol == IP_PROTOCOL_UDP) << 1 | l.partial << 2 |
              l.offload.checksum_partial << 3 | (p.vlan_tags == 2) << 4 | l.offload.ecn << 5]++;
    }
    ck_assert_uint_gt(tiny, SEEDS / 4);
    ck_assert_uint_lt(tiny, SEEDS);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        ck_assert_uint_gt(kinds[i], 0);
}
END_TEST

/* Whoever finds a slot half filled copies that segment and goes on in place. */
START_TEST(may_be_mixed_with_copies)
{
    static struct large l;
    static uint8_t want[PACKET_FRAME_MAX_BYTES], copy[PACKET_FRAME_MAX_BYTES];
    for (uint32_t seed = 1; seed <= SEEDS / 10; seed++) {
        make_large(&l, seed);
        uint8_t *memory = copy_behind_room(&l);
        struct segmenter beside, mixed;
        size_t bytes, want_bytes;
        begin(&beside, &l, l.frame);
        begin(&mixed, &l, memory + l.room_bytes);
        while ((want_bytes = segment_next(&beside, want)) > 0) {
            uint8_t *got = copy;
            if (coin())
                bytes = segment_next(&mixed, copy);
            else
                got = segment_next_in_place(&mixed, l.room_bytes, &bytes);
            ck_assert_uint_eq(bytes, want_bytes);
            ck_assert_mem_eq(got, want, bytes);
        }
        ck_assert_uint_eq(segment_next(&mixed, copy), 0);
        free(memory);
    }
}
END_TEST

START_TEST(refuses_more_room_than_there_is)
{
    static struct large l;
    static uint8_t memory[SEGMENT_ROOM_BYTES + PACKET_FRAME_MAX_BYTES];
    struct segmenter s = {0};
    size_t bytes;
    ck_assert_ptr_null(segment_next_in_place(&s, 0, &bytes)); /* nothing begun */
    make_large(&l, 1);
    memcpy(memory + SEGMENT_ROOM_BYTES, l.frame, l.bytes);
    begin(&s, &l, memory + SEGMENT_ROOM_BYTES);
    size_t next_bytes = segment_next_bytes(&s);
    ck_assert_ptr_null(segment_next_in_place(&s, SEGMENT_ROOM_BYTES + 1, &bytes));
    ck_assert_uint_eq(segment_next_bytes(&s), next_bytes);
    ck_assert_ptr_eq(segment_next_in_place(&s, SEGMENT_ROOM_BYTES, &bytes),
                     memory + SEGMENT_ROOM_BYTES);
    ck_assert_uint_eq(bytes, next_bytes);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("segment_in_place");
    TCase *tc = tcase_create("segment_in_place");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, makes_the_same_segments);
    tcase_add_test(tc, has_frames_of_all_kinds);
    tcase_add_test(tc, may_be_mixed_with_copies);
    tcase_add_test(tc, refuses_more_room_than_there_is);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
