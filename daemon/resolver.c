/* SPDX-License-Identifier: MIT
 *
 * resolver.c - see resolver.h. One timer for all peers; each request carries the name and the
 * generation of what it was made for, so that nothing points into a table that may change.
 */
#include "resolver.h"

#include "clock.h"
#include "log.h"
#include "socket_address.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

enum { RETRY_FAILED_S = 5, AGAIN_DOWN_S = 60, AGAIN_UP_S = 600 };

struct request {
    uv_getaddrinfo_t uv;
    struct resolver *resolver;
    char peer[SITE_NAME_MAX + 1];
    uint64_t generation;
    unsigned host;
};

static struct resolver_peer *find(struct resolver *resolver, const char *name)
{
    for (struct resolver_peer *p = resolver->peer; p < resolver->peer + SITE_PEERS_MAX; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* Return: whether the addresses differ from those before */
static bool take_answer(struct resolver_name *host, const struct addrinfo *answer)
{
    struct resolver_name before = *host;

    host->count = 0;
    for (; answer != NULL && host->count < PEER_ENDPOINTS_MAX; answer = answer->ai_next)
        if (endpoint_from_socket(&host->endpoint[host->count], answer->ai_addr))
            host->count++;
    return host->count != before.count ||
           memcmp(host->endpoint, before.endpoint, host->count * sizeof *host->endpoint) != 0;
}

static void take_numeric(struct resolver_name *host)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_DGRAM};
    struct addrinfo *answer = NULL;
    struct host_port at;

    if (!host_port_split(host->text, &at) || getaddrinfo(at.host, at.port, &hints, &answer) != 0)
        return;
    host->numeric = true;
    take_answer(host, answer);
    freeaddrinfo(answer);
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
    uint64_t due_us = UINT64_MAX, now_us = clock_now_us();

    for (struct resolver_peer *p = resolver->peer; p < resolver->peer + SITE_PEERS_MAX; p++)
        if (p->name[0] != '\0' && p->due_us < due_us)
            due_us = p->due_us;
    if (due_us == UINT64_MAX)
        uv_timer_stop(&resolver->timer);
    else
        uv_timer_start(&resolver->timer, on_timer,
                       due_us > now_us ? (due_us - now_us) / 1000 + 1 : 0, 0);
}

/* A peer that is down, with a name that DNS did not answer for, is worth asking sooner for. */
static void plan(struct resolver *resolver, struct resolver_peer *peer)
{
    bool up = resolver->listener.is_up(resolver->listener.context, peer->name);
    uint64_t wait_s = up ? AGAIN_UP_S : AGAIN_DOWN_S;
    bool names = false;

    for (unsigned h = 0; h < peer->name_count; h++) {
        names = names || !peer->host[h].numeric;
        if (!up && peer->host[h].failed && !peer->host[h].numeric)
            wait_s = RETRY_FAILED_S;
    }
    peer->due_us = names ? clock_now_us() + wait_s * SECOND_US : UINT64_MAX;
    arm(resolver);
}

static void on_answer(uv_getaddrinfo_t *uv, int status, struct addrinfo *answer)
{
    struct request *request = uv->data;
    struct resolver *resolver = request->resolver;
    struct resolver_peer *peer = find(resolver, request->peer);

    if (peer != NULL && peer->generation == request->generation && status != UV_ECANCELED) {
        struct resolver_name *host = &peer->host[request->host];
        bool failed_before = host->failed;
        host->asked = false;
        host->failed = status != 0;
        if (status != 0 && !failed_before)
            log_warn("peer %s: cannot resolve %s: %s: trying again: is the name right, does DNS "
                     "answer here?",
                     peer->name, host->text, uv_strerror(status));
        else if (status == 0 && take_answer(host, answer))
            tell(resolver, peer);
        plan(resolver, peer);
    }
    uv_freeaddrinfo(answer);
    free(request);
}

static void ask(struct resolver *resolver, struct resolver_peer *peer, unsigned h)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
    struct resolver_name *host = &peer->host[h];
    struct host_port at;
    struct request *request;

    if (host->numeric || host->asked || !host_port_split(host->text, &at) ||
        (request = calloc(1, sizeof *request)) == NULL)
        return;
    *request = (struct request){
        .resolver = resolver, .generation = peer->generation, .host = h, .uv = {.data = request}};
    memcpy(request->peer, peer->name, sizeof request->peer);
    if (uv_getaddrinfo(resolver->loop, &request->uv, on_answer, at.host, at.port, &hints) != 0) {
        free(request);
        return;
    }
    host->asked = true;
}

static void ask_all(struct resolver *resolver, struct resolver_peer *peer)
{
    for (unsigned h = 0; h < peer->name_count; h++)
        ask(resolver, peer, h);
    plan(resolver, peer);
}

static void on_timer(uv_timer_t *timer)
{
    struct resolver *resolver = timer->data;
    uint64_t now_us = clock_now_us();

    for (struct resolver_peer *p = resolver->peer; p < resolver->peer + SITE_PEERS_MAX; p++)
        if (p->name[0] != '\0' && p->due_us <= now_us)
            ask_all(resolver, p);
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
        take_numeric(&peer->host[h]);
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
            !resolver->listener.is_up(resolver->listener.context, p->name))
            ask_all(resolver, p);
}

void resolver_stop(struct resolver *resolver)
{
    memset(resolver->peer, 0, sizeof resolver->peer);
}
