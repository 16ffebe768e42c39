/* SPDX-License-Identifier: MIT
 *
 * reach.c - peers that do not answer: told once for each outage, with what to look at.
 *
 * The core calls a peer for as long as it takes and says nothing of it. Here is looked, every five
 * seconds, who is being called in vain, and since when.
 */
#include "daemon.h"

#include "clock.h"
#include "copy.h"
#include "log.h"
#include "text.h"

#include <string.h>

enum { LOOK_MS = 5000 };

#define SILENT_US     UINT64_C(10000000)
#define UNACCEPTED_US UINT64_C(15000000)

const char *reach_where(const struct daemon *daemon, const char *peer, char out[REACH_WHERE_SIZE])
{
    const struct config_peer *configured = config_find_peer(daemon->config, peer);

    out[0] = '\0';
    if (configured != NULL && configured->endpoint_count > 0)
        copy_text(out, REACH_WHERE_SIZE, configured->endpoint[0]);
    for (size_t i = 0; i < daemon->kept_count && out[0] == '\0'; i++)
        if (strcmp(daemon->kept[i].peer, peer) == 0)
            text_endpoint(&daemon->kept[i].endpoint, out);
    return out;
}

/* @where: "" when it is known only by what it says of itself; without a port the name of an SRV
 * record */
static void warn_of_silence(const char *peer, const char *where)
{
    const char *colon = strrchr(where, ':');

    if (colon != NULL)
        log_warn("peer %s does not answer at %s: is UDP port %s forwarded there, is its daemon "
                 "running, is its public-key right?",
                 peer, where, colon + 1);
    else
        log_warn("peer %s does not answer%s%s: is its daemon running, is its public-key right?",
                 peer, where[0] != '\0' ? " at " : "", where);
}

static void warn_of_token(const struct peer_status *peer, const char *where)
{
    if (peer->state == PEER_UP)
        log_warn("%s answers, but does not accept us: look at the log there", peer->name);
    else
        log_warn("%s does not answer our token%s%s: is it older than an hour or already used? If "
                 "%s cannot be called, run 'lansplice accept' there with the reply line that "
                 "'lansplice join' printed",
                 peer->name, where[0] != '\0' ? " at " : "", where, peer->name);
}

/* Return: when it is to be warned of; UINT64_MAX: it is as it should be */
static uint64_t patience_us(const struct peer_status *peer)
{
    if (peer->joining && peer->state != PEER_DOWN)
        return UNACCEPTED_US;
    return peer->state == PEER_CONNECTING ? SILENT_US : UINT64_MAX;
}

static void look_at(struct daemon *daemon, const struct peer_status *peer, struct reach *reach)
{
    uint64_t now_us = clock_now_us(), patience = patience_us(peer);
    char where[REACH_WHERE_SIZE];

    if (strcmp(reach->peer, peer->name) != 0 || patience == UINT64_MAX) {
        *reach = (struct reach){.since_us = now_us};
        copy_text(reach->peer, sizeof reach->peer, peer->name);
    }
    if (patience == UINT64_MAX || reach->told || now_us - reach->since_us < patience)
        return;
    reach->told = true;
    reach_where(daemon, peer->name, where);
    if (peer->joining)
        warn_of_token(peer, where);
    else
        warn_of_silence(peer->name, where);
}

/* What is known of a peer, or the place of one that is no more. */
static struct reach *find(struct daemon *daemon, const char *peer)
{
    struct peer_status other;
    struct reach *empty = NULL;

    for (struct reach *r = daemon->reach; r < daemon->reach + SITE_PEERS_MAX; r++) {
        if (strcmp(r->peer, peer) == 0)
            return r;
        if (!site_find_status(daemon->site, r->peer, clock_now_us(), &other))
            empty = r;
    }
    return empty;
}

static void on_look(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    struct peer_status peer;

    for (size_t i = 0; i < site_peer_count(daemon->site); i++) {
        site_peer_status(daemon->site, i, clock_now_us(), &peer);
        look_at(daemon, &peer, find(daemon, peer.name));
    }
}

void reach_start(struct daemon *daemon)
{
    uv_timer_init(&daemon->loop, &daemon->reach_timer);
    daemon->reach_timer.data = daemon;
    uv_timer_start(&daemon->reach_timer, on_look, LOOK_MS, LOOK_MS);
}
