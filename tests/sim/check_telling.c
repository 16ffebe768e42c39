/* SPDX-License-Identifier: MIT
 *
 * check_telling.c - whom a site tells that a packet is too large, and in whose name: two whole
 * sites, one of whose LANs takes less than the other's.
 */
#include "net.h"
#include "run.h"

#include "../unit/frames.h"
#include "site/private.h"

#include <string.h>

enum { HOME, PARENTS, SECOND_US = 1000000, LAN_BYTES = 1400, DONT_FRAGMENT = 0x4000 };

struct world {
    struct sim sim;
    unsigned told[2];           /* ICMP errors that came to the hosts of each LAN */
    struct mac told_by;         /* the last one's Ethernet source */
    unsigned delivered_parents; /* large frames that came there all the same */
};

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct world *w = sim->context;
    uint8_t copy[FRAME_BYTES_MAX];
    struct packet p;
    if (bytes > sizeof copy)
        return;
    memcpy(copy, frame, bytes);
    if (!packet_parse(&p, copy, bytes))
        return;
    if (p.network == PACKET_IPV4 && p.protocol == IP_PROTOCOL_ICMP) {
        w->told[node]++;
        w->told_by = p.source;
    }
    w->delivered_parents += node == PARENTS && p.network == PACKET_IPV4 && bytes > LAN_BYTES;
}

static void begin(struct world *w, bool icmp_hint)
{
    memset(w, 0, sizeof *w);
    sim_begin(&w->sim, 1);
    w->sim.context = w;
    w->sim.on_lan = on_lan;
    for (unsigned n = 0; n < 2; n++) {
        sim_add(&w->sim, n == HOME ? "home" : "parents");
        struct site_config config = sim_config(&w->sim.node[n]);
        config.icmp_hint = icmp_hint;
        sim_start(&w->sim, n, &config);
        struct site_lan lan = {.tap_mac = {{0xfe, 0, 0, 0, 0, (uint8_t)n}},
                               .bridge_mac = {{2, 0xbb, 0, 0, 0, (uint8_t)n}},
                               .mtu_bytes = n == HOME ? 1500 : LAN_BYTES};
        site_set_lan(w->sim.node[n].site, &lan, w->sim.now_us);
    }
    sim_peer(&w->sim, HOME, PARENTS, true);
    sim_peer(&w->sim, PARENTS, HOME, true);
    ck_assert(sim_run_until_up(&w->sim, HOME, PARENTS, 5 * SECOND_US));
    sim_run(&w->sim, SECOND_US);
}

/* From a host of @node to another one, wherever that lives. */
static void send_udp(struct world *w, unsigned node, struct mac from, struct mac to, size_t bytes)
{
    static const uint8_t payload[1472];
    uint8_t frame[FRAME_BYTES_MAX];
    struct frame_spec spec = {.source = from,
                              .destination = to,
                              .ip_source = frame_ip("192.168.1.30"),
                              .ip_destination = frame_ip("192.168.1.31"),
                              .fragment_field = DONT_FRAGMENT,
                              .ttl = 64,
                              .source_port = 40000,
                              .destination_port = 9};
    sim_send(&w->sim, node, frame, frame_udp(frame, spec, payload, bytes));
    sim_run(&w->sim, 200000);
}

START_TEST(a_host_behind_the_narrow_lan_answers)
{
    struct world w;
    struct mac near = frame_mac(30), far = frame_mac(31);
    begin(&w, false);
    send_udp(&w, PARENTS, far, near, 10);
    sim_run(&w.sim, 60 * SECOND_US);
    send_udp(&w, HOME, near, far, 1472);
    ck_assert_uint_eq(w.delivered_parents, 1);
    ck_assert_uint_eq(w.told[HOME], 1);
    ck_assert(mac_equal(&w.told_by, &far));
    sim_end(&w.sim);
}
END_TEST

/* A bridge floods to its TAP what is for a host that has been silent for long. That host may live
 * in either home; an answer in its name would teach every bridge on the way that it is behind the
 * tunnel, and cut it off from its own LAN. */
START_TEST(nobody_answers_for_a_host_he_has_not_seen)
{
    struct world w;
    struct mac near = frame_mac(30), silent = frame_mac(31);
    begin(&w, false);
    send_udp(&w, HOME, near, silent, 1472);
    ck_assert_uint_eq(w.delivered_parents, 1);
    ck_assert_uint_eq(w.told[HOME], 0);
    sim_end(&w.sim);
}
END_TEST

/* The hint stands beside delivery: what is not delivered is not hinted at, either. */
START_TEST(nothing_is_hinted_at_what_does_not_go_out)
{
    struct world w;
    struct mac near = frame_mac(30), far = frame_mac(31);
    begin(&w, true);
    w.sim.node[HOME].mtu_v4_bytes = 1300;
    w.sim.node[HOME].site->peer[0].mtu[0].mtu_bytes = 1300;
    for (unsigned shut = 0; shut < 2; shut++) {
        send_udp(&w, PARENTS, far, near, 10);
        w.told[HOME] = 0;
        w.sim.node[HOME].site->loop.link[0].shut =
            (struct loop_shut){.shut = shut, .open_us = UINT64_MAX};
        border_publish(w.sim.node[HOME].site);
        send_udp(&w, HOME, near, far, 1330);
        ck_assert_uint_eq(w.told[HOME], !shut);
    }
    sim_end(&w.sim);
}
END_TEST

SIM_MAIN("telling", a_host_behind_the_narrow_lan_answers, nobody_answers_for_a_host_he_has_not_seen,
         nothing_is_hinted_at_what_does_not_go_out)
