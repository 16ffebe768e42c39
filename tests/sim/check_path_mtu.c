/* SPDX-License-Identifier: MIT
 *
 * check_path_mtu.c - the search for the path MTU on 10,000 paths of every kind: what it ends at,
 * what it costs, that it stays there, and how soon it follows a path that changes.
 *
 * Each life is drawn from its seed. One that goes wrong is lived again with its history printed.
 */
#include "mtu_world.h"
#include "run.h"

enum {
    PATHS = 10000,
    BUSY_EACH_US = 20000, /* between large packets */
    SEARCH_PROBES_MAX = 200,
    CLEAN_ROUNDS_MAX = 120,
};

#define SECOND_US UINT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)

/* Over all lives of a test. */
struct totals {
    unsigned clean, exact_at_first, exact_after_raise, fell, shrunk;
    uint64_t clean_probes;
};

typedef const char *life(struct mtu_world *w, struct totals *t); /* what is wrong, or NULL */

static void live(life *one, struct totals *t)
{
    for (uint64_t seed = 1; seed <= PATHS; seed++) {
        struct mtu_world w;
        mtu_world_begin(&w, seed);
        const char *wrong = one(&w, t);
        if (!wrong && !w.spun && !w.too_far)
            continue;
        struct mtu_world again;
        mtu_world_begin(&again, seed);
        again.history = true;
        one(&again, t);
        ck_abort_msg("seed %llu: %s: path %u, in use %u, RTT %llu us, loss %u and %u per mille",
                     (unsigned long long)seed,
                     wrong       ? wrong
                     : w.too_far ? "a size in use that was never carried"
                                 : "due again and again at one instant",
                     w.mtu_bytes, w.p.mtu_bytes, (unsigned long long)w.rtt_us,
                     w.lost_there_permille, w.lost_back_permille);
    }
}

/* ---- what a path is like ---- */

static bool is_clean(const struct mtu_world *w)
{
    return w->lost_there_permille == 0 && w->lost_back_permille == 0;
}

/* Of probe and answer together. */
static double loss(const struct mtu_world *w)
{
    return 1 - (1 - w->lost_there_permille / 1000.0) * (1 - w->lost_back_permille / 1000.0);
}

/* The longest round that is not silent: twice the RTT as it was measured last. */
static uint64_t round_max_us(const struct mtu_world *w)
{
    uint64_t us = 2 * (w->rtt_us + w->jitter_us) + 50000;
    return us < 500000 ? 500000 : us;
}

/* The largest well-known size that the path carries. */
static unsigned least_acceptable(const struct mtu_world *w)
{
    static const unsigned known[] = {1280, 1360, 1400, 1454, 1460, 1492, 1500, 9000};
    unsigned bytes = w->p.base_bytes;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] <= w->mtu_bytes && known[i] > bytes)
            bytes = known[i];
    return bytes;
}

static void busy(struct mtu_world *w, uint64_t interval_us)
{
    w->traffic_us = interval_us;
    w->next_traffic_us = w->now_us;
}

/* ---- lives ---- */

static const char *search(struct mtu_world *w)
{
    if (mtu_world_run_until_found(w, 5 * MINUTE_US) == UINT64_MAX)
        return "the search has no end";
    if (w->p.mtu_bytes > w->mtu_bytes)
        return "more than the path carries";
    if (w->p.mtu_bytes < least_acceptable(w))
        return "less than a size everybody knows, which the path carries";
    return w->p.black_holes != 0 ? "a black hole where there is none" : NULL;
}

static const char *search_and_raise(struct mtu_world *w, struct totals *t)
{
    const char *wrong = search(w);
    if (wrong)
        return wrong;
    t->exact_at_first += w->p.mtu_bytes == w->mtu_bytes;
    if (is_clean(w)) {
        t->clean++;
        t->clean_probes += w->probes;
        if (w->p.mtu_bytes != w->mtu_bytes)
            return "not exact, although nothing was lost";
        if (w->probes > SEARCH_PROBES_MAX)
            return "too many probes for a path without loss";
        if (w->rounds > CLEAN_ROUNDS_MAX)
            return "too many rounds for a path without loss";
    }
    mtu_world_run(w, 31 * SECOND_US); /* the first raise */
    if (mtu_world_run_until_found(w, 5 * MINUTE_US) == UINT64_MAX)
        return "the raise has no end";
    t->exact_after_raise += w->p.mtu_bytes == w->mtu_bytes;
    return NULL;
}

START_TEST(the_search_ends_at_what_the_path_carries)
{
    struct totals t = {0};
    live(search_and_raise, &t);
    ck_assert_uint_gt(t.clean, PATHS / 5);
    ck_assert_uint_le(t.clean_probes, 50ul * t.clean);
    ck_assert_uint_ge(t.exact_at_first, PATHS - PATHS / 100);
    ck_assert_uint_ge(t.exact_after_raise, PATHS - PATHS / 1000);
}
END_TEST

/* Two minutes of large packets, then twenty without. The number of tries makes one mistake in ten
 * million confirmations, of which there are three million here, or many more with forged ICMP. */
static const char *stay(struct mtu_world *w, struct totals *t)
{
    uint64_t probes, black_holes;

    mtu_world_run_until_found(w, 5 * MINUTE_US);
    mtu_world_run(w, 31 * SECOND_US);
    mtu_world_run_until_found(w, 5 * MINUTE_US);
    black_holes = w->p.black_holes;
    busy(w, 10 * BUSY_EACH_US);
    mtu_world_run(w, 2 * MINUTE_US);
    busy(w, 0);
    probes = w->probes;
    mtu_world_run(w, 20 * MINUTE_US);
    black_holes = w->p.black_holes - black_holes;
    t->fell += black_holes != 0;
    if (black_holes > 1 || (black_holes != 0 && is_clean(w)))
        return "up and down, although the path stays as it is";
    if (w->p.mtu_bytes != w->mtu_bytes)
        return "not exact after twenty minutes";
    /* 40 confirmations and 3 raises: on a path that loses nothing one probe each, and two sizes in
     * at most six rounds. Forged ICMP asks for four confirmations a second. */
    if (is_clean(w) && w->icmp != ICMP_LYING && w->probes - probes > 40 + 3 * 2 * 6)
        return "too many probes on an idle path";
    if (w->probes - probes > (w->icmp == ICMP_LYING ? 4 * 20 * 60 * 2 : 400))
        return "too many probes on an idle path that loses";
    return NULL;
}

START_TEST(a_size_once_found_stays)
{
    struct totals t = {0};
    live(stay, &t);
    ck_assert_uint_le(t.fell, PATHS / 2000);
}
END_TEST

/* What the rule asks for: at most 24 tries on a path that loses most, and each round counts in
 * which the control was not lost, too. With room for much bad luck. */
static uint64_t detection_max_us(const struct mtu_world *w)
{
    if (loss(w) <= 0.05 && w->rtt_us + w->jitter_us <= 100000)
        return 3 * SECOND_US;
    return 120 * round_max_us(w);
}

static const char *shrink_and_grow(struct mtu_world *w, struct totals *t)
{
    unsigned before_bytes = w->mtu_bytes;

    mtu_world_run_until_found(w, 5 * MINUTE_US);
    if (w->p.mtu_bytes == w->p.base_bytes)
        return NULL;
    busy(w, BUSY_EACH_US); /* for a minute: by then it knows how much the path loses */
    mtu_world_run(w, MINUTE_US + mtu_world_random(w) % (10 * SECOND_US));
    if (w->p.mtu_bytes == w->p.base_bytes)
        return "a black hole where there is none";
    w->mtu_bytes = w->p.base_bytes +
                   (unsigned)mtu_world_random(w) % (unsigned)(w->p.mtu_bytes - w->p.base_bytes);
    t->shrunk++;
    if (mtu_world_run_until_fits(w, w->mtu_bytes, detection_max_us(w)) == UINT64_MAX)
        return "a black hole not seen in time";
    if (mtu_world_run_until_found(w, 5 * MINUTE_US) == UINT64_MAX)
        return "the search has no end in a smaller path";
    if (w->p.mtu_bytes > w->mtu_bytes)
        return "more than the smaller path carries";

    busy(w, 0);
    w->mtu_bytes = before_bytes;
    mtu_world_run(w, 10 * MINUTE_US); /* the raise timer at its slowest */
    mtu_world_run_until_found(w, 5 * MINUTE_US);
    return w->p.mtu_bytes == w->mtu_bytes ? NULL : "a larger path not found by the raise timer";
}

START_TEST(a_path_that_changes_is_followed)
{
    struct totals t = {0};
    live(shrink_and_grow, &t);
    ck_assert_uint_gt(t.shrunk, PATHS / 2);
}
END_TEST

/* Nothing comes back for an hour: it neither spins, nor shouts, nor concludes anything. */
static const char *outage(struct mtu_world *w, struct totals *t)
{
    bool from_the_start = mtu_world_random(w) % 2;
    if (!from_the_start)
        mtu_world_run_until_found(w, 5 * MINUTE_US);
    unsigned bytes = w->p.mtu_bytes, permille = w->lost_there_permille;
    uint64_t black_holes = w->p.black_holes;
    w->lost_there_permille = 1000;
    busy(w, SECOND_US);
    mtu_world_run(w, SECOND_US); /* what is on its way */
    uint64_t rounds = w->rounds;
    mtu_world_run(w, 60 * MINUTE_US);
    if (w->rounds - rounds > 60 * 60 / 2)
        return "a dead path probed more often than every two seconds";
    if (w->p.black_holes != black_holes || (!from_the_start && w->p.mtu_bytes != bytes))
        return "silence taken for a black hole";
    w->lost_there_permille = permille;
    if (mtu_world_run_until_found(w, 5 * MINUTE_US) == UINT64_MAX)
        return "the search has no end after an outage";
    t->clean += is_clean(w);
    return w->p.mtu_bytes <= w->mtu_bytes ? NULL : "more than the path carries";
}

START_TEST(an_outage_proves_nothing)
{
    struct totals t = {0};
    live(outage, &t);
    ck_assert_uint_gt(t.clean, PATHS / 5);
}
END_TEST

SIM_MAIN("path_mtu", the_search_ends_at_what_the_path_carries, a_size_once_found_stays,
         a_path_that_changes_is_followed, an_outage_proves_nothing)
