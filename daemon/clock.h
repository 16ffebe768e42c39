/* SPDX-License-Identifier: MIT
 *
 * clock.h - the one clock of the daemon.
 *
 * CLOCK_BOOTTIME is monotonic and goes on while the machine sleeps: a laptop or a suspended
 * virtual machine must not take an hour-old session for a fresh one when it wakes.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/** clock_now_us() - Microseconds since boot, sleep included */
uint64_t clock_now_us(void);

#endif
