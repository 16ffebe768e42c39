/* SPDX-License-Identifier: MIT
 *
 * reassembly.c - put frames together again. reassembly.h draws the slot's states.
 */
#include "tunnel/reassembly.h"

#include <string.h>

void reassembly_reset(struct reassembly *r)
{
    r->expired = 0;
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        if (r->slot[i].state != REASSEMBLY_FREE) /* a slot never used stays untouched memory */
            r->slot[i].state = REASSEMBLY_FREE;
}

static void give_up(struct reassembly *r, struct reassembly_slot *slot)
{
    if (slot->state == REASSEMBLY_COLLECTING)
        r->expired++;
    slot->state = REASSEMBLY_FREE;
}

static bool is_old(const struct reassembly_slot *slot, uint64_t now_us)
{
    return now_us - slot->began_us >= REASSEMBLY_AGE_US;
}

void reassembly_expire(struct reassembly *r, uint64_t now_us)
{
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        if (r->slot[i].state != REASSEMBLY_FREE && is_old(&r->slot[i], now_us))
            give_up(r, &r->slot[i]);
}

static void slot_open(struct reassembly_slot *slot, uint32_t session, uint16_t id, uint16_t total,
                      uint64_t now_us)
{
    slot->state = REASSEMBLY_COLLECTING;
    slot->session = session;
    slot->id = id;
    slot->total_bytes = total;
    slot->have_bytes = 0;
    slot->piece_count = 0;
    slot->began_us = now_us;
}

/* The slot for a piece, opened if it is the frame's first; NULL when the piece is too late. */
static struct reassembly_slot *slot_for(struct reassembly *r, uint32_t session, uint16_t id,
                                        uint16_t total, uint64_t now_us)
{
    struct reassembly_slot *slot = &r->slot[id % REASSEMBLY_SLOTS];
    if (slot->state != REASSEMBLY_FREE && !is_old(slot, now_us) && slot->session == session) {
        if (slot->id == id)
            return slot;
        if ((uint16_t)(id - slot->id) >= 0x8000) /* RFC 1982: older */
            return NULL;
    }
    give_up(r, slot);
    slot_open(slot, session, id, total, now_us);
    return slot;
}

static bool piece_fits(const struct reassembly_slot *slot, uint16_t offset, uint16_t total,
                       size_t bytes)
{
    if (total != slot->total_bytes || total > REASSEMBLY_FRAME_MAX_BYTES || bytes == 0 ||
        bytes > total || offset > total - bytes)
        return false;
    return bytes >= REASSEMBLY_PIECE_MIN_BYTES || offset + bytes == total;
}

/* Note the piece in the sorted list; false when it overlaps one that is there. */
static bool piece_insert(struct reassembly_slot *slot, uint16_t offset, uint16_t bytes)
{
    struct reassembly_piece *piece = slot->piece;
    size_t at = slot->piece_count;

    while (at > 0 && piece[at - 1].offset > offset)
        at--;
    if (at > 0 && piece[at - 1].offset + piece[at - 1].bytes > offset)
        return false;
    if (at < slot->piece_count && offset + bytes > piece[at].offset)
        return false;
    if (slot->piece_count == REASSEMBLY_PIECES_MAX)
        return false;
    memmove(piece + at + 1, piece + at, (slot->piece_count - at) * sizeof *piece);
    piece[at] = (struct reassembly_piece){.offset = offset, .bytes = bytes};
    slot->piece_count++;
    return true;
}

enum reassembly_result reassembly_add(struct reassembly *r, uint32_t session, uint16_t id,
                                      uint16_t offset, uint16_t total, const uint8_t *data,
                                      size_t bytes, uint64_t now_us, uint8_t **frame,
                                      size_t *frame_bytes)
{
    struct reassembly_slot *slot = slot_for(r, session, id, total, now_us);
    if (!slot || slot->state == REASSEMBLY_REFUSED)
        return REASSEMBLY_PENDING;
    if (!piece_fits(slot, offset, total, bytes) || !piece_insert(slot, offset, (uint16_t)bytes)) {
        slot->state = REASSEMBLY_REFUSED;
        return REASSEMBLY_DISCARDED;
    }
    memcpy(slot->buffer + REASSEMBLY_HEADROOM_BYTES + offset, data, bytes);
    slot->have_bytes = (uint16_t)(slot->have_bytes + bytes);
    if (slot->have_bytes < slot->total_bytes)
        return REASSEMBLY_PENDING;

    slot->state = REASSEMBLY_FREE;
    *frame = slot->buffer + REASSEMBLY_HEADROOM_BYTES;
    *frame_bytes = slot->total_bytes;
    return REASSEMBLY_COMPLETE;
}
