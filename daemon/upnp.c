/* SPDX-License-Identifier: MIT
 *
 * upnp.c - see upnp.h. The upper half runs on the thread pool and touches the job alone; the lower
 * half runs on the loop.
 */
#include "upnp.h"

#include "clock.h"
#include "copy.h"
#include "text.h"

#include <arpa/inet.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

enum {
    SEARCH_MS = 2000,
    SEARCH_TTL = 2,
    PORTS_TRIED = 4,
    LEASE_S = 3600,
    RENEW_S = LEASE_S / 2,
    AGAIN_FIRST_S = 30,
    AGAIN_MAX_S = 1800,
    STOP_WAIT_MS = 2000,

    /* UPnP's errors (WANIPConnection:2 s.2.5.16). */
    INVALID_ARGS = 402,
    CONFLICT = 718,
    ONLY_PERMANENT = 725,
};

/* ---- on the thread pool ---- */

/* Whether a URL's host is that IPv4 address: http://192.168.1.1:5000/... */
static bool is_at(const char *url, const char *address)
{
    size_t bytes = strlen(address);
    const char *host = strstr(url, "://");

    return host != NULL && strncmp(host + 3, address, bytes) == 0 &&
           strchr(":/", host[3 + bytes]) != NULL;
}

static bool take_control(struct upnp_job *job, const char *description)
{
    struct UPNPUrls urls = {0};
    struct IGDdatas data = {0};
    char lan[64] = "";
    bool good = UPNP_GetIGDFromUrl(description, &urls, &data, lan, sizeof lan) == 1 &&
                urls.controlURL != NULL && is_at(urls.controlURL, job->gateway) &&
                strlen(urls.controlURL) < sizeof job->url && data.first.servicetype[0] != '\0' &&
                strlen(data.first.servicetype) < sizeof job->service;

    if (good) {
        copy_text(job->url, sizeof job->url, urls.controlURL);
        copy_text(job->service, sizeof job->service, data.first.servicetype);
    }
    FreeUPNPUrls(&urls);
    return good;
}

static bool search(struct upnp_job *job)
{
    int code = 0;
    struct UPNPDev *devices =
        upnpDiscover(SEARCH_MS, job->source, NULL, UPNP_LOCAL_PORT_ANY, 0, SEARCH_TTL, &code);
    bool found = false;

    job->url[0] = '\0';
    for (struct UPNPDev *d = devices; d != NULL && !found; d = d->pNext)
        found = is_at(d->descURL, job->gateway) && take_control(job, d->descURL);
    freeUPNPDevlist(devices);
    if (!found)
        copy_text(job->problem, sizeof job->problem, "the gateway does not speak UPnP");
    return found;
}

/* Some gateways do not say that they want permanent mappings alone, but refuse the number. */
static int add(struct upnp_job *job, const char *external_port)
{
    char lease[12];
    int code;

    snprintf(lease, sizeof lease, "%d", LEASE_S);
    code = UPNP_AddPortMapping(job->url, job->service, external_port, job->port, job->source,
                               "lansplice", "UDP", NULL, lease);
    if (code == ONLY_PERMANENT || code == INVALID_ARGS)
        code = UPNP_AddPortMapping(job->url, job->service, external_port, job->port, job->source,
                                   "lansplice", "UDP", NULL, "0");
    return code;
}

/* What we have already, our own port, or some others. */
static int add_any(struct upnp_job *job)
{
    unsigned long own = strtoul(job->port, NULL, 10);
    char port[8];
    int code = CONFLICT;

    copy_text(port, sizeof port, job->external_port[0] != '\0' ? job->external_port : job->port);
    for (unsigned i = 0; i < PORTS_TRIED && code == CONFLICT; i++) {
        if (i != 0)
            snprintf(port, sizeof port, "%lu", 49152 + (own + 4093ul * i) % 16384);
        code = add(job, port);
    }
    copy_text(job->external_port, sizeof job->external_port, code == 0 ? port : "");
    return code;
}

static bool find_external(struct upnp_job *job)
{
    char text[40] = "";
    struct in_addr address;

    memset(&job->external, 0, sizeof job->external);
    if (UPNP_GetExternalIPAddress(job->url, job->service, text) == 0 &&
        inet_pton(AF_INET, text, &address) == 1)
        job->external = ip_v4((const uint8_t *)&address);
    if (!ip_is_unspecified(&job->external))
        return true;
    copy_text(job->problem, sizeof job->problem, "the gateway has no address on the Internet");
    return false;
}

static bool map_at_known(struct upnp_job *job)
{
    int code = add_any(job);

    if (code == 0)
        return find_external(job);
    const char *words = strupnperror(code);
    snprintf(job->problem, sizeof job->problem, "the gateway refuses by UPnP: %s",
             words != NULL ? words : "it does not say why");
    return false;
}

/* A search takes seconds and leaves nothing behind: the end of the program does not wait for it,
 * and what was found then is not made use of. */
static bool search_while_wanted(struct upnp *upnp)
{
    bool found, leaving;

    uv_mutex_lock(&upnp->lock);
    upnp->searching = true;
    uv_cond_signal(&upnp->ended);
    uv_mutex_unlock(&upnp->lock);
    found = search(&upnp->job);
    uv_mutex_lock(&upnp->lock);
    upnp->searching = false;
    leaving = upnp->leaving;
    uv_mutex_unlock(&upnp->lock);
    return found && !leaving;
}

/* The control's place changes when the gateway restarts: then it is searched again. */
static void map(struct upnp *upnp)
{
    struct upnp_job *job = &upnp->job;

    job->problem[0] = '\0';
    if (job->url[0] != '\0' && map_at_known(job))
        return;
    if (search_while_wanted(upnp)) {
        job->problem[0] = '\0';
        map_at_known(job);
    }
}

static void unmap(struct upnp_job *job)
{
    UPNP_DeletePortMapping(job->url, job->service, job->external_port, "UDP", NULL);
    job->external_port[0] = '\0';
}

static void on_thread(uv_work_t *work)
{
    struct upnp *upnp = work->data;

    if (!upnp->job.unmap)
        map(upnp);
    else if (upnp->job.external_port[0] != '\0')
        unmap(&upnp->job);
    uv_mutex_lock(&upnp->lock);
    upnp->done = true;
    uv_cond_signal(&upnp->ended);
    uv_mutex_unlock(&upnp->lock);
}

/* ---- on the loop ---- */

static void go_on(struct upnp *upnp);

static void on_timer(uv_timer_t *timer)
{
    go_on(timer->data);
}

static void tell(struct upnp *upnp, bool mapped, const struct endpoint *external,
                 const char *problem)
{
    bool same = mapped == upnp->mapped && endpoint_equal(external, &upnp->external) &&
                strcmp(problem, upnp->problem) == 0;

    upnp->mapped = mapped;
    upnp->external = *external;
    copy_text(upnp->problem, sizeof upnp->problem, problem);
    if (!same)
        upnp->listener.changed(upnp->listener.context);
}

static void plan(struct upnp *upnp)
{
    uint64_t wait_s = RENEW_S;

    upnp->failures = upnp->mapped ? 0 : upnp->failures + 1;
    if (!upnp->mapped)
        wait_s = upnp->failures < 7 ? (uint64_t)AGAIN_FIRST_S << (upnp->failures - 1) : AGAIN_MAX_S;
    uv_timer_start(&upnp->timer, on_timer, wait_s * 1000, 0);
}

static void take_mapping(struct upnp *upnp)
{
    const struct upnp_job *job = &upnp->job;
    struct endpoint external = {.address = job->external};
    bool mapped = job->problem[0] == '\0';

    external.port = (uint16_t)strtoul(job->external_port, NULL, 10);
    upnp->expires_us = clock_now_us() + LEASE_S * SECOND_US;
    if (!mapped)
        external = (struct endpoint){0};
    tell(upnp, mapped, &external, job->problem);
    plan(upnp);
}

static void on_end(uv_work_t *work, int status)
{
    struct upnp *upnp = work->data;

    (void)status;
    upnp->busy = false;
    if (upnp->loop == NULL)
        return;
    if (upnp->wanted && !upnp->job.unmap && wan_route_equal(&upnp->route, &upnp->at))
        take_mapping(upnp);
    else
        go_on(upnp);
}

static void run(struct upnp *upnp, bool unmap_it)
{
    upnp->job.unmap = unmap_it;
    upnp->done = false;
    upnp->work.data = upnp;
    upnp->busy = uv_queue_work(upnp->loop, &upnp->work, on_thread, on_end) == 0;
}

static void aim(struct upnp *upnp)
{
    upnp->job = (struct upnp_job){0};
    upnp->at = upnp->route;
    upnp->at_port = upnp->port;
    text_address(&upnp->route.gateway.address, upnp->job.gateway);
    text_address(&upnp->route.source, upnp->job.source);
    snprintf(upnp->job.port, sizeof upnp->job.port, "%u", upnp->port);
}

/* What was granted elsewhere is given back before anything else is asked for. */
static void go_on(struct upnp *upnp)
{
    bool elsewhere =
        !upnp->wanted || upnp->port != upnp->at_port || !wan_route_equal(&upnp->route, &upnp->at);

    if (upnp->busy)
        return;
    if (elsewhere && upnp->job.external_port[0] != '\0') {
        run(upnp, true);
    } else if (upnp->wanted) {
        if (elsewhere)
            aim(upnp);
        run(upnp, false);
    }
}

void upnp_start(struct upnp *upnp, uv_loop_t *loop, const struct upnp_listener *listener,
                uint16_t port)
{
    upnp->loop = loop;
    upnp->listener = *listener;
    upnp->port = port;
    uv_timer_init(loop, &upnp->timer);
    upnp->timer.data = upnp;
    uv_mutex_init(&upnp->lock);
    uv_cond_init(&upnp->ended);
}

void upnp_want(struct upnp *upnp, const struct wan_route *route)
{
    static const struct endpoint none;
    bool wanted = route != NULL;

    if (upnp->loop == NULL ||
        (wanted == upnp->wanted && (!wanted || wan_route_equal(route, &upnp->route))))
        return;
    upnp->wanted = wanted;
    upnp->failures = 0;
    if (wanted)
        upnp->route = *route;
    uv_timer_stop(&upnp->timer);
    tell(upnp, false, &none, "");
    go_on(upnp);
}

void upnp_set_port(struct upnp *upnp, uint16_t port)
{
    upnp->port = port;
    if (upnp->wanted)
        go_on(upnp);
}

/* Return: whether the thread left the job within what is left of the time */
static bool wait_for_thread(struct upnp *upnp, uint64_t until_us)
{
    uint64_t now_us = clock_now_us();
    bool done;

    uv_mutex_lock(&upnp->lock);
    upnp->leaving = true;
    while (!upnp->done && !upnp->searching && now_us < until_us) {
        uv_cond_timedwait(&upnp->ended, &upnp->lock, (until_us - now_us) * 1000);
        now_us = clock_now_us();
    }
    done = upnp->done;
    uv_mutex_unlock(&upnp->lock);
    return done;
}

/* A thread that is still busy comes back to nobody. */
void upnp_stop(struct upnp *upnp)
{
    uint64_t until_us = clock_now_us() + STOP_WAIT_MS * UINT64_C(1000);
    uv_loop_t *loop = upnp->loop;

    upnp->loop = NULL;
    if (loop == NULL || (upnp->busy && !wait_for_thread(upnp, until_us)) ||
        upnp->job.external_port[0] == '\0')
        return;
    upnp->job.unmap = true;
    upnp->done = false;
    upnp->last.data = upnp;
    if (uv_queue_work(loop, &upnp->last, on_thread, on_end) == 0)
        wait_for_thread(upnp, until_us);
}
