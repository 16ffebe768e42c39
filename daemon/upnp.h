/* SPDX-License-Identifier: MIT
 *
 * upnp.h - a UDP port of the home's gateway by UPnP IGD (miniupnpc), where it knows nothing else.
 *
 * The library waits for answers of devices, some seconds long, so it is called on libuv's thread
 * pool, one call at a time, and the loop is told of its end. In between nothing is shared: the
 * pool's thread owns struct upnp_job while it runs.
 *
 * Whose gateway. A search is a multicast, and where the default route leads into our own bridge it
 * crosses the tunnel: the gateway of the other home answers, too. Only that device counts whose
 * description lies at the very address of our default route's gateway.
 *
 * A mapping is asked for an hour and renewed each half; a gateway that grants only permanent ones
 * gets such. It is taken away again when the port is not wanted any more, and at the end.
 *
 * Built with UPNP=0 there is no upnp.c, and nothing is ever mapped.
 */
#ifndef UPNP_H
#define UPNP_H

#include "wan_route.h"

#include <uv.h>

enum { UPNP_TEXT_SIZE = 128, UPNP_URL_SIZE = 256 };

struct upnp_listener {
    void *context;
    void (*changed)(void *context); /* mapped, external or problem differ */
};

/* What the thread does, and how it went. */
struct upnp_job {
    bool unmap;                                       /* else: map */
    char gateway[48], source[48], port[8];            /* as text */
    char url[UPNP_URL_SIZE], service[UPNP_TEXT_SIZE]; /* the gateway's control; "": search it */
    char external_port[8];                            /* what was granted; "": nothing is */
    struct ip_address external;
    char problem[UPNP_TEXT_SIZE]; /* "": it went well */
};

struct upnp {
    uv_loop_t *loop; /* NULL: not started */
    struct upnp_listener listener;
    uv_timer_t timer;     /* when to map again */
    uv_work_t work, last; /* last: the one that upnp_stop() begins */
    uv_mutex_t lock;      /* of the three after it */
    uv_cond_t ended;
    bool done;      /* the thread left the job */
    bool searching; /* the thread looks for a gateway: so far nothing is granted by it */
    bool leaving;   /* upnp_stop() was called: the thread shall ask for nothing any more */
    bool busy;      /* from queueing it to its end being told on the loop */
    bool wanted;
    uint64_t failures; /* in a row */
    uint16_t port;
    struct wan_route route; /* what is wanted, ... */
    struct wan_route at;    /* ... and what the job is about */
    uint16_t at_port;
    struct upnp_job job;

    /* What the owner may read. */
    bool mapped;
    struct endpoint external;
    uint64_t expires_us;
    char problem[UPNP_TEXT_SIZE]; /* "": none, or not known yet */
};

#ifndef NO_UPNP

/** upnp_start() - Begin in zeroed memory; asks for nothing yet */
void upnp_start(struct upnp *upnp, uv_loop_t *loop, const struct upnp_listener *listener,
                uint16_t port);

/** upnp_want() - Have the port mapped by the gateway of an IPv4 route; NULL: by none */
void upnp_want(struct upnp *upnp, const struct wan_route *route);

/** upnp_set_port() - Another port is to be mapped instead */
void upnp_set_port(struct upnp *upnp, uint16_t port);

/** upnp_stop() - Take the mapping away; waits for two seconds at most, since the end of the program
 * waits for it, and not for a search, which then leads to nothing. Its timer is closed by the owner
 * of the loop */
void upnp_stop(struct upnp *upnp);

#else

static inline void upnp_start(struct upnp *upnp, uv_loop_t *loop,
                              const struct upnp_listener *listener, uint16_t port)
{
    (void)upnp, (void)loop, (void)listener, (void)port;
}

static inline void upnp_want(struct upnp *upnp, const struct wan_route *route)
{
    (void)upnp, (void)route;
}

static inline void upnp_set_port(struct upnp *upnp, uint16_t port)
{
    (void)upnp, (void)port;
}

static inline void upnp_stop(struct upnp *upnp)
{
    (void)upnp;
}

#endif

#endif
