/* SPDX-License-Identifier: MIT
 *
 * clock.h - the daemon's two clocks. Besides them libuv has its own, for timers (timer.h), and
 * udp_receive.c compares the kernel's time stamps with the wall clock; a few of the tools ask for
 * the date by themselves.
 *
 * What lasts is measured by CLOCK_BOOTTIME. It is monotonic and goes on while the machine sleeps: a
 * laptop or a suspended virtual machine must not take an hour-old session for a fresh one when it
 * wakes. The wall clock, which may be set and may be wrong, is for what outlives a boot: the expiry
 * of invitations, and a first order number.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/** clock_now_us() - Microseconds since boot, sleep included */
uint64_t clock_now_us(void);

/** clock_unix_ms() - Milliseconds since 1970 by the wall clock */
uint64_t clock_unix_ms(void);

#endif
