/* SPDX-License-Identifier: MIT
 *
 * tap.c - see tap.h: the interface. tap_device.c holds it, tap_frames.c moves its frames.
 */
#include "tap.h"

#include "log.h"
#include "tap_device.h"

#include <linux/if_link.h>
#include <string.h>

/* Small frames come 200,000 a second, and a busy machine lets us wait for some milliseconds: with
 * 250 places four of five such frames were lost where a third was with 1000. Large frames do not
 * fill it: what a TCP has under way is bounded by its windows, and none was dropped at 250 either.
 * The qdisc before it is always empty, whichever it is: the driver never says that it is full. */
enum { QUEUE_LENGTH_PACKETS = 1000 };

struct mac tap_mac(const uint8_t public_key[PUBLIC_KEY_BYTES])
{
    struct mac mac = {.octet = {0xfe, 0xff}};

    memcpy(mac.octet + 2, public_key, sizeof mac.octet - 2);
    return mac;
}

bool tap_open(struct tap *tap, struct netlink *netlink, const char *name, const struct mac *mac,
              const struct tap_options *options, struct error *error)
{
    struct link link;

    *tap = (struct tap){.fd = -1, .mac = *mac, .options = *options};
    tap->found = netlink_link_by_name(netlink, name, &tap->former);
    if (tap->found && strcmp(tap->former.kind, "tun") != 0) {
        error_set(error, EXIT_FAILED,
                  "the TAP's name is taken: %s: another kind of interface has it: change 'tap' "
                  "in [site]",
                  name);
        return false;
    }
    if (!tap_device_hold(tap, name, error))
        return false;
    if (netlink_link_by_name(netlink, name, &link)) {
        tap->index = link.index;
        memcpy(tap->name, link.name, sizeof tap->name);
        return true;
    }
    error_set(error, EXIT_FAILED, "the TAP is gone again: %s: somebody deleted it", name);
    tap_device_let_go(tap, name);
    return false;
}

bool tap_reopen(struct tap *tap, struct netlink *netlink, struct error *error)
{
    struct tap fresh;

    tap_device_let_go(tap, tap->name);
    if (!tap_open(&fresh, netlink, tap->name, &tap->mac, &tap->options, error))
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
    tap_device_let_go(tap, tap->name);
    if (tap->found)
        give_back(tap, netlink);
}
