/* SPDX-License-Identifier: MIT
 *
 * chunk.c - see chunk.h.
 */
#include "tunnel/chunk.h"

#include "bytes.h"
#include "frame/cursor.h"

#include <string.h>

void packer_init(struct packer *packer, uint8_t *payload, size_t capacity)
{
    *packer = (struct packer){.bytes = payload, .capacity = capacity};
}

size_t packer_room(const struct packer *packer)
{
    size_t free_bytes = packer->capacity - packer->used;
    if (free_bytes <= CHUNK_HEADER_BYTES)
        return 0;
    free_bytes -= CHUNK_HEADER_BYTES;
    return free_bytes < CHUNK_BODY_MASK ? free_bytes : CHUNK_BODY_MASK;
}

/* Write a chunk's header; returns where its body goes, or NULL when it does not fit. */
static uint8_t *begin_chunk(struct packer *packer, enum chunk_kind kind, bool partial, size_t bytes)
{
    if (bytes == 0 || bytes > packer_room(packer))
        return NULL;
    uint8_t *header = packer->bytes + packer->used;
    store_be16(header, (uint16_t)((unsigned)kind << CHUNK_KIND_SHIFT |
                                  (partial ? CHUNK_CHECKSUM_PARTIAL : 0u) | (unsigned)bytes));
    packer->used += CHUNK_HEADER_BYTES + bytes;
    return header + CHUNK_HEADER_BYTES;
}

bool packer_add(struct packer *packer, enum chunk_kind kind, bool partial, const uint8_t *body,
                size_t bytes)
{
    uint8_t *to = begin_chunk(packer, kind, partial, bytes);
    if (to)
        memcpy(to, body, bytes);
    return to != NULL;
}

unsigned fragment_plan(size_t frame_bytes, size_t payload_capacity)
{
    enum { OVERHEAD_BYTES = CHUNK_HEADER_BYTES + FRAGMENT_HEADER_BYTES };
    if (payload_capacity <= OVERHEAD_BYTES || frame_bytes == 0 || frame_bytes > UINT16_MAX)
        return 0;
    size_t room = payload_capacity - OVERHEAD_BYTES;
    if (room > CHUNK_BODY_MASK - FRAGMENT_HEADER_BYTES)
        room = CHUNK_BODY_MASK - FRAGMENT_HEADER_BYTES;
    return (unsigned)((frame_bytes + room - 1) / room);
}

bool packer_add_fragment(struct packer *packer, uint16_t id, uint16_t offset, uint16_t total,
                         const uint8_t *data, size_t bytes)
{
    uint8_t *to = begin_chunk(packer, CHUNK_FRAGMENT, false, FRAGMENT_HEADER_BYTES + bytes);
    if (!to)
        return false;
    store_be16(to, id);
    store_be16(to + 2, offset);
    store_be16(to + 4, total);
    memcpy(to + FRAGMENT_HEADER_BYTES, data, bytes);
    return true;
}

void chunk_reader_init(struct chunk_reader *reader, uint8_t *payload, size_t bytes)
{
    *reader = (struct chunk_reader){.bytes = payload, .count = bytes};
}

enum chunk_read chunk_next(struct chunk_reader *reader, struct chunk *out)
{
    while (reader->position < reader->count) {
        size_t left = reader->count - reader->position;
        uint8_t *header = reader->bytes + reader->position;
        /* One odd byte cannot hold a header; as padding it must be zero. */
        if (left < CHUNK_HEADER_BYTES) {
            reader->position = reader->count;
            return header[0] == 0 ? CHUNK_READ_END : CHUNK_READ_MALFORMED;
        }
        unsigned word = load_be16(header);
        size_t bytes = word & CHUNK_BODY_MASK;
        reader->position += CHUNK_HEADER_BYTES + bytes;
        out->kind = (uint8_t)(word >> CHUNK_KIND_SHIFT);
        out->checksum_partial = (word & CHUNK_CHECKSUM_PARTIAL) != 0;
        out->body = header + CHUNK_HEADER_BYTES;
        out->bytes = bytes;
        if (bytes > left - CHUNK_HEADER_BYTES || (bytes == 0 && out->kind != CHUNK_PADDING)) {
            reader->position = reader->count;
            return CHUNK_READ_MALFORMED;
        }
        if (out->kind != CHUNK_PADDING)
            return CHUNK_READ_ONE;
    }
    return CHUNK_READ_END;
}

bool fragment_parse(const struct chunk *chunk, uint16_t *id, uint16_t *offset, uint16_t *total,
                    const uint8_t **data, size_t *bytes)
{
    struct cursor c = cursor_over(chunk->body, chunk->bytes);
    if (!cursor_u16(&c, id) || !cursor_u16(&c, offset) || !cursor_u16(&c, total))
        return false;
    *bytes = cursor_left(&c);
    return *bytes > 0 && cursor_take(&c, *bytes, data) && *offset + *bytes <= *total;
}
