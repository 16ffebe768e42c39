/* SPDX-License-Identifier: MIT
 *
 * storm.c - token buckets; storm.h has the limits and their reasons.
 */
#include "frame/storm.h"

static const uint64_t MILLION = 1000000;

struct limit {
    uint32_t per_s, burst;
    bool counts_bytes;
};

static const struct limit CLASS_LIMIT[CLASS_COUNT] = {
    [CLASS_DISCOVERY] = {STORM_DISCOVERY_PER_S, STORM_DISCOVERY_BURST, false},
    [CLASS_NEIGHBOR] = {STORM_NEIGHBOR_PER_S, STORM_NEIGHBOR_BURST, false},
    [CLASS_BROADCAST] = {STORM_BROADCAST_PER_S, STORM_BROADCAST_BURST, false},
    [CLASS_GROUP_KNOWN] = {STORM_GROUP_KNOWN_PER_S, STORM_GROUP_KNOWN_BURST, false},
    [CLASS_GROUP_OTHER] = {STORM_GROUP_OTHER_BYTES_PER_S, STORM_GROUP_OTHER_BURST_BYTES, true},
};
static const struct limit UNKNOWN_LIMIT = {STORM_UNKNOWN_PER_S, STORM_UNKNOWN_BURST, false};
static const struct limit GROUP_LIMIT = {STORM_GROUP_BYTES_PER_S, STORM_GROUP_BURST_BYTES, true};

static struct storm_bucket full(const struct limit *limit, uint64_t now_us)
{
    return (struct storm_bucket){.millionths = limit->burst * MILLION, .filled_us = now_us};
}

static void refill(struct storm_bucket *b, const struct limit *limit, uint64_t now_us)
{
    uint64_t elapsed_us = now_us - b->filled_us, most = limit->burst * MILLION;
    if (now_us <= b->filled_us)
        return;
    b->filled_us = now_us;
    if (elapsed_us > (most - b->millionths) / limit->per_s)
        b->millionths = most;
    else
        b->millionths += elapsed_us * limit->per_s;
}

static uint64_t cost_of(const struct limit *limit, size_t frame_bytes)
{
    return (limit->counts_bytes ? frame_bytes : 1) * MILLION;
}

static bool take(struct storm_bucket *b, const struct limit *limit, size_t frame_bytes,
                 uint64_t now_us)
{
    refill(b, limit, now_us);
    uint64_t cost = cost_of(limit, frame_bytes);
    if (b->millionths < cost)
        return false;
    b->millionths -= cost;
    return true;
}

void storm_init(struct storm *storm, uint64_t now_us)
{
    memset(storm, 0, sizeof *storm);
    for (size_t c = 0; c < CLASS_COUNT; c++)
        storm->class_bucket[c] = full(&CLASS_LIMIT[c], now_us);
    storm->unknown = full(&UNKNOWN_LIMIT, now_us);
}

bool storm_allows(struct storm *storm, enum multicast_class c, size_t frame_bytes, uint64_t now_us)
{
    if (c == CLASS_UNICAST)
        return true;
    return take(&storm->class_bucket[c], &CLASS_LIMIT[c], frame_bytes, now_us);
}

/* The bucket of a group; a new one's is full, in place of the group that was silent longest. */
static struct storm_bucket *group_bucket(struct storm *storm, const struct ip_address *group,
                                         uint64_t now_us)
{
    struct storm_group *room = &storm->group[0];
    for (size_t i = 0; i < STORM_GROUPS_MAX; i++) {
        struct storm_group *g = &storm->group[i];
        if (ip_equal(&g->address, group))
            return &g->bucket;
        if (room->address.family != IP_NONE &&
            (g->address.family == IP_NONE || g->bucket.filled_us < room->bucket.filled_us))
            room = g;
    }
    *room = (struct storm_group){.address = *group, .bucket = full(&GROUP_LIMIT, now_us)};
    return &room->bucket;
}

bool storm_allows_group(struct storm *storm, const struct ip_address *group, size_t frame_bytes,
                        uint64_t now_us)
{
    struct storm_bucket *own = group_bucket(storm, group, now_us);
    if (!take(own, &GROUP_LIMIT, frame_bytes, now_us))
        return false;
    if (storm_allows(storm, CLASS_GROUP_OTHER, frame_bytes, now_us))
        return true;
    own->millionths += cost_of(&GROUP_LIMIT, frame_bytes);
    return false;
}

bool storm_allows_unknown(struct storm *storm, size_t frame_bytes, uint64_t now_us)
{
    return take(&storm->unknown, &UNKNOWN_LIMIT, frame_bytes, now_us);
}
