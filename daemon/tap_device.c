/* SPDX-License-Identifier: MIT
 *
 * tap_device.c - see tap_device.h.
 */
#include "tap_device.h"

#include "frame/offload.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Linux 6.2; the headers of a build machine may be older. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
    OFFLOAD_TSO = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
    OFFLOAD_USO = TUN_F_USO4 | TUN_F_USO6,
    PATH_BYTES = 80,
};

/* The type of a request differs between C libraries, and some of TUN's do not fit an int. */
#ifdef __GLIBC__
typedef unsigned long ioctl_request;
#else
typedef int ioctl_request;
#endif

static bool control(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, (ioctl_request)request, argument) == 0;
}

/* ---- errors ---- */

static int open_driver(struct error *error)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        error_set(error, EXIT_FAILED,
                  "no TAP support: /dev/net/tun is missing: load the kernel module "
                  "'tun' (OpenWrt: install kmod-tun)");
    else if (errno == EACCES || errno == EPERM)
        error_set(error, EXIT_FAILED,
                  "cannot open /dev/net/tun: needs root, or the mode 0666 that udev gives it");
    else
        error_set(error, EXIT_FAILED, "cannot open /dev/net/tun: %s", strerror(errno));
    return -1;
}

static void explain_attach(struct error *error, const char *name, int code)
{
    if (code == EPERM || code == EACCES)
        error_set(error, EXIT_FAILED, "cannot make the TAP: %s: needs root (CAP_NET_ADMIN)", name);
    else if (code == EBUSY)
        error_set(error, EXIT_FAILED,
                  "the TAP is in use: %s: another process has it: stop that one or change 'tap' "
                  "in [site]",
                  name);
    else if (code == EINVAL)
        error_set(error, EXIT_FAILED,
                  "not a plain TAP: %s: it is a TUN or no tun device: remove it or change 'tap' "
                  "in [site]",
                  name);
    else
        error_set(error, EXIT_FAILED, "cannot make the TAP: %s: %s", name, strerror(code));
}

/* ---- attaching ---- */

/* Return: 0 or errno */
static int attach(int fd, const char *name, int flags)
{
    struct ifreq request = {0};

    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    request.ifr_flags = (short)flags;
    return control(fd, TUNSETIFF, &request) ? 0 : errno;
}

/* The flags of a TAP nobody of us holds yet; 0: not known */
static int read_flags(const char *name)
{
    char path[PATH_BYTES], text[16];
    FILE *file;
    int flags = 0;

    snprintf(path, sizeof path, "/sys/class/net/%s/tun_flags", name);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(text, sizeof text, file) != NULL)
        flags = (int)strtoul(text, NULL, 16);
    fclose(file);
    return flags;
}

/* Several processes may each hold a queue of one TAP; each would see a part of the frames. */
static bool is_shared(const char *name)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "/sys/class/net/%s/queues/tx-1", name);
    return access(path, F_OK) == 0;
}

/* A TAP made with several queues is attached to as such, or not at all.
 *
 * Return: 0 or errno */
static int attach_to_any(int fd, const char *name, int flags)
{
    int code = attach(fd, name, flags);

    if (code != EINVAL)
        return code;
    code = attach(fd, name, flags | IFF_MULTI_QUEUE);
    return code == 0 && is_shared(name) ? EBUSY : code;
}

/* ---- headers and offloads ---- */

/* The kernel's own word: a TAP may not have become what was asked. */
static bool has_vnet(int fd)
{
    struct ifreq request = {0};

    return control(fd, TUNGETIFF, &request) && (request.ifr_flags & IFF_VNET_HDR) != 0;
}

static bool set_header(int fd, struct tap_driver_settings *settings)
{
    return control(fd, TUNSETVNETHDRSZ, &settings->header_bytes) &&
           control(fd, TUNSETVNETLE, &settings->little_endian);
}

static bool take_header(struct tap *tap)
{
    struct tap_driver_settings *former = &tap->former_driver;
    struct tap_driver_settings ours = {.header_bytes = OFFLOAD_HEADER_BYTES, .little_endian = 1};

    return control(tap->fd, TUNGETVNETHDRSZ, &former->header_bytes) &&
           control(tap->fd, TUNGETVNETLE, &former->little_endian) && set_header(tap->fd, &ours);
}

static bool set_offload(int fd, unsigned offload)
{
    return control(fd, TUNSETOFFLOAD, (void *)(uintptr_t)offload); /* no pointer, it is the value */
}

static void take_offloads(struct tap *tap)
{
    set_offload(tap->fd, 0); /* whoever held it before may have left some */
    if (!tap->vnet || tap->options.no_offload)
        return;
    tap->uso = !tap->options.no_uso && set_offload(tap->fd, OFFLOAD_TSO | OFFLOAD_USO);
    tap->tso = tap->uso || set_offload(tap->fd, OFFLOAD_TSO);
}

/* Return: 0 or errno; tap->fd is open then */
static int hold(struct tap *tap, const char *name, bool vnet, struct error *error)
{
    tap->fd = open_driver(error);
    if (tap->fd < 0)
        return -1;
    int code = attach_to_any(tap->fd, name, IFF_TAP | IFF_NO_PI | (vnet ? IFF_VNET_HDR : 0));
    if (code == 0) {
        tap->vnet = has_vnet(tap->fd);
        if (tap->vnet == vnet && (!vnet || take_header(tap)))
            return 0;
        code = vnet ? EOPNOTSUPP : EBUSY;
    }
    explain_attach(error, name, code);
    close(tap->fd);
    tap->fd = -1;
    return code;
}

bool tap_device_hold(struct tap *tap, const char *name, struct error *error)
{
    int code = EOPNOTSUPP;

    tap->fd = -1;
    tap->former_driver.flags = tap->found ? read_flags(name) : 0;
    if (!tap->options.no_vnet)
        code = hold(tap, name, true, error);
    if (code == EINVAL || code == EOPNOTSUPP)
        code = hold(tap, name, false, error);
    if (code != 0)
        return false;
    take_offloads(tap);
    log_debug("%s: virtio-net header %s, TSO %s, USO %s", name, tap->vnet ? "yes" : "no",
              tap->tso ? "yes" : "no", tap->uso ? "yes" : "no");
    return true;
}

/* ---- giving back ---- */

/* Flags are given by attaching, so it is done once more, with what they were. */
static void give_back_flags(const char *name, int flags)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    int code = fd < 0 ? errno : attach(fd, name, flags);

    if (code != 0)
        log_debug("%s: flags of the tun driver: %s", name, strerror(code));
    if (fd >= 0)
        close(fd);
}

void tap_device_let_go(struct tap *tap, const char *name)
{
    if (tap->fd < 0)
        return;
    if (tap->found && tap->vnet) {
        set_offload(tap->fd, 0);
        if (!set_header(tap->fd, &tap->former_driver))
            log_debug("%s: virtio-net header: %s", name, strerror(errno));
    }
    close(tap->fd);
    tap->fd = -1;
    if (tap->former_driver.flags != 0)
        give_back_flags(name, tap->former_driver.flags & ~IFF_PERSIST);
}
