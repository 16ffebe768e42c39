/* SPDX-License-Identifier: MIT
 *
 * privileges.c - see privileges.h. The two system calls are made directly: a library for one
 * capability would be larger than this file.
 */
#include "privileges.h"

#include "config.h"
#include "copy.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

static bool set_capabilities(uint32_t ours, uint32_t inheritable)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    data[0].permitted = data[0].effective = ours;
    data[0].inheritable = inheritable;
    return syscall(SYS_capset, &header, data) == 0;
}

/* A user's programs, such as nft for doctor, get what is ambient. */
static bool keep_network(void)
{
    const uint32_t network = 1u << CAP_NET_ADMIN;

    return set_capabilities(network | 1u << CAP_NET_BIND_SERVICE, network) &&
           prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_RAISE, (unsigned long)CAP_NET_ADMIN,
                 0ul, 0ul) == 0;
}

/* Cut a path to that of its folder. */
static void cut_to_folder(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash)
        memcpy(path, ".", 2);
    else if (slash == path)
        path[1] = '\0';
    else
        *slash = '\0';
}

/* Whether somebody else made a link on the way: it must not lead root to where root acts as root,
 * and what lies there, in /tmp for one, may be anybody's. */
static bool is_led_by_another(const char *config_path, struct stat *link)
{
    char path[CONFIG_PATH_SIZE];
    size_t bytes = 0;

    while (config_path[bytes]) {
        bytes += strspn(config_path + bytes, "/");
        bytes += strcspn(config_path + bytes, "/");
        if (bytes >= sizeof path)
            break;
        memcpy(path, config_path, bytes);
        path[bytes] = '\0';
        if (lstat(path, link) == 0 && S_ISLNK(link->st_mode) && link->st_uid != geteuid())
            return true;
    }
    return false;
}

/* A folder that cannot be looked at is left to those who will say so. */
static bool belongs_to_another(const char *config_path, struct stat *folder)
{
    char path[CONFIG_PATH_SIZE];
    int code;

    if (!copy_text(path, sizeof path, config_path) || !path[0])
        return false;
    do {
        cut_to_folder(path);
        code = stat(path, folder);
    } while (code < 0 && errno == ENOENT && strcmp(path, ".") != 0 && strcmp(path, "/") != 0);
    return code == 0 && folder->st_uid != geteuid();
}

bool privileges_follow_owner(const char *config_path, bool with_network, struct error *error)
{
    struct stat owned;

    if (geteuid() != 0 ||
        (!is_led_by_another(config_path, &owned) && !belongs_to_another(config_path, &owned)))
        return true;
    if (with_network)
        clear_bounding_set(); /* as long as CAP_SETPCAP is there */
    if (setgroups(0, NULL) == 0 && setresgid(owned.st_gid, owned.st_gid, owned.st_gid) == 0 &&
        prctl(PR_SET_KEEPCAPS, with_network ? 1ul : 0ul, 0ul, 0ul, 0ul) == 0 &&
        setresuid(owned.st_uid, owned.st_uid, owned.st_uid) == 0 &&
        (!with_network || keep_network()))
        return true;
    error_set(error, EXIT_FAILED, "cannot become user %lu: %s: its folder is that user's: %s",
              (unsigned long)owned.st_uid, config_path, strerror(errno));
    return false;
}

bool privileges_reduce(struct error *error)
{
    struct rlimit none = {0, 0};

    clear_bounding_set();
    prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0ul, 0ul, 0ul);
    if (!set_capabilities(1u << CAP_NET_ADMIN, 0) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1ul, 0ul, 0ul, 0ul) != 0) {
        error_set(error, EXIT_FAILED, "cannot reduce privileges: %s", strerror(errno));
        return false;
    }
    prctl(PR_SET_DUMPABLE, 0ul, 0ul, 0ul, 0ul);
    setrlimit(RLIMIT_CORE, &none);
    return true;
}
