/* SPDX-License-Identifier: MIT
 *
 * check_coalesce_bits.c - every bit of the headers, every checksum, and any mixture of flows: what
 * is joined comes out as it went in. See coalesce_owner.h for what is compared at every emit and
 * flush.
 */
#include "coalesce_owner.h"

#include <check.h>

/* ---- every bit ---- */

enum flip { IN_SECOND, IN_BOTH };

struct ranges {
    const char *what;
    size_t from, to; /* octets; from the layer named */
    uint8_t mask;    /* which bits of them */
};

static bool in_ranges(const struct ranges *r, size_t count, size_t base, size_t octet, uint8_t bit)
{
    for (size_t i = 0; i < count; i++) {
        if (octet >= base + r[i].from && octet < base + r[i].to && (r[i].mask & bit) != 0)
            return true;
    }
    return false;
}

/* Whether a second segment with this bit turned, checksums set anew, is still joined: what is its
 * own, not the flow's: payload, and the id where it means nothing. */
static bool second_may_differ(struct kind k, const struct owner_layout *l, size_t octet,
                              uint8_t bit)
{
    static const struct ranges ID = {"id", 4, 6, 0xff}, ENDING = {"PSH, FIN", 13, 14, PSH | FIN};
    return octet >= l->headers ||
           (l->v4 && l->tcp && k.fragment_field == DF &&
            in_ranges(&ID, 1, l->network, octet, bit)) ||
           (l->tcp && in_ranges(&ENDING, 1, l->transport, octet, bit));
}

/* Whether two segments that both have this bit turned are joined: all that does not make them
 * another kind of frame. */
static bool both_may_have(struct kind k, const struct owner_layout *l, size_t octet, uint8_t bit)
{
    static const struct ranges ETHER[] = {{"group", 0, 1, 1}};
    static const struct ranges IPV4[] = {
        {"version, header length", 0, 1, 0xff},
        {"total length", 2, 4, 0xff},
        {"more fragments, offset", 6, 7, 0x3f},
        {"offset", 7, 8, 0xff},
        {"protocol", 9, 10, 0xff},
    };
    static const struct ranges IPV6[] = {
        {"version", 0, 1, 0xf0}, {"payload length", 4, 6, 0xff}, {"next header", 6, 7, 0xff}};
    static const struct ranges TCP[] = {{"data offset", 12, 13, 0xf0},
                                        {"all flags but ECE", 13, 14, 0xff & ~ECE}};
    static const struct ranges UDP[] = {{"length", 4, 6, 0xff}};
    struct ranges ether_types = {"types of frame and tags", 12, 14, 0xff};
    for (unsigned tag = 0; tag <= k.tags; tag++) {
        if (in_ranges(&ether_types, 1, (size_t)4 * tag, octet, bit))
            return false;
    }
    return !in_ranges(ETHER, 1, 0, octet, bit) &&
           !(l->v4 ? in_ranges(IPV4, 5, l->network, octet, bit)
                   : in_ranges(IPV6, 3, l->network, octet, bit)) &&
           !(l->tcp ? in_ranges(TCP, 2, l->transport, octet, bit)
                    : in_ranges(UDP, 1, l->transport, octet, bit));
}

static bool in_checksum(const struct owner_layout *l, size_t octet)
{
    size_t field = l->transport + (l->tcp ? 16 : 6);
    return (l->v4 && octet >= l->network + 10 && octet < l->network + 12) ||
           (octet >= field && octet < field + 2);
}

/* Two consecutive frames with one bit turned in the second, or in both; 'resum': checksums are set
 * anew. True when they were joined. */
static bool joined_with_flip(struct kind k, enum flip flip, size_t octet, uint8_t bit, bool resum)
{
    bool joined = false;
    setup();
    for (unsigned n = 0; n < 2; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct owner_layout l;
        size_t bytes = build(frame, k, full(0));
        ck_assert(owner_layout_of(&l, frame, bytes));
        if (flip == IN_BOTH)
            frame[octet] ^= bit;
        if (l.v4)
            store_be16(frame + l.network + 4, (uint16_t)(load_be16(frame + l.network + 4) + n));
        if (l.tcp)
            store_be32(frame + l.transport + 4, load_be32(frame + l.transport + 4) + n * PAYLOAD);
        owner_sum(&l, frame, bytes, k.partial);
        if (flip == IN_SECOND && n == 1)
            frame[octet] ^= bit;
        if (resum)
            owner_sum(&l, frame, bytes, k.partial);
        joined = owner_give(&o, frame, bytes, k.partial, true);
    }
    owner_flush(&o);
    return joined;
}

START_TEST(compares_every_bit_of_the_second)
{
    struct kind k;
    for (unsigned i = 0; next_kind(&k, i); i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct owner_layout l;
        size_t bytes = build(frame, k, full(0));
        ck_assert(owner_layout_of(&l, frame, bytes));
        for (size_t bit = 0; bit < 8 * (l.headers + 1); bit++) {
            uint8_t mask = (uint8_t)(1 << bit % 8);
            if (in_checksum(&l, bit / 8))
                continue;
            bool got = joined_with_flip(k, IN_SECOND, bit / 8, mask, true);
            ck_assert_msg(got == second_may_differ(k, &l, bit / 8, mask),
                          "kind %u, octet %zu, mask %02x: joined %d", i, bit / 8, mask, (int)got);
        }
    }
}
END_TEST

START_TEST(joins_whatever_both_have)
{
    struct kind k;
    for (unsigned i = 0; next_kind(&k, i); i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct owner_layout l;
        size_t bytes = build(frame, k, full(0));
        ck_assert(owner_layout_of(&l, frame, bytes));
        for (size_t bit = 0; bit < 8 * (l.headers + 1); bit++) {
            uint8_t mask = (uint8_t)(1 << bit % 8);
            if (in_checksum(&l, bit / 8))
                continue;
            bool got = joined_with_flip(k, IN_BOTH, bit / 8, mask, true);
            ck_assert_msg(got == both_may_have(k, &l, bit / 8, mask),
                          "kind %u, octet %zu, mask %02x: joined %d", i, bit / 8, mask, (int)got);
        }
    }
}
END_TEST

/* Without summing anew a turned bit is a damaged frame. What a partial checksum does not cover may
 * be: PSH, FIN and payload. */
START_TEST(joins_no_damaged_frame)
{
    struct kind k;
    for (unsigned i = 0; next_kind(&k, i); i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct owner_layout l;
        size_t bytes = build(frame, k, full(0));
        ck_assert(owner_layout_of(&l, frame, bytes));
        for (size_t bit = 0; bit < 8 * (l.headers + 2); bit++) {
            uint8_t mask = (uint8_t)(1 << bit % 8);
            bool uncovered = bit / 8 >= l.headers ||
                             (l.tcp && bit / 8 == l.transport + 13 && (mask & (PSH | FIN)));
            bool got = joined_with_flip(k, IN_SECOND, bit / 8, mask, false);
            ck_assert_msg(got == (k.partial && uncovered),
                          "kind %u, octet %zu, mask %02x: joined %d", i, bit / 8, mask, (int)got);
        }
    }
}
END_TEST

/* ---- checksums ---- */

/* Spoils one checksum of one of three segments. What is damaged stays alone and as it was; the
 * sound ones beside each other are joined. */
START_TEST(never_mends_a_checksum)
{
    struct kind k;
    for (unsigned i = 0; next_kind(&k, i); i++) {
        for (unsigned bad = 0; bad < 3; bad++) {
            for (unsigned field = k.v6; field < 2; field++) {
                setup();
                for (unsigned n = 0; n < 3; n++) {
                    uint8_t frame[FRAME_BYTES_MAX];
                    struct owner_layout l;
                    size_t bytes = build(frame, k, full(n));
                    ck_assert(owner_layout_of(&l, frame, bytes));
                    uint8_t *at =
                        field == 0 ? frame + l.network + 10 : owner_checksum_field(&l, frame);
                    if (n == bad)
                        store_be16(at, (uint16_t)(load_be16(at) ^ 0x0100));
                    bool joined = owner_give(&o, frame, bytes, k.partial, true);
                    ck_assert_uint_eq(joined, n > 0 && n != bad && n != bad + 1);
                }
                owner_flush(&o);
                ck_assert_uint_eq(o.emitted, bad == 1 ? 3 : 2);
            }
        }
    }
}
END_TEST

START_TEST(leaves_udp_without_checksum_alone)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        for (unsigned without = 1; without < 4; without++) { /* the first, the second, both */
            struct kind k = {.v6 = kind & 1, .udp = true, .partial = kind & 2};
            setup();
            for (unsigned n = 0; n < 2; n++) {
                uint8_t frame[FRAME_BYTES_MAX];
                struct owner_layout l;
                size_t bytes = build(frame, k, full(n));
                ck_assert(owner_layout_of(&l, frame, bytes));
                if (without >> n & 1)
                    store_be16(owner_checksum_field(&l, frame), 0);
                ck_assert(!owner_give(&o, frame, bytes, k.partial, true));
            }
            owner_flush(&o);
            ck_assert_uint_eq(o.emitted, 2);
        }
    }
}
END_TEST

/* A frame whose checksum comes to zero, in either of its forms: a complete one by its payload, a
 * partial one by an address. */
static size_t build_zero(uint8_t *frame, struct kind k, unsigned n)
{
    struct owner_layout l;
    size_t bytes = build(frame, k, full(n));
    ck_assert(owner_layout_of(&l, frame, bytes));
    uint8_t *word = k.partial ? frame + l.network + 14 : frame + bytes - 2;
    store_be16(word, 0);
    owner_sum(&l, frame, bytes, k.partial);
    uint16_t sum = load_be16(owner_checksum_field(&l, frame));
    store_be16(word, k.partial ? (uint16_t)~sum : sum);
    owner_sum(&l, frame, bytes, k.partial);
    ck_assert_uint_eq(load_be16(owner_checksum_field(&l, frame)) % 0xffff, 0);
    return bytes;
}

/* Both forms are right for TCP; 0 says 'none' for UDP. */
START_TEST(knows_both_zeros)
{
    for (unsigned i = 0; i < 8; i++) {
        struct kind k = {.v6 = i & 1, .udp = i & 2, .partial = i & 4};
        for (unsigned form = 0; form < 4; form++) {
            bool joined = false;
            setup();
            for (unsigned n = 0; n < 2; n++) {
                uint8_t frame[FRAME_BYTES_MAX];
                struct owner_layout l;
                size_t bytes = build_zero(frame, k, n);
                ck_assert(owner_layout_of(&l, frame, bytes));
                store_be16(owner_checksum_field(&l, frame), form >> n & 1 ? 0xffff : 0);
                joined = owner_give(&o, frame, bytes, k.partial, true);
            }
            ck_assert_uint_eq(joined, !k.udp || form == 3);
            owner_flush(&o);
        }
    }
}
END_TEST

/* ---- anything, in any order ---- */

static uint32_t seed;

static unsigned below(unsigned limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

struct stream {
    struct kind kind;
    unsigned n; /* the next full payload */
};

/* The next of a flow, seldom something else: damage, loss, repetition, other flags or sizes. */
static size_t random_frame(struct stream *s, uint16_t port, uint8_t *frame)
{
    struct piece piece = {s->n++, PAYLOAD, ACK, port};
    struct kind k = s->kind;
    k.partial ^= below(20) == 0;
    switch (below(24)) {
    case 0:
        s->n += 1 + below(3);
        break;
    case 1:
        s->n -= s->n > 3 ? below(4) : 0;
        break;
    case 2:
        piece.payload_bytes = below(PAYLOAD + 20);
        break;
    case 3:
        piece.flags |= (uint8_t)(1 << below(8));
        break;
    case 4:
        piece.payload_bytes = 0;
        break;
    default:
        break;
    }
    s->kind.partial = k.partial;
    size_t bytes = build(frame, k, piece);
    if (below(30) == 0)
        frame[below((unsigned)bytes)] ^= (uint8_t)(1 << below(8));
    return bytes;
}

/* Give a few flows' frames in turn, some swapped, some not holdable. */
static void random_run(void)
{
    struct stream stream[COALESCE_FLOWS + 4] = {0};
    unsigned flows = 1 + below(COALESCE_FLOWS + 4);
    for (unsigned i = 0; i < flows; i++)
        next_kind(&stream[i].kind, below(144));
    for (unsigned turns = 0; turns < 6; turns++) {
        unsigned count = 1 + below(100), burst = 1 + below(12);
        for (unsigned given = 0, flow = 0; given < count; given++) {
            uint8_t frame[FRAME_BYTES_MAX];
            if (given % burst == 0)
                flow = below(flows);
            size_t bytes = random_frame(&stream[flow], (uint16_t)flow, frame);
            owner_give(&o, frame, bytes, stream[flow].kind.partial, below(50) != 0);
        }
        owner_flush(&o);
    }
}

START_TEST(keeps_everything_in_order)
{
    size_t given = 0, joined = 0;
    for (unsigned run = 0; run < 400; run++) {
        seed = run + 1;
        setup();
        random_run();
        given += o.out;
        joined += o.joined;
    }
    ck_assert_uint_gt(joined, given / 4);
    ck_assert_uint_lt(joined, given);
}
END_TEST

/* Flows in turn, nothing amiss: all that a turn brings of a flow goes as one. */
START_TEST(joins_most_of_a_busy_line)
{
    struct stream stream[4] = {{.kind = {.partial = true}}, {.kind = {.v6 = true}}};
    seed = 7;
    for (unsigned turns = 0; turns < 50; turns++) {
        for (unsigned given = 0; given < 200; given++) {
            uint8_t frame[FRAME_BYTES_MAX];
            unsigned flow = given / 5 % 4;
            struct piece piece = {stream[flow].n++, PAYLOAD, ACK, (uint16_t)flow};
            size_t bytes = build(frame, stream[flow].kind, piece);
            owner_give(&o, frame, bytes, stream[flow].kind.partial, true);
        }
        owner_flush(&o);
    }
    ck_assert_uint_eq(o.out, 10000);
    ck_assert_uint_eq(o.joined, 10000);
    ck_assert_uint_eq(o.emitted, 200);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("coalesce bits");
    TCase *tc = tcase_create("coalesce bits");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, compares_every_bit_of_the_second);
    tcase_add_test(tc, joins_whatever_both_have);
    tcase_add_test(tc, joins_no_damaged_frame);
    tcase_add_test(tc, never_mends_a_checksum);
    tcase_add_test(tc, leaves_udp_without_checksum_alone);
    tcase_add_test(tc, knows_both_zeros);
    tcase_add_test(tc, keeps_everything_in_order);
    tcase_add_test(tc, joins_most_of_a_busy_line);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
