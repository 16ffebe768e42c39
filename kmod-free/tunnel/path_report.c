/* SPDX-License-Identifier: MIT
 *
 * path_report.c - what people are told of a peer's paths, and its other peers of its addresses.
 */
#include "tunnel/path_selection.h"

size_t paths_info(const struct paths *p, uint64_t now_us, struct path_info *out, size_t capacity)
{
    size_t count = 0;
    for (int i = 0; i < p->count && count < capacity; i++) {
        const struct path *e = &p->path[i];
        out[count++] = (struct path_info){.to = e->to,
                                          .kind = e->kind,
                                          .state = e->state,
                                          .srtt_us = e->srtt_us,
                                          .answered_age_us =
                                              e->answered ? now_us - e->answered_us : UINT64_MAX,
                                          .selected = i == p->selected,
                                          .standby = i == p->standby};
    }
    return count;
}

int64_t paths_srtt_us(const struct paths *p)
{
    return p->selected < 0 ? -1 : p->path[p->selected].srtt_us;
}

const struct endpoint *paths_seen_at(const struct paths *p, enum ip_family family)
{
    const struct path *latest = NULL;
    for (int i = 0; i < p->count; i++) {
        const struct path *e = &p->path[i];
        if (!path_is_direct(e) || e->to.address.family != family)
            continue;
        if (i == p->selected)
            return &e->to;
        if (path_is_valid(e) && e->answered && (!latest || e->answered_us > latest->answered_us))
            latest = e;
    }
    return latest ? &latest->to : NULL;
}
