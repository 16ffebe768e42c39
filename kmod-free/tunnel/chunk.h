/* SPDX-License-Identifier: MIT
 *
 * chunk.h - the row of chunks inside a data packet: packing small frames together, cutting large
 * ones into pieces, and reading both back. wire.h draws the bytes.
 *
 * A packer appends chunks to a buffer of the caller's and never past its capacity. A reader walks
 * a payload that has been opened, in place; it stops for good at the first chunk that does not
 * fit. An all-zero header is an empty padding chunk, so a zero tail needs only one rule of its
 * own: a last zero byte, too short for a header, is padding too.
 */
#ifndef TUNNEL_CHUNK_H
#define TUNNEL_CHUNK_H

#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Invariant: used <= capacity. The bytes are the caller's, and outlive the packer. */
struct packer {
    uint8_t *bytes;
    size_t capacity, used;
};

/**
 * packer_init() - begin an empty payload
 * @packer: what to initialise
 * @payload: room for @capacity bytes
 * @capacity: largest payload, in bytes, before the AEAD's tag
 */
void packer_init(struct packer *packer, uint8_t *payload, size_t capacity);

/**
 * chunk_body_max() - the largest body in a payload of its own, in bytes
 * @payload_capacity: largest payload of a data packet, in bytes
 *
 * Bounded by the payload and by the 13 bits of the length; 0 when no chunk fits. A frame longer
 * than this goes in pieces.
 */
size_t chunk_body_max(size_t payload_capacity);

/**
 * packer_room() - the largest body that one more chunk may have, in bytes
 *
 * 0 when there is no room for another chunk.
 */
size_t packer_room(const struct packer *packer);

/**
 * packer_reserve() - append a chunk whose body the caller fills in
 * @packer: where to
 * @kind: the chunk's kind
 * @checksum_partial: the frame's transport checksum is still to be finished
 * @bytes: length of the body, at least 1
 *
 * Return: where the body goes, uninitialised; NULL when it does not fit, and nothing has changed.
 */
uint8_t *packer_reserve(struct packer *packer, enum chunk_kind kind, bool checksum_partial,
                        size_t bytes);

/**
 * packer_add() - append a chunk
 * @packer: where to
 * @kind: the chunk's kind
 * @checksum_partial: the frame's transport checksum is still to be finished
 * @body: copied
 * @bytes: length of @body, at least 1
 *
 * Return: false when it does not fit, and nothing has changed.
 */
bool packer_add(struct packer *packer, enum chunk_kind kind, bool checksum_partial,
                const uint8_t *body, size_t bytes);

/**
 * chunk_begin() - make a chunk of a body where it lies, for a payload of its own
 * @body: CHUNK_HEADER_BYTES before it are free
 * @kind: the chunk's kind
 * @checksum_partial: the frame's transport checksum is still to be finished
 * @bytes: length of the body, at least 1 and at most chunk_body_max()
 *
 * Return: where the chunk begins, CHUNK_HEADER_BYTES longer than the body.
 */
uint8_t *chunk_begin(uint8_t *body, enum chunk_kind kind, bool checksum_partial, size_t bytes);

/** packer_pad() - fill the rest of the payload with zeros, which readers pass over */
void packer_pad(struct packer *packer);

/**
 * fragment_plan() - into how many near-equal pieces a frame must be cut
 * @frame_bytes: length of the frame
 * @payload_capacity: largest payload of a data packet, in bytes
 *
 * Cut so that no piece is longer than ceil(frame_bytes / count) nor shorter than the same rounded
 * down, each with its headers fits an empty payload.
 *
 * Return: the count; 0 when the frame cannot go in pieces: it is empty or longer than
 * REASSEMBLY_FRAME_MAX_BYTES, or the payload is so small that the pieces would be smaller than the
 * receiver takes.
 */
unsigned fragment_plan(size_t frame_bytes, size_t payload_capacity);

/**
 * packer_add_fragment() - append one piece of a frame
 * @packer: where to
 * @id: the frame's number, the same in all its pieces
 * @offset: where in the frame the piece begins, in bytes
 * @total: length of the whole frame, in bytes
 * @data: the piece, copied
 * @bytes: its length, at least 1
 *
 * Return: false when it does not fit, and nothing has changed.
 */
bool packer_add_fragment(struct packer *packer, uint16_t id, uint16_t offset, uint16_t total,
                         const uint8_t *data, size_t bytes);

/* A chunk as read. The body lies in the payload and may be changed there. */
struct chunk {
    uint8_t kind; /* enum chunk_kind */
    bool checksum_partial;
    uint8_t *body;
    size_t bytes;
};

struct chunk_reader {
    uint8_t *next;
    size_t left;
};

enum chunk_read { CHUNK_READ_ONE, CHUNK_READ_END, CHUNK_READ_MALFORMED };

/**
 * chunk_reader_init() - begin reading a payload
 * @reader: what to initialise
 * @payload: an opened payload; outlives the reader and the chunks it yields
 * @bytes: its length
 */
void chunk_reader_init(struct chunk_reader *reader, uint8_t *payload, size_t bytes);

/**
 * chunk_next() - the next chunk that is not padding
 * @reader: what to read
 * @out: the chunk, when CHUNK_READ_ONE is returned
 *
 * Return: CHUNK_READ_ONE; CHUNK_READ_END when the payload is used up; CHUNK_READ_MALFORMED, then
 * and ever after, when a header or body passes its end or
 * a chunk other than padding is empty. Chunks read before that one stand.
 */
enum chunk_read chunk_next(struct chunk_reader *reader, struct chunk *out);

/**
 * fragment_parse() - take a CHUNK_FRAGMENT apart
 * @chunk: the chunk
 * @id: the frame's number
 * @offset: where in the frame the piece begins, in bytes
 * @total: length of the whole frame, in bytes
 * @data: the piece, inside the chunk's body
 * @bytes: its length, at least 1
 *
 * Return: false when it is another kind of chunk, too short, or reaches past @total.
 */
bool fragment_parse(const struct chunk *chunk, uint16_t *id, uint16_t *offset, uint16_t *total,
                    const uint8_t **data, size_t *bytes);

#endif
