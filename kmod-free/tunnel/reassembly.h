/* SPDX-License-Identifier: MIT
 *
 * reassembly.h - large frames from their pieces, in bounded memory.
 *
 * Pieces belong to one peer and come authenticated, in any order, some never. A frame has a slot
 * until all its bytes came or it is a second old; there are REASSEMBLY_SLOTS, the oldest gives way.
 * Which bytes came is kept as a short list of gaps-free ranges; a piece that touches a byte twice,
 * or disagrees about the total, condemns its frame (RFC 8200 s.4.5, RFC 5722): the slot stays
 * taken, marked, until it ages out, so that the condemned frame's later pieces do not begin it
 * anew. A sender never repeats a piece, and the replay window stops the network's repeats.
 */
#ifndef TUNNEL_REASSEMBLY_H
#define TUNNEL_REASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REASSEMBLY_SLOTS = 16,
    REASSEMBLY_FRAME_MAX_BYTES = 9216 + 18, /* a jumbo frame with one tag */
    REASSEMBLY_HEADROOM_BYTES = 16,         /* free for the caller before a completed frame */
    REASSEMBLY_RANGES_MAX = 32,             /* separate stretches of a frame that came */
    REASSEMBLY_AGE_US = 1000000,
};

struct reassembly_range {
    uint16_t begin, end;
};

struct reassembly_slot {
    bool used, condemned;
    uint8_t range_count;
    uint16_t id, total;
    uint64_t began_us;
    struct reassembly_range range[REASSEMBLY_RANGES_MAX]; /* sorted, disjoint, not adjacent */
    uint8_t bytes[REASSEMBLY_HEADROOM_BYTES + REASSEMBLY_FRAME_MAX_BYTES];
};

struct reassembly {
    uint64_t completed, expired, discarded;
    struct reassembly_slot slot[REASSEMBLY_SLOTS];
};

enum reassembly_result { REASSEMBLY_PENDING, REASSEMBLY_COMPLETE, REASSEMBLY_DISCARDED };

/** reassembly_reset() - Forget all frames; the counters go on */
void reassembly_reset(struct reassembly *r);

/**
 * reassembly_add() - Take one piece
 * @frame, @frame_bytes:  Set on REASSEMBLY_COMPLETE; good until the next call, may be changed, and
 *                        REASSEMBLY_HEADROOM_BYTES before it are free
 *
 * Return: REASSEMBLY_DISCARDED when the piece, and perhaps its frame, was thrown away
 */
enum reassembly_result reassembly_add(struct reassembly *r, uint16_t id, uint16_t offset,
                                      uint16_t total, const uint8_t *data, size_t bytes,
                                      uint64_t now_us, uint8_t **frame, size_t *frame_bytes);

/** reassembly_expire() - Throw away what is older than REASSEMBLY_AGE_US */
void reassembly_expire(struct reassembly *r, uint64_t now_us);

#endif
