/* SPDX-License-Identifier: MIT
 *
 * check_mss.c - when the MSS is lowered, to what, and that the checksum follows.
 *
 * A clamped frame must be the same frame as one built with the lower MSS, octet by octet; the
 * builder sums it anew.
 */
#include "frame/checksum.h"
#include "frame/mss.h"
#include "frames.h"

#include <check.h>

enum { SYN = FRAME_TCP_SYN, ACK = FRAME_TCP_ACK, NO_MSS = -1 };

static struct frame_spec spec_of(bool v6, uint8_t tags)
{
    return (struct frame_spec){.ip_source = frame_ip(v6 ? "2001:db8::1" : "192.168.1.2"),
                               .ip_destination = frame_ip(v6 ? "2001:db8::2" : "192.168.1.3"),
                               .ttl = 64,
                               .source_port = 50123,
                               .destination_port = 445,
                               .vlan_tags = tags,
                               .vlan_tci = 5};
}

/* Clamps the frame of @spec, @flags and @options; the MSS at @mss_at of the options must become
 * @want_mss, or nothing change when that is NO_MSS. */
static void expect(const char *what, struct frame_spec spec, uint8_t flags, const uint8_t *options,
                   size_t options_bytes, uint16_t max_bytes, size_t mss_at, int want_mss)
{
    uint8_t frame[FRAME_BYTES_MAX], wanted[FRAME_BYTES_MAX], lowered[40];
    struct packet p;
    size_t bytes = frame_tcp(frame, spec, flags, options, options_bytes);
    ck_assert(packet_parse(&p, frame, bytes));
    bool got = mss_clamp(&p, max_bytes);
    ck_assert_msg(got == (want_mss != NO_MSS), "%s at %u: clamped %d", what, max_bytes, (int)got);
    if (options_bytes > 0)
        memcpy(lowered, options, options_bytes);
    if (want_mss != NO_MSS)
        store_be16(lowered + mss_at, (uint16_t)want_mss);
    frame_tcp(wanted, spec, flags, lowered, options_bytes);
    ck_assert_msg(memcmp(frame, wanted, bytes) == 0, "%s at %u: octets differ", what, max_bytes);
    if (p.transport_offset && !p.fragment && p.protocol == IP_PROTOCOL_TCP)
        ck_assert_uint_eq(checksum_transport(&p), load_be16(frame + p.transport_offset + 16));
    ck_assert_msg(!mss_clamp(&p, max_bytes), "%s: lowered twice", what);
}

static void expect_mss(const char *what, struct frame_spec spec, uint8_t flags, uint16_t mss,
                       uint16_t max_bytes, int want_mss)
{
    uint8_t option[4] = {2, 4};
    store_be16(option + 2, mss);
    expect(what, spec, flags, option, sizeof option, max_bytes, 2, want_mss);
}

/* ---- how much ---- */

START_TEST(lowers_to_what_fits)
{
    static const struct {
        bool v6;
        uint16_t mss, max_bytes;
        int want_mss;
    } ROW[] = {
        {false, 1460, 1426, 1386},   {false, 1460, 1386, 1346},    {false, 1460, 1500, NO_MSS},
        {false, 1460, 1501, NO_MSS}, {false, 1460, 1499, 1459},    {false, 1386, 1426, NO_MSS},
        {false, 1387, 1426, 1386},   {false, 536, 1426, NO_MSS},   {false, 65535, 1426, 1386},
        {false, 0, 1426, NO_MSS},    {false, 1460, 41, 1},         {false, 1460, 40, NO_MSS},
        {false, 1460, 0, NO_MSS},    {false, 65535, 65535, 65495}, {true, 1440, 1426, 1366},
        {true, 1440, 1406, 1346},    {true, 1440, 1500, NO_MSS},   {true, 1440, 1499, 1439},
        {true, 1366, 1426, NO_MSS},  {true, 1440, 61, 1},          {true, 1440, 60, NO_MSS},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (uint8_t tags = 0; tags <= 2; tags++) {
            struct frame_spec spec = spec_of(ROW[i].v6, tags);
            const char *what = ROW[i].v6 ? "IPv6" : "IPv4";
            expect_mss(what, spec, SYN, ROW[i].mss, ROW[i].max_bytes, ROW[i].want_mss);
            expect_mss(what, spec, SYN | ACK, ROW[i].mss, ROW[i].max_bytes, ROW[i].want_mss);
        }
    }
}
END_TEST

START_TEST(follows_the_checksum_for_every_value)
{
    for (unsigned max_bytes = 100; max_bytes <= 1499; max_bytes++) {
        expect_mss("IPv4", spec_of(false, 0), SYN, 1460, (uint16_t)max_bytes, (int)max_bytes - 40);
        uint8_t odd[8] = {1, 2, 4, 0x05, 0xb4};
        expect("odd", spec_of(false, 0), SYN, odd, sizeof odd, (uint16_t)max_bytes, 3,
               (int)max_bytes - 40);
    }
}
END_TEST

/* ---- which segments ---- */

START_TEST(clamps_syn_segments_only)
{
    for (unsigned flags = 0; flags < 256; flags++)
        expect_mss("flags", spec_of(flags & 1, 0), (uint8_t)flags, 1460, 1400,
                   !(flags & SYN) ? NO_MSS
                   : flags & 1    ? 1340
                                  : 1360);
}
END_TEST

static const uint8_t RECORD_ROUTE[8] = {7, 7, 4};

START_TEST(heeds_options_and_fragments_of_ipv4)
{
    static const struct {
        const char *what;
        size_t options_bytes;
        uint16_t fragment_field;
        int want_mss;
    } ROW[] = {
        {"plain", 0, 0, 1360},
        {"DF", 0, 0x4000, 1360},
        {"IP options", 8, 0, 1360},
        {"first fragment", 0, 0x2000, 1360},
        {"middle", 0, 0x2001, NO_MSS},
        {"last", 0, 0x0001, NO_MSS},
        {"first, options", 8, 0x2000, 1360},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct frame_spec spec = spec_of(false, 1);
        spec.ip_options = RECORD_ROUTE;
        spec.ip_options_bytes = ROW[i].options_bytes;
        spec.fragment_field = ROW[i].fragment_field;
        expect_mss(ROW[i].what, spec, SYN, 1460, 1400, ROW[i].want_mss);
    }
}
END_TEST

START_TEST(counts_extension_headers_of_ipv6)
{
    const struct {
        const char *what;
        uint8_t first;
        const uint8_t *chain;
        size_t chain_bytes;
        int want_mss;
    } ROW[] = {
        {"plain", 6, NULL, 0, 1340},
        {"hop by hop", 0, FRAME_CHAIN(6, 0, 1, 4, 0, 0, 0, 0), 1332},
        {"two", 0, FRAME_CHAIN(60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0), 1324},
        {"routing and 16 bytes", 43,
         FRAME_CHAIN(60, 0, 0, 0, 0, 0, 0, 0, 6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
         1316},
        {"ah", 51, FRAME_CHAIN(6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1), NO_MSS},
        {"ah behind two", 0,
         FRAME_CHAIN(44, 0, 1, 4, 0, 0, 0, 0, 51, 255, 0, 0, 0, 0, 0, 1, 6, 1, 0, 0, 0, 0, 0, 1, 0,
                     0, 0, 1),
         NO_MSS},
        {"ah first", 51,
         FRAME_CHAIN(60, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0),
         NO_MSS},
        {"51 inside", 60, FRAME_CHAIN(6, 1, 1, 12, 51, 1, 51, 1, 51, 1, 51, 1, 51, 1, 51, 1), 1324},
        {"atomic fragment", 44, FRAME_CHAIN(6, 0, 0, 0, 0, 0, 0, 1), 1332},
        {"its reserved octet set", 44, FRAME_CHAIN(6, 9, 0, 0, 0, 0, 0, 1), 1332},
        {"first fragment", 44, FRAME_CHAIN(6, 0, 0, 1, 0, 0, 0, 1), 1332},
        {"later fragment", 44, FRAME_CHAIN(6, 0, 0, 8, 0, 0, 0, 1), NO_MSS},
        {"esp", 60, FRAME_CHAIN(50, 0, 1, 4, 0, 0, 0, 0), NO_MSS},
        {"udp", 60, FRAME_CHAIN(17, 0, 1, 4, 0, 0, 0, 0), NO_MSS},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct frame_spec spec = spec_of(true, 0);
        spec.extensions = ROW[i].chain;
        spec.extensions_bytes = ROW[i].chain_bytes;
        spec.extension_type = ROW[i].first;
        expect_mss(ROW[i].what, spec, SYN, 1460, 1400, ROW[i].want_mss);
    }
}
END_TEST

/* ---- where in the options ---- */

START_TEST(walks_the_options_exactly)
{
    const struct {
        const char *what;
        const uint8_t *options;
        size_t options_bytes, mss_at; /* 0: must be left alone */
    } ROW[] = {
        {"none", NULL, 0, 0},
        {"first", FRAME_CHAIN(2, 4, 5, 0xb4), 2},
        {"linux", FRAME_CHAIN(2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7), 2},
        {"behind one NOP: odd", FRAME_CHAIN(1, 2, 4, 5, 0xb4, 1, 1, 1), 3},
        {"behind two NOPs", FRAME_CHAIN(1, 1, 2, 4, 5, 0xb4, 1, 1), 4},
        {"behind window scale: odd", FRAME_CHAIN(3, 3, 7, 2, 4, 5, 0xb4, 0), 5},
        {"behind SACK permitted", FRAME_CHAIN(4, 2, 2, 4, 5, 0xb4, 0, 0), 4},
        {"last octets", FRAME_CHAIN(1, 1, 1, 1, 2, 4, 5, 0xb4), 6},
        {"behind the end", FRAME_CHAIN(0, 2, 2, 4, 5, 0xb4, 0, 0), 0},
        {"inside another", FRAME_CHAIN(253, 8, 2, 4, 5, 0xb4, 0, 0), 0},
        {"no option", FRAME_CHAIN(4, 2, 1, 1), 0},
        {"and one of length 0", FRAME_CHAIN(2, 4, 5, 0xb4, 3, 0, 2, 4), 2},
        {"and one beyond the end", FRAME_CHAIN(2, 4, 5, 0xb4, 2, 9, 5, 0xb4), 2},
        {"MD5",
         FRAME_CHAIN(2, 4, 5, 0xb4, 1, 1, 19, 18, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9),
         2},
        {"AO behind it", FRAME_CHAIN(2, 4, 5, 0xb4, 29, 8, 1, 2, 9, 9, 9, 9), 0},
        {"AO before it", FRAME_CHAIN(29, 8, 1, 2, 9, 9, 9, 9, 2, 4, 5, 0xb4), 0},
        {"AO behind the end", FRAME_CHAIN(2, 4, 5, 0xb4, 0, 29, 2, 0), 2},
        {"29 inside another", FRAME_CHAIN(2, 4, 5, 0xb4, 253, 4, 29, 2), 2},
        {"length 3", FRAME_CHAIN(2, 3, 5, 0xb4), 0},
        {"length 5", FRAME_CHAIN(2, 5, 5, 0xb4, 0, 0, 0, 0), 0},
        {"behind one of length 3", FRAME_CHAIN(2, 3, 9, 2, 4, 5, 0xb4, 0), 5},
        {"behind one of length 5", FRAME_CHAIN(2, 5, 9, 9, 9, 2, 4, 5, 0xb4, 0, 0, 0), 7},
        {"behind one of length 2", FRAME_CHAIN(2, 2, 2, 4, 5, 0xb4, 0, 0), 4},
        {"length 0", FRAME_CHAIN(2, 0, 5, 0xb4), 0},
        {"other of length 0", FRAME_CHAIN(3, 0, 2, 4, 5, 0xb4, 0, 0), 0},
        {"other of length 1", FRAME_CHAIN(3, 1, 2, 4, 5, 0xb4, 0, 0), 0},
        {"other beyond the end", FRAME_CHAIN(3, 9, 2, 4, 5, 0xb4, 0, 0), 0},
        {"cut behind the kind", FRAME_CHAIN(1, 1, 1, 2), 0},
        {"cut behind the length", FRAME_CHAIN(1, 1, 2, 4), 0},
        {"cut within the value", FRAME_CHAIN(1, 2, 4, 5), 0},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (unsigned v6 = 0; v6 < 2; v6++) {
            int want_mss = ROW[i].mss_at == 0 ? NO_MSS : v6 ? 1340 : 1360;
            expect(ROW[i].what, spec_of(v6, 1), SYN, ROW[i].options, ROW[i].options_bytes, 1400,
                   ROW[i].mss_at, want_mss);
        }
    }
}
END_TEST

/* Whichever a receiver believes: Linux the last that is not 0, others the first. */
START_TEST(lowers_every_option)
{
    static const struct {
        uint16_t mss[3], want[3];
        bool clamped;
    } ROW[] = {
        {{1460, 1460, 1460}, {1360, 1360, 1360}, true},
        {{536, 1460, 536}, {536, 1360, 536}, true},
        {{0, 0, 1361}, {0, 0, 1360}, true},
        {{65535, 0, 1}, {1360, 0, 1}, true},
        {{1360, 1360, 1360}, {1360, 1360, 1360}, false},
        {{0, 536, 64}, {0, 536, 64}, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], wanted[FRAME_BYTES_MAX], options[16] = {0};
        struct packet p;
        static const size_t AT[3] = {0, 5, 11}; /* even, odd, odd */
        memset(options, 1, sizeof options);
        for (unsigned n = 0; n < 3; n++) {
            memcpy(options + AT[n], (const uint8_t[]){2, 4}, 2);
            store_be16(options + AT[n] + 2, ROW[i].want[n]);
        }
        size_t bytes = frame_tcp(wanted, spec_of(false, 0), SYN, options, sizeof options);
        for (unsigned n = 0; n < 3; n++)
            store_be16(options + AT[n] + 2, ROW[i].mss[n]);
        frame_tcp(frame, spec_of(false, 0), SYN, options, sizeof options);
        ck_assert(packet_parse(&p, frame, bytes));
        ck_assert_msg(mss_clamp(&p, 1400) == ROW[i].clamped, "row %zu", i);
        ck_assert_msg(memcmp(frame, wanted, bytes) == 0, "row %zu: octets differ", i);
        ck_assert(!mss_clamp(&p, 1400));
    }
}
END_TEST

/* Options stop where the TCP header does, even when data that looks like one follows. */
START_TEST(stops_at_the_data)
{
    static const uint8_t option_as_data[4] = {2, 4, 0x05, 0xb4};
    uint8_t frame[FRAME_BYTES_MAX], tcp[24] = {[12] = 0x50, [13] = SYN};
    struct packet p;
    memcpy(tcp + 20, option_as_data, 4);
    size_t bytes = frame_packet(frame, spec_of(false, 0), 6, tcp, sizeof tcp);
    ck_assert(packet_parse(&p, frame, bytes));
    ck_assert(!mss_clamp(&p, 1400));
    ck_assert(memcmp(frame + bytes - 4, option_as_data, 4) == 0);
}
END_TEST

/* Fast open: the SYN carries data, which stays as it is. */
START_TEST(leaves_data_on_a_syn_alone)
{
    uint8_t tcp[24 + 101] = {[12] = 0x60, [13] = SYN, [20] = 2, 4, 5, 0xb4}, kept[101];
    for (unsigned v6 = 0; v6 < 2; v6++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct packet p;
        memset(tcp + 24, 0x5a, 101);
        memcpy(kept, tcp + 24, 101);
        size_t bytes = frame_summed(frame, spec_of(v6, 0), 6, tcp, sizeof tcp, 16);
        ck_assert(packet_parse(&p, frame, bytes) && mss_clamp(&p, 1400));
        ck_assert_uint_eq(load_be16(frame + p.transport_offset + 22), v6 ? 1340 : 1360);
        ck_assert_uint_eq(checksum_transport(&p), load_be16(frame + p.transport_offset + 16));
        ck_assert(memcmp(frame + bytes - 101, kept, 101) == 0);
    }
}
END_TEST

/* A SYN in fragments: only one that has all the options is touched. */
START_TEST(needs_the_whole_header)
{
    static const uint8_t tcp[32] = {[12] = 0x60, [13] = SYN, [20] = 2, 4, 5, 0xb4};
    for (size_t bytes = 0; bytes <= sizeof tcp; bytes++) {
        for (unsigned v6 = 0; v6 < 2; v6++) {
            uint8_t frame[FRAME_BYTES_MAX], kept[FRAME_BYTES_MAX];
            struct frame_spec spec = spec_of(v6, 0);
            struct packet p;
            spec.fragment_field = 0x2000;
            spec.extensions = (const uint8_t[]){6, 0, 0, 1, 0, 0, 0, 1};
            spec.extensions_bytes = v6 ? 8 : 0;
            spec.extension_type = 44;
            size_t frame_bytes = frame_packet(frame, spec, 6, tcp, bytes);
            memcpy(kept, frame, frame_bytes);
            ck_assert(packet_parse(&p, frame, frame_bytes));
            ck_assert_uint_eq(mss_clamp(&p, 1400), bytes >= 24);
            ck_assert_uint_eq(memcmp(frame, kept, frame_bytes) != 0, bytes >= 24);
        }
    }
}
END_TEST

START_TEST(mends_no_checksum)
{
    static const uint8_t even[4] = {2, 4, 5, 0xb4}, odd[8] = {1, 2, 4, 5, 0xb4};
    for (unsigned error = 1; error < 0xffff; error += 97) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct packet p;
        struct frame_spec spec = spec_of(error & 1, 0);
        size_t bytes = error & 2 ? frame_tcp(frame, spec, SYN, odd, sizeof odd)
                                 : frame_tcp(frame, spec, SYN, even, sizeof even);
        ck_assert(packet_parse(&p, frame, bytes));
        uint8_t *field = frame + p.transport_offset + 16;
        store_be16(field, (uint16_t)(load_be16(field) ^ error));
        ck_assert(mss_clamp(&p, 1400));
        ck_assert_uint_ne(checksum_transport(&p), load_be16(field));
    }
}
END_TEST

START_TEST(leaves_other_packets_alone)
{
    uint8_t frame[FRAME_BYTES_MAX], kept[FRAME_BYTES_MAX];
    static const uint8_t like_a_syn[24] = {[12] = 0x60, [13] = SYN, [20] = 2, 4, 5, 0xb4};
    struct packet p;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct frame_spec spec = spec_of(kind & 1, 0);
        size_t bytes = kind == 0   ? frame_arp(frame, spec, FRAME_ARP_REQUEST, frame_mac(0))
                       : kind == 1 ? frame_rs(frame, spec, NULL)
                       : kind == 2 ? frame_packet(frame, spec, 17, like_a_syn, sizeof like_a_syn)
                                   : frame_packet(frame, spec, 6, like_a_syn, 23); /* cut */
        memcpy(kept, frame, bytes);
        ck_assert(packet_parse(&p, frame, bytes));
        ck_assert(!mss_clamp(&p, 1400));
        ck_assert(memcmp(frame, kept, bytes) == 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mss");
    TCase *tc = tcase_create("mss");
    tcase_add_test(tc, lowers_to_what_fits);
    tcase_add_test(tc, follows_the_checksum_for_every_value);
    tcase_add_test(tc, clamps_syn_segments_only);
    tcase_add_test(tc, heeds_options_and_fragments_of_ipv4);
    tcase_add_test(tc, counts_extension_headers_of_ipv6);
    tcase_add_test(tc, walks_the_options_exactly);
    tcase_add_test(tc, lowers_every_option);
    tcase_add_test(tc, stops_at_the_data);
    tcase_add_test(tc, leaves_data_on_a_syn_alone);
    tcase_add_test(tc, needs_the_whole_header);
    tcase_add_test(tc, mends_no_checksum);
    tcase_add_test(tc, leaves_other_packets_alone);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
