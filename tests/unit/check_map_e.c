/* SPDX-License-Identifier: MIT
 *
 * check_map_e.c - MAP-E: the ports of a set against a definition written the long way, the services
 * by examples worked by hand, and the rules against each other.
 */
#include "tunnel/map_e.h"

#include "tunnel/map_e_rules.h"

#include <check.h>
#include <stdlib.h>

static const struct port_set v6plus_41 = {4, 8, 0x41}, ocn_0 = {6, 6, 0}, ocn_last = {6, 6, 63};

/* RFC 7597 s.5.1, bit by bit. */
static bool is_of_set(const struct port_set *set, unsigned port)
{
    unsigned a = 0, psid = 0;

    for (unsigned bit = 0; bit < 16; bit++) {
        unsigned value = port >> (15 - bit) & 1;
        if (bit < set->offset_bits)
            a = a << 1 | value;
        else if (bit < (unsigned)set->offset_bits + set->psid_bits)
            psid = psid << 1 | value;
    }
    return port != 0 && psid == set->psid && (set->offset_bits == 0 || a != 0);
}

/* ---- sets ---- */

/* PSID 0x41 of v6plus: A 1..15, PSID 0x41, j 0..15 are 0x1410-0x141f, 0x2410-0x241f, ... */
START_TEST(v6plus_has_15_blocks_of_16)
{
    unsigned n = 0;

    ck_assert_uint_eq(map_e_port_count(&v6plus_41), 240);
    for (unsigned a = 1; a <= 15; a++)
        for (unsigned j = 0; j < 16; j++)
            ck_assert_uint_eq(map_e_port(&v6plus_41, n++), a * 4096 + 0x410 + j);
    ck_assert_uint_eq(map_e_port(&v6plus_41, 0), 5136);
    ck_assert_uint_eq(map_e_port(&v6plus_41, 16), 9232);
    ck_assert_uint_eq(map_e_port(&v6plus_41, 239), 0xf41f);
}
END_TEST

START_TEST(ocn_has_63_blocks_of_16)
{
    ck_assert_uint_eq(map_e_port_count(&ocn_0), 1008);
    ck_assert_uint_eq(map_e_port(&ocn_0, 0), 1024);
    ck_assert_uint_eq(map_e_port(&ocn_0, 15), 1039);
    ck_assert_uint_eq(map_e_port(&ocn_0, 16), 2048);
    ck_assert_uint_eq(map_e_port(&ocn_0, 1007), 63 * 1024 + 15);
    ck_assert_uint_eq(map_e_port_count(&ocn_last), 1008);
    ck_assert_uint_eq(map_e_port(&ocn_last, 0), 1024 + 63 * 16);
    ck_assert_uint_eq(map_e_port(&ocn_last, 1007), 65535);
}
END_TEST

/* The first port for which the set is not what the RFC says; 65536 when it is. */
static unsigned first_wrong(const struct port_set *set)
{
    unsigned n = 0, port = 0;

    for (; port < 65536; port++) {
        bool inside = is_of_set(set, port);
        if (map_e_contains(set, (uint16_t)port) != inside ||
            (inside && map_e_port(set, n++) != port))
            return port;
    }
    return map_e_port_count(set) == n ? port : 0;
}

/* Every shape of a set, with some PSID each. */
START_TEST(every_set_is_what_the_rfc_says)
{
    for (unsigned a = 0; a + (unsigned)_i <= 16; a++) {
        unsigned psid = (1U << _i) * a / 16;
        struct port_set set = {(uint8_t)a, (uint8_t)_i, (uint16_t)psid};
        ck_assert_uint_eq(first_wrong(&set), 65536);
    }
}
END_TEST

/* A whole address: no set, or all of it but the well-known ports. */
START_TEST(sets_without_a_psid)
{
    struct port_set all = {0, 0, 0}, no_wellknown = {6, 0, 0};

    ck_assert_uint_eq(map_e_port_count(&all), 65535);
    ck_assert_uint_eq(map_e_port(&all, 0), 1);
    ck_assert_uint_eq(map_e_port(&all, 65534), 65535);
    ck_assert_uint_eq(map_e_port_count(&no_wellknown), 65536 - 1024);
    ck_assert_uint_eq(map_e_port(&no_wellknown, 0), 1024);
}
END_TEST

static unsigned first_inside(const struct port_set *set)
{
    unsigned port = 0;

    while (port < 65536 && !map_e_contains(set, (uint16_t)port))
        port++;
    return port;
}

START_TEST(what_cannot_be_is_empty)
{
    static const struct port_set bad[] = {
        {4, 8, 256}, {4, 13, 0}, {17, 0, 0}, {0, 17, 0}, {255, 255, 65535}, {4, 0, 1}, {16, 1, 0},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_uint_eq(map_e_port_count(&bad[i]), 0);
        ck_assert_uint_eq(map_e_choose_port(&bad[i], 7), 0);
        ck_assert_uint_eq(first_inside(&bad[i]), 65536);
    }
}
END_TEST

/* ---- choice ---- */

START_TEST(a_chosen_port_is_stable_and_of_the_set)
{
    bool seen[65536] = {false};
    unsigned different = 0;

    for (uint32_t seed = 0; seed < 240; seed++) {
        uint16_t port = map_e_choose_port(&v6plus_41, seed);
        ck_assert(map_e_contains(&v6plus_41, port));
        ck_assert_uint_eq(map_e_choose_port(&v6plus_41, seed), port);
        different += !seen[port];
        seen[port] = true;
    }
    ck_assert_uint_eq(different, 240);
    ck_assert_uint_eq(map_e_choose_port(&v6plus_41, 0), 5136);
    ck_assert(map_e_contains(&v6plus_41, map_e_choose_port(&v6plus_41, UINT32_MAX)));
}
END_TEST

/* With seven offset bits the first block begins at 512; with eight there are three below 1024. */
START_TEST(a_chosen_port_is_never_a_low_one)
{
    static const struct {
        struct port_set set;
        uint16_t first;
    } rows[] = {
        {{7, 4, 0}, 1024}, {{8, 4, 15}, 1024 + 240}, {{0, 6, 0}, 0},
        {{0, 6, 1}, 1024}, {{0, 0, 0}, 1024},        {{0, 5, 0}, 1024},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_uint_eq(map_e_choose_port(&rows[i].set, 0), rows[i].first);
        for (uint32_t seed = 1; seed < 5000 && rows[i].first != 0; seed++) {
            uint16_t port = map_e_choose_port(&rows[i].set, seed);
            ck_assert(port >= 1024 && map_e_contains(&rows[i].set, port));
        }
    }
}
END_TEST

/* ---- services ---- */

static struct ip_address v6(uint16_t a, uint16_t b, uint16_t c, uint16_t d)
{
    uint8_t octet[16] = {(uint8_t)(a >> 8),
                         (uint8_t)a,
                         (uint8_t)(b >> 8),
                         (uint8_t)b,
                         (uint8_t)(c >> 8),
                         (uint8_t)c,
                         (uint8_t)(d >> 8),
                         (uint8_t)d,
                         0,
                         0,
                         0,
                         0,
                         0,
                         0,
                         0,
                         1};

    return ip_v6(octet);
}

/* By hand: 240b:11:203:4500, rule 240b:10::/31 -> 106.72/15. The 25 EA bits are the low bit of the
 * second hextet (1), the third (0x0203) and the high byte of the fourth (0x45); 17 of them end the
 * IPv4 address: 106.72 + 1, 2, 3. The others differ by where their rule ends. */
static const struct {
    uint16_t hextet[4];
    const char *service;
    uint8_t address[4];
    struct port_set ports;
} homes[] = {
    {{0x240b, 0x0011, 0x0203, 0x4500}, "v6plus", {106, 73, 2, 3}, {4, 8, 0x45}},
    {{0x240b, 0x0010, 0x0000, 0x0000}, "v6plus", {106, 72, 0, 0}, {4, 8, 0}},
    {{0x240b, 0x0010, 0x0203, 0x45ff}, "v6plus", {106, 72, 2, 3}, {4, 8, 0x45}},
    {{0x240b, 0x0013, 0xffff, 0xff12}, "v6plus", {14, 9, 255, 255}, {4, 8, 255}},
    {{0x240b, 0x0250, 0x0102, 0x0300}, "v6plus", {14, 10, 1, 2}, {4, 8, 3}},
    {{0x240b, 0x0253, 0x0102, 0x0300}, "v6plus", {14, 13, 1, 2}, {4, 8, 3}},
    {{0x2404, 0x7a80, 0x0102, 0x0300}, "biglobe", {133, 200, 1, 2}, {4, 8, 3}},
    {{0x2404, 0x7a85, 0x0102, 0x0300}, "biglobe", {133, 207, 1, 2}, {4, 8, 3}},
    /* 2404:7a82:2000::/38 -> 133.203.160/22: EA 0x2abcd >> 8 = 0x2ab, so .160 + 2 and 0xab. */
    {{0x2404, 0x7a82, 0x22ab, 0xcd00}, "biglobe", {133, 203, 162, 0xab}, {4, 8, 0xcd}},
    {{0x2404, 0x7a82, 0x3c00, 0x0100}, "biglobe", {133, 203, 188, 0}, {4, 8, 1}},
    {{0x2404, 0x7a87, 0xffff, 0xff00}, "biglobe", {125, 193, 155, 255}, {4, 8, 255}},
    /* 2400:4050::/34 -> 153.240/16: EA (22 bits) of 0x1234|56 are 0x123456; 6 are the PSID. */
    {{0x2400, 0x4050, 0x1234, 0x5600}, "ocn", {153, 240, 0x48, 0xd1}, {6, 6, 0x16}},
    {{0x2400, 0x4050, 0x8000, 0x4000}, "ocn", {153, 242, 0, 1}, {6, 6, 0}},
    {{0x2400, 0x4153, 0xffff, 0xff00}, "ocn", {220, 99, 31, 255}, {6, 6, 63}},
    {{0x2400, 0x4052, 0xefff, 0xff00}, "ocn", {180, 49, 127, 255}, {6, 6, 63}},
};

START_TEST(homes_of_known_services)
{
    struct ip_address home =
        v6(homes[_i].hextet[0], homes[_i].hextet[1], homes[_i].hextet[2], homes[_i].hextet[3]);
    struct ip_address address = ip_v4(homes[_i].address);
    struct map_e map;

    ck_assert(map_e_recognise(&home, &map));
    ck_assert_str_eq(map.service, homes[_i].service);
    ck_assert_mem_eq(map.address.octet, address.octet, 4);
    ck_assert(ip_equal(&map.address, &address));
    ck_assert_uint_eq(map.ports.offset_bits, homes[_i].ports.offset_bits);
    ck_assert_uint_eq(map.ports.psid_bits, homes[_i].ports.psid_bits);
    ck_assert_uint_eq(map.ports.psid, homes[_i].ports.psid);
}
END_TEST

START_TEST(homes_of_others)
{
    static const uint16_t others[][4] = {
        {0x2001, 0x0db8, 0, 0},
        {0x240b, 0x000f, 0xffff, 0xffff},
        {0x240b, 0x0014, 0, 0},
        {0x240b, 0x0254, 0, 0},
        {0x240b, 0x024f, 0xffff, 0},
        {0x2404, 0x7a88, 0, 0},
        {0x2404, 0x7a7f, 0xffff, 0xffff},
        {0x2400, 0x404f, 0xffff, 0},
        {0x2400, 0x4154, 0, 0},
        {0x2400, 0x4151, 0xe800, 0},
        {0xfe80, 0, 0, 0},
        {0, 0, 0, 0},
    };
    struct ip_address v4 = ip_v4((const uint8_t[4]){0x24, 0x0b, 0x00, 0x10}), none = {0};
    struct map_e map = {.service = "kept"};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct ip_address home = v6(others[i][0], others[i][1], others[i][2], others[i][3]);
        ck_assert(!map_e_recognise(&home, &map));
    }
    ck_assert(!map_e_recognise(&v4, &map));
    ck_assert(!map_e_recognise(&none, &map));
    ck_assert_str_eq(map.service, "kept");
}
END_TEST

START_TEST(stun_confirms_or_does_not)
{
    static const struct {
        uint8_t address[4];
        uint16_t port;
        bool confirms;
    } rows[] = {
        {{106, 73, 2, 3}, 0x1450, true},  {{106, 73, 2, 3}, 0xf45f, true},
        {{106, 73, 2, 3}, 0x1440, false}, /* another home's port */
        {{106, 73, 2, 3}, 0x0450, false}, /* A is 0 */
        {{106, 73, 2, 4}, 0x1450, false}, /* another kind of IPv4 over this prefix */
        {{0, 0, 0, 0}, 0x1450, false},
    };
    struct ip_address home = v6(0x240b, 0x0011, 0x0203, 0x4500);
    struct map_e map;

    ck_assert(map_e_recognise(&home, &map));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct endpoint mapped = {.address = ip_v4(rows[i].address), .port = rows[i].port};
        ck_assert_int_eq(map_e_confirms(&map, &mapped), rows[i].confirms);
    }
    ck_assert(!map_e_confirms(&map, &(struct endpoint){.address = home, .port = 0x1450}));
}
END_TEST

/* ---- rules ---- */

struct range {
    uint64_t from, to;
};

static struct range ipv6_range(const struct map_e_rule *rule)
{
    uint64_t from = (uint64_t)rule->ipv6 << 8 | rule->ipv6_next;

    return (struct range){from, from + (UINT64_C(1) << (40 - rule->ipv6_bits)) - 1};
}

static struct range ipv4_range(const struct map_e_service *service, const struct map_e_rule *rule)
{
    unsigned host_bits = MAP_E_END_BITS - (unsigned)rule->ipv6_bits - service->psid_bits;

    return (struct range){rule->ipv4, rule->ipv4 + (UINT64_C(1) << host_bits) - 1};
}

static bool overlap(struct range a, struct range b)
{
    return a.from <= b.to && b.from <= a.to;
}

/* A digit that is wrong would most likely put a rule where another is, or off its own boundary. */
START_TEST(rules_are_aligned_and_disjoint)
{
    const struct map_e_service *service = &map_e_services[_i];

    for (size_t i = 0; i < service->rule_count; i++) {
        const struct map_e_rule *rule = &service->rules[i];
        struct range v6_of = ipv6_range(rule), v4_of = ipv4_range(service, rule);
        ck_assert(rule->ipv6_bits >= 24 && rule->ipv6_bits <= 40);
        ck_assert_uint_eq(v6_of.from & (v6_of.to - v6_of.from), 0);
        ck_assert_uint_eq(v4_of.from & (v4_of.to - v4_of.from), 0);
        for (size_t j = 0; j < i; j++)
            ck_assert(!overlap(v6_of, ipv6_range(&service->rules[j])) &&
                      !overlap(v4_of, ipv4_range(service, &service->rules[j])));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("map_e");
    TCase *tc = tcase_create("map_e");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, v6plus_has_15_blocks_of_16);
    tcase_add_test(tc, ocn_has_63_blocks_of_16);
    tcase_add_loop_test(tc, every_set_is_what_the_rfc_says, 0, 17);
    tcase_add_test(tc, sets_without_a_psid);
    tcase_add_test(tc, what_cannot_be_is_empty);
    tcase_add_test(tc, a_chosen_port_is_stable_and_of_the_set);
    tcase_add_test(tc, a_chosen_port_is_never_a_low_one);
    tcase_add_loop_test(tc, homes_of_known_services, 0, sizeof homes / sizeof homes[0]);
    tcase_add_test(tc, homes_of_others);
    tcase_add_test(tc, stun_confirms_or_does_not);
    tcase_add_loop_test(tc, rules_are_aligned_and_disjoint, 0, MAP_E_SERVICES);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
