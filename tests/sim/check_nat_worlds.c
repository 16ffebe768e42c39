/* SPDX-License-Identifier: MIT
 *
 * check_nat_worlds.c - the virtual NATs are what they say, and sites behind them meet.
 */
#include "nat_world.h"
#include "run.h"

#include <string.h>

enum { PORT = 7788, SECOND_US = 1000000, LIFE_US = 60 * SECOND_US };

static const struct endpoint inner = {.address = {IP_V4, {10, 0, 0, 2}}, .port = PORT};
static const struct endpoint far_one = {.address = {IP_V4, {192, 0, 2, 1}}, .port = 1000};
static const struct endpoint far_port = {.address = {IP_V4, {192, 0, 2, 1}}, .port = 1001};
static const struct endpoint far_two = {.address = {IP_V4, {192, 0, 2, 2}}, .port = 1000};

static struct nat_world world;

static struct nat_box *box_of(enum nat_kind kind)
{
    nat_world_begin(&world, 1);
    sim_add(&world.sim, "home");
    nat_world_place(&world, 0, kind, LIFE_US);
    return &world.home[0].box[0];
}

/* How @from, inside, looks to @to at that time. */
static struct endpoint seen_at(struct nat_box *box, const struct endpoint *from,
                               const struct endpoint *to, uint64_t now_us)
{
    struct endpoint as = *from;
    ck_assert(nat_out(box, &as, to, now_us));
    ck_assert(ip_equal(&as.address, &box->outside));
    return as;
}

static struct endpoint seen(struct nat_box *box, const struct endpoint *to)
{
    return seen_at(box, &inner, to, 1);
}

static bool enters_at(struct nat_box *box, const struct endpoint *from, struct endpoint to,
                      uint64_t now_us)
{
    if (!nat_in(box, from, &to, now_us))
        return false;
    ck_assert(endpoint_equal(&to, &inner));
    return true;
}

static bool in_set(uint16_t port)
{
    return port >= 4096 && (port >> 4 & 0xff) == 0x34;
}

START_TEST(mapping_and_filtering)
{
    static const struct {
        enum nat_kind kind;
        bool one_port, preserved, set; /* all destinations see one; it is the inner one */
        bool other_port_enters, other_address_enters;
    } table[] = {
        {NAT_FULL_CONE, true, false, false, true, true},
        {NAT_ADDRESS_RESTRICTED, true, false, false, true, false},
        {NAT_EIM, true, true, false, false, false},
        {NAT_RESTRICTED, true, false, false, false, false},
        {NAT_SYMMETRIC, false, false, false, false, false},
        {NAT_MAPE_EIM, true, false, true, false, false},
        {NAT_MAPE_NUMGEN, false, false, true, false, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct nat_box *box = box_of(table[i].kind);
        struct endpoint early = {.address = box->outside, .port = PORT};
        ck_assert(!enters_at(box, &far_one, early, 1));
        struct endpoint as = seen(box, &far_one);
        ck_assert_int_eq(as.port == PORT, table[i].preserved);
        ck_assert_int_eq(in_set(as.port), table[i].set);
        ck_assert(enters_at(box, &far_one, as, 1));
        ck_assert_int_eq(enters_at(box, &far_port, as, 1), table[i].other_port_enters);
        ck_assert_int_eq(enters_at(box, &far_two, as, 1), table[i].other_address_enters);

        struct endpoint again = seen(box, &far_one), two = seen(box, &far_two);
        ck_assert(endpoint_equal(&again, &as));
        ck_assert_int_eq(two.port == as.port, table[i].one_port);
        ck_assert_int_eq(in_set(two.port), table[i].set);
        ck_assert(enters_at(box, &far_two, two, 1));
    }
}
END_TEST

START_TEST(two_inside_never_share_a_port)
{
    const struct endpoint other = {.address = {IP_V4, {10, 0, 0, 3}}, .port = PORT};
    for (enum nat_kind kind = NAT_FULL_CONE; kind <= NAT_MAPE_NUMGEN; kind++) {
        struct nat_box *box = box_of(kind);
        struct endpoint one = seen(box, &far_one), two = seen_at(box, &other, &far_one, 1);
        ck_assert_uint_ne(one.port, two.port);
        ck_assert(enters_at(box, &far_one, one, 1));
        ck_assert(nat_in(box, &far_one, &two, 1));
        ck_assert(endpoint_equal(&two, &other));
    }
}
END_TEST

START_TEST(a_set_is_used_up_in_turn)
{
    struct nat_box *box = box_of(NAT_MAPE_NUMGEN);
    bool used[65536] = {false};
    struct endpoint to = far_one;
    for (unsigned n = 0; n < 240; n++, to.port++) {
        uint16_t port = seen(box, &to).port;
        ck_assert(in_set(port) && !used[port]);
        used[port] = true;
    }
    ck_assert(used[seen(box, &to).port]);
}
END_TEST

START_TEST(a_full_box_lets_nobody_out)
{
    struct nat_box *box = box_of(NAT_MAPE_EIM);
    struct endpoint from = inner;
    for (unsigned n = 0; n < 240; n++, from.port++)
        seen_at(box, &from, &far_one, 1);
    ck_assert(!nat_out(box, &from, &far_one, 1));
    ck_assert(nat_out(box, &from, &far_one, LIFE_US + 1));
}
END_TEST

START_TEST(a_flow_dies_of_silence)
{
    struct nat_box *box = box_of(NAT_SYMMETRIC);
    struct endpoint as = seen_at(box, &inner, &far_one, 0);
    /* Used in each direction just before its end, it lives on. */
    struct endpoint later = seen_at(box, &inner, &far_one, LIFE_US - 1);
    ck_assert(endpoint_equal(&later, &as));
    ck_assert(enters_at(box, &far_one, as, 2 * LIFE_US - 2));
    ck_assert(enters_at(box, &far_one, as, 3 * LIFE_US - 3));
    ck_assert(!enters_at(box, &far_one, as, 4 * LIFE_US - 3));
    later = seen_at(box, &inner, &far_one, 4 * LIFE_US);
    ck_assert_uint_ne(later.port, as.port);
}
END_TEST

START_TEST(a_mapping_lives_as_long_as_one_of_its_flows)
{
    struct nat_box *box = box_of(NAT_RESTRICTED);
    struct endpoint as = seen_at(box, &inner, &far_one, 0);
    seen_at(box, &inner, &far_two, LIFE_US / 2);
    ck_assert(!enters_at(box, &far_one, as, LIFE_US));
    struct endpoint again = seen_at(box, &inner, &far_one, LIFE_US);
    ck_assert(endpoint_equal(&again, &as));
}
END_TEST

START_TEST(an_early_caller_changes_nothing)
{
    struct nat_box *box = box_of(NAT_EIM);
    struct endpoint as = {.address = box->outside, .port = PORT};
    ck_assert(!enters_at(box, &far_one, as, 1));
    struct endpoint shown = seen(box, &far_one);
    ck_assert(endpoint_equal(&shown, &as));
    ck_assert(enters_at(box, &far_one, as, 1));
}
END_TEST

/* ---- whole sites ---- */

static void begin(uint64_t seed, enum nat_kind first, enum nat_kind second)
{
    static const char *const name[] = {"home", "parents"};
    const enum nat_kind kind[] = {first, second};
    nat_world_begin(&world, seed);
    for (unsigned n = 0; n < 2; n++) {
        sim_add(&world.sim, name[n]);
        nat_world_place(&world, n, kind[n], LIFE_US);
        sim_start(&world.sim, n, NULL);
    }
}

/* @node calls @other by that family, or not at all. */
static void introduce(unsigned node, unsigned other, enum ip_family family)
{
    struct endpoint at = nat_world_public(&world, other, family);
    sim_peer(&world.sim, node, other, false);
    if (family != IP_NONE)
        site_set_endpoints(world.sim.node[node].site, world.sim.node[other].name, &at, 1,
                           world.sim.now_us);
}

START_TEST(whoever_is_behind_a_nat_calls)
{
    for (enum nat_kind kind = NAT_PUBLIC; kind < NAT_KINDS; kind++) {
        enum ip_family family = kind == NAT_IP6FW ? IP_V6 : IP_V4;
        begin(kind, kind, NAT_PUBLIC);
        introduce(0, 1, family);
        introduce(1, 0, IP_NONE);
        ck_assert_msg(sim_run_until_up(&world.sim, 0, 1, SECOND_US), "kind %d", (int)kind);
        sim_run(&world.sim, 300 * (uint64_t)SECOND_US); /* keepalives hold the mapping */
        ck_assert(sim_is_up(&world.sim, 0, 1) && sim_is_up(&world.sim, 1, 0));
        ck_assert_uint_eq(world.sim.node[0].events[EVENT_PEER_DOWN], 0);
        sim_end(&world.sim);
    }
}
END_TEST

START_TEST(nobody_is_called_behind_a_nat)
{
    for (enum nat_kind kind = NAT_FULL_CONE; kind < NAT_KINDS; kind++) {
        enum ip_family family = kind == NAT_IP6FW ? IP_V6 : IP_V4;
        begin(kind, NAT_PUBLIC, kind);
        struct endpoint at = nat_world_public(&world, 1, family);
        at.port = PORT;
        introduce(0, 1, IP_NONE);
        introduce(1, 0, IP_NONE);
        site_set_endpoints(world.sim.node[0].site, "parents", &at, 1, world.sim.now_us);
        ck_assert(!sim_run_until_up(&world.sim, 0, 1, 30 * SECOND_US));
        ck_assert_uint_gt(world.strays, 0);
        sim_end(&world.sim);
    }
}
END_TEST

START_TEST(both_call_through_firewalls)
{
    begin(1, NAT_IP6FW, NAT_IP6FW);
    introduce(0, 1, IP_V6);
    introduce(1, 0, IP_V6);
    ck_assert(sim_run_until_up(&world.sim, 0, 1, 3 * SECOND_US));
    sim_end(&world.sim);
}
END_TEST

START_TEST(a_cut_is_one_way)
{
    begin(1, NAT_PUBLIC, NAT_PUBLIC);
    introduce(0, 1, IP_V4);
    introduce(1, 0, IP_V4);
    ck_assert(sim_run_until_up(&world.sim, 0, 1, SECOND_US));
    world.cut[1][0] = true;
    sim_run(&world.sim, 60 * SECOND_US);
    ck_assert(!sim_is_up(&world.sim, 0, 1));
    world.cut[1][0] = false;
    ck_assert(sim_run_until_up(&world.sim, 0, 1, 10 * SECOND_US));
    sim_end(&world.sim);
}
END_TEST

START_TEST(a_reboot_moves_the_home)
{
    begin(1, NAT_CGNAT, NAT_PUBLIC);
    introduce(0, 1, IP_V4);
    introduce(1, 0, IP_NONE);
    ck_assert(sim_run_until_up(&world.sim, 0, 1, SECOND_US));
    struct endpoint before = world.sim.node[1].kept;
    nat_world_reboot(&world, 0);
    sim_run(&world.sim, 30 * SECOND_US);
    ck_assert(!ip_equal(&before.address, &world.sim.node[1].kept.address));
    struct endpoint now = nat_world_public(&world, 0, IP_V4);
    ck_assert(ip_equal(&now.address, &world.sim.node[1].kept.address));
    ck_assert(sim_is_up(&world.sim, 0, 1) && sim_is_up(&world.sim, 1, 0));
    sim_end(&world.sim);
}
END_TEST

/* ---- what is possible ---- */

START_TEST(the_best_way)
{
    enum { R = WAY_RELAY, D = WAY_DIRECT4, S = WAY_DIRECT6 };
    /* Columns and rows in the order of enum nat_kind. */
    static const uint8_t table[NAT_KINDS][NAT_KINDS] = {
        [NAT_PUBLIC] = {S, D, D, D, D, D, D, D, D, D, S},
        [NAT_FULL_CONE] = {D, D, D, D, D, D, D, D, D, D, R},
        [NAT_ADDRESS_RESTRICTED] = {D, D, D, D, D, D, D, D, D, D, R},
        [NAT_EIM] = {D, D, D, D, D, R, D, D, D, R, R},
        [NAT_RESTRICTED] = {D, D, D, D, D, R, D, D, D, R, R},
        [NAT_SYMMETRIC] = {D, D, D, R, R, R, R, R, R, R, R},
        [NAT_MAPE_EIM] = {D, D, D, D, D, R, D, D, D, R, R},
        [NAT_MAPE_NUMGEN] = {D, D, D, D, D, R, D, R, D, R, R},
        [NAT_CGNAT] = {D, D, D, D, D, R, D, D, D, R, R},
        [NAT_CGNAT_SYMMETRIC] = {D, D, D, R, R, R, R, R, R, R, R},
        [NAT_IP6FW] = {S, R, R, R, R, R, R, R, R, R, S},
    };
    nat_world_begin(&world, 1);
    for (enum nat_kind a = 0; a < NAT_KINDS; a++)
        for (enum nat_kind b = 0; b < NAT_KINDS; b++) {
            nat_world_place(&world, 0, a, LIFE_US);
            nat_world_place(&world, 1, b, LIFE_US);
            ck_assert_msg(nat_best(&world.home[0], &world.home[1]) == table[a][b],
                          "kinds %d and %d", (int)a, (int)b);
        }
    nat_world_place(&world, 0, NAT_SYMMETRIC, LIFE_US);
    nat_world_add_v6(&world, 0, true);
    ck_assert_int_eq(nat_best(&world.home[0], &world.home[1]), WAY_DIRECT6);
}
END_TEST

SIM_MAIN("nat_worlds", mapping_and_filtering, two_inside_never_share_a_port,
         a_set_is_used_up_in_turn, a_full_box_lets_nobody_out, a_flow_dies_of_silence,
         a_mapping_lives_as_long_as_one_of_its_flows, an_early_caller_changes_nothing,
         whoever_is_behind_a_nat_calls, nobody_is_called_behind_a_nat, both_call_through_firewalls,
         a_cut_is_one_way, a_reboot_moves_the_home, the_best_way)
