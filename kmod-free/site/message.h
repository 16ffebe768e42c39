/* SPDX-License-Identifier: MIT
 *
 * message.h - an order or a note as it lies in a mailbox: for orders.c and notes.c only.
 *
 * Whoever reads a mailbox stops after as many bytes as it holds. So the other side, which goes on
 * putting, cannot keep it from its own work; and all that was inside at the beginning is done. What
 * came since is announced by a wake-up that is yet to come.
 */
#ifndef SITE_MESSAGE_H
#define SITE_MESSAGE_H

#include "mailbox.h"

/* An order or a note: a head, which is a struct of its kind, and whatever follows it. */
struct message {
    unsigned kind;
    const void *head;
    size_t head_bytes;
    uint8_t *body;
    size_t body_bytes;
};

static inline struct message message_read(const struct mailbox_message *m, size_t head_bytes)
{
    return (struct message){.kind = m->kind,
                            .head = m->bytes,
                            .head_bytes = head_bytes,
                            .body = m->bytes + head_bytes,
                            .body_bytes = m->length - head_bytes};
}

/* @keep_bytes: what must stay free. Return: false when there was no room */
static inline bool message_put(struct mailbox *box, const struct message *m, size_t keep_bytes)
{
    return mailbox_room(box) >= m->head_bytes + m->body_bytes + keep_bytes &&
           mailbox_put(box, m->kind, m->head, m->head_bytes, m->body, m->body_bytes);
}

#endif
