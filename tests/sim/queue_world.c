/* SPDX-License-Identifier: MIT
 *
 * queue_world.c - see queue_world.h. Time is in nanoseconds: a segment takes three thousand.
 */
#include "queue_world.h"

#include "bytes.h"
#include "frame/packet.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUFFER_BYTES = 2500000, /* of frames, in the 4 MiB that the kernel counts */
    BATCH_BYTES = 128 << 10,
    BATCH_MESSAGES = 64,
    MESSAGE_NS = 1000,      /* to read one, besides its segments */
    TIMEOUT_NS = 10000000,  /* on top of two round trips */
    PING_EVERY_NS = 500000, /* mean */
    LOSS_THRESHOLD = 3,     /* later packets that must have come */
};
static const double CUBIC_C = 0.4, CUBIC_BETA = 0.7, RENO_BETA = 0.5, DROPPED_COST = 0.6;

enum { FLOW_PING = QUEUE_FLOWS_MAX };

/* Segments first .. first + count - 1 of a flow; what became of each. */
struct message {
    unsigned flow, count;
    uint64_t first, arrived_ns, lost; /* bit i: segment first + i */
    bool marked;
};

enum event_kind { ACKED, TIMED_OUT, PING };
struct event {
    uint64_t at_ns, order;
    enum event_kind kind;
    struct message message;
};

struct flow {
    double window, threshold; /* segments */
    double cubic_max, cubic_k_s;
    uint64_t epoch_ns;
    bool in_epoch;
    uint64_t next, recovery_until; /* packet numbers */
    unsigned in_flight, missing;   /* segments; lost and not known yet */
    uint64_t delivered, rtt_ns;
    uint8_t frame[QUEUE_SEGMENT_BYTES];
};

struct world {
    struct queue_settings set;
    uint64_t rng, now_ns, order, begin_ns, next_gap_ns;
    struct codel codel;
    struct flow flow[QUEUE_FLOWS_MAX];
    uint8_t ping[98];
    struct message queue[QUEUE_MESSAGES_MAX];
    unsigned head, length;
    double queued_bytes;
    struct event event[QUEUE_EVENTS_MAX];
    unsigned events;
    float ping_ms[QUEUE_PINGS_MAX];
    unsigned pings;
    struct queue_result result;
};

/* ---- Chance ---- */

static uint64_t random64(struct world *w)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return w->rng;
}

static double uniform(struct world *w)
{
    return (double)(random64(w) >> 11) / 9007199254740992.0;
}

static double around(struct world *w, double mean)
{
    return 2 * mean * uniform(w);
}

/* ---- What would need libm ---- */

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* Newton's, from above. */
static double cube_root(double x)
{
    double root = most(x, 1);

    for (int i = 0; i < 60; i++)
        root -= (root - x / (root * root)) / 3;
    return root;
}

/* ---- Events: a heap, earliest first ---- */

static bool earlier(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void push(struct world *w, uint64_t at_ns, enum event_kind kind,
                 const struct message *message)
{
    struct event e = {at_ns, w->order++, kind, *message};
    unsigned i = w->events++;

    if (w->events > QUEUE_EVENTS_MAX)
        abort();
    for (; i > 0 && earlier(&e, &w->event[(i - 1) / 2]); i = (i - 1) / 2)
        w->event[i] = w->event[(i - 1) / 2];
    w->event[i] = e;
}

static struct event pop(struct world *w)
{
    struct event first = w->event[0], last = w->event[--w->events];
    unsigned i = 0, child;

    while ((child = 2 * i + 1) < w->events) {
        if (child + 1 < w->events && earlier(&w->event[child + 1], &w->event[child]))
            child++;
        if (!earlier(&w->event[child], &last))
            break;
        w->event[i] = w->event[child];
        i = child;
    }
    w->event[i] = last;
    return first;
}

/* ---- The queue ---- */

static void enqueue(struct world *w, struct message *m)
{
    double bytes = (double)m->count * QUEUE_SEGMENT_BYTES;

    m->arrived_ns = w->now_ns;
    if (w->length == QUEUE_MESSAGES_MAX)
        abort();
    if (w->queued_bytes + bytes > BUFFER_BYTES) { /* travels on as what was lost */
        m->lost = m->count == 64 ? UINT64_MAX : ((uint64_t)1 << m->count) - 1;
        w->result.overflowed += m->count;
    } else {
        w->queued_bytes += bytes;
    }
    w->queue[(w->head + w->length++) % QUEUE_MESSAGES_MAX] = *m;
}

/* ---- Sources ---- */

static void send_window(struct world *w, unsigned number)
{
    struct flow *f = &w->flow[number];
    unsigned window = (unsigned)f->window, most_in_flight = w->set.window_max;

    if (most_in_flight != 0 && window > most_in_flight)
        window = most_in_flight;
    unsigned whole = window < 6 ? 1 : window / 3;
    if (whole > QUEUE_BURST_MAX)
        whole = QUEUE_BURST_MAX;
    while (f->in_flight + whole <= window) {
        struct message m = {.flow = number, .count = whole, .first = f->next};
        f->next += whole;
        f->in_flight += whole;
        enqueue(w, &m);
    }
}

static void slow_down(struct world *w, struct flow *f)
{
    double beta = w->set.source == SOURCE_CUBIC ? CUBIC_BETA : RENO_BETA;

    f->cubic_max = f->window < f->cubic_max ? f->window * (1 + beta) / 2 : f->window;
    f->window *= beta;
    if (f->window < 2)
        f->window = 2;
    f->threshold = f->window;
    f->in_epoch = false;
    f->recovery_until = f->next;
}

/* RFC 9438 s.4.2 to 4.3: the cubic, or what Reno would have, if that is more. */
static void grow_cubic(const struct world *w, struct flow *f, unsigned acked)
{
    double rtt_s = (double)f->rtt_ns / 1e9;

    if (!f->in_epoch) {
        f->in_epoch = true;
        f->epoch_ns = w->now_ns;
        double missing = f->cubic_max > f->window ? f->cubic_max - f->window : 0;
        f->cubic_k_s = cube_root(missing / CUBIC_C);
        if (missing == 0)
            f->cubic_max = f->window;
    }
    double t = (double)(w->now_ns - f->epoch_ns) / 1e9 + rtt_s - f->cubic_k_s;
    double target = CUBIC_C * t * t * t + f->cubic_max;
    double step = target > f->window ? (target - f->window) / f->window : 0.01 / f->window;
    double reno = 3 * (1 - CUBIC_BETA) / (1 + CUBIC_BETA) / f->window;
    f->window += (double)acked * least(0.5, most(step, reno));
}

static void grow(const struct world *w, struct flow *f, unsigned acked)
{
    if (f->window < f->threshold)
        f->window += acked;
    else if (w->set.source == SOURCE_CUBIC)
        grow_cubic(w, f, acked);
    else
        f->window += (double)acked / f->window;
}

static void notice_losses(struct world *w, struct flow *f, uint64_t number)
{
    f->in_flight -= f->missing;
    f->missing = 0;
    if (number >= f->recovery_until)
        slow_down(w, f);
}

static unsigned count_bits(uint64_t bits)
{
    unsigned count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

static void on_acked(struct world *w, const struct message *m)
{
    struct flow *f = &w->flow[m->flow];
    unsigned lost = count_bits(m->lost), came = m->count - lost, after = 0;
    bool full = f->in_flight + 3 + QUEUE_BURST_MAX >= (unsigned)f->window;

    while (after < m->count && (m->lost >> (m->count - 1 - after) & 1) == 0)
        after++;
    f->in_flight -= came;
    if (w->now_ns >= w->begin_ns)
        f->delivered += came;
    if (f->missing != 0 && came >= LOSS_THRESHOLD)
        notice_losses(w, f, m->first - 1);
    f->missing += lost;
    if (lost != 0 && after >= LOSS_THRESHOLD)
        notice_losses(w, f, m->first + m->count - 1);
    if (m->marked && m->first >= f->recovery_until)
        slow_down(w, f);
    if (m->first >= f->recovery_until && came != 0 && full)
        grow(w, f, came);
    send_window(w, m->flow);
    if (f->missing != 0 && f->missing == f->in_flight)
        push(w, w->now_ns + 2 * f->rtt_ns + TIMEOUT_NS, TIMED_OUT, m);
}

static void on_timed_out(struct world *w, const struct message *m)
{
    struct flow *f = &w->flow[m->flow];

    if (f->missing == 0 || f->missing != f->in_flight)
        return;
    notice_losses(w, f, f->recovery_until);
    send_window(w, m->flow);
}

static void on_ping(struct world *w)
{
    struct message m = {.flow = FLOW_PING, .count = 0};

    enqueue(w, &m);
    push(w, w->now_ns + (uint64_t)around(w, PING_EVERY_NS), PING, &m);
}

static void run_events(struct world *w)
{
    while (w->events != 0 && w->event[0].at_ns <= w->now_ns) {
        struct event e = pop(w);
        uint64_t now_ns = w->now_ns;
        w->now_ns = e.at_ns; /* what it sends arrives then, not when the server has time for us */
        if (e.kind == ACKED)
            on_acked(w, &e.message);
        else if (e.kind == TIMED_OUT)
            on_timed_out(w, &e.message);
        else
            on_ping(w);
        w->now_ns = now_ns;
    }
}

/* ---- The server ---- */

static enum codel_verdict judge(struct world *w, const uint8_t *frame, size_t bytes,
                                uint32_t waited_us, uint64_t now_us)
{
    if (!w->set.codel || !codel_standing(&w->codel, waited_us))
        return CODEL_PASS;
    return codel_judge(&w->codel, frame, bytes, waited_us, now_us);
}

static void serve_segments(struct world *w, struct message *m, uint64_t batch_us)
{
    uint32_t waited_us = (uint32_t)((w->now_ns - m->arrived_ns) / 1000);
    double segment_ns = QUEUE_SEGMENT_BYTES * 8e3 / w->set.server_mbit_s, cost_ns = 0;

    for (unsigned i = 0; i < m->count; i++) {
        double own_ns = segment_ns * (0.5 + uniform(w));
        switch (judge(w, w->flow[m->flow].frame, QUEUE_SEGMENT_BYTES, waited_us, batch_us)) {
        case CODEL_DROP:
            m->lost |= (uint64_t)1 << i;
            w->result.dropped++;
            own_ns *= DROPPED_COST;
            break;
        case CODEL_MARK:
            m->marked = true;
            w->result.marked++;
            break;
        case CODEL_PASS:
            break;
        }
        cost_ns += own_ns;
    }
    w->now_ns += (uint64_t)cost_ns;
}

static void serve_ping(struct world *w, const struct message *m, uint64_t batch_us)
{
    uint32_t waited_us = (uint32_t)((w->now_ns - m->arrived_ns) / 1000);

    if (judge(w, w->ping, sizeof w->ping, waited_us, batch_us) != CODEL_PASS)
        w->result.pings_lost++;
    else if (w->now_ns >= w->begin_ns && w->pings < QUEUE_PINGS_MAX)
        w->ping_ms[w->pings++] = (float)((double)(w->now_ns - m->arrived_ns) / 1e6);
}

static void serve(struct world *w, struct message *m, uint64_t batch_us)
{
    bool overflowed = m->lost != 0;

    if (overflowed)
        return;
    w->queued_bytes -= (double)m->count * QUEUE_SEGMENT_BYTES;
    if (m->flow == FLOW_PING)
        serve_ping(w, m, batch_us);
    else
        serve_segments(w, m, batch_us);
    w->now_ns += MESSAGE_NS;
}

/* Its acknowledgements leave together, when the batch is flushed. */
static void serve_batch(struct world *w)
{
    struct message done[BATCH_MESSAGES];
    unsigned count = 0;
    size_t bytes = 0;
    uint64_t batch_us = w->now_ns / 1000;

    for (; count < BATCH_MESSAGES && w->length != 0 && bytes < BATCH_BYTES / 2; count++) {
        struct message m = w->queue[w->head];
        w->head = (w->head + 1) % QUEUE_MESSAGES_MAX;
        w->length--;
        serve(w, &m, batch_us);
        bytes += (size_t)m.count * QUEUE_SEGMENT_BYTES;
        done[count] = m;
        run_events(w);
    }
    if (w->length == 0)
        codel_emptied(&w->codel);
    for (unsigned i = 0; i < count; i++)
        if (done[i].flow != FLOW_PING)
            push(w, w->now_ns + w->flow[done[i].flow].rtt_ns, ACKED, &done[i]);
}

static void be_absent(struct world *w)
{
    if (w->set.gap_every_ms <= 0 || w->now_ns < w->next_gap_ns)
        return;
    w->now_ns += (uint64_t)(1e6 + 3e6 * uniform(w));
    w->next_gap_ns = w->now_ns + (uint64_t)around(w, w->set.gap_every_ms * 1e6);
}

/* ---- Beginning and end ---- */

static void make_frame(uint8_t *frame, uint8_t protocol, unsigned number, bool ecn)
{
    uint8_t *ip = frame + ETHER_HEADER_BYTES;

    store_be16(ip - 2, ETHER_TYPE_IPV4);
    ip[0] = 0x45;
    ip[1] = ecn ? 2 : 0;
    ip[9] = protocol;
    store_be32(ip + 12, 0xc0a80102);
    store_be32(ip + 16, 0xc0a80203);
    store_be16(ip + 20, (uint16_t)(40000 + number));
    store_be16(ip + 22, 5201);
}

static void begin(struct world *w, const struct queue_settings *settings)
{
    uint8_t key[CODEL_KEY_BYTES];
    struct message none = {.flow = FLOW_PING};

    w->set = *settings;
    w->rng = settings->seed * 0x9e3779b97f4a7c15u + 1;
    w->begin_ns = (uint64_t)(settings->seconds * 1e9 / 4);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(random64(w) >> 32);
    codel_init(&w->codel, key);
    codel_set_rtt(&w->codel, (uint32_t)(settings->rtt_ms * 1000));
    make_frame(w->ping, IP_PROTOCOL_ICMP, 0, false);
    push(w, 0, PING, &none);
    double path = settings->server_mbit_s * 1e3 * settings->rtt_ms / (QUEUE_SEGMENT_BYTES * 8);
    for (unsigned i = 0; i < settings->flows; i++) {
        struct flow *f = &w->flow[i];
        make_frame(f->frame, IP_PROTOCOL_TCP, i, settings->ecn);
        f->rtt_ns = (uint64_t)(settings->rtt_ms * 1e6 * (0.95 + 0.1 * uniform(w)));
        f->window = 10; /* and then a slow start to about its share */
        f->threshold = f->cubic_max = most(10, path / settings->flows * (0.9 + 0.4 * uniform(w)));
        send_window(w, i);
    }
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void conclude(struct world *w)
{
    struct queue_result *r = &w->result;
    double all = 0, slowest = 1e300, seconds = (double)(w->now_ns - w->begin_ns) / 1e9;

    for (unsigned i = 0; i < w->set.flows; i++) {
        all += (double)w->flow[i].delivered;
        slowest = least(slowest, (double)w->flow[i].delivered);
    }
    r->mbit_s = all * QUEUE_SEGMENT_BYTES * 8 / 1e6 / seconds;
    r->slowest = all > 0 ? slowest * w->set.flows / all : 0;
    qsort(w->ping_ms, w->pings, sizeof w->ping_ms[0], compare_floats);
    if (w->pings != 0) {
        r->ping_p50_ms = (double)w->ping_ms[w->pings / 2];
        r->ping_p99_ms = (double)w->ping_ms[w->pings * 99 / 100];
    }
}

struct queue_result queue_world_run(const struct queue_settings *settings)
{
    struct world *w = calloc(1, sizeof *w);

    if (w == NULL)
        abort();
    begin(w, settings);
    while ((double)w->now_ns < settings->seconds * 1e9) {
        if (w->length == 0 && w->events != 0 && w->event[0].at_ns > w->now_ns)
            w->now_ns = w->event[0].at_ns;
        be_absent(w);
        run_events(w);
        serve_batch(w);
    }
    conclude(w);
    struct queue_result result = w->result;
    free(w);
    return result;
}
