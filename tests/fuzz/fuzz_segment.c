/* SPDX-License-Identifier: MIT
 *
 * fuzz_segment.c - any frame behind any virtio-net header: at most one checksum is finished, what
 * is written says what was read; segments parse, fit, differ from the large frame only where they
 * must, and their payloads joined are its payload, cut beside the frame or within it.
 */
#include "frame/checksum.h"
#include "frame/segment.h"

#include "bytes.h"

#include <stdlib.h>

enum { SETTINGS_BYTES = 3, INPUT_HEADER_BYTES = SETTINGS_BYTES + OFFLOAD_HEADER_BYTES };

struct settings {
    size_t frame_max_bytes, room_bytes;
    bool partial;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* With @room_bytes before it, which belong to what is to be freed. */
static uint8_t *copy_of(const uint8_t *bytes, size_t count, size_t room_bytes)
{
    uint8_t *copy = malloc(room_bytes + count + 1 - (count > 0));
    require(copy != NULL);
    if (count > 0)
        memcpy(copy + room_bytes, bytes, count);
    return copy;
}

/* ---- the header ---- */

static void require_same_header(const struct offload *offload, const struct packet *p)
{
    uint8_t header[OFFLOAD_HEADER_BYTES];
    struct offload again;
    offload_write(header, offload, p);
    require(offload_read(&again, header, p) || !offload_possible(p));
    if (!offload_possible(p))
        return;
    require(again.checksum_partial == offload->checksum_partial);
    require(again.checksum_valid == offload->checksum_valid);
    require(again.gso == offload->gso && again.ecn == offload->ecn);
    require(again.segment_bytes == offload->segment_bytes);
}

/* Nothing but two octets side by side. */
static void require_one_field(const uint8_t *frame, const uint8_t *before, size_t bytes)
{
    size_t first = 0, last = bytes;
    while (first < bytes && frame[first] == before[first])
        first++;
    while (last > first && frame[last - 1] == before[last - 1])
        last--;
    require(last - first <= 2);
}

static void require_finished(const struct offload *offload, const struct packet *p,
                             const uint8_t *before, bool asked)
{
    if (offload->checksum_partial || !asked)
        require(memcmp(p->frame, before, p->frame_bytes) == 0);
    if (offload->checksum_partial)
        offload_finish_checksum(p);
    require_one_field(p->frame, before, p->frame_bytes);
}

/* ---- segments ---- */

/* Why a frame may be refused. */
static bool can_be_cut(const struct packet *p, const struct settings *set)
{
    size_t header_bytes = offload_headers_bytes(p);
    bool syn = p->protocol == IP_PROTOCOL_TCP && (p->frame[p->transport_offset + 13] & 2) != 0;
    return !syn && header_bytes <= SEGMENT_HEADERS_MAX_BYTES && header_bytes < p->network_end &&
           header_bytes < set->frame_max_bytes;
}

/* The fields that may differ, made alike. */
static void make_alike(uint8_t *headers, const struct packet *p)
{
    uint8_t *ip = headers + p->network_offset, *transport = headers + p->transport_offset;
    bool tcp = p->protocol == IP_PROTOCOL_TCP;
    if (p->network == PACKET_IPV4) {
        store_be32(ip + 2, 0);
        store_be16(ip + 10, 0);
    } else {
        store_be16(ip + 4, 0);
    }
    if (tcp) {
        store_be32(transport + 4, 0);
        transport[13] &= (uint8_t) ~(0x80 | 0x08 | 0x01);
        store_be16(transport + 16, 0);
    } else {
        store_be32(transport + 4, 0);
    }
}

static void require_same_headers(const struct packet *large, const struct packet *segment)
{
    size_t bytes = offload_headers_bytes(large);
    uint8_t a[SEGMENT_HEADERS_MAX_BYTES], b[SEGMENT_HEADERS_MAX_BYTES];
    memcpy(a, large->frame, bytes);
    memcpy(b, segment->frame, bytes);
    make_alike(a, large);
    make_alike(b, large);
    require(memcmp(a, b, bytes) == 0);
}

/* When the large frame's was partial it is the host's sum that counts, and here that is junk. */
static void require_checksums(const struct packet *p, const struct offload *offload, bool partial)
{
    const uint8_t *ip = p->frame + p->network_offset;
    bool udp = p->protocol == IP_PROTOCOL_UDP;
    size_t bytes = p->network_end - p->transport_offset;
    uint16_t found = load_be16(p->frame + p->transport_offset + (udp ? 6 : 16));
    if (p->network == PACKET_IPV4)
        require(checksum_finish(checksum_add(0, ip, (size_t)4 * (ip[0] & 0xf))) == 0);
    if (!offload->checksum_partial)
        require(found == (partial ? offload_pseudo_checksum(p, bytes) : checksum_transport(p)));
    require(found != 0 || !udp || partial);
}

static void require_sequence(const struct packet *large, const struct packet *p, size_t taken)
{
    const uint8_t *was = large->frame + large->transport_offset;
    const uint8_t *now = p->frame + p->transport_offset;
    if (p->protocol == IP_PROTOCOL_UDP) {
        require(load_be16(now + 4) == p->network_end - p->transport_offset);
        return;
    }
    bool last = taken + p->network_end - offload_headers_bytes(p) ==
                large->network_end - offload_headers_bytes(large);
    require(load_be32(now + 4) == (uint32_t)(load_be32(was + 4) + taken));
    require((now[13] & 0x09) == (last ? was[13] & 0x09 : 0));
    require((now[13] & 0x80) == (was[13] & 0x80) || taken > 0);
}

static void require_segment(const struct packet *large, const struct offload *offload,
                            const struct settings *set, uint8_t *frame, size_t bytes, size_t taken)
{
    struct packet p;
    size_t header_bytes = offload_headers_bytes(large);
    require(packet_parse(&p, frame, bytes) && !p.malformed && p.network_end == bytes);
    require(p.transport_offset == large->transport_offset && p.protocol == large->protocol);
    require(bytes > header_bytes && bytes - header_bytes <= offload->segment_bytes);
    require(offload->gso == OFFLOAD_UDP || bytes <= set->frame_max_bytes);
    require(memcmp(frame + header_bytes, large->frame + header_bytes + taken,
                   bytes - header_bytes) == 0);
    require_same_headers(large, &p);
    require_checksums(&p, offload, set->partial);
    require_sequence(large, &p, taken);
}

/* @within: the same frame once more, to be cut in place, behind room of the size set. What was
 * taken is overwritten each time, and what is still to come must be as it was. */
static void cut(const struct packet *large, const struct packet *within,
                const struct offload *offload, const struct settings *set)
{
    struct segmenter s, t;
    uint8_t nothing;
    size_t header_bytes = offload_headers_bytes(large), taken = 0, bytes, bytes_within;
    bool begun = segment_begin(&s, large, offload, set->frame_max_bytes, set->partial);
    require(begun == can_be_cut(large, set));
    require(segment_begin(&t, within, offload, set->frame_max_bytes, set->partial) == begun);
    while ((bytes = segment_next_bytes(&s)) > 0) {
        uint8_t *out = malloc(bytes);
        require(out != NULL && segment_next(&s, out) == bytes);
        require_segment(large, offload, set, out, bytes, taken);
        uint8_t *in_place = segment_next_in_place(&t, set->room_bytes, &bytes_within);
        require(in_place == within->frame + taken && bytes_within == bytes);
        require(memcmp(in_place, out, bytes) == 0);
        require(memcmp(in_place + bytes, large->frame + taken + bytes,
                       large->frame_bytes - taken - bytes) == 0);
        memset(in_place - set->room_bytes, 0xdb, set->room_bytes + bytes);
        taken += bytes - header_bytes;
        free(out);
    }
    require(!begun || taken == large->network_end - header_bytes);
    require(segment_next_bytes(&s) == 0 && segment_next(&s, &nothing) == 0);
    require(segment_next_in_place(&t, set->room_bytes, &bytes_within) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

/* The first two octets are what fits one datagram, the third's lowest bit whether checksums stay
 * partial, its others how much room there is before the frame that is cut in place; a virtio-net
 * header and the frame follow. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    if (count < INPUT_HEADER_BYTES)
        return 0;
    const struct settings set = {.frame_max_bytes = load_be16(input),
                                 .room_bytes = (input[2] >> 1) % (SEGMENT_ROOM_BYTES + 1),
                                 .partial = (input[2] & 1) != 0};
    const uint8_t *header = input + SETTINGS_BYTES, *before = input + INPUT_HEADER_BYTES;
    size_t bytes = count - INPUT_HEADER_BYTES;
    uint8_t *frame = copy_of(before, bytes, 0);
    uint8_t *memory = copy_of(before, bytes, set.room_bytes), *within = memory + set.room_bytes;
    struct packet p, q;
    struct offload offload;
    if (packet_parse(&p, frame, bytes) && packet_parse(&q, within, bytes)) {
        if (!offload_read(&offload, header, &p)) {
            require(memcmp(frame, before, bytes) == 0);
        } else if (offload.gso == OFFLOAD_WHOLE) {
            require_same_header(&offload, &p);
            require_finished(&offload, &p, before, (header[0] & 1) != 0);
        } else {
            require_same_header(&offload, &p);
            cut(&p, &q, &offload, &set);
            require(memcmp(frame, before, bytes) == 0);
        }
    }
    free(frame);
    free(memory);
    return 0;
}
