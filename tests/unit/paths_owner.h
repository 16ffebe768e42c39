/* SPDX-License-Identifier: MIT
 *
 * paths_owner.h - what owns a struct paths in tests: it sends the checks into a table of ways, each
 * with its own RTT and faults, and hands back the answers, all in virtual time.
 *
 * At each step it also checks what holds always: checks are 50 ms apart, nothing is due before the
 * deadline, and something is after it.
 */
#ifndef PATHS_OWNER_H
#define PATHS_OWNER_H

#include "tunnel/paths.h"

#include <check.h>
#include <string.h>

#define MS     UINT64_C(1000)
#define SECOND (1000 * MS)
#define NEVER  UINT64_MAX

/* ck_assert() reports each time that it held, which takes too long here. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

enum { WAYS_MAX = 40, ANSWERS_MAX = 64, LOG_MAX = 512 };

struct way {
    struct endpoint to;
    uint64_t rtt_us, jitter_us; /* an answer takes from rtt to rtt + jitter */
    bool cut;                   /* loses everything */
    uint16_t seen_port;         /* of ours; 0: the peer does not say */
    unsigned checks;
};

struct answer {
    uint64_t at_us;
    struct path_check check;
    uint16_t seen_port;
};

static struct {
    struct paths p;
    uint64_t now_us, seed;
    struct way way[WAYS_MAX];
    unsigned ways;
    struct answer answer[ANSWERS_MAX];
    unsigned answers;
    struct {
        uint64_t at_us;
        struct endpoint to;
    } log[LOG_MAX]; /* the checks */
    unsigned logged, sent;
    uint64_t last_us, asked_us;
    unsigned moves; /* of the selection */
} w;

static inline uint64_t draw(uint64_t below)
{
    w.seed = w.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below ? (w.seed >> 33) % below : 0;
}

static inline void begin(uint64_t now_us)
{
    memset(&w, 0, sizeof w);
    memset(&w.p, 0xa5, sizeof w.p); /* any content will do */
    w.now_us = now_us;
    w.seed = 1;
    paths_init(&w.p, UINT64_C(0x1234567890abcdef));
}

static inline struct endpoint v4(unsigned n)
{
    return (struct endpoint){.address = ip_v4((const uint8_t[]){198, 51, 100, (uint8_t)n}),
                             .port = 7788};
}

static inline struct endpoint v6(unsigned n)
{
    struct endpoint e = {.address = {.family = IP_V6, .octet = {0x20, 0x01, 0x0d, 0xb8}},
                         .port = 7788};
    e.address.octet[15] = (uint8_t)n;
    return e;
}

static inline struct endpoint by_turn(unsigned n)
{
    struct endpoint e = v4(n);
    e.via = VIA_TURN;
    return e;
}

static inline struct endpoint by_peer(unsigned n)
{
    return (struct endpoint){.address = {.family = IP_SITE, .octet = {1}},
                             .via = (uint8_t)(VIA_PEER + n)};
}

static inline int path_of(struct endpoint to)
{
    for (int i = 0; i < w.p.count; i++)
        if (endpoint_equal(&w.p.path[i].to, &to))
            return i;
    return -1;
}

static inline struct way *way_of(struct endpoint to)
{
    for (unsigned i = 0; i < w.ways; i++)
        if (endpoint_equal(&w.way[i].to, &to))
            return &w.way[i];
    ck_assert_uint_lt(w.ways, WAYS_MAX);
    w.way[w.ways] = (struct way){.to = to, .cut = true};
    return &w.way[w.ways++];
}

/* From now on @to answers in @rtt_us. */
static inline struct way *works(struct endpoint to, uint64_t rtt_us)
{
    struct way *way = way_of(to);
    way->rtt_us = rtt_us;
    way->cut = false;
    return way;
}

static inline struct candidate candidate(struct endpoint to)
{
    return (struct candidate){.kind = to.via >= VIA_PEER ? CANDIDATE_THROUGH_PEER : CANDIDATE_HOST,
                              .endpoint = to};
}

static inline void name_all(enum paths_source source, const struct endpoint *to, size_t count)
{
    struct candidate_list list = {0};
    for (size_t i = 0; i < count; i++)
        list.item[list.count++] = candidate(to[i]);
    paths_set(&w.p, source, &list, w.now_us);
}

#define NAME(source, ...)                                                                          \
    name_all(source, (const struct endpoint[]){__VA_ARGS__},                                       \
             sizeof((const struct endpoint[]){__VA_ARGS__}) / sizeof(struct endpoint))

static inline bool selected_is(struct endpoint to)
{
    const struct endpoint *s = paths_selected(&w.p);
    return s && endpoint_equal(s, &to);
}

static inline bool standby_is(struct endpoint to)
{
    return w.p.standby >= 0 && endpoint_equal(&w.p.path[w.p.standby].to, &to);
}

static inline enum path_state state_of(struct endpoint to)
{
    int i = path_of(to);
    ck_assert_int_ge(i, 0);
    return (enum path_state)w.p.path[i].state;
}

static inline void note_move(struct endpoint before, bool had)
{
    const struct endpoint *s = paths_selected(&w.p);
    if (s && (!had || !endpoint_equal(s, &before)))
        w.moves++;
}

static inline void send_checks(void)
{
    struct path_check check;
    const struct endpoint *s = paths_selected(&w.p);
    struct endpoint before = s ? *s : (struct endpoint){.port = 0};
    while (paths_due(&w.p, w.now_us, &check)) {
        struct way *way = way_of(check.to);
        way->checks++;
        HOLDS(w.sent == 0 || w.now_us - w.last_us >= 50 * MS);
        w.last_us = w.now_us;
        w.sent++;
        if (w.logged < LOG_MAX) {
            w.log[w.logged].at_us = w.now_us;
            w.log[w.logged++].to = check.to;
        }
        if (way->cut)
            continue;
        HOLDS(w.answers < ANSWERS_MAX);
        w.answer[w.answers++] =
            (struct answer){w.now_us + way->rtt_us + draw(way->jitter_us), check, way->seen_port};
    }
    note_move(before, s != NULL);
}

static inline void hand_back(void)
{
    for (unsigned i = 0; i < w.answers;) {
        struct answer a = w.answer[i];
        if (a.at_us > w.now_us) {
            i++;
            continue;
        }
        w.answer[i] = w.answer[--w.answers];
        struct endpoint seen = {.port = a.seen_port};
        if (a.seen_port)
            seen.address = ip_v4((const uint8_t[]){203, 0, 113, 1});
        const struct endpoint *s = paths_selected(&w.p);
        struct endpoint before = s ? *s : (struct endpoint){.port = 0};
        paths_answered(&w.p, &a.check.to, a.check.value, &seen, w.now_us);
        w.moves += paths_selected(&w.p) && !selected_is(before);
    }
}

static inline void assert_nothing_before(uint64_t at_us)
{
    static struct paths asked; /* static: padding and all stays comparable */
    struct path_check check;
    if (at_us == 0 || at_us - 1 < w.now_us || at_us == w.asked_us)
        return;
    w.asked_us = at_us;
    memcpy(&asked, &w.p, sizeof asked);
    HOLDS(!paths_due(&asked, at_us == NEVER ? NEVER - 1 : at_us - 1, &check));
    HOLDS(memcmp(&asked, &w.p, sizeof asked) == 0);
}

/* Lets time pass until @until_us, which comes too. */
static inline void run_until(uint64_t until_us)
{
    for (;;) {
        hand_back();
        send_checks();
        uint64_t next = paths_deadline_us(&w.p);
        HOLDS(next > w.now_us);
        assert_nothing_before(next);
        for (unsigned i = 0; i < w.answers; i++)
            next = w.answer[i].at_us < next ? w.answer[i].at_us : next;
        if (next > until_us)
            break;
        w.now_us = next > w.now_us ? next : w.now_us;
    }
    w.now_us = until_us;
}

static inline void run(uint64_t us)
{
    run_until(w.now_us + us);
}

/* How long it takes until @to is used. */
static inline uint64_t until_used(struct endpoint to, uint64_t at_most_us)
{
    uint64_t from = w.now_us;
    while (!selected_is(to)) {
        HOLDS(w.now_us - from <= at_most_us);
        run(10 * MS);
    }
    return w.now_us - from;
}

static inline bool received(struct endpoint from, bool moves)
{
    return paths_received(&w.p, &from, moves, w.now_us);
}

#endif
