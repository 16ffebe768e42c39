/* SPDX-License-Identifier: MIT
 *
 * check_port_mapping.c - what is asked, by which protocol and when: requests byte by byte, the way
 * from one protocol to the next, lifetimes, and the end. Who may answer is
 * check_port_mapping_answers.c's.
 */
#include "port_mapping_gateway.h"

/* ---- what is sent ---- */

/* RFC 6887 figures 2 and 9, byte by byte. */
START_TEST(a_pcp_request_is_as_the_rfc_says)
{
    static const uint8_t expected[60] = {
        2,           1,    0,   0,   0,   0,  0x04,        0xb0, /* 1200 s */
        [18] = 0xff, 0xff, 192, 168, 1,   7,  't',         'w',  'e',  'l',  'v',         'e', ' ',
        'b',         'y',  't', 'e', 's', 17, [40] = 0x1e, 0x6c, 0x1e, 0x6c, [54] = 0xff, 0xff};

    begin(IP_V4, start[_i]);
    ck_assert(due());
    ck_assert_uint_eq(request_bytes, sizeof expected);
    ck_assert_mem_eq(request, expected, sizeof expected);
}
END_TEST

START_TEST(for_ipv6_addresses_stand_as_they_are)
{
    begin(IP_V6, start[_i]);
    ck_assert(due() && is_pcp());
    ck_assert_mem_eq(request + 8, p.settings.source.octet, 16);
    for (int i = 44; i < 60; i++)
        ck_assert_uint_eq(request[i], 0);
}
END_TEST

START_TEST(a_renewal_suggests_what_was_granted)
{
    map_by_pcp(start[_i]);
    wait_until(now + 600 * SECOND);
    ck_assert(due() && is_pcp());
    ck_assert_uint_eq(load_be16(request + 42), OUTSIDE);
    ck_assert_mem_eq(request + 54, "\xff\xff\xcb\x00\x71\x09", 6);
}
END_TEST

START_TEST(nat_pmp_requests_are_as_the_rfc_says)
{
    gateway_is_well();
    begin(IP_V4, start[_i]);
    pass_round(is_pcp);
    ck_assert(due());
    ck_assert_uint_eq(request_bytes, 2);
    ck_assert_mem_eq(request, "\0\0", 2);
    ck_assert(give(nat_pmp_address(0)) && due());
    ck_assert_uint_eq(request_bytes, 12);
    ck_assert_mem_eq(request, "\0\1\0\0\x1e\x6c\x1e\x6c\0\0\x04\xb0", 12);
}
END_TEST

/* ---- the way through the protocols ---- */

START_TEST(silence_leads_from_pcp_to_nat_pmp_to_rest)
{
    begin(IP_V4, start[_i]);
    pass_round(is_pcp);
    pass_round(asks_address);
    ck_assert(!due());
    ck_assert_uint_eq(p.state, PORT_MAPPING_SILENT);
    ck_assert_ptr_nonnull(strstr(port_mapping_problem(&p), "neither PCP nor NAT-PMP"));
    for (uint64_t wait_s = 8; wait_s < 20000; wait_s *= 2) {
        wait_until(now + (wait_s < 1024 ? wait_s : 1024) * SECOND);
        pass_round(is_pcp);
        pass_round(asks_address);
        ck_assert(!due());
    }
}
END_TEST

START_TEST(ipv6_knows_no_nat_pmp)
{
    begin(IP_V6, start[_i]);
    pass_round(is_pcp);
    ck_assert(!due());
    ck_assert_uint_eq(p.state, PORT_MAPPING_SILENT);
    ck_assert_ptr_nonnull(strstr(port_mapping_problem(&p), "does not speak PCP"));
    wait_until(now + 8 * SECOND);
    ck_assert(due() && is_pcp());
    gateway_is_well();
    ck_assert(!give(nat_pmp_address(0)));
    ck_assert(!give(nat_pmp_address(1)));
}
END_TEST

START_TEST(an_ipv6_pinhole)
{
    gateway_is_well();
    outside = v6(0x20, 0x01, 7);
    begin(IP_V6, start[_i]);
    ck_assert(due() && give(pcp(0)));
    assert_mapped("pcp");
}
END_TEST

/* RFC 6886 s.3.5: version 0, opcode + 128, result 1, epoch. */
START_TEST(a_nat_pmp_server_says_so_at_once)
{
    gateway_is_well();
    begin(IP_V4, start[_i]);
    ck_assert(due() && is_pcp());
    ck_assert(give((memcpy(answer, "\0\x81\0\1\0\0\3\xe8", 8), 8)));
    ck_assert(due() && asks_address());
    ck_assert(!give((memcpy(answer, "\0\x81\0\1\0\0\3\xe8", 8), 8))); /* to the repeated request */
    ck_assert(give(nat_pmp_address(0)));
    ck_assert(due() && asks_port());
    ck_assert(!give((memcpy(answer, "\0\x81\0\1\0\0\3\xe8", 8), 8)));
    ck_assert(give(nat_pmp_port(0)));
    assert_mapped("nat-pmp");
}
END_TEST

/* PCP refuses its version or MAP itself: NAT-PMP; anything else is an answer. */
START_TEST(pcp_results)
{
    static const struct {
        const char *words; /* NULL: on to NAT-PMP */
    } row[] = {
        [1] = {NULL},
        [2] = {"does not allow"},
        [3] = {"does not understand"},
        [4] = {NULL},
        [5] = {"does not understand"},
        [6] = {"does not understand"},
        [7] = {"no address on the Internet"},
        [8] = {"no port left"},
        [9] = {"does not map UDP"},
        [10] = {"no more ports"},
        [11] = {"no port left"},
        [12] = {"another NAT between"},
        [13] = {"does not understand"},
        [14] = {"does not understand"}, /* unknown ones */
        [15] = {"does not understand"},
        [255] = {"does not understand"},
    };

    for (unsigned code = 1; code < sizeof row / sizeof *row; code++) {
        if (code > 15 && code < 255)
            continue;
        gateway_is_well();
        lifetime_s = 100;
        begin(IP_V4, start[_i]);
        ck_assert(due() && give(pcp((uint8_t)code)));
        if (row[code].words == NULL) {
            ck_assert(due() && asks_address());
            continue;
        }
        ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
        ck_assert_ptr_nonnull(strstr(port_mapping_problem(&p), row[code].words));
        wait_until(now + 100 * SECOND);
        ck_assert(due() && is_pcp());
    }
}
END_TEST

START_TEST(nat_pmp_results)
{
    static const struct {
        const char *words;
        uint64_t again_s;
    } row[] = {
        [2] = {"does not allow", 1800},      [3] = {"no address on the Internet", 30},
        [4] = {"no port left", 30},          [5] = {"cannot map ports", 1800},
        [6] = {"does not understand", 1800},
    };

    for (uint16_t code = 2; code < sizeof row / sizeof *row; code++) {
        for (int port = 0; port < 2; port++) {
            gateway_is_well();
            begin(IP_V4, start[_i]);
            pass_round(is_pcp);
            ck_assert(due());
            if (port)
                ck_assert(give(nat_pmp_address(0)) && due() && asks_port());
            ck_assert(give(port ? nat_pmp_port(code) : nat_pmp_address(code)));
            ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
            ck_assert_ptr_nonnull(strstr(port_mapping_problem(&p), row[code].words));
            wait_until(now + row[code].again_s * SECOND);
            ck_assert(due() && is_pcp());
        }
    }
}
END_TEST

START_TEST(another_version_than_both)
{
    gateway_is_well();
    begin(IP_V4, start[_i]);
    ck_assert(due());
    pcp(1);
    answer[0] = 3;
    ck_assert(give(60) && due() && asks_address());
    ck_assert(give(60));
    ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
    ck_assert_ptr_nonnull(strstr(port_mapping_problem(&p), "neither"));
}
END_TEST

START_TEST(the_time_to_wait_has_bounds)
{
    static const struct {
        uint32_t told_s;
        uint64_t waited_s;
    } row[] = {{0, 30}, {29, 30}, {31, 31}, {1800, 1800}, {UINT32_MAX, 1800}};

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        gateway_is_well();
        lifetime_s = row[i].told_s;
        begin(IP_V4, start[_i]);
        ck_assert(due() && give(pcp(8)));
        wait_until(now + row[i].waited_s * SECOND);
    }
}
END_TEST

START_TEST(icmp_ends_the_asking_for_both)
{
    begin(IP_V4, start[_i]);
    port_mapping_unreachable(&p, now); /* nothing was sent yet */
    ck_assert_uint_eq(p.state, PORT_MAPPING_ASKING);
    ck_assert(due());
    port_mapping_unreachable(&p, now);
    ck_assert_uint_eq(p.state, PORT_MAPPING_SILENT);
    wait_until(now + 8 * SECOND);
    ck_assert(due() && is_pcp());
}
END_TEST

/* ---- lifetime ---- */

START_TEST(renewed_after_half_of_what_is_left)
{
    map_by_pcp(start[_i]);
    uint64_t since = now;
    wait_until(since + 600 * SECOND);
    ck_assert(due() && is_pcp());
    epoch_s += 600;
    ck_assert(give(pcp(0)));
    wait_until(since + 1200 * SECOND);
    pass_round(is_pcp); /* a whole round, to 1203.75 s, and it is still mapped */
    ck_assert(!due());
    assert_mapped("pcp");
    wait_until(now + (1800 * SECOND - (now - since)) / 2);
    ck_assert(due() && is_pcp());
    epoch_s += 898;
    ck_assert(give(pcp(0)));
    assert_mapped("pcp");
    ck_assert_uint_eq(p.epochs_broken, 0);
}
END_TEST

START_TEST(an_unanswered_mapping_is_lost_and_asked_for_from_the_beginning)
{
    map_by_nat_pmp(start[_i]);
    uint64_t end = now + 1200 * SECOND;
    while (p.state == PORT_MAPPING_MAPPED) {
        ck_assert_uint_gt(port_mapping_deadline_us(&p), now);
        now = port_mapping_deadline_us(&p);
        ck_assert_uint_le(now, end);
        due();
        if (p.state == PORT_MAPPING_MAPPED)
            ck_assert(request_bytes == 0 || asks_address());
    }
    ck_assert_uint_eq(now, end);
    ck_assert(is_pcp());
    ck_assert_uint_eq(p.state, PORT_MAPPING_ASKING);
    ck_assert_ptr_null(port_mapping_problem(&p));
}
END_TEST

START_TEST(icmp_does_not_end_a_mapping)
{
    map_by_pcp(start[_i]);
    wait_until(now + 600 * SECOND);
    ck_assert(due());
    port_mapping_unreachable(&p, now);
    assert_mapped("pcp");
    wait_until(now + 300 * SECOND);
    ck_assert(due());
    now += 2000 * SECOND; /* asleep */
    port_mapping_unreachable(&p, now);
    ck_assert(due());
    ck_assert_uint_eq(p.state, PORT_MAPPING_ASKING);
}
END_TEST

START_TEST(a_refused_renewal_is_the_end)
{
    map_by_pcp(start[_i]);
    wait_until(now + 600 * SECOND);
    epoch_s += 600;
    ck_assert(due() && give(pcp(2)));
    ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
}
END_TEST

START_TEST(what_is_granted_must_be_of_use)
{
    const struct {
        uint8_t family;
        struct ip_address address;
    } row[] = {
        {IP_V4, v4(0, 0, 0, 0)},   {IP_V4, v4(0, 1, 2, 3)},         {IP_V4, v4(127, 0, 0, 1)},
        {IP_V4, v4(224, 0, 0, 1)}, {IP_V4, v4(255, 255, 255, 255)}, {IP_V6, v6(0xff, 0x02, 1)},
        {IP_V6, v6(0, 0, 1)},      {IP_V6, v4(203, 0, 113, 9)},
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        gateway_is_well();
        outside = row[i].address;
        begin(row[i].family, start[_i]);
        ck_assert(due() && give(pcp(0)));
        ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
        ck_assert_ptr_nonnull(strstr(port_mapping_problem(&p), "none"));
    }
    gateway_is_well();
    begin(IP_V4, start[_i]);
    ck_assert(due());
    pcp(0);
    store_be16(answer + 42, 0);
    ck_assert(give(60));
    ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
    lifetime_s = 0;
    begin(IP_V4, start[_i]);
    ck_assert(due() && give(pcp(0)));
    ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
}
END_TEST

START_TEST(nat_pmp_without_an_address_is_no_connection)
{
    gateway_is_well();
    outside = v4(0, 0, 0, 0);
    begin(IP_V4, start[_i]);
    pass_round(is_pcp);
    ck_assert(due() && give(nat_pmp_address(0)));
    ck_assert_uint_eq(p.state, PORT_MAPPING_REFUSED);
    ck_assert_ptr_nonnull(strstr(port_mapping_problem(&p), "no address on the Internet"));
}
END_TEST

START_TEST(lifetimes_have_bounds)
{
    gateway_is_well();
    lifetime_s = UINT32_MAX;
    begin(IP_V4, start[_i]);
    ck_assert(due() && give(pcp(0)));
    wait_until(now + 43200 * SECOND);
    lifetime_s = 3; /* shorter than renewals may follow one another */
    begin(IP_V4, start[_i]);
    ck_assert(due() && give(pcp(0)));
    wait_until(now + 3 * SECOND);
    ck_assert(due() && is_pcp());
    ck_assert_uint_eq(p.state, PORT_MAPPING_ASKING);
}
END_TEST

/* ---- the end ---- */

START_TEST(release)
{
    map_by_pcp(start[_i]);
    request_bytes = port_mapping_release(&p, request);
    ck_assert(is_pcp());
    ck_assert_uint_eq(load_be32(request + 4), 0);
    ck_assert_mem_eq(request + 24, nonce, sizeof nonce);
    ck_assert_uint_eq(load_be16(request + 40), PORT);
    ck_assert_uint_eq(load_be16(request + 42), 0);
    ck_assert_uint_eq(port_mapping_deadline_us(&p), NEVER);
    now += 5000 * SECOND;
    ck_assert(!due());
    ck_assert(!give(pcp(0)));
    ck_assert_uint_ne(p.state, PORT_MAPPING_MAPPED);
    ck_assert_uint_eq(port_mapping_release(&p, request), 0);

    map_by_nat_pmp(start[_i]);
    request_bytes = port_mapping_release(&p, request);
    ck_assert(asks_port());
    ck_assert_mem_eq(request, "\0\1\0\0\x1e\x6c\0\0\0\0\0\0", 12);
}
END_TEST

START_TEST(release_of_what_may_have_been_granted)
{
    begin(IP_V4, start[_i]);
    ck_assert_uint_eq(port_mapping_release(&p, request), 0); /* nothing was asked */
    begin(IP_V4, start[_i]);
    ck_assert(due());
    request_bytes = port_mapping_release(&p, request);
    ck_assert(is_pcp());
    begin(IP_V4, start[_i]);
    pass_round(is_pcp);
    ck_assert(due() && asks_address());
    ck_assert_uint_eq(port_mapping_release(&p, request), 0);
    begin(IP_V4, start[_i]);
    ck_assert(due());
    port_mapping_unreachable(&p, now);
    ck_assert_uint_eq(port_mapping_release(&p, request), 0); /* nobody is there */
}
END_TEST

START_TEST(addresses_that_mean_nothing_outside)
{
    const struct {
        struct ip_address address;
        bool is_private;
    } row[] = {
        {v4(0, 0, 0, 0), true},      {v4(9, 255, 255, 255), false},  {v4(10, 0, 0, 1), true},
        {v4(11, 0, 0, 0), false},    {v4(100, 63, 0, 1), false},     {v4(100, 64, 0, 1), true},
        {v4(100, 127, 9, 1), true},  {v4(100, 128, 0, 1), false},    {v4(127, 0, 0, 1), true},
        {v4(169, 254, 1, 1), true},  {v4(172, 15, 0, 1), false},     {v4(172, 16, 0, 1), true},
        {v4(172, 31, 0, 1), true},   {v4(172, 32, 0, 1), false},     {v4(192, 0, 0, 7), true},
        {v4(192, 0, 0, 9), false},   {v4(192, 168, 0, 1), true},     {v4(192, 169, 0, 1), false},
        {v4(203, 0, 113, 9), false}, {v6(0x20, 0x01, 1), false},     {v6(0xfc, 0, 1), true},
        {v6(0xfd, 0, 1), true},      {v6(0xfe, 0x80, 1), true},      {v6(0, 0, 1), true},
        {v6(0, 0, 0), true},         {(struct ip_address){0}, true},
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        ck_assert_msg(ip_is_private(&row[i].address) == row[i].is_private, "row %zu", i);
    gateway_is_well();
    outside = v4(100, 64, 3, 2);
    begin(IP_V4, 0);
    ck_assert(due() && give(pcp(0)));
    ck_assert_uint_eq(p.state, PORT_MAPPING_MAPPED);
    ck_assert_str_eq(port_mapping_problem(&p), "mapped, but behind another NAT");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("port_mapping");
    TCase *tests = tcase_create("port_mapping");

    tcase_add_loop_test(tests, a_pcp_request_is_as_the_rfc_says, 0, STARTS);
    tcase_add_loop_test(tests, for_ipv6_addresses_stand_as_they_are, 0, STARTS);
    tcase_add_loop_test(tests, a_renewal_suggests_what_was_granted, 0, STARTS);
    tcase_add_loop_test(tests, nat_pmp_requests_are_as_the_rfc_says, 0, STARTS);
    tcase_add_loop_test(tests, silence_leads_from_pcp_to_nat_pmp_to_rest, 0, STARTS);
    tcase_add_loop_test(tests, ipv6_knows_no_nat_pmp, 0, STARTS);
    tcase_add_loop_test(tests, an_ipv6_pinhole, 0, STARTS);
    tcase_add_loop_test(tests, a_nat_pmp_server_says_so_at_once, 0, STARTS);
    tcase_add_loop_test(tests, pcp_results, 0, STARTS);
    tcase_add_loop_test(tests, nat_pmp_results, 0, STARTS);
    tcase_add_loop_test(tests, another_version_than_both, 0, STARTS);
    tcase_add_loop_test(tests, the_time_to_wait_has_bounds, 0, STARTS);
    tcase_add_loop_test(tests, icmp_ends_the_asking_for_both, 0, STARTS);
    tcase_add_loop_test(tests, renewed_after_half_of_what_is_left, 0, STARTS);
    tcase_add_loop_test(tests, an_unanswered_mapping_is_lost_and_asked_for_from_the_beginning, 0,
                        STARTS);
    tcase_add_loop_test(tests, icmp_does_not_end_a_mapping, 0, STARTS);
    tcase_add_loop_test(tests, a_refused_renewal_is_the_end, 0, STARTS);
    tcase_add_loop_test(tests, what_is_granted_must_be_of_use, 0, STARTS);
    tcase_add_loop_test(tests, nat_pmp_without_an_address_is_no_connection, 0, STARTS);
    tcase_add_loop_test(tests, lifetimes_have_bounds, 0, STARTS);
    tcase_add_loop_test(tests, release, 0, STARTS);
    tcase_add_loop_test(tests, release_of_what_may_have_been_granted, 0, STARTS);
    tcase_add_test(tests, addresses_that_mean_nothing_outside);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
