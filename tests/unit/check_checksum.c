/* SPDX-License-Identifier: MIT
 *
 * check_checksum.c - the Internet checksum against published numbers and against the slow sums
 * of frames.h.
 */
#include "frame/checksum.h"
#include "frames.h"

#include <check.h>

/* A small generator (xorshift32), so that a failure can be repeated. */
static uint32_t random_state = 0x2545f491;

static uint32_t random_u32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

START_TEST(agrees_with_rfc_1071)
{
    static const uint8_t EXAMPLE[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    ck_assert_uint_eq(checksum_add(0, EXAMPLE, 8), 0xddf2); /* s.3 */
    ck_assert_uint_eq(checksum_finish(0xddf2), 0x220d);
    ck_assert_uint_eq(checksum_finish(0), 0xffff);
    ck_assert_uint_eq(checksum_finish(0xffff), 0);
    ck_assert_uint_eq(checksum_finish(0xffffffff), 0);
    ck_assert_uint_eq(checksum_finish(0x1fffe), 0);
    ck_assert_uint_eq(checksum_finish(0x10001), 0xfffd);
    ck_assert_uint_eq(checksum_add(0, EXAMPLE, 0), 0);
    ck_assert_uint_eq(checksum_add(0, EXAMPLE + 2, 1), 0xf200); /* padded behind */
}
END_TEST

START_TEST(agrees_with_rfc_1624)
{
    /* s.4: the checksum 0xdd2f, a word from 0x5555 to 0x3285; eqn 2 would yield 0xffff. */
    ck_assert_uint_eq(checksum_update16(0xdd2f, 0x5555, 0x3285), 0x0000);
    ck_assert_uint_eq(checksum_update16(0x1234, 0x4011, 0x4011), 0x1234);
}
END_TEST

START_TEST(adds_like_the_slow_sum)
{
    static uint8_t bytes[3000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_u32();
    for (size_t count = 0; count < sizeof bytes; count += count < 70 ? 1 : 61) {
        for (size_t start = 0; start < 4 && start + count <= sizeof bytes; start++) {
            uint32_t before = random_u32() & 0xffff;
            uint32_t sum = checksum_add(before, bytes + start, count);
            ck_assert_msg(sum <= 0xffff, "%zu bytes: not folded", count);
            uint16_t slow = (uint16_t)~frame_sum((uint16_t)before, bytes + start, count);
            ck_assert_msg(checksum_finish(sum) == slow, "%zu bytes at %zu", count, start);
        }
    }
}
END_TEST

START_TEST(never_overflows)
{
    static uint8_t ones[65536];
    memset(ones, 0xff, sizeof ones);
    ck_assert_uint_eq(checksum_finish(checksum_add(0, ones, sizeof ones)), 0);
    ck_assert_uint_eq(checksum_finish(checksum_add(0xffffffff, ones, sizeof ones)), 0);
    ck_assert_uint_eq(checksum_finish(checksum_add(1, ones, 8)), 0xfffe); /* carries twice */
    ck_assert_uint_eq(checksum_finish(checksum_add(0xffff0001, ones, sizeof ones - 1)), 0x00fe);
}
END_TEST

/* What an update yields is what summing anew yields, for a header that holds the word. */
START_TEST(updates_as_if_summed_anew)
{
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t header[20];
        for (size_t i = 0; i < sizeof header; i++)
            header[i] = round % 3 == 0 ? (uint8_t)(0u - (random_u32() & 1)) : (uint8_t)random_u32();
        header[0] = 0x45; /* never all zero, as no header is */
        store_be16(header + 10, 0);
        uint16_t checksum = (uint16_t)~frame_sum(0, header, sizeof header);
        uint16_t was = load_be16(header + 8), now = (uint16_t)random_u32();
        store_be16(header + 8, now);
        uint16_t anew = (uint16_t)~frame_sum(0, header, sizeof header);
        ck_assert_uint_eq(checksum_update16(checksum, was, now), anew);
    }
}
END_TEST

START_TEST(keeps_a_wrong_checksum_wrong)
{
    for (unsigned error = 1; error < 0xffff; error += 37) {
        uint16_t right = 0x3a5c, was = 0xff11, now = 0x0111;
        uint16_t wrong = (uint16_t)(right ^ error);
        ck_assert_uint_ne(checksum_update16(wrong, was, now), checksum_update16(right, was, now));
        /* and undoing the change brings it back */
        ck_assert_uint_eq(checksum_update16(checksum_update16(wrong, was, now), now, was), wrong);
    }
}
END_TEST

/* ---- transport ---- */

static const uint8_t HOP_BY_HOP[8] = {17, 0, 1, 4, 0, 0, 0, 0};
static const uint8_t NOP_OPTIONS[4] = {1, 1, 1, 0};

static struct frame_spec spec_of(bool v6, uint8_t tags)
{
    return (struct frame_spec){.ip_source = frame_ip(v6 ? "2001:db8::1:2" : "10.0.0.1"),
                               .ip_destination = frame_ip(v6 ? "fe80::ffff:1" : "239.1.2.3"),
                               .vlan_tags = tags,
                               .ttl = 9,
                               .source_port = 50000,
                               .destination_port = 53};
}

/* Spoils the field, for it is to be taken as zero, and computes. */
static void expect_checksum(uint8_t *frame, size_t bytes, size_t field)
{
    struct packet p;
    ck_assert(packet_parse(&p, frame, bytes) && p.transport_offset != 0);
    uint8_t *at = frame + p.transport_offset + field;
    uint16_t right = load_be16(at);
    store_be16(at, 0xdead);
    ck_assert_uint_eq(checksum_transport(&p), right);
    ck_assert_uint_eq(load_be16(at), 0xdead);
}

START_TEST(covers_every_transport)
{
    uint8_t payload[64];
    for (size_t count = 0; count <= sizeof payload; count++) {
        for (unsigned kind = 0; kind < 6; kind++) {
            bool v6 = kind % 2 == 1;
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec spec = spec_of(v6, (uint8_t)(kind / 2));
            for (size_t i = 0; i < sizeof payload; i++)
                payload[i] = (uint8_t)random_u32();
            size_t bytes = frame_udp(frame, spec, payload, count);
            memset(frame + bytes, 0xaa, 7); /* padding is not summed */
            expect_checksum(frame, bytes + 7, 6);
            bytes = frame_tcp(frame, spec, FRAME_TCP_ACK, payload, count < 40 ? count & ~3u : 40);
            expect_checksum(frame, bytes, 16);
            if (v6)
                expect_checksum(frame, frame_icmp6(frame, spec, 200, payload, count), 2);
        }
    }
}
END_TEST

START_TEST(walks_over_what_lies_between)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct frame_spec v4 = spec_of(false, 0), v6 = spec_of(true, 1);
    v4.ip_options = NOP_OPTIONS;
    v4.ip_options_bytes = sizeof NOP_OPTIONS;
    expect_checksum(frame, frame_udp(frame, v4, "abc", 3), 6);
    v6.extensions = HOP_BY_HOP;
    v6.extensions_bytes = sizeof HOP_BY_HOP;
    v6.extension_type = 0;
    expect_checksum(frame, frame_udp(frame, v6, "abc", 3), 6);
}
END_TEST

START_TEST(heeds_the_length_of_udp)
{
    uint8_t frame[FRAME_BYTES_MAX], shorter[FRAME_BYTES_MAX];
    struct packet p;
    struct frame_spec spec = spec_of(false, 0);
    size_t bytes = frame_udp(frame, spec, "abcdef", 6);
    frame_udp(shorter, spec, "abc", 3);
    uint8_t *udp = frame + 34;
    store_be16(udp + 4, 8 + 3); /* the rest is a trailer */
    ck_assert(packet_parse(&p, frame, bytes));
    ck_assert_uint_eq(checksum_transport(&p), load_be16(shorter + 34 + 6));
    store_be16(udp + 4, 7); /* shorter than its header */
    ck_assert_uint_eq(checksum_transport(&p), 0);
    store_be16(udp + 4, 500); /* longer than the packet: no further than that */
    store_be16(udp + 6, 0);
    uint16_t sum = frame_pseudo_sum(&spec.ip_source, &spec.ip_destination, 17, 8 + 6);
    memset(frame + bytes, 0x5a, 500);
    ck_assert_uint_eq(checksum_transport(&p), (uint16_t)~frame_sum(sum, udp, 8 + 6));
}
END_TEST

START_TEST(sends_no_zero_over_udp)
{
    uint8_t frame[FRAME_BYTES_MAX], payload[2] = {0, 0};
    struct frame_spec spec = spec_of(false, 0);
    struct packet p;
    size_t bytes = frame_udp(frame, spec, payload, 2);
    uint16_t checksum = load_be16(frame + 34 + 6);
    store_be16(frame + 34 + 8, checksum); /* now the sum is all ones, the checksum zero */
    ck_assert(packet_parse(&p, frame, bytes));
    ck_assert_uint_eq(checksum_transport(&p), 0xffff);
}
END_TEST

START_TEST(has_none_for_others)
{
    uint8_t frame[FRAME_BYTES_MAX];
    static const uint8_t upper[40] = {[12] = 0x50};
    static const struct {
        bool v6;
        uint8_t protocol;
        uint16_t fragment_field;
    } ROW[] = {{false, 1, 0}, {false, 2, 0},  {false, 58, 0}, {true, 1, 0},
               {true, 59, 0}, {false, 47, 0}, {false, 17, 5}, {false, 6, 1}};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct frame_spec spec = spec_of(ROW[i].v6, 0);
        struct packet p;
        spec.fragment_field = ROW[i].fragment_field;
        size_t bytes = frame_packet(frame, spec, ROW[i].protocol, upper, sizeof upper);
        ck_assert(packet_parse(&p, frame, bytes));
        ck_assert_msg(checksum_transport(&p) == 0, "row %zu", i);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checksum");
    TCase *tc = tcase_create("checksum");
    tcase_add_test(tc, agrees_with_rfc_1071);
    tcase_add_test(tc, agrees_with_rfc_1624);
    tcase_add_test(tc, adds_like_the_slow_sum);
    tcase_add_test(tc, never_overflows);
    tcase_add_test(tc, updates_as_if_summed_anew);
    tcase_add_test(tc, keeps_a_wrong_checksum_wrong);
    tcase_add_test(tc, covers_every_transport);
    tcase_add_test(tc, walks_over_what_lies_between);
    tcase_add_test(tc, heeds_the_length_of_udp);
    tcase_add_test(tc, sends_no_zero_over_udp);
    tcase_add_test(tc, has_none_for_others);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
