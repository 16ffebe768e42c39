/* SPDX-License-Identifier: MIT
 *
 * nat.h - what stands between this machine and the Internet, and where it may be reached for all
 * that.
 *
 * It gathers the site's own candidates: the machine's addresses, what STUN servers see, what a
 * router forwards, the ports of MAP-E, a TURN server's relay. Whenever they change the core and the
 * rendezvous are told, which tell the peers. Datagrams that are not the tunnel's own (STUN, TURN)
 * come here by their first byte.
 */
#ifndef NAT_H
#define NAT_H

#include "lan.h"
#include "port_mapper.h"
#include "stun.h"
#include "tunnel/candidate.h"
#include "tunnel/map_e.h"
#include "turn_relay.h"

#include <json-c/json.h>

struct daemon;

struct nat {
    uint8_t address_count;
    struct ip_address address[WAN_ADDRESSES_MAX];
    struct site_lan lan; /* addresses of ours, too */
    struct stun stun;
    struct port_mapper mapper;
    struct turn_relay turn;
    bool has_map; /* IPv4 is shared, by MAP-E: */
    struct map_e map;
    bool has_rules; /* this router's own, ... */
    struct map_e rules;
    struct endpoint rules_seen;    /* ... read when others saw us there */
    struct endpoint contradiction; /* where a peer saw us, for which STUN servers were asked anew */
    uint64_t contradict_next_us;   /* not before */
    struct candidate_list own;
    bool look_again; /* peers came or went, or see us elsewhere: at the end of this turn */
    bool started;
};

/** nat_start() - Begin; needs the loop, the sockets and the core */
bool nat_start(struct daemon *daemon, struct error *error);

/** nat_stop() - Give back what others keep for us; before the loop's handles are closed */
void nat_stop(struct daemon *daemon);

/** nat_reload() - The daemon has another configuration */
void nat_reload(struct daemon *daemon);

/** nat_moved() - The daemon listens at another port */
void nat_moved(struct daemon *daemon);

/** nat_settle() - At the end of a turn: do what 'look_again' asks for */
void nat_settle(struct daemon *daemon);

/** nat_outside() - The machine's addresses or default routes changed */
void nat_outside(struct daemon *daemon, const struct lan_view *view);

/** nat_is_ours() - Whether a datagram's first byte says that it is for nat_receive() */
static inline bool nat_is_ours(uint8_t first)
{
    return first < 0x80; /* RFC 7983, and wire.h */
}

/** nat_receive() - A datagram of STUN or TURN; what a TURN server relays goes on to the core */
void nat_receive(struct daemon *daemon, const struct endpoint *from, uint8_t *datagram,
                 size_t bytes, uint32_t waited_us, uint64_t now_us);

/** nat_json() - For status: "nat"; the caller's */
struct json_object *nat_json(struct daemon *daemon);

#endif
