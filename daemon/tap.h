/* SPDX-License-Identifier: MIT
 *
 * tap.h - the LAN side: a TAP device whose frames the core carries.
 *
 * A TAP that is not there is made, and goes when it is closed. One that exists already (made by
 * `ip tuntap add`, netifd or networkd) is used and given back as it was found: flags, offloads,
 * MTU, MAC (and master: network.h). The MAC begins with fe:ff:, because a bridge takes the lowest
 * of its ports' for its own, and those of containers and virtual machines may begin with fe: too.
 * The rest comes from the site's public key, so that it is the same after each start.
 */
#ifndef TAP_H
#define TAP_H

#include "error.h"
#include "frame/coalesce.h"
#include "netlink.h"
#include "site.h"

#include <stdatomic.h>

enum {
    TAP_MTU_MAX_BYTES = 9216, /* with its headers, the largest frame the core carries */
    TAP_ROOM_BYTES = 64,      /* before and behind a frame that was read */
};

/* For tests: what not to use. */
struct tap_options {
    bool no_vnet;    /* no header before frames, so no offloads */
    bool no_offload; /* a header, but whole frames only */
    bool no_uso;     /* no large UDP */
};

/* What the tun driver keeps of a TAP that was there before. flags 0: there was none, or it cannot
 * be told. */
struct tap_driver_settings {
    int flags, header_bytes, little_endian;
};

struct tap {
    int fd;              /* -1: not open */
    bool vnet, tso, uso; /* in use: virtio-net headers, large TCP frames, large UDP frames */
    int index;
    char name[IFNAMSIZ];
    struct mac mac;
    struct tap_options options;
    bool found; /* existed before: 'former' is what to give back */
    struct link former;
    struct tap_driver_settings former_driver;
    atomic_ulong write_dropped; /* any thread may write */
};

/**
 * tap_receive_fn - One frame
 * @vnet_header: OFFLOAD_HEADER_BYTES, or NULL when the TAP has none (vnet)
 * @frame:       May be changed, and so may the TAP_ROOM_BYTES before and behind it (the header is
 * in those before it: read that first). Good during the call; large when tso or uso
 */
typedef void tap_receive_fn(void *context, const uint8_t *vnet_header, uint8_t *frame,
                            size_t bytes);

/** tap_mac() - The MAC of the TAP of the site with this key */
struct mac tap_mac(const uint8_t public_key[PUBLIC_KEY_BYTES]);

/**
 * tap_open() - Make or attach to the TAP @name; a new one is left down
 * @mac:     What tap_start() is to give it
 * @options: Copied
 *
 * Return: false with @error; nothing is changed then
 */
bool tap_open(struct tap *tap, struct netlink *netlink, const char *name, const struct mac *mac,
              const struct tap_options *options, struct error *error);

/** tap_reopen() - Make it again, after somebody deleted it; to be started anew */
bool tap_reopen(struct tap *tap, struct netlink *netlink, struct error *error);

/** tap_start() - Give it MAC and @mtu, keep IPv6 addresses off it, set it up */
bool tap_start(struct tap *tap, struct netlink *netlink, unsigned mtu, struct error *error);

/** tap_close() - Remove it, or give it back as it was found */
void tap_close(struct tap *tap, struct netlink *netlink);

/**
 * tap_receive() - Read up to 64 frames and hand each to @receive
 *
 * Return: 0, or -1 when the device is gone (somebody deleted it)
 */
int tap_receive(struct tap *tap, tap_receive_fn *receive, void *context);

/**
 * tap_deliver() - Write one frame; what the device does not take is dropped and counted
 * @vnet_header: OFFLOAD_HEADER_BYTES, or NULL: the frame is whole and its checksums are complete.
 * Only NULL will do on a TAP without headers
 * @slices:      The frame's bytes in order, @count of them, COALESCE_SLICES_MAX at most
 */
void tap_deliver(struct tap *tap, const uint8_t *vnet_header, const struct slice *slices,
                 size_t count);

#endif
