/* SPDX-License-Identifier: MIT
 *
 * resolver.c - see resolver.h. One timer for all peers. A place in the table has another generation
 * with each peer and each set of names, so that a late answer is known for what it is.
 */
#include "resolver.h"

#include "clock.h"
#include "name_lookup.h"
#include "timer.h"

#include <string.h>

#define SECOND_US UINT64_C(1000000)

enum { AGAIN_SOON_S = 5, SOON_TIMES = 60, AGAIN_DOWN_S = 60, AGAIN_UP_S = 600 };

static struct resolver_peer *find(struct resolver *resolver, const char *name)
{
    for (struct resolver_peer *p = resolver->peer; p < resolver->peer + SITE_PEERS_MAX; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* Return: whether the addresses differ from those before */
static bool take_answer(struct resolver_name *host, const struct endpoint *answer, size_t count)
{
    bool same = host->count == count;

    for (size_t i = 0; i < count && same; i++)
        same = endpoint_equal(&host->endpoint[i], &answer[i]);
    host->count = (uint8_t)count;
    memcpy(host->endpoint, answer, count * sizeof *answer);
    return !same;
}

/* ---- asking ---- */

static void tell(struct resolver *resolver, struct resolver_peer *peer)
{
    struct endpoint all[PEER_ENDPOINTS_MAX];
    size_t count = 0;

    for (unsigned h = 0; h < peer->name_count; h++)
        for (unsigned i = 0; i < peer->host[h].count && count < PEER_ENDPOINTS_MAX; i++)
            all[count++] = peer->host[h].endpoint[i];
    resolver->listener.resolved(resolver->listener.context, peer->name, all, count);
}

static void on_timer(uv_timer_t *timer);

static void arm(struct resolver *resolver)
{
    uint64_t due_us = UINT64_MAX;

    for (struct resolver_peer *p = resolver->peer; p < resolver->peer + SITE_PEERS_MAX; p++)
        if (p->name[0] != '\0' && p->due_us < due_us)
            due_us = p->due_us;
    timer_arm(&resolver->timer, on_timer, due_us);
}

static unsigned wait_s(const struct resolver_peer *peer, bool up)
{
    if (up)
        return AGAIN_UP_S;
    if (peer->asked_in_vain <= SOON_TIMES)
        return AGAIN_SOON_S;
    for (unsigned h = 0; h < peer->name_count; h++)
        if (peer->host[h].failed && !peer->host[h].numeric)
            return AGAIN_SOON_S;
    return AGAIN_DOWN_S;
}

static void plan(struct resolver *resolver, struct resolver_peer *peer)
{
    bool up = resolver->listener.is_up(resolver->listener.context, peer->name), names = false;

    for (unsigned h = 0; h < peer->name_count; h++)
        names = names || !peer->host[h].numeric;
    peer->due_us = names ? clock_now_us() + wait_s(peer, up) * SECOND_US : UINT64_MAX;
    arm(resolver);
}

/* The answer to a request whose peer and names are still the same. */
static void take_name(struct resolver *resolver, struct resolver_peer *peer,
                      struct resolver_name *host, const struct name_answer *answer)
{
    bool failed_before = host->failed;

    host->asked = false;
    host->failed = answer->failure != NULL;
    if (host->failed && !failed_before)
        name_warn("peer ", peer->name, host->text, answer->failure);
    else if (!host->failed && take_answer(host, answer->endpoint, answer->count))
        tell(resolver, peer);
    plan(resolver, peer);
}

static void on_answer(const struct name_answer *answer)
{
    struct resolver *resolver = answer->query.owner;
    unsigned host = answer->query.number % CONFIG_ENDPOINTS_MAX;
    struct resolver_peer *peer = &resolver->peer[answer->query.number / CONFIG_ENDPOINTS_MAX];

    if (peer->generation == answer->query.generation)
        take_name(resolver, peer, &peer->host[host], answer);
}

static void ask(struct resolver *resolver, struct resolver_peer *peer, unsigned h)
{
    struct resolver_name *host = &peer->host[h];
    struct name_query query = {resolver, peer->generation,
                               (unsigned)(peer - resolver->peer) * CONFIG_ENDPOINTS_MAX + h};

    if (!host->numeric && !host->asked)
        host->asked = name_look_up(resolver->loop, host->text, &query, on_answer);
}

static void ask_all(struct resolver *resolver, struct resolver_peer *peer)
{
    for (unsigned h = 0; h < peer->name_count; h++)
        ask(resolver, peer, h);
    peer->asked_in_vain++;
    plan(resolver, peer);
}

static void on_timer(uv_timer_t *timer)
{
    struct resolver *resolver = timer->data;
    uint64_t now_us = clock_now_us();

    for (struct resolver_peer *p = resolver->peer; p < resolver->peer + SITE_PEERS_MAX; p++)
        if (p->name[0] != '\0' && p->due_us <= now_us) {
            if (resolver->listener.is_up(resolver->listener.context, p->name))
                p->asked_in_vain = 0;
            ask_all(resolver, p);
        }
    arm(resolver);
}

/* ---- peers ---- */

void resolver_start(struct resolver *resolver, uv_loop_t *loop,
                    const struct resolver_listener *listener)
{
    resolver->loop = loop;
    resolver->listener = *listener;
    uv_timer_init(loop, &resolver->timer);
    resolver->timer.data = resolver;
}

static bool same_names(const struct resolver_peer *a, const struct config_peer *b)
{
    if (a->name_count != b->endpoint_count)
        return false;
    for (unsigned h = 0; h < a->name_count; h++)
        if (strcmp(a->host[h].text, b->endpoint[h]) != 0)
            return false;
    return true;
}

static void begin_peer(struct resolver *resolver, struct resolver_peer *peer,
                       const struct config_peer *config)
{
    memset(peer, 0, sizeof *peer);
    memcpy(peer->name, config->name, sizeof peer->name);
    peer->generation = ++resolver->generation;
    peer->name_count = config->endpoint_count;
    for (unsigned h = 0; h < peer->name_count; h++) {
        memcpy(peer->host[h].text, config->endpoint[h], sizeof peer->host[h].text);
        peer->host[h].count = (uint8_t)name_numeric(config->endpoint[h], peer->host[h].endpoint);
        peer->host[h].numeric = peer->host[h].count > 0;
    }
}

void resolver_set_peer(struct resolver *resolver, const struct config_peer *config)
{
    struct resolver_peer *peer = find(resolver, config->name);
    bool same = peer != NULL && same_names(peer, config);

    if (peer == NULL && (peer = find(resolver, "")) == NULL)
        return;
    if (!same)
        begin_peer(resolver, peer, config);
    tell(resolver, peer);
    if (!same)
        ask_all(resolver, peer);
}

void resolver_remove_peer(struct resolver *resolver, const char *name)
{
    struct resolver_peer *peer = find(resolver, name);

    if (peer != NULL && name[0] != '\0')
        memset(peer, 0, sizeof *peer);
}

void resolver_hurry(struct resolver *resolver)
{
    for (struct resolver_peer *p = resolver->peer; p < resolver->peer + SITE_PEERS_MAX; p++)
        if (p->name[0] != '\0' && p->name_count > 0 &&
            !resolver->listener.is_up(resolver->listener.context, p->name)) {
            p->asked_in_vain = 0;
            ask_all(resolver, p);
        }
}

void resolver_stop(struct resolver *resolver)
{
    memset(resolver->peer, 0, sizeof resolver->peer);
}
