/* SPDX-License-Identifier: MIT
 *
 * check_coalesce.c - what is joined, held and emitted when, and what may overtake what. See
 * coalesce_owner.h for what is compared at every emit and flush.
 */
#include "coalesce_owner.h"

#include <check.h>

/* ---- what comes out ---- */

START_TEST(joins_each_kind)
{
    struct kind k;
    for (unsigned i = 0; next_kind(&k, i); i++) {
        for (unsigned count = 1; count <= 5; count++) {
            setup();
            for (unsigned n = 0; n < count; n++)
                ck_assert_uint_eq(give(k, full(n)), n > 0);
            ck_assert_uint_eq(o.emitted, 0);
            owner_flush(&o);
            ck_assert_uint_eq(o.emitted, 1);
            ck_assert_uint_eq(o.slices, count);
            ck_assert_uint_eq(o.offload.checksum_partial, count > 1 || k.partial);
            ck_assert_uint_eq(o.offload.segment_bytes, count > 1 ? PAYLOAD : 0);
            ck_assert_uint_eq(o.joined, count > 1 ? count : 0);
        }
    }
}
END_TEST

START_TEST(mixes_partial_and_complete)
{
    for (unsigned mix = 0; mix < 16; mix++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            setup();
            for (unsigned n = 0; n < 4; n++) {
                struct kind k = {.v6 = kind & 1, .udp = kind & 2, .partial = mix >> n & 1};
                ck_assert_uint_eq(give(k, full(n)), n > 0);
            }
            owner_flush(&o);
            ck_assert_uint_eq(o.emitted, 1);
        }
    }
}
END_TEST

START_TEST(tells_when_it_emits)
{
    static const struct {
        const char *what;
        struct piece second;
        bool joined;
        size_t emitted; /* before the flush */
    } ROW[] = {
        {"the same size", {1, PAYLOAD, ACK, 0}, true, 0},
        {"a byte less", {1, PAYLOAD - 1, ACK, 0}, true, 1},
        {"one byte", {1, 1, ACK, 0}, true, 1},
        {"nothing", {1, 0, ACK, 0}, false, 2},
        {"a byte more", {1, PAYLOAD + 1, ACK, 0}, false, 1},
        {"much more", {1, 1000, ACK, 0}, false, 1},
        {"PSH", {1, PAYLOAD, ACK | PSH, 0}, true, 1},
        {"FIN", {1, PAYLOAD, ACK | FIN, 0}, true, 1},
        {"FIN alone", {1, 0, ACK | FIN, 0}, false, 2},
        {"short, PSH and FIN", {1, 3, ACK | PSH | FIN, 0}, true, 1},
        {"RST", {1, 0, RST, 0}, false, 2},
        {"RST with data", {1, PAYLOAD, RST | ACK, 0}, false, 2},
        {"SYN", {1, PAYLOAD, SYN, 0}, false, 2},
        {"no ACK", {1, PAYLOAD, 0, 0}, false, 2},
        {"CWR", {1, PAYLOAD, ACK | CWR, 0}, false, 2},
        {"ECE begins", {1, PAYLOAD, ACK | ECE, 0}, false, 1},
        {"URG", {1, PAYLOAD, ACK | URG, 0}, false, 2},
        {"again", {0, PAYLOAD, ACK, 0}, false, 1},
        {"a hole", {2, PAYLOAD, ACK, 0}, false, 1},
        {"another flow", {1, PAYLOAD, ACK, 1}, false, 0},
        {"another flow's ACK", {1, 0, ACK, 1}, false, 1},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            struct kind k = {.v6 = kind & 1, .partial = kind & 2};
            setup();
            give(k, full(0));
            bool joined = give(k, ROW[i].second);
            ck_assert_msg(joined == ROW[i].joined, "%s: joined %d", ROW[i].what, (int)joined);
            ck_assert_msg(o.emitted == ROW[i].emitted, "%s: emitted %zu", ROW[i].what, o.emitted);
            owner_flush(&o);
            ck_assert_uint_eq(o.emitted, joined ? 1 : 2);
        }
    }
}
END_TEST

/* The second continues when it has the first's flags, but for PSH and FIN; the first may have no
 * other flags than ACK and ECE. */
START_TEST(heeds_all_flags)
{
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            struct kind k = {.v6 = second & 1, .partial = true};
            bool joinable = (first & 0xbf) == ACK && (second & 0xf6) == first;
            setup();
            give(k, (struct piece){0, 8, (uint8_t)first, 0});
            /* 'n' counts in PAYLOAD: continue the 8 octets by hand */
            uint8_t frame[FRAME_BYTES_MAX];
            struct owner_layout l;
            size_t bytes = build(frame, k, (struct piece){0, 8, (uint8_t)second, 0});
            ck_assert(owner_layout_of(&l, frame, bytes));
            store_be32(frame + l.transport + 4, FIRST_SEQUENCE + 8);
            if (l.v4) {
                store_be16(frame + l.network + 4, (uint16_t)(FIRST_ID + 1));
                owner_sum(&l, frame, bytes, true);
            }
            ck_assert_msg(owner_give(&o, frame, bytes, true, true) == joinable, "%02x %02x", first,
                          second);
            owner_flush(&o);
        }
    }
}
END_TEST

/* ---- limits ---- */

/* As many as fit the frame, or the slices. */
START_TEST(stops_at_the_limits)
{
    static const struct {
        uint8_t tags;
        size_t payload_bytes, want;
    } ROW[] = {
        {0, 1679, 39},                                              /* 54 + 39 * 1679 = 65535 */
        {1, 1679, 38}, {0, 1678, 39}, {0, 1680, 38}, {0, 1129, 57}, /* 58 would make 65536 */
        {0, 1000, 64}, {0, 10, 64},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct kind k = {.tags = ROW[i].tags, .partial = true};
        setup();
        for (size_t n = 0; n < ROW[i].want + 1; n++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct owner_layout l;
            size_t bytes = build(frame, k, (struct piece){0, ROW[i].payload_bytes, ACK, 0});
            ck_assert(owner_layout_of(&l, frame, bytes));
            store_be32(frame + l.transport + 4, (uint32_t)(n * ROW[i].payload_bytes));
            store_be16(frame + l.network + 4, (uint16_t)n);
            owner_sum(&l, frame, bytes, true);
            ck_assert_uint_eq(owner_give(&o, frame, bytes, true, true), n > 0 && n < ROW[i].want);
        }
        ck_assert_uint_eq(o.emitted, 1);
        ck_assert_uint_eq(o.slices, ROW[i].want);
        owner_flush(&o);
        ck_assert_uint_eq(o.emitted, 2);
    }
}
END_TEST

START_TEST(follows_the_sequence_number_around)
{
    static const struct {
        uint32_t first, second;
        bool joined;
    } ROW[] = {
        {0, PAYLOAD, true},
        {0, PAYLOAD + 1, false},
        {0, PAYLOAD - 1, false},
        {0, 0, false},
        {0xffffffff, PAYLOAD - 1, true},
        {0u - PAYLOAD, 0, true},
        {0u - PAYLOAD, 1, false},
        {0x7fffffff, 0x7fffffffu + PAYLOAD, true},
        {5, 0x80000005u + PAYLOAD, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        setup();
        for (unsigned n = 0; n < 2; n++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct owner_layout l;
            struct kind k = {.fragment_field = DF};
            size_t bytes = build(frame, k, full(n));
            ck_assert(owner_layout_of(&l, frame, bytes));
            store_be32(frame + l.transport + 4, n == 0 ? ROW[i].first : ROW[i].second);
            owner_sum(&l, frame, bytes, false);
            ck_assert_uint_eq(owner_give(&o, frame, bytes, false, true), n > 0 && ROW[i].joined);
        }
        owner_flush(&o);
    }
}
END_TEST

/* Frame @n of a flow with this IPv4 id. */
static bool give_with_id(struct kind k, unsigned n, uint16_t id)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct owner_layout l;
    size_t bytes = build(frame, k, full(n));
    ck_assert(owner_layout_of(&l, frame, bytes));
    store_be16(frame + l.network + 4, id);
    owner_sum(&l, frame, bytes, k.partial);
    return owner_give(&o, frame, bytes, k.partial, true);
}

/* Which of three datagrams are joined to the one before. TCP's with DF all are: the id means
 * nothing there. */
START_TEST(heeds_the_id)
{
    static const struct {
        const char *what;
        uint16_t id[3];
        bool second, third;
    } ROW[] = {
        {"counts up", {10, 11, 12}, true, true},
        {"counts up from 0", {0, 1, 2}, true, true},
        {"counts up over an octet", {0x00fe, 0x00ff, 0x0100}, true, true},
        {"counts up past the sign", {0x7fff, 0x8000, 0x8001}, true, true},
        {"counts around", {0xfffe, 0xffff, 0}, true, true},
        {"counts around at once", {0xffff, 0, 1}, true, true},
        {"begins anew at 0", {0xfffe, 0, 1}, false, true},
        {"always 0", {0, 0, 0}, false, false},
        {"always the same", {7, 7, 7}, false, false},
        {"always the last", {0xffff, 0xffff, 0xffff}, false, false},
        {"counts by 2", {10, 12, 14}, false, false},
        {"counts by 7", {10, 17, 24}, false, false},
        {"counts down", {12, 11, 10}, false, false},
        {"counts in the other order of octets", {0x0100, 0x0200, 0x0300}, false, false},
        {"no carry", {0x00ff, 0x0000, 0x0001}, false, true},
        {"the second's again", {10, 11, 11}, true, false},
        {"the first's again", {10, 11, 10}, true, false},
        {"a gap after two", {10, 11, 13}, true, false},
        {"a gap after one", {10, 12, 13}, false, true},
        {"a third that continues the first", {10, 12, 11}, false, false},
        {"to 0 after two", {10, 11, 0}, true, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        for (unsigned kind = 0; kind < 8; kind++) {
            struct kind k = {
                .udp = kind & 1, .fragment_field = kind & 2 ? DF : 0, .partial = kind & 4};
            bool any = !k.udp && k.fragment_field == DF;
            setup();
            give_with_id(k, 0, ROW[i].id[0]);
            bool second = give_with_id(k, 1, ROW[i].id[1]);
            bool third = give_with_id(k, 2, ROW[i].id[2]);
            ck_assert_msg(second == (any || ROW[i].second) && third == (any || ROW[i].third),
                          "%s, kind %u: joined %d, %d", ROW[i].what, kind, (int)second, (int)third);
            owner_flush(&o); /* compares each with what was given */
            ck_assert_uint_eq(o.emitted, 3u - second - third);
        }
    }
}
END_TEST

/* Of a flow that is cut up as QUIC servers have it, each batch with ids from 0. */
START_TEST(joins_each_batch_of_ids)
{
    for (unsigned with_df = 0; with_df < 2; with_df++) {
        struct kind k = {.udp = true, .fragment_field = with_df ? DF : 0};
        setup();
        for (unsigned n = 0; n < 30; n++)
            ck_assert_uint_eq(give_with_id(k, n, (uint16_t)(n % 10)), n % 10 != 0);
        owner_flush(&o);
        ck_assert_uint_eq(o.emitted, 3);
        ck_assert_uint_eq(o.joined, 30);
    }
}
END_TEST

/* ---- what is never held ---- */

/* Emitted as soon as it is offered, by itself. */
static void expect_at_once(const char *what, const uint8_t *frame, size_t bytes)
{
    for (unsigned twice = 0; twice < 2; twice++) {
        ck_assert_msg(!owner_give(&o, frame, bytes, false, true), "%s was joined", what);
        ck_assert_msg(o.emitted == twice + 1, "%s was held", what);
    }
    owner_flush(&o);
    ck_assert_uint_eq(o.emitted, 2);
}

START_TEST(holds_nothing_that_cannot_be_joined)
{
    static const uint8_t ROUTER_ALERT[4] = {148, 4, 0, 0}, CHAIN[8] = {6, 0, 1, 4};
    uint8_t tcp[40] = {[12] = 0x50, [13] = ACK}, frame[FRAME_BYTES_MAX];
    struct frame_spec four = {
        .ip_source = frame_ip("10.0.0.1"), .ip_destination = frame_ip("10.0.0.2"), .ttl = 64};
    struct frame_spec six = {
        .ip_source = frame_ip("fd00::1"), .ip_destination = frame_ip("fd00::2"), .ttl = 64};
    struct frame_spec spec = four;
    spec.ip_options = ROUTER_ALERT;
    spec.ip_options_bytes = sizeof ROUTER_ALERT;
    setup();
    expect_at_once("IPv4 options", frame, frame_summed(frame, spec, 6, tcp, sizeof tcp, 16));
    spec = four;
    spec.fragment_field = 0x2000;
    setup();
    expect_at_once("first fragment", frame, frame_summed(frame, spec, 6, tcp, sizeof tcp, 16));
    spec.fragment_field = 0x2010;
    setup();
    expect_at_once("later fragment", frame, frame_summed(frame, spec, 6, tcp, sizeof tcp, 16));
    spec = six;
    spec.extensions = CHAIN;
    spec.extensions_bytes = sizeof CHAIN;
    for (unsigned type = 0; type <= 60; type += 60) {
        spec.extension_type = (uint8_t)type;
        setup();
        expect_at_once("extension", frame, frame_summed(frame, spec, 6, tcp, sizeof tcp, 16));
    }
    spec.extension_type = 44;
    setup();
    expect_at_once("IPv6 fragment", frame, frame_summed(frame, spec, 6, tcp, sizeof tcp, 16));
    setup();
    expect_at_once("pure ACK", frame, frame_summed(frame, four, 6, tcp, 20, 16));
    for (unsigned v6 = 0; v6 < 2; v6++) {
        spec = v6 ? six : four;
        setup();
        size_t bytes = frame_summed(frame, spec, 6, tcp, sizeof tcp, 16);
        memset(frame + bytes, 0, 3);
        expect_at_once("padding", frame, bytes + 3);
        setup();
        expect_at_once("ICMP", frame, frame_summed(frame, spec, v6 ? 58 : 1, tcp, sizeof tcp, 2));
        setup();
        expect_at_once("empty datagram", frame, frame_udp(frame, spec, NULL, 0));
        spec.destination = (struct mac){{0x33, 0x33, 0, 0, 0, 1}};
        setup();
        expect_at_once("group", frame, frame_summed(frame, spec, 6, tcp, sizeof tcp, 16));
        setup();
        expect_at_once("group", frame, frame_udp(frame, spec, "datagram", 8));
    }
    setup();
    expect_at_once("ARP", frame, frame_arp(frame, four, FRAME_ARP_REQUEST, frame_mac(0)));
}
END_TEST

START_TEST(joins_udp_only_when_asked)
{
    struct kind k = {.udp = true};
    owner_init(&o, false);
    for (unsigned n = 0; n < 3; n++) {
        ck_assert(!give(k, full(n)));
        ck_assert_uint_eq(o.emitted, n + 1);
    }
}
END_TEST

START_TEST(ends_udp_at_a_shorter_datagram)
{
    struct kind k = {.udp = true};
    give(k, full(0));
    ck_assert(give(k, full(1)));
    ck_assert(!give(k, (struct piece){2, PAYLOAD + 1, 0, 0})); /* longer: held anew */
    ck_assert_uint_eq(o.emitted, 1);
    ck_assert(give(k, (struct piece){3, 1, 0, 0}));
    ck_assert_uint_eq(o.emitted, 2);
    ck_assert(!give(k, full(4)));
    ck_assert(!give(k, (struct piece){5, 0, 0, 0})); /* empty: goes after what is held */
    ck_assert_uint_eq(o.emitted, 4);
}
END_TEST

/* ---- order ---- */

START_TEST(passes_on_what_may_not_be_held)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct kind k = {.partial = true};
    size_t bytes = build(frame, k, full(0));
    owner_give(&o, frame, bytes, true, false);
    ck_assert_uint_eq(o.emitted, 1);
    bytes = build(frame, k, full(1));
    owner_give(&o, frame, bytes, true, true);
    ck_assert_uint_eq(o.emitted, 1);
    bytes = build(frame, k, full(2));
    owner_give(&o, frame, bytes, true, false);
    ck_assert_uint_eq(o.emitted, 3);
    ck_assert(o.offload.checksum_partial);
}
END_TEST

/* A frame between the same two hosts that is not joined, and whether what is held goes first. */
START_TEST(lets_only_other_flows_overtake)
{
    static const struct {
        const char *what;
        uint8_t protocol, source, destination; /* hosts' last octets */
        uint16_t source_port, destination_port, fragment_field;
        uint8_t tags;
        bool goes_first;
    } ROW[] = {
        {"same flow", OWNER_TCP, 2, 3, 50000, 445, 0, 0, true},
        {"same flow, other VLAN", OWNER_TCP, 2, 3, 50000, 445, 0, 1, true},
        {"from another port", OWNER_TCP, 2, 3, 50001, 445, 0, 0, false},
        {"to another port", OWNER_TCP, 2, 3, 50000, 446, 0, 0, false},
        {"from another host", OWNER_TCP, 9, 3, 50000, 445, 0, 0, false},
        {"to another host", OWNER_TCP, 2, 9, 50000, 445, 0, 0, false},
        {"UDP of the same ports", OWNER_UDP, 2, 3, 50000, 445, 0, 0, false},
        {"ICMP", 1, 2, 3, 50000, 445, 0, 0, false},
        {"ESP", 50, 2, 3, 50000, 445, 0, 0, false},
        {"the other way", OWNER_TCP, 3, 2, 445, 50000, 0, 0, false},
        {"first fragment", OWNER_TCP, 2, 3, 50000, 445, 0x2000, 0, true},
        {"first fragment of another", OWNER_TCP, 2, 3, 50001, 445, 0x2000, 0, false},
        {"later fragment", OWNER_TCP, 2, 3, 1, 1, 0x0010, 0, true},
        {"later fragment of others", OWNER_TCP, 2, 9, 1, 1, 0x0010, 0, false},
        {"later fragment, other way", OWNER_TCP, 3, 2, 1, 1, 0x0010, 0, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t upper[40] = {[12] = 0x50, [13] = ACK}, frame[FRAME_BYTES_MAX];
        struct frame_spec spec = {.ip_source = frame_ip("192.168.1.0"),
                                  .ip_destination = frame_ip("192.168.1.0"),
                                  .ttl = 64,
                                  .fragment_field = ROW[i].fragment_field,
                                  .vlan_tags = ROW[i].tags};
        spec.ip_source.octet[3] = ROW[i].source;
        spec.ip_destination.octet[3] = ROW[i].destination;
        setup();
        give((struct kind){.fragment_field = DF}, full(0));
        store_be16(upper, ROW[i].source_port);
        store_be16(upper + 2, ROW[i].destination_port);
        if (ROW[i].protocol == OWNER_UDP)
            store_be16(upper + 4, sizeof upper);
        size_t bytes = frame_packet(frame, spec, ROW[i].protocol, upper, sizeof upper);
        owner_give(&o, frame, bytes, false, true);
        bool went_first = o.frame[0].place != 0;
        ck_assert_msg(went_first == ROW[i].goes_first, "%s: %d", ROW[i].what, (int)went_first);
        owner_flush(&o);
    }
}
END_TEST

START_TEST(emits_the_oldest_to_make_room)
{
    struct kind k = {.partial = true};
    for (uint16_t flow = 0; flow < COALESCE_FLOWS; flow++)
        give(k, (struct piece){0, PAYLOAD, ACK, flow});
    for (uint16_t flow = COALESCE_FLOWS; flow-- > 0;)
        ck_assert(give(k, (struct piece){1, PAYLOAD, ACK, flow}));
    ck_assert_uint_eq(o.emitted, 0);
    give(k, (struct piece){0, PAYLOAD, ACK, COALESCE_FLOWS});
    ck_assert_uint_eq(o.emitted, 1);
    ck_assert_uint_eq(o.frame[0].place, 1);
    ck_assert(give(k, (struct piece){2, PAYLOAD, ACK | PSH, 3})); /* a slot in the middle */
    ck_assert_uint_eq(o.emitted, 2);
    give(k, (struct piece){0, PAYLOAD, ACK, COALESCE_FLOWS + 1}); /* takes its place */
    ck_assert_uint_eq(o.emitted, 2);
    give(k, (struct piece){0, PAYLOAD, ACK, COALESCE_FLOWS + 2});
    ck_assert_uint_eq(o.emitted, 3);
    ck_assert_uint_ne(o.frame[1].place, 0);
    coalesce_flush(&o.c);
    ck_assert_uint_eq(o.emitted, COALESCE_FLOWS + 3);
    /* Oldest first: the firsts of flows 2, 4 ... 7 come in that order, then the new ones. */
    static const size_t ORDER[] = {2, 4, 5, 6, 7, 16, 18, 19};
    for (size_t i = 1; i < sizeof ORDER / sizeof ORDER[0]; i++)
        ck_assert_uint_lt(o.frame[ORDER[i - 1]].place, o.frame[ORDER[i]].place);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("coalesce");
    TCase *tc = tcase_create("coalesce");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, joins_each_kind);
    tcase_add_test(tc, mixes_partial_and_complete);
    tcase_add_test(tc, tells_when_it_emits);
    tcase_add_test(tc, heeds_all_flags);
    tcase_add_test(tc, stops_at_the_limits);
    tcase_add_test(tc, follows_the_sequence_number_around);
    tcase_add_test(tc, heeds_the_id);
    tcase_add_test(tc, joins_each_batch_of_ids);
    tcase_add_test(tc, holds_nothing_that_cannot_be_joined);
    tcase_add_test(tc, joins_udp_only_when_asked);
    tcase_add_test(tc, ends_udp_at_a_shorter_datagram);
    tcase_add_test(tc, passes_on_what_may_not_be_held);
    tcase_add_test(tc, lets_only_other_flows_overtake);
    tcase_add_test(tc, emits_the_oldest_to_make_room);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
