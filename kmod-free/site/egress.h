/* SPDX-License-Identifier: MIT
 *
 * egress.h - the LAN-to-WAN direction: from frames of the TAP to sealed datagrams.
 *
 *   from_lan.c   a frame: parse, learn, judge, look up
 *   outgoing.c   packing, fragmenting, sealing, the batch of datagrams
 *
 * Theory of operation. The egress owns the table of this LAN's MACs, the storm limit of what comes
 * from it, and for each peer the packer and the sealing half of its session: so one place owns the
 * counter. It decides nothing about peers. What it must know of them, and the rules, the control
 * side gives it as orders; what it has seen or sent it says in notes (border.h). Of the control
 * side's memory it reads one thing, the table of the peers' MACs, which is made for that
 * (frame/fdb.h).
 *
 * Each peer with something to say fills one slot of the batch. A slot is sealed when the next
 * chunk does not fit or at egress_flush(), and then waits for its fellows, so that the shell sends
 * many with one call. Slots are taken in order and never given back before the whole batch has
 * been sent: the order on the wire is the order of the counters.
 *
 * A peer that is reached through another has its sealed datagrams packed for that one, as what it
 * is to pass on.
 *
 * One thread at a time calls everything here: the one that runs the site, or one of its own.
 */
#ifndef SITE_EGRESS_H
#define SITE_EGRESS_H

#include "frame/fdb.h"
#include "frame/offload.h"
#include "frame/too_big.h"
#include "mailbox.h"
#include "site.h"
#include "site/judging.h"
#include "tunnel/chunk.h"
#include "tunnel/session.h"

enum {
    LOCAL_MACS = 1024,
    ANY_VLAN = 0,         /* local_macs is by address alone, as the bridge's own table may be */
    BATCH_DATAGRAMS = 64, /* more than SITE_PEERS_MAX: each peer may be filling one */
    BATCH_BYTES = 66000,  /* of outer packets: what one UDP_SEGMENT takes, without a remainder */
    CONTROL_VALUE_MAX = 1000,
};

/* What lives here cannot come from a peer, for so long: what a loop echoes comes back at once; and
 * a phone that was carried to the other home, or all that a loop made us believe, is soon free. */
#define LIVES_HERE_US UINT64_C(10000000)

/* A datagram being packed, or sealed and waiting for egress_flush(). */
struct batch_slot {
    struct endpoint to;
    size_t bytes;  /* 0 while it is being packed */
    uint8_t *data; /* in batch_bytes */
    bool probe;    /* of the path MTU */
    /* Of the batch, kept for the datagram of another peer in which this one is to go; 0: for none,
     * it leaves by itself. */
    uint16_t kept_bytes;
};

/* What the control side says of a peer. */
struct egress_path {
    bool up, shut;                    /* frames may go there; the loop detector stops them */
    bool takes_partial;               /* checksums */
    uint16_t usable_bytes, mtu_bytes; /* outer IP packets: to send data with; the path's MTU */
    struct endpoint to;
    struct gateway_set gateways; /* of its home */
    uint16_t tenant;             /* of this slot: another number is another peer */
};

/* What was sent to a peer, since it was last told. */
struct egress_sent {
    uint64_t last_us;
    uint64_t frames; /* of the LAN */
    uint64_t bytes;  /* of sealed datagrams, whatever is in them */
    bool asks;       /* frames of the LAN were among it, or what was passed on for another peer */
    uint16_t largest_bytes; /* outer IP packet; 0: nothing was sent */
};

struct egress_peer {
    struct egress_path path;
    struct sealer sealer;
    struct batch_slot *packing; /* datagram that packer fills, or NULL */
    struct packer packer;
    uint16_t fragment_id;
    struct egress_sent sent;
};

struct egress {
    struct egress_ops ops;          /* as it is from site_split() on, both threads read it */
    struct site *site;              /* in one thread: whom notes are given to. Else NULL */
    struct mailbox *orders, *notes; /* in two threads; else NULL */
    const struct fdb *remote_macs;
    uint64_t now_us; /* of the call under way */

    struct rules rules;
    bool site_shut; /* by the loop detector */
    struct fdb local_macs;
    struct fdb_entry local_entry[LOCAL_MACS];
    struct storm storm;
    struct too_big_limit icmp_limit;
    struct egress_peer peer[SITE_PEERS_MAX];

    /* Filled in order, so that each peer's datagrams leave in the order of their counters. */
    struct batch_slot batch[BATCH_DATAGRAMS];
    size_t batch_count, batch_used_bytes;
    size_t batch_kept, batch_kept_bytes; /* slots and their bytes, see kept_bytes */

    struct site_counters *counters; /* the site's, or in two threads: */
    struct site_counters counted;   /* since they were last told */
    uint64_t told_us;
    bool untold;      /* something was sent or counted since */
    bool notes_given; /* since the last flush */
    bool made_room;   /* since then, in a mailbox of orders that the site may have found full */

    /* One after the other, as large as datagrams are now. */
    uint8_t batch_bytes[BATCH_BYTES];
};

/* Whose work it is to pass on what goes by a path with via VIA_PEER or more: a peer's number. */
static inline unsigned carrier_number(const struct endpoint *path)
{
    return (unsigned)(path->via - VIA_PEER) % SITE_PEERS_MAX;
}

/* For a mask of peers. */
#define EGRESS_PEER(n)   (UINT32_C(1) << (n))
#define EGRESS_ALL_PEERS UINT32_MAX

_Static_assert(SITE_PEERS_MAX <= 32, "a mask of peers has 32 bits");

/* from_lan.c */

/** egress_init() - Begin in zeroed memory */
void egress_init(struct egress *egress, const struct fdb *remote_macs,
                 const uint8_t hash_key[FDB_HASH_KEY_BYTES], uint64_t now_us);
/** egress_lives_here() - Whether a MAC was heard in this LAN just now; any thread may ask */
bool egress_lives_here(const struct egress *egress, const struct mac *mac, uint64_t now_us);
/** egress_forward() - A frame to those of @peers whose rules let it pass; it may be changed
 *  @large: how to cut it into segments, or NULL */
void egress_forward(struct egress *egress, uint32_t peers, struct packet *packet,
                    const struct offload *large);

/* outgoing.c: what is sent to a peer without session or address goes nowhere. */

/** egress_send_own_frame() - One that we made; it is no frame of the LAN, and nobody answers it */
void egress_send_own_frame(struct egress *egress, struct egress_peer *peer, const uint8_t *frame,
                           size_t bytes);
/** egress_send_packet() - @large: how to cut it into segments, or NULL; a partial checksum may be
 *  finished in place. @last: nobody needs the frame any more, it may be cut where it lies */
void egress_send_packet(struct egress *egress, struct egress_peer *peer, struct packet *packet,
                        const struct offload *large, bool last);
/** egress_send_control() - A control message of @bytes, its type included
 *  @alone: in a datagram of its own */
void egress_send_control(struct egress *egress, struct egress_peer *peer, const uint8_t *body,
                         size_t bytes, bool alone);
/** egress_send_probe() - CONTROL_PROBE with @value in a datagram that makes an outer packet of
 *  @outer_packet_bytes */
void egress_send_probe(struct egress *egress, struct egress_peer *peer, uint64_t value,
                       uint16_t outer_packet_bytes);
/** egress_send_check() - A control message of @bytes, its type included, in a datagram of its own
 *  by another path than the peer's */
void egress_send_check(struct egress *egress, struct egress_peer *peer, const struct endpoint *to,
                       const uint8_t *body, size_t bytes);
/** egress_relay() - A datagram inside the tunnel to a peer; lost when it does not fit
 *  @type: CONTROL_RELAY or CONTROL_RELAYED, @site: the value's site id */
void egress_relay(struct egress *egress, struct egress_peer *carrier, enum control_type type,
                  const uint8_t site[SITE_ID_BYTES], const uint8_t *datagram, size_t bytes);
/** egress_release() - Seal what is being packed for a peer: its keys, size or address change */
void egress_release(struct egress *egress, struct egress_peer *peer);
/** egress_can_send() - Whether it has keys and an address */
bool egress_can_send(const struct egress_peer *peer);
/** egress_ip_packet_bytes() - Largest IP packet that, in a frame like this one, travels in one
 *  datagram */
uint16_t egress_ip_packet_bytes(const struct egress_peer *peer, const struct packet *packet);

#endif
