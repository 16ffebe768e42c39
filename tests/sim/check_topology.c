/* SPDX-License-Identifier: MIT
 *
 * check_topology.c - meshes and hubs deliver each frame once; a second path, through a cable or
 * through hubs, is found within a second, cut at one place, and healed when it is gone.
 */
#include "ledger.h"
#include "run.h"

enum { SEEDS = 5, SECOND_US = 1000000 };

struct world {
    struct sim sim;
    struct ledger *ledger;
};

static void begin(struct world *w, uint64_t seed, unsigned homes, unsigned hubs)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    sim_begin(&w->sim, seed);
    w->ledger = ledger_new(&w->sim);
    for (unsigned n = 0; n < homes; n++) {
        sim_add(&w->sim, names[n]);
        struct site_config config = sim_config(&w->sim.node[n]);
        config.hub = (hubs >> n & 1) != 0;
        sim_start(&w->sim, n, &config);
    }
}

static void end(struct world *w)
{
    sim_end(&w->sim);
    free(w->ledger);
}

static void join(struct world *w, unsigned a, unsigned b)
{
    sim_peer(&w->sim, a, b, true);
    sim_peer(&w->sim, b, a, true);
}

static void until_up(struct world *w, unsigned a, unsigned b)
{
    ck_assert(sim_run_until_up(&w->sim, a, b, 10 * SECOND_US));
}

/* Everyone talks to everyone and to all for a while. */
static void gossip(struct world *w, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        for (unsigned a = 0; a < w->sim.nodes; a++) {
            ledger_send(w->ledger, a, LEDGER_EVERYONE, 100);
            for (unsigned b = 0; b < w->sim.nodes; b++)
                if (a != b)
                    ledger_send(w->ledger, a, b, 100);
        }
        sim_run(&w->sim, 100000);
    }
    sim_run(&w->sim, SECOND_US);
}

static void assert_each_once(const struct world *w)
{
    for (unsigned a = 0; a < w->sim.nodes; a++)
        for (unsigned b = 0; b < w->sim.nodes; b++) {
            const struct ledger_flow *flow = &w->ledger->flow[a][b];
            if (a == b)
                continue;
            ck_assert_msg(flow->repeated == 0, "%u to %u: %u came twice", a, b, flow->repeated);
            ck_assert_msg(flow->arrived == flow->sent, "%u to %u: %u of %u", a, b, flow->arrived,
                          flow->sent);
        }
}

static unsigned loop_events(const struct sim_node *node)
{
    return node->events[EVENT_LOOP_ON_LAN] + node->events[EVENT_LOOP_THROUGH_PEER] +
           node->events[EVENT_LOOP_OVERLAY];
}

static void assert_no_loop_seen(const struct world *w)
{
    for (unsigned n = 0; n < w->sim.nodes; n++)
        ck_assert_uint_eq(loop_events(&w->sim.node[n]), 0);
}

START_TEST(a_mesh_of_three_delivers_once)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, 3, 0);
        join(&w, 0, 1), join(&w, 1, 2), join(&w, 0, 2);
        until_up(&w, 0, 1), until_up(&w, 1, 2), until_up(&w, 0, 2);
        gossip(&w, 100);
        assert_each_once(&w);
        assert_no_loop_seen(&w);
        end(&w);
    }
}
END_TEST

START_TEST(a_hub_passes_frames_between_its_spokes)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, 4, 1);
        join(&w, 0, 1), join(&w, 0, 2), join(&w, 0, 3);
        until_up(&w, 0, 1), until_up(&w, 0, 2), until_up(&w, 0, 3);
        gossip(&w, 100);
        assert_each_once(&w);
        assert_no_loop_seen(&w);
        end(&w);
    }
}
END_TEST

START_TEST(without_a_hub_spokes_do_not_hear_each_other)
{
    struct world w;
    begin(&w, 1, 3, 0);
    join(&w, 0, 1), join(&w, 0, 2);
    until_up(&w, 0, 1), until_up(&w, 0, 2);
    gossip(&w, 20);
    ck_assert_uint_eq(w.ledger->flow[1][2].arrived, 0);
    ck_assert_uint_eq(w.ledger->flow[1][0].arrived, w.ledger->flow[1][0].sent);
    end(&w);
}
END_TEST

START_TEST(a_cable_beside_the_tunnel_is_cut_and_healed)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, 2, 0);
        join(&w, 0, 1);
        until_up(&w, 0, 1);
        sim_run(&w.sim, 20 * SECOND_US); /* past the brisk probing after the start */
        unsigned cable = sim_cable(&w.sim, 0, 1);
        ledger_send(w.ledger, 0, LEDGER_EVERYONE, 100);
        sim_run(&w.sim, SECOND_US);
        ck_assert_uint_ge(loop_events(&w.sim.node[0]) + loop_events(&w.sim.node[1]), 1);
        ck_assert(site_port_shut(w.sim.node[0].site) != site_port_shut(w.sim.node[1].site));
        /* The one broadcast went round until then: bounded by the storm limit. */
        ck_assert_uint_le(w.sim.lan_frames, 2000);

        unsigned long before = w.sim.lan_frames;
        sim_run(&w.sim, 600 * UINT64_C(1000000));
        ck_assert_uint_eq(w.sim.node[0].events[EVENT_LOOP_REOPENED], 0);
        ck_assert_uint_eq(w.sim.node[1].events[EVENT_LOOP_REOPENED], 0);
        ck_assert_uint_le(w.sim.lan_frames - before, 600 * 10); /* probes, announcements */

        w.sim.cable[cable].up = false;
        sim_run(&w.sim, 20 * SECOND_US);
        ck_assert(!site_port_shut(w.sim.node[0].site) && !site_port_shut(w.sim.node[1].site));
        /* Also to hosts that have been silent since before. */
        ledger_mark(w.ledger, 0, 1), ledger_mark(w.ledger, 1, 0);
        ledger_send(w.ledger, 0, 1, 100), ledger_send(w.ledger, 1, 0, 100);
        sim_run(&w.sim, SECOND_US);
        ck_assert_uint_le(ledger_back_after_us(w.ledger, 0, 1), SECOND_US);
        ck_assert_uint_le(ledger_back_after_us(w.ledger, 1, 0), SECOND_US);
        end(&w);
    }
}
END_TEST

START_TEST(two_hubs_in_a_triangle_are_untangled)
{
    /* a and b are hubs and peers of each other and of c, which is a hub too or is not. */
    for (unsigned hubs = 3; hubs <= 7; hubs += 4)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct world w;
            begin(&w, seed, 3, hubs);
            join(&w, 0, 1), join(&w, 1, 2), join(&w, 0, 2);
            until_up(&w, 0, 1), until_up(&w, 1, 2), until_up(&w, 0, 2);
            sim_run(&w.sim, 2 * SECOND_US);
            unsigned events = 0, later = 0;
            for (unsigned n = 0; n < 3; n++)
                events += loop_events(&w.sim.node[n]);
            ck_assert_uint_ge(events, 1);
            sim_run(&w.sim, 600 * UINT64_C(1000000));
            for (unsigned n = 0; n < 3; n++) {
                later += loop_events(&w.sim.node[n]);
                ck_assert_uint_eq(w.sim.node[n].events[EVENT_LOOP_REOPENED], 0);
            }
            ck_assert_uint_eq(later, events);
            gossip(&w, 20);
            assert_each_once(&w);
            end(&w);
        }
}
END_TEST

START_TEST(a_spoke_of_two_hubs_keeps_one_path)
{
    /* c is a spoke of hubs a and b; when the link in use dies, the other takes over. */
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, 3, 3);
        join(&w, 0, 1), join(&w, 0, 2), join(&w, 1, 2);
        until_up(&w, 0, 1), until_up(&w, 0, 2), until_up(&w, 1, 2);
        sim_run(&w.sim, 5 * SECOND_US);
        gossip(&w, 20);
        assert_each_once(&w);
        sim_kill(&w.sim, 0);
        sim_run(&w.sim, 20 * SECOND_US);
        ledger_mark(w.ledger, 2, 1);
        ledger_send(w.ledger, 2, LEDGER_EVERYONE, 100);
        sim_run(&w.sim, SECOND_US);
        ck_assert_uint_le(ledger_back_after_us(w.ledger, 2, 1), SECOND_US);
        end(&w);
    }
}
END_TEST

START_TEST(a_cable_in_a_mesh_with_two_hubs)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, 4, 3);
        join(&w, 0, 1), join(&w, 0, 2), join(&w, 1, 3);
        until_up(&w, 0, 1), until_up(&w, 0, 2), until_up(&w, 1, 3);
        gossip(&w, 5);
        assert_each_once(&w);
        sim_run(&w.sim, 20 * SECOND_US);
        sim_cable(&w.sim, 2, 3);
        ledger_send(w.ledger, 2, LEDGER_EVERYONE, 100);
        sim_run(&w.sim, SECOND_US);
        unsigned shut = 0;
        for (unsigned n = 0; n < 4; n++)
            shut += site_port_shut(w.sim.node[n].site);
        ck_assert_uint_eq(shut, 1);
        unsigned long before = w.sim.lan_frames;
        sim_run(&w.sim, 600 * UINT64_C(1000000));
        ck_assert_uint_le(w.sim.lan_frames - before, 600 * 20);
        for (unsigned n = 0; n < 4; n++)
            ck_assert_uint_eq(w.sim.node[n].events[EVENT_LOOP_REOPENED], 0);
        end(&w);
    }
}
END_TEST

static unsigned came_twice(const struct world *w)
{
    unsigned repeated = 0;
    for (unsigned a = 0; a < w->sim.nodes; a++)
        for (unsigned b = 0; b < w->sim.nodes; b++)
            repeated += w->ledger->flow[a][b].repeated;
    return repeated;
}

/* Two homes on one LAN and two on another, until that cable goes: a port opens, a link opens, and
 * other links must have been shut before. */
START_TEST(nothing_comes_twice_when_a_cable_goes)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world w;
        begin(&w, seed, 4, 0);
        for (unsigned a = 0; a < 2; a++)
            for (unsigned b = 2; b < 4; b++)
                join(&w, a, b), until_up(&w, a, b);
        sim_cable(&w.sim, 0, 1);
        sim_run(&w.sim, 20 * SECOND_US);
        unsigned cable = sim_cable(&w.sim, 2, 3);
        sim_run(&w.sim, 20 * SECOND_US);
        unsigned shut = 0;
        for (unsigned n = 0; n < 4; n++)
            shut += site_port_shut(w.sim.node[n].site);
        ck_assert_uint_eq(shut, 1);

        w.sim.cable[cable].up = false;
        unsigned before = came_twice(&w);
        gossip(&w, 200);
        ck_assert_uint_eq(came_twice(&w), before);
        for (unsigned n = 0; n < 4; n++)
            ck_assert(!site_port_shut(w.sim.node[n].site));
        ledger_mark(w.ledger, 2, 1), ledger_mark(w.ledger, 0, 3);
        gossip(&w, 1);
        ck_assert_uint_le(ledger_back_after_us(w.ledger, 2, 1), SECOND_US);
        ck_assert_uint_le(ledger_back_after_us(w.ledger, 0, 3), SECOND_US);
        end(&w);
    }
}
END_TEST

START_TEST(a_hub_whose_port_is_shut_still_serves_its_spokes)
{
    /* The hub's LAN is cabled to a spoke's; whichever of the two shuts its port, the other spoke
     * hears that LAN and its LAN hears the other spoke, once. */
    for (uint64_t seed = 0; seed < 4 * SEEDS; seed++) {
        struct world w;
        begin(&w, seed, 3, 1);
        join(&w, 0, 1), join(&w, 0, 2);
        until_up(&w, 0, 1), until_up(&w, 0, 2);
        sim_cable(&w.sim, 0, 1);
        sim_run(&w.sim, 15 * SECOND_US);
        ck_assert(site_port_shut(w.sim.node[0].site) != site_port_shut(w.sim.node[1].site));
        for (unsigned to = 0; to < 2; to++) {
            ledger_mark(w.ledger, 2, to), ledger_mark(w.ledger, to, 2);
        }
        unsigned before = w.ledger->flow[2][0].repeated;
        for (unsigned n = 0; n < 3; n++)
            ledger_send(w.ledger, n, LEDGER_EVERYONE, 100);
        sim_run(&w.sim, SECOND_US);
        for (unsigned to = 0; to < 2; to++) {
            ck_assert_uint_le(ledger_back_after_us(w.ledger, 2, to), SECOND_US);
            ck_assert_uint_le(ledger_back_after_us(w.ledger, to, 2), SECOND_US);
        }
        ck_assert_uint_eq(w.ledger->flow[2][0].repeated, before);
        end(&w);
    }
}
END_TEST

START_TEST(a_site_becomes_a_hub_as_it_runs)
{
    struct world w;
    begin(&w, 1, 3, 0);
    join(&w, 0, 1), join(&w, 0, 2);
    until_up(&w, 0, 1), until_up(&w, 0, 2);
    struct site_config config = sim_config(&w.sim.node[0]);
    config.hub = true;
    site_set_options(w.sim.node[0].site, &config);
    gossip(&w, 20);
    assert_each_once(&w);
    end(&w);
}
END_TEST

START_TEST(a_hub_limits_what_a_spoke_floods)
{
    enum { FRAMES = 20000 };
    struct world w;
    begin(&w, 1, 3, 1);
    join(&w, 0, 1), join(&w, 0, 2);
    until_up(&w, 0, 1), until_up(&w, 0, 2);
    sim_run(&w.sim, SECOND_US);
    /* The spoke's own limit is off, as a hostile one's would be: each frame in a batch of its own,
     * spread so that only the hub's limit can be what holds. */
    uint64_t before = site_counters(w.sim.node[0].site)->storm_dropped;
    unsigned long delivered = w.sim.node[2].frames_delivered;
    for (unsigned i = 0; i < FRAMES; i++) {
        ledger_send(w.ledger, 1, 4, 100);
        sim_run(&w.sim, 100);
    }
    uint64_t passed = w.sim.node[2].frames_delivered - delivered;
    ck_assert_uint_le(passed, 3500); /* 1,000 a second for 2 s, and a burst */
    ck_assert_uint_gt(site_counters(w.sim.node[0].site)->storm_dropped - before +
                          site_counters(w.sim.node[1].site)->storm_dropped,
                      FRAMES / 2);
    end(&w);
}
END_TEST

SIM_MAIN("topology", a_mesh_of_three_delivers_once, a_hub_passes_frames_between_its_spokes,
         without_a_hub_spokes_do_not_hear_each_other, a_cable_beside_the_tunnel_is_cut_and_healed,
         two_hubs_in_a_triangle_are_untangled, a_spoke_of_two_hubs_keeps_one_path,
         a_cable_in_a_mesh_with_two_hubs, nothing_comes_twice_when_a_cable_goes,
         a_hub_whose_port_is_shut_still_serves_its_spokes, a_site_becomes_a_hub_as_it_runs,
         a_hub_limits_what_a_spoke_floods)
