/* SPDX-License-Identifier: MIT
 *
 * candidate.h - addresses where a site may be reached (the word is ICE's, RFC 8445 s.5.1.1): their
 * kinds, how a list of them is written, and which of them may ever be sent to.
 *
 * The coding, used in the control message, the reply line and the rendezvous blob alike:
 *   count 1, then each: kind 1, family 1 (4 or 6), address 4 or 16, port 2
 * and for a port set, of IPv4 only, instead of the port: offset bits 1, PSID bits 1, PSID 2.
 * A reader skips kinds it does not know, which have a port, so that later versions may say more.
 *
 * A candidate is a claim, and the claim may be a lie: the peer may name somebody else's address.
 * candidate_usable() refuses what cannot or must not be sent to; how little is sent before an
 * answer came from there is paths.h's concern.
 */
#ifndef TUNNEL_CANDIDATE_H
#define TUNNEL_CANDIDATE_H

#include "address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum candidate_kind {
    /* On the wire. */
    CANDIDATE_HOST = 1,      /* an address of the site's own */
    CANDIDATE_REFLEXIVE = 2, /* its NAT's, as a STUN server or a peer saw it */
    CANDIDATE_MAPPED = 3,    /* its router's: by PCP, NAT-PMP, UPnP or a configured forward */
    CANDIDATE_RELAYED = 4,   /* a TURN server's, of the site's own allocation */
    CANDIDATE_PORT_SET = 5,  /* some port of a set: MAP-E, endpoint-dependent mapping */
    /* Here only. */
    CANDIDATE_CONFIGURED = 0x80, /* by our own configuration, or kept from an earlier session */
    CANDIDATE_PEER_REFLEXIVE,    /* a datagram of the peer came from there */
    CANDIDATE_THROUGH_PEER,      /* through a meeting point; endpoint.via says which */
};

/* One site's share of an address's UDP ports by RFC 7597 s.5.1: A | PSID | j, where A has
 * offset_bits and is not 0 (when it has any), and j has the bits that are left of 16. */
struct port_set {
    uint8_t offset_bits, psid_bits; /* together at most 16; psid_bits at least 1 */
    uint16_t psid;
};

struct candidate {
    uint8_t kind; /* enum candidate_kind */
    struct endpoint endpoint;
    struct port_set set; /* CANDIDATE_PORT_SET only, whose endpoint.port is 0; else zeros */
};

enum {
    CANDIDATES_MAX = 16,
    CANDIDATES_MAX_BYTES = 1 + CANDIDATES_MAX * (1 + 1 + 16 + 2),
};

struct candidate_list {
    uint8_t count;
    struct candidate item[CANDIDATES_MAX];
};

/**
 * candidate_encode() - write a list
 * @list:     what to say; kinds of here only, and what is not usable, are left out
 * @out:      where to
 * @capacity: bytes there are at @out; CANDIDATES_MAX_BYTES always suffice
 *
 * Return: bytes written; 0 when it does not fit
 */
size_t candidate_encode(const struct candidate_list *list, uint8_t *out, size_t capacity);

/**
 * candidate_decode() - read a list
 * @list:  the result, without doubles; all zero when false is returned
 * @data:  the coding
 * @bytes: its length
 *
 * What is read is well-formed, not more: paths_set() asks candidate_usable().
 *
 * Return: false when it is cut off or too long, counts more than CANDIDATES_MAX, or holds a family
 * or a port set that cannot be.
 */
bool candidate_decode(struct candidate_list *list, const uint8_t *data, size_t bytes);

/**
 * candidate_usable() - may we ever send there
 *
 * Never: an unknown family or kind, port 0 (but of a port set), what names no single far machine
 * (unspecified, 0/8, multicast, 240/4 and broadcast, IPv4-mapped IPv6), IPv6 link-local without a
 * scope. On a stranger's word, that is for the kinds on the wire, neither: loopback and link-local
 * addresses, where only machines of ours are, and ports below 1024 other than 443 and 500, where
 * services of others listen, log strangers and answer; those two are what people take where
 * firewalls let nothing else out. Our own configuration may name any of these.
 */
bool candidate_usable(const struct candidate *candidate);

/** candidate_equal() - do both say the same, kind and all */
bool candidate_equal(const struct candidate *a, const struct candidate *b);

/** candidate_list_equal() - the same candidates in the same order */
bool candidate_list_equal(const struct candidate_list *a, const struct candidate_list *b);

/**
 * candidate_add() - put one more into a list
 *
 * Not when its endpoint (and port set) is there already. A full list loses the first of those with
 * the lowest priority, when that is lower than the newcomer's: a home with many addresses must not
 * push out the few of other kinds.
 */
void candidate_add(struct candidate_list *list, const struct candidate *candidate);

#endif
