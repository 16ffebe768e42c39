/* SPDX-License-Identifier: MIT
 *
 * check_border_notes.c - what a site's egress tells it over a narrow border, and what happens when
 * one thread becomes two or two become one: nothing is forgotten, summed up twice or sealed twice.
 */
#include "border_world.h"
#include "run.h"

#include "frame/offload.h"

#include <string.h>

/* ---- notes ---- */

/* Two threads, and home knows a host behind its parents. */
static void start_split(struct border_world *w)
{
    border_start(w, false);
    border_split(w);
    border_speak(w, PARENTS, border_host_of(HOME), 0, 60);
    border_run(w, SECOND_US / 10);
}

START_TEST(a_mac_comes_home_once)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    border_speak(&w, PARENTS, frame_broadcast(), 0, 60);
    border_run(&w, SECOND_US / 10);
    struct mac mac = border_host_of(PARENTS);
    ck_assert_int_ge(fdb_lookup(&border_home(&w)->remote_macs, &mac, 0, w.sim.now_us), 0);

    for (uint32_t n = 1; n <= 5; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        border_from_lan(&w, frame, border_numbered(frame, PARENTS, frame_broadcast(), n, 60));
    }
    border_flush(&w);
    border_run(&w, SECOND_US / 10);
    ck_assert_int_lt(fdb_lookup(&border_home(&w)->remote_macs, &mac, 0, w.sim.now_us), 0);
    unsigned moves = 0;
    for (unsigned i = 0; i < FLAP_ENTRIES; i++)
        moves += border_home(&w)->flap.entry[i].moves;
    ck_assert_uint_eq(moves, 1);
    border_finish(&w);
}
END_TEST

static size_t arp(uint8_t *out, unsigned n)
{
    struct frame_spec spec = {.source = frame_mac((uint16_t)(0x1000 + n)),
                              .ip_source = frame_ip("192.168.1.99"),
                              .ip_destination = frame_ip("192.168.1.1")};
    return frame_arp(out, spec, FRAME_ARP_REQUEST, (struct mac){{0}});
}

/* Its own comes back soon, or not at all. */
static void await_probe(struct border_world *w)
{
    static const uint8_t none[LOOP_PROBE_BYTES];
    memset(w->probe, 0, sizeof w->probe);
    for (unsigned i = 0; i < 3000 && memcmp(w->probe, none, sizeof none) == 0; i++)
        border_run(w, STEP_US);
    ck_assert_mem_ne(w->probe, none, sizeof none);
}

/* Frames that teach fill the mailbox: they are counted, a loop's probe and what was sent are told
 * all the same. */
START_TEST(a_storm_does_not_hide_its_loop)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    await_probe(&w);
    uint64_t sent = border_peer_of(&w, PARENTS)->tx_frames;
    border_send_numbered(&w, frame_broadcast(), 0);
    for (unsigned n = 0; n < 1000; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        border_from_lan(&w, frame, arp(frame, n));
    }
    ck_assert_uint_gt(w.egress->counted.notes_lost, 0);
    border_from_lan(&w, w.probe, sizeof w.probe);
    sim_run(&w.sim, 20 * STEP_US);
    egress_flush(w.egress, w.sim.now_us);
    ck_assert(w.site_woken);
    border_site_turn(&w);
    ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_LOOP_ON_LAN], 1);
    ck_assert_uint_gt(border_peer_of(&w, PARENTS)->tx_frames, sent);
    ck_assert_uint_gt(site_counters(border_home(&w))->notes_lost, 0);
    border_take_turns(&w);
    ck_assert(w.egress->site_shut);
    border_finish(&w);
}
END_TEST

/* In one thread the next frame does not even cross any more. */
START_TEST(a_loop_stops_the_next_frame)
{
    static struct border_world w;
    border_start(&w, false);
    await_probe(&w);
    border_from_lan(&w, w.probe, sizeof w.probe);
    border_send_numbered(&w, frame_broadcast(), 0);
    border_flush(&w);
    border_run(&w, SECOND_US / 10);
    ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_LOOP_ON_LAN], 1);
    ck_assert_uint_eq(border_came_once(&w, PARENTS, 0, 1), 0);
    border_finish(&w);
}
END_TEST

/* Sums that find no room are told later, and whole. */
START_TEST(sums_outlast_a_full_mailbox)
{
    enum { COUNT = 300 };
    static struct border_world w;
    start_split(&w);
    struct peer *peer = border_peer_of(&w, PARENTS);
    uint64_t sent = peer->tx_frames, malformed = site_counters(border_home(&w))->malformed;
    for (uint32_t n = 1; n <= COUNT; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        border_send_numbered(&w, border_host_of(PARENTS), n);
        border_from_lan(&w, frame, 13);
        w.sim.now_us += 10 * STEP_US; /* nobody else does anything */
        egress_flush(w.egress, w.sim.now_us);
    }
    ck_assert_uint_gt(border_egress_peer_of(&w, PARENTS)->sent.frames, COUNT / 2);
    border_run(&w, 20 * STEP_US);
    ck_assert_uint_eq(site_counters(border_home(&w))->malformed, malformed + COUNT);
    ck_assert_uint_ge(peer->tx_frames, sent + COUNT);
    ck_assert_uint_le(peer->tx_frames, sent + COUNT + COUNT / 10); /* loop probes */
    border_finish(&w);
}
END_TEST

/* Without anything else to do, the egress says soon what it sent. */
START_TEST(what_was_sent_is_told_soon)
{
    static struct border_world w;
    start_split(&w);
    struct peer *peer = border_peer_of(&w, PARENTS);
    for (uint32_t n = 1; n <= 20; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        uint64_t sent = peer->tx_frames;
        border_send_numbered(&w, border_host_of(PARENTS),
                             n); /* told at once, and then not for a while */
        border_flush(&w);
        border_from_lan(&w, frame,
                        border_numbered(frame, HOME, border_host_of(PARENTS), NUMBERS - n, 1380));
        border_flush(&w);
        peer->mtu[0].large_sent = false;
        w.egress_woken = false;
        w.sim.now_us += 10 * STEP_US;
        border_take_turns(&w);
        ck_assert_uint_ge(peer->tx_frames, sent + 2);
        ck_assert_uint_eq(peer->liveness.last_sent_us, w.sim.now_us - 10 * STEP_US);
        ck_assert(peer->mtu[0].large_sent);
        w.sim.now_us += 2 * STEP_US;
    }
    border_finish(&w);
}
END_TEST

START_TEST(macs_of_this_lan_are_forgotten)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    struct mac mac[3];
    for (unsigned n = 0; n < 3; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        mac[n] = frame_mac((uint16_t)(0x1000 + n));
        border_from_lan(&w, frame, arp(frame, n));
    }
    order_forget_mac(border_home(&w), &mac[1]);
    border_egress_turn(&w);
    for (unsigned n = 0; n < 3; n++)
        ck_assert_int_eq(egress_lives_here(w.egress, &mac[n], w.sim.now_us), n != 1);
    order_forget_macs(border_home(&w));
    border_egress_turn(&w);
    for (unsigned n = 0; n < 3; n++)
        ck_assert(!egress_lives_here(w.egress, &mac[n], w.sim.now_us));
    border_finish(&w);
}
END_TEST

/* The same traffic, in one thread or two. */
static void script(struct border_world *w, bool two)
{
    border_start(w, false);
    if (two)
        border_split(w);
    border_speak(w, PARENTS, border_host_of(HOME), 0, 60);
    border_run(w, SECOND_US / 10);
    for (uint32_t n = 1; n < 400; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        border_send_numbered(w, n % 3 ? border_host_of(PARENTS) : frame_broadcast(), n);
        if (n % 5 == 0)
            border_from_lan(w, frame, arp(frame, n));
        if (n % 7 == 0)
            border_from_lan(
                w, frame, border_numbered(frame, HOME, border_host_of(PARENTS), NUMBERS - n, 1400));
        if (n % 11 == 0)
            border_from_lan(w, frame, 13);
        if (n % 4 == 0)
            border_flush(w);
        if (n % 13 == 0)
            border_speak(w, AUNT, border_host_of(HOME), NUMBERS / 2 + n, 60);
        if (n % 48 == 0)
            border_run(w, 7 * STEP_US);
    }
    border_flush(w);
    border_run(w, SECOND_US / 2);
}

START_TEST(sums_are_those_of_one_thread)
{
    static struct border_world one, two;
    script(&one, false);
    script(&two, true);
    ck_assert_uint_gt(site_counters(border_home(&one))->malformed, 30);
    ck_assert_uint_gt(site_counters(border_home(&one))->fragmented, 0);
    ck_assert_mem_eq(site_counters(border_home(&one)), site_counters(border_home(&two)),
                     sizeof(struct site_counters));
    for (unsigned n = PARENTS; n < NODES; n++) {
        const struct peer *a = border_peer_of(&one, n), *b = border_peer_of(&two, n);
        ck_assert_uint_gt(a->tx_frames, 100);
        ck_assert_uint_eq(a->tx_frames, b->tx_frames);
        ck_assert_uint_eq(a->tx_bytes, b->tx_bytes);
        ck_assert_uint_eq(a->rx_frames, b->rx_frames);
        ck_assert_mem_eq(one.came[n], two.came[n], NUMBERS);
    }
    border_finish(&one);
    border_finish(&two);
}
END_TEST

/* ---- one thread or two ---- */

/* What the last notes give rise to reaches the egress, too: here, that the port is shut. */
START_TEST(joining_leaves_nothing_behind)
{
    static struct border_world w;
    border_start(&w, false);
    for (unsigned full = 0; full < 2; full++) {
        unsigned loops = w.sim.node[HOME].events[EVENT_LOOP_ON_LAN];
        border_split(&w);
        await_probe(&w);
        uint64_t sent = border_peer_of(&w, PARENTS)->tx_frames;
        struct site_config config = border_options(&w);
        config.guard = full ? GUARD_DHCP : GUARD_RA;
        if (full)
            border_fill_orders(&w, 0);
        site_set_options(border_home(&w), &config);
        border_send_numbered(&w, frame_broadcast(), full);
        border_from_lan(&w, w.probe, sizeof w.probe);
        egress_flush(w.egress, w.sim.now_us);
        border_join(&w);
        ck_assert(mailbox_empty(&w.orders));
        ck_assert(mailbox_empty(&w.notes));
        ck_assert_uint_eq(border_home(&w)->egress.rules.guard, config.guard);
        ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_LOOP_ON_LAN], loops + 1);
        ck_assert(border_home(&w)->egress.site_shut);
        ck_assert_uint_gt(border_peer_of(&w, PARENTS)->tx_frames, sent);
        ck_assert(border_all_known(&w, PARENTS));
        sim_run(&w.sim, 60 * (uint64_t)SECOND_US); /* it opens again */
        ck_assert(!border_home(&w)->egress.site_shut);
    }
    ck_assert_uint_eq(border_came_once(&w, PARENTS, 0, 2), 2);

    border_split(&w);
    border_fill_orders(&w, 0);
    struct site_config config = border_options(&w);
    config.guard = GUARD_STP;
    site_set_options(border_home(&w), &config);
    border_join(&w);
    ck_assert_uint_eq(border_home(&w)->egress.rules.guard, GUARD_STP);
    border_finish(&w);
}
END_TEST

START_TEST(no_frame_is_lost_between_one_thread_and_two)
{
    enum { CYCLES = 60 };
    static struct border_world w;
    border_start(&w, false);
    uint32_t n = 0;
    for (unsigned i = 0; i < CYCLES; i++) {
        border_send_numbered(&w, frame_broadcast(), n++); /* packed, and not flushed */
        unsigned sent = w.sent_to[PARENTS];
        border_split(&w);
        if (i % 3 == 0) { /* nobody has a turn but by being woken, and nothing else happens */
            border_take_turns(&w);
            ck_assert_uint_gt(w.sent_to[PARENTS], sent);
        }
        border_send_numbered(&w, frame_broadcast(), n++);
        if (i % 2)
            border_flush(&w);
        border_send_numbered(&w, frame_broadcast(), n++);
        if (i % 5 == 0)
            border_rekey(&w, PARENTS);
        if (i % 4 == 0)
            border_run(&w, 20 * STEP_US);
        border_join(&w);
        border_send_numbered(&w, frame_broadcast(), n++);
        border_flush(&w);
        sim_run(&w.sim, STEP_US);
    }
    sim_run(&w.sim, SECOND_US);
    ck_assert_uint_eq(border_came_once(&w, PARENTS, 0, n), n);
    ck_assert_uint_eq(border_came_once(&w, AUNT, 0, n), n);
    border_finish(&w);
}
END_TEST

/* Sessions change while the mailbox is full or read late. border_finish() looks at the counters. */
START_TEST(nothing_is_sealed_twice)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    uint32_t n = 0;
    for (unsigned i = 0; i < 60; i++) {
        if (i % 3 == 0)
            border_fill_orders(&w, 0);
        border_rekey(&w, PARENTS);
        border_send_numbered(&w, frame_broadcast(), n++);
        border_flush(&w);
        if (i % 4 == 0)
            border_take_turns(&w);
        border_send_numbered(&w, frame_broadcast(), n++);
        if (i % 5 == 0) {
            border_join(&w);
            site_flush(border_home(&w), w.sim.now_us);
            border_split(&w);
        }
        border_egress_turn(&w);
        border_site_turn(&w);
        border_run(&w, 20 * STEP_US);
    }
    ck_assert_uint_eq(border_came_once(&w, AUNT, 0, n), n);
    ck_assert_uint_gt(border_came_once(&w, PARENTS, 0, n),
                      n / 2); /* at old sessions they are lost */
    border_finish(&w);
}
END_TEST

/* ---- a hub ---- */

/* Its checksum is left to whoever takes it from the tunnel. */
static void send_partial(struct border_world *w, unsigned node, struct mac to, uint32_t number)
{
    uint8_t frame[FRAME_BYTES_MAX], header[OFFLOAD_HEADER_BYTES];
    struct sim_node *from = &w->sim.node[node];
    struct offload offload = {.checksum_partial = true};
    struct packet packet;
    size_t bytes = border_numbered(frame, node, to, number, 60);
    ck_assert(packet_parse(&packet, frame, bytes));
    store_be16(frame + packet.transport_offset + 6,
               offload_pseudo_checksum(&packet, bytes - packet.transport_offset));
    offload_write(header, &offload, &packet);
    site_receive_frame(from->site, header, frame, bytes, w->sim.now_us);
    site_flush(from->site, w->sim.now_us);
}

START_TEST(a_hub_forwards_through_the_mailbox)
{
    static struct border_world w;
    border_start(&w, true);
    border_split(&w);
    border_speak(&w, PARENTS, frame_broadcast(), 0, 60);
    border_speak(&w, AUNT, frame_broadcast(), 1, 60);
    border_run(&w, SECOND_US / 10);
    unsigned long partial = w.sim.node[AUNT].partial_delivered;
    for (uint32_t n = 2; n < 102; n++) {
        struct mac to = n % 10 == 0 ? frame_broadcast() : border_host_of(AUNT);
        if (n % 2)
            send_partial(&w, PARENTS, to, n);
        else
            border_speak(&w, PARENTS, to, n, 60 + n);
        border_run(&w, STEP_US);
    }
    border_run(&w, SECOND_US / 10);
    ck_assert_uint_eq(border_came_once(&w, AUNT, 2, 102), 100);
    ck_assert_uint_eq(border_came_once(&w, HOME, 2, 102), 10);
    ck_assert_uint_eq(w.sim.node[AUNT].partial_delivered, partial + 50);
    ck_assert_uint_eq(border_orders_lost(&w), 0);

    /* More than the mailbox holds, while it is not read. */
    for (uint32_t n = 200; n < 300; n++)
        send_partial(&w, PARENTS, border_host_of(AUNT), n);
    for (uint32_t n = 300; n < 340; n++)
        border_speak(&w, PARENTS, border_host_of(AUNT), n, 1200);
    sim_run(&w.sim, SECOND_US / 20);
    uint64_t gone = border_orders_lost(&w);
    ck_assert_uint_gt(gone, 0);
    border_run(&w, SECOND_US / 2);
    ck_assert_uint_eq(border_orders_lost(&w), gone);
    ck_assert_uint_eq(border_came_once(&w, AUNT, 200, 340) + gone, 140);
    border_finish(&w);
}
END_TEST

/* Its shell lets datagrams wait while there is no room; the egress has a turn now and then, and
 * whenever there was room again, or soon after, it has said so. */
START_TEST(a_hub_that_waits_for_room_loses_nothing)
{
    enum { COUNT = 1200, BATCH = 12, BOX_BYTES = 64 << 10 }; /* a batch is a quarter of the box */
    static struct border_world w;
    static _Alignas(MAILBOX_ALIGNMENT) uint8_t memory[BOX_BYTES];
    unsigned waits = 0;
    border_start(&w, true);
    border_split(&w);
    ck_assert(mailbox_empty(&w.orders));
    mailbox_init(&w.orders, memory, sizeof memory);
    border_speak(&w, AUNT, frame_broadcast(), 0, 60);
    border_run(&w, SECOND_US / 10);
    ck_assert(site_has_room(border_home(&w)));
    for (uint32_t n = 1; n <= COUNT; n += BATCH) {
        for (uint32_t i = n; i < n + BATCH; i++)
            border_speak(&w, PARENTS, border_host_of(AUNT), i, i % 3 ? 1200 : 60);
        sim_run(&w.sim, STEP_US);
        if (site_has_room(border_home(&w)))
            continue;
        waits++;
        ck_assert(w.egress_woken);
        w.site_woken = false;
        border_egress_turn(&w);
        ck_assert(w.site_woken);
        ck_assert(site_has_room(border_home(&w)));
    }
    ck_assert_uint_gt(waits, 10);
    border_run(&w, SECOND_US / 10);
    ck_assert_uint_eq(border_orders_lost(&w), 0);
    ck_assert_uint_eq(border_came_once(&w, AUNT, 1, COUNT + 1), COUNT);
    border_join(&w);
    ck_assert(site_has_room(border_home(&w)));
    border_finish(&w);
}
END_TEST

SIM_MAIN("border notes", a_mac_comes_home_once, a_storm_does_not_hide_its_loop,
         a_loop_stops_the_next_frame, sums_outlast_a_full_mailbox, what_was_sent_is_told_soon,
         macs_of_this_lan_are_forgotten, sums_are_those_of_one_thread,
         joining_leaves_nothing_behind, no_frame_is_lost_between_one_thread_and_two,
         nothing_is_sealed_twice, a_hub_forwards_through_the_mailbox,
         a_hub_that_waits_for_room_loses_nothing)
