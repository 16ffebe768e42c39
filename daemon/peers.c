/* SPDX-License-Identifier: MIT
 *
 * peers.c - the configuration into the core, at start and again at each reload.
 *
 * A reload reads everything first and touches nothing until all of it was good. Sessions of peers
 * that did not change go on: the core takes over what is the same.
 */
#include "daemon.h"

#include "clock.h"
#include "log.h"

#include <sodium.h>
#include <string.h>

/* ---- endpoints ---- */

static bool contains(const struct endpoint *list, size_t count, const struct endpoint *e)
{
    for (size_t i = 0; i < count; i++)
        if (endpoint_equal(&list[i], e))
            return true;
    return false;
}

/* The kept endpoint first: it worked last, the configured name may be long out of date. */
static void set_endpoints(struct daemon *daemon, const char *peer, const struct endpoint *resolved,
                          size_t resolved_count)
{
    struct endpoint list[PEER_ENDPOINTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < daemon->kept_count && count == 0; i++)
        if (strcmp(daemon->kept[i].peer, peer) == 0)
            list[count++] = daemon->kept[i].endpoint;
    for (size_t i = 0; i < resolved_count && count < PEER_ENDPOINTS_MAX; i++)
        if (!contains(list, count, &resolved[i]))
            list[count++] = resolved[i];
    site_set_endpoints(daemon->site, peer, list, count, clock_now_us());
}

static void on_resolved(void *context, const char *peer, const struct endpoint *endpoints,
                        size_t count)
{
    struct daemon *daemon = context;

    set_endpoints(daemon, peer, endpoints, count);
    drive_settle(daemon);
}

static bool is_up(void *context, const char *name)
{
    const struct daemon *daemon = context;
    struct peer_status peer;

    return site_find_status(daemon->site, name, clock_now_us(), &peer) && peer.state == PEER_UP;
}

struct resolver_listener peers_listener(struct daemon *daemon)
{
    return (struct resolver_listener){daemon, on_resolved, is_up};
}

/* ---- rendezvous ---- */

static void on_candidates(void *context, const char *peer, const struct candidate_list *list)
{
    struct daemon *daemon = context;

    site_take_candidates(daemon->site, peer, list, clock_now_us());
    drive_settle(daemon);
}

struct rendezvous_listener peers_rendezvous_listener(struct daemon *daemon)
{
    return (struct rendezvous_listener){daemon, on_candidates, is_up};
}

/* ---- peers ---- */

static bool is_listed(const struct peer_config *peers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(peers[i].name, name) == 0)
            return true;
    return false;
}

static void forget(struct daemon *daemon, const char *name)
{
    log_info("peer %s is no longer configured", name);
    daemon->forgotten = name;
    site_remove_peer(daemon->site, name, clock_now_us());
    daemon->forgotten = NULL;
    resolver_remove_peer(&daemon->resolver, name);
    rendezvous_remove_peer(&daemon->rendezvous, name);
    for (size_t i = 0; i < daemon->kept_count; i++)
        if (strcmp(daemon->kept[i].peer, name) == 0) {
            daemon->kept[i] = daemon->kept[--daemon->kept_count];
            daemon->kept_dirty = true;
            break;
        }
}

/* Names first: removing a peer changes the order in which the core counts them. */
static void remove_unlisted(struct daemon *daemon, const struct peer_config *peers, size_t count)
{
    char gone[SITE_PEERS_MAX][SITE_NAME_MAX + 1];
    size_t gone_count = 0;
    struct peer_status peer;

    for (size_t i = 0; i < site_peer_count(daemon->site) && gone_count < SITE_PEERS_MAX; i++) {
        site_peer_status(daemon->site, i, clock_now_us(), &peer);
        if (!is_listed(peers, count, peer.name))
            memcpy(gone[gone_count++], peer.name, sizeof peer.name);
    }
    for (size_t i = 0; i < gone_count; i++)
        forget(daemon, gone[i]);
    events_store(daemon);
}

/* What it said in its token or its reply; kept as long as there is the token. */
static void set_candidates(struct daemon *daemon, const char *name)
{
    struct candidate_list list;

    state_load_candidates(daemon->config, name, &list);
    if (list.count != 0)
        site_take_candidates(daemon->site, name, &list, clock_now_us());
}

static void set_peer(struct daemon *daemon, const struct peer_config *peer)
{
    const struct config_peer *configured = config_find_peer(daemon->config, peer->name);

    if (!site_set_peer(daemon->site, peer, clock_now_us())) {
        log_error("too many peers: %s is left out: at most %d are possible", peer->name,
                  SITE_PEERS_MAX);
        return;
    }
    rendezvous_set_peer(&daemon->rendezvous, peer);
    if (configured != NULL)
        resolver_set_peer(&daemon->resolver, configured);
    else
        resolver_remove_peer(&daemon->resolver, peer->name);
    set_candidates(daemon, peer->name);
}

/* The disk knows best which invitations are left, and who has joined since the start.
 * Return: milliseconds until the invitation of @name ends, 0 when it has; UINT64_MAX: it is used,
 * or there is none */
static uint64_t invitation_left_ms(const struct daemon *daemon, const char *name)
{
    struct state_token token;
    uint64_t left_ms = UINT64_MAX;
    bool found = false;

    if (state_load_token(daemon->config, STATE_INVITE, name, &token, &found, NULL) && found &&
        !token.bound)
        left_ms = state_token_left_ms(daemon->config, &token);
    sodium_memzero(&token, sizeof token);
    return left_ms;
}

static void end_invitation(struct daemon *daemon, const char *name)
{
    log_info("the invitation of %s has ended unused: 'lansplice invite %s' makes a new one", name,
             name);
    site_remove_peer(daemon->site, name, clock_now_us());
    rendezvous_remove_peer(&daemon->rendezvous, name);
    state_remove_token(daemon->config, STATE_INVITE, name, NULL);
}

static void on_expiry(uv_timer_t *timer);

/* An invitation that nobody used in time goes, from the core and from the disk. Only these are
 * looked at: what is in the configuration's files may be half written just now. */
static void expire_invitations(struct daemon *daemon)
{
    uint64_t soonest_ms = UINT64_MAX;
    struct peer_status peer;

    for (size_t i = site_peer_count(daemon->site); i-- > 0;) {
        site_peer_status(daemon->site, i, clock_now_us(), &peer);
        uint64_t left_ms = peer.invited ? invitation_left_ms(daemon, peer.name) : UINT64_MAX;
        if (left_ms == 0)
            end_invitation(daemon, peer.name);
        else if (left_ms < soonest_ms)
            soonest_ms = left_ms;
    }
    uv_timer_stop(&daemon->expiry_timer);
    if (soonest_ms != UINT64_MAX)
        uv_timer_start(&daemon->expiry_timer, on_expiry, soonest_ms + 1, 0);
}

static void on_expiry(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    expire_invitations(daemon);
    drive_settle(daemon);
}

static void apply_loaded(struct daemon *daemon, const struct peer_config *peers, size_t count)
{
    remove_unlisted(daemon, peers, count);
    rendezvous_set_program(&daemon->rendezvous, daemon->config->rendezvous_command);
    notices_set_program(daemon);
    for (size_t i = 0; i < count; i++)
        set_peer(daemon, &peers[i]);
    expire_invitations(daemon);
    daemon->nat.look_again = true;
}

bool peers_apply(struct daemon *daemon, struct error *error)
{
    struct peer_config peers[SITE_PEERS_MAX];
    size_t count = 0;
    bool loaded = state_load_peers(daemon->config, peers, &count, clock_now_us(), error);

    if (loaded)
        apply_loaded(daemon, peers, count);
    sodium_memzero(peers, sizeof peers);
    return loaded;
}

/* ---- reload ---- */

static void warn_fixed(const char *option)
{
    log_warn("'%s' has changed in the configuration: restart lansplice to use it", option);
}

static void keep(void *fresh, const void *running, size_t bytes, const char *option)
{
    if (memcmp(fresh, running, bytes) != 0)
        warn_fixed(option);
    memcpy(fresh, running, bytes);
}

static void keep_suites(struct config *fresh, const struct config *running)
{
    if (fresh->suite_count != running->suite_count ||
        memcmp(fresh->suite, running->suite, running->suite_count) != 0)
        warn_fixed("ciphers");
    fresh->suite_count = running->suite_count;
    memcpy(fresh->suite, running->suite, sizeof fresh->suite);
}

/* What cannot change as it runs stays, and is said so. All else reloads. */
static void keep_fixed(struct config *fresh, const struct config *running)
{
    keep(fresh->name, running->name, sizeof fresh->name, "name");
    keep(fresh->bridge, running->bridge, sizeof fresh->bridge, "bridge");
    keep(fresh->tap, running->tap, sizeof fresh->tap, "tap");
    keep(fresh->control, running->control, sizeof fresh->control, "control");
    keep(&fresh->port, &running->port, sizeof fresh->port, "port");
    keep(&fresh->port_auto, &running->port_auto, sizeof fresh->port_auto, "port");
    keep(fresh->public_key, running->public_key, sizeof fresh->public_key, "private-key");
    memcpy(fresh->private_key, running->private_key, sizeof fresh->private_key);
    keep_suites(fresh, running);
}

static void set_options(struct daemon *daemon)
{
    struct site_config options;

    config_to_site(daemon->config, &options);
    site_set_options(daemon->site, &options);
    sodium_memzero(&options, sizeof options);
}

bool peers_reload(struct daemon *daemon, struct error *error)
{
    struct config *running = daemon->config, *fresh = config_new();
    struct peer_config peers[SITE_PEERS_MAX];
    size_t count = 0;
    bool good = false;

    if (fresh == NULL)
        error_set(error, EXIT_FAILED, "no memory for the configuration");
    else
        good = config_load(fresh, daemon->config_path, error) &&
               state_load_peers(fresh, peers, &count, clock_now_us(), error);
    if (good) {
        drive_pause(daemon); /* a hub's mailbox is larger */
        keep_fixed(fresh, running);
        daemon->config = fresh;
        set_options(daemon);
        apply_loaded(daemon, peers, count);
        nat_reload(daemon);
        drive_resume(daemon);
        drive_settle(daemon);
    }
    sodium_memzero(peers, sizeof peers);
    config_free(good ? running : fresh);
    return good;
}
