/* SPDX-License-Identifier: MIT
 *
 * fuzz_reassembly.c - any row of pieces: slots stay consistent, a complete frame holds what its
 * pieces held, and each frame is completed, discarded or given up at most once.
 *
 * A piece is 8 bytes of input: id 1, offset 2, total 1, length 2, session and form 1, time 1. A
 * frame's bytes are a function of session, id and place, so that one put together wrongly shows.
 */
#include "tunnel/reassembly.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

static struct reassembly r;
static size_t ended; /* frames completed or discarded */

static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t byte_at(unsigned key, size_t place)
{
    return (uint8_t)(key * 89 + place * 31 + place / 256);
}

static void check_slots(void)
{
    for (const struct reassembly_slot *s = r.slot; s < r.slot + REASSEMBLY_SLOTS; s++) {
        size_t have = 0, end = 0;
        if (s->state != REASSEMBLY_COLLECTING)
            continue;
        require(s->piece_count > 0 && s->piece_count <= REASSEMBLY_PIECES_MAX);
        for (size_t i = 0; i < s->piece_count; i++) {
            require(s->piece[i].offset >= end && s->piece[i].bytes > 0);
            end = (size_t)s->piece[i].offset + s->piece[i].bytes;
            have += s->piece[i].bytes;
        }
        require(end <= s->total_bytes && have == s->have_bytes && have < s->total_bytes);
    }
}

static void add_piece(const uint8_t in[8], uint64_t *now_us)
{
    static uint8_t data[UINT16_MAX + 1];
    /* Four slots, each for eight frames around the ids' circle. */
    unsigned id = (in[0] & 3u) + (in[0] >> 5) * (REASSEMBLY_SLOTS * 128u + REASSEMBLY_SLOTS);
    unsigned session = in[6] >> 7, key = id + session;
    uint16_t offset = load_be16(in + 1), total = (uint16_t)((in[3] & 0x3f) * 149 + in[3] / 64);
    size_t bytes = load_be16(in + 4);
    uint8_t *frame, *copy;
    size_t frame_bytes;

    if (in[6] & 1) { /* likely ones: on a grid */
        offset = (uint16_t)((in[1] & 0x3f) * 149);
        bytes = (size_t)(in[4] & 7) * 149 + (in[4] >> 6);
    }
    *now_us += (uint64_t)in[7] * in[7] * 4;
    copy = malloc(bytes ? bytes : 1); /* the sanitizer sees its end */
    for (size_t i = 0; i < bytes; i++)
        data[i] = byte_at(key, offset + i);
    memcpy(copy, data, bytes);
    enum reassembly_result result = reassembly_add(&r, session, (uint16_t)id, offset, total, copy,
                                                   bytes, *now_us, &frame, &frame_bytes);
    ended += result != REASSEMBLY_PENDING;
    if (result == REASSEMBLY_COMPLETE) {
        require(frame_bytes == total && total <= REASSEMBLY_FRAME_MAX_BYTES);
        for (size_t i = 0; i < frame_bytes; i++)
            require(frame[i] == byte_at(key, i));
        memset(frame - REASSEMBLY_HEADROOM_BYTES, 0xee, REASSEMBLY_HEADROOM_BYTES + frame_bytes);
    }
    free(copy);
    check_slots();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    uint64_t now_us = 0;
    reassembly_reset(&r);
    ended = 0;
    for (size_t at = 0; at + 8 <= count; at += 8)
        add_piece(input + at, &now_us);
    reassembly_expire(&r, now_us + REASSEMBLY_AGE_US);
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        require(r.slot[i].state == REASSEMBLY_FREE);
    require(ended + r.expired <= count / 8); /* each took a piece to begin */
    return 0;
}
