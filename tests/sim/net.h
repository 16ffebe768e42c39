/* SPDX-License-Identifier: MIT
 *
 * net.h - a virtual network under virtual time: whole sites, joined by a WAN that loses, delays,
 * repeats and reorders, and by LANs made of segments and cables.
 *
 * Everything is drawn from one seeded generator, so a run is repeated by its seed. Nothing waits:
 * sim_run() jumps from event to event.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "mailbox.h"
#include "site.h"

enum { SIM_NODES_MAX = 8, SIM_CABLES_MAX = 4, SIM_TURN_MAX = 64 };

struct sim;

/* How the WAN treats datagrams. Fractions are of 1000. */
struct sim_wan {
    uint64_t delay_us, jitter_us; /* jitter reorders */
    unsigned loss_permille, repeat_permille;
    size_t mtu_bytes; /* outer IP packet; larger ones vanish. 0: no limit */
    bool icmp;        /* a router says so when they do, if it is not lost */
};

struct sim_node {
    struct sim *sim;
    struct site *site; /* NULL: this machine is off */
    /* With LANSPLICE_SIM_THREADS=2 in the environment each site is run as if by two threads, which
     * take turns; else NULL. */
    struct egress *egress;
    struct sim_boxes *boxes;
    char name[SITE_NAME_MAX + 1];
    uint8_t private_key[32], public_key[32];
    struct endpoint address; /* where the WAN sees it */
    /* Largest outer IP packets on the WAN from here on, beside sim_wan's. 0: no limit */
    size_t mtu_v4_bytes, mtu_v6_bytes;
    size_t interface_mtu_bytes; /* its own kernel refuses larger ones, and says so. 0: none */
    bool unreachable;           /* only answers to what it sent come in (a NAT without mapping) */
    struct endpoint opened[16]; /* addresses that it has sent to lately */
    unsigned opened_count;
    uint64_t order_on_disk;
    uint64_t ticks_at_us;
    bool tap_no_large, tap_no_large_udp; /* its TAP takes ordinary frames only; no large UDP */
    /* What arrives at one instant is received in one turn, with one flush, as a shell does. */
    bool by_turns;
    uint8_t *turn[SIM_TURN_MAX]; /* datagrams of the turn under way: they stay until its flush */
    unsigned turn_count;

    /* What its shell saw. */
    unsigned events[32];
    char last_event_peer[SITE_NAME_MAX + 1];
    struct endpoint kept; /* last EVENT_PEER_MOVED's endpoint, as on disk */
    struct site_enrolment enrolled;
    unsigned enrolments;
    bool enrol_fails;
    unsigned long frames_delivered;  /* by its TAP into its LAN */
    unsigned long large_delivered;   /* to its TAP, which cut them */
    unsigned long partial_delivered; /* whole ones to its TAP with a checksum left to do */
    unsigned long datagrams_sent;
    size_t largest_datagram;
    unsigned long too_large; /* datagrams that vanished for their size */
    bool last_shut_here;
};

struct sim {
    uint64_t now_us, rng;
    struct sim_wan wan;
    struct sim_node node[SIM_NODES_MAX];
    unsigned nodes;
    struct {
        unsigned a, b;
        bool up;
    } cable[SIM_CABLES_MAX]; /* between two nodes' LANs */
    unsigned cables;
    unsigned long lan_frames; /* frames that passed any cable */
    struct sim_event *queue;  /* binary heap by time, then by order of creation */
    size_t queued, room;
    uint64_t sequence;

    /* A frame reached the hosts of node's LAN. @context is the test's. */
    void (*on_lan)(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes);
    /* A datagram enters the WAN; false: it is cut. May change it. */
    bool (*on_wan)(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes);
    /* Both or none: who gives nodes their addresses instead of this file, and stands between them
     * and the WAN (nat_world.h). A datagram leaves a node: @from is to say where it comes from;
     * false: it gets nowhere. It has arrived: the number of the node it enters, or -1. */
    bool (*leave)(struct sim *sim, unsigned node, struct endpoint *from, const struct endpoint *to);
    int (*enter)(struct sim *sim, unsigned sender, const struct endpoint *from,
                 const struct endpoint *to);
    void *context;
};

/** sim_begin() - An empty world; the clock begins at an odd hour */
void sim_begin(struct sim *sim, uint64_t seed);
void sim_end(struct sim *sim);

uint64_t sim_random(struct sim *sim);

/** sim_add() - Add a machine that is off; its keys follow from the seed. Returns its number */
unsigned sim_add(struct sim *sim, const char *name);

/** sim_use_v6() - Give a machine that is off an IPv6 address on the WAN instead of its IPv4 one */
void sim_use_v6(struct sim *sim, unsigned node);

/** sim_config() - A site configuration with the defaults of lansplice.conf(5) */
struct site_config sim_config(const struct sim_node *node);

/** sim_start() - Switch a machine on; @config NULL: the defaults */
void sim_start(struct sim *sim, unsigned node, const struct site_config *config);

/** sim_kill() - Switch it off without a word */
void sim_kill(struct sim *sim, unsigned node);

/** sim_peer() - Make @other a peer of @node, called at its address when @call */
void sim_peer(struct sim *sim, unsigned node, unsigned other, bool call);

/** sim_move() - A new WAN address for a machine; its mappings are gone */
void sim_move(struct sim *sim, unsigned node);

unsigned sim_cable(struct sim *sim, unsigned a, unsigned b);

/** sim_send() - A host on @node's LAN sends a frame: to its TAP, and over cables */
void sim_send(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes);

/** sim_frame() - A frame read from @node's TAP; as site_receive_frame(), whoever runs it */
void sim_frame(struct sim_node *node, const uint8_t *offload, uint8_t *frame, size_t bytes);

/** sim_flush() - The end of a turn: as site_flush(), and whatever the two threads have to tell each
 *  other is told */
void sim_flush(struct sim_node *node);

/** sim_close() - It says goodbye, as site_close(), in one thread from then on */
void sim_close(struct sim_node *node);

/** sim_has_two_threads() - LANSPLICE_SIM_THREADS is 2: all takes several times longer */
bool sim_has_two_threads(void);

/** sim_seeds() - How many of @all seeds to try: then a fourth, but all with LANSPLICE_LONG */
unsigned sim_seeds(unsigned all);

/* Used by net.c alone. */
void sim_split(struct sim_node *node, const struct egress_ops *with);
void sim_unsplit(struct sim_node *node);
uint64_t sim_deadline_us(const struct sim_node *node);

/** sim_inject() - A datagram out of nowhere arrives at @node */
void sim_inject(struct sim *sim, unsigned node, const struct endpoint *from, const uint8_t *data,
                size_t bytes);

/** sim_run() - Let @us pass */
void sim_run(struct sim *sim, uint64_t us);

/** sim_is_up() - Does @node count @other as up? */
bool sim_is_up(struct sim *sim, unsigned node, unsigned other);

/** sim_run_until_up() - Until both count each other as up, at most @us; returns success */
bool sim_run_until_up(struct sim *sim, unsigned a, unsigned b, uint64_t us);

#endif
