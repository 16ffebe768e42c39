/* SPDX-License-Identifier: MIT
 *
 * micro_path.c - what a TCP segment of 1448 bytes costs on its way: from a large frame to a sealed
 * datagram, and from that to a large frame again; nanoseconds per segment, per suite.
 *
 * Sending is measured twice: with a copy into the datagram, sealed there; and sealed from the large
 * frame, where the segment was made. Receiving is measured up to three points: opened, chunks read,
 * joined. Before each round the input is made afresh, as the kernel would write it, which is not
 * counted. The best round is printed.
 */
#include "crypto/replay.h"
#include "frame/coalesce.h"
#include "frame/segment.h"
#include "tunnel/chunk.h"

#include "../unit/frames.h"
#include "crypto/aead.h"

#include <stdio.h>
#include <time.h>

enum {
    ROUNDS = 3000,
    SEGMENTS = 44,
    SEGMENT_BYTES = 1448,
    TCP_HEADERS_BYTES = 32, /* with timestamps */
    FRAME_HEADERS_BYTES = ETHER_HEADER_BYTES + IPV4_HEADER_BYTES + TCP_HEADERS_BYTES,
    LARGE_BYTES = FRAME_HEADERS_BYTES + SEGMENTS * SEGMENT_BYTES,
    CHUNK_BYTES = CHUNK_HEADER_BYTES + FRAME_HEADERS_BYTES + SEGMENT_BYTES,
    SLOT_BYTES = 1600,
};

static uint8_t large[LARGE_BYTES], tap[SEGMENT_ROOM_BYTES + LARGE_BYTES];
static uint8_t sent[SEGMENTS][SLOT_BYTES], received[SEGMENTS][SLOT_BYTES];
static uint64_t joined;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* ---- sending ---- */

static void build_large(void)
{
    struct packet p;
    struct frame_spec spec = {.ip_source = frame_ip("192.168.1.2"),
                              .ip_destination = frame_ip("192.168.1.3"),
                              .fragment_field = 0x4000,
                              .ttl = 64};
    size_t upper_bytes = TCP_HEADERS_BYTES + SEGMENTS * SEGMENT_BYTES;
    size_t at = frame_ether(large, spec, ETHER_TYPE_IPV4);
    at += frame_ip4_header(large + at, spec, IP_PROTOCOL_TCP, upper_bytes);
    large[at + 12] = TCP_HEADERS_BYTES / 4 << 4;
    large[at + 13] = FRAME_TCP_ACK;
    require(packet_parse(&p, large, sizeof large));
    store_be16(large + at + 16, offload_pseudo_checksum(&p, upper_bytes));
}

static void begin(struct segmenter *s)
{
    static const struct offload OFFLOAD = {
        .checksum_partial = true, .gso = OFFLOAD_TCP, .segment_bytes = SEGMENT_BYTES};
    struct packet p;
    require(packet_parse(&p, tap + SEGMENT_ROOM_BYTES, LARGE_BYTES));
    require(segment_begin(s, &p, &OFFLOAD, SLOT_BYTES, true));
}

static void put_data_header(uint8_t *datagram, uint64_t counter)
{
    store_be32(datagram, (uint32_t)WIRE_DATA << 24);
    store_be32(datagram + 4, 0);
    store_be64(datagram + 8, counter);
}

static void put_chunk_header(uint8_t *out, size_t bytes)
{
    store_be16(out, (uint16_t)(CHUNK_FRAME << CHUNK_KIND_SHIFT | CHUNK_CHECKSUM_PARTIAL | bytes));
}

static void send_copies(const struct aead_key *key)
{
    struct segmenter s;
    begin(&s);
    for (size_t i = 0, bytes; (bytes = segment_next_bytes(&s)) > 0; i++) {
        uint8_t *text = sent[i] + DATA_HEADER_BYTES;
        put_data_header(sent[i], i);
        put_chunk_header(text, bytes);
        segment_next(&s, text + CHUNK_HEADER_BYTES);
        aead_seal(key, i, sent[i], DATA_HEADER_BYTES, text, CHUNK_HEADER_BYTES + bytes);
    }
}

static void send_from_frame(const struct aead_key *key)
{
    struct segmenter s;
    uint8_t *segment;
    begin(&s);
    for (size_t i = 0, bytes;
         (segment = segment_next_in_place(&s, CHUNK_HEADER_BYTES, &bytes)) != NULL; i++) {
        put_data_header(sent[i], i);
        put_chunk_header(segment - CHUNK_HEADER_BYTES, bytes);
        aead_seal_from(key, i, sent[i], DATA_HEADER_BYTES, sent[i] + DATA_HEADER_BYTES,
                       segment - CHUNK_HEADER_BYTES, CHUNK_HEADER_BYTES + bytes);
    }
}

/* ---- receiving ---- */

static struct replay replay;

static void count_joined(void *context, const struct offload *offload, const struct packet *packet,
                         const struct slice *slices, size_t count)
{
    (void)context, (void)offload, (void)packet, (void)slices;
    joined += count;
}

static struct coalescer coalescer = {.emit = count_joined};

static uint8_t *open_datagram(const struct aead_key *key, size_t i)
{
    uint8_t *text = received[i] + DATA_HEADER_BYTES;
    require(replay_would_accept(&replay, i) &&
            aead_open(key, i, received[i], DATA_HEADER_BYTES, text,
                      CHUNK_BYTES + aead_tag_bytes(key->suite)) &&
            replay_accept(&replay, i));
    return text;
}

static struct chunk read_chunk(uint8_t *text)
{
    struct chunk_reader reader;
    struct chunk chunk;
    chunk_reader_init(&reader, text, CHUNK_BYTES);
    require(chunk_next(&reader, &chunk) == CHUNK_READ_ONE);
    return chunk;
}

static void receive_opened(const struct aead_key *key)
{
    replay_reset(&replay);
    for (size_t i = 0; i < SEGMENTS; i++)
        open_datagram(key, i);
}

static void receive_chunks(const struct aead_key *key)
{
    replay_reset(&replay);
    for (size_t i = 0; i < SEGMENTS; i++)
        read_chunk(open_datagram(key, i));
}

static void receive_joined(const struct aead_key *key)
{
    replay_reset(&replay);
    for (size_t i = 0; i < SEGMENTS; i++) {
        struct chunk chunk = read_chunk(open_datagram(key, i));
        struct packet p;
        if (coalesce_append(&coalescer, chunk.body, chunk.bytes, chunk.checksum_partial))
            continue;
        require(packet_parse(&p, chunk.body, chunk.bytes));
        coalesce_offer(&coalescer, &p, chunk.checksum_partial, true);
    }
    coalesce_flush(&coalescer);
}

/* ---- measuring ---- */

typedef void work_fn(const struct aead_key *key);

static work_fn *const WORK[] = {send_copies, send_from_frame, receive_opened, receive_chunks,
                                receive_joined};
enum { WORKS = sizeof WORK / sizeof WORK[0] };

static uint64_t took_ns(work_fn *work, const struct aead_key *key)
{
    memcpy(tap + SEGMENT_ROOM_BYTES, large, sizeof large);
    memcpy(received, sent, sizeof sent);
    uint64_t began_ns = now_ns();
    work(key);
    return now_ns() - began_ns;
}

/* In turns, so that a processor that changes its pace does so for all. */
static void measure(enum suite suite)
{
    static const uint8_t MATERIAL[AEAD_KEY_MATERIAL_BYTES] = {1};
    uint64_t best_ns[WORKS];
    struct aead_key key;
    if (!aead_init(&key, suite, MATERIAL))
        return;
    for (size_t i = 0; i < WORKS; i++)
        best_ns[i] = took_ns(WORK[i], &key); /* the first fills what is received */
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < WORKS; i++) {
            uint64_t ns = took_ns(WORK[i], &key);
            best_ns[i] = ns < best_ns[i] ? ns : best_ns[i];
        }
    }
    printf("%-17s", aead_name(suite));
    for (size_t i = 0; i < WORKS; i++)
        printf(" %9.1f", (double)best_ns[i] / SEGMENTS);
    printf("\n");
}

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    build_large();
    printf("libsodium %s; ns per segment of %d bytes\n", sodium_version_string(), SEGMENT_BYTES);
    printf("%-17s %9s %9s %9s %9s %9s\n", "suite", "copy+seal", "in place", "open", "+ chunk",
           "+ join");
    for (unsigned i = 1; aead_name((enum suite)i); i++)
        measure((enum suite)i);
    return joined > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
