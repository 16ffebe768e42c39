/* SPDX-License-Identifier: MIT
 *
 * state.h - what lansplice remembers on disk besides its configuration.
 *
 * The state folder is `state` beside the configuration file, mode 0700:
 *
 *   order          the first order number not yet reserved, a decimal
 *   endpoints      "PEER HOST:PORT" lines: where each peer last proved to be
 *   port           with 'port = auto', where we listen, a decimal
 *   invites/NAME   a token we made: id, one-time PSK, expiry; and the key that proved it
 *   joining/NAME   a token we hold: id, one-time PSK
 *   candidates/NAME  where that home says it can be called, for as long as there is a token:
 *                  from its reply or its token; lines of candidate_text.h
 *
 * Every file is written beside its place, synced and renamed, then its folder is synced: a power
 * cut leaves the old or the new one, whole. Modes are 0600 whatever the umask; symbolic links are
 * not followed; a name becomes a path only after site_name_valid().
 *
 * Enrolment, in an order that may be cut anywhere:
 *
 *   inviter  key proved    1 peers.d/NAME.psk   2 peers.d/NAME.conf   3 invites/NAME bound to key
 *            confirmed     4 invites/NAME removed
 *   joiner   confirmed     1 peers.d/NAME.psk   2 joining/NAME removed
 *
 * Cut before 3, the token is still good for any key and all is written anew; peers.d/NAME.conf
 * without a binding while invites/NAME exists is therefore not an enrolled peer. Cut after 3, the
 * same key may retry with the token. Cut between the joiner's two, it retries with the token,
 * which the inviter still accepts from its key until the peer has used the lasting PSK.
 */
#ifndef DAEMON_STATE_H
#define DAEMON_STATE_H

#include "config.h"
#include "error.h"
#include "site.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_ORDER_STEP (UINT64_C(1) << 20)

/** state_directory() - the state folder of a configuration; made with mode 0700 when missing */
bool state_directory(const struct config *config, char out[CONFIG_PATH_SIZE], struct error *error);

/**
 * state_begin() - make the state folder of a new site, and let its order numbers begin at the clock
 * @home: the folder of the configuration to be
 *
 * Only a site that is new may begin to count without the warning state_reserve_order() gives. A
 * counter that is there stays.
 */
bool state_begin(const char *home, struct error *error);

/**
 * state_reserve_order() - take STATE_ORDER_STEP order numbers, durably
 * @directory: the state folder
 * @next, @limit: the numbers from @next up to, not including, @limit may be used
 *
 * The file is advanced before the numbers are handed out, so that a crash skips some and never
 * repeats one. A missing file begins at the wall clock: higher than any number used before it was
 * lost, unless the clock is wrong; that is warned of, except in a state folder that is empty.
 */
bool state_reserve_order(const char *directory, uint64_t *next, uint64_t *limit,
                         struct error *error);

struct state_endpoint {
    char peer[SITE_NAME_MAX + 1];
    struct endpoint endpoint;
};

/**
 * state_load_endpoints() - the endpoints kept, one for each peer
 *
 * Lines that make no sense are skipped, and all but the first of a name.
 *
 * Return: how many, at most @capacity; 0 when there is no file
 */
size_t state_load_endpoints(const char *directory, struct state_endpoint *out, size_t capacity);

/** state_store_endpoints() - replace the endpoints kept */
bool state_store_endpoints(const char *directory, const struct state_endpoint *endpoints,
                           size_t count, struct error *error);

/** state_load_port() - the UDP port kept; 0 when there is none */
uint16_t state_load_port(const char *directory);

/** state_store_port() - keep the UDP port */
bool state_store_port(const char *directory, uint16_t port, struct error *error);

/**
 * state_load_peers() - every peer for the core: enrolled, invited, bound and joining
 * @config: a loaded configuration
 * @out: room for SITE_PEERS_MAX; holds secrets: wipe it
 * @count: receives how many
 * @now_us: the core's clock; a token's expiry on disk is Unix time and is turned into this one
 *
 * An invite nobody used in time is removed. @config's peers keep their order, invited ones follow.
 */
bool state_load_peers(const struct config *config, struct peer_config *out, size_t *count,
                      uint64_t now_us, struct error *error);

/**
 * state_enrol() - keep an enrolment on disk; the steps are at the head of this file
 * @config: for its folder only
 *
 * Idempotent. Return: false when it could not be stored: then it did not happen.
 */
bool state_enrol(const struct config *config, const struct site_enrolment *enrolment,
                 struct error *error);

/** struct state_token - what invites/NAME and joining/NAME hold */
struct state_token {
    uint8_t id[TOKEN_ID_BYTES], psk[PSK_BYTES];
    uint64_t until_unix_ms; /* invites: the expiry; joining: 0 */
    bool bound;             /* invites: to this key */
    uint8_t key[PUBLIC_KEY_BYTES];
};

enum state_token_kind { STATE_INVITE, STATE_JOINING };

/** state_store_token() - write invites/NAME or joining/NAME, replacing what was there */
bool state_store_token(const struct config *config, enum state_token_kind kind, const char *name,
                       const struct state_token *token, struct error *error);

/**
 * state_load_token() - read one
 * @found: receives whether there is one
 *
 * Return: false when there is one that cannot be read
 */
bool state_load_token(const struct config *config, enum state_token_kind kind, const char *name,
                      struct state_token *token, bool *found, struct error *error);

/**
 * state_token_left_ms() - how long an invite is good for still; 0: it is over
 *
 * Never more than a new one's life: a clock set back must not make it good for longer.
 */
uint64_t state_token_left_ms(const struct config *config, const struct state_token *token);

/** state_remove_token() - durably, and the candidates; fine when there is none */
bool state_remove_token(const struct config *config, enum state_token_kind kind, const char *name,
                        struct error *error);

/**
 * state_find_invite() - which of our invites a token's id belongs to
 * @name: receives the peer's name, "" when there is none
 * @token: receives the invite
 */
bool state_find_invite(const struct config *config, const uint8_t id[TOKEN_ID_BYTES],
                       char name[SITE_NAME_MAX + 1], struct state_token *token,
                       struct error *error);

/** state_store_candidates() - write candidates/NAME, replacing what was there */
bool state_store_candidates(const struct config *config, const char *name,
                            const struct candidate_list *list, struct error *error);

/** state_load_candidates() - read it; an empty list when there is none, or it makes no sense */
void state_load_candidates(const struct config *config, const char *name,
                           struct candidate_list *list);

/** state_remove_candidates() - durably; fine when there are none */
bool state_remove_candidates(const struct config *config, const char *name, struct error *error);

#endif
