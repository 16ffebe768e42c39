/* SPDX-License-Identifier: MIT
 *
 * rate.h - how often something may be done: a burst at once, and an even rate after that.
 *
 * The generic cell rate algorithm (ITU-T I.371): instead of tokens there is one moment, at which
 * all that was done is paid for, were it done evenly, and the burst is whole again. Each time moves
 * it on by the interval; it may lie ahead of now by the burst. Nothing is rounded.
 */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * rate_admits() - Whether it may be done once more, which is then counted
 * @whole_us:  When the burst is whole again; the caller's, begun as 0
 * @each_us:   A second divided by the rate
 * @burst:     How often at once; at least 1
 * @now_us:    Monotonic time; going back only means waiting
 */
bool rate_admits(uint64_t *whole_us, uint64_t each_us, unsigned burst, uint64_t now_us);

#endif
