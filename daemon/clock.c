/* SPDX-License-Identifier: MIT
 *
 * clock.c - see clock.h. The C library answers from the vDSO: no system call per packet batch.
 */
#include "clock.h"

#include <time.h>

uint64_t clock_now_us(void)
{
    struct timespec t = {0};

    if (clock_gettime(CLOCK_BOOTTIME, &t) != 0)
        clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t clock_unix_ms(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}
