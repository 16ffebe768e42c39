/* SPDX-License-Identifier: MIT
 *
 * storm.h - how much of each class of flooded traffic may cross.
 *
 * A loop or a mad device makes a million broadcasts a second; a home's line carries a few thousand
 * frames. Each class has a token bucket of its own, so that a storm in one leaves the others whole:
 * discovery goes on working while something broadcasts. There is one struct storm for what the LAN
 * sends, whichever peers it goes to, and one for each peer's frames.
 *
 * Theory of operation. A bucket holds millionths of a token: n microseconds at r tokens per second
 * are exactly n * r of them, so nothing is rounded, ever. A bucket begins full. Time that stands
 * still or goes back refills nothing.
 *
 * Other groups (`multicast = all`) are streams and are counted in bytes: together by
 * storm_allows(), and each group for itself by storm_allows_group(), so that one stream cannot
 * starve another. Groups are few; in a full table the one silent longest makes room.
 */
#ifndef FRAME_STORM_H
#define FRAME_STORM_H

#include "address.h"
#include "frame/multicast.h"

#include <stddef.h>

/* Tokens are frames, but bytes for other groups. A burst is what may come at once. */
enum {
    /* A television waking asks dozens of names at once and every device answers each; a home of 50
     * devices stays below 200 frames in such a second. */
    STORM_DISCOVERY_PER_S = 500,
    STORM_DISCOVERY_BURST = 500,
    /* A scanner application asks for all 254 or 1022 addresses of a subnet in one go. */
    STORM_NEIGHBOR_PER_S = 500,
    STORM_NEIGHBOR_BURST = 1000,
    /* Games and NetBIOS make tens a second; what is more is a loop. */
    STORM_BROADCAST_PER_S = 300,
    STORM_BROADCAST_BURST = 600,
    /* Reports answer a query all at once; PTP is 8-64 a second for each clock. */
    STORM_GROUP_KNOWN_PER_S = 500,
    STORM_GROUP_KNOWN_BURST = 500,
    /* 16 Mbit/s for all streams, 8 Mbit/s (one HD channel) for each; a burst of a quarter of a
     * second, which holds a whole key frame. */
    STORM_GROUP_OTHER_BYTES_PER_S = 2000000,
    STORM_GROUP_OTHER_BURST_BYTES = 500000,
    STORM_GROUP_BYTES_PER_S = 1000000,
    STORM_GROUP_BURST_BYTES = 250000,
    /* Unicast is unknown only until its receiver first speaks. */
    STORM_UNKNOWN_PER_S = 1000,
    STORM_UNKNOWN_BURST = 1000,

    STORM_GROUPS_MAX = 16,
};

struct storm_bucket {
    uint64_t millionths; /* of a token */
    uint64_t filled_us;
};

struct storm_group {
    struct ip_address address; /* IP_NONE: free */
    struct storm_bucket bucket;
};

struct storm {
    struct storm_bucket class_bucket[CLASS_COUNT];
    struct storm_bucket unknown;
    struct storm_group group[STORM_GROUPS_MAX];
};

/** storm_init() - All buckets full, no group known */
void storm_init(struct storm *storm, uint64_t now_us);

/**
 * storm_allows() - Take a frame of a class out of its bucket
 * @c:            CLASS_UNICAST is always allowed
 * @frame_bytes:  Its length
 * @now_us:       Monotonic time
 *
 * Return: false when the bucket has too little: drop the frame
 */
bool storm_allows(struct storm *storm, enum multicast_class c, size_t frame_bytes, uint64_t now_us);

/**
 * storm_allows_group() - Take a frame to an other group out of its own bucket and the common one
 * @group:  Its IP destination, of a frame of CLASS_GROUP_OTHER
 *
 * Instead of storm_allows(). A frame one of the two refuses costs the other nothing.
 */
bool storm_allows_group(struct storm *storm, const struct ip_address *group, size_t frame_bytes,
                        uint64_t now_us);

/** storm_allows_unknown() - Take a unicast frame that must be flooded, its receiver unknown */
bool storm_allows_unknown(struct storm *storm, size_t frame_bytes, uint64_t now_us);

#endif
