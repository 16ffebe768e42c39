/* SPDX-License-Identifier: MIT
 *
 * reassembly.h - putting frames together again from their pieces, in bounded memory.
 *
 * One per peer: pieces arrive authenticated, each on its own, in any order, perhaps never. A frame
 * is known by its session and its id; ids count upwards, so a frame's place is slot id mod
 * REASSEMBLY_SLOTS, found without a search. A slot remembers which byte ranges it has as a sorted
 * list of pieces; the frame is complete when these add up to its total.
 *
 * States of a slot, and what ends them:
 *   FREE       -> COLLECTING by the first piece of a frame.
 *   COLLECTING -> FREE when complete, or when given up;
 *              -> REFUSED by a piece that overlaps another, disagrees about the total, reaches past
 *                 it, or is too small.
 *   REFUSED    -> FREE when given up. Meanwhile it swallows the rest of its frame, so that a
 *                 discarded frame's late pieces do not begin a new one that can never be finished.
 * A slot is given up REASSEMBLY_AGE_US after its first piece, and when a newer frame, or one of
 * another session, needs it. A piece older than the frame in its slot comes too late and is passed
 * over. So at any time the newest REASSEMBLY_SLOTS frames can be in the making: that many may be
 * under way at once on a path that reorders.
 *
 * Overlap discards the whole frame (as RFC 5722 asks for IPv6): a sender of ours never does it,
 * and the replay window drops duplicates, so nothing honest is lost.
 *
 * A piece has at least REASSEMBLY_PIECE_MIN_BYTES, except the frame's last. So the largest frame
 * has at most REASSEMBLY_PIECES_MAX, and a slot's list cannot overflow.
 */
#ifndef TUNNEL_REASSEMBLY_H
#define TUNNEL_REASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REASSEMBLY_SLOTS = 64,
    REASSEMBLY_FRAME_MAX_BYTES = 9216 + 18, /* a jumbo frame with its Ethernet header and a tag */
    REASSEMBLY_PIECES_MAX = 64,
    REASSEMBLY_PIECE_MIN_BYTES =
        (REASSEMBLY_FRAME_MAX_BYTES + REASSEMBLY_PIECES_MAX - 1) / REASSEMBLY_PIECES_MAX,
    REASSEMBLY_HEADROOM_BYTES = 16, /* before a complete frame, for the caller's headers */
    REASSEMBLY_AGE_US = 1000000,
};

struct reassembly_piece {
    uint16_t offset, bytes;
};

enum reassembly_state { REASSEMBLY_FREE = 0, REASSEMBLY_COLLECTING, REASSEMBLY_REFUSED };

struct reassembly_slot {
    uint8_t state; /* enum reassembly_state */
    uint8_t piece_count;
    uint16_t id, total_bytes, have_bytes;
    uint32_t session;
    uint64_t began_us;
    struct reassembly_piece piece[REASSEMBLY_PIECES_MAX]; /* by offset, no two overlapping */
    uint8_t buffer[REASSEMBLY_HEADROOM_BYTES + REASSEMBLY_FRAME_MAX_BYTES];
};

/* About 600 kB, of which frames of 1500 bytes touch 256 kB. The caller's; begun by
 * reassembly_reset(). */
struct reassembly {
    uint64_t expired; /* frames given up incomplete, refused ones not among them; the caller may
                         read it at any time, and take these out */
    struct reassembly_slot slot[REASSEMBLY_SLOTS];
};

enum reassembly_result { REASSEMBLY_PENDING, REASSEMBLY_COMPLETE, REASSEMBLY_DISCARDED };

/**
 * reassembly_reset() - forget every frame in the making and zero the count
 * @r: memory of any content
 */
void reassembly_reset(struct reassembly *r);

/**
 * reassembly_add() - take in one piece
 * @r: the peer's reassembly
 * @session: index of the session it came by
 * @id: the frame's number
 * @offset: where in the frame the piece begins, in bytes
 * @total: length of the whole frame, in bytes
 * @data: the piece, copied
 * @bytes: its length
 * @now_us: monotonic time
 * @frame: when complete, the frame, with REASSEMBLY_HEADROOM_BYTES of room before it; it stays
 *         until the next call with @r
 * @frame_bytes: when complete, its length
 *
 * Return: REASSEMBLY_COMPLETE; REASSEMBLY_PENDING when more pieces are missing, or when the piece
 * comes too late or belongs to a frame already refused; REASSEMBLY_DISCARDED when this piece made
 * its frame refused.
 */
enum reassembly_result reassembly_add(struct reassembly *r, uint32_t session, uint16_t id,
                                      uint16_t offset, uint16_t total, const uint8_t *data,
                                      size_t bytes, uint64_t now_us, uint8_t **frame,
                                      size_t *frame_bytes);

/**
 * reassembly_expire() - give up the frames whose first piece came REASSEMBLY_AGE_US ago
 * @r: the peer's reassembly
 * @now_us: monotonic time
 *
 * reassembly_add() never completes such a frame; this is for the count, and a quiet peer.
 */
void reassembly_expire(struct reassembly *r, uint64_t now_us);

#endif
