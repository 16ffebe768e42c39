/* SPDX-License-Identifier: MIT
 *
 * check_paths.c - two struct paths that face each other over ways with delay, jitter, reordering,
 * loss and cuts: no flapping, moves by the rules, failover and return within their times.
 *
 * A session is assumed, and nothing of a site is here: data are numbered datagrams, five a second
 * from each end, by whatever path it has selected. Each end doubts when it hears nothing for
 * 250 ms, as liveness does. Each life is drawn from its seed.
 */
#include "run.h"
#include "tunnel/paths.h"

#include <string.h>

#define MS     UINT64_C(1000)
#define SECOND (1000 * MS)

#define DOUBT_AFTER (250 * MS)

enum { WAY_V6, WAY_V4, WAY_TURN, WAY_PEER, WAYS };
enum { ENDS = 2, FLYING_MAX = 256, DATA_EACH_MS = 200 };

enum flying_kind { CHECK, ANSWER, DATA };

struct flying {
    uint64_t at_us, value;
    enum flying_kind kind;
    unsigned to, way;
};

struct end {
    struct paths p;
    uint64_t sent, newest; /* data datagrams' numbers */
    uint64_t next_us;      /* the next of them */
    uint64_t doubted_us, data_us, longest_gap_us;
    unsigned moves, lost;
    int used; /* which way */
};

static struct {
    uint64_t now_us, rng;
    struct {
        uint64_t delay_us, jitter_us;
        unsigned loss_permille;
        bool cut;
    } way[WAYS];
    struct end end[ENDS];
    struct flying flying[FLYING_MAX];
    unsigned count;
} w;

static uint64_t draw(uint64_t from, uint64_t to)
{
    w.rng ^= w.rng << 13;
    w.rng ^= w.rng >> 7;
    w.rng ^= w.rng << 17;
    return from + w.rng % (to - from + 1);
}

/* The same endpoint for both ends: they are told apart by who looks. */
static struct endpoint endpoint_of(unsigned way)
{
    switch (way) {
    case WAY_V6:
        return (struct endpoint){.address = {IP_V6, {0x20, 0x01, [15] = 1}}, .port = 7788};
    case WAY_PEER:
        return (struct endpoint){.address = {IP_SITE, {1}}, .via = VIA_PEER};
    default:
        return (struct endpoint){.address = {IP_V4, {198, 51, 100, 1}},
                                 .via = way == WAY_TURN ? VIA_TURN : VIA_DIRECT,
                                 .port = 7788};
    }
}

static unsigned way_of(const struct endpoint *e)
{
    if (e->via >= VIA_PEER)
        return WAY_PEER;
    return e->via == VIA_TURN ? WAY_TURN : e->address.family == IP_V6 ? WAY_V6 : WAY_V4;
}

static int selected(const struct end *end)
{
    const struct endpoint *s = paths_selected(&end->p);
    return s ? (int)way_of(s) : -1;
}

static void watch(struct end *end)
{
    int now = selected(end);
    end->moves += now != end->used;
    end->used = now;
}

static void fly(unsigned from, unsigned way, enum flying_kind kind, uint64_t value)
{
    if (w.way[way].cut || draw(0, 999) < w.way[way].loss_permille) {
        w.end[1 - from].lost += kind == DATA;
        return;
    }
    if (w.count == FLYING_MAX) /* ck_assert() reports each time that it holds, which takes long */
        ck_abort_msg("too many under way");
    uint64_t at_us = w.now_us + w.way[way].delay_us + draw(0, w.way[way].jitter_us);
    w.flying[w.count++] = (struct flying){at_us, value, kind, 1 - from, way};
}

static void land(const struct flying *f)
{
    struct end *end = &w.end[f->to];
    struct endpoint from = endpoint_of(f->way);
    bool newest = f->kind == DATA && f->value > end->newest;
    if (w.way[f->way].cut)
        return;
    paths_received(&end->p, &from, newest, w.now_us);
    if (f->kind == CHECK)
        fly(f->to, f->way, ANSWER, f->value);
    else if (f->kind == ANSWER)
        paths_answered(&end->p, &from, f->value, &(struct endpoint){.port = 0}, w.now_us);
    else if (w.now_us - end->data_us > end->longest_gap_us)
        end->longest_gap_us = w.now_us - end->data_us;
    if (f->kind == DATA)
        end->data_us = w.now_us;
    if (newest)
        end->newest = f->value;
    end->doubted_us = w.now_us;
    watch(end);
}

static void act(unsigned n)
{
    struct end *end = &w.end[n];
    struct path_check check;
    if (w.now_us - end->doubted_us >= DOUBT_AFTER) {
        end->doubted_us = w.now_us;
        paths_doubt(&end->p, w.now_us);
    }
    while (paths_due(&end->p, w.now_us, &check))
        fly(n, way_of(&check.to), CHECK, check.value);
    watch(end);
    if (w.now_us < end->next_us)
        return;
    end->next_us += DATA_EACH_MS * MS;
    if (selected(end) >= 0)
        fly(n, (unsigned)selected(end), DATA, ++end->sent);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_us(void)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < w.count; i++)
        at = earlier(at, w.flying[i].at_us);
    for (const struct end *end = w.end; end < w.end + ENDS; end++) {
        at = earlier(at, paths_deadline_us(&end->p));
        at = earlier(at, earlier(end->next_us, end->doubted_us + DOUBT_AFTER));
    }
    return at;
}

static void run(uint64_t us)
{
    for (uint64_t until = w.now_us + us; w.now_us < until; w.now_us = earlier(until, next_us())) {
        for (unsigned i = 0; i < w.count;) {
            struct flying f = w.flying[i];
            if (f.at_us > w.now_us) {
                i++;
                continue;
            }
            w.flying[i] = w.flying[--w.count];
            land(&f);
        }
        for (unsigned n = 0; n < ENDS; n++)
            act(n);
    }
}

static void name(unsigned n, unsigned ways)
{
    struct candidate_list told = {0}, met = {0};
    for (unsigned i = 0; i < WAYS; i++) {
        struct candidate c = {.kind = CANDIDATE_HOST, .endpoint = endpoint_of(i)};
        if (i == WAY_PEER)
            c.kind = CANDIDATE_THROUGH_PEER;
        if ((ways >> i & 1) != 0)
            candidate_add(i == WAY_PEER ? &met : &told, &c);
    }
    paths_set(&w.end[n].p, PATHS_TOLD, &told, w.now_us);
    paths_set(&w.end[n].p, PATHS_MEETING, &met, w.now_us);
}

/* Ways have delays of 1-60 ms; a relay's is longer than the IPv4 way it is part of. */
static void begin(uint64_t seed, uint64_t jitter_max_us, unsigned loss_permille)
{
    memset(&w, 0, sizeof w);
    w.rng = seed * UINT64_C(0x9e3779b97f4a7c15);
    w.now_us = draw(0, 1000 * SECOND) / MS * MS;
    uint64_t jitter_us = draw(0, jitter_max_us);
    for (unsigned i = 0; i < WAYS; i++) {
        w.way[i].delay_us = draw(MS, 60 * MS);
        w.way[i].jitter_us = jitter_us;
        w.way[i].loss_permille = loss_permille;
    }
    w.way[WAY_TURN].delay_us += w.way[WAY_V4].delay_us;
    for (unsigned n = 0; n < ENDS; n++) {
        paths_init(&w.end[n].p, draw(0, UINT64_MAX - 1));
        w.end[n].used = -1;
        w.end[n].doubted_us = w.end[n].data_us = w.now_us;
        w.end[n].next_us = w.now_us + draw(0, DATA_EACH_MS) * MS;
        name(n, (1U << WAYS) - 1);
    }
}

static void forget_history(void)
{
    for (unsigned n = 0; n < ENDS; n++) {
        struct end *end = &w.end[n];
        end->moves = end->lost = 0;
        end->longest_gap_us = 0;
    }
}

/* Once the best is found ten minutes of jitter move nothing; or, where scores are near the borders
 * of the rules and jitter is as large as the RTT, an end in twenty. */
START_TEST(jitter_does_not_flap)
{
    unsigned moved = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        begin(seed, 50 * MS, 0);
        run(180 * SECOND);
        forget_history();
        run(600 * SECOND);
        for (unsigned n = 0; n < ENDS; n++) {
            ck_assert_msg(w.end[n].moves <= 2, "seed %llu", (unsigned long long)seed);
            ck_assert_int_le(selected(&w.end[n]), WAY_V4);
            moved += w.end[n].moves;
        }
        ck_assert_uint_eq(w.end[0].lost + w.end[1].lost, 0);
    }
    ck_assert_uint_le(moved, 100 * ENDS / 10);
}
END_TEST

/* Two checks in a row are lost now and then; that costs a move there and one back, more and more
 * seldom. */
START_TEST(loss_moves_seldom)
{
    unsigned moves = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed, 20 * MS, 30);
        run(60 * SECOND);
        forget_history();
        run(600 * SECOND);
        for (unsigned n = 0; n < ENDS; n++) {
            ck_assert_msg(w.end[n].moves <= 12, "seed %llu: %u", (unsigned long long)seed,
                          w.end[n].moves);
            moves += w.end[n].moves;
        }
    }
    ck_assert_uint_le(moves, 60 * ENDS * 2);
}
END_TEST

START_TEST(ipv6_appears)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed, 10 * MS, 0);
        for (unsigned n = 0; n < ENDS; n++)
            name(n, 1U << WAY_V4 | 1U << WAY_PEER);
        run(120 * SECOND);
        ck_assert_int_eq(selected(&w.end[0]), WAY_V4);
        forget_history();
        w.way[WAY_V6].delay_us = w.way[WAY_V4].delay_us;
        for (unsigned n = 0; n < ENDS; n++)
            name(n, (1U << WAYS) - 1);
        run(120 * SECOND);
        for (unsigned n = 0; n < ENDS; n++) {
            ck_assert_msg(selected(&w.end[n]) == WAY_V6, "seed %llu", (unsigned long long)seed);
            ck_assert_uint_eq(w.end[n].moves, 1);
        }
        ck_assert_uint_eq(w.end[0].lost + w.end[1].lost, 0);
    }
}
END_TEST

START_TEST(the_order_of_rtts_changes)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed, 5 * MS, 0);
        w.way[WAY_V6].delay_us = 10 * MS;
        w.way[WAY_V4].delay_us = 30 * MS;
        run(60 * SECOND);
        for (unsigned round = 0; round < 4; round++) {
            unsigned slow = round % 2 == 0 ? WAY_V6 : WAY_V4;
            forget_history();
            w.way[slow].delay_us = 60 * MS;
            w.way[slow == WAY_V6 ? WAY_V4 : WAY_V6].delay_us = 10 * MS;
            run(180 * SECOND);
            for (unsigned n = 0; n < ENDS; n++) {
                ck_assert_int_eq(selected(&w.end[n]), slow == WAY_V6 ? WAY_V4 : WAY_V6);
                ck_assert_uint_le(w.end[n].moves, 2); /* it may follow the other end first */
            }
        }
    }
}
END_TEST

/* What is direct is cut for a while, and returns: at most 3 s without data there, direct again
 * within 60 s of the return, and nothing lost by that. */
START_TEST(a_cut_is_bridged)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed, 20 * MS, 0);
        if (seed % 3 != 0)
            w.way[WAY_V6].cut = true; /* so that only relays are left in the end */
        run(60 * SECOND + draw(0, 15000) * MS);
        int before = selected(&w.end[0]);
        for (unsigned round = 0; round < 3; round++) {
            forget_history();
            w.way[before].cut = true;
            run(draw(20, 200) * SECOND);
            for (unsigned n = 0; n < ENDS; n++) {
                ck_assert_int_ne(selected(&w.end[n]), before);
                ck_assert_msg(w.end[n].longest_gap_us <= 3 * SECOND, "seed %llu: %llu",
                              (unsigned long long)seed,
                              (unsigned long long)w.end[n].longest_gap_us);
            }
            forget_history();
            w.way[before].cut = false;
            run(60 * SECOND);
            ck_assert_uint_eq(w.end[0].lost + w.end[1].lost, 0);
            for (unsigned n = 0; n < ENDS; n++) {
                ck_assert_int_le(selected(&w.end[n]), WAY_V4); /* direct */
                ck_assert_uint_le(w.end[n].moves, 2);
            }
            run(120 * SECOND);
            before = selected(&w.end[0]);
        }
    }
}
END_TEST

START_TEST(all_is_cut_and_returns)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed, 20 * MS, 0);
        run(60 * SECOND);
        for (unsigned i = 0; i < WAYS; i++)
            w.way[i].cut = true;
        run(draw(5, 300) * SECOND);
        for (unsigned i = 0; i < WAYS; i++)
            w.way[i].cut = false;
        run(60 * SECOND);
        for (unsigned n = 0; n < ENDS; n++)
            ck_assert_msg(selected(&w.end[n]) >= 0 && selected(&w.end[n]) <= WAY_V4, "seed %llu",
                          (unsigned long long)seed);
    }
}
END_TEST

SIM_MAIN("paths", jitter_does_not_flap, loss_moves_seldom, ipv6_appears, the_order_of_rtts_changes,
         a_cut_is_bridged, all_is_cut_and_returns)
