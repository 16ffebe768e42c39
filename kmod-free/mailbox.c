/* SPDX-License-Identifier: MIT
 *
 * mailbox.c - a ring of records between two threads. Its layout and its orders: mailbox.h.
 */
#include "mailbox.h"

#include <sodium.h>
#include <string.h>

/* Without this, the indices would be kept by a lock in libatomic. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && sizeof(_Atomic uint32_t) == sizeof(int),
               "32-bit atomics need no lock");

struct record {
    uint32_t kind, length;
};
_Static_assert(sizeof(struct record) == MAILBOX_HEAD_BYTES, "a record's head has no holes");

/* The length of a pad record, which reaches to the memory's end; no message is that long. */
static const uint32_t PAD = UINT32_MAX;

static uint32_t record_bytes(uint32_t length)
{
    return MAILBOX_HEAD_BYTES +
           (length + MAILBOX_ALIGNMENT - 1) / MAILBOX_ALIGNMENT * MAILBOX_ALIGNMENT;
}

static uint32_t offset_of(const struct mailbox *box, uint32_t index)
{
    return index & (box->capacity - 1);
}

static uint32_t bytes_to_end(const struct mailbox *box, uint32_t index)
{
    return box->capacity - offset_of(box, index);
}

static struct record load_record(const struct mailbox *box, uint32_t index)
{
    struct record record;
    memcpy(&record, box->bytes + offset_of(box, index), sizeof record);
    return record;
}

static void store_record(struct mailbox *box, uint32_t index, struct record record)
{
    memcpy(box->bytes + offset_of(box, index), &record, sizeof record);
}

void mailbox_init(struct mailbox *box, uint8_t *memory, uint32_t capacity)
{
    box->bytes = memory;
    box->capacity = capacity;
    atomic_init(&box->written, 0);
    atomic_init(&box->read, 0);
}

/* The producer's next byte, and how many are vacant from there on, round to `read`. */
static uint32_t vacant_bytes(const struct mailbox *box, uint32_t *written)
{
    *written = atomic_load_explicit(&box->written, memory_order_relaxed);
    return box->capacity - (*written - atomic_load_explicit(&box->read, memory_order_acquire));
}

size_t mailbox_room(const struct mailbox *box)
{
    uint32_t written, vacant = vacant_bytes(box, &written), end = bytes_to_end(box, written);
    uint32_t room = vacant;
    if (vacant > end)
        room = end > vacant - end ? end : vacant - end; /* before the end, or at the beginning */
    return room > MAILBOX_HEAD_BYTES ? room - MAILBOX_HEAD_BYTES : 0;
}

size_t mailbox_used_bytes(const struct mailbox *box)
{
    uint32_t written;
    return box->capacity - vacant_bytes(box, &written);
}

bool mailbox_put(struct mailbox *box, uint32_t kind, const void *head, size_t head_bytes,
                 const void *body, size_t body_bytes)
{
    uint32_t written, vacant = vacant_bytes(box, &written), end = bytes_to_end(box, written);
    /* Of the pieces' lengths nothing is known yet: their sum might wrap. */
    if (head_bytes > vacant || body_bytes > vacant - head_bytes)
        return false;

    struct record record = {kind, (uint32_t)(head_bytes + body_bytes)};
    uint32_t size = record_bytes(record.length), pad = size > end ? end : 0;
    if ((uint64_t)pad + size > vacant)
        return false;

    if (pad > 0)
        store_record(box, written, (struct record){0, PAD});
    written += pad;
    store_record(box, written, record);
    uint8_t *bytes = box->bytes + offset_of(box, written) + MAILBOX_HEAD_BYTES;
    if (head_bytes > 0)
        memcpy(bytes, head, head_bytes);
    if (body_bytes > 0)
        memcpy(bytes + head_bytes, body, body_bytes);
    atomic_store_explicit(&box->written, written + size, memory_order_release);
    return true;
}

/* The oldest message, and the index behind its record. */
static bool find_oldest(const struct mailbox *box, struct mailbox_message *out, uint32_t *behind)
{
    uint32_t index = atomic_load_explicit(&box->read, memory_order_relaxed);
    if (index == atomic_load_explicit(&box->written, memory_order_acquire))
        return false;
    struct record record = load_record(box, index);
    if (record.length == PAD) {
        index += bytes_to_end(box, index);
        record = load_record(box, index);
    }
    out->kind = record.kind;
    out->bytes = box->bytes + offset_of(box, index) + MAILBOX_HEAD_BYTES;
    out->length = record.length;
    *behind = index + record_bytes(record.length);
    return true;
}

bool mailbox_peek(const struct mailbox *box, struct mailbox_message *out)
{
    uint32_t behind;
    return find_oldest(box, out, &behind);
}

void mailbox_done(struct mailbox *box)
{
    struct mailbox_message message;
    uint32_t behind;
    if (!find_oldest(box, &message, &behind))
        return;
    sodium_memzero(message.bytes, message.length);
    atomic_store_explicit(&box->read, behind, memory_order_release);
}

bool mailbox_empty(const struct mailbox *box)
{
    /* Either thread asks: one of the two indices is the other's, and acquire is for that one. */
    return atomic_load_explicit(&box->written, memory_order_acquire) ==
           atomic_load_explicit(&box->read, memory_order_acquire);
}
