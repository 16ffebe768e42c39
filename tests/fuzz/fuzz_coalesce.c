/* SPDX-License-Identifier: MIT
 *
 * fuzz_coalesce.c - any sequence of frames: all come out, once, as they went in, in order within
 * their flow, whether joined or not. See coalesce_owner.h for what is compared.
 *
 * Input: commands, read until there are not enough octets. The first octet's bits say what follows:
 *   01     0: the next segment of a flow: 4 octets, kind of flow, and differences from a full
 *          segment in payload, flags and place
 *          1: a frame as it is: length 2, octets
 *   02     turn bits of it: offset 2, mask 1
 *   04     and set its checksums anew, if it is a frame that could be joined
 *   08     its checksum is not of the kind its flow's is
 *   10     not holdable
 *   20     flush before it
 *   40     its IPv4 id is 0, if it is a frame that could be joined; before 02
 */
#include "../unit/coalesce_owner.h"

#include "cursor.h"

enum command {
    RAW = 0x01,
    TURN = 0x02,
    RESUM = 0x04,
    OTHER_KIND = 0x08,
    PASSING = 0x10,
    FLUSH = 0x20,
    NO_ID = 0x40,
    KINDS = 144,
    FRAMES_PER_FLUSH_MAX = 100,
};

static unsigned next_piece[KINDS];

/* False when the input is at its end. */
static bool read_segment(struct cursor *c, uint8_t *frame, size_t *bytes, bool *partial)
{
    const uint8_t *octet;
    struct kind k;
    if (!cursor_take(c, 4, &octet))
        return false;
    unsigned kind = octet[0] % KINDS;
    size_t payload_bytes = (uint8_t)(PAYLOAD + octet[1]);
    struct piece piece = {next_piece[kind] + octet[3], payload_bytes, ACK ^ octet[2],
                          (uint16_t)(kind / 16)};
    next_piece[kind]++;
    next_kind(&k, kind);
    *bytes = build(frame, k, piece);
    *partial = k.partial;
    return true;
}

static bool read_raw(struct cursor *c, uint8_t *frame, size_t *bytes)
{
    uint16_t count;
    const uint8_t *octets;
    if (!cursor_u16(c, &count) || count == 0 || count > FRAME_BYTES_MAX ||
        !cursor_take(c, count, &octets))
        return false;
    memcpy(frame, octets, count);
    *bytes = count;
    return true;
}

/* As Linux sends with DF from a socket that is not connected. */
static void clear_id(uint8_t *frame, size_t bytes, bool partial)
{
    struct owner_layout l;
    if (!owner_layout_of(&l, frame, bytes) || !l.v4)
        return;
    store_be16(frame + l.network + 4, 0);
    owner_sum(&l, frame, bytes, partial);
}

static bool read_turn(struct cursor *c, uint8_t *frame, size_t bytes)
{
    uint16_t offset;
    uint8_t mask;
    if (!cursor_u16(c, &offset) || !cursor_u8(c, &mask))
        return false;
    frame[offset % bytes] ^= mask;
    return true;
}

static bool run_command(struct cursor *c)
{
    uint8_t command, frame[FRAME_BYTES_MAX];
    size_t bytes = 0;
    bool partial = false;
    struct owner_layout l;
    if (!cursor_u8(c, &command) ||
        !(command & RAW ? read_raw(c, frame, &bytes) : read_segment(c, frame, &bytes, &partial)))
        return false;
    if ((command & NO_ID) != 0)
        clear_id(frame, bytes, partial);
    if ((command & TURN) != 0 && !read_turn(c, frame, bytes))
        return false;
    partial ^= (command & OTHER_KIND) != 0;
    if ((command & RESUM) != 0 && owner_layout_of(&l, frame, bytes))
        owner_sum(&l, frame, bytes, partial);
    if ((command & FLUSH) != 0 || o.frames == FRAMES_PER_FLUSH_MAX)
        owner_flush(&o);
    owner_give(&o, frame, bytes, partial, (command & PASSING) == 0);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    struct cursor c = cursor_over(input, count);
    memset(next_piece, 0, sizeof next_piece);
    setup();
    while (run_command(&c))
        ;
    teardown();
    return 0;
}
