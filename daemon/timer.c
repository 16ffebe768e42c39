/* SPDX-License-Identifier: MIT
 *
 * timer.c - see timer.h
 */
#include "timer.h"

#include "clock.h"

void timer_arm(uv_timer_t *timer, uv_timer_cb callback, uint64_t due_us)
{
    uint64_t now_us = clock_now_us();

    if (due_us == UINT64_MAX) {
        uv_timer_stop(timer);
        return;
    }
    uv_update_time(timer->loop); /* else it counts from when this turn of the loop began */
    uv_timer_start(timer, callback, due_us > now_us ? (due_us - now_us + 999) / 1000 : 0, 0);
}
