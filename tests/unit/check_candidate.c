/* SPDX-License-Identifier: MIT
 *
 * check_candidate.c - candidates: their coding byte by byte, which may be sent to, and their lists.
 */
#include "tunnel/candidate.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct endpoint v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct endpoint){.address = ip_v4((const uint8_t[]){a, b, c, d}), .port = port};
}

/* @first: the first two octets, @last: the last two; zeros between them. */
static struct endpoint v6(uint16_t first, uint16_t last, uint16_t port)
{
    struct endpoint e = {.address = {.family = IP_V6}, .port = port};
    e.address.octet[0] = (uint8_t)(first >> 8);
    e.address.octet[1] = (uint8_t)first;
    e.address.octet[14] = (uint8_t)(last >> 8);
    e.address.octet[15] = (uint8_t)last;
    return e;
}

static struct candidate of(uint8_t kind, struct endpoint endpoint)
{
    return (struct candidate){.kind = kind, .endpoint = endpoint};
}

static struct candidate set(uint8_t offset_bits, uint8_t psid_bits, uint16_t psid)
{
    return (struct candidate){.kind = CANDIDATE_PORT_SET,
                              .endpoint = v4(106, 72, 1, 2, 0),
                              .set = {offset_bits, psid_bits, psid}};
}

/* ---- the coding ---- */

static const uint8_t coded[] = {
    4,                                                   /* count */
    1, 6, 0x20, 0x01, 0,   0, 0,    0,    0, 0,    0, 0, /* host */
    0, 0, 0,    0,    0,   7, 0x1e, 0x6c,                /* ... port 7788 */
    2, 4, 203,  0,    113, 5, 0x9c, 0x40,                /* reflexive, port 40000 */
    4, 4, 198,  51,   100, 9, 0xc0, 0x00,                /* relayed, port 49152 */
    5, 4, 106,  72,   1,   2, 4,    8,    0, 0x34,       /* port set 4 8 52 */
};

static void fill(struct candidate_list *list)
{
    struct candidate item[] = {of(CANDIDATE_HOST, v6(0x2001, 7, 7788)),
                               of(CANDIDATE_REFLEXIVE, v4(203, 0, 113, 5, 40000)),
                               of(CANDIDATE_RELAYED, v4(198, 51, 100, 9, 49152)), set(4, 8, 52)};
    memset(list, 0, sizeof *list);
    for (size_t i = 0; i < sizeof item / sizeof item[0]; i++)
        candidate_add(list, &item[i]);
}

START_TEST(the_coding_is_this)
{
    struct candidate_list list, again;
    uint8_t out[CANDIDATES_MAX_BYTES];
    fill(&list);
    ck_assert_uint_eq(candidate_encode(&list, out, sizeof out), sizeof coded);
    ck_assert_mem_eq(out, coded, sizeof coded);
    ck_assert(candidate_decode(&again, coded, sizeof coded));
    ck_assert_uint_eq(again.count, list.count);
    for (size_t i = 0; i < list.count; i++)
        ck_assert(candidate_equal(&again.item[i], &list.item[i]));
}
END_TEST

START_TEST(it_is_written_whole_or_not)
{
    struct candidate_list list;
    uint8_t out[sizeof coded + 1];
    fill(&list);
    for (size_t room = 0; room < sizeof coded; room++) {
        memset(out, 0xa5, sizeof out);
        ck_assert_uint_eq(candidate_encode(&list, out, room), 0);
        ck_assert_uint_eq(out[room], 0xa5);
    }
}
END_TEST

START_TEST(what_is_of_here_is_not_told)
{
    const uint8_t only[] = {1, 3, 4, 203, 0, 113, 5, 0x1e, 0x6c};
    struct candidate_list list = {0};
    uint8_t out[CANDIDATES_MAX_BYTES];
    struct candidate item[] = {of(CANDIDATE_CONFIGURED, v4(203, 0, 113, 1, 7788)),
                               of(CANDIDATE_PEER_REFLEXIVE, v4(203, 0, 113, 2, 7788)),
                               of(CANDIDATE_THROUGH_PEER, v4(203, 0, 113, 3, 7788)),
                               of(CANDIDATE_HOST, v4(127, 0, 0, 1, 7788)),
                               of(CANDIDATE_HOST, v6(0xfe80, 1, 7788)),
                               of(CANDIDATE_HOST, v4(203, 0, 113, 4, 7788)),
                               of(CANDIDATE_HOST, v6(0xfe80, 1, 7788)),
                               of(CANDIDATE_MAPPED, v4(203, 0, 113, 5, 7788))};
    item[5].endpoint.via = VIA_TURN;
    item[6].endpoint.scope_id = 3;
    for (size_t i = 0; i < sizeof item / sizeof item[0]; i++)
        list.item[list.count++] = item[i];
    ck_assert_uint_eq(candidate_encode(&list, out, sizeof out), sizeof only);
    ck_assert_mem_eq(out, only, sizeof only);
    list.count = 0;
    ck_assert_uint_eq(candidate_encode(&list, out, sizeof out), 1);
    ck_assert_uint_eq(out[0], 0);
}
END_TEST

START_TEST(the_largest_list_has_its_room)
{
    struct candidate_list list = {0}, again;
    uint8_t out[CANDIDATES_MAX_BYTES];
    for (uint16_t i = 0; i < CANDIDATES_MAX; i++)
        list.item[list.count++] = of(CANDIDATE_HOST, v6(0x2001, i, 7788));
    ck_assert_uint_eq(candidate_encode(&list, out, sizeof out), sizeof out);
    ck_assert(candidate_decode(&again, out, sizeof out));
    ck_assert_uint_eq(again.count, CANDIDATES_MAX);
}
END_TEST

static void assert_refused(const uint8_t *data, size_t bytes)
{
    static const struct candidate_list nothing;
    struct candidate_list list;
    memset(&list, 0xff, sizeof list);
    ck_assert(!candidate_decode(&list, data, bytes));
    ck_assert_mem_eq(&list, &nothing, sizeof list);
}

START_TEST(the_malformed_is_refused_whole)
{
    uint8_t long_one[sizeof coded + 1] = {0};
    memcpy(long_one, coded, sizeof coded);
    for (size_t bytes = 0; bytes < sizeof coded; bytes++)
        assert_refused(coded, bytes);
    assert_refused(long_one, sizeof long_one);
    for (unsigned family = 0; family < 256; family++) {
        uint8_t data[] = {1, 2, (uint8_t)family, 1, 2, 3, 4, 5, 6};
        if (family != IP_V4)
            assert_refused(data, sizeof data);
    }
    uint8_t many[1 + (CANDIDATES_MAX + 1) * 8] = {CANDIDATES_MAX + 1};
    for (uint8_t i = 0; i <= CANDIDATES_MAX; i++)
        memcpy(&many[1 + i * 8], (const uint8_t[]){2, 4, 203, 0, 113, i, 30, 108}, 8);
    assert_refused(many, sizeof many);
    many[0] = CANDIDATES_MAX;
    struct candidate_list list;
    ck_assert(candidate_decode(&list, many, sizeof many - 8));
}
END_TEST

START_TEST(port_sets_are_possible_or_refused)
{
    static const struct {
        uint8_t family, offset_bits, psid_bits;
        uint16_t psid;
        bool good;
    } row[] = {
        {4, 4, 8, 255, true},    {4, 4, 8, 256, false},   {4, 6, 6, 63, true},
        {4, 6, 6, 64, false},    {4, 0, 16, 65535, true}, {4, 0, 1, 1, true},
        {4, 0, 0, 0, false},     {4, 16, 0, 0, false},    {4, 8, 8, 0, true},
        {4, 9, 8, 0, false},     {4, 255, 1, 0, false},   {4, 1, 255, 0, false},
        {4, 0, 17, 0, false},    {6, 4, 8, 52, false},    {4, 0, 16, 0, false}, /* port 0 alone */
        {4, 0, 16, 1023, false}, {4, 0, 16, 1024, true},  {4, 0, 6, 0, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint8_t data[1 + 2 + 16 + 4] = {1, CANDIDATE_PORT_SET, row[i].family, 106, 72, 1, 2};
        size_t address = row[i].family == IP_V4 ? 4 : 16;
        uint8_t tail[] = {row[i].offset_bits, row[i].psid_bits, (uint8_t)(row[i].psid >> 8),
                          (uint8_t)row[i].psid};
        memcpy(&data[3 + address], tail, sizeof tail);
        struct candidate_list list;
        bool good = candidate_decode(&list, data, 3 + address + sizeof tail);
        ck_assert_msg(good == row[i].good, "row %zu", i);
        if (row[i].family == IP_V4) {
            struct candidate c = set(row[i].offset_bits, row[i].psid_bits, row[i].psid);
            ck_assert_msg(candidate_usable(&c) == row[i].good, "row %zu", i);
        }
    }
}
END_TEST

START_TEST(unknown_kinds_are_skipped)
{
    struct candidate_list list;
    for (unsigned kind = 0; kind < 256; kind++) {
        uint8_t data[] = {2, (uint8_t)kind, 4, 1, 2, 3, 4, 5, 6, 2, 4, 203, 0, 113, 5, 30, 108};
        if (kind == CANDIDATE_PORT_SET)
            continue;
        ck_assert(candidate_decode(&list, data, sizeof data));
        ck_assert_uint_eq(list.count, kind >= 1 && kind <= 4 ? 2 : 1);
        ck_assert_uint_eq(list.item[list.count - 1].endpoint.address.octet[0], 203);
    }
}
END_TEST

START_TEST(doubles_are_read_once)
{
    const uint8_t data[] = {3,   1, 4,  203, 0, 113, 5,   30, 108, 2, 4,  203, 0,
                            113, 5, 30, 108, 2, 4,   203, 0,  113, 5, 30, 109};
    struct candidate_list list;
    ck_assert(candidate_decode(&list, data, sizeof data));
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(list.item[0].kind, CANDIDATE_HOST);
}
END_TEST

/* ---- where to send ---- */

enum { NO, OURS_ONLY, YES }; /* never; when our own configuration says so; on anybody's word */

static void assert_usable(struct endpoint e, int expected, const char *what, size_t i)
{
    for (unsigned kind = 0; kind < 256; kind++) {
        struct candidate c = of((uint8_t)kind, e);
        bool told = kind >= CANDIDATE_HOST && kind <= CANDIDATE_RELAYED;
        bool ours = kind >= CANDIDATE_CONFIGURED && kind <= CANDIDATE_THROUGH_PEER;
        bool usable = expected == YES ? told || ours : expected == OURS_ONLY && ours;
        ck_assert_msg(candidate_usable(&c) == usable, "%s %zu, kind %u", what, i, kind);
    }
}

START_TEST(which_ipv4_addresses)
{
    static const struct {
        uint8_t octet[4];
        int expected;
    } row[] = {
        {{0, 0, 0, 0}, NO},          {{0, 1, 2, 3}, NO},
        {{1, 0, 0, 1}, YES},         {{10, 0, 0, 1}, YES},
        {{100, 64, 0, 1}, YES},      {{127, 0, 0, 1}, OURS_ONLY},
        {{127, 9, 9, 9}, OURS_ONLY}, {{126, 255, 0, 1}, YES},
        {{128, 0, 0, 1}, YES},       {{169, 254, 1, 1}, OURS_ONLY},
        {{169, 253, 1, 1}, YES},     {{169, 255, 1, 1}, YES},
        {{192, 168, 1, 1}, YES},     {{203, 0, 113, 1}, YES},
        {{223, 255, 255, 1}, YES},   {{224, 0, 0, 1}, NO},
        {{239, 255, 255, 250}, NO},  {{240, 0, 0, 1}, NO},
        {{255, 255, 255, 254}, NO},  {{255, 255, 255, 255}, NO},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct endpoint e = {.address = ip_v4(row[i].octet), .port = 7788};
        assert_usable(e, row[i].expected, "address", i);
    }
}
END_TEST

START_TEST(which_ipv6_addresses)
{
    static const struct {
        uint16_t first, last;
        uint32_t scope_id;
        int expected;
    } row[] = {
        {0, 0, 0, NO},
        {0, 1, 0, OURS_ONLY},
        {0, 2, 0, NO},
        {0x2001, 1, 0, YES},
        {0xfd00, 1, 0, YES},
        {0xfe80, 1, 0, NO},
        {0xfe80, 1, 4, OURS_ONLY},
        {0xfebf, 1, 0, NO},
        {0xff02, 1, 0, NO},
        {0xff02, 1, 4, NO},
        {0x64, 1, 0, YES},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct endpoint e = v6(row[i].first, row[i].last, 7788);
        e.scope_id = row[i].scope_id;
        assert_usable(e, row[i].expected, "address", i);
    }
    struct endpoint mapped = v6(0, 0x7101, 7788); /* ::ffff:203.0.113.1 */
    memcpy(&mapped.address.octet[10], (const uint8_t[]){0xff, 0xff, 203, 0, 113, 1}, 6);
    assert_usable(mapped, NO, "mapped", 0);
}
END_TEST

START_TEST(which_ports)
{
    for (unsigned port = 0; port < 65536; port += port < 1100 ? 1 : 641) {
        bool anybody = port >= 1024 || port == 443 || port == 500;
        assert_usable(v4(203, 0, 113, 1, (uint16_t)port),
                      port == 0 ? NO
                      : anybody ? YES
                                : OURS_ONLY,
                      "port", port);
    }
}
END_TEST

START_TEST(which_ways)
{
    for (unsigned via = 0; via < 256; via++) {
        struct candidate c = of(CANDIDATE_CONFIGURED, v4(203, 0, 113, 1, 7788));
        c.endpoint.via = (uint8_t)via;
        ck_assert_msg(candidate_usable(&c) == (via <= 3), "via %u", via);

        c = of(CANDIDATE_THROUGH_PEER, (struct endpoint){.address = {.family = IP_SITE}});
        c.endpoint.via = (uint8_t)via;
        ck_assert(!candidate_usable(&c)); /* no site is all zeros */
        c.endpoint.address.octet[7] = 1;
        ck_assert_msg(candidate_usable(&c) == (via >= 0x40), "via %u", via);
        c.kind = CANDIDATE_CONFIGURED;
        ck_assert(!candidate_usable(&c));
        c.kind = CANDIDATE_THROUGH_PEER;
        c.endpoint.port = 1;
        ck_assert(!candidate_usable(&c));
    }
}
END_TEST

START_TEST(which_port_sets)
{
    struct candidate c = set(4, 8, 52);
    ck_assert(candidate_usable(&c));
    c.endpoint.port = 7788;
    ck_assert(!candidate_usable(&c));
    c = set(4, 8, 52);
    c.endpoint.via = VIA_TURN;
    ck_assert(!candidate_usable(&c));
    c = set(4, 8, 52);
    c.endpoint.address = v6(0x2001, 1, 0).address;
    ck_assert(!candidate_usable(&c));
    c = set(4, 8, 52);
    c.endpoint.address = v4(127, 0, 0, 1, 0).address;
    ck_assert(!candidate_usable(&c));
    c.endpoint.address = v4(169, 254, 0, 1, 0).address;
    ck_assert(!candidate_usable(&c));
}
END_TEST

/* ---- lists ---- */

START_TEST(a_list_has_no_doubles)
{
    struct candidate_list list = {0};
    struct candidate a = of(CANDIDATE_HOST, v4(203, 0, 113, 1, 7788)), b = a, c = set(4, 8, 52);
    candidate_add(&list, &a);
    b.kind = CANDIDATE_REFLEXIVE;
    ck_assert(!candidate_equal(&a, &b));
    candidate_add(&list, &b);
    ck_assert_uint_eq(list.count, 1);
    b.endpoint.via = VIA_TURN;
    candidate_add(&list, &b);
    b.endpoint.port++;
    candidate_add(&list, &b);
    candidate_add(&list, &c);
    candidate_add(&list, &c);
    c.set.psid++;
    candidate_add(&list, &c);
    ck_assert_uint_eq(list.count, 5);
    ck_assert(candidate_equal(&list.item[4], &c) && !candidate_equal(&list.item[3], &c));
}
END_TEST

START_TEST(a_full_list_loses_the_lowest)
{
    struct candidate_list list = {0};
    struct candidate c;
    for (uint16_t i = 0; i < CANDIDATES_MAX; i++) {
        c = of(CANDIDATE_HOST, i == 5 ? v4(10, 0, 0, 1, 7788) : v6(0x2001, i, 7788));
        candidate_add(&list, &c);
    }
    c = of(CANDIDATE_HOST, v4(10, 0, 0, 2, 7788)); /* not better than the lowest */
    candidate_add(&list, &c);
    ck_assert_uint_eq(list.item[CANDIDATES_MAX - 1].endpoint.address.octet[15], 15);

    c = of(CANDIDATE_HOST, v6(0x2001, 99, 7788)); /* takes the place of the IPv4 host */
    candidate_add(&list, &c);
    ck_assert_uint_eq(list.count, CANDIDATES_MAX);
    ck_assert(candidate_equal(&list.item[CANDIDATES_MAX - 1], &c));
    for (size_t i = 0; i < list.count; i++)
        ck_assert_uint_eq(list.item[i].endpoint.address.family, IP_V6);

    const uint8_t kind[] = {CANDIDATE_REFLEXIVE, CANDIDATE_MAPPED, CANDIDATE_RELAYED,
                            CANDIDATE_CONFIGURED};
    for (size_t k = 0; k < sizeof kind; k++) {
        c = of(kind[k], v4(203, 0, 113, 1, (uint16_t)(7000 + k)));
        candidate_add(&list, &c);
        ck_assert_uint_eq(list.count, CANDIDATES_MAX);
        ck_assert(candidate_equal(&list.item[CANDIDATES_MAX - 1], &c));
    }
    ck_assert_uint_eq(list.item[0].endpoint.address.octet[15], 4); /* the oldest hosts went */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("candidate");
    TCase *tc = tcase_create("candidate");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, the_coding_is_this);
    tcase_add_test(tc, it_is_written_whole_or_not);
    tcase_add_test(tc, what_is_of_here_is_not_told);
    tcase_add_test(tc, the_largest_list_has_its_room);
    tcase_add_test(tc, the_malformed_is_refused_whole);
    tcase_add_test(tc, port_sets_are_possible_or_refused);
    tcase_add_test(tc, unknown_kinds_are_skipped);
    tcase_add_test(tc, doubles_are_read_once);
    tcase_add_test(tc, which_ipv4_addresses);
    tcase_add_test(tc, which_ipv6_addresses);
    tcase_add_test(tc, which_ports);
    tcase_add_test(tc, which_ways);
    tcase_add_test(tc, which_port_sets);
    tcase_add_test(tc, a_list_has_no_doubles);
    tcase_add_test(tc, a_full_list_loses_the_lowest);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
