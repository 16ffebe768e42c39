/* SPDX-License-Identifier: MIT
 *
 * check_border.c - orders to the egress when the border is narrow: rules, paths and keys arrive in
 * the end, what may be lost is counted, and nothing goes to somebody who is gone.
 */
#include "border_world.h"
#include "run.h"

#include <string.h>

START_TEST(what_must_not_be_lost_arrives_in_the_end)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    border_fill_orders(&w, 0);

    struct site_config config = border_options(&w);
    config.guard = GUARD_DHCP;
    config.outer_packet_bytes = 1300;
    site_set_options(border_home(&w), &config);
    border_rekey(&w, PARENTS);
    struct session *current = border_peer_of(&w, PARENTS)->current;
    ck_assert_int_ne(current->sealer.key.suite, SUITE_NONE);
    ck_assert(!border_all_known(&w, PARENTS));

    /* No time passes, and no datagram comes: those who are woken do it alone. */
    border_take_turns(&w);
    ck_assert(border_all_known(&w, PARENTS));
    ck_assert_uint_eq(w.egress->rules.guard, GUARD_DHCP);
    ck_assert_uint_eq(border_egress_peer_of(&w, AUNT)->path.usable_bytes, 1300);

    ck_assert_int_eq(current->sealer.key.suite, SUITE_NONE);
    ck_assert(sodium_is_zero((const uint8_t *)&current->sealer, sizeof current->sealer));
    border_finish(&w);
}
END_TEST

static void settle(struct border_world *w)
{
    site_flush(border_home(w), w->sim.now_us);
    border_take_turns(w);
}

/* Each part of a path, as it changes. */
START_TEST(a_path_is_known_whole)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    border_run(&w, SECOND_US);
    struct peer *peer = border_peer_of(&w, PARENTS);
    const struct egress_path *path = &border_egress_peer_of(&w, PARENTS)->path;
    ck_assert(path->up && path->takes_partial && !path->shut);
    ck_assert_uint_eq(path->gateways.count, 0);

    peer->endpoint.port++;
    settle(&w);
    ck_assert_uint_eq(path->to.port, peer->endpoint.port);
    peer->endpoint.port--;
    settle(&w);
    ck_assert_uint_eq(path->to.port, peer->endpoint.port);
    peer->remote.gateways.count = 1;
    settle(&w);
    ck_assert_uint_eq(path->gateways.count, 1);
    peer->current->remote_features = 0;
    settle(&w);
    ck_assert(!path->takes_partial);
    struct loop_shut *shut = &border_home(&w)->loop.link[peer_number(border_home(&w), peer)].shut;
    shut->shut = true;
    settle(&w);
    ck_assert(path->shut);
    shut->shut = false;
    settle(&w);
    ck_assert(!path->shut);
    uint16_t tenant = ++border_home(&w)->known.peer[peer_number(border_home(&w), peer)].tenant;
    settle(&w);
    ck_assert_uint_eq(path->tenant, tenant);

    /* Nobody is left through whom it might be reached. */
    site_remove_peer(border_home(&w), w.sim.node[AUNT].name, w.sim.now_us);
    w.sim.wan.loss_permille = 1000;
    border_run(&w, 30 * (uint64_t)SECOND_US);
    ck_assert(!path->up);
    unsigned frames = (unsigned)border_egress_peer_of(&w, PARENTS)->sent.frames;
    border_send_numbered(&w, frame_broadcast(), 0);
    ck_assert_uint_eq(border_egress_peer_of(&w, PARENTS)->sent.frames, frames);
    border_finish(&w);
}
END_TEST

static bool holds(const uint8_t *memory, size_t bytes, const struct sealer *sealer)
{
    return memmem(memory, bytes, &sealer->key.state, 32) != NULL;
}

START_TEST(keys_are_in_one_place)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    for (uint32_t n = 0; n < 40; n++) { /* all around the mailbox */
        const struct sealer *sealer = &border_egress_peer_of(&w, PARENTS)->sealer;
        uint32_t former = sealer->remote_index;
        border_send_numbered(&w, frame_broadcast(), n);
        uint64_t sealed = border_seal_of(&w, former)->counter;
        border_rekey(&w, PARENTS);
        struct peer *peer = border_peer_of(&w, PARENTS);
        ck_assert_int_eq(peer->current->sealer.key.suite, SUITE_NONE);
        border_take_turns(&w);
        ck_assert_uint_eq(sealer->remote_index, peer->current->remote_index);
        ck_assert(!holds(w.memory[0], ORDERS_BYTES, sealer));
        ck_assert(!holds((const uint8_t *)peer->slot, sizeof peer->slot, sealer));
        /* What was packed before goes under the former ones, and what proves them under the new. */
        ck_assert_uint_ne(border_seal_of(&w, former)->counter, sealed);
        ck_assert_uint_ne(border_seal_of(&w, sealer->remote_index)->counter, UINT64_MAX);
    }
    border_finish(&w);
}
END_TEST

/* There is room for the path or for the keys: those at the new place would be no use at the old. */
START_TEST(a_path_comes_before_its_keys)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    struct peer *peer = border_peer_of(&w, PARENTS);
    const struct egress_peer *known = border_egress_peer_of(&w, PARENTS);
    uint32_t before = known->sealer.remote_index;
    site_flush(border_home(&w), w.sim.now_us);
    border_take_turns(&w);
    ck_assert(border_all_known(&w, PARENTS));

    const size_t both_bytes = sizeof(struct sealer) + sizeof(struct egress_path) + 24;
    border_fill_orders(&w, both_bytes);
    ck_assert_uint_gt(mailbox_room(&w.orders), sizeof(struct sealer) + 16);
    sim_move(&w.sim, PARENTS);
    peer_initiate(w.sim.node[PARENTS].site, w.sim.node[PARENTS].site->peer);
    sim_run(&w.sim, SECOND_US / 20);
    ck_assert_uint_ne(peer->current->remote_index, before);
    ck_assert(endpoint_equal(&peer->endpoint, &w.sim.node[PARENTS].address));

    border_egress_turn(&w);
    ck_assert(endpoint_equal(&known->path.to, &peer->endpoint));
    ck_assert_uint_eq(known->sealer.remote_index, before);
    border_take_turns(&w);
    ck_assert(border_all_known(&w, PARENTS));
    border_finish(&w);
}
END_TEST

/* The new session of a slot may have the index of the one that the egress knows. */
START_TEST(keys_are_new_whatever_their_index)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    border_fill_orders(&w, 0);
    border_rekey(&w, PARENTS);
    struct peer *peer = border_peer_of(&w, PARENTS);
    border_home(&w)->known.peer[peer_number(border_home(&w), peer)].session =
        peer->current->local_index;
    border_take_turns(&w);
    ck_assert(border_all_known(&w, PARENTS));
    border_finish(&w);
}
END_TEST

START_TEST(what_is_lost_is_counted)
{
    enum { COUNT = 1000 };
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    uint64_t before = border_orders_lost(&w);
    for (uint32_t n = 0; n < COUNT; n++) {
        uint8_t frame[FRAME_BYTES_MAX];
        size_t bytes = border_numbered(frame, HOME, border_host_of(PARENTS), n, 60);
        order_own_frame(border_home(&w), border_peer_of(&w, PARENTS), frame, bytes);
    }
    uint64_t gone = border_orders_lost(&w) - before;
    ck_assert_uint_gt(gone, 0);

    /* All the same, what must not be lost finds room. */
    struct site_config config = border_options(&w);
    config.guard = GUARD_DHCP;
    site_set_options(border_home(&w), &config);
    border_rekey(&w, PARENTS);
    border_egress_turn(&w);
    ck_assert(border_all_known(&w, PARENTS));

    border_run(&w, SECOND_US);
    ck_assert_uint_eq(border_came_once(&w, PARENTS, 0, COUNT) + gone, COUNT);
    border_finish(&w);
}
END_TEST

START_TEST(an_empty_mailbox_takes_what_is_small)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    uint64_t before = border_orders_lost(&w);
    for (uint32_t n = 0; n < NUMBERS; n++) { /* wherever they stand in it */
        uint8_t frame[FRAME_BYTES_MAX];
        size_t bytes = border_numbered(frame, HOME, border_host_of(PARENTS), n, 20 + n % 8 * 8);
        order_own_frame(border_home(&w), border_peer_of(&w, PARENTS), frame, bytes);
        site_flush(border_home(&w), w.sim.now_us);
        border_take_turns(&w);
        ck_assert(mailbox_empty(&w.orders));
    }
    ck_assert_uint_eq(border_orders_lost(&w), before);
    border_run(&w, SECOND_US);
    ck_assert_uint_eq(border_came_once(&w, PARENTS, 0, NUMBERS), NUMBERS);
    border_finish(&w);
}
END_TEST

/* The other thread goes on putting: here, whenever this one has sent a batch. */
static void give_more(struct border_world *w)
{
    uint8_t word[] = {0xff, 0}; /* no message of this version */
    for (uint64_t before = border_orders_lost(w); border_orders_lost(w) == before;)
        order_control(border_home(w), border_peer_of(w, PARENTS), word, sizeof word, true);
}

START_TEST(a_flood_of_orders_ends)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    give_more(&w);
    w.while_sending = give_more;
    egress_take_orders(w.egress, w.sim.now_us);
    ck_assert(!mailbox_empty(&w.orders));
    w.while_sending = NULL;

    /* What came meanwhile is still announced. */
    site_flush(border_home(&w), w.sim.now_us);
    border_take_turns(&w);
    ck_assert(mailbox_empty(&w.orders));
    border_finish(&w);
}
END_TEST

/* ---- peers that go ---- */

START_TEST(who_was_removed_gets_nothing)
{
    enum { ONE_THREAD, TWO, FULL, CASES };
    const struct mac nobody = frame_mac(0x7777); /* so it goes to all, and teaches nothing */
    for (unsigned i = 0; i < CASES; i++) {
        static struct border_world w;
        border_start(&w, false);
        if (i != ONE_THREAD)
            border_split(&w);
        if (i == FULL)
            border_fill_orders(&w, 0);
        site_remove_peer(border_home(&w), "aunt", w.sim.now_us);
        if (i == ONE_THREAD) { /* at once; its farewell is packed */
            egress_flush(&border_home(&w)->egress, w.sim.now_us);
        } else {
            site_flush(border_home(&w), w.sim.now_us);
            border_take_turns(&w);
        }
        unsigned parents = w.sent_to[PARENTS], aunt = w.sent_to[AUNT];
        for (uint32_t n = 0; n < 20; n++)
            border_send_numbered(&w, nobody, n);
        border_flush(&w);
        border_run(&w, SECOND_US);
        ck_assert_uint_gt(w.sent_to[PARENTS], parents);
        ck_assert_uint_eq(w.sent_to[AUNT], aunt);
        ck_assert_uint_eq(border_came_once(&w, PARENTS, 0, 20), 20);
        border_finish(&w);
    }
}
END_TEST

/* Nor what is for the next in its slot, even when the egress reads between two orders. */
START_TEST(a_slot_is_one_peers_at_a_time)
{
    static struct border_world w;
    border_start(&w, false);
    border_split(&w);
    border_fill_orders(&w, 0);
    struct peer *slot = border_peer_of(&w, AUNT);
    struct peer_config config = slot->config;
    site_remove_peer(border_home(&w), "aunt", w.sim.now_us);
    memcpy(config.name, "uncle", sizeof "uncle");
    config.public_key[0] ^= 1;
    site_set_peer(border_home(&w), &config, w.sim.now_us);
    ck_assert_ptr_eq(site_find_peer(border_home(&w), "uncle"), slot);

    unsigned aunt = w.sent_to[AUNT];
    uint64_t before = border_orders_lost(&w);
    uint8_t word[] = {CONTROL_SITE, 1};
    order_control(border_home(&w), slot, word, sizeof word, true);
    order_probe(border_home(&w), slot, 1, 1300);
    order_own_frame(border_home(&w), slot, word, sizeof word);
    ck_assert_uint_eq(border_orders_lost(&w), before + 3);
    site_flush(border_home(&w), w.sim.now_us);
    border_take_turns(&w);
    ck_assert_uint_eq(w.sent_to[AUNT], aunt);
    ck_assert(!egress_can_send(&w.egress->peer[peer_number(border_home(&w), slot)]));
    border_finish(&w);
}
END_TEST

START_TEST(what_was_sent_is_its_own_peers)
{
    for (unsigned told = 0; told < 2; told++) { /* the egress has noted it, or is about to */
        static struct border_world w;
        border_start(&w, false);
        border_split(&w);
        border_run(&w, SECOND_US / 10);
        struct peer *slot = border_peer_of(&w, AUNT);
        struct peer_config config = slot->config;
        border_send_numbered(&w, frame_broadcast(), 0);
        egress_flush(w.egress, w.sim.now_us);
        if (told) {
            sim_run(&w.sim, 20 * STEP_US);
            egress_flush(w.egress, w.sim.now_us);
            ck_assert_uint_eq(border_egress_peer_of(&w, AUNT)->sent.bytes, 0);
        } else {
            ck_assert_uint_gt(border_egress_peer_of(&w, AUNT)->sent.bytes, 0);
        }
        site_remove_peer(border_home(&w), "aunt", w.sim.now_us);
        memcpy(config.name, "uncle", sizeof "uncle");
        config.public_key[0] ^= 1;
        site_set_peer(border_home(&w), &config, w.sim.now_us);
        ck_assert_ptr_eq(site_find_peer(border_home(&w), "uncle"), slot);
        border_run(&w, SECOND_US / 10);
        ck_assert_uint_eq(slot->tx_frames, 0);
        ck_assert_uint_eq(slot->tx_bytes, 0);
        ck_assert(!slot->liveness.unanswered);
        ck_assert_uint_gt(border_peer_of(&w, PARENTS)->tx_frames, 0);
        border_finish(&w);
    }
}
END_TEST

SIM_MAIN("border", what_must_not_be_lost_arrives_in_the_end, a_path_is_known_whole,
         keys_are_in_one_place, a_path_comes_before_its_keys, keys_are_new_whatever_their_index,
         what_is_lost_is_counted, an_empty_mailbox_takes_what_is_small, a_flood_of_orders_ends,
         who_was_removed_gets_nothing, a_slot_is_one_peers_at_a_time,
         what_was_sent_is_its_own_peers)
