/* SPDX-License-Identifier: MIT
 *
 * network.h - keeps the TAP where it belongs, and the core informed about LAN and WAN.
 *
 * Every change netlink tells of leads, 50 ms later, to one refresh: the links, addresses and
 * routes are read anew, compared with what was, and acted upon:
 *   the TAP is gone                        made again
 *   the TAP is not in the bridge           put back, at most once a second
 *   the bridge is gone                     waited for
 *   a bridge is configured, the TAP down   set up, at most once a second
 *   the bridge is down                     said once: it is the home's
 *   an MTU of the bridge or a port differs the TAP's becomes the largest of them
 *   no bridge configured, but others put
 *   the TAP into one                       that one is the LAN's
 *   bridge ports came or went              listener->links
 *   addresses, prefixes, gateways, MTU     listener->lan
 *   any global address or default route    listener->outside
 *
 * MTU. A bridge port drops what is larger than its MTU without a word. So the TAP is never the
 * smallest of them: nothing disappears there, and a bridge whose MTU nobody fixed (it follows its
 * smallest port) is not held down by it. The smallest of the others is what every device of this
 * LAN can be sent; the core hears it with the addresses, and tells senders where the kernel does
 * not.
 *
 * When the kernel does not answer, nothing is changed and all is read again a second later.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include "bridge.h"
#include "lan.h"
#include "tap.h"

#include <uv.h>

struct network_listener {
    void *context;
    void (*lan)(void *context, const struct site_lan *lan);
    void (*links)(void *context);
    void (*outside)(void *context, const struct lan_view *view);
    void (*tap)(void *context, bool present); /* false: stop reading it; true: a new tap->fd */
};

struct network {
    struct netlink *netlink;
    struct tap *tap;
    char bridge_name[IFNAMSIZ]; /* "": others place the TAP */
    struct network_listener listener;
    struct link bridge;             /* the bridge the TAP is in; index 0: none */
    struct link before;             /* that bridge when we joined it; index 0: we did not */
    struct bridge_port former_port; /* of a TAP that was found in a bridge */
    struct lan_view view;
    struct link *links; /* all there are, as the last refresh read them */
    size_t link_count;
    uint64_t ports; /* hash of the bridge's ports and their state */
    uint64_t next_try_us;
    bool missing_told, down_told;
    bool tap_up;
    uv_poll_t events;
    uv_timer_t timer;
    bool watching;
};

/**
 * network_attach() - Start the TAP and put it into the bridge
 * @tap:    Open
 * @bridge: Name, or "" when others place the TAP
 *
 * Return: false with @error (no such bridge, ...); undo with network_detach()
 */
bool network_attach(struct network *network, struct netlink *netlink, struct tap *tap,
                    const char *bridge, struct error *error);

/** network_watch() - Begin to watch; the listener hears of the LAN before this returns */
void network_watch(struct network *network, uv_loop_t *loop,
                   const struct network_listener *listener);

/** network_unwatch() - Stop watching; the handles close with the loop's next turn */
void network_unwatch(struct network *network);

/** network_detach() - Take the TAP out of the bridge; one that was found goes where it was */
void network_detach(struct network *network);

/** network_restore_bridge() - After tap_close(): the bridge as it was before */
void network_restore_bridge(struct network *network);

/** network_flush() - Let the bridge forget what is behind the TAP, because it is not (any more) */
void network_flush(struct network *network);

/** network_is_attached() - Whether the TAP is in a bridge */
bool network_is_attached(const struct network *network);

#endif
