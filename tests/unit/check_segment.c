/* SPDX-License-Identifier: MIT
 *
 * check_segment.c - every segment must be the very frame that the host would have sent itself.
 *
 * One builder makes both: the large frame, and from the same description each frame that is to
 * come of it, with the slow sums of frames.h.
 */
#include "frame/segment.h"
#include "frames.h"

#include "frame/checksum.h"

#include <check.h>

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10, URG = 0x20, ECE = 0x40 };
enum { CWR = 0x80, ANY_ROOM = 100000 };

/* What a host sends: one segment of it is [from, from + bytes) of the stream. */
struct stream {
    struct frame_spec spec;
    bool udp;
    size_t tcp_options_bytes;
    uint8_t tcp_flags;
    uint16_t id;
    uint32_t sequence;
};

static uint8_t payload[PACKET_FRAME_MAX_BYTES];
static const uint8_t RECORD_ROUTE[8] = {7, 7, 4, 0, 0, 0, 0, 0};
static const uint8_t EXTENSIONS[] = {60, 0, 1, 4, 0, 0, 0, 0, /* hop by hop, then destination */
                                     0,  1, 1, 4, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0};
static uint8_t extensions_tcp[sizeof EXTENSIONS], extensions_udp[sizeof EXTENSIONS];

static void fill_payload(void)
{
    uint32_t random = 0x2545f491;
    for (size_t i = 0; i < sizeof payload; i++) {
        random = random * 1664525 + 1013904223;
        payload[i] = (uint8_t)(random >> 24);
    }
    memcpy(extensions_tcp, EXTENSIONS, sizeof EXTENSIONS);
    memcpy(extensions_udp, EXTENSIONS, sizeof EXTENSIONS);
    extensions_tcp[8] = 6;
    extensions_udp[8] = 17;
}

static struct stream stream_of(bool v6, bool udp)
{
    struct frame_spec spec = {.ip_source = frame_ip(v6 ? "2001:db8::1:2" : "10.0.0.1"),
                              .ip_destination = frame_ip(v6 ? "2001:db8::ffff:1" : "192.168.7.9"),
                              .ttl = 63,
                              .vlan_tci = 0xe123,
                              .fragment_field = 0x4000,
                              .source_port = 50000,
                              .destination_port = 443};
    return (struct stream){
        .spec = spec, .udp = udp, .tcp_flags = ACK, .id = 0xfffe, .sequence = 0xfffffe00};
}

static size_t write_transport(uint8_t *out, const struct stream *t, size_t bytes)
{
    store_be16(out, t->spec.source_port);
    store_be16(out + 2, t->spec.destination_port);
    if (t->udp) {
        store_be16(out + 4, (uint16_t)(8 + bytes));
        store_be16(out + 6, 0);
        return 8;
    }
    store_be32(out + 4, t->sequence);
    store_be32(out + 8, 0xabcdef01);
    out[12] = (uint8_t)((20 + t->tcp_options_bytes) / 4 << 4 | 1); /* with the AE bit */
    out[13] = t->tcp_flags;
    store_be16(out + 14, 0xfaf0);
    store_be16(out + 16, 0);
    store_be16(out + 18, 0x0102); /* urgent */
    for (size_t i = 0; i < t->tcp_options_bytes; i++)
        out[20 + i] = (uint8_t)(i + 1);
    return 20 + t->tcp_options_bytes;
}

/* A whole frame with @bytes of payload. A partial checksum has the pseudo-header's sum. */
static size_t build(uint8_t *out, const struct stream *t, const uint8_t *data, size_t bytes,
                    bool partial)
{
    bool v4 = t->spec.ip_source.family == IP_V4;
    uint8_t transport[60], protocol = t->udp ? 17 : 6;
    size_t header = write_transport(transport, t, bytes);
    size_t ip = frame_ether(out, t->spec, v4 ? 0x0800 : 0x86dd);
    size_t at = ip + (v4 ? frame_ip4_header(out + ip, t->spec, protocol, header + bytes)
                         : frame_ip6_header(out + ip, t->spec, protocol, header + bytes));
    if (v4) {
        store_be16(out + ip + 4, t->id);
        store_be16(out + ip + 10, 0);
        store_be16(out + ip + 10, (uint16_t)~frame_sum(0, out + ip, at - ip));
    }
    memcpy(out + at, transport, header);
    memcpy(out + at + header, data, bytes);
    uint16_t sum =
        frame_pseudo_sum(&t->spec.ip_source, &t->spec.ip_destination, protocol, header + bytes);
    if (!partial)
        sum = (uint16_t)~frame_sum(sum, out + at, header + bytes);
    store_be16(out + at + (t->udp ? 6 : 16), sum == 0 && t->udp ? 0xffff : sum);
    return at + header + bytes;
}

static size_t header_bytes_of(const struct stream *t)
{
    static uint8_t frame[FRAME_BYTES_MAX];
    return build(frame, t, payload, 0, true);
}

static struct offload offload_of(const struct stream *t, size_t segment_bytes)
{
    return (struct offload){.checksum_partial = true,
                            .gso = t->udp ? OFFLOAD_UDP : OFFLOAD_TCP,
                            .segment_bytes = (uint16_t)segment_bytes};
}

static uint8_t large[PACKET_FRAME_MAX_BYTES], want[PACKET_FRAME_MAX_BYTES];

static struct packet packet_of(uint8_t *frame, size_t bytes)
{
    struct packet p;
    ck_assert(packet_parse(&p, frame, bytes));
    return p;
}

/* The segment that begins at @from, and the stream as it goes on behind it. */
static size_t expected(uint8_t *out, struct stream *t, bool ecn, size_t from, size_t bytes,
                       bool last, bool partial)
{
    struct stream now = *t;
    if (!last)
        now.tcp_flags &= (uint8_t) ~(FIN | PSH);
    t->id++;
    t->sequence += (uint32_t)bytes;
    if (ecn)
        t->tcp_flags &= (uint8_t)~CWR;
    return build(out, &now, payload + from, bytes, partial);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    if (memcmp(a, b, bytes) == 0)
        return bytes;
    size_t at = 0;
    while (a[at] == b[at])
        at++;
    return at;
}

static void expect_rest(struct segmenter *s, struct stream t, const struct offload *offload,
                        size_t payload_bytes, size_t segment_bytes, bool partial)
{
    for (size_t from = 0, bytes; from < payload_bytes; from += bytes) {
        bool last = payload_bytes - from <= segment_bytes;
        bytes = last ? payload_bytes - from : segment_bytes;
        size_t frame_bytes = expected(want, &t, offload->ecn, from, bytes, last, partial);
        ck_assert_uint_eq(segment_next_bytes(s), frame_bytes);
        uint8_t *got = malloc(frame_bytes); /* exactly, so that a sanitizer sees one too many */
        ck_assert_ptr_nonnull(got);
        ck_assert_uint_eq(segment_next(s, got), frame_bytes);
        size_t at = first_difference(got, want, frame_bytes);
        ck_assert_msg(at == frame_bytes, "at %zu of %zu: octet %zu is %02x, not %02x", from,
                      payload_bytes, at, at < frame_bytes ? got[at] : 0, want[at]);
        free(got);
    }
    ck_assert_uint_eq(segment_next_bytes(s), 0);
    ck_assert_uint_eq(segment_next(s, want), 0);
}

/* Cuts @payload_bytes in segments of @segment_bytes of which no more fit than @fits_bytes. */
static void expect_cut(const struct stream *t, struct offload offload, size_t payload_bytes,
                       size_t fits_bytes, bool partial)
{
    size_t header_bytes = header_bytes_of(t), segment_bytes = offload.segment_bytes;
    size_t bytes = build(large, t, payload, payload_bytes, offload.checksum_partial);
    struct packet p = packet_of(large, bytes);
    struct segmenter s;
    ck_assert(segment_begin(&s, &p, &offload, header_bytes + fits_bytes, partial));
    if (!t->udp && segment_bytes > fits_bytes)
        segment_bytes = fits_bytes;
    expect_rest(&s, *t, &offload, payload_bytes, segment_bytes, partial);
}

static struct stream stream_with(unsigned shape)
{
    bool v6 = shape & 1, udp = shape & 2, more = shape & 4;
    struct stream t = stream_of(v6, udp);
    t.spec.vlan_tags = (uint8_t)(shape / 8);
    t.tcp_options_bytes = more ? 40 : 12;
    t.tcp_flags = more ? FIN | ACK | URG | ECE : PSH | ACK;
    if (!more)
        return t;
    t.spec.ip_options = RECORD_ROUTE;
    t.spec.ip_options_bytes = sizeof RECORD_ROUTE;
    t.spec.extensions = udp ? extensions_udp : extensions_tcp;
    t.spec.extensions_bytes = sizeof EXTENSIONS;
    return t;
}

START_TEST(cuts_as_the_host_would)
{
    static const size_t SEGMENT_BYTES[] = {1, 7, 100, 1448};
    for (unsigned shape = 0; shape < 24; shape++) {
        struct stream t = stream_with(shape);
        for (size_t i = 0; i < 4; i++) {
            size_t n = SEGMENT_BYTES[i];
            const size_t sizes[] = {1, n - 1, n, n + 1, 2 * n - 1, 2 * n, 2 * n + 1, 9 * n + n / 2};
            for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
                if (sizes[j] == 0)
                    continue;
                expect_cut(&t, offload_of(&t, n), sizes[j], ANY_ROOM, true);
                expect_cut(&t, offload_of(&t, n), sizes[j], ANY_ROOM, false);
            }
        }
    }
}
END_TEST

/* TCP's segments shrink to what fits; UDP's datagrams are the sender's own. */
START_TEST(makes_segments_fit)
{
    static const size_t FITS_BYTES[] = {1, 99, 100, 1399, 1447, 1448, 1449};
    for (unsigned shape = 0; shape < 24; shape++) {
        struct stream t = stream_with(shape);
        for (size_t i = 0; i < sizeof FITS_BYTES / sizeof FITS_BYTES[0]; i++)
            expect_cut(&t, offload_of(&t, 1448), 3000, FITS_BYTES[i], i % 2);
    }
}
END_TEST

START_TEST(moves_each_flag_where_it_belongs)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        for (unsigned shape = 0; shape < 4; shape++) {
            struct stream t = stream_of(shape & 1, false);
            struct offload offload = offload_of(&t, 10);
            t.tcp_flags = (uint8_t)flags;
            offload.ecn = shape & 2;
            if ((flags & SYN) == 0)
                expect_cut(&t, offload, 35, ANY_ROOM, true);
        }
    }
}
END_TEST

/* The same once more in words, and not by the builder: first, middle, last. */
START_TEST(agrees_with_the_table_of_flags)
{
    static const struct {
        uint8_t flags;
        bool ecn;
        uint8_t want[3];
    } ROW[] = {
        {ACK, false, {ACK, ACK, ACK}},
        {ACK | PSH, false, {ACK, ACK, ACK | PSH}},
        {ACK | FIN, false, {ACK, ACK, ACK | FIN}},
        {ACK | FIN | PSH, false, {ACK, ACK, ACK | FIN | PSH}},
        {ACK | URG, false, {ACK | URG, ACK | URG, ACK | URG}},
        {ACK | ECE, true, {ACK | ECE, ACK | ECE, ACK | ECE}},
        {ACK | CWR, true, {ACK | CWR, ACK, ACK}},
        {ACK | CWR, false, {ACK | CWR, ACK | CWR, ACK | CWR}},
        {ACK | CWR | ECE | PSH, true, {ACK | CWR | ECE, ACK | ECE, ACK | ECE | PSH}},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct stream t = stream_of(false, false);
        struct offload offload = offload_of(&t, 10);
        struct segmenter s;
        offload.ecn = ROW[i].ecn;
        t.tcp_flags = ROW[i].flags;
        struct packet p = packet_of(large, build(large, &t, payload, 30, true));
        ck_assert(segment_begin(&s, &p, &offload, ANY_ROOM, true));
        for (unsigned n = 0; n < 3; n++) {
            ck_assert_uint_eq(segment_next(&s, want), 14 + 20 + 20 + 10);
            ck_assert_msg(want[34 + 13] == ROW[i].want[n], "row %zu, segment %u", i, n);
            ck_assert_uint_eq(load_be32(want + 34 + 4), t.sequence + 10 * n);
            ck_assert_uint_eq(load_be16(want + 14 + 4), (uint16_t)(0xfffe + n));
        }
    }
}
END_TEST

START_TEST(cuts_the_largest)
{
    for (unsigned shape = 0; shape < 24; shape++) {
        struct stream t = stream_with(shape);
        size_t header_bytes = header_bytes_of(&t), ip_offset = 14u + 4u * t.spec.vlan_tags;
        size_t ip_max_bytes = 65535 + (shape & 1 ? 40 : 0);
        size_t payload_bytes = ip_max_bytes - (header_bytes - ip_offset);
        expect_cut(&t, offload_of(&t, 1448), payload_bytes, 1400, true);
        expect_cut(&t, offload_of(&t, 8948), payload_bytes, ANY_ROOM, false);
        expect_cut(&t, offload_of(&t, 65535), payload_bytes, ANY_ROOM, shape & 4);
    }
}
END_TEST

/* What one leaves undone the other does: both ways yield the same frames. */
START_TEST(leaves_no_more_undone_than_the_sum)
{
    static uint8_t partial[FRAME_BYTES_MAX], complete[FRAME_BYTES_MAX];
    for (unsigned shape = 0; shape < 24; shape++) {
        struct stream t = stream_with(shape);
        struct offload offload = offload_of(&t, 333);
        struct packet p = packet_of(large, build(large, &t, payload, 2000, true));
        struct segmenter a, b;
        ck_assert(segment_begin(&a, &p, &offload, ANY_ROOM, true));
        ck_assert(segment_begin(&b, &p, &offload, ANY_ROOM, false));
        for (size_t bytes; (bytes = segment_next(&a, partial)) > 0;) {
            struct packet segment = packet_of(partial, bytes);
            ck_assert_uint_eq(segment_next(&b, complete), bytes);
            ck_assert_uint_eq(load_be16(partial + p.transport_offset + (t.udp ? 6 : 16)),
                              offload_pseudo_checksum(&segment, bytes - segment.transport_offset));
            offload_finish_checksum(&segment);
            ck_assert(memcmp(partial, complete, bytes) == 0);
            ck_assert_uint_eq(checksum_transport(&segment) % 0xffff,
                              load_be16(partial + p.transport_offset + (t.udp ? 6 : 16)) % 0xffff);
        }
        ck_assert_uint_eq(segment_next(&b, complete), 0);
    }
}
END_TEST

/* A checksum that was complete is of the whole frame and of no use to the segments. */
START_TEST(makes_complete_checksums_afresh)
{
    for (unsigned shape = 0; shape < 24; shape++) {
        struct stream t = stream_with(shape);
        struct offload offload = offload_of(&t, 100);
        offload.checksum_partial = false;
        expect_cut(&t, offload, 350, ANY_ROOM, true);
        expect_cut(&t, offload, 350, ANY_ROOM, false);
    }
}
END_TEST

/* With a routing header the sum is over another destination than the IP header's: the host's sum
 * is carried on (RFC 8200 s.8.1). */
START_TEST(keeps_what_the_host_summed)
{
    static uint8_t routing[24] = {6, 2, 4, 1};
    struct stream t = stream_of(true, false), final = t;
    struct offload offload = offload_of(&t, 100);
    struct segmenter s;
    memcpy(routing + 8, frame_ip("2001:db8::77").octet, 16);
    t.spec.extensions = routing;
    t.spec.extensions_bytes = sizeof routing;
    t.spec.extension_type = 43;
    final.spec.ip_destination = frame_ip("2001:db8::77");
    size_t bytes = build(large, &t, payload, 250, true);
    struct packet p = packet_of(large, bytes);
    uint8_t *field = large + p.transport_offset + 16;
    store_be16(field, frame_pseudo_sum(&final.spec.ip_source, &final.spec.ip_destination, 6, 270));
    ck_assert(segment_begin(&s, &p, &offload, ANY_ROOM, false));
    for (unsigned n = 0; n < 3; n++) {
        bytes = segment_next(&s, want);
        ck_assert_uint_eq(bytes, p.transport_offset + 20u + (n < 2 ? 100 : 50));
        ck_assert(frame_upper_checksum_good(&final.spec.ip_source, &final.spec.ip_destination, 6,
                                            want + p.transport_offset, bytes - p.transport_offset));
    }
}
END_TEST

START_TEST(sends_no_zero_over_udp)
{
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct stream t = stream_of(v6, true);
        struct offload offload = offload_of(&t, 2);
        uint8_t data[4] = {0, 0, 1, 2};
        struct segmenter s;
        size_t at = build(want, &t, data, 2, false) - 4;
        memcpy(data, want + at, 2); /* now the first one's sum is all ones */
        struct packet p = packet_of(large, build(large, &t, data, 4, true));
        ck_assert(segment_begin(&s, &p, &offload, ANY_ROOM, false));
        ck_assert_uint_eq(segment_next(&s, want), at + 4);
        ck_assert_uint_eq(load_be16(want + at), 0xffff);
    }
}
END_TEST

START_TEST(leaves_padding_out)
{
    for (unsigned shape = 0; shape < 24; shape++) {
        struct stream t = stream_with(shape);
        struct offload offload = offload_of(&t, 10);
        struct segmenter s;
        size_t bytes = build(large, &t, payload, 25, true);
        memset(large + bytes, 0xaa, 30);
        struct packet p = packet_of(large, bytes + 30);
        ck_assert(segment_begin(&s, &p, &offload, ANY_ROOM, true));
        expect_rest(&s, t, &offload, 25, 10, true);
        bytes = build(large, &t, payload, 0, true); /* nothing but padding is nothing */
        p = packet_of(large, bytes + 30);
        ck_assert(!segment_begin(&s, &p, &offload, ANY_ROOM, true));
    }
}
END_TEST

/* check_segment_in_place.c compares the two ways of cutting; this one with the host's. */
START_TEST(cuts_in_place)
{
    static const size_t SEGMENT_BYTES[] = {1, 50, 54, 1000};
    for (unsigned round = 0; round < 24 * 4; round++) {
        struct stream t = stream_with(round / 4);
        struct offload offload = offload_of(&t, SEGMENT_BYTES[round % 4]);
        size_t bytes, from = 0, header_bytes = header_bytes_of(&t);
        struct segmenter s;
        struct packet p = packet_of(large, build(large, &t, payload, 3333, true));
        ck_assert(segment_begin(&s, &p, &offload, ANY_ROOM, round & 8));
        for (uint8_t *got; (got = segment_next_in_place(&s, 0, &bytes)) != NULL;) {
            ck_assert_ptr_eq(got, large + from);
            size_t data_bytes = bytes - header_bytes;
            ck_assert_uint_eq(bytes, expected(want, &t, false, from, data_bytes,
                                              from + data_bytes == 3333, round & 8));
            ck_assert(memcmp(got, want, bytes) == 0);
            from += data_bytes;
        }
        ck_assert_uint_eq(from, 3333);
    }
}
END_TEST

/* ---- refusals ---- */

static bool begins(const struct stream *t, struct offload offload, size_t payload_bytes,
                   size_t frame_max_bytes)
{
    struct segmenter s;
    struct packet p = packet_of(large, build(large, t, payload, payload_bytes, true));
    bool begun = segment_begin(&s, &p, &offload, frame_max_bytes, true);
    ck_assert_uint_eq(segment_next_bytes(&s) != 0, begun);
    if (!begun)
        ck_assert_uint_eq(segment_next(&s, want), 0);
    return begun;
}

START_TEST(refuses_what_cannot_be_cut)
{
    for (unsigned shape = 0; shape < 24; shape++) {
        struct stream t = stream_with(shape);
        struct offload good = offload_of(&t, 100), bad = good;
        size_t header_bytes = header_bytes_of(&t);
        ck_assert(begins(&t, good, 250, header_bytes + 1));
        ck_assert(!begins(&t, good, 250, header_bytes));
        ck_assert(!begins(&t, good, 250, header_bytes - 1));
        ck_assert(!begins(&t, good, 250, 0));
        ck_assert(begins(&t, good, 1, ANY_ROOM));
        ck_assert(!begins(&t, good, 0, ANY_ROOM));
        bad.segment_bytes = 0;
        ck_assert(!begins(&t, bad, 250, ANY_ROOM));
        bad = good;
        bad.gso = t.udp ? OFFLOAD_TCP : OFFLOAD_UDP;
        ck_assert(!begins(&t, bad, 250, ANY_ROOM));
        bad.gso = OFFLOAD_WHOLE;
        ck_assert(!begins(&t, bad, 250, ANY_ROOM));
        t.tcp_flags |= SYN;
        ck_assert_int_eq(begins(&t, good, 250, ANY_ROOM), t.udp);
    }
}
END_TEST

START_TEST(refuses_fragments)
{
    for (unsigned udp = 0; udp < 2; udp++) {
        struct stream t = stream_of(false, udp);
        struct offload offload = offload_of(&t, 100);
        static const uint16_t FIELD[] = {0x2000, 0x0001, 0x2001, 0x6000};
        for (size_t i = 0; i < 4; i++) {
            t.spec.fragment_field = FIELD[i];
            ck_assert(!begins(&t, offload, 250, ANY_ROOM));
        }
        t = stream_of(true, udp);
        uint8_t atomic[8] = {udp ? 17 : 6, 0, 0, 0, 1, 2, 3, 4};
        t.spec.extensions = atomic;
        t.spec.extensions_bytes = 8;
        t.spec.extension_type = 44;
        ck_assert(!begins(&t, offload, 250, ANY_ROOM));
        atomic[3] = 1; /* more to come */
        ck_assert(!begins(&t, offload, 250, ANY_ROOM));
    }
}
END_TEST

START_TEST(refuses_headers_without_end)
{
    static uint8_t options[256] = {6, 31}; /* eight octets each, the first not counted */
    struct stream t = stream_of(true, false);
    struct offload offload = offload_of(&t, 100);
    t.spec.extensions = options;
    t.spec.extension_type = 60;
    for (size_t count = 8; count <= sizeof options; count += 8) {
        options[1] = (uint8_t)(count / 8 - 1);
        t.spec.extensions_bytes = count;
        ck_assert_int_eq(begins(&t, offload, 250, ANY_ROOM),
                         14 + 40 + 20 + count <= SEGMENT_HEADERS_MAX_BYTES);
    }
}
END_TEST

/* Its payload length is 0, a length of 32 bits stands in an option (RFC 2675). */
START_TEST(refuses_jumbograms)
{
    static const uint8_t jumbo[8] = {6, 0, 0xc2, 4, 0, 1, 0, 0};
    struct stream t = stream_of(true, false);
    struct offload offload = offload_of(&t, 100);
    struct segmenter s;
    t.spec.extensions = jumbo;
    t.spec.extensions_bytes = 8;
    size_t bytes = build(large, &t, payload, 250, true);
    store_be16(large + 14 + 4, 0);
    struct packet p = packet_of(large, bytes);
    ck_assert(!segment_begin(&s, &p, &offload, ANY_ROOM, true));
    memset(large, 0, 60); /* no IP at all */
    p = packet_of(large, bytes);
    ck_assert(!segment_begin(&s, &p, &offload, ANY_ROOM, true));
}
END_TEST

int main(void)
{
    fill_payload();
    Suite *s = suite_create("segment");
    TCase *tc = tcase_create("segment");
    tcase_set_timeout(tc, 60); /* slow sums under a sanitizer */
    tcase_add_test(tc, cuts_as_the_host_would);
    tcase_add_test(tc, makes_segments_fit);
    tcase_add_test(tc, moves_each_flag_where_it_belongs);
    tcase_add_test(tc, agrees_with_the_table_of_flags);
    tcase_add_test(tc, cuts_the_largest);
    tcase_add_test(tc, leaves_no_more_undone_than_the_sum);
    tcase_add_test(tc, makes_complete_checksums_afresh);
    tcase_add_test(tc, keeps_what_the_host_summed);
    tcase_add_test(tc, sends_no_zero_over_udp);
    tcase_add_test(tc, leaves_padding_out);
    tcase_add_test(tc, cuts_in_place);
    tcase_add_test(tc, refuses_what_cannot_be_cut);
    tcase_add_test(tc, refuses_fragments);
    tcase_add_test(tc, refuses_headers_without_end);
    tcase_add_test(tc, refuses_jumbograms);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
