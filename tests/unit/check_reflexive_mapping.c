/* SPDX-License-Identifier: MIT
 *
 * check_reflexive_mapping.c - what the STUN client makes of the servers' answers.
 */
#include "reflexive_world.h"

/* ---- verdicts ---- */

/* Up to three servers; 0: silent. Answers come in the servers' order or the other way. */
START_TEST(the_mapping_is_judged)
{
    static const struct {
        const char *name;
        struct {
            uint8_t n;
            uint16_t port;
        } seen[3];
        uint8_t server[3]; /* last octet; the port is 3478 + index */
        enum nat_mapping mapping;
        bool port_kept;
    } row[] = {
        /* Ours are 192.0.2.1 and 192.0.2.2, port 7788. */
        {"nobody", {{0, 0}, {0, 0}, {0, 0}}, {1, 2, 3}, NAT_MAPPING_UNKNOWN, false},
        {"one", {{9, 4000}, {0, 0}, {0, 0}}, {1, 2, 3}, NAT_MAPPING_UNKNOWN, false},
        {"one, port kept", {{9, 7788}, {0, 0}, {0, 0}}, {1, 2, 3}, NAT_MAPPING_UNKNOWN, true},
        {"one says ours", {{0, 0}, {2, 7788}, {0, 0}}, {1, 2, 3}, NAT_MAPPING_NONE, true},
        {"ours, another port", {{1, 7789}, {0, 0}, {0, 0}}, {1, 2, 3}, NAT_MAPPING_UNKNOWN, false},
        {"two agree", {{9, 4000}, {0, 0}, {9, 4000}}, {1, 2, 3}, NAT_MAPPING_INDEPENDENT, false},
        {"kept for all",
         {{9, 7788}, {9, 7788}, {9, 7788}},
         {1, 2, 3},
         NAT_MAPPING_INDEPENDENT,
         true},
        {"all say ours", {{1, 7788}, {1, 7788}, {1, 7788}}, {1, 2, 3}, NAT_MAPPING_NONE, true},
        {"another port", {{9, 4000}, {9, 4001}, {0, 0}}, {1, 2, 3}, NAT_MAPPING_DEPENDENT, false},
        {"another address",
         {{9, 4000}, {0, 0}, {8, 4000}},
         {1, 2, 3},
         NAT_MAPPING_DEPENDENT,
         false},
        {"the third differs",
         {{9, 4000}, {9, 4000}, {9, 4001}},
         {1, 2, 3},
         NAT_MAPPING_DEPENDENT,
         false},
        {"ours to some", {{1, 7788}, {1, 7789}, {0, 0}}, {1, 2, 3}, NAT_MAPPING_DEPENDENT, false},
        {"one address agrees",
         {{9, 4000}, {9, 4000}, {0, 0}},
         {1, 1, 2},
         NAT_MAPPING_UNKNOWN,
         false},
        {"one address differs",
         {{9, 4000}, {9, 4001}, {0, 0}},
         {1, 1, 2},
         NAT_MAPPING_DEPENDENT,
         false},
    };
    struct ip_address own[] = {mapped(1, 0).address, mapped(2, 0).address};
    for (size_t i = 0; i < 2 * sizeof row / sizeof *row; i++) {
        size_t n = i / 2;
        struct reflexive_request request[4];
        unsigned answers = 0;
        begin();
        reflexive_set_local(&r, 7788, own, 2);
        for (uint8_t s = 0; s < 3; s++) {
            struct endpoint e = v4(203, row[n].server[s], (uint16_t)(3478 + s));
            reflexive_set_server(&r, s, &e, 1, now_us);
        }
        ck_assert_uint_eq(take_due(request, 4), 3);
        for (size_t k = 0; k < 3; k++) {
            size_t s = i % 2 == 0 ? k : 2 - k;
            if (row[n].seen[s].n > 0) {
                answer(&request[s], mapped(row[n].seen[s].n, row[n].seen[s].port));
                answers++;
            }
        }
        for (unsigned ms = 0; ms <= 15500; ms += 500, now_us += 500 * MS)
            take_due(request, 4);
        ck_assert_msg(result()->known == (answers > 0), "%s", row[n].name);
        ck_assert_msg(result()->mapping == row[n].mapping, "%s: %d", row[n].name,
                      result()->mapping);
        if (row[n].mapping != NAT_MAPPING_DEPENDENT)
            ck_assert_msg(result()->port_kept == row[n].port_kept, "%s", row[n].name);
    }
}
END_TEST

START_TEST(one_server_of_two_addresses_suffices)
{
    static const struct {
        uint16_t port;
        enum nat_mapping mapping;
    } row[] = {{4000, NAT_MAPPING_INDEPENDENT}, {4001, NAT_MAPPING_DEPENDENT}};
    for (size_t i = 0; i < 2; i++) {
        struct reflexive_request request[4];
        struct endpoint other = v4(203, 2, 3479);
        begin();
        set_servers(1);
        for (unsigned round = 0; round < 3; round++) {
            struct said said = {.mapped = mapped(9, 4000), .other = other};
            ck_assert_uint_eq(take_due(request, 4), 1);
            ck_assert(answer_from(&request->to, request, &said));
            ck_assert_uint_eq(reflexive_deadline_us(&r), now_us);
            ck_assert_uint_eq(take_due(request, 4), 1);
            ck_endpoint(&request->to, other);
            said.mapped.port = row[i].port;
            said.other = v4(203, 3, 3478); /* as seen from there; it is not followed */
            ck_assert(answer_from(&request->to, request, &said));
            ck_assert_int_eq(result()->mapping, row[i].mapping);
            ck_endpoint(&result()->mapped, mapped(9, 4000));
            ck_assert(reflexive_take_changed(&r) == (round == 0));
            ck_assert_uint_eq(reflexive_deadline_us(&r), now_us + 300 * SECOND);
            now_us += 300 * SECOND;
        }
        ck_assert_uint_eq(r.v4.refused, 0);
    }
}
END_TEST

/* Its own address has to say first where the other one is. */
START_TEST(an_other_address_waits_for_its_turn)
{
    struct reflexive_request request[4];
    struct said said = {.mapped = mapped(9, 4000), .other = v4(203, 2, 3479)};
    begin();
    set_servers(1);
    ck_assert_uint_eq(take_due(request, 4), 1);
    ck_assert(answer_from(&request->to, request, &said));
    ck_assert_uint_eq(take_due(request, 4), 1);
    reflexive_hurry(&r, now_us);
    ck_assert_uint_eq(take_due(request, 4), 1);
    ck_endpoint(&request->to, server(1));
    now_us += 500 * MS;
    ck_assert_uint_eq(take_due(request, 4), 1);
    ck_endpoint(&request->to, server(1));
}
END_TEST

START_TEST(a_silent_other_address_is_given_up)
{
    struct reflexive_request request[4];
    struct said said = {.mapped = mapped(9, 4000), .other = v4(203, 2, 3479)};
    unsigned sent = 0;
    begin();
    set_servers(1);
    ck_assert_uint_eq(take_due(request, 4), 1);
    ck_assert(answer_from(&request->to, request, &said));
    for (unsigned i = 0; i < 40; i++, now_us += 500 * MS)
        sent += (unsigned)take_due(request, 4);
    ck_assert_uint_eq(sent, 5);
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_UNKNOWN);
    ck_assert_uint_gt(reflexive_deadline_us(&r), now_us + 200 * SECOND);
}
END_TEST

/* A server that would have us send to where no server can be. */
START_TEST(an_other_address_must_be_one)
{
    const struct endpoint bad[] = {
        v4(203, 1, 3479), v4(127, 1, 3479),
        v4(0, 1, 3479),   v4(224, 1, 3479),
        v4(255, 255, 99), v4(203, 2, 0),
        v6(2, 3479),      {.address = ip_v4((const uint8_t[]){169, 254, 1, 1}), .port = 80},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct reflexive_request request[4];
        struct said said = {.mapped = mapped(9, 4000), .other = bad[i]};
        begin();
        set_servers(1);
        ck_assert_uint_eq(take_due(request, 4), 1);
        ck_assert(answer_from(&request->to, request, &said));
        ck_assert(result()->known);
        ck_assert_msg(take_due(request, 4) == 0, "row %zu", i);
    }
}
END_TEST

/* Ports differ at each round where there is one for each destination: nothing new. */
START_TEST(a_dependent_mapping_does_not_flap)
{
    struct reflexive_request request[4];
    begin();
    set_servers(2);
    for (uint16_t round = 0; round < 4; round++) {
        size_t late = round % 2;
        ck_assert_uint_eq(take_due(request, 4), 2);
        answer(&request[1 - late], mapped(9, (uint16_t)(4000 + 2 * round)));
        answer(&request[late], mapped(round < 2 ? 9 : 8, (uint16_t)(4001 + 2 * round)));
        ck_assert_int_eq(result()->mapping, NAT_MAPPING_DEPENDENT);
        ck_assert_uint_eq(result()->mapped.address.octet[3], 9);
        ck_assert(reflexive_take_changed(&r) == (round == 0));
        now_us += 300 * SECOND;
    }
    /* Until all of them see another address; or one for all. */
    ck_assert_uint_eq(take_due(request, 4), 2);
    answer(&request[0], mapped(7, 5000));
    ck_assert(!reflexive_take_changed(&r));
    answer(&request[1], mapped(7, 5001));
    ck_assert(reflexive_take_changed(&r));
    ck_endpoint(&result()->mapped, mapped(7, 5000));
    now_us += 300 * SECOND;
    ck_assert_uint_eq(take_due(request, 4), 2);
    answer(&request[0], mapped(7, 6000));
    answer(&request[1], mapped(7, 6000));
    ck_assert(reflexive_take_changed(&r));
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_INDEPENDENT);
    ck_endpoint(&result()->mapped, mapped(7, 6000));
}
END_TEST

/* The new one counts at its first answer, and the server that still speaks of the old one in its
 * last round is not compared with it. */
START_TEST(a_new_address_makes_no_mapping_dependent)
{
    struct reflexive_request request[4];
    begin();
    set_servers(2);
    take_due(request, 4);
    answer(&request[0], mapped(9, 4000));
    answer(&request[1], mapped(9, 4000));
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_INDEPENDENT);
    for (uint8_t hurried = 0; hurried < 2; hurried++) {
        now_us += 300 * SECOND;
        if (hurried)
            reflexive_hurry(&r, now_us);
        reflexive_take_changed(&r);
        ck_assert_uint_eq(take_due(request, 4), 2);
        answer(&request[0], mapped(8 - hurried, 4000));
        ck_assert(reflexive_take_changed(&r));
        ck_endpoint(&result()->mapped, mapped(8 - hurried, 4000));
        ck_assert_int_eq(result()->mapping, NAT_MAPPING_INDEPENDENT);
        answer(&request[1], mapped(8 - hurried, 4000));
        ck_assert(!reflexive_take_changed(&r));
        ck_assert_int_eq(result()->mapping, NAT_MAPPING_INDEPENDENT);
    }
}
END_TEST

/* Nobody answers: the servers may be gone, so what was known stays; after a change of network
 * it does not. */
START_TEST(silence_means_something_only_after_hurry)
{
    struct reflexive_request request[4];
    begin();
    set_servers(2);
    take_due(request, 4);
    answer(&request[0], mapped(9, 4000));
    answer(&request[1], mapped(9, 4000));
    let_pass(1000 * SECOND);
    ck_assert(result()->known);
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_INDEPENDENT);
    reflexive_take_changed(&r);
    reflexive_hurry(&r, now_us);
    let_pass(15 * SECOND);
    ck_assert(result()->known);
    ck_assert(!reflexive_take_changed(&r));
    let_pass(2 * SECOND);
    ck_assert(!result()->known);
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_UNKNOWN);
    ck_assert(reflexive_take_changed(&r));
    let_pass(100 * SECOND);
    ck_assert(!reflexive_take_changed(&r));
}
END_TEST

/* Behind another NAT, one answer says where; how it maps is unknown again. */
START_TEST(after_hurry_the_verdict_is_made_anew)
{
    struct reflexive_request request[4];
    begin();
    set_servers(2);
    take_due(request, 4);
    answer(&request[0], mapped(9, 4000));
    answer(&request[1], mapped(9, 4001));
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_DEPENDENT);
    reflexive_hurry(&r, now_us);
    take_due(request, 4);
    answer(&request[0], mapped(8, 4000));
    ck_endpoint(&result()->mapped, mapped(8, 4000));
    let_pass(16 * SECOND);
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_UNKNOWN);
    ck_endpoint(&result()->mapped, mapped(8, 4000));
}
END_TEST

START_TEST(local_addresses_may_be_told_late)
{
    struct reflexive_request request[4];
    struct ip_address own[REFLEXIVE_LOCAL_MAX + 3];
    begin();
    set_servers(1);
    take_due(request, 4);
    answer(request, mapped(1, 7788));
    ck_assert(reflexive_take_changed(&r));
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_UNKNOWN);
    for (uint8_t i = 0; i < REFLEXIVE_LOCAL_MAX + 3; i++)
        own[i] = mapped((uint8_t)(100 - i), 0).address;
    own[REFLEXIVE_LOCAL_MAX - 1] = mapped(1, 0).address;
    reflexive_set_local(&r, 7788, own, REFLEXIVE_LOCAL_MAX + 3);
    ck_assert_int_eq(result()->mapping, NAT_MAPPING_NONE);
    ck_assert(result()->port_kept);
    ck_assert(reflexive_take_changed(&r));
    reflexive_set_local(&r, 7788, own, REFLEXIVE_LOCAL_MAX + 3);
    ck_assert(!reflexive_take_changed(&r));
    reflexive_set_local(&r, 7789, own, REFLEXIVE_LOCAL_MAX + 3);
    ck_assert(!result()->port_kept);
    ck_assert(reflexive_take_changed(&r));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reflexive mapping");
    TCase *verdicts = tcase_create("verdicts");

    tcase_add_test(verdicts, the_mapping_is_judged);
    tcase_add_test(verdicts, one_server_of_two_addresses_suffices);
    tcase_add_test(verdicts, an_other_address_waits_for_its_turn);
    tcase_add_test(verdicts, a_silent_other_address_is_given_up);
    tcase_add_test(verdicts, an_other_address_must_be_one);
    tcase_add_test(verdicts, a_dependent_mapping_does_not_flap);
    tcase_add_test(verdicts, a_new_address_makes_no_mapping_dependent);
    tcase_add_test(verdicts, silence_means_something_only_after_hurry);
    tcase_add_test(verdicts, after_hurry_the_verdict_is_made_anew);
    tcase_add_test(verdicts, local_addresses_may_be_told_late);
    suite_add_tcase(suite, verdicts);
    return run(suite);
}
