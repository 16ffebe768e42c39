/* SPDX-License-Identifier: MIT
 *
 * rate.c - see rate.h.
 */
#include "rate.h"

bool rate_admits(uint64_t *whole_us, uint64_t each_us, unsigned burst, uint64_t now_us)
{
    uint64_t at_us = *whole_us > now_us ? *whole_us : now_us;
    if (at_us - now_us > (burst - 1) * each_us)
        return false;
    *whole_us = at_us + each_us;
    return true;
}
