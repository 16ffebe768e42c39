/* SPDX-License-Identifier: MIT
 *
 * two_threads.c - a site run as the daemon runs it with two threads, but by turns: what each tells
 * the other lies in a mailbox until its turn comes.
 */
#include "net.h"

#include <stdlib.h>
#include <string.h>

enum { BOX_BYTES = 512 << 10 };

/* Bytes that pass between the two. Each side's turn comes when the other is through with its own.
 */
struct sim_boxes {
    struct mailbox orders, notes;
    _Alignas(MAILBOX_ALIGNMENT) uint8_t memory[2][BOX_BYTES];
};

/* Whoever wakes the other is followed by it, in sim_flush(). */
static void op_wake(void *context)
{
    (void)context;
}

bool sim_has_two_threads(void)
{
    const char *threads = getenv("LANSPLICE_SIM_THREADS");
    return threads && strcmp(threads, "2") == 0;
}

unsigned sim_seeds(unsigned all)
{
    return sim_has_two_threads() && !getenv("LANSPLICE_LONG") ? (all + 3) / 4 : all;
}

void sim_split(struct sim_node *node, const struct egress_ops *with)
{
    struct egress_ops ops = *with;
    ops.wake_site = ops.wake_egress = op_wake;
    if (!sim_has_two_threads())
        return;
    node->boxes = aligned_alloc(64, sizeof *node->boxes);
    if (!node->boxes)
        abort();
    mailbox_init(&node->boxes->orders, node->boxes->memory[0], BOX_BYTES);
    mailbox_init(&node->boxes->notes, node->boxes->memory[1], BOX_BYTES);
    node->egress = site_split(node->site, &ops, &node->boxes->orders, &node->boxes->notes);
}

void sim_frame(struct sim_node *node, const uint8_t *offload, uint8_t *frame, size_t bytes)
{
    if (!node->egress) {
        site_receive_frame(node->site, offload, frame, bytes, node->sim->now_us);
        return;
    }
    egress_take_orders(node->egress, node->sim->now_us);
    egress_receive_frame(node->egress, offload, frame, bytes, node->sim->now_us);
}

void sim_flush(struct sim_node *node)
{
    uint64_t now_us = node->sim->now_us;
    site_flush(node->site, now_us);
    while (node->egress) {
        egress_take_orders(node->egress, now_us);
        egress_flush(node->egress, now_us);
        if (mailbox_empty(&node->boxes->notes))
            break;
        site_take_notes(node->site, now_us);
        site_flush(node->site, now_us);
    }
}

void sim_close(struct sim_node *node)
{
    site_join(node->site, node->sim->now_us);
    node->egress = NULL;
    site_close(node->site, node->sim->now_us);
}

uint64_t sim_deadline_us(const struct sim_node *node)
{
    uint64_t at_us = site_deadline_us(node->site);
    if (node->egress && egress_deadline_us(node->egress) < at_us)
        at_us = egress_deadline_us(node->egress);
    return at_us;
}

void sim_unsplit(struct sim_node *node)
{
    free(node->boxes);
    node->egress = NULL;
    node->boxes = NULL;
}
