/* SPDX-License-Identifier: MIT
 *
 * locked_memory.c - see locked_memory.h.
 */
#include "locked_memory.h"

#include "log.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* madvise() takes whole pages only. */
void locked_memory_lock(void *memory, size_t bytes)
{
    size_t before = (uintptr_t)memory % (size_t)sysconf(_SC_PAGESIZE);

    madvise((uint8_t *)memory - before, bytes + before, MADV_DONTDUMP);
#if defined(SYS_mlock2) && defined(MLOCK_ONFAULT)
    if (syscall(SYS_mlock2, memory, bytes, MLOCK_ONFAULT) != 0)
        log_debug("cannot lock memory: %s", strerror(errno));
#endif
}

void *locked_memory_new(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    /* Hardly any of it is used; in huge pages, which some kernels take unasked, all would be. */
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    locked_memory_lock(memory, bytes);
    return memory;
}

void locked_memory_free(void *memory, size_t bytes)
{
    if (memory != NULL)
        munmap(memory, bytes);
}
