/* SPDX-License-Identifier: MIT
 *
 * random.h - the random source that the core's parts are given.
 */
#ifndef DAEMON_RANDOM_H
#define DAEMON_RANDOM_H

#include <sodium.h>
#include <stddef.h>

/** random_fill() - Unpredictable bytes; the context is not used */
static inline void random_fill(void *context, void *out, size_t bytes)
{
    (void)context;
    randombytes_buf(out, bytes);
}

#endif
