/* SPDX-License-Identifier: MIT
 *
 * chunk.h - a data datagram's payload: a row of chunks, each a frame, a piece of one, or a
 * control message (layout: wire.h).
 *
 * Small frames share a datagram; a frame that does not fit into an empty one is cut into pieces
 * of nearly equal size, so that no piece is a tiny datagram of its own. A reader walks the row and
 * trusts no length in it.
 */
#ifndef TUNNEL_CHUNK_H
#define TUNNEL_CHUNK_H

#include "tunnel/wire.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- writing ---- */

struct packer {
    uint8_t *bytes; /* the caller's */
    size_t capacity, used;
};

/** packer_init() - An empty payload in @capacity bytes at @payload, which the caller keeps */
void packer_init(struct packer *packer, uint8_t *payload, size_t capacity);

/** packer_room() - The largest body that packer_add() would take now; 0 when there is none */
size_t packer_room(const struct packer *packer);

/**
 * packer_add() - Append one chunk
 * @partial:  The frame's transport checksum is not finished (a frame only)
 * @bytes:    Of @body; at most CHUNK_BODY_MASK
 *
 * Return: false when it does not fit; nothing was changed then
 */
bool packer_add(struct packer *packer, enum chunk_kind kind, bool partial, const uint8_t *body,
                size_t bytes);

/**
 * fragment_plan() - Into how many pieces a frame is cut
 * @payload_capacity:  Of an empty datagram
 *
 * Return: number of pieces, whose size is ceil(frame_bytes / pieces); 0 when it cannot be sent:
 * the frame is longer than 65535 bytes or there is no room for data at all
 */
unsigned fragment_plan(size_t frame_bytes, size_t payload_capacity);

/**
 * packer_add_fragment() - Append one piece
 * @id:      The frame's, differs among the frames of the last second
 * @offset:  Of @data in the frame; @total: the frame's whole length
 * Return: false when it does not fit
 */
bool packer_add_fragment(struct packer *packer, uint16_t id, uint16_t offset, uint16_t total,
                         const uint8_t *data, size_t bytes);

/* ---- reading ---- */

struct chunk {
    uint8_t kind; /* enum chunk_kind; never CHUNK_PADDING */
    bool checksum_partial;
    uint8_t *body; /* into the payload */
    size_t bytes;
};

struct chunk_reader {
    uint8_t *bytes;
    size_t count, position;
};

enum chunk_read { CHUNK_READ_ONE, CHUNK_READ_END, CHUNK_READ_MALFORMED };

void chunk_reader_init(struct chunk_reader *reader, uint8_t *payload, size_t bytes);

/** chunk_next() - The next chunk, padding skipped; after END or MALFORMED there is nothing more */
enum chunk_read chunk_next(struct chunk_reader *reader, struct chunk *out);

/**
 * fragment_parse() - The fields of a CHUNK_FRAGMENT
 * Return: false when it has no data or its data does not lie within its total
 */
bool fragment_parse(const struct chunk *chunk, uint16_t *id, uint16_t *offset, uint16_t *total,
                    const uint8_t **data, size_t *bytes);

#endif
