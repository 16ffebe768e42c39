/* SPDX-License-Identifier: MIT
 *
 * delivering.c - frames into the LAN: coalesced where the TAP takes large ones, else one by one.
 *
 * What a flow's first segment was judged by (guard, forwarding, limits) holds for the next, whose
 * headers are the same: so coalesce_append() takes it before anything else looks at it. A flow
 * belongs to the peer it came from; another peer's segments end it.
 */
#include "site/private.h"

static void emit(void *context, const struct offload *offload, const struct packet *packet,
                 const struct slice *slices, size_t count)
{
    struct site *site = context;
    uint8_t header[OFFLOAD_HEADER_BYTES];
    offload_write(header, offload, packet);
    site->ops.deliver(site->ops.context, header, slices, count);
}

void site_deliver_begin(struct site *site)
{
    site->coalescer = (struct coalescer){.context = site, .emit = emit};
}

void site_deliver_frame(struct site *site, const uint8_t *frame, size_t bytes)
{
    struct slice whole = {frame, bytes};
    site->ops.deliver(site->ops.context, NULL, &whole, 1);
}

bool site_deliver_next(struct site *site, const struct peer *from, uint8_t *frame, size_t bytes,
                       bool checksum_partial)
{
    return site->coalescing == from &&
           coalesce_append(&site->coalescer, frame, bytes, checksum_partial);
}

void site_deliver_packet(struct site *site, const struct peer *from, struct packet *packet,
                         bool lasts)
{
    if (!site->lan.tap_takes_large) {
        judge_finish_checksum(packet);
        site_deliver_frame(site, packet->frame, packet->frame_bytes);
        return;
    }
    if (site->coalescing != from)
        site_deliver_flush(site);
    site->coalescing = from;
    site->coalescer.udp = site->lan.tap_takes_large_udp;
    coalesce_offer(&site->coalescer, packet, packet->checksum_partial, lasts);
}

void site_deliver_flush(struct site *site)
{
    coalesce_flush(&site->coalescer);
    site->coalescing = NULL;
}
