/* SPDX-License-Identifier: MIT
 *
 * check_reflexive.c - the STUN client's rounds and servers, and what it refuses.
 */
#include "reflexive_world.h"

/* ---- rounds ---- */

START_TEST(nobody_to_ask_is_nothing_to_do)
{
    begin();
    nothing_due();
    reflexive_hurry(&r, now_us);
    reflexive_keep(&r, true, now_us);
    nothing_due();
    ck_assert_uint_eq(reflexive_deadline_us(&r), UINT64_MAX);
    ck_assert(!reflexive_result(&r, IP_V4)->known && !reflexive_result(&r, IP_V6)->known);
    ck_assert(!reflexive_take_changed(&r));
}
END_TEST

/* RFC 8489 s.6.2.1 with Rc 5; then a new round 30 s later. */
START_TEST(a_silent_server_is_asked_five_times)
{
    static const uint64_t at_ms[] = {0, 500, 1500, 3500, 7500};
    struct reflexive_request request[4];
    begin();
    set_servers(1);
    for (unsigned round = 0; round < 3; round++) {
        uint64_t start_us = now_us;
        uint8_t transaction[12] = {0};
        for (size_t i = 0; i < 5; i++) {
            ck_assert_uint_eq(reflexive_deadline_us(&r), start_us + at_ms[i] * MS);
            if (i > 0) {
                now_us = start_us + at_ms[i] * MS - 1;
                nothing_due();
            }
            now_us = start_us + at_ms[i] * MS;
            ck_assert_uint_eq(take_due(request, 4), 1);
            ck_endpoint(&request->to, server(1));
            if (i == 0)
                memcpy(transaction, request->bytes + 8, 12);
            ck_assert_mem_eq(transaction, request->bytes + 8, 12);
        }
        ck_assert_uint_eq(reflexive_deadline_us(&r), start_us + 15500 * MS);
        now_us = start_us + 15500 * MS;
        nothing_due();
        ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 30 * SECOND);
        ck_assert_uint_eq(randoms, round + 1);
        now_us += 30 * SECOND - 1;
        nothing_due();
        now_us++;
    }
    ck_assert(!result()->known);
    ck_assert(!reflexive_take_changed(&r));
}
END_TEST

START_TEST(an_answer_ends_the_round)
{
    struct reflexive_request request[4];
    begin();
    set_servers(1);
    ck_assert_uint_eq(take_due(request, 4), 1);
    now_us += 20 * MS;
    answer(request, mapped(1, 4000));
    ck_assert(reflexive_take_changed(&r));
    ck_assert(!reflexive_take_changed(&r));
    ck_assert(result()->known);
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_UNKNOWN);
    ck_endpoint(&result()->mapped, mapped(1, 4000));
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 300 * SECOND);

    now_us += 300 * SECOND;
    ck_assert_uint_eq(take_due(request, 4), 1);
    answer(request, mapped(1, 4000));
    ck_assert(!reflexive_take_changed(&r));
    now_us += 300 * SECOND;
    ck_assert_uint_eq(take_due(request, 4), 1);
    answer(request, mapped(1, 4001));
    ck_assert(reflexive_take_changed(&r));
    ck_endpoint(&result()->mapped, mapped(1, 4001));
    ck_assert_uint_eq(r.v4.refused, 0);
}
END_TEST

START_TEST(all_servers_of_both_families_are_asked_at_once)
{
    struct reflexive_request request[20];
    unsigned families[7] = {0};
    begin();
    for (uint8_t i = 0; i < REFLEXIVE_SERVERS_MAX; i++) {
        struct endpoint e[] = {server((uint8_t)(i + 1)), v6((uint8_t)(i + 1), 3478)};
        reflexive_set_server(&r, i, e, 2, now_us);
    }
    ck_assert_uint_eq(take_due(request, 20), 8);
    for (size_t i = 0; i < 8; i++) {
        families[request[i].to.address.family]++;
        for (size_t j = 0; j < i; j++) {
            ck_assert(!endpoint_equal(&request[i].to, &request[j].to));
            ck_assert(memcmp(request[i].bytes + 8, request[j].bytes + 8, 12) != 0);
        }
    }
    ck_assert_uint_eq(families[IP_V4], 4);
    ck_assert_uint_eq(families[IP_V6], 4);
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 500 * MS);
}
END_TEST

START_TEST(families_do_not_wait_for_each_other)
{
    struct reflexive_request request[20];
    struct endpoint both[] = {server(1), v6(1, 3478)};
    begin();
    reflexive_set_server(&r, 0, both, 2, now_us);
    ck_assert_uint_eq(take_due(request, 20), 2);
    ck_endpoint(&request[0].to, both[1]); /* IPv6 first */
    answer(&request[0], v6(77, 7788));
    ck_assert(reflexive_result(&r, IP_V6)->known);
    ck_endpoint(&reflexive_result(&r, IP_V6)->mapped, v6(77, 7788));
    ck_assert(!result()->known);
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 500 * MS);
}
END_TEST

START_TEST(a_mapping_is_kept_if_asked_to)
{
    static const struct {
        const char *name;
        uint16_t first, second; /* ports seen; the socket's is 7788 */
        bool local;
        uint64_t pause_us;
    } row[] = {
        {"one for all", 4000, 4000, false, 20 * SECOND},
        {"our own address", 7788, 7788, true, 300 * SECOND},
        {"one for each", 4000, 4001, false, 300 * SECOND},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct reflexive_request request[4];
        struct ip_address own = mapped(1, 0).address;
        begin();
        reflexive_set_local(&r, 7788, &own, row[i].local);
        set_servers(2);
        ck_assert_uint_eq(take_due(request, 4), 2);
        answer(&request[0], mapped(1, row[i].first));
        answer(&request[1], mapped(1, row[i].second));
        ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 300 * SECOND);
        reflexive_keep(&r, true, now_us);
        ck_assert_msg(reflexive_deadline_us(&r) == now_us + row[i].pause_us, "%s", row[i].name);
        now_us += 10 * SECOND;
        reflexive_keep(&r, true, now_us);
        now_us += row[i].pause_us - 10 * SECOND;
        ck_assert_uint_eq(take_due(request, 4), 2);
        answer(&request[0], mapped(1, row[i].first));
        answer(&request[1], mapped(1, row[i].second));
        ck_assert_msg(reflexive_deadline_us(&r) == now_us + row[i].pause_us, "%s", row[i].name);
        reflexive_keep(&r, false, now_us);
        ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + row[i].pause_us);
    }
}
END_TEST

START_TEST(hurry_asks_anew)
{
    struct reflexive_request before[4], request[4];
    begin();
    set_servers(2);
    ck_assert_uint_eq(take_due(before, 4), 2);
    now_us += 100 * MS;
    reflexive_hurry(&r, now_us);
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us);
    ck_assert_uint_eq(take_due(request, 4), 2);
    ck_assert(memcmp(before->bytes, request->bytes, 20) != 0);
    answer(&before[0], mapped(1, 4000)); /* too late */
    ck_assert_uint_eq(r.v4.refused, 1);
    ck_assert(!result()->known);
    answer(&request[0], mapped(2, 4000));
    ck_assert_uint_eq(r.v4.refused, 1);
    ck_endpoint(&result()->mapped, mapped(2, 4000));
}
END_TEST

/* ---- refusals ---- */

START_TEST(only_the_answer_that_was_asked_for_counts)
{
    enum {
        GOOD,
        PORT,
        ADDRESS,
        RELAYED,
        TRANSACTION,
        NO_ADDRESS,
        WRONG_FAMILY,
        ZERO_PORT,
        GROUP,
        REQUIRED,
        PLAIN
    };
    static const struct {
        const char *name;
        int what;
        bool known;
    } row[] = {
        {"the right one", GOOD, true},
        {"from another port", PORT, false},
        {"from another address", ADDRESS, false},
        {"through a relay", RELAYED, false},
        {"another transaction", TRANSACTION, false},
        {"no mapped address", NO_ADDRESS, false},
        {"an IPv6 one", WRONG_FAMILY, false},
        {"port 0", ZERO_PORT, false},
        {"a group's address", GROUP, false},
        {"required and unknown", REQUIRED, false},
        {"RFC 3489's mapped address", PLAIN, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct reflexive_request request[4];
        struct endpoint from = server(1), seen = mapped(9, 4000);
        uint8_t out[200];
        struct stun_writer w;
        begin();
        set_servers(1);
        ck_assert_uint_eq(take_due(request, 4), 1);
        from.port = (uint16_t)(from.port + (row[i].what == PORT));
        from.address = row[i].what == ADDRESS ? v4(203, 2, 0).address : from.address;
        from.via = row[i].what == RELAYED ? 1 : 0;
        request->bytes[19] ^= row[i].what == TRANSACTION;
        seen = row[i].what == WRONG_FAMILY ? v6(1, 4000) : seen;
        seen.port = row[i].what == ZERO_PORT ? 0 : seen.port;
        seen.address = row[i].what == GROUP ? v4(224, 1, 0).address : seen.address;

        stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, request->bytes + 8);
        if (row[i].what == PLAIN)
            stun_add(&w, ATTRIBUTE_MAPPED_ADDRESS, "\0\1\x0f\xa0\xc0\0\2\x09", 8);
        else if (row[i].what != NO_ADDRESS)
            stun_add_xor_address(&w, ATTRIBUTE_XOR_MAPPED_ADDRESS, &seen);
        if (row[i].what == REQUIRED)
            stun_add(&w, 0x7000, NULL, 0);
        ck_assert(reflexive_receive(&r, &from, out, stun_end(&w), now_us));
        ck_assert_msg(result()->known == row[i].known, "%s", row[i].name);
        ck_assert_msg(r.v4.refused == !row[i].known, "%s", row[i].name);
        ck_assert(reflexive_take_changed(&r) == row[i].known);
        if (row[i].what != TRANSACTION && !row[i].known) { /* the right one may still come */
            answer(request, mapped(9, 4000));
            ck_assert_msg(result()->known, "%s", row[i].name);
        }
    }
}
END_TEST

START_TEST(an_answer_counts_once)
{
    struct reflexive_request request[4];
    begin();
    set_servers(1);
    ck_assert_uint_eq(take_due(request, 4), 1);
    answer(request, mapped(9, 4000));
    reflexive_take_changed(&r);
    answer(request, mapped(8, 4000)); /* to the request sent a second time: no offence */
    ck_assert(!reflexive_take_changed(&r));
    ck_assert_uint_eq(r.v4.refused, 0);
    now_us += 300 * SECOND;
    reflexive_hurry(&r, now_us);
    answer(request, mapped(8, 4000)); /* of the last round */
    ck_assert_uint_eq(r.v4.refused, 1);
    ck_assert_uint_eq(take_due(request, 4), 1);
    let_pass(16 * SECOND);
    answer(request, mapped(8, 4000)); /* to a query given up */
    ck_assert_uint_eq(r.v4.refused, 2);
    ck_assert(!result()->known);
}
END_TEST

/* Before it was sent, a query's transaction is nobody's business. */
START_TEST(nothing_counts_before_it_was_asked)
{
    struct reflexive_request forged = {.to = server(1)};
    begin();
    set_servers(1);
    memcpy(forged.bytes + 8, r.v4.server[0].first.transaction, 12);
    answer(&forged, mapped(9, 4000));
    ck_assert_uint_eq(r.v4.refused, 1);
    memset(forged.bytes, 0, sizeof forged.bytes);
    forged.to = (struct endpoint){0};
    answer(&forged, mapped(9, 4000));
    ck_assert_uint_eq(r.v6.refused, 1); /* of no family */
    ck_assert(!result()->known);
}
END_TEST

START_TEST(what_is_not_ours_is_left_to_others)
{
    static const struct {
        enum stun_method method;
        enum stun_class class_;
        bool ours;
    } row[] = {
        {STUN_BINDING, STUN_REQUEST, false},  {STUN_BINDING, STUN_INDICATION, false},
        {STUN_BINDING, STUN_SUCCESS, true},   {STUN_BINDING, STUN_ERROR, true},
        {STUN_ALLOCATE, STUN_SUCCESS, false}, {STUN_ALLOCATE, STUN_ERROR, false},
        {STUN_DATA, STUN_INDICATION, false},
    };
    struct reflexive_request request[4];
    struct endpoint from = server(1);
    begin();
    set_servers(1);
    ck_assert_uint_eq(take_due(request, 4), 1);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        uint8_t out[100];
        struct stun_writer w;
        stun_begin(&w, out, sizeof out, row[i].method, row[i].class_, request->bytes + 8);
        ck_assert(reflexive_receive(&r, &from, out, stun_end(&w), now_us) == row[i].ours);
    }
    ck_assert_uint_eq(r.v4.refused, 2);
    ck_assert(!reflexive_receive(&r, &from, request->bytes, 19, now_us));
    ck_assert(!reflexive_receive(&r, &from, NULL, 0, now_us));
    ck_assert_uint_eq(r.v4.refused, 2);
    ck_assert(!result()->known);
}
END_TEST

START_TEST(an_error_ends_the_query)
{
    struct reflexive_request request[4];
    struct reflexive_answer said[REFLEXIVE_ANSWERS_MAX];
    begin();
    set_servers(1);
    take_due(request, 4);
    ck_assert(answer_from(&request->to, request, &(struct said){.error = 420}));
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 30 * SECOND);
    ck_assert_uint_eq(reflexive_answers(&r, said), 1);
    ck_assert_int_eq(said->state, REFLEXIVE_FAILED);
    ck_assert_uint_eq(said->error, 420);
    ck_assert(!said->known && !result()->known);
    now_us += 30 * SECOND;
    take_due(request, 4);
    answer(request, mapped(9, 4000));
    reflexive_answers(&r, said);
    ck_assert_uint_eq(said->error, 0);
    ck_assert(said->known);
}
END_TEST

/* ---- servers ---- */

START_TEST(a_server_of_several_addresses_is_asked_at_the_next)
{
    struct reflexive_request request[4];
    struct endpoint choice[] = {server(1), server(2), server(3)};
    unsigned asked[4] = {0};
    begin();
    reflexive_set_server(&r, 0, choice, 3, now_us);
    for (unsigned half = 0; half < 3 * 31 - 1; half++, now_us += 500 * MS) {
        if (take_due(request, 4) > 0)
            asked[request->to.address.octet[3]]++;
    }
    ck_assert_uint_eq(asked[1], 5);
    ck_assert_uint_eq(asked[2], 5);
    ck_assert_uint_eq(asked[3], 5);
    now_us += 500 * MS;
    nothing_due();
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 30 * SECOND);

    /* Whoever answered is asked first from then on. */
    now_us += 30 * SECOND;
    take_due(request, 4);
    ck_endpoint(&request->to, server(1));
    let_pass(15500 * MS);
    take_due(request, 4);
    ck_endpoint(&request->to, server(2));
    answer(request, mapped(9, 4000));
    now_us += 300 * SECOND;
    ck_assert_uint_eq(take_due(request, 4), 1);
    ck_endpoint(&request->to, server(2));
}
END_TEST

START_TEST(names_are_resolved_again)
{
    struct reflexive_request request[4];
    struct endpoint list[] = {server(1), server(2)}, turned[] = {server(2), server(1)};
    struct endpoint fresh[] = {server(5)};
    begin();
    reflexive_set_server(&r, 1, list, 2, now_us);
    ck_assert_uint_eq(take_due(request, 4), 1);
    answer(request, mapped(9, 4000));

    /* DNS gives them in any order. */
    reflexive_set_server(&r, 1, turned, 2, now_us);
    nothing_due();
    now_us += 300 * SECOND;
    ck_assert_uint_eq(take_due(request, 4), 1);
    ck_endpoint(&request->to, server(1));
    answer(request, mapped(9, 4000));

    reflexive_set_server(&r, 1, fresh, 1, now_us);
    ck_assert_uint_eq(take_due(request, 4), 1);
    ck_endpoint(&request->to, server(5));
    ck_assert(result()->known);
    answer(request, mapped(9, 4000));
}
END_TEST

/* Names are resolved one after the other: whoever is out stays so. */
START_TEST(a_server_joins_the_round)
{
    struct reflexive_request first[4], second[4];
    struct endpoint one = server(1), two = server(2);
    begin();
    reflexive_set_server(&r, 0, &one, 1, now_us);
    ck_assert_uint_eq(take_due(first, 4), 1);
    now_us += 100 * MS;
    reflexive_set_server(&r, 3, &two, 1, now_us);
    ck_assert_uint_eq(take_due(second, 4), 1);
    answer(first, mapped(9, 4000));
    answer(second, mapped(9, 4000));
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_INDEPENDENT);
    ck_assert_uint_eq(r.v4.refused, 0);
}
END_TEST

START_TEST(a_server_may_be_removed)
{
    struct reflexive_request request[4];
    begin();
    set_servers(2);
    ck_assert_uint_eq(take_due(request, 4), 2);
    reflexive_set_server(&r, 0, NULL, 0, now_us);
    answer(&request[0], mapped(9, 4000));
    ck_assert_uint_eq(r.v4.refused, 1);
    answer(&request[1], mapped(9, 4000));
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 300 * SECOND);
    ck_assert(reflexive_take_changed(&r));
    reflexive_set_server(&r, 1, NULL, 0, now_us);
    ck_assert(reflexive_take_changed(&r));
    ck_assert(!result()->known);
    ck_assert_uint_eq(reflexive_deadline_us(&r), UINT64_MAX);
    now_us += 1000 * SECOND;
    nothing_due();
}
END_TEST

/* The last that was out, or failed, goes: the round is over. */
START_TEST(a_round_ends_without_whom_it_waited_for)
{
    struct reflexive_request request[4];
    begin();
    set_servers(2);
    ck_assert_uint_eq(take_due(request, 4), 2);
    answer(&request[0], mapped(9, 4000));
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 500 * MS);
    reflexive_set_server(&r, 1, NULL, 0, now_us);
    ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 300 * SECOND);
    ck_assert(result()->known);
}
END_TEST

START_TEST(everybody_is_told_of)
{
    struct reflexive_request request[4];
    struct reflexive_answer said[REFLEXIVE_ANSWERS_MAX];
    struct endpoint both[] = {server(2), v6(2, 3478)};
    begin();
    ck_assert_uint_eq(reflexive_answers(&r, said), 0);
    set_servers(1);
    reflexive_set_server(&r, 2, both, 2, now_us);
    ck_assert_uint_eq(take_due(request, 4), 3);
    ck_endpoint(&request[1].to, server(1));
    struct said first = {.mapped = mapped(9, 4000), .other = v4(203, 7, 3479)};
    ck_assert(answer_from(&request[1].to, &request[1], &first));

    static const struct {
        unsigned server;
        bool other;
        enum reflexive_state state;
    } want[] = {{0, false, REFLEXIVE_ANSWERED},
                {0, true, REFLEXIVE_ASKING},
                {2, false, REFLEXIVE_ASKING},
                {2, false, REFLEXIVE_ASKING}};
    ck_assert_uint_eq(reflexive_answers(&r, said), 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(said[i].server, want[i].server);
        ck_assert(said[i].other == want[i].other);
        ck_assert_int_eq(said[i].state, want[i].state);
        ck_assert(said[i].known == (i == 0));
    }
    ck_endpoint(&said[0].mapped, mapped(9, 4000));
    ck_endpoint(&said[1].asked, v4(203, 7, 3479));
    ck_endpoint(&said[3].asked, v6(2, 3478));
    let_pass(16 * SECOND);
    ck_assert_uint_eq(reflexive_answers(&r, said), 4);
    ck_assert_int_eq(said[1].state, REFLEXIVE_FAILED);
    ck_assert_int_eq(said[2].state, REFLEXIVE_FAILED);
    ck_assert_uint_eq(said[2].error, 0);
}
END_TEST

/* Any server with a dead address, lost datagrams, changes at any moment: never stuck, and never
 * more than a few datagrams. */
START_TEST(it_never_stands_still)
{
    uint32_t seed = 1;
    begin();
    unsigned sent = 0;
    for (unsigned step = 0; step < 20000; step++) {
        struct reflexive_request request;
        seed = seed * 1664525 + 1013904223;
        unsigned dice = seed >> 24, which = seed >> 16 & 3;
        struct endpoint list[] = {server((uint8_t)(1 + (seed >> 18 & 3))), v6(1, 3478)};
        if (dice == 0)
            reflexive_hurry(&r, now_us);
        else if (dice == 1)
            reflexive_set_server(&r, which, list, seed >> 12 & 1 ? 2 : 0, now_us);
        else if (dice == 2)
            reflexive_keep(&r, seed >> 12 & 1, now_us);
        while (reflexive_due(&r, now_us, &request)) {
            sent++;
            if (seed >> 8 & 1)
                answer(&request,
                       request.to.address.family == IP_V4 ? mapped(9, 4000) : v6(9, 4000));
        }
        uint64_t deadline_us = reflexive_deadline_us(&r);
        ck_assert_uint_gt(deadline_us, now_us);
        if (deadline_us == UINT64_MAX)
            deadline_us = now_us + SECOND;
        ck_assert_uint_le(deadline_us, now_us + 300 * SECOND);
        now_us = deadline_us;
    }
    ck_assert_uint_gt(sent, 10000);
    ck_assert_uint_lt(sent, 80000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reflexive");
    TCase *rounds = tcase_create("rounds");
    TCase *refusals = tcase_create("refusals");
    TCase *servers = tcase_create("servers");

    tcase_add_test(rounds, nobody_to_ask_is_nothing_to_do);
    tcase_add_test(rounds, a_silent_server_is_asked_five_times);
    tcase_add_test(rounds, an_answer_ends_the_round);
    tcase_add_test(rounds, all_servers_of_both_families_are_asked_at_once);
    tcase_add_test(rounds, families_do_not_wait_for_each_other);
    tcase_add_test(rounds, a_mapping_is_kept_if_asked_to);
    tcase_add_test(rounds, hurry_asks_anew);
    suite_add_tcase(suite, rounds);
    tcase_add_test(refusals, only_the_answer_that_was_asked_for_counts);
    tcase_add_test(refusals, an_answer_counts_once);
    tcase_add_test(refusals, nothing_counts_before_it_was_asked);
    tcase_add_test(refusals, what_is_not_ours_is_left_to_others);
    tcase_add_test(refusals, an_error_ends_the_query);
    suite_add_tcase(suite, refusals);
    tcase_add_test(servers, a_server_of_several_addresses_is_asked_at_the_next);
    tcase_add_test(servers, names_are_resolved_again);
    tcase_add_test(servers, a_server_joins_the_round);
    tcase_add_test(servers, a_server_may_be_removed);
    tcase_add_test(servers, a_round_ends_without_whom_it_waited_for);
    tcase_add_test(servers, everybody_is_told_of);
    tcase_add_test(servers, it_never_stands_still);
    suite_add_tcase(suite, servers);
    return run(suite);
}
