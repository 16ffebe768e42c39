/* SPDX-License-Identifier: MIT
 *
 * private.h - the inside of struct site, shared by the files of this folder only.
 *
 *   site.c         life, settings, time
 *   status.c       all of it for people who look
 *   from_peer.c    a datagram from a peer on its way to the TAP (or, on a hub, other peers)
 *   delivering.c   frames into the LAN, coalesced
 *   handshaking.c  initiations, responses, cookies, enrolment
 *   telling.c      control messages: site info, probes, close; clashes that follow from them
 *   probing.c      the path MTU: probes out, answers and hints in
 *   pathing.c      by which way a peer is reached: checks, candidates, holes in NATs
 *   meeting.c      datagrams passed on between peers, at the meeting point and at its ends
 *   looping.c      loop probes in and out
 *   announcing.c   router advertisements that make the peers' prefixes on-link
 *   judging.c      what both directions ask of a frame
 *   orders.c       orders to the other direction, and what that one knows
 *   notes.c        notes from it
 *   border.c       one thread for both directions, or two
 *   egress.h       that other direction, LAN to WAN: from_lan.c and outgoing.c, which do not see
 *                  this header
 *
 * Two directions, and one thread or two. WAN-to-LAN and the control side are one: nearly all that
 * control hears comes in from the WAN, and it writes all of struct site but for 'egress'. That is
 * LAN-to-WAN's, and reached through border.h alone. Read across without a lock are the two tables
 * of MACs (frame/fdb.h), each by the other direction.
 */
#ifndef SITE_PRIVATE_H
#define SITE_PRIVATE_H

#include "crypto/cookie.h"
#include "frame/codel.h"
#include "frame/fdb.h"
#include "frame/guard.h"
#include "frame/hosts.h"
#include "frame/loop.h"
#include "frame/offload.h"
#include "frame/packet.h"
#include "frame/storm.h"
#include "frame/too_big.h"
#include "site.h"
#include "site/border.h"
#include "tunnel/admission.h"
#include "tunnel/chunk.h"
#include "tunnel/handshake.h"
#include "tunnel/liveness.h"
#include "tunnel/path_mtu.h"
#include "tunnel/paths.h"
#include "tunnel/reassembly.h"
#include "tunnel/session.h"

enum {
    SESSION_SLOTS = 4, /* current, previous, next (as responder), initiating */
    REMOTE_MACS = 4096,
    MACS_PER_PEER = 1024,
    ANNOUNCED_MAX = 32,
    MTU_KINDS = 3, /* each has its MTU: over IPv4, over IPv6, through a relay */
};

struct peer {
    bool used;
    struct peer_config config;
    bool up;          /* people were told so */
    uint64_t down_us; /* since when it is not, once it was */

    struct session slot[SESSION_SLOTS];
    /* Each points into slot[], or is NULL. @next: we answered, the first data will prove it. */
    struct session *current, *previous, *next, *initiating;

    struct noise noise; /* of the handshake we began */
    struct cookie_key cookie_key;
    struct cookie_jar cookie_jar;
    bool ignored_initiation; /* tie-break: the other's was ignored once for ours */
    uint64_t order_greatest; /* greatest order number in its initiations */
    uint64_t cookie_hurried_us;

    /* Our token was presented by this key, which has not proved to hold the PSK yet. */
    bool has_claimant;
    uint8_t claimant[PUBLIC_KEY_BYTES];
    uint64_t claimed_us;
    uint64_t enrolled_whole_us; /* rate.h, of what was written to disk for it */

    struct liveness liveness;
    struct path_mtu mtu[MTU_KINDS]; /* peer_mtu() is the one in use */
    struct endpoint endpoint;       /* the path in use, or the last that was */
    struct paths paths;
    struct candidate_list configured, told_candidates; /* by us, by itself */
    struct endpoint seen_as[2];                        /* how it sees us: IPv4, IPv6 */
    struct endpoint met_at[2];                         /* where a meeting point sees it */
    uint64_t tell_candidates_us, punch_next_us;
    uint64_t meeting_us;       /* of what is passed on for it, see meeting.c */
    struct endpoint seen_told; /* its path when others were told where it is */
    uint64_t seen_told_us;
    uint64_t news_us;           /* of what it tells of others, see meeting.c */
    struct attestation strange; /* addresses that it says others are at */

    struct site_info remote;            /* what it says of its site */
    struct site_info told;              /* what it was last told of ours; name "" for nothing */
    uint8_t next_key[PUBLIC_KEY_BYTES]; /* whose initiation @next answers */
    bool next_has_remote; /* @next's initiation said next_remote: counts once it is proved */
    struct site_info next_remote;

    struct storm storm_from_peer;
    struct codel codel; /* of the queue its datagrams wait in */

    bool handshaked;
    uint64_t handshake_us; /* when the last one finished */
    uint64_t tx_frames, rx_frames, tx_bytes, rx_bytes;
    uint64_t lost_before; /* in sessions that ended */

    struct reassembly reassembly; /* last: peer_clear() */
};

struct clash_entry {
    bool used;
    struct site_clash clash;
    uint64_t logged_us;
};

/* What the egress was told last, and took. */
struct known_peer {
    struct egress_path path;
    uint32_t session; /* whose sealer it has: local_index, or 0 */
    uint16_t tenant;  /* how many peers have left this slot, modulo 2^16 */
};

struct known {
    struct rules rules;
    bool site_shut;
    struct known_peer peer[SITE_PEERS_MAX];
};

struct site {
    struct site_config config;
    struct site_ops ops;
    uint64_t now_us;      /* of the call under way */
    uint32_t waited_us;   /* of the datagram under way */
    struct endpoint from; /* of that, too */
    bool closing;
    uint8_t public_key[PUBLIC_KEY_BYTES];
    uint64_t order_next, order_limit;
    bool order_low_told;
    struct cookie_maker cookie_maker;
    struct admission admission;
    uint64_t load_told_us;
    bool load_told;

    struct site_lan lan;
    struct gateway_learner gateway_learner;
    struct gateway_set gateways; /* lan.gateways, or learned */
    struct rules rules;          /* as border_publish() composed them */
    struct hosts hosts;
    struct fdb remote_macs;
    struct fdb_entry remote_entry[REMOTE_MACS];
    struct flap flap;
    struct loop loop;

    struct ip_prefix announced[ANNOUNCED_MAX];
    uint8_t announced_count;
    uint64_t announce_next_us, announced_us;
    uint64_t expire_next_us;
    uint64_t tell_next_us, told_us; /* a hub passes on what its peers tell, in its own time */

    struct candidate_list own_candidates;
    uint8_t turn_v4, turn_v6; /* bit n: VIA_TURN + n is there, and reaches that family */
    bool candidates_changed;
    uint64_t candidates_next_us;

    struct too_big_limit icmp_limit;
    struct coalescer coalescer;
    const struct peer *coalescing; /* whose frames the coalescer holds; NULL: it is empty */
    struct clash_entry clash[SITE_CLASHES_MAX];
    struct site_counters counters;

    struct mailbox *orders, *notes; /* in two threads; else NULL */
    bool orders_given;              /* since the last border_wake() */
    struct known known;

    struct peer peer[SITE_PEERS_MAX];
    struct egress egress; /* last, with its large batch: site_wipe() */
};

/* Each peer that is configured. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a name being declared cannot stand in brackets */
#define for_each_peer(site, p)                                                                     \
    for (struct peer *p = (site)->peer; p < (site)->peer + SITE_PEERS_MAX; p++)                    \
        if (p->used)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline uint16_t peer_number(const struct site *site, const struct peer *peer)
{
    return (uint16_t)(peer - site->peer);
}

/* The inviter's side of an enrolment that its peer has not finished yet. */
static inline bool peer_awaits_enrolment(const struct peer *peer)
{
    return peer->config.has_token && !peer->config.joining;
}

/* site.c */
struct peer *site_find_peer(struct site *site, const char *name);
void site_report(struct site *site, enum site_event_kind kind, const struct peer *peer);
void site_random(struct site *site, void *out, size_t bytes);
void peer_set_session(struct site *site, struct peer *peer, struct session *session);
void peer_drop_session(struct peer *peer, struct session **which);
void peer_move_endpoint(struct site *site, struct peer *peer, const struct endpoint *to);
void peer_came_up(struct site *site, struct peer *peer);
void peer_went_down(struct site *site, struct peer *peer);
void site_learn_gateways(struct site *site, const struct packet *packet);
void site_transmit_now(struct site *site, const struct endpoint *to, const uint8_t *datagram,
                       size_t bytes);

void site_receive_from(struct site *site, const struct endpoint *from, uint8_t *datagram,
                       size_t bytes);

/* from_peer.c */
void site_receive_data(struct site *site, uint8_t *datagram, size_t bytes);
/* What a frame from the LAN teaches of hosts, gateways and who asks for routers. */
void site_learn_frame(struct site *site, const struct packet *packet);

/* delivering.c */
void site_deliver_begin(struct site *site);
/* An ordinary frame, at once. */
void site_deliver_frame(struct site *site, const uint8_t *frame, size_t bytes);
/* @lasts: its memory stays until site_flush() */
void site_deliver_packet(struct site *site, const struct peer *from, struct packet *packet,
                         bool lasts);
/* True when the frame continues what is held from the same peer: it needs no judgement then. */
bool site_deliver_next(struct site *site, const struct peer *from, uint8_t *frame, size_t bytes,
                       bool checksum_partial);
void site_deliver_flush(struct site *site);

/* handshaking.c */
struct session *site_find_session(struct site *site, uint32_t index, struct peer **peer);
void site_receive_handshake(struct site *site, const uint8_t *datagram, size_t bytes);
bool peer_callable(const struct peer *peer);
void peer_initiate(struct site *site, struct peer *peer);
bool peer_prove_next(struct site *site, struct peer *peer);
void peer_finish_joining(struct site *site, struct peer *peer, const struct session *session);

/* telling.c */
bool peer_can_send(const struct peer *peer);
void peer_send_control(struct site *site, struct peer *peer, enum control_type type,
                       const uint8_t *value, size_t bytes);
void site_compose_info(const struct site *site, const struct peer *to, struct site_info *out);
void peer_tell_site(struct site *site, struct peer *peer);
void site_tell_all(struct site *site);
void site_tell_tick(struct site *site);
void peer_probe(struct site *site, struct peer *peer);
void site_receive_control(struct site *site, struct peer *peer, uint32_t session, uint8_t *body,
                          size_t bytes);
void peer_take_site_info(struct site *site, struct peer *peer, const struct site_info *info);
void site_judge_clashes(struct site *site);
void site_note_clash(struct site *site, const struct peer *peer, enum clash_kind kind,
                     const struct ip_address *address, const struct mac *local,
                     const struct mac *remote);

/* probing.c */
const struct path_mtu *peer_mtu(const struct peer *peer);
void peer_mtu_set(const struct site *site, struct peer *peer);
void peer_mtu_begin(const struct site *site, struct peer *peer);
void peer_mtu_stop(struct peer *peer);
/* The way to it may have changed at our end. */
void peer_mtu_doubt(const struct site *site, struct peer *peer);
void peer_mtu_tick(struct site *site, struct peer *peer);
uint64_t peer_mtu_deadline_us(const struct peer *peer);
void peer_mtu_sent(struct peer *peer, uint16_t outer_bytes, uint64_t now_us);
/* @family: IP_SITE: by a relay, whatever its own. */
void peer_mtu_status(const struct peer *peer, enum ip_family family, uint64_t now_us,
                     struct path_status *out);
void peer_probe_answered(const struct site *site, struct peer *peer, const uint8_t *value);

/* pathing.c */
void peer_paths_init(struct site *site, struct peer *peer);
void peer_path_proved(struct site *site, struct peer *peer);
void peer_path_received(struct site *site, struct peer *peer, bool moves);
bool peer_carries_frames(const struct site *site, const struct peer *peer);
bool peer_has_target(const struct peer *peer);
size_t peer_targets(struct site *site, struct peer *peer, struct endpoint out[PATHS_MAX]);
void peer_receive_check(struct site *site, struct peer *peer, const uint8_t *value, size_t bytes);
void peer_receive_check_reply(struct site *site, struct peer *peer, const uint8_t *value,
                              size_t bytes);
void peer_receive_candidates(struct site *site, struct peer *peer, const uint8_t *value,
                             size_t bytes);
void peer_tell_candidates(struct site *site, struct peer *peer);
/* Ways by others: the relays, TURN's and peers', that there are now. */
void peer_find_detours(struct site *site, struct peer *peer);
void site_meetings_changed(struct site *site);
void peer_paths_tick(struct site *site, struct peer *peer);
uint64_t peer_paths_deadline_us(const struct peer *peer);
void site_candidates_tick(struct site *site);

/* meeting.c */
void peer_news_init(struct site *site, struct peer *peer);
void peer_send_relay(struct site *site, const struct endpoint *to, const uint8_t *datagram,
                     size_t bytes);
void peer_receive_relay(struct site *site, struct peer *from, uint8_t *value, size_t bytes);
void peer_receive_relayed(struct site *site, struct peer *carrier, uint8_t *value, size_t bytes);
void peer_receive_seen(struct site *site, struct peer *from, const uint8_t *value, size_t bytes);

/* looping.c */
void site_receive_probe_frame(struct site *site, const struct packet *packet, struct peer *from);
void site_loop_tick(struct site *site);
void site_note_flap(struct site *site, const struct mac *mac);

/* announcing.c */
void site_announce_changed(struct site *site);
void site_announce_end(struct site *site);
void site_announce_peer_down(struct site *site);
void site_announce_solicited(struct site *site);
void site_announce_tick(struct site *site);

#endif
