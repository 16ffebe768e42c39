/* SPDX-License-Identifier: MIT
 *
 * listening.c - the UDP port: the configured one, or with 'port = auto' one that fits the home.
 *
 * Where this machine does MAP-E itself, IPv4 comes in only at the home's own set of ports, which
 * the provider may change. With 'auto' the daemon listens at one of them: that of last time if it
 * is still ours, else one that follows from our key, so that doctor names the same one without us.
 * The port is kept in the state folder; on any other line it is as good as another, and stays.
 *
 * Sessions survive the move: they belong to keys, and the peers follow the newest datagram.
 */
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "map_rules.h"

#include <string.h>

enum { TRIES = 8 }; /* ports that another program may have */

static struct udp_options options_of(const struct config *config)
{
    return (struct udp_options){.no_segment = (config->without & WITHOUT_SEGMENT) != 0,
                                .no_gro = (config->without & WITHOUT_GRO) != 0,
                                .no_timestamp = (config->without & WITHOUT_TIMESTAMP) != 0};
}

bool listening_open(struct daemon *daemon, struct error *error)
{
    struct udp_options options = options_of(daemon->config);
    uint16_t kept = daemon->config->port_auto ? state_load_port(daemon->state_directory) : 0;

    daemon->port = kept;
    if (kept != 0 && udp_open(&daemon->udp, kept, &options, error))
        return true;
    daemon->port = daemon->config->port;
    return udp_open(&daemon->udp, daemon->port, &options, error);
}

/* Whether MAP-E ends here, and not at a gateway before us. */
static bool is_ours(const struct nat *nat)
{
    for (unsigned i = 0; i < nat->address_count; i++)
        if (ip_equal(&nat->address[i], &nat->map.address))
            return true;
    return false;
}

static bool move(struct daemon *daemon)
{
    struct udp_options options = options_of(daemon->config);
    uint32_t seed = map_rules_seed(daemon->config->public_key);

    for (uint32_t i = 0; i < TRIES; i++) {
        uint16_t port = map_e_choose_port(&daemon->nat.map.ports, seed + i);
        if (port != 0 && udp_rebind(&daemon->udp, port, &options)) {
            daemon->port = port;
            return true;
        }
    }
    return false;
}

void listening_follow(struct daemon *daemon)
{
    const struct nat *nat = &daemon->nat;
    struct error error;

    if (!nat->started || !daemon->config->port_auto || !nat->has_map || !is_ours(nat) ||
        map_e_contains(&nat->map.ports, daemon->port))
        return;
    if (!move(daemon)) {
        log_warn("no port of this home's own can be had: still at UDP port %u, where nobody can "
                 "call by IPv4",
                 daemon->port);
        return;
    }
    drive_rebound(daemon);
    log_info("listening at UDP port %u now, one of this home's own %u (MAP-E): let it in",
             daemon->port, map_e_port_count(&nat->map.ports));
    if (!state_store_port(daemon->state_directory, daemon->port, &error))
        log_warn("%s", error.text);
    nat_moved(daemon);
    site_network_changed(daemon->site, clock_now_us());
}
