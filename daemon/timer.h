/* SPDX-License-Identifier: MIT
 *
 * timer.h - libuv's timers, set to a time of the daemon's clock.
 */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>
#include <uv.h>

/**
 * timer_arm() - Call back once, in place of what the timer was set to
 * @due_us: When, by clock_now_us(), rounded up to libuv's milliseconds; at once when that is over;
 *          UINT64_MAX: never
 *
 * As libuv counts whole milliseconds the call may still come a fraction of one early: whoever is
 * called looks at the clock for what is due, and arms the timer again.
 */
void timer_arm(uv_timer_t *timer, uv_timer_cb callback, uint64_t due_us);

#endif
