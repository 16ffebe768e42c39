/* SPDX-License-Identifier: MIT
 *
 * check_paths_sites.c - whole sites with IPv4, IPv6 and a relative who passes on: a way is cut and
 * returns, in one direction or both, IPv6 appears, the network changes; hosts talk all the while.
 */
#include "ledger.h"
#include "nat_world.h"
#include "run.h"

#include <string.h>

enum { HOME, PARENTS, RELATIVE, SEEDS = 6 };

#define MS        UINT64_C(1000)
#define SECOND    (1000 * MS)
#define INTERVAL  (50 * MS)
#define LIFE      (60 * SECOND)
#define BRIDGED   (3 * SECOND)  /* a cut is */
#define RETURNED  (60 * SECOND) /* to a direct way */
#define UNDER_WAY (500 * MS)

static struct nat_world world;
static struct ledger *ledger;
static struct {
    bool v4, v6; /* nothing straight between the two homes by this family */
    bool one_way;
} cut;

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    bool v6 = to->address.family == IP_V6;
    const struct nat_home *other = &world.home[from == HOME ? PARENTS : HOME];
    (void)sim;
    (void)data;
    (void)bytes;
    if (from == RELATIVE || !ip_equal(&to->address, v6 ? &other->v6.address : &other->v4.address))
        return true;
    return (cut.one_way && from != HOME) || (v6 ? !cut.v6 : !cut.v4);
}

static void tell_candidates(unsigned node)
{
    struct candidate_list list;
    nat_world_candidates(&world, node, &list);
    site_set_own_candidates(world.sim.node[node].site, &list, world.sim.now_us);
    sim_flush(&world.sim.node[node]);
}

static void begin(uint64_t seed, bool v6, uint64_t jitter_us)
{
    static const char *const name[] = {"home", "parents", "relative"};
    memset(&cut, 0, sizeof cut);
    nat_world_begin(&world, seed);
    world.sim.wan.delay_us = 5 * MS + sim_random(&world.sim) % (25 * MS);
    world.sim.wan.jitter_us = jitter_us;
    world.sim.on_wan = on_wan;
    ledger = ledger_new(&world.sim);
    for (unsigned n = 0; n < 3; n++) {
        sim_add(&world.sim, name[n]);
        nat_world_place(&world, n, NAT_PUBLIC, LIFE);
        world.home[n].has_v6 = v6 || n == RELATIVE;
        struct site_config config = sim_config(&world.sim.node[n]);
        config.relay_for_peers = n == RELATIVE;
        sim_start(&world.sim, n, &config);
    }
    struct endpoint at = nat_world_public(&world, RELATIVE, IP_V4);
    for (unsigned n = 0; n < 2; n++) {
        sim_peer(&world.sim, n, RELATIVE, false);
        sim_peer(&world.sim, RELATIVE, n, false);
        sim_peer(&world.sim, n, 1 - n, false);
        site_set_endpoints(world.sim.node[n].site, "relative", &at, 1, world.sim.now_us);
        tell_candidates(n);
    }
    ck_assert(sim_run_until_up(&world.sim, HOME, PARENTS, 10 * SECOND));
    ledger_greet(ledger);
}

static void end(void)
{
    sim_end(&world.sim);
    free(ledger);
}

static enum nat_way way_of(unsigned node)
{
    struct peer_status status;
    const char *other = world.sim.node[1 - node].name;
    ck_assert(site_find_status(world.sim.node[node].site, other, world.sim.now_us, &status));
    if (status.state != PEER_UP || status.endpoint.via != VIA_DIRECT)
        return WAY_RELAY;
    return status.endpoint.address.family == IP_V6 ? WAY_DIRECT6 : WAY_DIRECT4;
}

static bool both(enum nat_way way)
{
    return way_of(HOME) == way && way_of(PARENTS) == way;
}

static void talk(uint64_t us)
{
    for (uint64_t passed = 0; passed < us; passed += INTERVAL) {
        ledger_send(ledger, HOME, PARENTS, 200);
        ledger_send(ledger, PARENTS, HOME, 200);
        sim_run(&world.sim, INTERVAL);
    }
}

/* Until both ends use @way; returns how long it took. */
static uint64_t talk_until(enum nat_way way, uint64_t at_most_us)
{
    uint64_t from = world.sim.now_us;
    while (!both(way) && world.sim.now_us - from <= at_most_us)
        talk(INTERVAL);
    ck_assert_msg(both(way), "not %d but %d and %d", (int)way, (int)way_of(HOME),
                  (int)way_of(PARENTS));
    return world.sim.now_us - from;
}

static unsigned missing(unsigned from)
{
    const struct ledger_flow *flow = &ledger->flow[from][1 - from];
    ck_assert_uint_eq(flow->repeated + flow->spoiled, 0);
    return flow->sent - flow->arrived;
}

/* Once nothing is under way any more: how many frames are missing. */
static void settle(unsigned lost[2])
{
    sim_run(&world.sim, UNDER_WAY);
    for (unsigned n = 0; n < 2; n++)
        lost[n] = missing(n);
}

static void assert_nothing_lost_since(const unsigned before[2])
{
    unsigned now[2];
    settle(now);
    ck_assert_uint_eq(now[0] - before[0] + now[1] - before[1], 0);
}

static void assert_bridged(void)
{
    ledger_mark(ledger, HOME, PARENTS);
    ledger_mark(ledger, PARENTS, HOME);
    talk(20 * SECOND);
    ck_assert_uint_le(ledger_back_after_us(ledger, HOME, PARENTS), BRIDGED);
    ck_assert_uint_le(ledger_back_after_us(ledger, PARENTS, HOME), BRIDGED);
    unsigned lost[2];
    settle(lost);
    talk(5 * SECOND);
    assert_nothing_lost_since(lost);
}

START_TEST(a_family_is_cut_and_returns)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, true, 0);
        talk_until(WAY_DIRECT6, RETURNED);
        for (unsigned round = 0; round < 2; round++) {
            unsigned lost[2];
            talk(20 * SECOND + seed * 700 * MS);
            cut.v6 = true;
            assert_bridged();
            ck_assert(both(WAY_DIRECT4));
            settle(lost);
            cut.v6 = false;
            talk_until(WAY_DIRECT6, 2 * RETURNED);
            talk(5 * SECOND);
            assert_nothing_lost_since(lost);
        }
        end();
    }
}
END_TEST

START_TEST(all_that_is_direct_is_cut_and_returns)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, seed % 2 == 0, 0);
        talk_until(seed % 2 == 0 ? WAY_DIRECT6 : WAY_DIRECT4, RETURNED);
        for (unsigned round = 0; round < 2; round++) {
            unsigned lost[2];
            talk(20 * SECOND + seed * 700 * MS);
            cut.v4 = cut.v6 = true;
            assert_bridged();
            ck_assert(both(WAY_RELAY));
            talk(seed * 10 * SECOND);
            settle(lost);
            cut.v4 = cut.v6 = false;
            uint64_t from = world.sim.now_us;
            while (way_of(HOME) == WAY_RELAY || way_of(PARENTS) == WAY_RELAY) {
                ck_assert_uint_le(world.sim.now_us - from, RETURNED);
                talk(INTERVAL);
            }
            talk(5 * SECOND);
            assert_nothing_lost_since(lost);
        }
        end();
    }
}
END_TEST

/* Each end sends by what works for it; neither is misled by what comes from the other. */
START_TEST(one_direction_is_cut)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, true, 0);
        talk_until(WAY_DIRECT6, RETURNED);
        talk(20 * SECOND + seed * 700 * MS);
        cut.v6 = cut.one_way = true;
        assert_bridged();
        ck_assert(both(WAY_DIRECT4));
        unsigned lost[2];
        settle(lost);
        talk(120 * SECOND);
        assert_nothing_lost_since(lost);
        end();
    }
}
END_TEST

START_TEST(ipv6_appears)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        unsigned lost[2];
        begin(seed, false, 3 * MS);
        talk_until(WAY_DIRECT4, RETURNED);
        talk(10 * SECOND);
        settle(lost);
        for (unsigned n = 0; n < 2; n++) {
            nat_world_add_v6(&world, n, false);
            tell_candidates(n);
        }
        talk_until(WAY_DIRECT6, RETURNED);
        talk(5 * SECOND);
        assert_nothing_lost_since(lost);
        end();
    }
}
END_TEST

/* Ten minutes of jitter: nothing moves, nothing is lost. */
START_TEST(jitter_moves_nothing)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        begin(seed, true, 10 * MS);
        talk_until(WAY_DIRECT6, RETURNED);
        talk(20 * SECOND);
        unsigned lost[2];
        settle(lost);
        for (unsigned s = 0; s < 600; s++) { /* the book has no room for more frames */
            ledger_send(ledger, HOME, PARENTS, 200);
            ledger_send(ledger, PARENTS, HOME, 200);
            sim_run(&world.sim, SECOND);
            ck_assert(both(WAY_DIRECT6));
        }
        assert_nothing_lost_since(lost);
        end();
    }
}
END_TEST

static uint64_t idle_until(enum nat_way way)
{
    uint64_t from = world.sim.now_us;
    while (!both(way) && world.sim.now_us - from < 2 * BRIDGED)
        sim_run(&world.sim, INTERVAL);
    return world.sim.now_us - from;
}

/* Nobody says anything in either home, so only the checks notice; at any moment between two. */
START_TEST(a_cut_is_bridged_when_idle_too)
{
    for (uint64_t seed = 1; seed <= 4 * SEEDS; seed++) {
        begin(seed, true, 0);
        talk_until(WAY_DIRECT6, RETURNED);
        sim_run(&world.sim, 40 * SECOND + seed * 130 * MS);
        cut.v6 = true;
        cut.v4 = seed % 2 == 0;
        cut.one_way = seed % 3 == 0;
        ck_assert_uint_le(idle_until(cut.v4 ? WAY_RELAY : WAY_DIRECT4), BRIDGED);
        end();
    }
}
END_TEST

/* What one of two homes with both families sends to the other and to the relative. */
START_TEST(an_idle_hour_costs_little)
{
    begin(1, true, 0);
    talk_until(WAY_DIRECT6, RETURNED);
    sim_run(&world.sim, 120 * SECOND);
    unsigned long before = world.sim.node[HOME].datagrams_sent;
    sim_run(&world.sim, 3600 * SECOND);
    ck_assert_uint_le(world.sim.node[HOME].datagrams_sent - before, 15000);
    end();
}
END_TEST

/* One home changes its network under way: the other follows without a handshake. */
START_TEST(a_home_moves)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, false, 0);
        talk_until(WAY_DIRECT4, RETURNED);
        talk(20 * SECOND);
        world.home[HOME].v4.address.octet[3] = (uint8_t)(100 + seed);
        world.sim.node[HOME].address = world.home[HOME].v4;
        site_network_changed(world.sim.node[HOME].site, world.sim.now_us);
        tell_candidates(HOME);
        assert_bridged();
        ck_assert(both(WAY_DIRECT4));
        end();
    }
}
END_TEST

SIM_MAIN("paths of sites", a_family_is_cut_and_returns, all_that_is_direct_is_cut_and_returns,
         one_direction_is_cut, ipv6_appears, jitter_moves_nothing, a_home_moves,
         a_cut_is_bridged_when_idle_too, an_idle_hour_costs_little)
