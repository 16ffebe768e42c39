/* SPDX-License-Identifier: MIT
 *
 * check_hostile_paths.c - a peer that was let in and lies about where it is, and where others are:
 * whoever it names gets no more than a few small datagrams, and nobody answers much to little.
 * To be that peer, the tests reach into its site.
 */
#include "run.h"

#include "../unit/frames.h"
#include "bytes.h"
#include "net.h"
#include "site/private.h"
#include "tunnel/endpoint.h"

#include <string.h>

enum { US, PEER, THIRD, FOURTH, SECOND_US = 1000000, SETTLED_US = 12 * SECOND_US, HANDFUL = 14 };

struct world {
    struct sim sim;
    struct ip_address victim;
    unsigned to_victim, to_many;
    size_t victim_bytes; /* the largest */
    bool peer_is_mute, third_is_gone;
    bool mostly_port_0; /* the peer sends from it all but initiations */
};

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    struct world *w = sim->context;
    (void)data;
    if (ip_equal(&to->address, &w->victim)) {
        w->to_victim++;
        w->victim_bytes = *bytes > w->victim_bytes ? *bytes : w->victim_bytes;
        return false;
    }
    if (to->address.octet[0] == 5) {
        w->to_many++;
        return false;
    }
    if (w->third_is_gone && (from == THIRD || endpoint_equal(to, &sim->node[THIRD].address)))
        return false;
    if (w->mostly_port_0 && from == PEER && data[0] != WIRE_INITIATION) {
        struct endpoint nobody = sim->node[PEER].address;
        nobody.port = 0;
        site_receive_datagram(sim->node[US].site, &nobody, data, *bytes, 0, sim->now_us);
        return false;
    }
    return !w->peer_is_mute || from != PEER;
}

/* Our site wants nothing that it cannot have: else the shell turns round and round. */
static void assert_we_sleep(struct world *w, unsigned seconds)
{
    for (unsigned s = 0; s < seconds; s++) {
        sim_run(&w->sim, SECOND_US);
        const struct site *site = w->sim.node[US].site;
        ck_assert_msg(site_deadline_us(site) > w->sim.now_us, "after %u s", s);
    }
}

static void begin(struct world *w, unsigned nodes)
{
    static const char *const names[] = {"us", "peer", "third", "fourth"};
    memset(w, 0, sizeof *w);
    sim_begin(&w->sim, 7);
    w->sim.context = w;
    w->sim.on_wan = on_wan;
    w->victim = frame_ip("198.51.100.66");
    for (unsigned n = 0; n < nodes; n++) {
        sim_add(&w->sim, names[n]);
        struct site_config config = sim_config(&w->sim.node[n]);
        sim_start(&w->sim, n, &config);
    }
    for (unsigned n = 1; n < nodes; n++) {
        sim_peer(&w->sim, US, n, false);
        sim_peer(&w->sim, n, US, true);
        ck_assert(sim_run_until_up(&w->sim, US, n, 5 * SECOND_US));
    }
    sim_run(&w->sim, SETTLED_US);
}

/* Until flush(), into one datagram as long as there is room. */
static void say(struct world *w, enum control_type type, const uint8_t *value, size_t bytes)
{
    struct site *site = w->sim.node[PEER].site;
    site->now_us = w->sim.now_us;
    peer_send_control(site, site_find_peer(site, "us"), type, value, bytes);
}

static void flush(struct world *w)
{
    sim_flush(&w->sim.node[PEER]);
}

/* "I see that one there." */
static void say_seen_at(struct world *w, const char *whom, struct ip_address address, uint16_t port)
{
    uint8_t value[SITE_ID_BYTES + ENDPOINT_BYTES_MAX];
    struct endpoint at = {.address = address, .port = port};
    memcpy(value, site_find_peer(w->sim.node[US].site, whom)->config.public_key, SITE_ID_BYTES);
    size_t bytes = SITE_ID_BYTES + endpoint_encode(&at, value + SITE_ID_BYTES);
    say(w, CONTROL_SEEN, value, bytes);
    flush(w);
}

static void say_seen(struct world *w, const char *whom, uint16_t port)
{
    say_seen_at(w, whom, w->victim, port);
}

/* As with probes: each answer travels alone. */
START_TEST(many_checks_in_one_datagram_are_answered_once)
{
    struct world w;
    begin(&w, 2);
    unsigned long sent = w.sim.node[US].datagrams_sent, its = w.sim.node[PEER].datagrams_sent;
    for (unsigned i = 0; i < 90; i++) {
        uint8_t value[8];
        store_be64(value, i);
        say(&w, i % 2 == 0 ? CONTROL_CHECK : CONTROL_PROBE, value, sizeof value);
    }
    flush(&w);
    ck_assert_uint_eq(w.sim.node[PEER].datagrams_sent - its, 1);
    sim_run(&w.sim, 50000);
    ck_assert_uint_ge(w.sim.node[US].datagrams_sent - sent, 1);
    ck_assert_uint_le(w.sim.node[US].datagrams_sent - sent, 3);
    sim_end(&w.sim);
}
END_TEST

/* It names the victim's ports as its own, vouches for that itself, and falls silent. */
START_TEST(a_peer_cannot_vouch_for_itself)
{
    struct world w;
    struct candidate_list list = {0};
    uint8_t value[CANDIDATES_MAX_BYTES];
    begin(&w, 2);
    struct candidate set = {.kind = CANDIDATE_PORT_SET,
                            .endpoint.address = w.victim,
                            .set = {.offset_bits = 4, .psid_bits = 8, .psid = 0x34}};
    candidate_add(&list, &set);
    for (uint16_t port = 2000; port < 2015; port++)
        candidate_add(&list, &(struct candidate){.kind = CANDIDATE_HOST,
                                                 .endpoint = {w.victim, .port = port}});
    size_t bytes = candidate_encode(&list, value, sizeof value);
    ck_assert_uint_gt(bytes, 0);
    say(&w, CONTROL_CANDIDATES, value, bytes);
    say_seen(&w, "peer", 3000);
    sim_run(&w.sim, 20000);
    w.peer_is_mute = true;
    sim_run(&w.sim, UINT64_C(90) * SECOND_US);
    ck_assert_uint_gt(w.to_victim, 0);
    ck_assert_uint_le(w.to_victim, 4 * PATHS_BUDGET); /* each 30 s */
    sim_end(&w.sim);
}
END_TEST

/* A meeting point says that two peers are at the victim's ports, one after the other: each brings a
 * few datagrams in the first minute, and hardly any in the ten minutes after that. */
static void aim_at_a_stranger(bool third_is_gone)
{
    struct world w;
    begin(&w, 4);
    w.third_is_gone = third_is_gone;
    struct ip_address elsewhere = frame_ip("203.0.113.9");
    for (uint16_t i = 0; i < 1200; i++) {
        say_seen(&w, i % 2 ? "third" : "fourth", (uint16_t)(2000 + i));
        if (i % 3 == 0) /* and in between that they are not */
            say_seen_at(&w, i % 2 ? "third" : "fourth", elsewhere, i);
        sim_run(&w.sim, 50000);
    }
    ck_assert_uint_gt(w.to_victim, 0);
    ck_assert_uint_le(w.to_victim, HANDFUL);
    w.to_victim = 0;
    for (uint16_t i = 0; i < 600; i++) {
        say_seen(&w, i % 2 ? "third" : "fourth", (uint16_t)(4000 + i));
        sim_run(&w.sim, SECOND_US);
    }
    ck_assert_uint_le(w.to_victim, 3 * HANDFUL);
    ck_assert_uint_le(w.victim_bytes, third_is_gone ? INITIATION_BYTES : 200);
    ck_assert(sim_is_up(&w.sim, US, FOURTH));
    ck_assert(third_is_gone || sim_is_up(&w.sim, US, THIRD));
    sim_end(&w.sim);
}

START_TEST(a_meeting_point_cannot_aim_us_at_a_stranger)
{
    aim_at_a_stranger(false);
}
END_TEST

START_TEST(nor_by_a_peer_that_is_gone)
{
    aim_at_a_stranger(true);
}
END_TEST

/* It names another victim each time: no flood in all. */
START_TEST(a_meeting_point_cannot_aim_us_at_many)
{
    struct world w;
    begin(&w, 4);
    struct ip_address address = frame_ip("5.0.0.1");
    for (uint16_t i = 0; i < 1200; i++) {
        address.octet[2] = (uint8_t)(i >> 8);
        address.octet[3] = (uint8_t)(i % 250 + 1);
        say_seen_at(&w, i % 2 ? "third" : "fourth", address, 2000);
        sim_run(&w.sim, 50000);
    }
    ck_assert_uint_gt(w.to_many, 0);
    ck_assert_uint_le(w.to_many, 5 * (SITE_PEERS_MAX + 12)); /* of 64 places, and one each 2.5 s */
    sim_end(&w.sim);
}
END_TEST

/* Or it has the network of our own LAN outside: what is said to be there goes into the tunnel. */
START_TEST(nor_into_our_own_lan)
{
    struct world w;
    struct site_lan lan = {.prefix_count = 1,
                           .prefix = {{.address = frame_ip("5.0.0.0"), .length_bits = 8}}};
    begin(&w, 3);
    site_set_lan(w.sim.node[US].site, &lan, w.sim.now_us);
    say_seen_at(&w, "third", frame_ip("5.0.0.1"), 2000);
    sim_run(&w.sim, 10 * SECOND_US);
    ck_assert_uint_eq(w.to_many, 0);
    say_seen_at(&w, "third", w.victim, 2000);
    sim_run(&w.sim, 10 * SECOND_US);
    ck_assert_uint_gt(w.to_victim, 0);
    sim_end(&w.sim);
}
END_TEST

/* With all 16 bits said there is one port: here 0, which is none. */
START_TEST(a_port_set_without_ports_keeps_nobody_awake)
{
    struct world w;
    begin(&w, 2);
    const uint8_t *ip = w.sim.node[PEER].address.address.octet;
    const uint8_t set[] = {1, CANDIDATE_PORT_SET, IP_V4, ip[0], ip[1], ip[2], ip[3], 0, 16, 0, 0};
    say(&w, CONTROL_CANDIDATES, set, sizeof set);
    flush(&w);
    sim_run(&w.sim, SECOND_US);
    w.peer_is_mute = true;
    assert_we_sleep(&w, 300);
    sim_end(&w.sim);
}
END_TEST

/* A session that is proved from there would have no path. */
START_TEST(nobody_is_at_port_0)
{
    struct world w;
    begin(&w, 2);
    sim_kill(&w.sim, US);
    sim_start(&w.sim, US, NULL);
    sim_peer(&w.sim, US, PEER, false);
    w.mostly_port_0 = true;
    assert_we_sleep(&w, 30);
    ck_assert(!sim_is_up(&w.sim, US, PEER));
    ck_assert_uint_gt(site_counters(w.sim.node[US].site)->malformed, 0);
    w.mostly_port_0 = false;
    w.peer_is_mute = true;
    assert_we_sleep(&w, 200);
    w.peer_is_mute = false;
    ck_assert(sim_run_until_up(&w.sim, US, PEER, 30 * SECOND_US));
    sim_end(&w.sim);
}
END_TEST

/* How we are seen says who was asked, not who tells. */
START_TEST(answers_that_nobody_asked_for_say_nothing)
{
    struct world w;
    begin(&w, 2);
    struct site *us = w.sim.node[US].site;
    struct endpoint before = site_seen_as(us, IP_V4);
    unsigned told = w.sim.node[US].events[EVENT_SEEN_AS];
    for (uint16_t port = 2000; port < 2050; port++) {
        uint8_t value[8 + ENDPOINT_BYTES_MAX];
        struct endpoint lie = {.address = w.victim, .port = port};
        store_be64(value, port % 2 == 0 ? 0 : port);
        say(&w, CONTROL_CHECK_REPLY, value, 8 + endpoint_encode(&lie, value + 8));
        flush(&w);
        sim_run(&w.sim, 50000);
    }
    struct endpoint after = site_seen_as(us, IP_V4);
    ck_assert(endpoint_equal(&before, &after));
    ck_assert_uint_eq(w.sim.node[US].events[EVENT_SEEN_AS], told);
    sim_end(&w.sim);
}
END_TEST

/* Time that a peer says we have sent something at is its word; ours comes back at most. */
START_TEST(answers_from_another_time_are_nothing)
{
    struct world w;
    begin(&w, 2);
    for (unsigned bit = 0; bit < 64; bit++)
        for (int apart = -1; apart <= 1; apart++) {
            uint8_t value[8];
            store_be64(value, w.sim.now_us + (UINT64_C(1) << bit) + (uint64_t)(int64_t)apart);
            say(&w, CONTROL_PROBE_REPLY, value, sizeof value);
            flush(&w);
            sim_run(&w.sim, 20000);
        }
    sim_run(&w.sim, 10 * SECOND_US);
    ck_assert(sim_is_up(&w.sim, US, PEER));
    sim_end(&w.sim);
}
END_TEST

/* What is no datagram is not passed on, and brings no news of its sender. */
START_TEST(scraps_are_not_passed_on)
{
    struct world w;
    begin(&w, 3);
    struct site_counters before = *site_counters(w.sim.node[US].site);
    unsigned long sent = w.sim.node[US].datagrams_sent;
    uint8_t value[SITE_ID_BYTES + DATA_HEADER_BYTES] = {[SITE_ID_BYTES] = WIRE_INITIATION};
    memcpy(value, site_find_peer(w.sim.node[US].site, "third")->config.public_key, SITE_ID_BYTES);
    for (unsigned i = 0; i < 90; i++)
        say(&w, CONTROL_RELAY, value, SITE_ID_BYTES + i % DATA_HEADER_BYTES);
    flush(&w);
    sim_run(&w.sim, 50000);
    const struct site_counters *after = site_counters(w.sim.node[US].site);
    ck_assert_uint_eq(after->relayed, before.relayed);
    ck_assert_uint_eq(after->malformed, before.malformed + 90);
    ck_assert_uint_le(w.sim.node[US].datagrams_sent - sent, 6);
    say(&w, CONTROL_RELAY, value, sizeof value);
    flush(&w);
    sim_run(&w.sim, 50000);
    ck_assert_uint_eq(site_counters(w.sim.node[US].site)->relayed, before.relayed + 1);
    sim_end(&w.sim);
}
END_TEST

SIM_MAIN("hostile paths", many_checks_in_one_datagram_are_answered_once,
         a_peer_cannot_vouch_for_itself, a_meeting_point_cannot_aim_us_at_a_stranger,
         nor_by_a_peer_that_is_gone, a_meeting_point_cannot_aim_us_at_many, nor_into_our_own_lan,
         a_port_set_without_ports_keeps_nobody_awake, nobody_is_at_port_0,
         answers_that_nobody_asked_for_say_nothing, answers_from_another_time_are_nothing,
         scraps_are_not_passed_on)
