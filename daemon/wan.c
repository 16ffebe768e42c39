/* SPDX-License-Identifier: MIT
 *
 * wan.c - see wan.h.
 */
#include "wan.h"

static bool is_relayed(const struct datagram *datagram)
{
    return datagram->to.via != VIA_DIRECT;
}

void wan_transmit(const struct wan *wan, const struct datagram *datagrams, size_t count,
                  struct endpoint refused[UDP_FAMILIES])
{
    for (size_t done = 0; done < count;) {
        const struct datagram *first = &datagrams[done];
        size_t n = 1;
        while (done + n < count && is_relayed(&first[n]) == is_relayed(first))
            n++;
        if (is_relayed(first))
            turn_relay_transmit(wan->turn, first, n);
        else
            udp_transmit(wan->udp, first, n, refused);
        done += n;
    }
}
