/* SPDX-License-Identifier: MIT
 *
 * chunk.c - pack, cut and read the chunks of a data packet. chunk.h says how it works.
 */
#include "tunnel/chunk.h"

#include "bytes.h"
#include "tunnel/reassembly.h"

#include <string.h>

void packer_init(struct packer *packer, uint8_t *payload, size_t capacity)
{
    *packer = (struct packer){.bytes = payload, .capacity = capacity};
}

size_t chunk_body_max(size_t payload_capacity)
{
    if (payload_capacity < CHUNK_HEADER_BYTES)
        return 0;
    size_t room = payload_capacity - CHUNK_HEADER_BYTES;
    return room < CHUNK_BODY_MASK ? room : CHUNK_BODY_MASK;
}

size_t packer_room(const struct packer *packer)
{
    return chunk_body_max(packer->capacity - packer->used);
}

static void write_header(uint8_t *header, enum chunk_kind kind, bool checksum_partial, size_t bytes)
{
    unsigned flag = checksum_partial ? CHUNK_CHECKSUM_PARTIAL : 0;
    store_be16(header, (uint16_t)((unsigned)kind << CHUNK_KIND_SHIFT | flag | bytes));
}

uint8_t *chunk_begin(uint8_t *body, enum chunk_kind kind, bool checksum_partial, size_t bytes)
{
    uint8_t *chunk = body - CHUNK_HEADER_BYTES;
    write_header(chunk, kind, checksum_partial, bytes);
    return chunk;
}

uint8_t *packer_reserve(struct packer *packer, enum chunk_kind kind, bool checksum_partial,
                        size_t bytes)
{
    if (bytes == 0 || bytes > packer_room(packer))
        return NULL;
    uint8_t *header = packer->bytes + packer->used;
    write_header(header, kind, checksum_partial, bytes);
    packer->used += CHUNK_HEADER_BYTES + bytes;
    return header + CHUNK_HEADER_BYTES;
}

bool packer_add(struct packer *packer, enum chunk_kind kind, bool checksum_partial,
                const uint8_t *body, size_t bytes)
{
    uint8_t *out = packer_reserve(packer, kind, checksum_partial, bytes);
    if (out)
        memcpy(out, body, bytes);
    return out != NULL;
}

void packer_pad(struct packer *packer)
{
    memset(packer->bytes + packer->used, 0, packer->capacity - packer->used);
    packer->used = packer->capacity;
}

unsigned fragment_plan(size_t frame_bytes, size_t payload_capacity)
{
    size_t body_max = chunk_body_max(payload_capacity);
    if (frame_bytes == 0 || frame_bytes > REASSEMBLY_FRAME_MAX_BYTES ||
        body_max <= FRAGMENT_HEADER_BYTES)
        return 0;
    size_t piece_max = body_max - FRAGMENT_HEADER_BYTES;
    size_t pieces = (frame_bytes + piece_max - 1) / piece_max;
    if (pieces > 1 && frame_bytes / pieces < REASSEMBLY_PIECE_MIN_BYTES)
        return 0;
    return (unsigned)pieces;
}

bool packer_add_fragment(struct packer *packer, uint16_t id, uint16_t offset, uint16_t total,
                         const uint8_t *data, size_t bytes)
{
    if (bytes == 0 || bytes > CHUNK_BODY_MASK)
        return false;
    uint8_t *body = packer_reserve(packer, CHUNK_FRAGMENT, false, FRAGMENT_HEADER_BYTES + bytes);
    if (!body)
        return false;
    store_be16(body, id);
    store_be16(body + 2, offset);
    store_be16(body + 4, total);
    memcpy(body + FRAGMENT_HEADER_BYTES, data, bytes);
    return true;
}

void chunk_reader_init(struct chunk_reader *reader, uint8_t *payload, size_t bytes)
{
    *reader = (struct chunk_reader){.next = payload, .left = bytes};
}

/* Past the chunk at the reader's head, padding or not. */
static enum chunk_read read_any(struct chunk_reader *reader, struct chunk *out)
{
    if (reader->left == 0)
        return CHUNK_READ_END;
    if (reader->left < CHUNK_HEADER_BYTES)
        return reader->next[0] == 0 ? CHUNK_READ_END : CHUNK_READ_MALFORMED;
    unsigned header = load_be16(reader->next);
    size_t bytes = header & CHUNK_BODY_MASK;
    unsigned kind = header >> CHUNK_KIND_SHIFT;
    if (bytes > reader->left - CHUNK_HEADER_BYTES || (bytes == 0 && kind != CHUNK_PADDING))
        return CHUNK_READ_MALFORMED;
    *out = (struct chunk){.kind = (uint8_t)kind,
                          .checksum_partial = (header & CHUNK_CHECKSUM_PARTIAL) != 0,
                          .body = reader->next + CHUNK_HEADER_BYTES,
                          .bytes = bytes};
    reader->next += CHUNK_HEADER_BYTES + bytes;
    reader->left -= CHUNK_HEADER_BYTES + bytes;
    return CHUNK_READ_ONE;
}

enum chunk_read chunk_next(struct chunk_reader *reader, struct chunk *out)
{
    enum chunk_read result;
    do
        result = read_any(reader, out);
    while (result == CHUNK_READ_ONE && out->kind == CHUNK_PADDING);
    return result;
}

bool fragment_parse(const struct chunk *chunk, uint16_t *id, uint16_t *offset, uint16_t *total,
                    const uint8_t **data, size_t *bytes)
{
    if (chunk->kind != CHUNK_FRAGMENT || chunk->bytes <= FRAGMENT_HEADER_BYTES)
        return false;
    *id = load_be16(chunk->body);
    *offset = load_be16(chunk->body + 2);
    *total = load_be16(chunk->body + 4);
    *data = chunk->body + FRAGMENT_HEADER_BYTES;
    *bytes = chunk->bytes - FRAGMENT_HEADER_BYTES;
    return *offset + *bytes <= *total;
}
