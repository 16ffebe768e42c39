/* SPDX-License-Identifier: MIT
 *
 * tap.c - see tap.h.
 */
#include "tap.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    BATCH = 64,
    FRAME_MAX_BYTES = 65536,
    ALIGNMENT_BYTES = 2, /* the IP header behind 14 octets of Ethernet is then aligned to 4 */
    QUEUE_LENGTH_PACKETS = 1000,
};

static int open_device(struct error *error)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        error_set(error, EXIT_FAILED,
                  "no TAP support: /dev/net/tun is missing: load the kernel module "
                  "'tun' (OpenWrt: install kmod-tun)");
    else if (errno == EACCES || errno == EPERM)
        error_set(error, EXIT_FAILED, "cannot open /dev/net/tun: needs root (CAP_NET_ADMIN)");
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
                  "not a plain TAP: %s: it is a TUN, a multi-queue TAP or no tun device: remove "
                  "it or change 'tap' in [site]",
                  name);
    else
        error_set(error, EXIT_FAILED, "cannot make the TAP: %s: %s", name, strerror(code));
}

/* Return: 0 or errno */
static int attach(int fd, const char *name)
{
    struct ifreq request = {0};

    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI);
    return ioctl(fd, TUNSETIFF, &request) == 0 ? 0 : errno;
}

struct mac tap_mac(const uint8_t public_key[PUBLIC_KEY_BYTES])
{
    struct mac mac = {.octet = {0xfe}};

    memcpy(mac.octet + 1, public_key, sizeof mac.octet - 1);
    return mac;
}

bool tap_open(struct tap *tap, struct netlink *netlink, const char *name, const struct mac *mac,
              struct error *error)
{
    struct link link;

    *tap = (struct tap){.fd = -1, .mac = *mac};
    tap->found = netlink_link_by_name(netlink, name, &tap->former);
    if (tap->found && strcmp(tap->former.kind, "tun") != 0) {
        error_set(error, EXIT_FAILED,
                  "the TAP's name is taken: %s: another kind of interface has it: change 'tap' "
                  "in [site]",
                  name);
        return false;
    }
    tap->fd = open_device(error);
    if (tap->fd < 0)
        return false;
    int code = attach(tap->fd, name);
    if (code == 0 && netlink_link_by_name(netlink, name, &link)) {
        tap->index = link.index;
        memcpy(tap->name, link.name, sizeof tap->name);
        return true;
    }
    explain_attach(error, name, code == 0 ? ENODEV : code);
    close(tap->fd);
    tap->fd = -1;
    return false;
}

bool tap_reopen(struct tap *tap, struct netlink *netlink, struct error *error)
{
    struct tap fresh;

    if (tap->fd >= 0)
        close(tap->fd);
    tap->fd = -1;
    if (!tap_open(&fresh, netlink, tap->name, &tap->mac, error))
        return false;
    fresh.write_dropped = tap->write_dropped;
    *tap = fresh;
    return true;
}

static void try_change(const struct tap *tap, const char *what, int code)
{
    if (code < 0)
        log_debug("%s: %s: %s", tap->name, what, netlink_error_text(code));
}

/* The kernel must not give it an fe80:: address: duplicate address detection and router
 * solicitations of the TAP itself would cross the tunnel. Set before up; no IPv6, no matter. */
bool tap_start(struct tap *tap, struct netlink *netlink, unsigned mtu, struct error *error)
{
    int code = netlink_set_mac(netlink, tap->index, &tap->mac);

    if (code < 0) /* some drivers want it down */
        code = netlink_set_up(netlink, tap->index, false) < 0
                   ? code
                   : netlink_set_mac(netlink, tap->index, &tap->mac);
    if (code >= 0) {
        try_change(tap, "addrgenmode none",
                   netlink_set_addrgen(netlink, tap->index, IN6_ADDR_GEN_MODE_NONE));
        try_change(tap, "txqueuelen",
                   netlink_set_queue_length(netlink, tap->index, QUEUE_LENGTH_PACKETS));
        if (mtu != 0)
            code = netlink_set_mtu(netlink, tap->index, mtu);
    }
    if (code >= 0)
        code = netlink_set_up(netlink, tap->index, true);
    if (code < 0)
        error_set(error, EXIT_FAILED, "cannot set up the TAP: %s: %s", tap->name,
                  netlink_error_text(code));
    return code >= 0;
}

/* Each step for itself: what can be given back is. The device has no carrier any more, so that
 * IPv6 does not give it an address the moment it may. */
static void give_back(const struct tap *tap, struct netlink *netlink)
{
    const struct link *former = &tap->former;
    struct link now;

    if (!netlink_link_by_index(netlink, tap->index, &now))
        return;
    if (now.up && !former->up)
        try_change(tap, "down", netlink_set_up(netlink, tap->index, false));
    if (!mac_equal(&now.mac, &former->mac))
        try_change(tap, "address", netlink_set_mac(netlink, tap->index, &former->mac));
    if (now.mtu != former->mtu)
        try_change(tap, "mtu", netlink_set_mtu(netlink, tap->index, former->mtu));
    if (now.addrgen != former->addrgen && former->addrgen >= 0)
        try_change(tap, "addrgenmode", netlink_set_addrgen(netlink, tap->index, former->addrgen));
    if (now.queue_length != former->queue_length)
        try_change(tap, "txqueuelen",
                   netlink_set_queue_length(netlink, tap->index, former->queue_length));
}

void tap_close(struct tap *tap, struct netlink *netlink)
{
    if (tap->fd < 0)
        return;
    close(tap->fd);
    tap->fd = -1;
    if (tap->found)
        give_back(tap, netlink);
}

int tap_receive(struct tap *tap, tap_receive_fn *receive, void *context)
{
    static uint8_t buffer[ALIGNMENT_BYTES + FRAME_MAX_BYTES];

    for (unsigned i = 0; i < BATCH; i++) {
        ssize_t bytes = read(tap->fd, buffer + ALIGNMENT_BYTES, FRAME_MAX_BYTES);
        if (bytes > 0)
            receive(context, buffer + ALIGNMENT_BYTES, (size_t)bytes);
        else if (bytes < 0 && errno == EINTR)
            continue;
        else
            return bytes < 0 && (errno == EBADFD || errno == ENODEV) ? -1 : 0;
    }
    return 0;
}

void tap_deliver(struct tap *tap, const uint8_t *frame, size_t bytes)
{
    if (tap->fd < 0 || write(tap->fd, frame, bytes) < 0)
        tap->write_dropped++;
}
