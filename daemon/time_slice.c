/* SPDX-License-Identifier: MIT
 *
 * time_slice.c - see time_slice.h. The C libraries have no function for it.
 */
#include "time_slice.h"

#include "log.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS UINT64_C(100000) /* the least that the kernel takes */

/* struct sched_attr of the first kernels that had it; sched_setattr(2). */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

_Static_assert(sizeof(struct attributes) == 48, "SCHED_ATTR_SIZE_VER0");

enum { POLICY_OTHER = 0 };

/* What else is set stays as whoever started us wanted it. */
void time_slice_shorten(void)
{
    struct attributes a = {.size = sizeof a};

    if (syscall(SYS_sched_getattr, 0, &a, (unsigned)sizeof a, 0u) != 0 || a.policy != POLICY_OTHER)
        return;
    a.runtime_ns = SLICE_NS;
    if (syscall(SYS_sched_setattr, 0, &a, 0u) != 0)
        log_debug("time slice: %s", strerror(errno));
}
