/* SPDX-License-Identifier: MIT
 *
 * site.h - one home's whole data path and protocol: what the daemon drives.
 *
 * Theory of operation. A site owns its peers (sessions, handshakes, enrolment, the paths to each),
 * the forwarding databases, the guard and the loop detector. It may be the meeting point of two of
 * them. It is pure: frames, datagrams and time go in; frames, datagrams and events come out through
 * struct site_ops; site_deadline_us() says when site_tick() must be called next. The daemon
 * (sockets, TAP, netlink, files) and the simulation (virtual network and time) are two shells
 * around this one core.
 *
 * From the LAN:  parse -> guard -> storm limit -> look up -> MSS clamp -> pack/fragment -> seal.
 * From a peer:   open -> replay -> reassemble -> parse -> guard -> learn source -> TTL repair ->
 *                MSS clamp -> deliver (-> other peers, on a hub).
 *
 * Datagrams are packed while a batch of frames is handed in, and leave at site_flush(): the shell
 * calls it after each batch it read, so nothing is ever delayed to be packed.
 *
 * Threads: one, or two from site_split() to site_join(). Then the egress_*() functions below
 * belong to the thread that carries frames from the LAN to the WAN, and all others to the other.
 * Neither waits for the other. site/border.h says what they tell each other, and how.
 *
 * Memory: the struct is large (each peer's reassembly buffers) but sparse; allocate it zeroed, so
 * that only the pages in use are resident. No call allocates.
 */
#ifndef SITE_H
#define SITE_H

#include "address.h"
#include "frame/coalesce.h"
#include "frame/gateway.h"
#include "tunnel/path_mtu.h"
#include "tunnel/paths.h"
#include "tunnel/site_info.h"
#include "wire.h"

#include <stddef.h>

enum {
    SITE_PEERS_MAX = 32,
    SITE_SUITES_MAX = 4,
    SITE_OWN_ADDRESSES_MAX = 16,
    PEER_ENDPOINTS_MAX = 8,
    SITE_CLASHES_MAX = 16,
};

/* One UDP datagram to send. @data is the site's and good until the transmit call returns. */
struct datagram {
    struct endpoint to;
    const uint8_t *data;
    size_t bytes;
    bool probe; /* of the path MTU: made to find out whether it is too large */
};

enum site_event_kind {
    EVENT_PEER_UP,        /* peer, endpoint */
    EVENT_PEER_DOWN,      /* peer */
    EVENT_PEER_MOVED,     /* peer, endpoint: proven; worth keeping on disk */
    EVENT_SEEN_AS,        /* peer: it sees us elsewhere than before (site_seen_as()) */
    EVENT_PEER_SITE,      /* peer: its prefixes or gateways are new (site_peer_status has them) */
    EVENT_TOKEN_REFUSED,  /* endpoint; peer: its token came from a second key, or too late; NULL:
                             one that is not known, or was used before */
    EVENT_CLASH_GATEWAY,  /* peer, address: both homes' gateways have it */
    EVENT_CLASH_HOST,     /* peer, address, mac (local), other_mac: held by a live host here */
    EVENT_SUBNETS_DIFFER, /* peer: no IPv4 prefix in common; discovery works, playing may not */
    EVENT_MAC_FLAPS,      /* mac: seen on both sides by turns, a sign of a loop */
    EVENT_LOOP_ON_LAN,    /* the LAN itself has a loop; the port is shut */
    EVENT_LOOP_THROUGH_PEER, /* peer; shut_here: this site shut its port, else the other will */
    EVENT_LOOP_OVERLAY,      /* peer: the link to it is shut, another path through hubs exists */
    EVENT_LOOP_REOPENED,     /* peer (or NULL: the port): forwarding again */
    EVENT_UNDER_LOAD, /* too many initiations: cookies are demanded (at most once a minute) */
    EVENT_ORDER_LOW,  /* reserve more order numbers: site_reserve_order() */
};

struct site_event {
    enum site_event_kind kind;
    const char *peer; /* name, or NULL; good during the call */
    struct endpoint endpoint;
    struct ip_address address;
    struct mac mac, other_mac;
    bool shut_here;
};

/* A key has proved its token, or an inviter has confirmed ours: keep this on disk, durably. */
struct site_enrolment {
    const char *peer;
    uint8_t public_key[PUBLIC_KEY_BYTES];
    uint8_t psk[PSK_BYTES]; /* the lasting one */
    bool joining;           /* we are the joiner: the one-time PSK and token may be forgotten */
    bool confirmed;         /* inviter: the peer has used the lasting PSK; forget the token */
};

struct site_ops {
    void *context;
    /* Send @count datagrams now, best effort. */
    void (*transmit)(void *context, const struct datagram *datagrams, size_t count);
    /* Write one frame, which lies in @count slices, to the TAP. @offload: the header to go before
     * it (frame/offload.h); NULL: it is an ordinary frame. */
    void (*deliver)(void *context, const uint8_t *offload, const struct slice *slices,
                    size_t count);
    void (*event)(void *context, const struct site_event *event);
    /* Store an enrolment; false when it could not be stored: it then did not happen. */
    bool (*enrol)(void *context, const struct site_enrolment *enrolment);
    /* Fill @out with @bytes cryptographically secure random bytes. */
    void (*random)(void *context, void *out, size_t bytes);
};

struct site_timers {
    uint64_t rekey_after_us;  /* 0: 120 s */
    uint64_t reject_after_us; /* 0: 180 s */
    uint64_t raise_after_us;  /* longest time between two attempts at a larger MTU; 0: 600 s */
};

struct site_config {
    char name[SITE_NAME_MAX + 1];
    uint8_t private_key[PUBLIC_KEY_BYTES];
    unsigned guard;      /* enum guard_word, or-ed */
    unsigned ttl_repair; /* TTL_REPAIR_MDNS, TTL_REPAIR_SSDP, or-ed */
    bool multicast_all, ra_routes, ipv6_on_link, hub;
    bool relay_for_peers; /* pass on all datagrams between peers; else what they need to meet */
    bool icmp_hint;       /* tell senders what fits one datagram, beside delivering what does not */
    uint16_t outer_packet_bytes; /* fixed size of outer packets; 0: the path's MTU */
    uint8_t suite[SITE_SUITES_MAX], suite_count; /* best first; those not available are skipped */
    struct site_timers timers;
};

/* What a peer is at start or reload. Exactly one of these holds:
 *   enrolled: has_key, not has_token
 *   invited:  not has_key, has_token           (we made a token, nobody has used it)
 *   bound:    has_key, has_token, not joining  (its key has proved the token; it may retry)
 *   joining:  has_key, has_token, joining      (we hold a token; psk is unused)
 */
struct peer_config {
    char name[SITE_NAME_MAX + 1];
    bool has_key, has_token, joining;
    uint8_t public_key[PUBLIC_KEY_BYTES];
    uint8_t psk[PSK_BYTES]; /* lasting; all zeros: none */
    uint8_t token_id[TOKEN_ID_BYTES], token_psk[PSK_BYTES];
    uint64_t token_until_us; /* inviter only; UINT64_MAX: no end */
    uint64_t keepalive_us;   /* 0: none */
};

/* What this machine's LAN looks like, by netlink. */
struct site_lan {
    struct mac tap_mac, bridge_mac; /* bridge_mac zero: no bridge */
    uint8_t own_count;
    struct ip_address own[SITE_OWN_ADDRESSES_MAX]; /* addresses of the bridge */
    uint8_t prefix_count;
    struct ip_prefix prefix[SITE_PREFIXES_MAX]; /* on-link, no link-local */
    struct gateway_set gateways;                /* empty: learn them from the LAN */
    uint16_t mtu_bytes;   /* largest IP packet that every port of the LAN takes; 0: not known */
    bool tap_takes_large; /* partial checksums and large TCP frames, with their offload header */
    bool tap_takes_large_udp;
};

struct site_counters {
    uint64_t ttl_repaired_mdns, ttl_repaired_ssdp, mss_clamped, fragmented, reassembled;
    uint64_t guard_dhcp, guard_ra, guard_gateway, guard_hosts, guard_querier, guard_stp;
    uint64_t guard_source;       /* frames from a peer with a source MAC that lives here */
    uint64_t multicast_filtered; /* groups that do not cross */
    uint64_t loop_stopped, storm_dropped, macs_capped;
    uint64_t replay_dropped, auth_failed, malformed, unknown_index;
    uint64_t handshakes, handshakes_refused, cookies_sent, cookies_received;
    uint64_t reassembly_discarded; /* pieces contradicted each other */
    uint64_t reassembly_expired;   /* pieces were missing */
    uint64_t too_large;
    uint64_t mtu_probes, mtu_black_holes; /* of path_mtu.h, over all peers */
    uint64_t path_hints;                  /* ICMP or EMSGSIZE about datagrams of ours */
    uint64_t lan_too_large;               /* packets from a peer larger than our LAN's MTU */
    uint64_t icmp_hints;                  /* 'packet too big' that we sent */
    uint64_t queue_dropped, queue_marked; /* frames, since datagrams waited too long to be read */
    uint64_t orders_lost, notes_lost;     /* between two threads, their mailbox being full */
    uint64_t relayed, relay_dropped;      /* datagrams passed on between peers; to be, and not */
    uint64_t punches;                     /* sent, to open a NAT for somebody's call */
};

enum peer_state { PEER_DOWN, PEER_CONNECTING, PEER_UP };

/* The MTU of one path to a peer, in use or the last one of that family. */
struct path_status {
    bool known;
    uint16_t mtu_bytes; /* outer IP packet */
    enum path_mtu_state state;
    enum path_mtu_limit limit;
    uint16_t told_bytes;    /* a router or our kernel spoke of so much; 0: nobody did */
    uint64_t proved_age_us; /* since a datagram of that size was answered; UINT64_MAX: never */
};

struct peer_status {
    char name[SITE_NAME_MAX + 1];
    enum peer_state state;
    bool invited, joining;
    bool shut; /* by the loop detector */
    struct endpoint endpoint;
    uint64_t keepalive_us;   /* in use: shorter than configured where a NAT forgot us; 0: off */
    double rtt_ms;           /* smoothed; negative: not measured */
    uint16_t path_mtu_bytes; /* of the path in use, or the base before there is one */
    struct path_status path_v4, path_v6, path_relay; /* as measured last */
    size_t path_count;
    struct path_info path[PATHS_MAX];
    enum suite suite;
    uint64_t handshake_age_us; /* UINT64_MAX: never */
    uint64_t tx_frames, rx_frames, tx_bytes, rx_bytes, lost;
    unsigned macs;
    struct site_info remote; /* what the peer says of itself; name "" until it did */
};

enum clash_kind { CLASH_GATEWAY, CLASH_HOST, CLASH_SUBNET };

struct site_clash {
    enum clash_kind kind;
    char peer[SITE_NAME_MAX + 1];
    struct ip_address address; /* none for CLASH_SUBNET */
    struct mac local, remote;
    uint64_t last_us;
};

/* How the thread that runs the egress sends and delivers; and what wakes the two. */
struct egress_ops {
    void *context;
    void (*transmit)(void *context, const struct datagram *datagrams, size_t count);
    void (*deliver)(void *context, const uint8_t *offload, const struct slice *slices,
                    size_t count);
    void (*wake_site)(void *context);   /* by the egress: site_take_notes() shall be called */
    void (*wake_egress)(void *context); /* by the site: egress_take_orders() shall be called */
};

struct site;
struct egress;
struct mailbox;

/** site_bytes() - How much zeroed memory a site needs, aligned as malloc() aligns */
size_t site_bytes(void);

/**
 * site_init() - Begin a site in zeroed memory of site_bytes()
 * @config:      Copied
 * @ops:         Copied; its context must outlive the site
 * @order_next:  First order number to use, @order_limit: first that may not be used yet. Both
 *               come from a counter on disk that was advanced to @order_limit beforehand, so
 *               that a crash never makes the site repeat one.
 *
 * Return: false when the private key is unusable or no configured suite is available
 */
bool site_init(struct site *site, const struct site_config *config, const struct site_ops *ops,
               uint64_t order_next, uint64_t order_limit, uint64_t now_us);

/** site_wipe() - Forget all keys; the memory may then be freed */
void site_wipe(struct site *site);

/** site_close() - Tell every peer that this end stops (flush included); in one thread */
void site_close(struct site *site, uint64_t now_us);

/** site_reserve_order() - Answer to EVENT_ORDER_LOW: numbers below @limit may be used */
void site_reserve_order(struct site *site, uint64_t limit);

/**
 * site_set_peer() - Add a peer, or change the one of that name without dropping its session
 *
 * A changed key or token starts the peer afresh; anything else is taken over as it runs.
 * Return: false when there are SITE_PEERS_MAX already
 */
bool site_set_peer(struct site *site, const struct peer_config *config, uint64_t now_us);

/** site_remove_peer() - Forget a peer and its session, its MACs and its keys */
void site_remove_peer(struct site *site, const char *name, uint64_t now_us);

/** site_set_options() - A reload: guard, hub, datagram size, timers and the like change as they
 *  run. Name, private key and suites of @config are not looked at. */
void site_set_options(struct site *site, const struct site_config *config);

/**
 * site_set_endpoints() - Where a peer may be called: the kept endpoint first, then resolved names
 *
 * Replaces the list. An endpoint proven by a live session stays in use.
 */
void site_set_endpoints(struct site *site, const char *name, const struct endpoint *endpoints,
                        size_t count, uint64_t now_us);

/**
 * site_take_candidates() - What a peer says of where it is, by another way than a session: its
 * reply line, a rendezvous
 *
 * Replaces what it said before. Ignored while there is a session, in which it speaks for itself.
 */
void site_take_candidates(struct site *site, const char *name, const struct candidate_list *list,
                          uint64_t now_us);

/** site_set_own_candidates() - Where this site may be reached, as far as this machine knows; peers
 *  are told. What they see of it is added here */
void site_set_own_candidates(struct site *site, const struct candidate_list *list, uint64_t now_us);

/**
 * site_set_turn() - Which TURN relays are there
 * @v4: Those that reach IPv4 addresses: bit n is VIA_TURN + n
 * @v6: Those that reach IPv6 addresses
 */
void site_set_turn(struct site *site, unsigned v4, unsigned v6, uint64_t now_us);

/** site_set_lan() - Addresses, prefixes or gateways changed; peers are told what concerns them */
void site_set_lan(struct site *site, const struct site_lan *lan, uint64_t now_us);

/** site_network_changed() - A WAN address or route changed: prove all paths now */
void site_network_changed(struct site *site, uint64_t now_us);

/**
 * site_path_hint() - The outer socket learned something about large datagrams
 * @to:         Where they went; port 0: any port of that address
 * @mtu_bytes:  Largest outer IP packet, as told; 0: not told, only that one was too large
 * @by_kernel:  Our own kernel refused it (EMSGSIZE); otherwise ICMP, which is not believed alone
 */
void site_path_hint(struct site *site, const struct endpoint *to, uint16_t mtu_bytes,
                    bool by_kernel, uint64_t now_us);

/** site_link_changed() - The TAP or a bridge port changed: look for loops more often for a while */
void site_link_changed(struct site *site, uint64_t now_us);

/**
 * site_receive_frame() - A frame read from the TAP
 * @offload:  The OFFLOAD_HEADER_BYTES that came before it; NULL: an ordinary frame
 * @frame:    May be changed; a large one is destroyed, and the SEGMENT_ROOM_BYTES before it are
 *            (frame/segment.h)
 */
void site_receive_frame(struct site *site, const uint8_t *offload, uint8_t *frame, size_t bytes,
                        uint64_t now_us);

/**
 * site_receive_datagram() - A datagram read from the socket
 * @datagram:   Opened in place, and stays as it is until site_flush(), since frames in it may be
 *              held to be coalesced
 * @waited_us:  How long it waited there; 0: not known
 */
void site_receive_datagram(struct site *site, const struct endpoint *from, uint8_t *datagram,
                           size_t bytes, uint32_t waited_us, uint64_t now_us);

/** site_drained() - All datagrams that waited in the socket of this family were received */
void site_drained(struct site *site, enum ip_family family);

/**
 * site_has_room() - Whether what is received now can be passed on to peers
 *
 * With two threads a hub may receive faster than the other thread seals. False, and datagrams had
 * better wait in their socket, where they are judged by how long they waited, than be lost between
 * the threads. Then ask again after wake_site(), which is sure to come, or site_join().
 */
bool site_has_room(const struct site *site);

/** site_flush() - Seal and transmit what was packed since the last call, deliver what is held */
void site_flush(struct site *site, uint64_t now_us);

/** site_tick() - Do what time asks for; flushes. Call at site_deadline_us(), or whenever */
void site_tick(struct site *site, uint64_t now_us);

/** site_deadline_us() - When site_tick() must be called next; UINT64_MAX: nothing to wait for */
uint64_t site_deadline_us(const struct site *site);

/* ---- two threads ---- */

/**
 * site_split() - From now on a thread of its own runs the egress, LAN to WAN
 * @ops:    Copied; called by that thread, but for wake_egress
 * @orders: Empty, of 16 KiB at least, and for a hub of as much as comes in one turn
 * @notes:  Empty, of 8 KiB at least
 *
 * Until site_join() that thread calls the egress_*() functions, and site_receive_frame() must not
 * be called.
 */
struct egress *site_split(struct site *site, const struct egress_ops *ops, struct mailbox *orders,
                          struct mailbox *notes);

/** site_join() - That thread has ended: what is in the mailboxes is done, and one thread runs both
 *  directions again. Nothing happens when it did anyway */
void site_join(struct site *site, uint64_t now_us);

/** site_take_notes() - What the egress has seen and sent; then site_flush(). After wake_site() */
void site_take_notes(struct site *site, uint64_t now_us);

/** egress_receive_frame() - As site_receive_frame() */
void egress_receive_frame(struct egress *egress, const uint8_t *offload, uint8_t *frame,
                          size_t bytes, uint64_t now_us);

/** egress_take_orders() - After wake_egress(), and before frames are read; then egress_flush() */
void egress_take_orders(struct egress *egress, uint64_t now_us);

/** egress_flush() - Seal and transmit what was packed since the last call */
void egress_flush(struct egress *egress, uint64_t now_us);

/** egress_deadline_us() - When egress_flush() must be called next, if not before; UINT64_MAX: need
 *  not be */
uint64_t egress_deadline_us(const struct egress *egress);

/* For people who look: none of these changes anything. */
const struct site_counters *site_counters(const struct site *site);
size_t site_peer_count(const struct site *site);
void site_peer_status(const struct site *site, size_t n, uint64_t now_us, struct peer_status *out);
bool site_find_status(const struct site *site, const char *name, uint64_t now_us,
                      struct peer_status *out);
size_t site_clashes(const struct site *site, uint64_t now_us, struct site_clash *out,
                    size_t capacity);
/** site_seen_as() - Where a peer sees us, in that family; family IP_NONE: no peer does */
struct endpoint site_seen_as(const struct site *site, enum ip_family family);
bool site_port_shut(const struct site *site);
/** site_carrier_name() - The peer that passes on what goes by this path; returns @out */
const char *site_carrier_name(const struct site *site, const struct endpoint *path,
                              char out[SITE_NAME_MAX + 1]);
void site_public_key(const struct site *site, uint8_t out[PUBLIC_KEY_BYTES]);

#endif
