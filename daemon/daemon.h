/* SPDX-License-Identifier: MIT
 *
 * daemon.h - the running daemon: one struct, and what its parts offer one another.
 *
 *   run.c        starts everything in order, and takes it down in reverse
 *   drive.c      sockets, TAP and time into the core; datagrams and frames out of it
 *   listening.c  the sockets' port; with 'port = auto', another one as the network changes
 *   events.c     what the core reports: into the log, and onto the disk
 *   notices.c    what holds of peers, clashes and loops, for the owner's program
 *   reach.c      peers that do not answer: what to look at
 *   peers.c      the configuration's peers, endpoints and options into the core; reload
 *   nat.c        where this machine may be reached, for the core to tell; STUN and TURN datagrams
 *
 * All of it runs on one loop and one thread, but for the worker (worker.h), which carries frames
 * from the LAN to the WAN where there is a second processor. The core must not be changed from
 * inside its own callbacks (site_reserve_order() excepted), only looked at. So what an event asks
 * of the core is noted in 'ask_names_again' and 'nat.look_again' and done by drive_settle(), which
 * ends each turn.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "control.h"
#include "nat.h"
#include "network.h"
#include "notices.h"
#include "rendezvous.h"
#include "resolver.h"
#include "state.h"
#include "udp.h"
#include "worker.h"

enum { REACH_WHERE_SIZE = CONFIG_ENDPOINT_SIZE };

/* How long a peer is being called in vain. */
struct reach {
    char peer[SITE_NAME_MAX + 1]; /* "": free */
    uint64_t since_us;
    bool told;
};

struct daemon {
    const char *config_path;
    struct config *config;
    char state_directory[CONFIG_PATH_SIZE];
    struct site *site;
    uint64_t started_us;

    struct netlink netlink;
    struct tap tap;
    struct udp udp;
    uint16_t port; /* where it listens */
    struct wan wan;
    struct network network;
    struct nat nat;
    struct control control;
    struct resolver resolver;
    struct rendezvous rendezvous;
    struct event_command event_command;
    struct notices notices;
    uint64_t first_order; /* of this run; higher than all of earlier ones */
    struct worker worker;
    bool two_threads; /* there is use for it */

    uv_loop_t loop;
    uv_timer_t tick_timer, store_timer, expiry_timer, reach_timer;
    uv_signal_t terminate, interrupt, hangup;
    uv_poll_t udp_poll[UDP_FAMILIES], tap_poll;
    bool udp_waits;         /* udp_poll does not ask for datagrams: the worker has enough to do */
    bool tap_polled;        /* tap_poll is initialised and not closed */
    uint64_t tick_armed_us; /* what tick_timer is set to; UINT64_MAX: it is not */
    bool ask_names_again;   /* an event wants resolver_hurry() */

    /* Where each peer last proved to be; on disk, so that either end can come back alone. */
    struct state_endpoint kept[SITE_PEERS_MAX];
    size_t kept_count;
    bool kept_dirty;
    uint64_t kept_stored_us; /* 0: not yet */

    const char *forgotten; /* the peer that is being removed just now, or NULL */
    struct reach reach[SITE_PEERS_MAX];
};

/* drive.c */
void drive_transmit(void *context, const struct datagram *datagrams, size_t count);
void drive_deliver(void *context, const uint8_t *offload, const struct slice *slices, size_t count);
/** drive_start() - Read sockets and TAP; needs the loop. Return: false with @error */
bool drive_start(struct daemon *daemon, struct error *error);
/** drive_rebound() - The sockets are others, with the same descriptors */
void drive_rebound(struct daemon *daemon);
/** drive_tap() - The TAP came (true) or went: read it or leave it */
void drive_tap(struct daemon *daemon, bool present);
/** drive_pause() - All of the core on this thread, until drive_resume() */
void drive_pause(struct daemon *daemon);
/** drive_resume() - Two threads again, where there are to be two and the TAP is there */
void drive_resume(struct daemon *daemon);
/** drive_settle() - After any call into the core: do what is due, set the timer */
void drive_settle(struct daemon *daemon);

/* listening.c */
/** listening_open() - Bind the sockets. Return: false with @error */
bool listening_open(struct daemon *daemon, struct error *error);
/** listening_follow() - What is known of MAP-E may have changed: with 'port = auto' listen there */
void listening_follow(struct daemon *daemon);

/* events.c */
void events_report(void *context, const struct site_event *event);
bool events_enrol(void *context, const struct site_enrolment *enrolment);
/** events_store() - Write the kept endpoints if they changed */
void events_store(struct daemon *daemon);

/* reach.c */
/** reach_start() - Begin to look for peers that do not answer; needs the loop */
void reach_start(struct daemon *daemon);
/** reach_where() - Where a peer is called, "host:port" as configured or as it last proved; or "" */
const char *reach_where(const struct daemon *daemon, const char *peer, char out[REACH_WHERE_SIZE]);

/* peers.c */
/** peers_apply() - Give the core all peers of the configuration and the state folder */
bool peers_apply(struct daemon *daemon, struct error *error);
/** peers_reload() - Read the configuration again; refused whole when it is bad */
bool peers_reload(struct daemon *daemon, struct error *error);
/** peers_listener() - What the resolver is to tell */
struct resolver_listener peers_listener(struct daemon *daemon);
/** peers_rendezvous_listener() - What the rendezvous is to tell */
struct rendezvous_listener peers_rendezvous_listener(struct daemon *daemon);

#endif
