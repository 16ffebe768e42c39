/* SPDX-License-Identifier: MIT
 *
 * check_pieces.c - reassembly attacked by somebody who was let in: pieces without end, overlapping
 * ones, pieces of another peer's frames or of another session's. Memory stays what it was, all of
 * it is counted, and the frames of others come whole. To be that peer, the tests reach into its
 * site and seal by its session what no packer of ours would make.
 */
#include "run.h"

#include "../unit/frames.h"
#include "net.h"
#include "site/private.h"

#include <string.h>

enum { US, HOSTILE, FRIEND, PIECE_BYTES = 600, FRAME_BYTES = 2 * PIECE_BYTES };

#define MS        UINT64_C(1000)
#define SECOND_US UINT64_C(1000000)

/* Frames that entered our LAN, by the node their source says. */
struct world {
    struct sim sim;
    unsigned came[3], spoiled;
};

/* A frame of @node's host to everybody: EtherType, number, then a pattern of both. */
static void make_frame(unsigned node, uint16_t number, uint8_t *frame, size_t bytes)
{
    const uint8_t head[14] = {2, 0, 0, 0, 1, US, 2, 0, 0, 0, 1, (uint8_t)node, 0x88, 0xb6};
    memcpy(frame, head, sizeof head);
    store_be16(frame + 14, number);
    for (size_t i = 16; i < bytes; i++)
        frame[i] = (uint8_t)(node * 101u + number * 31u + i * 7u + (i >> 8));
}

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct world *w = sim->context;
    uint8_t want[REASSEMBLY_FRAME_MAX_BYTES];
    if (node != US || bytes < 60 || load_be16(frame + 12) != 0x88b6 || frame[11] == US)
        return;
    unsigned from = frame[11] <= FRIEND ? frame[11] : HOSTILE;
    make_frame(from, load_be16(frame + 14), want, bytes);
    if (memcmp(frame, want, bytes) != 0)
        w->spoiled++;
    else
        w->came[from]++;
}

static void begin(struct world *w)
{
    static const char *const names[] = {"us", "hostile", "friend"};
    memset(w, 0, sizeof *w);
    sim_begin(&w->sim, 11);
    w->sim.context = w;
    w->sim.on_lan = on_lan;
    for (unsigned n = US; n <= FRIEND; n++) {
        sim_add(&w->sim, names[n]);
        sim_start(&w->sim, n, NULL);
    }
    for (unsigned n = HOSTILE; n <= FRIEND; n++) {
        sim_peer(&w->sim, US, n, false);
        sim_peer(&w->sim, n, US, true);
        ck_assert(sim_run_until_up(&w->sim, US, n, 5 * SECOND_US));
    }
    uint8_t hello[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, US, 0x88, 0xb6};
    sim_send(&w->sim, US, hello, sizeof hello); /* our host becomes known */
    sim_run(&w->sim, 2 * SECOND_US);
}

/* What @node has of us, and what we have of it. */
static struct peer *of_us(struct world *w, unsigned node)
{
    return site_find_peer(w->sim.node[node].site, "us");
}

static struct peer *ours(struct world *w, unsigned node)
{
    return site_find_peer(w->sim.node[US].site, w->sim.node[node].name);
}

static const struct site_counters *counters(struct world *w)
{
    return site_counters(w->sim.node[US].site);
}

static unsigned slots_in_use(const struct reassembly *r)
{
    unsigned count = 0;
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        count += r->slot[i].state != REASSEMBLY_FREE;
    return count;
}

static struct sealer *sealer_of(struct world *w, unsigned node)
{
    return &w->sim.node[node]
                .site->egress.peer[peer_number(w->sim.node[node].site, of_us(w, node))]
                .sealer;
}

/* One piece, sealed by @sealer of @node's, or the one in use. */
static void send_piece(struct world *w, unsigned node, struct sealer *sealer, uint16_t id,
                       size_t offset, size_t total, const uint8_t *frame, size_t bytes)
{
    struct peer *us = of_us(w, node);
    uint8_t datagram[OUTER_PACKET_MAX_BYTES];
    struct packer packer;
    packer_init(&packer, datagram + DATA_HEADER_BYTES, 1400);
    ck_assert(
        packer_add_fragment(&packer, id, (uint16_t)offset, (uint16_t)total, frame + offset, bytes));
    size_t sealed = sealer_seal(sealer ? sealer : sealer_of(w, node), datagram, packer.used);
    site_transmit_now(w->sim.node[node].site, &us->endpoint, datagram, sealed);
}

static void send_half(struct world *w, unsigned node, struct sealer *sealer, uint16_t id,
                      unsigned half)
{
    uint8_t frame[FRAME_BYTES];
    make_frame(node, id, frame, sizeof frame);
    send_piece(w, node, sealer, id, half * PIECE_BYTES, sizeof frame, frame, PIECE_BYTES);
}

/* As any host behind the friend does. */
static void friend_sends(struct world *w, uint16_t number, size_t bytes)
{
    uint8_t frame[REASSEMBLY_FRAME_MAX_BYTES];
    make_frame(FRIEND, number, frame, bytes);
    sim_send(&w->sim, FRIEND, frame, bytes);
}

static void end(struct world *w)
{
    ck_assert_uint_eq(w->spoiled, 0);
    for (unsigned n = HOSTILE; n <= FRIEND; n++)
        ck_assert(sim_is_up(&w->sim, US, n));
    sim_end(&w->sim);
}

START_TEST(pieces_without_end_fill_their_own_slots_only)
{
    enum { FLOOD = 60000, FRAMES = 600 };
    struct world w;
    begin(&w);
    /* All the memory there is for it, whatever comes. */
    ck_assert_uint_le(sizeof(struct reassembly),
                      REASSEMBLY_SLOTS * (REASSEMBLY_FRAME_MAX_BYTES + 512) + 64);
    for (unsigned i = 0; i < FLOOD; i++) {
        uint8_t frame[REASSEMBLY_FRAME_MAX_BYTES] = {0};
        size_t total =
            PIECE_BYTES + 1 + (size_t)(sim_random(&w.sim) % (sizeof frame - PIECE_BYTES));
        send_piece(&w, HOSTILE, NULL, (uint16_t)i, 0, total, frame, PIECE_BYTES);
        if (i % (FLOOD / FRAMES) == 0)
            friend_sends(&w, (uint16_t)i, i % 200 ? 1514 : 9000);
        if (i % 10 == 0)
            sim_run(&w.sim, MS);
        ck_assert_uint_le(slots_in_use(&ours(&w, HOSTILE)->reassembly), REASSEMBLY_SLOTS);
    }
    sim_run(&w.sim, 200 * MS);
    const struct reassembly *r = &ours(&w, HOSTILE)->reassembly;
    const struct site_counters *c = site_counters(w.sim.node[US].site);
    ck_assert_uint_eq(slots_in_use(r), REASSEMBLY_SLOTS);
    ck_assert_uint_eq(c->reassembly_expired + r->expired, FLOOD - REASSEMBLY_SLOTS);
    ck_assert_uint_eq(w.came[FRIEND], FRAMES);
    ck_assert_uint_eq(w.came[HOSTILE], 0);

    /* It stops: what it began is given up, and it may behave again. */
    sim_run(&w.sim, 10 * SECOND_US);
    ck_assert_uint_eq(slots_in_use(r), 0);
    ck_assert_uint_eq(c->reassembly_expired, FLOOD); /* none of them FRIEND's */
    ck_assert_uint_eq(c->reassembled, FRAMES);       /* all of them FRIEND's */
    ck_assert_uint_eq(c->reassembly_discarded, 0);
    send_half(&w, HOSTILE, NULL, 5, 0);
    send_half(&w, HOSTILE, NULL, 5, 1);
    sim_run(&w.sim, 50 * MS);
    ck_assert_uint_eq(w.came[HOSTILE], 1);
    end(&w);
}
END_TEST

START_TEST(overlapping_pieces_are_refused_and_counted)
{
    static const struct {
        size_t offset, total, bytes;
    } then[] = {/* after [0, 600) of 1200: wrong, each of them */
                {0, 1200, 600},   {1, 1200, 599},   {0, 1200, 1200},
                {599, 1200, 601}, {300, 1200, 600}, {600, 1201, 600},
                {600, 1300, 600}, {1100, 1200, 10}, {600, 1200, 100}};
    enum { ROWS = sizeof then / sizeof *then, ROUNDS = 500 };
    struct world w;
    begin(&w);
    uint64_t before = counters(&w)->reassembly_discarded;
    for (unsigned i = 0; i < ROWS * ROUNDS; i++) {
        uint8_t frame[2 * FRAME_BYTES];
        make_frame(HOSTILE, (uint16_t)i, frame, sizeof frame);
        send_half(&w, HOSTILE, NULL, (uint16_t)i, 0);
        send_piece(&w, HOSTILE, NULL, (uint16_t)i, then[i % ROWS].offset, then[i % ROWS].total,
                   frame, then[i % ROWS].bytes);
        send_half(&w, HOSTILE, NULL, (uint16_t)i, 1); /* what is refused stays refused */
        send_half(&w, HOSTILE, NULL, (uint16_t)i, 0);
        friend_sends(&w, (uint16_t)i, 1514);
        sim_run(&w.sim, 20 * MS);
    }
    sim_run(&w.sim, 2 * SECOND_US);
    ck_assert_uint_eq(counters(&w)->reassembly_discarded - before, ROWS * ROUNDS);
    ck_assert_uint_eq(w.came[HOSTILE], 0);
    ck_assert_uint_eq(w.came[FRIEND], ROWS * ROUNDS);
    end(&w);
}
END_TEST

START_TEST(another_peers_piece_completes_nothing)
{
    struct world w;
    begin(&w);
    for (uint16_t id = 1; id <= 200; id++) {
        /* The friend's first half, and a second half of that number by the hostile one. */
        send_half(&w, FRIEND, NULL, id, id % 2);
        sim_run(&w.sim, 20 * MS);
        send_half(&w, HOSTILE, NULL, id, 1 - id % 2);
        sim_run(&w.sim, 20 * MS);
        ck_assert_uint_eq(w.came[FRIEND] + w.came[HOSTILE], id - 1u);
        /* Nor does it spoil the friend's. */
        send_half(&w, FRIEND, NULL, id, 1 - id % 2);
        sim_run(&w.sim, 20 * MS);
        ck_assert_uint_eq(w.came[FRIEND], id);
        ck_assert_uint_eq(w.came[HOSTILE], 0);
    }
    ck_assert_uint_eq(counters(&w)->reassembly_discarded, 0);
    end(&w);
}
END_TEST

START_TEST(another_sessions_piece_completes_nothing)
{
    struct world w;
    begin(&w);
    struct peer *us = of_us(&w, HOSTILE);
    uint32_t index = us->current->local_index;
    struct sealer old = {0};
    for (unsigned i = 0; i < 200 && us->current->local_index == index; i++) {
        old = *sealer_of(&w, HOSTILE);
        sim_run(&w.sim, SECOND_US); /* until they have a new key */
    }
    old.counter += 1000; /* it was used meanwhile */
    ck_assert_ptr_nonnull(us->previous);
    ck_assert_uint_ne(us->current->local_index, index);
    for (uint16_t id = 1; id <= 50; id++) {
        struct sealer *first = id % 2 ? &old : NULL, *second = id % 2 ? NULL : &old;
        ck_assert_ptr_nonnull(us->previous);
        send_half(&w, HOSTILE, first, id, 0);
        sim_run(&w.sim, 20 * MS);
        send_half(&w, HOSTILE, second, id, 1);
        sim_run(&w.sim, 20 * MS);
        ck_assert_uint_eq(w.came[HOSTILE], 0);
    }
    /* Both sessions are good: it was the mixing. */
    send_half(&w, HOSTILE, &old, 100, 0);
    send_half(&w, HOSTILE, &old, 100, 1);
    send_half(&w, HOSTILE, NULL, 101, 0);
    send_half(&w, HOSTILE, NULL, 101, 1);
    sim_run(&w.sim, 20 * MS);
    ck_assert_uint_eq(w.came[HOSTILE], 2);
    end(&w);
}
END_TEST

SIM_MAIN("pieces", pieces_without_end_fill_their_own_slots_only,
         overlapping_pieces_are_refused_and_counted, another_peers_piece_completes_nothing,
         another_sessions_piece_completes_nothing)
