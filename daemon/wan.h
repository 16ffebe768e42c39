/* SPDX-License-Identifier: MIT
 *
 * wan.h - datagrams out of the core, each by the way it is to go: our own sockets, or a relay of
 * ours on a TURN server. (What another peer passes on never leaves the core.)
 */
#ifndef WAN_H
#define WAN_H

#include "turn_relay.h"
#include "udp.h"

struct wan {
    struct udp *udp;
    struct turn_relay *turn;
};

/** wan_transmit() - Send a batch now, as udp_transmit() does; any thread may
 *  @refused: As for udp_transmit() */
void wan_transmit(const struct wan *wan, const struct datagram *datagrams, size_t count,
                  struct endpoint refused[UDP_FAMILIES]);

#endif
