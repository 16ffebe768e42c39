/* SPDX-License-Identifier: MIT
 *
 * loop.h - finding loops with probes, and deciding which site or link stops forwarding.
 *
 * A loop arises when two homes are joined twice: a cable or a second VPN beside the tunnel, hubs
 * that peer in a ring, a spoke on two hubs, or a switch plugged into itself. Each site sends
 * probes that travel as broadcasts do; one that comes back proves a loop and says whom it passed.
 *
 * The probe: an Ethernet frame of LOOP_PROBE_BYTES, untagged, of fixed length so that it can be
 * stamped in place. All integers are big-endian. In the tunnel, where bytes may cost money, what is
 * behind the last stamp used is left away: loop_used_bytes().
 *
 *   0  destination  03:6c:73:6c:70:01 (a locally administered group)
 *   6  source, the TAP MAC of the site that wrote it into this LAN: another's would teach the
 *      bridge that a MAC lives behind the tunnel
 *  12  EtherType 0x88b5 (IEEE 802 local experimental 1)
 *  14  magic "LSP1"
 *  18  origin, 8: the beginning of its public key
 *  26  nonce, 8: the number of the origin's round
 *  34  sent to, 2: 0xffff its LAN, else a number of the origin's own for a peer
 *  36  flags, 1: LOOP_FLAG_LANS: may be written into LANs
 *  37  stamps, 1: 0-8
 *  38  tag, 16: keyed BLAKE2b of bytes 18-36, by a secret that only the origin has
 *  54  8 times 9: a stamp, {site id 8, enum loop_stamp 1}; zero where unused
 *
 * The tag and the nonce's age (LOOP_FRESH_US) keep anyone who has not just received a probe from
 * proving a loop. The stamps are not authenticated: they only choose among the loop's members.
 *
 * How it travels. The origin writes one into its LAN and sends one to each peer: every 250 ms for
 * 10 s after a link changed, or after another site was first heard on a LAN, its own or a peer's;
 * every 250 ms while a proof or echo is overdue; else every second; and at once when a MAC address
 * flaps. Probes to peers carry the LANS flag in the quick rounds, while a link is shut or echoes,
 * and in every fourth round; probes to the LAN always do. A site passes on another's probe just as
 * a broadcast: off its LAN to its peers (stamp OFF_LAN), from a peer into its LAN if LANS is set
 * (stamp ONTO_LAN), and, as a hub, from a peer to its other peers (stamp HUB). A probe that bears
 * the site's own stamp, has no room for it, or exceeds the rate limit goes no further. Probes
 * pass where data is shut; the stamp then has SHUT.
 *
 * What the origin concludes when its own probe returns; "members" are the stamped sites:
 *
 *   sent to | back from | condition               | action
 *   --------+-----------+-------------------------+-----------------------------------------------
 *   LAN     | LAN       | no stamps               | LOOP_ON_LAN: shut the site's port
 *   LAN     | LAN       | stamps                  | none; the members see it as theirs
 *   LAN     | peer P    | )                       | LOOP_THROUGH_PEER: the lowest id of me and the
 *   peer P  | LAN       | ) stamps ON/OFF a LAN   | members on a LAN shuts its port, others do not
 *   P       | P         |                         | none: the loop is beyond P
 *   P       | Q         | hub, LAN stamps         | none: the members on the LAN see it
 *   P       | Q         | hub, only hubs          | LOOP_OVERLAY: the lowest id of me and the
 *           |           |                         | members shuts one link
 *   P       | Q         | not a hub, only hubs    | LOOP_OVERLAY: shut one link (only I can see it)
 *   P       | Q         | not a hub, LAN stamps   | echo: P's and Q's LANs are one. As above when
 *           |           |                         | no stamp has SHUT and there have been echoes,
 *           |           |                         | with SHUT or without, for LOOP_ECHO_US
 *
 * The link shut of P and Q is the one that is shut already, else one whose far end was SHUT lately,
 * else the one to the lower id: what carries data goes on. One of both always stays open, so the
 * site keeps a link to each part of the network.
 *
 * States of the port and of each peer link:
 *
 *   OPEN      --loop proved--> SHUT
 *   SHUT      --no proof until LOOP_LISTEN_US before it may open--> LISTENING
 *   LISTENING --loop proved--> SHUT
 *   LISTENING --LOOP_LISTEN_US passed--> OPEN, LOOP_REOPENED
 *
 * It may open LOOP_SILENCE_US and the hold-down after the last proof. SHUT and LISTENING stop the
 * same data; only SHUT is stamped. This is why two things never open into one loop: all proofs but
 * echoes are found through what is shut as well as through what is open, and are no reason to open
 * anything for as long as the loop is there. Only an echo gives way to what another site has shut.
 * It is still heard, and when that site listens, its SHUT is gone from the stamps: whoever has to
 * shut a link in its stead does so in the next round, while no data passes yet.
 *
 * The hold-down is 2 s and doubles up to 60 s each time a loop recurs within 10 minutes of the
 * reopening. When the other side of the loop, a peer, goes, it is waived, but not the listening, so
 * that a spoke on two hubs is soon on the second when the first fails.
 *
 * A shut port stops data between LAN and peers; a hub goes on passing data between its peers. A
 * shut link stops data to and from that peer. Loops on tagged VLANs alone, and rings of more than
 * nine sites, are not found; storm limits bound those.
 *
 * Single writer: one thread calls everything here.
 */
#ifndef FRAME_LOOP_H
#define FRAME_LOOP_H

#include "frame/packet.h"

enum {
    ETHER_TYPE_LOOP = 0x88b5,
    LOOP_LAN = 0xffff, /* beside peer numbers: the site's LAN */
    LOOP_PEERS_MAX = 64,
    LOOP_ID_BYTES = 8,
    LOOP_SECRET_BYTES = 32,
    LOOP_STAMPS_MAX = 8,
    LOOP_STAMP_BYTES = LOOP_ID_BYTES + 1,
    LOOP_TAG_BYTES = 16,
    LOOP_PROBE_BYTES = 54 + LOOP_STAMPS_MAX * LOOP_STAMP_BYTES,
    LOOP_HEARD = 64,   /* remembered: who was heard on whose LAN */
    LOOP_ROUNDS = 128, /* remembered; LOOP_FRESH_US / LOOP_HINT_US is 100 */
};

enum { LOOP_FLAG_LANS = 1 };

/* How a site passed a probe on; or-ed. */
enum loop_stamp {
    LOOP_STAMP_HUB = 1,      /* from a peer to peers */
    LOOP_STAMP_OFF_LAN = 2,  /* from its LAN to peers */
    LOOP_STAMP_ONTO_LAN = 4, /* from a peer to its LAN */
    LOOP_STAMP_SHUT = 8,     /* data is not passed on that way */
};

#define LOOP_QUICK_US       UINT64_C(250000)
#define LOOP_QUICK_FOR_US   UINT64_C(10000000)
#define LOOP_SLOW_US        UINT64_C(1000000)
#define LOOP_HINT_US        UINT64_C(50000)
#define LOOP_FRESH_US       UINT64_C(5000000)
#define LOOP_ECHO_US        UINT64_C(2000000)
#define LOOP_NEWS_US        UINT64_C(30000000) /* not heard on that LAN for so long: first heard */
#define LOOP_OVERDUE_US     UINT64_C(1250000)  /* a slow round and the way */
#define LOOP_SILENCE_US     UINT64_C(3000000)
#define LOOP_LISTEN_US      UINT64_C(2000000) /* a slow round, some quick ones, and the way */
#define LOOP_HOLD_FIRST_US  UINT64_C(2000000) /* LOOP_LISTEN_US or more */
#define LOOP_HOLD_MOST_US   UINT64_C(60000000)
#define LOOP_RECURS_US      UINT64_C(600000000)
#define LOOP_TELL_US        UINT64_C(60000000) /* between notices of a loop another site stops */
#define LOOP_OWN_EACH_US    UINT64_C(1000)     /* own probes examined: 1000/s from each side */
#define LOOP_PASSED_EACH_US UINT64_C(4000)     /* others' passed on: 250/s from each side */

/* One thing that can be shut: the site's port, or the link to a peer. */
struct loop_shut {
    uint64_t proved_us;   /* last */
    uint64_t open_us;     /* if shut: when it opens unless proved again */
    uint64_t hold_us;     /* of this or the last shut */
    uint64_t reopened_us; /* if reopened */
    uint16_t other;       /* peer at the loop's other end, or LOOP_LAN */
    bool shut;
    bool reopened; /* before, at least once */
};

/* Rates (rate.h) of what comes from one peer, or the LAN: a flood from there hides no loop
 * elsewhere. */
struct loop_limits {
    uint64_t own_us, passed_us;
};

struct loop_link {
    struct loop_shut shut;
    struct loop_limits limits;
    uint64_t echo_first_us, echo_last_us; /* if echoes */
    uint64_t far_shut_us; /* if far_shut: when an echo last showed that the peer passes no data */
    uint64_t told_us;     /* if told: a loop that another site stops */
    bool echoes, far_shut, told;
};

/* Whose probes were heard on whose LAN. */
struct loop_heard {
    uint8_t origin[LOOP_ID_BYTES], reader[LOOP_ID_BYTES];
    uint64_t last_us; /* if used */
    bool used;
};

struct loop {
    uint8_t id[LOOP_ID_BYTES];
    uint8_t secret[LOOP_SECRET_BYTES];
    struct mac tap_mac;
    bool hub;

    uint64_t round; /* the nonce of the next probes */
    uint64_t round_us[LOOP_ROUNDS];
    uint64_t next_us, last_us, quick_until_us, overdue_us;
    bool has_sent;

    struct loop_limits lan_limits;
    struct loop_shut port;
    struct loop_link link[LOOP_PEERS_MAX];
    struct loop_heard heard[LOOP_HEARD];
};

enum loop_verdict {
    LOOP_FORWARD, /* another site's: pass it on as *to_lan and *out_bytes say */
    LOOP_CONSUME,
};

enum loop_event_kind {
    LOOP_NONE,
    LOOP_ON_LAN,
    LOOP_THROUGH_PEER,
    LOOP_OVERLAY,
    LOOP_REOPENED,
};

struct loop_event {
    enum loop_event_kind kind;
    uint16_t port;  /* THROUGH_PEER: that peer; OVERLAY: the link shut; REOPENED: it, or LOOP_LAN */
    bool shut_here; /* else another site stops this loop */
};

/**
 * loop_init() - Begin with everything open and a round due at once
 * @site_id:  The beginning of the site's public key; probes name it
 * @hub:      Frames are passed between peers
 * @secret:   Random, new at each start: rounds are counted from 1 again
 * @tap_mac:  Source address of probes
 */
void loop_init(struct loop *l, const uint8_t site_id[8], bool hub, const uint8_t secret[32],
               const struct mac *tap_mac, uint64_t now_us);

/** loop_set_tap_mac() - The source address of probes from now on */
void loop_set_tap_mac(struct loop *l, const struct mac *tap_mac);

/** loop_set_hub() - A reload: whether frames are passed between peers from now on */
void loop_set_hub(struct loop *l, bool hub, uint64_t now_us);

/** loop_link_changed() - A peer came up or a bridge port changed: probe now, quickly for a while */
void loop_link_changed(struct loop *l, uint64_t now_us);

/** loop_hint() - Something looks like a loop: probe now, yet not twice within LOOP_HINT_US */
void loop_hint(struct loop *l, uint64_t now_us);

/**
 * loop_peer_gone() - The link to a peer ended
 *
 * It is open, should it return. What is shut because of a loop through it opens sooner.
 */
void loop_peer_gone(struct loop *l, uint16_t port, uint64_t now_us);

/** loop_due() - Whether a round of probes is due: loop_build() for each way, then loop_sent() */
bool loop_due(const struct loop *l, uint64_t now_us);

/** loop_deadline_us() - When the next round or reopening is due */
uint64_t loop_deadline_us(const struct loop *l);

/**
 * loop_build() - Build this round's probe for one way out
 * @sent_to:   LOOP_LAN or a peer's number
 * @out:       Takes the frame
 * @capacity:  Its size
 *
 * Return: the frame's length, or 0 when @capacity is below LOOP_PROBE_BYTES or @sent_to is no peer
 */
size_t loop_build(struct loop *l, uint16_t sent_to, uint8_t *out, size_t capacity, uint64_t now_us);

/** loop_sent() - The round is sent; the next is due later */
void loop_sent(struct loop *l, uint64_t now_us);

/** loop_used_bytes() - How much of a probe that loop_build() or loop_address() made says something;
 *  nobody reads the rest */
size_t loop_used_bytes(const uint8_t frame[LOOP_PROBE_BYTES]);

/** loop_is_probe() - Whether a frame is to go to loop_receive() and nowhere else */
bool loop_is_probe(const struct packet *p);

/**
 * loop_receive() - Judge a probe
 * @p:          loop_is_probe() of it holds. When *@to_lan is set its frame has been stamped for
 *              the LAN, in place.
 * @from:       LOOP_LAN or the number of the peer it came from
 * @from_id:    That peer's site id, NULL for the LAN
 * @out:        For LOOP_FORWARD, takes the probe for the (other) peers: loop_address() for each
 * @capacity:   Its size, at least LOOP_PROBE_BYTES
 * @out_bytes:  Its length; 0: not for peers
 * @to_lan:     For LOOP_FORWARD, whether the frame in @p is to be written into the LAN
 * @event:      What was concluded; LOOP_NONE mostly
 */
enum loop_verdict loop_receive(struct loop *l, struct packet *p, uint16_t from,
                               const uint8_t from_id[8], uint8_t *out, size_t capacity,
                               size_t *out_bytes, bool *to_lan, struct loop_event *event,
                               uint64_t now_us);

/**
 * loop_address() - Make the probe that goes to one of the peers
 * @stamped:  What loop_receive() wrote for all of them
 * @port:     This peer
 * @out:      Takes a copy, whose last stamp has SHUT also if data is not passed to this peer
 */
void loop_address(const struct loop *l, const uint8_t stamped[LOOP_PROBE_BYTES], uint16_t port,
                  uint8_t out[LOOP_PROBE_BYTES], uint64_t now_us);

/** loop_tick() - Reopen what was silent for long enough; call until the event is LOOP_NONE */
void loop_tick(struct loop *l, uint64_t now_us, struct loop_event *event);

/** loop_site_shut() - Whether data between the LAN and any peer is stopped */
bool loop_site_shut(const struct loop *l);

/** loop_peer_shut() - Whether data to and from this peer is stopped */
bool loop_peer_shut(const struct loop *l, uint16_t port);

#endif
