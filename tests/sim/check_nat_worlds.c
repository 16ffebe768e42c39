/* SPDX-License-Identifier: MIT
 *
 * check_nat_worlds.c - the virtual NATs are what they say, and sites behind them meet.
 */
#include "ledger.h"
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

/* ---- two homes and a relative ---- */

enum {
    HOME,
    PARENTS,
    RELATIVE,
    STEP_US = SECOND_US / 4,
    ASK_STUN_US = 20 * SECOND_US,
    RELAYED_WITHIN_US = 15 * SECOND_US,
    DIRECT_WITHIN_US = 60 * SECOND_US,
    MET_WITHIN_US = 1200000,
    BEST_WITHIN_US = 100 * SECOND_US,
    NOTICED_US = 5 * SECOND_US,
    HOLDS_US = 10 * SECOND_US,
    SLICES = 16,
    WORLDS = 1000,
    WORLDS_LONG = 10000,
};

static struct story {
    uint64_t seed;
    enum nat_kind kind[3];
    enum nat_way best;
    uint64_t asked_us[2];
    struct ledger *ledger;
} story;

static uint64_t draw(uint64_t from, uint64_t to)
{
    return from + sim_random(&world.sim) % (to - from + 1);
}

static enum nat_way way_of(unsigned node, unsigned other)
{
    struct peer_status status;
    const char *name = world.sim.node[other].name;
    if (!site_find_status(world.sim.node[node].site, name, world.sim.now_us, &status) ||
        status.state != PEER_UP || status.endpoint.via != VIA_DIRECT)
        return WAY_RELAY;
    return status.endpoint.address.family == IP_V6 ? WAY_DIRECT6 : WAY_DIRECT4;
}

/* What the daemon finds out now and then. */
static void ask_stun(unsigned node)
{
    struct candidate_list list;
    nat_world_candidates(&world, node, &list);
    site_set_own_candidates(world.sim.node[node].site, &list, world.sim.now_us);
    sim_flush(&world.sim.node[node]);
    story.asked_us[node] = world.sim.now_us;
}

static void pass(uint64_t us)
{
    for (uint64_t end = world.sim.now_us + us; world.sim.now_us < end;) {
        sim_run(&world.sim, STEP_US);
        for (unsigned n = 0; n < 2; n++)
            if (world.sim.node[n].site && world.sim.now_us - story.asked_us[n] >= ASK_STUN_US)
                ask_stun(n);
    }
}

static bool is_up(void)
{
    return sim_is_up(&world.sim, HOME, PARENTS) && sim_is_up(&world.sim, PARENTS, HOME);
}

/* Two MAP-E homes, whose ports are both dependent, may even be luckier than nat_best() promises. */
static bool is_best(void)
{
    return is_up() && way_of(HOME, PARENTS) >= story.best && way_of(PARENTS, HOME) >= story.best;
}

/* With datagrams being lost, which family is better takes long to tell. */
static bool is_direct_if_it_can_be(void)
{
    bool relayed = way_of(HOME, PARENTS) == WAY_RELAY || way_of(PARENTS, HOME) == WAY_RELAY;
    return is_up() && (story.best == WAY_RELAY || !relayed);
}

static void reach(bool (*condition)(void), uint64_t within_us, const char *what)
{
    uint64_t begin_us = world.sim.now_us;
    while (!condition() && world.sim.now_us - begin_us < within_us)
        pass(STEP_US);
    ck_assert_msg(condition(), "seed %lu: kinds %d and %d, best %d: not %s: %d and %d",
                  (unsigned long)story.seed, (int)story.kind[0], (int)story.kind[1],
                  (int)story.best, what, (int)way_of(HOME, PARENTS), (int)way_of(PARENTS, HOME));
}

static void start(unsigned node)
{
    struct site_config config = sim_config(&world.sim.node[node]);
    config.relay_for_peers = node == RELATIVE;
    sim_start(&world.sim, node, &config);
    if (node == RELATIVE) {
        introduce(RELATIVE, HOME, IP_NONE);
        introduce(RELATIVE, PARENTS, IP_NONE);
        return;
    }
    ask_stun(node);
    introduce(node, RELATIVE, world.home[node].has_v4 ? IP_V4 : IP_V6);
    introduce(node, 1 - node, IP_NONE);
}

static const char *const three[] = {"home", "parents", "relative"};

/* Home's NAT lets in whom it spoke to, and the parents' port cannot be known: so home punches their
 * port set, once the relative says that they are at its address. It uses IPv6 with them itself. */
START_TEST(the_other_family_is_told_too)
{
    nat_world_begin(&world, 1);
    world.sim.wan.delay_us = 10000;
    story = (struct story){.best = WAY_DIRECT4, .kind = {NAT_EIM, NAT_MAPE_NUMGEN}};
    for (unsigned n = 0; n < 3; n++) {
        sim_add(&world.sim, three[n]);
        nat_world_place(&world, n, n == RELATIVE ? NAT_PUBLIC : story.kind[n], LIFE_US);
    }
    nat_world_add_v6(&world, PARENTS, true);
    start(RELATIVE);
    start(PARENTS);
    introduce(PARENTS, RELATIVE, IP_V6);
    pass(NOTICED_US);
    ck_assert_int_eq(way_of(RELATIVE, PARENTS), WAY_DIRECT6);
    start(HOME);
    reach(is_best, DIRECT_WITHIN_US, "direct");
    for (unsigned moves = 0; moves < 3; moves++) {
        nat_world_reboot(&world, PARENTS);
        pass(NOTICED_US);
        reach(is_best, BEST_WITHIN_US, "direct again");
    }
    ck_assert_int_eq(way_of(RELATIVE, PARENTS), WAY_DIRECT6);
    sim_end(&world.sim);
}
END_TEST

/* A pass through the set takes half a second, and two checks make sure of what it found. */
START_TEST(a_port_set_is_met_soon)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        nat_world_begin(&world, seed);
        world.sim.wan.delay_us = draw(1000, 60000);
        story = (struct story){
            .seed = seed, .best = WAY_DIRECT4, .kind = {NAT_EIM, NAT_MAPE_NUMGEN, NAT_PUBLIC}};
        for (unsigned n = 0; n < 3; n++) {
            sim_add(&world.sim, three[n]);
            nat_world_place(&world, n, story.kind[n], LIFE_US);
        }
        for (unsigned n = 3; n-- > 0;)
            start(n);
        ck_assert(sim_run_until_up(&world.sim, HOME, PARENTS, RELAYED_WITHIN_US));
        ck_assert(sim_run_until_up(&world.sim, PARENTS, HOME, RELAYED_WITHIN_US));
        uint64_t begin_us = world.sim.now_us;
        while (!is_best() && world.sim.now_us - begin_us <= MET_WITHIN_US)
            sim_run(&world.sim, 10000);
        ck_assert_msg(world.sim.now_us - begin_us <= MET_WITHIN_US, "seed %lu",
                      (unsigned long)seed);
        sim_end(&world.sim);
    }
}
END_TEST

static void tell_story(uint64_t seed)
{
    nat_world_begin(&world, seed);
    world.sim.wan.delay_us = draw(1000, 60000);
    world.sim.wan.jitter_us = draw(0, 10000);
    world.sim.wan.loss_permille = (unsigned)(draw(0, 1) * draw(0, 50));
    story = (struct story){.seed = seed, .ledger = ledger_new(&world.sim)};
    for (unsigned n = 0; n < 3; n++) {
        enum nat_kind kind = n == RELATIVE ? NAT_PUBLIC : (enum nat_kind)draw(0, NAT_KINDS - 1);
        sim_add(&world.sim, three[n]);
        nat_world_place(&world, n, kind, draw(30, 180) * SECOND_US);
        if (draw(0, 5) == 0)
            nat_world_add_v6(&world, n, kind != NAT_PUBLIC && draw(0, 1));
        if (n < 2)
            story.kind[n] = kind;
    }
    story.best = nat_best(&world.home[HOME], &world.home[PARENTS]);
    for (unsigned n = 3; n-- > 0;) {
        start(n);
        pass(draw(0, 2) * SECOND_US);
    }
}

/* Frames arrive each way, and nothing comes twice. One may get lost: when the relative is reached
 * by another path than before, it takes a moment to learn how much fits there. */
static void talk(void)
{
    enum { FRAMES = 12 };
    struct ledger_flow *flow[2] = {&story.ledger->flow[0][1], &story.ledger->flow[1][0]};
    unsigned before[2] = {flow[0]->arrived, flow[1]->arrived};
    for (unsigned i = 0; i < FRAMES; i++) {
        ledger_send(story.ledger, HOME, PARENTS, 200);
        ledger_send(story.ledger, PARENTS, HOME, 1200);
        pass(STEP_US);
    }
    pass(STEP_US);
    for (unsigned n = 0; n < 2; n++) {
        ck_assert_msg(flow[n]->arrived - before[n] >= FRAMES - 1, "seed %lu: %u of %d frames",
                      (unsigned long)story.seed, flow[n]->arrived - before[n], FRAMES);
        ck_assert_uint_eq(flow[n]->repeated + flow[n]->spoiled, 0);
    }
}

static void cut(bool parted)
{
    world.cut[HOME][PARENTS] = world.cut[PARENTS][HOME] = parted;
}

static void disturb(void)
{
    unsigned node = (unsigned)draw(0, 2);
    switch (draw(0, 5)) {
    case 0:
        cut(true);
        pass(draw(1, 20) * SECOND_US);
        reach(is_up, RELAYED_WITHIN_US, "relayed when cut");
        cut(false);
        break;
    case 1: /* both at once */
        nat_world_reboot(&world, HOME);
        nat_world_reboot(&world, PARENTS);
        break;
    case 2:
        nat_world_reboot(&world, node % 2);
        break;
    case 3:
        sim_kill(&world.sim, node);
        pass(draw(0, 20) * SECOND_US);
        start(node);
        break;
    default:
        break;
    }
}

/* Ten thousand take minutes, or half an hour. */
static unsigned worlds_to_tell(void)
{
    return getenv("LANSPLICE_LONG") && !sim_has_two_threads() ? WORLDS_LONG : sim_seeds(WORLDS);
}

START_TEST(every_world_finds_its_best_way)
{
    unsigned worlds = worlds_to_tell();
    for (uint64_t seed = (uint64_t)_i; seed < worlds; seed += SLICES) {
        tell_story(seed);
        reach(is_up, RELAYED_WITHIN_US, "up");
        reach(is_direct_if_it_can_be, DIRECT_WITHIN_US, "direct");
        disturb();
        world.sim.wan.loss_permille = 0;
        pass(NOTICED_US);
        reach(is_best, BEST_WITHIN_US, "the best way again");
        pass(HOLDS_US);
        reach(is_best, 1, "the best way for long");
        talk();
        sim_end(&world.sim);
        free(story.ledger);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("nat_worlds");
    TCase *boxes = tcase_create("boxes"), *sites = tcase_create("sites");
    tcase_add_test(boxes, mapping_and_filtering);
    tcase_add_test(boxes, two_inside_never_share_a_port);
    tcase_add_test(boxes, a_set_is_used_up_in_turn);
    tcase_add_test(boxes, a_full_box_lets_nobody_out);
    tcase_add_test(boxes, a_flow_dies_of_silence);
    tcase_add_test(boxes, a_mapping_lives_as_long_as_one_of_its_flows);
    tcase_add_test(boxes, an_early_caller_changes_nothing);
    tcase_add_test(boxes, the_best_way);
    tcase_add_test(sites, whoever_is_behind_a_nat_calls);
    tcase_add_test(sites, nobody_is_called_behind_a_nat);
    tcase_add_test(sites, both_call_through_firewalls);
    tcase_add_test(sites, a_cut_is_one_way);
    tcase_add_test(sites, a_reboot_moves_the_home);
    tcase_add_test(sites, the_other_family_is_told_too);
    tcase_add_test(sites, a_port_set_is_met_soon);
    tcase_add_loop_test(sites, every_world_finds_its_best_way, 0, SLICES);
    tcase_set_timeout(sites, SIM_CASE_SECONDS);
    suite_add_tcase(s, boxes);
    suite_add_tcase(s, sites);
    return s;
}

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
