/* SPDX-License-Identifier: MIT
 *
 * paths.h - the ways to one peer: which are checked, which is used, which stands by.
 *
 * A path is an endpoint to send to: a candidate of the peer, directly, through a TURN server or
 * through another peer. Each end chooses for itself what it sends by; a path's two directions may
 * be used by one end only. The ideas and words are ICE's (RFC 8445) where they are the same:
 * candidates, connectivity checks in both directions at once, triggered checks, peer-reflexive
 * candidates, restart. There are no pairs, roles or nomination: one socket sends to all, every
 * check is answered, and whoever finds something better just uses it.
 *
 * Pure decisions. The owner says what came and what was told, asks paths_due() which checks to
 * send, in the session, as long as there is one; and sends data to paths_selected(), initiations
 * to paths_targets().
 *
 * States of a path, and what ends them:
 *   WAITING  -> CHECKING when its first check goes out.
 *   VALID    -> CHECKING when two checks in a row are lost: not answered within 4 srtt, or srtt
 *               and 4 times its deviation, but 200 ms at least and 1 s at most. One is enough
 *               where none was ever answered: only a session says that it works.
 *   CHECKING -> FAILED when 5 checks in a row are lost, waited for 0.5, 1, 2, 4 and 8 s.
 *   any      -> VALID when a check is answered, or a session was made over it (paths_proved()).
 *   any      -> WAITING by paths_restart(); FAILED also when the path in use fails, and any that
 *               is not VALID when the peer has moved there.
 * A path that nobody names any more is forgotten when it is not valid or in use; so is one that
 * was only heard from, once nothing is under way on it.
 *
 * Checks: all in the beginning, 50 ms apart, IPv6 first, relays last, and five times each that
 * answers. Then every 3 s the path in use, if anything stands by, and, for two minutes, IPv6
 * instead of IPv4 while it is slower by no more than both vary; every 15 s the standby, or the only
 * path there is; and every 25 s those of a better kind than that in use (of a better class, see
 * below, or IPv6 instead of IPv4), or all when nothing stands by: more often than the 30 s after
 * which a NAT forgets what was not answered, so that the holes of both ends overlap. What failed at
 * an address that only the peer named is asked more and more seldom, up to 5 min, as long as
 * another path works; where only a meeting point saw the peer, always. A datagram from a path that
 * is not valid brings a check at once (a triggered check).
 *
 * Selection. Classes: direct, then TURN, then through a peer. Within a class the score is the
 * smoothed RTT, less 3 ms for IPv6.
 * - No path in use, or it has lost two checks in a row: any valid one is taken at once; first the
 *   standby, which is of the other family or another class where there is such a one.
 * - A direct path instead of a relayed one: when 2 checks in a row, 250 ms apart, were answered.
 * - Otherwise a better one when it was so at 3 answers in a row, 3 s apart: its score is less by
 *   a tenth, by 5 ms and by the mean deviation of both RTTs. IPv6 instead of IPv4 need only be no
 *   worse; nor TURN instead of a peer, unless its RTT is more than twice the peer's.
 * - A path that failed in use or was left for a better one must answer (better) 4, 8, 16 times in a
 *   row, a second apart and more, before it is taken back, until it was in use for 5 min: no
 *   flapping.
 * - The peer's newest data come from an endpoint that is no path yet, or not checked to the end:
 *   the peer has moved. It is used at once, and checked; when that was wrong nothing of the kind
 *   is believed for 5 s. When they come from another path the one in use is checked.
 *
 * Nobody is flooded. Checks to one peer are 50 ms apart, whatever it says. An address that only the
 * peer or a meeting point named gets PATHS_BUDGET datagrams within 30 s, and beyond that one check
 * for each datagram that comes from there; so does one behind a TURN server. Punches go to a port
 * set only when its address is attested (attestation.h), or a meeting point sees the peer there.
 */
#ifndef TUNNEL_PATHS_H
#define TUNNEL_PATHS_H

#include "address.h"
#include "tunnel/attestation.h"
#include "tunnel/candidate.h"
#include "tunnel/port_spray.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATHS_MAX = 24,
    PATHS_BUDGET = 5,    /* datagrams within 30 s to an address that nobody vouches for */
    PATH_FIRST_RTTS = 5, /* of a path, from whose median its smoothed RTT goes on */
};

/* Who named a candidate. */
enum paths_source {
    PATHS_CONFIGURED = 0, /* our configuration, a name's addresses, the kept endpoint, the invite */
    PATHS_TOLD,           /* the peer itself: only its word */
    PATHS_MEETING,        /* another peer, which sees it there */
    PATHS_SOURCES,
};

enum path_state { PATH_WAITING = 0, PATH_CHECKING, PATH_VALID, PATH_FAILED };

struct path {
    struct endpoint to;
    uint8_t kind;    /* enum candidate_kind */
    uint8_t state;   /* enum path_state */
    uint8_t sources; /* bit n: enum paths_source n names it; 0: nobody, it was only heard from */
    bool was_named;
    uint8_t losses;   /* checks in a row */
    uint8_t answers;  /* in a row */
    uint8_t samples;  /* in first_rtt_us */
    uint8_t better;   /* answers in a row at which it was better than the path in use */
    uint8_t falls;    /* how often it failed in use or was left, of late */
    uint8_t heard;    /* datagrams came from there that no check was sent for yet */
    uint8_t targeted; /* initiations and punches */
    bool checking;    /* a check is under way */
    bool wanted;      /* a check is due at wanted_us, whatever its turn */
    bool answered;    /* a check was, ever */
    uint64_t value;   /* of the check under way */
    uint32_t first_rtt_us[PATH_FIRST_RTTS]; /* in order of length */
    int64_t srtt_us;                        /* negative: not measured */
    int64_t rttvar_us;                      /* mean deviation (RFC 6298 s.2) */
    uint64_t checked_us, wanted_us, targeted_us;
    uint64_t answered_us;    /* the last check, or a session was made by it */
    uint64_t lost_us;        /* when the check under way counts as lost */
    uint64_t fresh_us;       /* a datagram was last known to pass: NATs' mappings were fresh */
    uint64_t idle_us;        /* how long none had, before the check under way */
    struct endpoint seen_as; /* our own address, as the peer sees it on this path */
};

struct paths {
    uint8_t count;
    int selected, standby; /* index into path; negative: none */
    int theirs;            /* which the peer was seen to choose last */
    struct path path[PATHS_MAX];

    uint64_t seed;
    uint64_t sequence;       /* of checks */
    uint64_t paced_us;       /* no check before */
    uint64_t selected_us;    /* since when */
    uint64_t hold_us;        /* the peer has not moved, before */
    bool renewing;           /* an initiation went to the path in use alone, and nothing came */
    bool mapping_was_lost;   /* a NAT's, after 10 s and more */
    struct attestation told; /* which of the peer's addresses are its own */

    struct candidate port_set[PATHS_SOURCES]; /* kind 0: none */
    struct port_spray spray;
};

struct path_check {
    struct endpoint to;
    uint64_t value; /* the body of the check, which the answer repeats */
};

struct path_info {
    struct endpoint to;
    uint8_t kind; /* enum candidate_kind */
    enum path_state state;
    int64_t srtt_us;          /* negative: not measured */
    uint64_t answered_age_us; /* UINT64_MAX: never answered */
    bool selected, standby;
};

/**
 * paths_init() - no path, no candidate
 * @seed: random: makes the values of checks and the order of everything unguessable
 */
void paths_init(struct paths *p, uint64_t seed);

/**
 * paths_set() - the candidates of one source; they replace those it named before
 *
 * What is not usable is passed over. New ones are checked soon; others go on as they are. A path
 * that nobody names any more is used while it is valid.
 */
void paths_set(struct paths *p, enum paths_source source, const struct candidate_list *list,
               uint64_t now_us);

/**
 * paths_attest() - the peer, or a site behind the same NAT, really is at @address
 *
 * To be called for addresses that our own configuration named as the peer's; paths that were
 * answered attest theirs themselves.
 */
void paths_attest(struct paths *p, const struct ip_address *address);

/** paths_attested() - whether the peer is known to be at @address */
bool paths_attested(const struct paths *p, const struct ip_address *address);

/**
 * paths_received() - an authenticated datagram of the peer came by this path
 * @from:  where from, and through whom
 * @moves: it was data, and newer than all before: the peer has chosen this path for itself
 *
 * Return: whether the selection changed
 */
bool paths_received(struct paths *p, const struct endpoint *from, bool moves, uint64_t now_us);

/**
 * paths_proved() - a session was made over this path: its response or first data came by it
 * @from: where from, and through whom
 *
 * Like data that are newest, it says where the peer is; and the path is valid until its first check
 * says otherwise. That the peer is at that address only an answered check shows: the source of what
 * came may be spoofed.
 */
void paths_proved(struct paths *p, const struct endpoint *from, uint64_t now_us);

/**
 * paths_answered() - a check's answer came
 * @from:    where from; must be where the check was sent
 * @value:   the check's; what is not under way changes nothing
 * @seen_as: where the peer saw the check come from; family IP_NONE: it did not say
 *
 * The selection may change.
 *
 * Return: whether it answers a check; what it says else was not asked for
 */
bool paths_answered(struct paths *p, const struct endpoint *from, uint64_t value,
                    const struct endpoint *seen_as, uint64_t now_us);

/** paths_doubt() - data is not answered: check the path in use now */
void paths_doubt(struct paths *p, uint64_t now_us);

/**
 * paths_restart() - our network changed, or nothing answers any more: check everything anew
 *
 * The path in use stays in use until another is valid.
 */
void paths_restart(struct paths *p, uint64_t now_us);

/**
 * paths_due() - the next check to send; to be called until it returns false
 *
 * Only while there is a session to send checks in. May change the selection, when checks were not
 * answered in time: compare paths_selected() before and after.
 *
 * Return: whether there is one, in @out
 */
bool paths_due(struct paths *p, uint64_t now_us, struct path_check *out);

/** paths_deadline_us() - when paths_due() has something to do next; UINT64_MAX: never */
uint64_t paths_deadline_us(const struct paths *p);

/**
 * paths_selected() - where to send data
 *
 * NULL: there was no valid path yet. The path in use stays so when it fails, until another is
 * valid; initiations therefore always go to paths_targets().
 */
const struct endpoint *paths_selected(const struct paths *p);

/**
 * paths_targets() - where to send an initiation, or a punch, now
 * @out:      receives them, best first
 * @capacity: how many there is room for; PATHS_MAX always suffice
 *
 * The path in use alone, once, when it is valid: a session is only renewed. Else, and when that
 * was not followed by a session, all: the path in use, then IPv6, IPv4, TURN, other peers.
 * What is configured or attested each time: the caller's clock sets the pace. What only the peer
 * itself named 5 times, then every 25 s; where only a meeting point saw it, 5 times and then more
 * and more seldom, up to 5 min. Port sets are paths_spray()'s.
 *
 * Return: how many
 */
size_t paths_targets(struct paths *p, struct endpoint *out, size_t capacity, uint64_t now_us);

/**
 * paths_keepalive_us() - how long nothing may be sent
 * @configured_us: what people ask for; 0: no keepalives
 *
 * Return: at most 10 s where the peer has seen our port change after 10 s or more of silence: a NAT
 * had forgotten us; else as configured
 */
uint64_t paths_keepalive_us(const struct paths *p, uint64_t configured_us);

/**
 * paths_seen_at() - where the peer is by one family, as its own datagrams show
 * @family: IP_V4 or IP_V6
 *
 * Return: what is in use, if of this family and direct, answered or not: whoever is told tries it
 * with a few checks; else the valid direct path of it whose last check was answered latest; NULL:
 * there is none
 */
const struct endpoint *paths_seen_at(const struct paths *p, enum ip_family family);

/** paths_knows() - is there a path to it, in whatever state: do our initiations go there? */
bool paths_knows(const struct paths *p, const struct endpoint *to);

/** paths_srtt_us() - The smoothed RTT of the path in use; negative: not measured */
int64_t paths_srtt_us(const struct paths *p);

/** paths_info() - every path, for people to look at; returns how many are in @out */
size_t paths_info(const struct paths *p, uint64_t now_us, struct path_info *out, size_t capacity);

/**
 * paths_spray() - the next punch into a port set; to be called until it returns false
 *
 * When the peer has a port set whose address somebody else names, and no direct path is valid: at
 * most PORT_SPRAY_MAX in a minute, 2 ms apart (port_spray.h). With or without a session.
 */
bool paths_spray(struct paths *p, uint64_t now_us, struct endpoint *out);

/** paths_spray_again() - Our NAT has other mappings than before: punch anew */
void paths_spray_again(struct paths *p);

/** paths_spray_deadline_us() - when paths_spray() may have one next; UINT64_MAX: never */
uint64_t paths_spray_deadline_us(const struct paths *p);

#endif
