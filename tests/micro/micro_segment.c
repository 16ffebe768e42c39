/* SPDX-License-Identifier: MIT
 *
 * micro_segment.c - what cutting costs: nanoseconds per segment of a frame of 64 KiB, with a copy
 * of the payload or in place, checksums left partial or summed; and the checksum by itself.
 *
 * The best of several rounds is printed; with caches warm. Cutting includes the parse of the large
 * frame and of its virtio-net header.
 */
#include "frame/checksum.h"
#include "frame/segment.h"

#include "../unit/frames.h"

#include <stdio.h>
#include <time.h>

enum { ROUNDS = 500, REPEATS = 20, TCP_HEADERS_BYTES = 32, PAYLOAD_BYTES = 45 * 1400 };

struct large {
    const char *name;
    bool v6, udp, partial, in_place;
    uint16_t segment_bytes;
};

static uint8_t frame[PACKET_FRAME_MAX_BYTES], header[OFFLOAD_HEADER_BYTES];
static uint8_t out[PACKET_FRAME_MAX_BYTES];
static size_t frame_bytes, segments;
static volatile size_t keep; /* so that nothing measured is left out */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* As a TAP would give it; the payload is zero, which costs as much as any other. */
static void build(const struct large *large)
{
    size_t upper_bytes = (large->udp ? 8 : TCP_HEADERS_BYTES) + PAYLOAD_BYTES;
    uint8_t protocol = large->udp ? 17 : 6;
    struct packet packet;
    struct frame_spec spec = {.ip_source = frame_ip(large->v6 ? "fd00::1" : "192.168.1.2"),
                              .ip_destination = frame_ip(large->v6 ? "fd00::2" : "192.168.1.3"),
                              .fragment_field = 0x4000,
                              .ttl = 64};
    struct offload offload = {.checksum_partial = true,
                              .gso = large->udp ? OFFLOAD_UDP : OFFLOAD_TCP,
                              .segment_bytes = large->segment_bytes};
    memset(frame, 0, sizeof frame);
    size_t at = frame_ether(frame, spec, large->v6 ? 0x86dd : 0x0800);
    at += large->v6 ? frame_ip6_header(frame + at, spec, protocol, upper_bytes)
                    : frame_ip4_header(frame + at, spec, protocol, upper_bytes);
    frame_bytes = at + upper_bytes;
    if (large->udp)
        store_be16(frame + at + 4, (uint16_t)upper_bytes);
    else
        frame[at + 12] = TCP_HEADERS_BYTES / 4 << 4;
    if (!packet_parse(&packet, frame, frame_bytes))
        abort();
    store_be16(frame + at + (large->udp ? 6 : 16), offload_pseudo_checksum(&packet, upper_bytes));
    offload_write(header, &offload, &packet);
}

/* Goes on as long as there are segments. Cut in place the frame needs its headers back; what its
 * payload is then does not matter here. */
static size_t cut(const struct large *large)
{
    struct packet packet;
    struct offload offload;
    struct segmenter s;
    size_t count = 0;
    if (!packet_parse(&packet, frame, frame_bytes) || !offload_read(&offload, header, &packet) ||
        !segment_begin(&s, &packet, &offload, 65535, large->partial))
        abort();
    if (large->in_place) {
        memcpy(out, frame, s.header_bytes);
        for (size_t bytes; segment_next_in_place(&s, 0, &bytes); count++)
            keep = bytes;
        memcpy(frame, out, s.header_bytes);
    } else {
        for (; segment_next(&s, out) > 0; count++)
            keep = out[0];
    }
    return count;
}

static void measure(const struct large *large)
{
    uint64_t best_ns = UINT64_MAX;
    build(large);
    for (unsigned i = 0; i < REPEATS; i++) {
        uint64_t began_ns = now_ns();
        for (unsigned n = 0; n < ROUNDS; n++)
            segments = cut(large);
        uint64_t took_ns = now_ns() - began_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    printf("%-44s %7.1f ns\n", large->name, (double)best_ns / (double)(ROUNDS * segments));
}

static void measure_checksum(size_t bytes)
{
    uint64_t best_ns = UINT64_MAX;
    for (unsigned i = 0; i < REPEATS; i++) {
        uint64_t began_ns = now_ns();
        for (unsigned n = 0; n < ROUNDS; n++)
            keep = checksum_add(n, frame + n % 64, bytes);
        uint64_t took_ns = now_ns() - began_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    printf("checksum of %4zu bytes %29.1f ns\n", bytes, (double)best_ns / ROUNDS);
}

int main(void)
{
    static const struct large LARGE[] = {
        {.name = "TCP/IPv4, 1400, partial", .partial = true, .segment_bytes = 1400},
        {.name = "TCP/IPv4, 1400, complete", .segment_bytes = 1400},
        {.name = "TCP/IPv4, 1400, partial, in place",
         .partial = true,
         .in_place = true,
         .segment_bytes = 1400},
        {.name = "TCP/IPv6, 1400, partial", .v6 = true, .partial = true, .segment_bytes = 1400},
        {.name = "TCP/IPv6, 1400, complete", .v6 = true, .segment_bytes = 1400},
        {.name = "UDP/IPv4, 1400, partial", .udp = true, .partial = true, .segment_bytes = 1400},
        {.name = "UDP/IPv4, 1400, complete", .udp = true, .segment_bytes = 1400},
        {.name = "TCP/IPv4, 100, partial", .partial = true, .segment_bytes = 100},
    };
    for (size_t i = 0; i < sizeof LARGE / sizeof LARGE[0]; i++)
        measure(&LARGE[i]);
    measure_checksum(20);
    measure_checksum(64);
    measure_checksum(1400);
    return 0;
}
