/* SPDX-License-Identifier: MIT
 *
 * reassembly.c - put frames together again. reassembly.h draws the slot's states.
 */
#include "tunnel/reassembly.h"

#include <string.h>

void reassembly_reset(struct reassembly *r)
{
    r->completed = r->expired = r->discarded = 0;
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++) {
        r->slot[i].state = REASSEMBLY_FREE;
        r->slot[i].id = 0;
        r->slot[i].began_us = 0;
    }
}

static void give_up(struct reassembly *r, struct reassembly_slot *slot)
{
    if (slot->state == REASSEMBLY_COLLECTING)
        r->expired++;
    slot->state = REASSEMBLY_FREE;
}

void reassembly_expire(struct reassembly *r, uint64_t now_us)
{
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        if (now_us - r->slot[i].began_us >= REASSEMBLY_AGE_US)
            give_up(r, &r->slot[i]);
}

/* Ids run upwards and wrap; one this far off belongs to another time around. */
static void give_up_far_ids(struct reassembly *r, uint16_t id)
{
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++) {
        uint16_t ahead = (uint16_t)(id - r->slot[i].id);
        if (ahead >= REASSEMBLY_ID_DISTANCE && ahead <= 0x10000 - REASSEMBLY_ID_DISTANCE)
            give_up(r, &r->slot[i]);
    }
}

static struct reassembly_slot *slot_find(struct reassembly *r, uint16_t id)
{
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        if (r->slot[i].state != REASSEMBLY_FREE && r->slot[i].id == id)
            return &r->slot[i];
    return NULL;
}

/* A free slot, or else the oldest one's. */
static struct reassembly_slot *slot_open(struct reassembly *r, uint16_t id, uint16_t total,
                                         uint64_t now_us)
{
    struct reassembly_slot *slot = &r->slot[0];
    for (size_t i = 0; i < REASSEMBLY_SLOTS && slot->state != REASSEMBLY_FREE; i++)
        if (r->slot[i].state == REASSEMBLY_FREE || r->slot[i].began_us < slot->began_us)
            slot = &r->slot[i];
    give_up(r, slot);
    slot->state = REASSEMBLY_COLLECTING;
    slot->id = id;
    slot->total_bytes = total;
    slot->have_bytes = 0;
    slot->piece_count = 0;
    slot->began_us = now_us;
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

enum reassembly_result reassembly_add(struct reassembly *r, uint16_t id, uint16_t offset,
                                      uint16_t total, const uint8_t *data, size_t bytes,
                                      uint64_t now_us, uint8_t **frame, size_t *frame_bytes)
{
    reassembly_expire(r, now_us);
    give_up_far_ids(r, id);

    struct reassembly_slot *slot = slot_find(r, id);
    if (!slot)
        slot = slot_open(r, id, total, now_us);
    if (slot->state == REASSEMBLY_REFUSED)
        return REASSEMBLY_PENDING;
    if (!piece_fits(slot, offset, total, bytes) || !piece_insert(slot, offset, (uint16_t)bytes)) {
        slot->state = REASSEMBLY_REFUSED;
        r->discarded++;
        return REASSEMBLY_DISCARDED;
    }
    memcpy(slot->buffer + REASSEMBLY_HEADROOM_BYTES + offset, data, bytes);
    slot->have_bytes = (uint16_t)(slot->have_bytes + bytes);
    if (slot->have_bytes < slot->total_bytes)
        return REASSEMBLY_PENDING;

    slot->state = REASSEMBLY_FREE;
    r->completed++;
    *frame = slot->buffer + REASSEMBLY_HEADROOM_BYTES;
    *frame_bytes = slot->total_bytes;
    return REASSEMBLY_COMPLETE;
}
