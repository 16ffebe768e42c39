/* SPDX-License-Identifier: MIT
 *
 * locked_memory.h - memory for secrets: out of swap and out of core dumps, as far as it is touched.
 *
 * Structs that are large for the largest site stay small for the usual one: a page that nobody has
 * written takes no memory. sodium_malloc() would fill them all.
 */
#ifndef LOCKED_MEMORY_H
#define LOCKED_MEMORY_H

#include <stddef.h>

/** locked_memory_new() - @bytes of zeros, aligned to a page; NULL when there are none */
void *locked_memory_new(size_t bytes);

/** locked_memory_free() - Give it back; the kernel wipes pages before anybody else has them */
void locked_memory_free(void *memory, size_t bytes);

/** locked_memory_lock() - The same for memory that is there; best effort, as it is for new memory
 */
void locked_memory_lock(void *memory, size_t bytes);

#endif
