/* SPDX-License-Identifier: MIT
 *
 * path_mtu.h - the largest outer IP packet that one path carries, found by sending such packets:
 * Datagram Packetization Layer Path MTU Discovery (RFC 8899).
 *
 * Pure decisions: path_mtu_due() says which sizes to probe now, the owner sends a padded,
 * authenticated datagram of exactly each size, and hands back what the peer answered. ICMP is not
 * needed, and never believed alone: what it says is probed.
 *
 * Rounds. Probes go out in rounds: one datagram of each size in question and, beside them, a small
 * one, the control. A round ends when all are answered or when its time (from the RTT) is over. A
 * size that was not answered although the control was has lost a try. After as many lost tries as
 * the path's own loss asks for it counts as too large: 3 where nothing is lost (RFC 8899's
 * MAX_PROBES), 10 or more on a path that loses a fifth, where three would be mistaken once in
 * twenty and the size would jump up and down for ever. The probes themselves measure the loss.
 * Rounds without any answer prove nothing; they are repeated, slower and slower.
 *
 * Search. First all well-known sizes at once, which finds the size of most paths in one round trip,
 * and one byte more, which proves it; else, between the largest that was carried and the smallest
 * that was not, by halving, to the byte. A
 * size that was carried is used at once. A size that ICMP or our own kernel named is tried before
 * halving, and the next larger one, so that two probes settle it.
 *
 * States and what ends them:
 *   STOPPED    -> SEARCHING by path_mtu_begin(), from the family's base.
 *   SEARCHING  -> FOUND when nothing is left between carried and too large.
 *   FOUND      -> SEARCHING by the raise timer: one byte more is probed; if that is carried, all
 *                 that may be larger. After 30 s at first, since a first search may have met bad
 *                 luck, then 4 times as long each, up to 600 s (RFC 8899 s.5.1.1).
 *              -> CONFIRMING each half second while large datagrams are sent, and at once when ICMP
 *                 or our kernel says that they are too large.
 *   CONFIRMING -> FOUND when the size in use is answered; -> SEARCHING from the base when it is
 *                 too large now: a black hole (RFC 8899 s.4.3).
 * In SEARCHING the size in use is confirmed in the same rounds.
 *
 * While the size in use is in doubt (told to be too large, or lost twice in a row) datagrams are
 * kept to a size that is not: path_mtu_usable_bytes(). So a path that shrinks costs what was under
 * way and two rounds, however many tries a lossy path needs for the verdict; and a forged hint
 * costs a moment of smaller datagrams.
 *
 * Rounds are quicker than RFC 8899's PROBE_TIMER of at least a second (s.5.1.1), which has to do
 * without a control: here a round in which nothing is answered does not count.
 *
 * A size that is fixed by configuration has no rounds: due never, deadline never.
 */
#ifndef TUNNEL_PATH_MTU_H
#define TUNNEL_PATH_MTU_H

#include "address.h"
#include "wire.h"

enum {
    PATH_MTU_BASE_V4_BYTES = 1200, /* what every path is expected to carry; QUIC needs as much */
    PATH_MTU_BASE_V6_BYTES = 1280, /* what IPv6 promises (RFC 8200 s.5) */
    /* Through a relay, as if over IPv4: what fits a datagram of the base inside the tunnel. */
    PATH_MTU_BASE_RELAY_BYTES = 1100,
    PATH_MTU_SIZES_MAX = 12, /* probed in one round */
};

enum path_mtu_state {
    PATH_MTU_STOPPED = 0, /* no path; the last result is kept for people to look at */
    PATH_MTU_FIXED,
    PATH_MTU_SEARCHING,
    PATH_MTU_FOUND,
    PATH_MTU_CONFIRMING,
};

/* Why the size is not larger. */
enum path_mtu_limit {
    PATH_MTU_LIMIT_UNKNOWN = 0,   /* still searching */
    PATH_MTU_LIMIT_CONFIGURATION, /* fixed */
    PATH_MTU_LIMIT_MAXIMUM,       /* it is the largest there is */
    PATH_MTU_LIMIT_INTERFACE,     /* this machine's kernel refuses larger ones */
    PATH_MTU_LIMIT_ROUTER,        /* larger ones are lost, and a router said so by ICMP */
    PATH_MTU_LIMIT_PATH,          /* larger ones are lost without a word */
    PATH_MTU_LIMIT_BELOW_BASE,    /* not even the base is carried */
};

/* A size in question, and what became of its probes. */
struct path_mtu_size {
    uint16_t bytes;
    uint8_t lost_tries;
    bool answered; /* in this round */
};

struct path_mtu {
    /* Settings. */
    uint16_t base_bytes, fixed_bytes; /* fixed 0: search */
    uint64_t raise_us;

    /* The result. */
    uint8_t state;      /* enum path_mtu_state */
    uint8_t limit;      /* enum path_mtu_limit, of the last search that ended */
    uint16_t mtu_bytes; /* in use: the largest that is known to be carried, or the base */
    uint64_t proved_us; /* when a datagram of that size was answered last */
    bool proved;        /* it ever was, on this path */
    bool doubted;
    bool below_base;

    /* The search: what is above mtu_bytes and below too_large_bytes is not known. */
    uint16_t too_large_bytes;
    uint16_t told_bytes; /* by ICMP or our kernel; 0: nothing */
    bool told_by_kernel, told_tried;
    uint8_t hints;                                     /* taken in this search */
    struct path_mtu_size size[PATH_MTU_SIZES_MAX - 1]; /* each above mtu_bytes when chosen */
    uint8_t size_count;
    uint8_t current_lost_tries; /* of the size in use */

    /* The round. */
    uint16_t epoch, round; /* in the probes: answers to older epochs are not believed */
    uint64_t begun_us;     /* the first round of the last path that had one; 0: none yet */
    bool begun;            /* this path had one */
    uint64_t round_began_us, round_ends_us;
    int64_t srtt_us; /* of the controls (RFC 6298 s.2); negative: not measured on this path */
    bool round_open, control_answered, current_probed;
    bool cut_short;        /* all was answered: the control's answer was not waited for */
    uint8_t silent_rounds; /* in a row, without any answer */

    /* How many datagrams the path loses, whatever their size. */
    uint16_t sampled, sampled_lost;

    uint64_t raise_at_us, raise_next_us, confirm_at_us, hinted_us;
    bool large_sent; /* since the last confirmation */

    uint64_t black_holes; /* for people to look at */
};

struct path_mtu_probe {
    uint16_t bytes; /* outer IP packet */
    uint64_t value; /* to be sent in it, and answered */
};

/**
 * path_mtu_set() - Settings; before anything else, and at a reload
 * @fixed_bytes:  Outer IP packet size to use without a search; 0: search
 * @raise_us:     Longest time between two attempts at a larger size; 0: 600 s
 *
 * A search under way goes on. Changing @fixed_bytes to 0 stops: path_mtu_begin() starts it.
 */
void path_mtu_set(struct path_mtu *p, uint16_t fixed_bytes, uint64_t raise_us);

/**
 * path_mtu_begin() - A path is new, or may be: search from the base of @family
 * @family: IP_SITE: through a relay, whatever its own
 *
 * The first round is the largest, and goes where nobody may have asked for it: with a source
 * address that changes all the time it would be a flood. So it waits until a second has passed
 * since that of the path before.
 */
void path_mtu_begin(struct path_mtu *p, enum ip_family family, uint64_t now_us);

/** path_mtu_stop() - The path is gone; no more probes */
void path_mtu_stop(struct path_mtu *p);

/**
 * path_mtu_due() - The probes to send now, with one control beside them
 * @rtt_us:  What the controls have not measured yet: smoothed; negative: not measured
 * @out:     Receives the probes
 *
 * The control is any small datagram whose answer is reported to path_mtu_control() with the time
 * of this call.
 *
 * Return: how many; 0: none, and no control either
 */
unsigned path_mtu_due(struct path_mtu *p, int64_t rtt_us, uint64_t now_us,
                      struct path_mtu_probe out[PATH_MTU_SIZES_MAX]);

/** path_mtu_deadline_us() - When path_mtu_due() may next have something to do; UINT64_MAX: never */
uint64_t path_mtu_deadline_us(const struct path_mtu *p);

/** path_mtu_is_probe() - Whether @value, answered by the peer, was one of path_mtu_due()'s */
bool path_mtu_is_probe(uint64_t value);

/** path_mtu_answered() - The peer answered the probe with @value */
void path_mtu_answered(struct path_mtu *p, uint64_t value, uint64_t now_us);

/** path_mtu_control() - The peer answered the control that was sent at @sent_us, be it late */
void path_mtu_control(struct path_mtu *p, uint64_t sent_us, uint64_t now_us);

/** path_mtu_usable_bytes() - The outer packet size to send data with now */
uint16_t path_mtu_usable_bytes(const struct path_mtu *p);

/** path_mtu_sent() - An outer packet of @bytes was sent: large ones are worth confirming */
void path_mtu_sent(struct path_mtu *p, uint16_t bytes, uint64_t now_us);

/**
 * path_mtu_hint() - Somebody says that the path carries @bytes only
 * @by_kernel:  Our own kernel, which refused to send; otherwise ICMP, which anyone can forge
 *
 * Only makes the size be probed, at once and first. In a search the smallest word counts, and no
 * more than four do, later the last; at most four confirmations a second follow from them, so that
 * forged ones cost little.
 * Sizes below the base are not considered; 0 says only that something was too large. A fixed size
 * stays, and what was told is kept for people to look at.
 */
void path_mtu_hint(struct path_mtu *p, uint16_t bytes, bool by_kernel, uint64_t now_us);

#endif
