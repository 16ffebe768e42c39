/* SPDX-License-Identifier: MIT
 *
 * check_codel.c - streams of TCP are slowed by CoDel in time to keep the queue short, and not more
 * than that; what is no stream does not notice it. Each case runs with CoDel, without, and with
 * sources that know ECN, on several seeds, of which the mean counts.
 */
#include "queue_world.h"
#include "run.h"

#include <stdio.h>

enum { SEEDS = 3 };
static const char *const SOURCE[] = {[SOURCE_RENO] = "reno", [SOURCE_CUBIC] = "cubic"};

/* What is demanded follows from the distance. A queue that is much shorter than a round trip leaves
 * the line idle when the only source halves its window (Reno: to three quarters of it), so the
 * longer the way the longer the queue may be; and 64 sources whose windows are of few segments lose
 * some of these to time-outs, where without CoDel five milliseconds would wait. Pings wait for the
 * server's absences, too. */
struct distance {
    double rtt_ms, server_mbit_s, seconds;
    double ping_p50_ms, ping_p99_ms; /* at most, with one source */
    double reno[3], cubic[3];        /* least throughput with 1, 8, 64 sources, in parts of that
                                        without CoDel */
};
static const struct distance DISTANCE[] = {
    {0.2, 4000, 1.5, 1.0, 3.0, {0.95, 0.95, 0.80}, {0.95, 0.95, 0.80}},
    {1, 4000, 1.5, 1.0, 3.0, {0.90, 0.92, 0.85}, {0.95, 0.95, 0.85}},
    {5, 1000, 10, 1.0, 4.5, {0.80, 0.82, 0.92}, {0.90, 0.93, 0.92}},
    {20, 300, 20, 4.0, 9.0, {0.78, 0.84, 0.95}, {0.93, 0.95, 0.95}},
    {100, 300, 40, 10.0, 25.0, {0.68, 0.78, 0.85}, {0.85, 0.88, 0.92}},
};
enum { DISTANCES = sizeof DISTANCE / sizeof DISTANCE[0] };

enum { PLAIN, CODEL, ECN, WAYS };

static struct queue_result mean_of_seeds(const struct queue_settings *settings)
{
    struct queue_result mean = {.slowest = 1};

    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct queue_settings own = *settings;
        own.seed = settings->seed + seed;
        struct queue_result r = queue_world_run(&own);
        mean.mbit_s += r.mbit_s / SEEDS;
        mean.ping_p50_ms += r.ping_p50_ms / SEEDS;
        mean.ping_p99_ms += r.ping_p99_ms / SEEDS;
        mean.slowest = r.slowest < mean.slowest ? r.slowest : mean.slowest;
        mean.dropped += r.dropped;
        mean.marked += r.marked;
        mean.pings_lost += r.pings_lost;
    }
    return mean;
}

static void run_ways(struct queue_result result[WAYS], struct queue_settings settings)
{
    for (unsigned way = 0; way < WAYS; way++) {
        settings.codel = way != PLAIN;
        settings.ecn = way == ECN;
        result[way] = mean_of_seeds(&settings);
    }
}

static void print_row(const struct queue_settings *s, const struct queue_result result[WAYS])
{
    printf("%-5s %2u flows, %5.1f ms, %4.0f Mbit/s:", SOURCE[s->source], s->flows, s->rtt_ms,
           s->server_mbit_s);
    for (unsigned way = 0; way < WAYS; way++)
        printf(" | %.3f %5.2f %5.2f %.2f %5lu", result[way].mbit_s / s->server_mbit_s,
               result[way].ping_p50_ms, result[way].ping_p99_ms, result[way].slowest,
               result[way].dropped + result[way].marked);
    printf("\n");
}

static void check_case(const struct distance *d, enum queue_source source, unsigned flows,
                       double least)
{
    struct queue_settings settings = {.source = source,
                                      .flows = flows,
                                      .rtt_ms = d->rtt_ms,
                                      .server_mbit_s = d->server_mbit_s,
                                      .seconds = d->seconds,
                                      .gap_every_ms = 200,
                                      .seed = 1};
    struct queue_result result[WAYS];

    run_ways(result, settings);
    print_row(&settings, result);
    for (unsigned way = CODEL; way < WAYS; way++) {
        const struct queue_result *r = &result[way];
        ck_assert_double_ge(r->mbit_s, least * result[PLAIN].mbit_s);
        ck_assert_uint_eq(r->pings_lost, 0);
        if (flows == 1) {
            ck_assert_double_le(r->ping_p50_ms, d->ping_p50_ms);
            ck_assert_double_le(r->ping_p99_ms, d->ping_p99_ms);
        }
        if (flows == 8)
            ck_assert_double_ge(r->slowest, 0.25);
    }
    ck_assert_uint_eq(result[ECN].dropped, 0);
}

static void check_source(enum queue_source source)
{
    static const unsigned flows[] = {1, 8, 64};

    printf("without | with CoDel | with ECN: throughput in parts of the server's, ping p50, p99 ms,"
           " slowest flow, dropped or marked\n");
    for (unsigned d = 0; d < DISTANCES; d++)
        for (unsigned i = 0; i < 3; i++)
            check_case(&DISTANCE[d], source, flows[i],
                       source == SOURCE_CUBIC ? DISTANCE[d].cubic[i] : DISTANCE[d].reno[i]);
}

START_TEST(cubic_streams)
{
    check_source(SOURCE_CUBIC);
}
END_TEST

START_TEST(reno_streams)
{
    check_source(SOURCE_RENO);
}
END_TEST

/* The cases above would pass with a CoDel that does nothing if no queue stood without. */
START_TEST(the_queue_stands_without)
{
    struct queue_settings settings = {.source = SOURCE_CUBIC,
                                      .flows = 8,
                                      .rtt_ms = 0.2,
                                      .server_mbit_s = 4000,
                                      .seconds = 1.5,
                                      .seed = 1};
    struct queue_result result[WAYS];

    run_ways(result, settings);
    ck_assert_double_ge(result[PLAIN].ping_p50_ms, 4);
    ck_assert_double_le(result[CODEL].ping_p50_ms, 1);
    ck_assert_double_le(result[ECN].ping_p50_ms, 1);
}
END_TEST

/* A server that others keep from its work finds datagrams that waited each time it is there, and
 * reads them all: not one of them waited for another. */
START_TEST(late_is_not_standing)
{
    struct queue_settings settings = {.source = SOURCE_CUBIC,
                                      .flows = 1,
                                      .rtt_ms = 1,
                                      .server_mbit_s = 4000,
                                      .seconds = 10,
                                      .codel = true,
                                      .window_max = 16,
                                      .gap_every_ms = 0.5,
                                      .seed = 1};
    struct queue_result r = mean_of_seeds(&settings);

    ck_assert_double_ge(r.ping_p50_ms, 0.5); /* more than the target */
    ck_assert_double_ge(r.mbit_s, 25);
    ck_assert_uint_eq(r.dropped, 0);
}
END_TEST

SIM_MAIN("codel", cubic_streams, reno_streams, the_queue_stands_without, late_is_not_standing)
