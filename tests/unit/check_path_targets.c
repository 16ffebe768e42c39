/* SPDX-License-Identifier: MIT
 *
 * check_path_targets.c - where initiations and punches go, and how a port set is sprayed.
 */
#include "paths_owner.h"

#include <stdlib.h>

static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

/* @count targets, these in this order. */
static void assert_targets(const struct endpoint *expected, size_t count)
{
    struct endpoint out[PATHS_MAX];
    ck_assert_uint_eq(paths_targets(&w.p, out, PATHS_MAX, w.now_us), count);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(endpoint_equal(&out[i], &expected[i]), "target %zu", i);
}

#define ASSERT_TARGETS(...)                                                                        \
    assert_targets((const struct endpoint[]){__VA_ARGS__},                                         \
                   sizeof((const struct endpoint[]){__VA_ARGS__}) / sizeof(struct endpoint))

/* ---- initiations ---- */

START_TEST(all_are_tried_best_first)
{
    begin(start[_i]);
    NAME(PATHS_CONFIGURED, by_turn(1), by_peer(0), v4(1), v6(1));
    NAME(PATHS_MEETING, v4(2), v6(1));
    paths_attest(&w.p, &(struct ip_address){IP_V4, {198, 51, 100, 1}}); /* beyond the TURN server */
    paths_attest(&w.p, &(struct ip_address){IP_V4, {198, 51, 100, 2}});
    for (unsigned i = 0; i < 100; i++) { /* the caller's clock sets the pace, for ever */
        ASSERT_TARGETS(v6(1), v4(1), v4(2), by_turn(1), by_peer(0));
        w.now_us += SECOND;
    }
    struct endpoint out[2];
    ck_assert_uint_eq(paths_targets(&w.p, out, 2, w.now_us), 2);
    ck_assert(endpoint_equal(&out[1], &(struct endpoint){v4(1).address, 0, 7788, 0}));
    ck_assert_uint_eq(paths_targets(&w.p, out, 0, w.now_us), 0);
}
END_TEST

START_TEST(a_session_is_renewed_by_its_path_alone_at_first)
{
    struct endpoint used = v4(2);
    begin(start[_i]);
    works(used, 10 * MS);
    NAME(PATHS_CONFIGURED, v6(1), v4(1), used);
    run(SECOND);
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_TARGETS(used);
        ASSERT_TARGETS(used, v6(1), v4(1)); /* that did not help */
        ASSERT_TARGETS(used, v6(1), v4(1));
        paths_proved(&w.p, &used, w.now_us);
    }
    works(used, 0)->cut = true;
    run(5 * SECOND); /* in use still, and known not to work */
    ASSERT_TARGETS(used, v6(1), v4(1));
    paths_proved(&w.p, &used, w.now_us);
    paths_restart(&w.p, w.now_us);
    ASSERT_TARGETS(used, v6(1), v4(1));
}
END_TEST

START_TEST(a_peers_word_is_tried_five_times_then_seldom)
{
    begin(start[_i]);
    NAME(PATHS_CONFIGURED, v4(1));
    NAME(PATHS_TOLD, v4(2));
    unsigned tried = 0;
    for (unsigned s = 0; s < 120; s++, w.now_us += SECOND) {
        struct endpoint out[PATHS_MAX];
        size_t count = paths_targets(&w.p, out, PATHS_MAX, w.now_us);
        tried += count == 2;
        ck_assert(s != 4 || tried == 5);
        ck_assert(s != 28 || tried == 5);
        ck_assert(s != 30 || tried == 6);
    }
    ck_assert_uint_eq(tried, 5 + 4); /* at 30, 55, 80, 105 s */
}
END_TEST

/* The word of a meeting point: what nobody proves hardly costs anything. */
START_TEST(where_only_a_meeting_point_saw_it_is_seldom_tried)
{
    begin(start[_i]);
    struct endpoint out[PATHS_MAX];
    unsigned sent[2] = {0};
    NAME(PATHS_MEETING, v4(66));
    for (unsigned s = 0; s < 3600; s++, w.now_us += SECOND)
        sent[s >= 60] += (unsigned)paths_targets(&w.p, out, PATHS_MAX, w.now_us);
    ck_assert_uint_eq(sent[0], 6);
    ck_assert_uint_le(sent[1], 3600 / 300 + 3);
    ck_assert_uint_ge(sent[1], 3600 / 300 - 2);
    NAME(PATHS_TOLD, v4(66)); /* the peer says so, too */
    for (unsigned s = 0; s < 600; s++, w.now_us += SECOND)
        sent[0] += (unsigned)paths_targets(&w.p, out, PATHS_MAX, w.now_us);
    ck_assert_uint_ge(sent[0], 6 + 600 / 25 - 1);
}
END_TEST

START_TEST(checks_of_what_only_a_meeting_point_saw_grow_seldom)
{
    begin(start[_i]);
    works(v4(66), 10 * MS)->cut = true;
    NAME(PATHS_MEETING, v4(66));
    run(60 * SECOND);
    ck_assert_uint_ge(way_of(v4(66))->checks, 5);
    ck_assert_uint_le(way_of(v4(66))->checks, 7);
    unsigned before = way_of(v4(66))->checks;
    run(3600 * SECOND);
    ck_assert_uint_le(way_of(v4(66))->checks - before, 3600 / 300 + 3);
}
END_TEST

START_TEST(checks_and_initiations_share_what_is_allowed)
{
    begin(start[_i]);
    struct endpoint a = v4(66), b = v4(66), out[PATHS_MAX];
    b.port++;
    NAME(PATHS_TOLD, a, b);
    unsigned sent = 0;
    for (unsigned ms = 0; ms < 29000; ms += 100) {
        run(100 * MS);
        sent += (unsigned)paths_targets(&w.p, out, PATHS_MAX, w.now_us);
    }
    sent += way_of(a)->checks + way_of(b)->checks;
    ck_assert_uint_eq(sent, 5);
    paths_attest(&w.p, &a.address);
    ASSERT_TARGETS(a, b);
    ASSERT_TARGETS(a, b);
}
END_TEST

START_TEST(a_restart_does_not_renew_what_is_allowed)
{
    begin(start[_i]);
    struct endpoint out[PATHS_MAX];
    NAME(PATHS_TOLD, v4(66));
    unsigned sent = 0;
    for (unsigned i = 0; i < 100; i++, w.now_us += 250 * MS) {
        paths_restart(&w.p, w.now_us);
        sent += (unsigned)paths_targets(&w.p, out, PATHS_MAX, w.now_us);
    }
    ck_assert_uint_eq(sent, 5);
}
END_TEST

/* ---- port sets ---- */

static void name_set(enum paths_source source, unsigned n, uint8_t offset_bits, uint8_t psid_bits,
                     uint16_t psid)
{
    struct candidate_list list = {1, {{.kind = CANDIDATE_PORT_SET, .endpoint = v4(n)}}};
    list.item[0].endpoint.port = 0;
    list.item[0].set = (struct port_set){offset_bits, psid_bits, psid};
    paths_set(&w.p, source, &list, w.now_us);
}

/* How many punches come within @us; each port's count in @hits. */
static unsigned spray(uint64_t us, unsigned n, uint8_t hits[65536])
{
    uint64_t until = w.now_us + us;
    struct endpoint to, none = v4(n);
    unsigned sent = 0;
    while (paths_spray_deadline_us(&w.p) < until) {
        uint64_t at = paths_spray_deadline_us(&w.p);
        if (at > w.now_us) {
            ck_assert(!paths_spray(&w.p, at - 1, &to));
            w.now_us = at;
        }
        if (!paths_spray(&w.p, w.now_us, &to))
            break;
        ck_assert(ip_equal(&to.address, &none.address) && to.via == VIA_DIRECT);
        hits[to.port]++;
        sent++;
        ck_assert_uint_eq(paths_spray_deadline_us(&w.p) > w.now_us, 1);
    }
    w.now_us = until;
    return sent;
}

START_TEST(a_port_set_is_sprayed_once_a_minute)
{
    static uint8_t hits[65536];
    memset(hits, 0, sizeof hits);
    begin(start[_i]);
    name_set(PATHS_TOLD, 5, 4, 8, 0x34);                     /* v6plus: 15 blocks of 16 */
    ck_assert_uint_eq(paths_spray_deadline_us(&w.p), NEVER); /* only the peer says so */
    ck_assert_uint_eq(w.p.count, 0);
    paths_attest(&w.p, &(struct ip_address){IP_V4, {198, 51, 100, 5}});
    ck_assert_uint_eq(spray(480 * MS, 5, hits), 240);
    for (unsigned port = 0; port < 65536; port++)
        ck_assert_uint_eq(hits[port], port >= 4096 && (port >> 4 & 0xff) == 0x34 ? 1 : 0);
    ck_assert_uint_eq(spray(59 * SECOND, 5, hits), 0);
    ck_assert_uint_eq(spray(2 * SECOND, 5, hits), 240);
    ck_assert_uint_eq(hits[0x1340], 2);
}
END_TEST

START_TEST(a_meeting_point_sees_the_set_s_address)
{
    static uint8_t hits[65536];
    begin(start[_i]);
    name_set(PATHS_TOLD, 5, 4, 8, 0x34);
    NAME(PATHS_MEETING, v4(6), by_turn(5));
    ck_assert_uint_eq(spray(SECOND, 5, hits), 0);
    NAME(PATHS_MEETING, v4(5));
    ck_assert_uint_eq(spray(SECOND, 5, hits), 240);
}
END_TEST

START_TEST(a_large_set_takes_several_bursts)
{
    static uint8_t hits[65536];
    memset(hits, 0, sizeof hits);
    begin(start[_i]);
    name_set(PATHS_CONFIGURED, 5, 6, 6, 63); /* 1008 ports */
    paths_attest(&w.p, &(struct ip_address){IP_V4, {198, 51, 100, 5}});
    ck_assert_uint_eq(spray(30 * SECOND, 5, hits), PORT_SPRAY_MAX);
    ck_assert_uint_eq(spray(60 * SECOND, 5, hits), PORT_SPRAY_MAX);
    ck_assert_uint_eq(spray(60 * SECOND, 5, hits), PORT_SPRAY_MAX);
    unsigned ports = 0;
    for (unsigned port = 0; port < 65536; port++)
        ports += hits[port] > 0;
    ck_assert_uint_eq(ports, 1008);
}
END_TEST

START_TEST(other_sets_share_the_minute)
{
    static uint8_t hits[65536];
    begin(start[_i]);
    unsigned sent = 0;
    for (unsigned n = 0; n < 8; n++) {
        struct ip_address a = v4(n + 1).address;
        paths_attest(&w.p, &a);
        for (uint16_t psid = 0; psid < 16; psid++) {
            name_set(PATHS_TOLD, n + 1, 4, 8, psid);
            paths_restart(&w.p, w.now_us);
            sent += spray(400 * MS, n + 1, hits);
        }
    }
    ck_assert_uint_le(w.now_us - start[_i], 60 * SECOND);
    ck_assert_uint_eq(sent, PORT_SPRAY_MAX);
}
END_TEST

START_TEST(another_set_has_its_turn_at_once)
{
    static uint8_t hits[65536];
    begin(start[_i]);
    struct ip_address a = v4(5).address, b = v4(6).address;
    paths_attest(&w.p, &a);
    paths_attest(&w.p, &b);
    name_set(PATHS_TOLD, 5, 4, 8, 1);
    ck_assert_uint_eq(spray(SECOND, 5, hits), 240);
    name_set(PATHS_TOLD, 6, 4, 8, 1); /* the gateway has another address now */
    ck_assert_uint_eq(spray(SECOND, 6, hits), 240);
    name_set(PATHS_TOLD, 6, 4, 8, 2);
    ck_assert_uint_eq(spray(SECOND, 6, hits), 20);
    ck_assert_uint_eq(spray(56 * SECOND, 6, hits), 0);
    ck_assert_uint_eq(spray(2 * SECOND, 6, hits), 240);
}
END_TEST

/* Our own router is another one since, or has started anew. */
START_TEST(what_our_nat_forgot_is_sprayed_again)
{
    static uint8_t hits[65536];
    begin(start[_i]);
    name_set(PATHS_CONFIGURED, 5, 4, 8, 1);
    paths_attest(&w.p, &(struct ip_address){IP_V4, {198, 51, 100, 5}});
    ck_assert_uint_eq(spray(SECOND, 5, hits), 240);
    ck_assert_uint_eq(spray(SECOND, 5, hits), 0);
    paths_spray_again(&w.p);
    ck_assert_uint_eq(spray(SECOND, 5, hits), 240);
    for (unsigned i = 0; i < 3; i++) { /* which does not make it more in a minute */
        paths_spray_again(&w.p);
        ck_assert_uint_eq(spray(SECOND, 5, hits), i == 0 ? PORT_SPRAY_MAX - 480 : 0);
    }
}
END_TEST

START_TEST(well_known_ports_are_left_alone)
{
    static uint8_t hits[65536];
    memset(hits, 0, sizeof hits);
    begin(start[_i]);
    name_set(PATHS_CONFIGURED, 5, 0, 8, 3); /* 768 to 1023 */
    paths_attest(&w.p, &(struct ip_address){IP_V4, {198, 51, 100, 5}});
    ck_assert_uint_eq(spray(SECOND, 5, hits), 0);
    name_set(PATHS_CONFIGURED, 5, 0, 6, 0); /* 0 to 1023 */
    w.now_us += 60 * SECOND;
    ck_assert_uint_eq(spray(SECOND, 5, hits), 0);
    name_set(PATHS_CONFIGURED, 5, 0, 7, 1); /* 512 to 1023 */
    w.now_us += 60 * SECOND;
    ck_assert_uint_eq(spray(SECOND, 5, hits), 0);
    name_set(PATHS_CONFIGURED, 5, 0, 8, 4); /* 1024 to 1279 */
    w.now_us += 60 * SECOND;
    ck_assert_uint_eq(spray(SECOND, 5, hits), 256);
}
END_TEST

/* A direct path makes it unnecessary; a relayed one does not. */
START_TEST(it_stops_when_there_is_a_direct_path)
{
    static uint8_t hits[65536];
    const struct {
        struct endpoint path;
        bool sprays;
    } row[] = {{v4(5), false}, {v6(5), false}, {by_turn(5), true}, {by_peer(1), true}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin(start[_i]);
        name_set(PATHS_TOLD, 5, 4, 8, 1);
        paths_attest(&w.p, &(struct ip_address){IP_V4, {198, 51, 100, 5}});
        ck_assert_uint_eq(spray(20 * MS, 5, hits), 10);
        works(row[i].path, 10 * MS);
        NAME(PATHS_CONFIGURED, row[i].path);
        run(SECOND);
        ck_assert(selected_is(row[i].path));
        ck_assert_uint_eq(spray(SECOND, 5, hits), row[i].sprays ? 230 : 0);
        works(row[i].path, 0)->cut = true;
        run(5 * SECOND);
        ck_assert_uint_eq(spray(SECOND, 5, hits), row[i].sprays ? 0 : 230);
        paths_set(&w.p, PATHS_TOLD, &(struct candidate_list){0}, w.now_us);
        w.now_us += 100 * SECOND;
        ck_assert_uint_eq(paths_spray_deadline_us(&w.p), NEVER);
    }
}
END_TEST

START_TEST(where_a_session_was_is_attested)
{
    begin(start[_i]);
    name_set(PATHS_TOLD, 5, 4, 8, 1);
    struct endpoint path = by_turn(5); /* through a relay, which saw the same address */
    paths_proved(&w.p, &path, w.now_us);
    ck_assert(selected_is(path));
    ck_assert_uint_eq(paths_spray_deadline_us(&w.p), NEVER); /* a source may be spoofed */
    works(path, 10 * MS);
    run(SECOND);
    ck_assert_uint_ne(paths_spray_deadline_us(&w.p), NEVER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("path_targets");
    TCase *tc = tcase_create("path_targets");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, all_are_tried_best_first, 0, STARTS);
    tcase_add_loop_test(tc, a_session_is_renewed_by_its_path_alone_at_first, 0, STARTS);
    tcase_add_loop_test(tc, a_peers_word_is_tried_five_times_then_seldom, 0, STARTS);
    tcase_add_loop_test(tc, where_only_a_meeting_point_saw_it_is_seldom_tried, 0, STARTS);
    tcase_add_loop_test(tc, checks_of_what_only_a_meeting_point_saw_grow_seldom, 0, STARTS);
    tcase_add_loop_test(tc, checks_and_initiations_share_what_is_allowed, 0, STARTS);
    tcase_add_loop_test(tc, a_restart_does_not_renew_what_is_allowed, 0, STARTS);
    tcase_add_loop_test(tc, a_port_set_is_sprayed_once_a_minute, 0, STARTS);
    tcase_add_loop_test(tc, a_meeting_point_sees_the_set_s_address, 0, STARTS);
    tcase_add_loop_test(tc, a_large_set_takes_several_bursts, 0, STARTS);
    tcase_add_loop_test(tc, other_sets_share_the_minute, 0, STARTS);
    tcase_add_loop_test(tc, another_set_has_its_turn_at_once, 0, STARTS);
    tcase_add_loop_test(tc, what_our_nat_forgot_is_sprayed_again, 0, STARTS);
    tcase_add_loop_test(tc, well_known_ports_are_left_alone, 0, STARTS);
    tcase_add_loop_test(tc, it_stops_when_there_is_a_direct_path, 0, STARTS);
    tcase_add_loop_test(tc, where_a_session_was_is_attested, 0, STARTS);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
