/* SPDX-License-Identifier: MIT
 *
 * reassembly.c - see reassembly.h.
 */
#include "tunnel/reassembly.h"

#include <string.h>

void reassembly_reset(struct reassembly *r)
{
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        r->slot[i].used = false;
}

static void free_slot(struct reassembly *r, struct reassembly_slot *slot)
{
    if (slot->used && !slot->condemned)
        r->expired++;
    slot->used = false;
}

void reassembly_expire(struct reassembly *r, uint64_t now_us)
{
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        if (r->slot[i].used && now_us - r->slot[i].began_us >= REASSEMBLY_AGE_US)
            free_slot(r, &r->slot[i]);
}

static struct reassembly_slot *find_slot(struct reassembly *r, uint16_t id)
{
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        if (r->slot[i].used && r->slot[i].id == id)
            return &r->slot[i];
    return NULL;
}

static struct reassembly_slot *take_slot(struct reassembly *r, uint16_t id, uint16_t total,
                                         uint64_t now_us)
{
    struct reassembly_slot *slot = &r->slot[0];
    for (size_t i = 0; i < REASSEMBLY_SLOTS && slot->used; i++)
        if (!r->slot[i].used || r->slot[i].began_us < slot->began_us)
            slot = &r->slot[i];
    free_slot(r, slot);
    slot->used = true;
    slot->condemned = false;
    slot->range_count = 0;
    slot->id = id;
    slot->total = total;
    slot->began_us = now_us;
    return slot;
}

/* Join ranges i and i + 1 when they touch. */
static void merge_at(struct reassembly_slot *slot, size_t i)
{
    if (i + 1 >= slot->range_count || slot->range[i].end != slot->range[i + 1].begin)
        return;
    slot->range[i].end = slot->range[i + 1].end;
    slot->range_count--;
    memmove(&slot->range[i + 1], &slot->range[i + 2],
            (slot->range_count - i - 1) * sizeof slot->range[0]);
}

/* Note that [begin, end) came; false when part of it came before or there are too many ranges. */
static bool add_range(struct reassembly_slot *slot, uint16_t begin, uint16_t end)
{
    size_t at = 0;
    while (at < slot->range_count && slot->range[at].end <= begin)
        at++;
    if (at < slot->range_count && slot->range[at].begin < end)
        return false;
    if (slot->range_count == REASSEMBLY_RANGES_MAX)
        return false;
    memmove(&slot->range[at + 1], &slot->range[at],
            (slot->range_count - at) * sizeof slot->range[0]);
    slot->range[at] = (struct reassembly_range){begin, end};
    slot->range_count++;
    merge_at(slot, at);
    if (at > 0)
        merge_at(slot, at - 1);
    return true;
}

enum reassembly_result reassembly_add(struct reassembly *r, uint16_t id, uint16_t offset,
                                      uint16_t total, const uint8_t *data, size_t bytes,
                                      uint64_t now_us, uint8_t **frame, size_t *frame_bytes)
{
    reassembly_expire(r, now_us);
    struct reassembly_slot *slot = find_slot(r, id);
    bool sane = bytes > 0 && total <= REASSEMBLY_FRAME_MAX_BYTES && bytes <= total &&
                offset <= total - bytes;
    if (!slot && sane)
        slot = take_slot(r, id, total, now_us);
    if (!slot) {
        r->discarded++;
        return REASSEMBLY_DISCARDED;
    }
    if (slot->condemned || !sane || total != slot->total ||
        !add_range(slot, offset, (uint16_t)(offset + bytes))) {
        r->discarded += !slot->condemned;
        slot->condemned = true;
        return REASSEMBLY_DISCARDED;
    }
    memcpy(slot->bytes + REASSEMBLY_HEADROOM_BYTES + offset, data, bytes);
    if (slot->range_count != 1 || slot->range[0].begin != 0 || slot->range[0].end != total)
        return REASSEMBLY_PENDING;
    slot->used = false;
    r->completed++;
    *frame = slot->bytes + REASSEMBLY_HEADROOM_BYTES;
    *frame_bytes = total;
    return REASSEMBLY_COMPLETE;
}
