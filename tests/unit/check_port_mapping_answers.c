/* SPDX-License-Identifier: MIT
 *
 * check_port_mapping_answers.c - which datagrams count as the gateway's answers, and what it tells
 * unasked: epochs and announcements.
 */
#include "port_mapping_gateway.h"

/* ---- who may answer ---- */

START_TEST(only_the_gateway_may_answer)
{
    gateway_is_well();
    for (int which = 0; which < 4; which++) {
        begin(which == 3 ? IP_V6 : IP_V4, start[_i]);
        ck_assert(due());
        struct endpoint from = p.settings.gateway;
        from.address.octet[3] ^= which == 0;
        from.port ^= which == 1;
        if (which == 2)
            from.address = v6(0xfe, 0x80, 1);
        from.scope_id ^= which == 3;
        ck_assert(!give_from(&from, pcp(0)));
        ck_assert_uint_eq(p.state, PORT_MAPPING_ASKING);
    }
}
END_TEST

/* Each byte of these changed makes it no answer to us. */
START_TEST(only_an_answer_to_us_counts)
{
    static const size_t at[] = {0, 1, 24, 30, 35, 36, 40, 41};

    gateway_is_well();
    begin(IP_V4, start[_i]);
    ck_assert(due());
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        pcp(0);
        answer[at[i]] ^= 0x84;
        ck_assert(!give(60));
    }
    for (size_t bytes = 0; bytes < 60; bytes++) {
        pcp(0);
        ck_assert(!give(bytes));
    }
    pcp(0);
    ck_assert(!give(61));
    ck_assert_uint_eq(p.state, PORT_MAPPING_ASKING);
    ck_assert(give(pcp(0)));
    ck_assert(!give((memcpy(answer, request, 60), 60))); /* our own request, sent back */
}
END_TEST

START_TEST(a_refusal_without_our_nonce_is_forged)
{
    gateway_is_well();
    begin(IP_V4, start[_i]);
    ck_assert(due());
    pcp(2);
    answer[24] ^= 1;
    ck_assert(!give(60));
    ck_assert_uint_eq(p.state, PORT_MAPPING_ASKING);
}
END_TEST

START_TEST(nat_pmp_answers_that_are_none)
{
    gateway_is_well();
    begin(IP_V4, start[_i]);
    ck_assert(!give(nat_pmp_port(0))); /* it was not asked */
    pass_round(is_pcp);
    ck_assert(!give(nat_pmp_port(0)));
    ck_assert(due() && asks_address() && !give(nat_pmp_port(0)) && !give(nat_pmp_port(2)));
    for (size_t bytes = 0; bytes < 12; bytes++)
        ck_assert(!(nat_pmp_address(0), give(bytes)));
    ck_assert(give(nat_pmp_address(0)) && due() && asks_port());
    ck_assert(!give(nat_pmp_address(2)));
    for (size_t bytes = 0; bytes < 16; bytes++)
        ck_assert(!(nat_pmp_port(0), give(bytes)));
    nat_pmp_port(0);
    answer[9] ^= 1; /* another port */
    ck_assert(!give(16));
    ck_assert_uint_eq(p.state, PORT_MAPPING_ASKING);
    ck_assert(give(nat_pmp_port(0)));
    ck_assert(!give(nat_pmp_port(0))); /* a second time */
    assert_mapped("nat-pmp");
}
END_TEST

START_TEST(a_late_grant_is_as_good_and_a_late_refusal_is_not)
{
    uint8_t late[60];

    gateway_is_well();
    begin(IP_V4, start[_i]);
    ck_assert(due());
    pcp(0);
    begin(IP_V4, start[_i]);
    memcpy(late, answer, sizeof late);
    pass_round(is_pcp);
    pass_round(asks_address);
    memcpy(answer, late, sizeof late);
    answer[3] = 2;
    ck_assert(!give(60));
    answer[3] = 0;
    ck_assert(give(60));
    assert_mapped("pcp");
}
END_TEST

/* ---- epochs and announcements ---- */

static size_t pcp_announcement(void)
{
    memset(answer, 0, sizeof answer);
    answer[0] = 2;
    answer[1] = 0x80;
    store_be32(answer + 8, epoch_s);
    return 24;
}

START_TEST(epochs)
{
    /* The gateway's time went on by, ours by; whether it holds. RFC 6887 s.8.5. */
    static const struct {
        int64_t theirs_s;
        uint64_t ours_s;
        bool holds;
    } row[] = {
        {0, 0, true},      {-1, 0, true},    {-2, 0, false},   {100, 100, true},  {95, 100, true},
        {92, 100, true},   {91, 100, false}, {108, 100, true}, {109, 100, false}, {-1000, 5, false},
        {-1000, 0, false}, {0, 2, true},     {0, 3, false},    {2, 0, true},      {3, 0, false},
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        map_by_pcp(start[_i]);
        now += row[i].ours_s * SECOND;
        epoch_s = (uint32_t)(1000 + row[i].theirs_s);
        ck_assert(give(pcp_announcement()));
        ck_assert_msg((p.epochs_broken == 0) == row[i].holds, "row %zu", i);
        if (!row[i].holds) {
            wait_until(start[_i] + (row[i].ours_s > 4 ? row[i].ours_s : 4) * SECOND);
            ck_assert(due() && is_pcp() && give(pcp(0)));
            assert_mapped("pcp");
        } else {
            ck_assert_uint_eq(port_mapping_deadline_us(&p), start[_i] + 600 * SECOND);
        }
    }
}
END_TEST

START_TEST(forged_announcements_cost_a_request_each_four_seconds)
{
    unsigned sent = 0;

    map_by_pcp(start[_i]);
    uint64_t end = now + 40 * SECOND;
    for (; now < end; now += 10 * MS) {
        epoch_s = epoch_s == 5 ? 100000 : 5;
        ck_assert(give(pcp_announcement()));
        if (due()) {
            sent++;
            ck_assert(give(pcp(0)));
        }
    }
    ck_assert_uint_ge(sent, 8);
    ck_assert_uint_le(sent, 10);
}
END_TEST

START_TEST(an_announced_address_has_the_mapping_asked_for_anew)
{
    map_by_nat_pmp(start[_i]);
    ck_assert(give(nat_pmp_address(0))); /* nothing new */
    ck_assert_uint_eq(port_mapping_deadline_us(&p), now + 600 * SECOND);
    outside = v4(203, 0, 113, 10);
    now += 10 * SECOND;
    epoch_s += 10;
    ck_assert(give(nat_pmp_address(0)));
    ck_assert(due() && asks_address() && give(nat_pmp_address(0)));
    ck_assert(due() && asks_port() && give(nat_pmp_port(0)));
    assert_mapped("nat-pmp");
    ck_assert_uint_eq(p.epochs_broken, 0);
}
END_TEST

START_TEST(a_gateway_that_announces_itself_is_asked_again)
{
    gateway_is_well();
    begin(IP_V4, start[_i]);
    ck_assert(due() && give(pcp(2)));
    ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
    now += 20 * SECOND;
    epoch_s = 0;
    ck_assert(give(pcp_announcement()));
    ck_assert(due() && give(pcp(0)));
    assert_mapped("pcp");
}
END_TEST

START_TEST(renewed_on_demand_but_not_more_often_than_may_be)
{
    map_by_pcp(start[_i]);
    port_mapping_renew(&p, now);
    wait_until(now + 4 * SECOND);
    ck_assert(due() && is_pcp());
    port_mapping_renew(&p, now); /* it is being asked */
    wait_until(now + 250 * MS);
    epoch_s += 4;
    ck_assert(give(pcp(0)));
    now += 100 * SECOND;
    port_mapping_renew(&p, now);
    ck_assert(due() && is_pcp());
    port_mapping_release(&p, request);
    port_mapping_renew(&p, now + 100 * SECOND);
    ck_assert_uint_eq(port_mapping_deadline_us(&p), NEVER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("port_mapping_answers");
    TCase *tests = tcase_create("port_mapping_answers");

    tcase_add_loop_test(tests, only_the_gateway_may_answer, 0, STARTS);
    tcase_add_loop_test(tests, only_an_answer_to_us_counts, 0, STARTS);
    tcase_add_loop_test(tests, a_refusal_without_our_nonce_is_forged, 0, STARTS);
    tcase_add_loop_test(tests, nat_pmp_answers_that_are_none, 0, STARTS);
    tcase_add_loop_test(tests, a_late_grant_is_as_good_and_a_late_refusal_is_not, 0, STARTS);
    tcase_add_loop_test(tests, epochs, 0, STARTS);
    tcase_add_loop_test(tests, forged_announcements_cost_a_request_each_four_seconds, 0, STARTS);
    tcase_add_loop_test(tests, an_announced_address_has_the_mapping_asked_for_anew, 0, STARTS);
    tcase_add_loop_test(tests, a_gateway_that_announces_itself_is_asked_again, 0, STARTS);
    tcase_add_loop_test(tests, renewed_on_demand_but_not_more_often_than_may_be, 0, STARTS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
