/* SPDX-License-Identifier: MIT
 *
 * micro_coalesce.c - what joining a segment costs: nanoseconds per segment, of bursts of one flow
 * or several in turn, and of frames that are held and never continued.
 *
 * The best of several rounds is printed. The large frame goes to nobody, so what is measured is
 * comparing, summing and mending; with caches warm.
 */
#include "frame/coalesce.h"

#include "../unit/frames.h"

#include <stdio.h>
#include <time.h>

enum {
    BURST = 40,
    FLOWS_MAX = 8,
    ROUNDS = 2000,
    REPEATS = 5,
    TCP_HEADERS_BYTES = 32,
    PAYLOAD_MAX_BYTES = 1400
};

struct burst {
    const char *name;
    bool v6, partial, join;
    size_t payload_bytes;
    unsigned flows;
};

static uint8_t frames[FLOWS_MAX * BURST][FRAME_BYTES_MAX];
static uint8_t headers[FLOWS_MAX * BURST][128];
static size_t frame_bytes;
static uint64_t emitted;

static void count_frames(void *context, const struct offload *offload, const struct packet *packet,
                         const struct slice *slices, size_t count)
{
    (void)context, (void)offload, (void)packet, (void)slices;
    emitted += count;
}

/* Segment @n of flow @flow, as a host with timestamps sends it. */
static void build(const struct burst *b, unsigned flow, unsigned n, uint8_t *frame)
{
    uint8_t tcp[TCP_HEADERS_BYTES + PAYLOAD_MAX_BYTES] = {0};
    struct frame_spec spec = {.ip_source = frame_ip(b->v6 ? "fd00::1" : "192.168.1.2"),
                              .ip_destination = frame_ip(b->v6 ? "fd00::2" : "192.168.1.3"),
                              .fragment_field = 0x4000,
                              .ttl = 64};
    size_t bytes = TCP_HEADERS_BYTES + b->payload_bytes;
    store_be16(tcp, (uint16_t)(50000 + flow));
    store_be16(tcp + 2, 445);
    store_be32(tcp + 4, (uint32_t)(n * b->payload_bytes));
    tcp[12] = TCP_HEADERS_BYTES / 4 << 4;
    tcp[13] = FRAME_TCP_ACK;
    memset(tcp + TCP_HEADERS_BYTES, 0x5a, b->payload_bytes);
    frame_bytes = frame_summed(frame, spec, 6, tcp, bytes, 16);
    if (b->partial)
        store_be16(frame + (frame_bytes - bytes) + 16,
                   frame_pseudo_sum(&spec.ip_source, &spec.ip_destination, 6, bytes));
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t round_ns(struct coalescer *c, const struct burst *b)
{
    unsigned count = BURST * b->flows;
    for (unsigned i = 0; i < count; i++)
        memcpy(frames[i], headers[i], sizeof headers[i]);
    uint64_t began_ns = now_ns();
    for (unsigned i = 0; i < count; i++) {
        struct packet packet;
        if (b->join && coalesce_append(c, frames[i], frame_bytes, b->partial))
            continue;
        packet_parse(&packet, frames[i], frame_bytes);
        coalesce_offer(c, &packet, b->partial, true);
    }
    coalesce_flush(c);
    return now_ns() - began_ns;
}

static void measure(const struct burst *b)
{
    static struct coalescer c;
    unsigned count = BURST * b->flows;
    double best_ns = 1e18;
    c = (struct coalescer){.emit = count_frames, .udp = true};
    for (unsigned i = 0; i < count; i++) {
        build(b, i % b->flows, i / b->flows, frames[i]);
        memcpy(headers[i], frames[i], sizeof headers[i]);
    }
    for (unsigned r = 0; r < REPEATS; r++) {
        uint64_t total_ns = 0;
        for (unsigned n = 0; n < ROUNDS; n++)
            total_ns += round_ns(&c, b);
        double each_ns = (double)total_ns / ROUNDS / count;
        best_ns = each_ns < best_ns ? each_ns : best_ns;
    }
    printf("%-34s %7.1f ns per segment\n", b->name, best_ns);
}

int main(void)
{
    static const struct burst BURSTS[] = {
        {"IPv4, 1400 bytes, partial", false, true, true, 1400, 1},
        {"IPv6, 1400 bytes, partial", true, true, true, 1400, 1},
        {"IPv4, 1400 bytes, partial, 8 flows", false, true, true, 1400, 8},
        {"IPv4, 1400 bytes, verified", false, false, true, 1400, 1},
        {"IPv6, 1400 bytes, verified", true, false, true, 1400, 1},
        {"IPv4, parsed, held, never joined", false, true, false, 1400, 8},
    };
    for (size_t i = 0; i < sizeof BURSTS / sizeof BURSTS[0]; i++)
        measure(&BURSTS[i]);
    return emitted > 0 ? 0 : 1;
}
