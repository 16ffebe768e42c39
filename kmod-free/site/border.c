/* SPDX-License-Identifier: MIT
 *
 * border.c - one thread or two: what the site and its egress hand over when that changes. Orders
 * are in orders.c, notes in notes.c.
 */
#include "site/border.h"

#include "site/private.h"

struct egress *site_split(struct site *site, const struct egress_ops *ops, struct mailbox *orders,
                          struct mailbox *notes)
{
    struct egress *egress = &site->egress;
    egress_flush(egress, site->now_us); /* that thread would not know that something is packed */
    site->orders = egress->orders = orders;
    site->notes = egress->notes = notes;
    egress->ops = *ops;
    egress->site = NULL;
    egress->counters = &egress->counted;
    return egress;
}

/* First the orders, then the notes, whose own orders are calls already: so neither mailbox is
 * filled any more. */
void site_join(struct site *site, uint64_t now_us)
{
    struct egress *egress = &site->egress;
    if (!site->orders)
        return;
    while (!mailbox_empty(site->orders))
        egress_take_orders(egress, now_us);
    site->orders = NULL;
    site_take_notes(site, now_us);
    border_take_egress(site);
    note_all(egress);
    border_publish(site); /* what had no room */
}

/* The other half takes what is received at once. */
bool site_has_room(const struct site *site)
{
    return !site->orders || mailbox_used_bytes(site->orders) <= site->orders->capacity / 2;
}

void border_wake(struct site *site)
{
    if (site->orders_given)
        site->egress.ops.wake_egress(site->egress.ops.context);
    site->orders_given = false;
}

void border_take_egress(struct site *site)
{
    struct egress *egress = &site->egress;
    egress->ops = (struct egress_ops){
        .context = site->ops.context, .transmit = site->ops.transmit, .deliver = site->ops.deliver};
    egress->site = site;
    egress->counters = &site->counters;
    site->orders = site->notes = egress->orders = egress->notes = NULL;
    site->orders_given = egress->notes_given = egress->made_room = egress->untold = false;
}
