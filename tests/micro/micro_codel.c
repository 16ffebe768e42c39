/* SPDX-License-Identifier: MIT
 *
 * micro_codel.c - what CoDel costs: nanoseconds per datagram while no queue stands, and per frame
 * while one does, for eight streams in turn. The best of several rounds, with caches warm.
 */
#include "frame/codel.h"

#include "../unit/frames.h"

#include <stdio.h>
#include <time.h>

enum { ROUNDS = 200, FRAMES = 4096, FLOWS = 8, FRAME_BYTES = 1514, BATCH = 64, BATCH_US = 200 };

static struct codel codel;
static uint8_t frame[FLOWS][FRAME_BYTES_MAX];
static uint64_t now_us = 1000;
static volatile unsigned keep; /* so that nothing measured is left out */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void build(bool v6)
{
    static const uint8_t payload[FRAME_BYTES];
    for (uint16_t n = 0; n < FLOWS; n++) {
        struct frame_spec spec = {.ip_source = frame_ip(v6 ? "fd00::1" : "192.168.1.2"),
                                  .ip_destination = frame_ip(v6 ? "fd00::2" : "192.168.1.3"),
                                  .source_port = n,
                                  .ttl = 64};
        frame_udp(frame[n], spec, payload, FRAME_BYTES - (v6 ? 62 : 42));
    }
}

static void ask(void)
{
    for (unsigned i = 0; i < FRAMES; i++)
        keep += codel_standing(&codel, i % 256);
}

static void judge(void)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        now_us += i % BATCH == 0 ? BATCH_US : 0;
        keep += codel_judge(&codel, frame[i % FLOWS], FRAME_BYTES, 1000, now_us);
    }
}

static void measure(const char *name, void (*work)(void))
{
    double best = 1e18;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double begin = now_ns();
        work();
        double took = (now_ns() - begin) / FRAMES;
        best = took < best ? took : best;
    }
    printf("%-24s %6.1f ns\n", name, best);
}

int main(void)
{
    static const uint8_t key[CODEL_KEY_BYTES] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
    codel_init(&codel, key);
    measure("no queue, a datagram", ask);
    build(false);
    measure("queue, an IPv4 frame", judge);
    build(true);
    measure("queue, an IPv6 frame", judge);
    return 0;
}
