/* SPDX-License-Identifier: MIT
 *
 * check_loop.c - loop probes: conclusions, forgeries, passing on and timers as truth tables.
 *
 * check_loop_echo.c has echoes, and what is told while something opens; check_loop_networks.c has
 * whole networks.
 */
#include "loop_frames.h"

#include <stdlib.h>

/* ---- what a returning probe means ---- */

struct judge_row {
    bool hub;
    unsigned sent_to, from;
    struct {
        unsigned id, how;
    } stamp[3];
    enum loop_event_kind kind;
    unsigned port;
    bool shut_here;
};

static const struct judge_row JUDGE[] = {
    /* The LAN itself. */
    {false, LAN, LAN, {{0}}, LOOP_ON_LAN, LAN, true},
    {true, LAN, LAN, {{0}}, LOOP_ON_LAN, LAN, true},
    {false, LAN, LAN, {{HIGH, OFF}, {HIGHER, ONTO}}, LOOP_NONE, 0, false},
    /* LAN and a peer; the lowest on a LAN shuts, wherever hubs stand. */
    {false, LAN, 3, {{HIGH, OFF}}, LOOP_THROUGH_PEER, 3, true},
    {false, LAN, 3, {{LOW, OFF}}, LOOP_THROUGH_PEER, 3, false},
    {false, LAN, 3, {{HIGH, OFF}, {LOW, HUB}}, LOOP_THROUGH_PEER, 3, true},
    {false, LAN, 3, {{LOW, OFF}, {HIGH, HUB}}, LOOP_THROUGH_PEER, 3, false},
    {true, LAN, 3, {{HIGH, OFF}}, LOOP_THROUGH_PEER, 3, true},
    {false, LAN, 3, {{HIGH, OFF}, {LOW, ONTO}, {HIGHER, OFF}}, LOOP_THROUGH_PEER, 3, false},
    {false, LAN, 3, {{LOW, HUB}}, LOOP_NONE, 0, false},
    {false, 4, LAN, {{HIGH, ONTO}}, LOOP_THROUGH_PEER, 4, true},
    {false, 4, LAN, {{LOW, ONTO}}, LOOP_THROUGH_PEER, 4, false},
    {false, 4, LAN, {{LOW, HUB}, {HIGH, ONTO}}, LOOP_THROUGH_PEER, 4, true},
    {false, 4, LAN, {{0}}, LOOP_NONE, 0, false},
    /* Two peers: the link to the lower of both. */
    {false, 4, 4, {{LOW, HUB}}, LOOP_NONE, 0, false},
    {false, 4, 3, {{LOW, HUB}, {HIGH, HUB}}, LOOP_OVERLAY, 4, true},
    {false, 3, 4, {{HIGH, HUB}, {LOW, HUB}}, LOOP_OVERLAY, 4, true},
    {true, 4, 3, {{HIGH, HUB}, {HIGHER, HUB}}, LOOP_OVERLAY, 4, true},
    {true, 3, 4, {{HIGHER, HUB}, {HIGH, HUB}}, LOOP_OVERLAY, 4, true},
    {true, 4, 3, {{HIGH, HUB}, {LOW, HUB}}, LOOP_NONE, 0, false},
    {true, 4, 3, {{HIGH, HUB}, {LOW, HUB}, {HIGHER, HUB}}, LOOP_NONE, 0, false},
    {true, 4, 3, {{HIGH, ONTO}, {HIGHER, OFF}}, LOOP_NONE, 0, false},
    {false, 4, 3, {{HIGH, ONTO}, {HIGHER, OFF}}, LOOP_NONE, 0, false}, /* an echo: not yet */
};

START_TEST(concludes_as_the_table_says)
{
    const struct judge_row *row = &JUDGE[_i];
    struct loop l;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES];
    unsigned last = 0;

    init(&l, ME, row->hub, START_US);
    ck_assert_uint_eq(loop_build(&l, (uint16_t)row->sent_to, frame, sizeof frame, START_US),
                      LOOP_PROBE_BYTES);
    loop_sent(&l, START_US);
    for (unsigned i = 0; i < 3 && row->stamp[i].id != 0; i++)
        stamp(frame, last = row->stamp[i].id, row->stamp[i].how);

    ck_assert_int_eq(receive(&l, frame, row->from, last, &event, START_US + 1000), LOOP_CONSUME);
    ck_assert_int_eq(event.kind, row->kind);
    ck_assert(event.shut_here == row->shut_here);
    if (row->kind != LOOP_NONE)
        ck_assert_uint_eq(event.port, row->port);
    bool port = row->kind == LOOP_ON_LAN || row->kind == LOOP_THROUGH_PEER;
    ck_assert(loop_site_shut(&l) == (port && row->shut_here));
    for (uint16_t i = 0; i < LOOP_PEERS_MAX; i++)
        ck_assert(loop_peer_shut(&l, i) == (row->kind == LOOP_OVERLAY && i == row->port));

    /* The same again is no news. */
    receive(&l, frame, row->from, last, &event, START_US + 2000);
    ck_assert_int_eq(event.kind, LOOP_NONE);
}
END_TEST

/* ---- what is not believed ---- */

static void flip_origin(uint8_t *f)
{
    f[18 + 7] ^= 1;
}
static void flip_nonce(uint8_t *f)
{
    f[26 + 7] ^= 3;
}
static void flip_sent_to(uint8_t *f)
{
    f[35] ^= 1;
}
static void flip_flags(uint8_t *f)
{
    f[36] ^= 1;
}
static void flip_tag(uint8_t *f)
{
    f[38] ^= 0x80;
}
static void too_many(uint8_t *f)
{
    f[37] = LOOP_STAMPS_MAX + 1;
}
static void nothing(uint8_t *f)
{
    (void)f;
}

struct forged_row {
    void (*change)(uint8_t *frame);
    uint64_t age_us;
    unsigned by; /* the peer that brings it */
    bool believed;
};

static const struct forged_row FORGED[] = {
    {nothing, 1000, HIGH, true},
    {nothing, LOOP_FRESH_US, HIGH, true},
    {nothing, LOOP_FRESH_US + 1, HIGH, false},
    {nothing, 1000, HIGHER, false}, /* not the one who stamped it last */
    {flip_origin, 1000, HIGH, false},
    {flip_nonce, 1000, HIGH, false},
    {flip_sent_to, 1000, HIGH, false},
    {flip_flags, 1000, HIGH, false},
    {flip_tag, 1000, HIGH, false},
    {too_many, 1000, HIGH, false},
};

START_TEST(believes_only_its_own_fresh_probes)
{
    const struct forged_row *row = &FORGED[_i];
    struct loop l;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES] = {0}, other[LOOP_PROBE_BYTES] = {0};

    init(&l, ME, false, START_US);
    for (unsigned i = 0; i < 4; i++) { /* so that a flipped nonce is that of a round, too */
        loop_build(&l, LAN, i == 2 ? frame : other, sizeof frame, START_US);
        loop_sent(&l, START_US);
    }
    stamp(frame, HIGH, OFF);
    row->change(frame);
    receive(&l, frame, 3, row->by, &event, START_US + row->age_us);
    ck_assert(loop_site_shut(&l) == row->believed);
}
END_TEST

START_TEST(forgets_rounds_that_are_long_past)
{
    struct loop l;
    struct loop_event event;
    uint8_t first[LOOP_PROBE_BYTES], other[LOOP_PROBE_BYTES];
    init(&l, ME, false, START_US);
    loop_build(&l, LAN, first, sizeof first, START_US);
    loop_sent(&l, START_US);
    for (unsigned i = 0; i < LOOP_ROUNDS; i++) {
        loop_build(&l, LAN, other, sizeof other, START_US);
        loop_sent(&l, START_US);
    }
    receive(&l, first, LAN, 0, &event, START_US);
    ck_assert(!loop_site_shut(&l)); /* its place in the memory of rounds is another's */
    receive(&l, other, LAN, 0, &event, START_US);
    ck_assert(loop_site_shut(&l));
}
END_TEST

/* Our probe shows nothing about another run of ours, with its other secret. */
START_TEST(disbelieves_a_former_run)
{
    struct loop l;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES], id[LOOP_ID_BYTES], secret[LOOP_SECRET_BYTES] = {1};
    init(&l, ME, false, START_US);
    loop_build(&l, LAN, frame, sizeof frame, START_US);
    id_of(ME, id);
    loop_init(&l, id, false, secret, &TAP, START_US);
    uint8_t again[LOOP_PROBE_BYTES];
    loop_build(&l, LAN, again, sizeof again, START_US);
    receive(&l, frame, LAN, 0, &event, START_US);
    ck_assert(!loop_site_shut(&l));
    receive(&l, again, LAN, 0, &event, START_US);
    ck_assert(loop_site_shut(&l));
}
END_TEST

START_TEST(recognises_a_probe)
{
    struct loop l;
    uint8_t frame[LOOP_PROBE_BYTES];
    init(&l, ME, false, START_US);
    ck_assert_uint_eq(loop_build(&l, LAN, frame, sizeof frame - 1, START_US), 0);
    ck_assert_uint_eq(loop_build(&l, LOOP_PEERS_MAX, frame, sizeof frame, START_US), 0);
    ck_assert_uint_eq(loop_build(&l, LAN, frame, sizeof frame, START_US), LOOP_PROBE_BYTES);
    ck_assert(mac_is_group(&(struct mac){{frame[0]}}));
    ck_assert_mem_eq(frame + 6, TAP.octet, 6);

    struct packet p = packet_of(frame, sizeof frame);
    ck_assert(loop_is_probe(&p));
    p.vlan_tags = 1;
    ck_assert(!loop_is_probe(&p));
    p = packet_of(frame, 17);
    ck_assert(!loop_is_probe(&p));
    p = packet_of(frame, sizeof frame);
    p.ether_type = 0x88b6;
    ck_assert(!loop_is_probe(&p));
    for (size_t at = 0; at < 18; at += 5) { /* destination and magic; the source may be any */
        frame[at] ^= 4;
        p = packet_of(frame, sizeof frame);
        ck_assert(loop_is_probe(&p) == (at == 10));
        frame[at] ^= 4;
    }

    /* A truncated one is consumed, not read. */
    struct loop_event event;
    uint8_t out[LOOP_PROBE_BYTES];
    size_t out_bytes = 9;
    bool to_lan = true;
    for (size_t bytes = 18; bytes < sizeof frame; bytes++) {
        uint8_t *exact = malloc(bytes); /* for the sanitizer's eyes */
        memcpy(exact, frame, bytes);
        p = packet_of(exact, bytes);
        ck_assert(loop_is_probe(&p));
        ck_assert_int_eq(
            loop_receive(&l, &p, LAN, NULL, out, sizeof out, &out_bytes, &to_lan, &event, START_US),
            LOOP_CONSUME);
        ck_assert(out_bytes == 0 && !to_lan && event.kind == LOOP_NONE && !loop_site_shut(&l));
        free(exact);
    }
}
END_TEST

/* What is left away in the tunnel can be put back. */
START_TEST(is_as_long_as_its_stamps)
{
    struct loop l;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES], stamped[LOOP_PROBE_BYTES], back[LOOP_PROBE_BYTES] = {0};
    size_t bytes;
    bool to_lan;
    init(&l, HIGH, false, START_US);
    loop_build(&l, LAN, frame, sizeof frame, START_US);
    ck_assert_uint_eq(loop_used_bytes(frame), LOOP_PROBE_BYTES - 8 * LOOP_STAMP_BYTES);
    memcpy(back, frame, loop_used_bytes(frame));
    ck_assert_mem_eq(back, frame, sizeof frame);

    init(&l, ME, false, START_US);
    struct packet p = packet_of(back, sizeof back);
    ck_assert_int_eq(
        loop_receive(&l, &p, LAN, NULL, stamped, sizeof stamped, &bytes, &to_lan, &event, START_US),
        LOOP_FORWARD);
    ck_assert_uint_eq(loop_used_bytes(stamped), LOOP_PROBE_BYTES - 7 * LOOP_STAMP_BYTES);
}
END_TEST

/* ---- passing on others' probes ---- */

struct pass_row {
    bool hub, port_shut, link_shut;
    unsigned from; /* LAN, or 3: the peer HIGH */
    bool lans;
    unsigned to_peers, to_lan; /* the stamp expected, 0: not passed that way */
};

static const struct pass_row PASS[] = {
    {false, false, false, LAN, true, OFF, 0},
    {true, false, false, LAN, true, OFF, 0},
    {false, true, false, LAN, true, OFF | SHUT, 0},
    {false, false, false, 3, true, 0, ONTO},
    {false, false, false, 3, false, 0, 0},
    {true, false, false, 3, true, HUB, ONTO},
    {true, false, false, 3, false, HUB, 0},
    {true, true, false, 3, true, HUB, ONTO | SHUT},
    {true, false, true, 3, true, HUB | SHUT, ONTO | SHUT},
    {true, true, true, LAN, true, OFF | SHUT, 0},
};

START_TEST(passes_on_as_a_broadcast)
{
    const struct pass_row *row = &PASS[_i];
    struct loop l, other;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES], out[LOOP_PROBE_BYTES], id[LOOP_ID_BYTES];
    size_t out_bytes = 0;
    bool to_lan = false;

    init(&l, ME, row->hub, START_US);
    l.port = (struct loop_shut){.shut = row->port_shut, .open_us = UINT64_MAX};
    l.link[3].shut = (struct loop_shut){.shut = row->link_shut, .open_us = UINT64_MAX};
    init(&other, HIGH, false, START_US - 1);
    other.quick_until_us = 0;
    loop_build(&other, row->lans ? LAN : 7, frame, sizeof frame, START_US);
    id_of(HIGH, id);

    struct packet p = packet_of(frame, sizeof frame);
    enum loop_verdict verdict =
        loop_receive(&l, &p, (uint16_t)row->from, row->from == LAN ? NULL : id, out, sizeof out,
                     &out_bytes, &to_lan, &event, START_US);
    ck_assert_int_eq(verdict, row->to_peers || row->to_lan ? LOOP_FORWARD : LOOP_CONSUME);
    ck_assert_uint_eq(out_bytes, row->to_peers ? LOOP_PROBE_BYTES : 0);
    ck_assert(to_lan == (row->to_lan != 0));
    id_of(ME, id);
    if (row->to_peers) {
        ck_assert_uint_eq(out[37], 1);
        ck_assert_mem_eq(out + 54, id, sizeof id);
        ck_assert_uint_eq(out[54 + 8], row->to_peers);
    }
    ck_assert_uint_eq(frame[37], row->to_lan ? 1 : 0);
    if (row->to_lan)
        ck_assert_uint_eq(frame[54 + 8], row->to_lan);
}
END_TEST

START_TEST(drops_what_went_far_enough)
{
    struct loop l, other;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES];
    init(&l, ME, true, START_US);
    init(&other, HIGH, false, START_US);
    loop_build(&other, LAN, frame, sizeof frame, START_US);
    for (unsigned n = 0; n < LOOP_STAMPS_MAX - 1; n++)
        stamp(frame, 100 + n, HUB);
    uint8_t full[LOOP_PROBE_BYTES], mine[LOOP_PROBE_BYTES];
    memcpy(full, frame, sizeof full);
    memcpy(mine, frame, sizeof mine);
    stamp(full, HIGHER, HUB);
    id_of(ME, mine + 54 + 2 * LOOP_STAMP_BYTES);
    ck_assert_int_eq(receive(&l, full, LAN, 0, &event, START_US), LOOP_CONSUME);
    ck_assert_int_eq(receive(&l, mine, LAN, 0, &event, START_US), LOOP_CONSUME);
    ck_assert_int_eq(receive(&l, frame, LAN, 0, &event, START_US), LOOP_FORWARD);
}
END_TEST

START_TEST(limits_what_it_passes_on_but_not_its_own)
{
    struct loop l, other;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES], own[LOOP_PROBE_BYTES];
    init(&l, ME, true, START_US);
    init(&other, HIGH, false, START_US);
    loop_build(&other, LAN, frame, sizeof frame, START_US);
    loop_build(&l, LAN, own, sizeof own, START_US);
    unsigned passed = 0;
    for (uint64_t us = 0; us < 10 * SECOND_US; us += 100) /* 10,000/s */
        passed += receive(&l, frame, LAN, 0, &event, START_US + us) == LOOP_FORWARD;
    ck_assert_uint_ge(passed, 10 * 250);
    ck_assert_uint_le(passed, 11 * 250);
    loop_build(&l, LAN, own, sizeof own, START_US + 10 * SECOND_US);
    receive(&l, own, LAN, 0, &event, START_US + 10 * SECOND_US);
    ck_assert(loop_site_shut(&l));
}
END_TEST

/* A peer that sends what looks like a probe of ours, and another's probes, as fast as it can. */
START_TEST(a_flood_from_one_peer_hides_no_loop_elsewhere)
{
    struct loop l, other;
    struct loop_event event;
    uint8_t own[LOOP_PROBE_BYTES], forged[LOOP_PROBE_BYTES], frame[LOOP_PROBE_BYTES];
    uint8_t flood[LOOP_PROBE_BYTES];
    init(&l, ME, true, START_US);
    init(&other, HIGHER, false, START_US);
    loop_build(&other, LAN, frame, sizeof frame, START_US);
    memcpy(flood, frame, sizeof flood);
    stamp(flood, HIGH, HUB);
    loop_build(&l, LAN, own, sizeof own, START_US);
    memcpy(forged, own, sizeof forged);
    flip_tag(forged);
    stamp(forged, HIGH, OFF);
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t copy[LOOP_PROBE_BYTES];
        memcpy(copy, flood, sizeof copy);
        receive(&l, forged, 3, HIGH, &event, START_US);
        receive(&l, copy, 3, HIGH, &event, START_US);
    }
    ck_assert_int_eq(receive(&l, flood, 3, HIGH, &event, START_US), LOOP_CONSUME);
    ck_assert_int_eq(receive(&l, frame, 4, HIGHER, &event, START_US), LOOP_FORWARD);
    ck_assert(!loop_site_shut(&l));
    receive(&l, own, LAN, 0, &event, START_US);
    ck_assert(loop_site_shut(&l));
}
END_TEST

/* ---- schedule and timers ---- */

static unsigned rounds_until(struct loop *l, uint64_t *now_us, uint64_t until_us)
{
    unsigned rounds = 0;
    while (loop_deadline_us(l) < until_us) {
        struct loop_event event;
        *now_us = loop_deadline_us(l);
        loop_tick(l, *now_us, &event);
        if (loop_due(l, *now_us)) {
            loop_sent(l, *now_us);
            rounds++;
        }
    }
    *now_us = until_us;
    return rounds;
}

START_TEST(probes_quickly_then_slowly_and_at_a_hint)
{
    struct loop l;
    uint64_t now_us = START_US;
    init(&l, ME, false, now_us);
    ck_assert(loop_due(&l, now_us));
    ck_assert_uint_eq(rounds_until(&l, &now_us, START_US + 10 * SECOND_US), 40);
    ck_assert_uint_eq(rounds_until(&l, &now_us, START_US + 70 * SECOND_US), 60);
    loop_link_changed(&l, now_us);
    ck_assert_uint_eq(rounds_until(&l, &now_us, START_US + 80 * SECOND_US), 40);
    rounds_until(&l, &now_us, START_US + 90 * SECOND_US);

    unsigned rounds = 0;
    for (unsigned ms = 0; ms < 1000; ms++, now_us += 1000) {
        loop_hint(&l, now_us);
        if (loop_due(&l, now_us)) {
            loop_sent(&l, now_us);
            rounds++;
        }
    }
    ck_assert_uint_eq(rounds, 20);
}
END_TEST

/* Only a quarter of the slow probes to peers go on into their LANs. */
START_TEST(spares_the_lans)
{
    struct loop l;
    uint8_t frame[LOOP_PROBE_BYTES];
    uint64_t now_us = START_US;
    unsigned flagged = 0;
    init(&l, ME, false, now_us);
    for (unsigned i = 0; i < 40; i++, now_us += LOOP_QUICK_US) {
        loop_build(&l, 3, frame, sizeof frame, now_us);
        loop_sent(&l, now_us);
        ck_assert_uint_eq(frame[36], LOOP_FLAG_LANS);
    }
    for (unsigned i = 0; i < 40; i++, now_us += SECOND_US) {
        loop_build(&l, LAN, frame, sizeof frame, now_us);
        ck_assert_uint_eq(frame[36], LOOP_FLAG_LANS);
        loop_build(&l, 3, frame, sizeof frame, now_us);
        loop_sent(&l, now_us);
        flagged += frame[36];
    }
    ck_assert_uint_eq(flagged, 10);
    l.link[3].shut.shut = true;
    for (unsigned i = 0; i < 4; i++) {
        loop_build(&l, 4, frame, sizeof frame, now_us);
        loop_sent(&l, now_us);
        ck_assert_uint_eq(frame[36], LOOP_FLAG_LANS);
    }
}
END_TEST

/* A loop on the LAN is proved now; returns when the port is open again, with nothing else due. */
static uint64_t prove_and_wait(struct loop *l, uint64_t now_us)
{
    uint8_t frame[LOOP_PROBE_BYTES];
    struct loop_event event;
    loop_build(l, LAN, frame, sizeof frame, now_us);
    loop_sent(l, now_us);
    receive(l, frame, LAN, 0, &event, now_us);
    ck_assert_int_eq(event.kind, LOOP_ON_LAN);
    while (loop_site_shut(l)) {
        now_us = loop_deadline_us(l);
        loop_tick(l, now_us, &event);
        if (loop_due(l, now_us))
            loop_sent(l, now_us);
    }
    ck_assert(event.kind == LOOP_REOPENED && event.port == LOOP_LAN);
    loop_tick(l, now_us, &event);
    ck_assert_int_eq(event.kind, LOOP_NONE);
    return now_us;
}

START_TEST(reopens_after_silence_and_a_growing_hold_down)
{
    static const struct {
        uint64_t pause_s, shut_for_s;
    } ROW[] = {{0, 3 + 2},  {1, 3 + 4},  {599, 3 + 8}, {5, 3 + 16}, {5, 3 + 32},
               {5, 3 + 60}, {5, 3 + 60}, {600, 3 + 2}, {0, 3 + 4}};
    struct loop l;
    uint64_t now_us = START_US;
    init(&l, ME, false, now_us);
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        now_us += ROW[i].pause_s * SECOND_US;
        uint64_t open_us = prove_and_wait(&l, now_us);
        ck_assert_msg(open_us - now_us == ROW[i].shut_for_s * SECOND_US, "row %zu: %.6f s", i,
                      (double)(open_us - now_us) / 1e6);
        now_us = open_us;
    }
}
END_TEST

static void prove_overlay(struct loop *l, uint64_t now_us)
{
    uint8_t frame[LOOP_PROBE_BYTES];
    struct loop_event event;
    loop_build(l, 1, frame, sizeof frame, now_us);
    loop_sent(l, now_us);
    stamp(frame, LOW, HUB);
    stamp(frame, HIGH, HUB);
    receive(l, frame, 2, HIGH, &event, now_us);
}

/* The link to LOW (1) is shut for the one to HIGH (2). */
START_TEST(a_peer_that_goes_ends_what_was_for_it)
{
    struct loop l;
    struct loop_event event;
    init(&l, ME, false, START_US);
    prove_overlay(&l, START_US);
    prove_overlay(&l, START_US + SECOND_US);
    ck_assert(loop_peer_shut(&l, 1));

    loop_peer_gone(&l, 7, START_US + SECOND_US);
    loop_tick(&l, START_US + SECOND_US + LOOP_SILENCE_US, &event);
    ck_assert_int_eq(event.kind, LOOP_NONE);
    loop_peer_gone(&l, 2, START_US + SECOND_US);
    loop_tick(&l, START_US + SECOND_US + LOOP_SILENCE_US - 1, &event);
    ck_assert_int_eq(event.kind, LOOP_NONE);
    loop_tick(&l, START_US + SECOND_US + LOOP_SILENCE_US, &event);
    ck_assert(event.kind == LOOP_REOPENED && event.port == 1 && !loop_peer_shut(&l, 1));

    /* It is there again: twice the hold-down. Then the shut link itself goes: it is open. */
    uint64_t now_us = START_US + 20 * SECOND_US;
    prove_overlay(&l, now_us);
    loop_tick(&l, now_us + LOOP_SILENCE_US + 2 * LOOP_HOLD_FIRST_US - 1, &event);
    ck_assert_int_eq(event.kind, LOOP_NONE);
    ck_assert(loop_peer_shut(&l, 1));
    loop_peer_gone(&l, 1, now_us);
    ck_assert(!loop_peer_shut(&l, 1));
    loop_peer_gone(&l, LOOP_PEERS_MAX, now_us);
}
END_TEST

/* ---- main ---- */

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    Suite *suite = suite_create("loop");
    TCase *rules = tcase_create("rules");
    tcase_add_loop_test(rules, concludes_as_the_table_says, 0, sizeof JUDGE / sizeof JUDGE[0]);
    tcase_add_loop_test(rules, believes_only_its_own_fresh_probes, 0,
                        sizeof FORGED / sizeof FORGED[0]);
    tcase_add_test(rules, forgets_rounds_that_are_long_past);
    tcase_add_test(rules, disbelieves_a_former_run);
    tcase_add_test(rules, recognises_a_probe);
    tcase_add_test(rules, is_as_long_as_its_stamps);
    tcase_add_loop_test(rules, passes_on_as_a_broadcast, 0, sizeof PASS / sizeof PASS[0]);
    tcase_add_test(rules, drops_what_went_far_enough);
    tcase_add_test(rules, limits_what_it_passes_on_but_not_its_own);
    tcase_add_test(rules, a_flood_from_one_peer_hides_no_loop_elsewhere);
    tcase_add_test(rules, probes_quickly_then_slowly_and_at_a_hint);
    tcase_add_test(rules, spares_the_lans);
    tcase_add_test(rules, reopens_after_silence_and_a_growing_hold_down);
    tcase_add_test(rules, a_peer_that_goes_ends_what_was_for_it);
    suite_add_tcase(suite, rules);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
