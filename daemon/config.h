/* SPDX-License-Identifier: MIT
 *
 * config.h - the configuration as the files say it: static once loaded.
 *
 * lansplice.conf(5) describes the files. config_load() reads the main file and then the files of
 * peers.d/ beside it in the order of their names, all or nothing: what it returns has been checked
 * whole, keys included, and nothing on the system has been touched. A reload is a second
 * config_load() into another struct; the daemon compares the two.
 *
 * The options stand once, in config_options.h, for parsing, for the list of legal values in
 * messages and for the test that the manual names each.
 *
 * struct config holds secrets. Allocate it with config_new(): locked, never swapped, wiped by
 * config_free().
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "error.h"
#include "site.h"
#include "tunnel/reflexive.h"
#include "tunnel/token.h"
#include "tunnel/turn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_DEFAULT_PATH "/etc/lansplice/lansplice.conf"

enum {
    CONFIG_PATH_SIZE = 1024,
    CONFIG_INTERFACE_SIZE = 16, /* IFNAMSIZ */
    CONFIG_CONTROL_SIZE = 108,  /* sun_path */
    CONFIG_ENDPOINTS_MAX = TOKEN_ENDPOINTS_MAX,
    CONFIG_ENDPOINT_SIZE = TOKEN_ENDPOINT_SIZE,
    CONFIG_STUN_MAX = REFLEXIVE_SERVERS_MAX,
    CONFIG_TOKEN_LIFETIME_S = 3600,
    CONFIG_KEEPALIVE_S = 20,
    CONFIG_PORT = 7788,
};

struct config_peer {
    char name[SITE_NAME_MAX + 1];
    uint8_t public_key[PUBLIC_KEY_BYTES];
    char psk_path[CONFIG_PATH_SIZE]; /* "": none */
    uint8_t psk[PSK_BYTES];          /* all zeros: none */
    uint8_t endpoint_count;
    char endpoint[CONFIG_ENDPOINTS_MAX][CONFIG_ENDPOINT_SIZE]; /* host:port as written */
    uint16_t keepalive_s;                                      /* 0: off */
    char file[CONFIG_PATH_SIZE];                               /* where it stands */
    int line;
};

struct config_turn {
    char user[TURN_USER_SIZE];
    char host[CONFIG_ENDPOINT_SIZE]; /* host:port */
};

/* See struct tap_options and struct udp_options. */
enum config_without {
    WITHOUT_VNET = 1,
    WITHOUT_OFFLOAD = 2,
    WITHOUT_USO = 4,
    WITHOUT_SEGMENT = 8,
    WITHOUT_GRO = 16,
    WITHOUT_WORKER = 32,
    WITHOUT_TIMESTAMP = 64,
};

struct config {
    char path[CONFIG_PATH_SIZE];      /* of the main file */
    char directory[CONFIG_PATH_SIZE]; /* its folder; peers.d and state are in it */

    char name[SITE_NAME_MAX + 1];
    char key_path[CONFIG_PATH_SIZE];
    uint8_t private_key[PUBLIC_KEY_BYTES], public_key[PUBLIC_KEY_BYTES];
    uint16_t port;                      /* 'auto': where to begin */
    bool port_auto;                     /* see listening.h */
    char bridge[CONFIG_INTERFACE_SIZE]; /* "": none, others place the TAP */
    char tap[CONFIG_INTERFACE_SIZE];
    char control[CONFIG_CONTROL_SIZE];
    unsigned ttl_repair, guard; /* TTL_REPAIR_..., enum guard_word: or-ed */
    bool multicast_all, ra_routes, ipv6_on_link, hub, icmp_hint, relay_for_peers;
    uint16_t max_datagram_bytes; /* outer IP packet; 0: auto */
    uint8_t suite[SITE_SUITES_MAX], suite_count;
    char rendezvous_command[CONFIG_PATH_SIZE], event_command[CONFIG_PATH_SIZE]; /* "": none */
    char stun[CONFIG_STUN_MAX][CONFIG_ENDPOINT_SIZE]; /* host:port; "" after the last */

    uint8_t turn_count, turn_secret_count;
    struct config_turn turn[VIA_TURNS];
    char turn_secret[VIA_TURNS][TURN_PASSWORD_SIZE]; /* one for each, or one for all */
    char turn_secret_path[CONFIG_PATH_SIZE];

    /* [test], which only the lab's daemon knows (make lab-daemon); else the defaults */
    uint32_t rekey_after_ms, reject_after_ms, raise_after_ms; /* 0: the protocol's */
    uint32_t token_lifetime_ms;
    unsigned without;                  /* enum config_without, or-ed: offloads not to use */
    char map_rules[CONFIG_PATH_SIZE];  /* pattern of MAP-E's rules, see map_rules.h */
    char dhcp_files[CONFIG_PATH_SIZE]; /* patterns of a DHCP server's files, see tools/dhcp_pools.h
                                        */

    size_t peer_count;
    struct config_peer peer[SITE_PEERS_MAX];
};

/** config_new() - locked memory for a configuration, zeroed; NULL when there is none */
struct config *config_new(void);

/** config_free() - wipe and release; NULL is allowed */
void config_free(struct config *config);

/**
 * config_load() - read and check a configuration whole
 * @config: fresh from config_new(). Of no use when false is returned
 * @path: the main file
 * @error: receives one line naming file, line and the legal values; exit code EXIT_USAGE
 */
bool config_load(struct config *config, const char *path, struct error *error);

/**
 * config_recover() - of a configuration that is refused, what leads to the daemon: @path, its
 * folder and 'control', the first there is or the default; all else is the defaults
 * @config: what config_load() left; keys and peers in it are wiped
 *
 * Return: false when not even that may be used
 */
bool config_recover(struct config *config, const char *path);

/** config_check_name() - whether a peer may be called that: the last check before it is a path */
bool config_check_name(const char *name, struct error *error);

/** config_find_peer() - the peer of that name, or NULL */
const struct config_peer *config_find_peer(const struct config *config, const char *name);

/** config_find_key() - the peer of that public key, or NULL */
const struct config_peer *config_find_key(const struct config *config,
                                          const uint8_t key[PUBLIC_KEY_BYTES]);

/** config_to_site() - what the core wants to know of it; @out holds a secret */
void config_to_site(const struct config *config, struct site_config *out);

/** config_to_peer() - an enrolled peer for the core; state_load_peers() adds tokens to it */
void config_to_peer(const struct config_peer *peer, struct peer_config *out);

#endif
