/* SPDX-License-Identifier: MIT
 *
 * doctor_meaning.h - what the MTU of a path tells about the line: each way to carry IP has its own
 * overhead, and so a number of its own. A guess, but mostly a right one.
 */
#ifndef DOCTOR_MEANING_H
#define DOCTOR_MEANING_H

#include "address.h"

struct path_meaning {
    const char *what;   /* never NULL */
    const char *advice; /* NULL: nothing can be done, or needs to be */
};

/** path_meaning() - What a path of @family with outer packets of @mtu_bytes is likely to be */
struct path_meaning path_meaning(enum ip_family family, unsigned mtu_bytes);

#endif
