/* SPDX-License-Identifier: MIT
 *
 * resolver.h - peers' endpoint names to addresses, off the event loop and again and again.
 *
 * Homes have changing addresses and dynamic DNS. A name is asked for at once; while the peer is not
 * up, every five seconds for five minutes, as the name may just be about to follow the home, and
 * then every minute (five seconds it stays when the answer was an error: at boot DNS comes late);
 * while it is up, every ten minutes. An answer that fails leaves the last good one in use.
 * Addresses written as numbers need no asking. A name that begins with '_' is one of SRV records.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include "config.h"
#include "site.h"

#include <uv.h>

struct resolver_listener {
    void *context;
    /* The peer's addresses as far as they are known: at resolver_set_peer(), maybe none yet,
     * and whenever they differ. */
    void (*resolved)(void *context, const char *peer, const struct endpoint *endpoints,
                     size_t count);
    bool (*is_up)(void *context, const char *peer);
};

/* One 'host:port' of a peer, or one '_service._udp.name'. */
struct resolver_name {
    char text[CONFIG_ENDPOINT_SIZE];
    bool numeric, asked, failed; /* asked: an answer is under way */
    uint8_t count;
    struct endpoint endpoint[PEER_ENDPOINTS_MAX];
};

struct resolver_peer {
    char name[SITE_NAME_MAX + 1]; /* "": free */
    uint64_t generation;          /* an answer for an older one is of no use */
    uint64_t due_us;              /* next asking; UINT64_MAX: never */
    unsigned asked_in_vain;       /* how often since the peer was up, or the network changed */
    uint8_t name_count;
    struct resolver_name host[CONFIG_ENDPOINTS_MAX];
};

struct resolver {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct resolver_listener listener;
    uint64_t generation;
    struct resolver_peer peer[SITE_PEERS_MAX];
};

/** resolver_start() - Begin in zeroed memory, which must live until the last request has come back
 */
void resolver_start(struct resolver *resolver, uv_loop_t *loop,
                    const struct resolver_listener *listener);

/** resolver_set_peer() - A new peer, or new endpoints of one; asks at once when they differ */
void resolver_set_peer(struct resolver *resolver, const struct config_peer *peer);

void resolver_remove_peer(struct resolver *resolver, const char *name);

/** resolver_hurry() - The network changed: ask again now for the peers that are not up */
void resolver_hurry(struct resolver *resolver);

/** resolver_stop() - Tell nothing more; a request the thread pool holds comes back to nobody */
void resolver_stop(struct resolver *resolver);

#endif
