/* SPDX-License-Identifier: MIT
 *
 * mailbox.h - messages from one thread to one other, without a lock and without waiting.
 *
 * A ring in memory of the caller's. It carries copies, so nothing is shared but the ring itself;
 * two threads that talk both ways have two of them.
 *
 * Who may call what. The producer, one thread, calls mailbox_put(), mailbox_room() and
 * mailbox_used_bytes(); the consumer, one other thread or the same, mailbox_peek() and
 * mailbox_done(); both mailbox_empty(). mailbox_init() comes before either begins. When they have
 * ended, what is still inside was not wiped: drain it, or wipe the memory.
 *
 * Theory of operation. A message is a record: 8 bytes of head (kind, length), the body, and up to
 * 7 bytes that round it up to 8. `written` and `read` count bytes and run on, modulo 2^32; the
 * capacity divides 2^32, so an index modulo the capacity is its place also when the index wraps.
 * The bytes from `read` up to `written` are the consumer's, all others are the producer's. Records
 * do not wrap, so that a body is contiguous: where the memory's end is too near, a pad record fills
 * it and the message stands at the beginning. Both become visible by one store, so behind a pad
 * there is always its message:
 *
 *     | message C |   free   | message A | message B | pad |
 *                 ^          ^
 *                 written    read
 *
 * Why the orders suffice. Each index has one writer, which may read its own relaxed. The producer
 * stores `written` with release after it filled a record; the consumer that loads it with acquire
 * sees the record whole. The consumer stores `read` with release after its last touch of a record,
 * the wiping; the producer that loads it with acquire writes there only after that. An index that
 * is read late only makes the box look emptier to the consumer, or fuller to the producer, than
 * it is. The two never need to agree on more than one index at a time, so no fence is needed.
 *
 * What wakes the other side is the caller's matter. No wake-up is lost when the producer puts first
 * and then signals, and the consumer takes the signal first and then drains the box until
 * mailbox_peek() has nothing. The other way round, a message put between the consumer's last look
 * and its taking of the signal would lie there until the next.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAILBOX_ALIGNMENT = 8,
    MAILBOX_HEAD_BYTES = 8, /* what a message takes beyond its body, rounded up to 8 */
};

/* Each index has a cache line of its own: what one thread writes does not slow the other down. So
 * the struct is aligned to 64 and must not come from malloc(), which promises less. */
struct mailbox {
    uint8_t *bytes;    /* the caller's, capacity of them, aligned to MAILBOX_ALIGNMENT */
    uint32_t capacity; /* a power of 2 */
    _Alignas(64) _Atomic uint32_t written; /* by the producer */
    _Alignas(64) _Atomic uint32_t read;    /* by the consumer */
};

struct mailbox_message {
    uint32_t kind;  /* the caller's */
    uint8_t *bytes; /* in the box, aligned to MAILBOX_ALIGNMENT; the consumer may change them */
    size_t length;  /* of the body, bytes */
};

/**
 * mailbox_init() - An empty box
 * @memory:    The caller's, aligned to MAILBOX_ALIGNMENT; the box's until both threads have ended.
 *             What is in it does not matter
 * @capacity:  Its bytes: a power of 2 between 16 and 2^31
 *
 * An empty box takes any body of up to capacity / 2 - MAILBOX_HEAD_BYTES, wherever it stands; a
 * larger one only sometimes.
 */
void mailbox_init(struct mailbox *box, uint8_t *memory, uint32_t capacity);

/**
 * mailbox_room() - Largest body that would be taken now
 *
 * The producer's. It can only grow until the producer's next mailbox_put().
 *
 * Return: bytes; 0: none, not even an empty body is promised
 */
size_t mailbox_room(const struct mailbox *box);

/**
 * mailbox_used_bytes() - How much of the memory waits for the consumer
 *
 * The producer's. It can only shrink until the producer's next mailbox_put().
 */
size_t mailbox_used_bytes(const struct mailbox *box);

/**
 * mailbox_put() - Post one message, the copies of two pieces one after the other
 * @kind:        Any number
 * @head:        First piece; may be NULL with 0 bytes
 * @head_bytes:  Its length
 * @body:        Second piece; may be NULL with 0 bytes
 * @body_bytes:  Its length
 *
 * The producer's.
 *
 * Return: false when there is no room: nothing changed
 */
bool mailbox_put(struct mailbox *box, uint32_t kind, const void *head, size_t head_bytes,
                 const void *body, size_t body_bytes);

/**
 * mailbox_peek() - The oldest message
 * @out:  Filled when there is one; its bytes are in the box and stay until mailbox_done()
 *
 * The consumer's. Asked again before mailbox_done(), it gives the same message.
 *
 * Return: false when there is none
 */
bool mailbox_peek(const struct mailbox *box, struct mailbox_message *out);

/**
 * mailbox_done() - Release the message that mailbox_peek() gave
 *
 * The consumer's. The body is wiped first: keys travel here. Does nothing to an empty box.
 */
void mailbox_done(struct mailbox *box);

/**
 * mailbox_empty() - Whether nothing is waiting
 *
 * The consumer's and the producer's. To the producer true also says that the consumer has done
 * with all that was put, and its work on them is visible.
 */
bool mailbox_empty(const struct mailbox *box);

#endif
