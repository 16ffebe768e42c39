/* SPDX-License-Identifier: MIT
 *
 * mtu_world.c - see mtu_world.h. The owner's part is played as a site plays it: a control beside
 * each round, whose answers give the smoothed RTT; while there is traffic its largest packets are
 * as large as the size in use.
 */
#include "mtu_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTROL_BYTES = 80, LIE_EACH_US = 200000, JUMBO_BYTES = 9000 };

static const unsigned well_known[] = {1200, 1280, 1360, 1400, 1454, 1460, 1492, 1500, JUMBO_BYTES};

uint64_t mtu_world_random(struct mtu_world *w)
{
    /* splitmix64 */
    uint64_t z = w->rng += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned below(struct mtu_world *w, unsigned limit)
{
    return (unsigned)(mtu_world_random(w) % limit);
}

static void note(const struct mtu_world *w, const char *format, ...)
{
    va_list list;
    if (!w->history)
        return;
    fprintf(stderr, "%10.3f ms  ", (double)w->now_us / 1000);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "  [state %u, mtu %u, too large %u, lost %u of %u]\n", w->p.state,
            w->p.mtu_bytes, w->p.too_large_bytes, w->p.sampled_lost, w->p.sampled);
}

/* Half of them anything, half what is seen in the field, or one byte beside it. */
static unsigned draw_mtu(struct mtu_world *w, unsigned base_bytes)
{
    unsigned bytes = base_bytes + below(w, JUMBO_BYTES - base_bytes + 1);
    if (below(w, 2))
        bytes = well_known[below(w, sizeof well_known / sizeof *well_known)] + below(w, 3) - 1;
    if (bytes < base_bytes)
        return base_bytes;
    return bytes > JUMBO_BYTES ? JUMBO_BYTES : bytes;
}

void mtu_world_begin(struct mtu_world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->rng = seed;
    w->now_us = below(w, 4) ? mtu_world_random(w) >> 24 : below(w, 1000);
    w->family = below(w, 2) ? IP_V6 : IP_V4;
    w->mtu_bytes =
        draw_mtu(w, w->family == IP_V6 ? PATH_MTU_BASE_V6_BYTES : PATH_MTU_BASE_V4_BYTES);
    if (below(w, 4)) {
        w->lost_there_permille = below(w, 201);
        w->lost_back_permille = below(w, 201);
    }
    w->repeated_permille = below(w, 2) ? below(w, 100) : 0;
    w->rtt_us = 1000 + below(w, below(w, 2) ? 400000 : 50000);
    w->jitter_us = below(w, 2) ? below(w, (unsigned)w->rtt_us / 2) : 0;
    w->icmp = (enum mtu_world_icmp)below(w, 3);
    w->srtt_us = below(w, 2) ? -1 : (int64_t)w->rtt_us;
    w->p.epoch = (uint16_t)mtu_world_random(w);
    w->p.round = (uint16_t)mtu_world_random(w);
    path_mtu_set(&w->p, 0, 0);
    path_mtu_begin(&w->p, w->family, w->now_us);
    w->next_lie_us = w->now_us;
}

/* ---- the wire ---- */

static bool lost(struct mtu_world *w, unsigned permille)
{
    return below(w, 1000) < permille;
}

static uint64_t one_way_us(struct mtu_world *w)
{
    return (w->rtt_us + (w->jitter_us ? mtu_world_random(w) % w->jitter_us : 0)) / 2;
}

static void push(struct mtu_world *w, uint64_t at_us, enum mtu_world_kind kind, uint64_t value)
{
    if (w->events == MTU_WORLD_EVENTS_MAX)
        abort();
    w->event[w->events++] = (struct mtu_world_event){.at_us = at_us, .kind = kind, .value = value};
}

static bool carried(struct mtu_world *w, unsigned bytes)
{
    if (lost(w, w->lost_there_permille))
        return false;
    if (bytes <= w->mtu_bytes)
        return true;
    if (w->icmp == ICMP_HONEST && !lost(w, w->lost_back_permille))
        push(w, w->now_us + one_way_us(w), HINT, w->mtu_bytes);
    return false;
}

/* A datagram of @bytes, whose answer is small. */
static void send(struct mtu_world *w, unsigned bytes, enum mtu_world_kind kind, uint64_t value)
{
    if (!carried(w, bytes))
        return;
    if (bytes > w->carried_bytes)
        w->carried_bytes = bytes;
    unsigned copies = 1u + lost(w, w->repeated_permille);
    while (copies-- > 0)
        if (!lost(w, w->lost_back_permille))
            push(w, w->now_us + one_way_us(w) + one_way_us(w), kind, value);
}

/* ---- the owner ---- */

static void probe(struct mtu_world *w)
{
    struct path_mtu_probe out[PATH_MTU_SIZES_MAX];
    unsigned count = path_mtu_due(&w->p, w->srtt_us, w->now_us, out);

    w->spun = w->spun || path_mtu_deadline_us(&w->p) <= w->now_us;
    if (count == 0)
        return;
    w->rounds++;
    w->probes += count;
    for (unsigned i = 0; i < count; i++) {
        note(w, "probe of %u", out[i].bytes);
        w->bytes += out[i].bytes;
        send(w, out[i].bytes, ANSWER, out[i].value);
    }
    send(w, CONTROL_BYTES, CONTROL, w->now_us);
}

static void take(struct mtu_world *w, const struct mtu_world_event *event)
{
    switch (event->kind) {
    case ANSWER:
        path_mtu_answered(&w->p, event->value, w->now_us);
        note(w, "answer to %u", (unsigned)(event->value & 0xffff));
        break;
    case CONTROL:
        path_mtu_control(&w->p, event->value, w->now_us);
        note(w, "answer to the control");
        break;
    case HINT:
        path_mtu_hint(&w->p, (uint16_t)event->value, false, w->now_us);
        note(w, "hint of %u", (unsigned)event->value);
        break;
    }
}

static void traffic(struct mtu_world *w)
{
    w->next_traffic_us = w->now_us + w->traffic_us;
    path_mtu_sent(&w->p, w->p.mtu_bytes, w->now_us);
    (void)carried(w, w->p.mtu_bytes); /* nobody answers, but a router may */
}

static void lie(struct mtu_world *w)
{
    w->next_lie_us = w->now_us + 1 + below(w, 2 * LIE_EACH_US);
    path_mtu_hint(&w->p, (uint16_t)below(w, JUMBO_BYTES + 1), false, w->now_us);
    note(w, "lie");
}

/* ---- time ---- */

static uint64_t next_us(const struct mtu_world *w)
{
    uint64_t at_us = path_mtu_deadline_us(&w->p);
    for (unsigned i = 0; i < w->events; i++)
        at_us = w->event[i].at_us < at_us ? w->event[i].at_us : at_us;
    if (w->traffic_us && w->next_traffic_us < at_us)
        at_us = w->next_traffic_us;
    if (w->icmp == ICMP_LYING && w->next_lie_us < at_us)
        at_us = w->next_lie_us;
    return at_us;
}

static void step(struct mtu_world *w)
{
    unsigned before_bytes = w->p.mtu_bytes;
    for (unsigned i = 0; i < w->events; i++)
        if (w->event[i].at_us <= w->now_us) {
            struct mtu_world_event event = w->event[i];
            w->event[i] = w->event[--w->events];
            take(w, &event);
            break;
        }
    if (w->traffic_us && w->next_traffic_us <= w->now_us)
        traffic(w);
    if (w->icmp == ICMP_LYING && w->next_lie_us <= w->now_us)
        lie(w);
    if (path_mtu_deadline_us(&w->p) <= w->now_us)
        probe(w);
    w->falls += w->p.mtu_bytes < before_bytes;
    if (w->p.mtu_bytes > before_bytes && w->p.mtu_bytes > w->carried_bytes)
        w->too_far = true;
}

static bool step_before(struct mtu_world *w, uint64_t end_us)
{
    uint64_t at_us = next_us(w);
    if (at_us > end_us) {
        w->now_us = end_us;
        return false;
    }
    if (at_us > w->now_us)
        w->now_us = at_us;
    step(w);
    return true;
}

void mtu_world_run(struct mtu_world *w, uint64_t us)
{
    uint64_t end_us = w->now_us + us;
    while (step_before(w, end_us) && !w->spun)
        ;
}

uint64_t mtu_world_run_until_found(struct mtu_world *w, uint64_t us)
{
    uint64_t began_us = w->now_us;
    while (w->p.state != PATH_MTU_FOUND)
        if (!step_before(w, began_us + us) || w->spun)
            return UINT64_MAX;
    return w->now_us - began_us;
}

uint64_t mtu_world_run_until_fits(struct mtu_world *w, unsigned bytes, uint64_t us)
{
    uint64_t began_us = w->now_us;
    while (w->p.mtu_bytes > bytes)
        if (!step_before(w, began_us + us) || w->spun)
            return UINT64_MAX;
    return w->now_us - began_us;
}
