/* SPDX-License-Identifier: MIT
 *
 * hosts.h - which addresses live in this home, so that nobody far away claims one of them.
 *
 * Two stock routers hand out overlapping pools. A far device then probes, or announces, an address
 * a device here holds, and the one here drops its lease. So the addresses of the LAN's hosts are
 * watched, and a frame from a peer that claims one is dropped and the clash named. A request for
 * a host's address by an ordinary far sender claims nothing of ours and passes.
 *
 * What counts as holding an address: an ARP sender, an NS source, an NA target or source, and the
 * source of a multicast or broadcast UDP datagram in a private or link-local range (wider ranges
 * can come through the router). Probes are wishes, not claims, and are not learned.
 *
 * Theory of operation. As in fdb.h: an address may stand in any of the HOSTS_WINDOW slots after
 * its keyed hash; entries age after HOSTS_AGE_US; in a full window the oldest makes room. VLANs
 * are not told apart: a bridge may untag one, and a clash named once too often harms less than one
 * missed. Only frames from the LAN are learned, so a peer cannot fill the table.
 *
 * One thread, which handles the frames from peers: it asks, and it learns from those frames of the
 * LAN that the other thread notes for it.
 */
#ifndef FRAME_HOSTS_H
#define FRAME_HOSTS_H

#include "address.h"
#include "frame/packet.h"

#include <stddef.h>

#define HOSTS_AGE_US UINT64_C(300000000)

enum {
    HOSTS_MAX = 1024, /* a power of 2 */
    HOSTS_WINDOW = 16,
    HOSTS_HASH_KEY_BYTES = 16,
};

struct hosts_entry {
    uint64_t seen_us;
    struct ip_address address; /* IP_NONE: free */
    struct mac mac;
};

struct hosts {
    uint8_t hash_key[HOSTS_HASH_KEY_BYTES];
    struct hosts_entry entry[HOSTS_MAX];
};

/* An address held by @local and claimed by @remote. */
struct hosts_clash {
    struct ip_address address;
    struct mac local, remote;
};

/**
 * hosts_init() - Begin an empty table in zeroed memory, which becomes resident as it is used
 * @hash_key:  Secret random bytes, copied: who joins the LAN may choose addresses
 */
void hosts_init(struct hosts *hosts, const uint8_t hash_key[HOSTS_HASH_KEY_BYTES]);

/**
 * hosts_learn() - Watch one frame from the LAN
 * @p:       Any frame from the LAN; never one from a peer
 * @now_us:  Monotonic time
 *
 * A known address with another MAC is taken over: in its own home a device may change its card.
 */
void hosts_learn(struct hosts *hosts, const struct packet *p, uint64_t now_us);

/**
 * hosts_blocks() - Whether a frame from a peer claims, or probes for, an address held here
 * @own:      Addresses of the bridge itself; nobody else may claim them, whatever the MAC
 * @own_mac:  Its MAC, to name it
 * @clash:    Filled in when true is returned
 *
 * A live local host with the same MAC is the device itself, having moved: no clash.
 *
 * Return: true when it must not reach the LAN
 */
bool hosts_blocks(struct hosts *hosts, const struct packet *p, const struct ip_address *own,
                  size_t own_count, const struct mac *own_mac, uint64_t now_us,
                  struct hosts_clash *clash);

#endif
