/* SPDX-License-Identifier: MIT
 *
 * privileges.c - see privileges.h. The two system calls are made directly: a library for one
 * capability would be larger than this file.
 */
#include "privileges.h"

#include "log.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPABILITY_MAX = 63 };

/* Needs CAP_SETPCAP, which a service manager may have taken already: then so are the others. */
static void clear_bounding_set(void)
{
    for (unsigned long c = 0; c <= CAPABILITY_MAX; c++)
        if (c != CAP_NET_ADMIN && prctl(PR_CAPBSET_DROP, c, 0ul, 0ul, 0ul) != 0)
            return;
}

static bool keep_net_admin(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    data[0].permitted = data[0].effective = 1u << CAP_NET_ADMIN;
    return syscall(SYS_capset, &header, data) == 0;
}

bool privileges_reduce(struct error *error)
{
    struct rlimit none = {0, 0};

    clear_bounding_set();
    prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0ul, 0ul, 0ul);
    if (!keep_net_admin() || prctl(PR_SET_NO_NEW_PRIVS, 1ul, 0ul, 0ul, 0ul) != 0) {
        error_set(error, EXIT_FAILED, "cannot reduce privileges: %s", strerror(errno));
        return false;
    }
    prctl(PR_SET_DUMPABLE, 0ul, 0ul, 0ul, 0ul);
    setrlimit(RLIMIT_CORE, &none);
    return true;
}
