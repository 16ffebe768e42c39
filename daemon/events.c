/* SPDX-License-Identifier: MIT
 *
 * events.c - what the core reports: told to people in their words, and kept on disk where it must
 * survive a restart.
 */
#include "daemon.h"

#include "clock.h"
#include "log.h"
#include "status.h"
#include "text.h"

#include <sodium.h>
#include <string.h>

enum { STORE_INTERVAL_S = 10 };

/* ---- kept endpoints ---- */

void events_store(struct daemon *daemon)
{
    struct error error;

    if (!daemon->kept_dirty)
        return;
    daemon->kept_dirty = false;
    daemon->kept_stored_us = clock_now_us();
    if (!state_store_endpoints(daemon->state_directory, daemon->kept, daemon->kept_count, &error))
        log_warn("%s", error.text);
}

static void on_store(uv_timer_t *timer)
{
    events_store(timer->data);
}

/* At once, but not more often than every ten seconds: flash wears out. */
static void plan_store(struct daemon *daemon)
{
    uint64_t since_us = clock_now_us() - daemon->kept_stored_us;
    uint64_t interval_us = STORE_INTERVAL_S * UINT64_C(1000000);

    daemon->kept_dirty = true;
    if (daemon->kept_stored_us == 0 || since_us >= interval_us)
        events_store(daemon);
    else if (!uv_is_active((uv_handle_t *)&daemon->store_timer))
        uv_timer_start(&daemon->store_timer, on_store, (interval_us - since_us) / 1000 + 1, 0);
}

static void keep_endpoint(struct daemon *daemon, const char *peer, const struct endpoint *endpoint)
{
    struct state_endpoint *k = daemon->kept;
    struct state_endpoint *end = k + daemon->kept_count;

    while (k < end && strcmp(k->peer, peer) != 0)
        k++;
    if (k < end && endpoint_equal(&k->endpoint, endpoint))
        return;
    if (k == end) {
        if (daemon->kept_count == SITE_PEERS_MAX)
            return;
        daemon->kept_count++;
        memset(k, 0, sizeof *k);
        memcpy(k->peer, peer, strnlen(peer, sizeof k->peer - 1));
    }
    k->endpoint = *endpoint;
    plan_store(daemon);
}

/* ---- what people read ---- */

static void tell_up(const struct daemon *daemon, const char *name)
{
    struct peer_status peer;
    char at[STATUS_WHERE_SIZE];
    const char *preposition;

    if (!site_find_status(daemon->site, name, clock_now_us(), &peer))
        return;
    status_where(daemon->site, &peer.endpoint, at);
    preposition = peer.endpoint.via >= VIA_PEER ? "" : "at "; /* else it says "via" itself */
    if (peer.joining)
        log_info("peer %s answers %s%s: waiting for it to accept us", name, preposition, at);
    else
        log_info("peer %s is up %s%s (%s)", name, preposition, at,
                 peer.suite != SUITE_NONE ? status_suite_name(peer.suite) : "no cipher yet");
}

static void tell_down(const struct daemon *daemon, const char *name)
{
    struct peer_status peer;
    bool called = site_find_status(daemon->site, name, clock_now_us(), &peer) &&
                  peer.state == PEER_CONNECTING;

    if (daemon->forgotten == NULL)
        log_info("peer %s is down: %s", name,
                 called ? "trying to reach it" : "waiting for its call");
}

static void tell_refusal(const char *invited, const char *caller)
{
    if (invited == NULL)
        log_warn("a token that %s used is not known here, or was used before: if it was for you to "
                 "give, make a new one with 'lansplice invite'",
                 caller);
    else
        log_warn("the token for %s that %s used was used before or is too old: if that is %s, make "
                 "a new one with 'lansplice invite %s'",
                 invited, caller, invited, invited);
}

static void tell_peer(const struct daemon *daemon, const struct site_event *event)
{
    char at[STATUS_WHERE_SIZE];

    status_where(daemon->site, &event->endpoint, at);
    switch (event->kind) {
    case EVENT_PEER_UP:
        tell_up(daemon, event->peer);
        break;
    case EVENT_PEER_DOWN:
        tell_down(daemon, event->peer);
        break;
    case EVENT_PEER_MOVED:
        log_debug("peer %s is at %s", event->peer, at);
        break;
    case EVENT_PEER_SITE:
        log_debug("peer %s has told of its LAN", event->peer);
        break;
    case EVENT_TOKEN_REFUSED:
        tell_refusal(event->peer, at);
        break;
    default:
        break;
    }
}

static void tell_clash(const struct site_event *event)
{
    char address[TEXT_ADDRESS_SIZE], here[TEXT_MAC_SIZE], there[TEXT_MAC_SIZE];

    text_address(&event->address, address);
    text_mac(&event->mac, here);
    text_mac(&event->other_mac, there);
    if (event->kind == EVENT_CLASH_GATEWAY)
        log_warn("both homes' routers have the address %s (here and at %s): the homes are kept "
                 "apart, but devices cannot reach the other router: give one router another "
                 "address",
                 address, event->peer);
    else if (event->kind == EVENT_CLASH_HOST)
        log_warn("the address %s is used in both homes: by %s here and by %s at %s: give one of "
                 "them another address, or make the DHCP ranges of the homes disjoint",
                 address, here, there, event->peer);
    else
        log_warn("this home and %s have no IPv4 subnet in common: devices will be listed, but "
                 "may not be usable: give both homes the same subnet with disjoint DHCP ranges",
                 event->peer);
}

static void tell_loop(const struct site_event *event)
{
    char mac[TEXT_MAC_SIZE];

    switch (event->kind) {
    case EVENT_MAC_FLAPS:
        log_warn("%s is seen here and in another home by turns: there may be a second connection "
                 "between the homes",
                 text_mac(&event->mac, mac));
        break;
    case EVENT_LOOP_ON_LAN:
        log_warn("loop in this home's LAN: the tunnel's port is shut: look for a cable with both "
                 "ends in one switch");
        break;
    case EVENT_LOOP_THROUGH_PEER:
        log_warn("loop through %s: the homes are connected by another way too: %s", event->peer,
                 event->shut_here ? "the tunnel's port is shut here" : "the other home shuts its");
        break;
    case EVENT_LOOP_OVERLAY:
        log_warn("loop among the homes: the link to %s is shut, frames go by another home",
                 event->peer);
        break;
    case EVENT_LOOP_REOPENED:
        log_info("no loop any more: %s%s carries frames again",
                 event->peer != NULL ? "the link to " : "the tunnel's port",
                 event->peer != NULL ? event->peer : "");
        break;
    default:
        break;
    }
}

static void reserve_order(struct daemon *daemon)
{
    struct error error;
    uint64_t next, limit;

    if (state_reserve_order(daemon->state_directory, &next, &limit, &error))
        site_reserve_order(daemon->site, limit);
    else
        log_error("%s", error.text);
}

void events_report(void *context, const struct site_event *event)
{
    struct daemon *daemon = context;

    daemon->notices.look = true;
    switch (event->kind) {
    case EVENT_PEER_UP:
        daemon->nat.look_again = true;
        /* fall through */
    case EVENT_PEER_MOVED:
        if (event->endpoint.address.family != IP_NONE && event->endpoint.via == VIA_DIRECT)
            keep_endpoint(daemon, event->peer, &event->endpoint);
        tell_peer(daemon, event);
        break;
    case EVENT_PEER_DOWN:
        daemon->ask_names_again = daemon->nat.look_again = true;
        tell_peer(daemon, event);
        break;
    case EVENT_SEEN_AS:
        daemon->nat.look_again = true;
        break;
    case EVENT_PEER_SITE:
    case EVENT_TOKEN_REFUSED:
        tell_peer(daemon, event);
        break;
    case EVENT_CLASH_GATEWAY:
    case EVENT_CLASH_HOST:
    case EVENT_SUBNETS_DIFFER:
        tell_clash(event);
        break;
    case EVENT_MAC_FLAPS:
    case EVENT_LOOP_ON_LAN:
    case EVENT_LOOP_THROUGH_PEER:
    case EVENT_LOOP_OVERLAY:
    case EVENT_LOOP_REOPENED:
        tell_loop(event);
        /* During a loop the bridge learned addresses on the wrong side, and what is shut is no way
         * to anybody: without this unicast went there until each device spoke again. */
        if (event->kind != EVENT_MAC_FLAPS)
            network_flush(&daemon->network);
        break;
    case EVENT_UNDER_LOAD:
        log_warn("many handshakes arrive: callers must now prove their address first");
        break;
    case EVENT_ORDER_LOW:
        reserve_order(daemon);
        break;
    }
}

/* From now on both homes have the lasting PSK, and no token. */
static void move_rendezvous(struct daemon *daemon, const struct site_enrolment *enrolment)
{
    struct peer_config peer = {.has_key = true};

    memcpy(peer.name, enrolment->peer, strnlen(enrolment->peer, sizeof peer.name - 1));
    memcpy(peer.public_key, enrolment->public_key, sizeof peer.public_key);
    memcpy(peer.psk, enrolment->psk, sizeof peer.psk);
    rendezvous_set_peer(&daemon->rendezvous, &peer);
    sodium_memzero(&peer, sizeof peer);
}

bool events_enrol(void *context, const struct site_enrolment *enrolment)
{
    struct daemon *daemon = context;
    struct error error;

    if (!state_enrol(daemon->config, enrolment, &error)) {
        log_error("%s", error.text);
        return false;
    }
    if (enrolment->joining || enrolment->confirmed)
        move_rendezvous(daemon, enrolment);
    if (!enrolment->confirmed)
        notices_enrolled(daemon, enrolment->peer);
    daemon->notices.look = true;
    if (enrolment->joining)
        log_info("peer %s is up: it has accepted us", enrolment->peer);
    else
        log_info("peer %s %s", enrolment->peer,
                 enrolment->confirmed ? "is enrolled: its invitation is used up"
                                      : "has proved its invitation");
    return true;
}
