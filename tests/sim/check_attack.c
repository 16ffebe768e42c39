/* SPDX-License-Identifier: MIT
 *
 * check_attack.c - what an attacker on the wire can do: replay, cut, flip bits, flood. Each is
 * counted and none of it reaches a LAN, disturbs a session or makes us answer with more than came.
 */
#include "ledger.h"
#include "run.h"

#include "bytes.h"
#include "crypto/cookie.h"
#include "site/private.h" /* to be a peer that does what no site does */
#include "wire.h"

#include <string.h>

enum { RECORDED_MAX = 4096 };

struct tape {
    struct ledger ledger; /* first: sim->context is a ledger for its hook */
    struct {
        unsigned from;
        size_t bytes;
        uint8_t data[1500];
    } record[RECORDED_MAX];
    unsigned recorded;
    size_t sent_to_stranger_bytes;
    bool second_never_calls; /* its initiations are cut */
    bool hold;               /* what the first sends is recorded, but does not go on */
};

static const struct endpoint stranger = {.address = {IP_V4, {198, 51, 100, 66}}, .port = 4444};

static bool record(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    struct tape *tape = sim->context;
    if (tape->second_never_calls && from == 1 && data[0] == WIRE_INITIATION)
        return false;
    if (to->address.octet[0] == stranger.address.octet[0])
        tape->sent_to_stranger_bytes += *bytes;
    /* What the path does not carry (a probe for its MTU) nobody overhears at its end. */
    bool passes = *bytes + IPV4_HEADER_BYTES + UDP_HEADER_BYTES <= sizeof tape->record[0].data;
    if (tape->recorded < RECORDED_MAX && passes) {
        tape->record[tape->recorded].from = from;
        tape->record[tape->recorded].bytes = *bytes;
        memcpy(tape->record[tape->recorded++].data, data, *bytes);
    }
    return !tape->hold || from != 0;
}

static uint64_t refused(const struct site_counters *c)
{
    return c->auth_failed + c->malformed + c->unknown_index + c->replay_dropped +
           c->handshakes_refused;
}

static struct tape *begin(struct sim *sim)
{
    sim_begin(sim, 42);
    struct ledger *ledger = ledger_new(sim);
    struct tape *tape = calloc(1, sizeof *tape);
    ck_assert_ptr_nonnull(tape);
    tape->ledger = *ledger;
    free(ledger);
    sim->context = tape;
    sim->on_wan = record;
    for (unsigned n = 0; n < 2; n++) {
        sim_add(sim, n ? "parents" : "home");
        sim_start(sim, n, NULL);
    }
    sim_peer(sim, 0, 1, true);
    sim_peer(sim, 1, 0, true);
    ck_assert(sim_run_until_up(sim, 0, 1, 5000000));
    ledger_greet(&tape->ledger);
    for (unsigned i = 0; i < 200; i++) {
        ledger_send(&tape->ledger, 0, 1, 100 + 10 * i);
        sim_run(sim, 5000);
    }
    return tape;
}

static void assert_undisturbed(struct sim *sim, struct tape *tape)
{
    ck_assert(sim_is_up(sim, 0, 1) && sim_is_up(sim, 1, 0));
    for (unsigned i = 0; i < 50; i++) {
        ledger_send(&tape->ledger, 0, 1, 300);
        ledger_send(&tape->ledger, 1, 0, 300);
        sim_run(sim, 5000);
    }
    sim_run(sim, 1000000);
    for (unsigned a = 0; a < 2; a++) {
        ck_assert_uint_eq(tape->ledger.flow[a][1 - a].repeated, 0);
        ck_assert_uint_eq(tape->ledger.flow[a][1 - a].spoiled, 0);
        ck_assert_uint_eq(tape->ledger.flow[a][1 - a].arrived, tape->ledger.flow[a][1 - a].sent);
    }
}

START_TEST(replayed_datagrams_are_counted_and_dropped)
{
    struct sim sim;
    struct tape *tape = begin(&sim);
    unsigned n = tape->recorded, counted = 0;
    uint64_t before = site_counters(sim.node[1].site)->replay_dropped +
                      site_counters(sim.node[0].site)->replay_dropped;
    struct peer_status was, is;
    site_peer_status(sim.node[1].site, 0, sim.now_us, &was);
    for (unsigned i = 0; i < n; i++) {
        counted += tape->record[i].data[0] == WIRE_DATA;
        counted += tape->record[i].data[0] == WIRE_INITIATION; /* by its order number */
        sim_inject(&sim, 1 - tape->record[i].from, &stranger, tape->record[i].data,
                   tape->record[i].bytes);
    }
    sim_run(&sim, 100000);
    ck_assert_uint_ge(counted, 200);
    ck_assert_uint_eq(site_counters(sim.node[1].site)->replay_dropped +
                          site_counters(sim.node[0].site)->replay_dropped - before,
                      counted);
    /* Replayed handshakes and data move nobody. */
    site_peer_status(sim.node[1].site, 0, sim.now_us, &is);
    ck_assert(endpoint_equal(&was.endpoint, &is.endpoint));
    ck_assert_uint_eq(tape->sent_to_stranger_bytes, 0);
    assert_undisturbed(&sim, tape);
    sim_end(&sim);
    free(tape);
}
END_TEST

/* The attacker holds each datagram back, sends cut and flipped ones ahead of it, and only then the
 * genuine one: none of them may spoil it or use up its number. */
START_TEST(cut_and_flipped_datagrams_are_counted_and_dropped)
{
    struct sim sim;
    struct tape *tape = begin(&sim);
    const struct site_counters *c = site_counters(sim.node[1].site);
    uint64_t before = refused(c), failed_before = c->auth_failed, injected = 0;

    tape->recorded = 0;
    tape->hold = true;
    for (unsigned i = 0; i < 300; i++)
        ledger_send(&tape->ledger, 0, 1, 60 + 5 * i);
    sim_run(&sim, 100000);
    tape->hold = false;
    unsigned n = tape->recorded;
    for (unsigned i = 0; i < n; i++) {
        if (tape->record[i].from != 0)
            continue;
        for (unsigned k = 0; k < 16; k++) {
            uint8_t copy[1500];
            size_t bytes = tape->record[i].bytes;
            memcpy(copy, tape->record[i].data, bytes);
            if (k % 2)
                copy[sim_random(&sim) % bytes] ^= (uint8_t)(1u << sim_random(&sim) % 8);
            else
                bytes = 1 + (size_t)(sim_random(&sim) % (bytes - 1));
            sim_inject(&sim, 1, &stranger, copy, bytes);
            injected++;
        }
        sim_inject(&sim, 1, &sim.node[0].address, tape->record[i].data, tape->record[i].bytes);
        sim_run(&sim, 1000);
    }
    sim_run(&sim, 100000);
    ck_assert_uint_ge(n, 300);
    ck_assert_uint_eq(refused(c) - before, injected);
    ck_assert_uint_gt(c->auth_failed - failed_before, injected * 9 / 10);
    assert_undisturbed(&sim, tape);
    sim_end(&sim);
    free(tape);
}
END_TEST

/* An initiation that passes mac1, which anybody who knows the public key can make. */
static void forge_initiation(struct sim *sim, const struct cookie_key *key, uint8_t *out)
{
    struct cookie_jar jar = {.have_cookie = false};
    for (size_t i = 0; i < INITIATION_BYTES; i += 8)
        store_be64(out + i, sim_random(sim));
    memset(out, 0, 4);
    out[0] = WIRE_INITIATION;
    out[1] = WIRE_PART_WHOLE;
    cookie_add_macs(&jar, key, out, INITIATION_BYTES, sim->now_us);
}

/* 10,000 a second from some 1,700 addresses. Returns the bytes sent. */
static size_t flood(struct sim *sim, const struct cookie_key *key, unsigned count)
{
    uint8_t forged[INITIATION_BYTES];
    struct tape *tape = sim->context;
    for (unsigned i = 0; i < count; i++) {
        struct endpoint from = stranger;
        from.address.octet[2] = (uint8_t)(i % 7);
        from.address.octet[3] = (uint8_t)(i % 251);
        forge_initiation(sim, key, forged);
        sim_inject(sim, 1, &from, forged, sizeof forged);
        if (i % 100 == 0 && sim_is_up(sim, 0, 1)) {
            ledger_send(&tape->ledger, 0, 1, 100);
            ledger_send(&tape->ledger, 1, 0, 100);
        }
        sim_run(sim, 100);
    }
    return count * sizeof forged;
}

START_TEST(a_flood_of_initiations_meets_cookies)
{
    struct sim sim;
    struct tape *tape = begin(&sim);
    struct cookie_key key;
    cookie_key_derive(&key, sim.node[1].public_key);
    const struct site_counters *c = site_counters(sim.node[1].site);

    size_t injected_bytes = flood(&sim, &key, 30000);
    ck_assert_uint_gt(c->cookies_sent, 10000);
    ck_assert_uint_eq(sim.node[1].events[EVENT_UNDER_LOAD], 1);
    ck_assert_uint_lt(tape->sent_to_stranger_bytes, injected_bytes);
    assert_undisturbed(&sim, tape);

    /* Under that load a genuine peer still gets in, by a cookie. */
    tape->second_never_calls = true;
    sim_kill(&sim, 0);
    flood(&sim, &key, 10000);
    sim_start(&sim, 0, NULL);
    sim_peer(&sim, 0, 1, true);
    for (unsigned i = 0; i < 20 && !sim_is_up(&sim, 0, 1); i++)
        flood(&sim, &key, 1000);
    ck_assert(sim_is_up(&sim, 0, 1));
    ck_assert_uint_ge(site_counters(sim.node[0].site)->cookies_received, 1);
    sim_end(&sim);
    free(tape);
}
END_TEST

START_TEST(noise_on_the_port_is_ignored)
{
    struct sim sim;
    struct tape *tape = begin(&sim);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t junk[1400];
        size_t bytes = (size_t)(sim_random(&sim) % sizeof junk);
        for (size_t k = 0; k < bytes; k++)
            junk[k] = (uint8_t)sim_random(&sim);
        if (bytes > 0 && i % 2)
            junk[0] = (uint8_t)(0x80 + i % 6);
        sim_inject(&sim, i % 2, &stranger, junk, bytes);
        if (i % 64 == 0)
            sim_run(&sim, 1000);
    }
    sim_run(&sim, 100000);
    ck_assert_uint_eq(tape->sent_to_stranger_bytes, 0);
    assert_undisturbed(&sim, tape);
    sim_end(&sim);
    free(tape);
}
END_TEST

START_TEST(a_peer_that_closes_and_goes_on_talking)
{
    struct sim sim;
    struct tape *tape = begin(&sim);
    struct site *peer_site = sim.node[0].site;
    struct peer *us = &peer_site->peer[0];
    uint8_t frame[REASSEMBLY_FRAME_MAX_BYTES] = {2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 9, 0x88, 0xb6};

    /* All three in one datagram, or one after the other. */
    peer_site->now_us = sim.now_us;
    peer_send_control(peer_site, us, CONTROL_CLOSE, NULL, 0);
    order_own_frame(peer_site, us, frame, 64);
    order_own_frame(peer_site, us, frame, 4000);
    sim_flush(&sim.node[0]);
    sim_run(&sim, 10000000);
    assert_undisturbed(&sim, tape); /* it calls again, and all is as before */
    sim_end(&sim);
    free(tape);
}
END_TEST

SIM_MAIN("attack", replayed_datagrams_are_counted_and_dropped,
         cut_and_flipped_datagrams_are_counted_and_dropped, a_flood_of_initiations_meets_cookies,
         noise_on_the_port_is_ignored, a_peer_that_closes_and_goes_on_talking)
