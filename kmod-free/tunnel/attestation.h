/* SPDX-License-Identifier: MIT
 *
 * attestation.h - which addresses a peer is really at, and how little is sent to the others.
 *
 * A peer may name any address as its own, a victim's too. Some are attested: a check that went
 * there was answered, or our own configuration names them. For the others, each address with all
 * its ports, a budget is counted: so many datagrams, or whatever the owner takes it for, within a
 * time. No memory is spent: it is counted by a keyed hash, so that two may have to share.
 */
#ifndef TUNNEL_ATTESTATION_H
#define TUNNEL_ATTESTATION_H

#include "address.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ATTESTATION_ADDRESSES_MAX = 8, /* the oldest goes */
    ATTESTATION_HASHES = 64,
};

struct attestation_budget {
    uint64_t since_us; /* the first of those in used */
    uint8_t used;
};

struct attestation {
    uint64_t seed;
    uint64_t lasts_us; /* a budget */
    uint8_t each;
    uint8_t count, next;
    struct ip_address address[ATTESTATION_ADDRESSES_MAX];
    struct attestation_budget budget[ATTESTATION_HASHES];
};

/**
 * attestation_init() - nothing is attested, nothing was taken
 * @seed:     random, so that nobody can choose addresses that share with a given one
 * @each:     what may be taken for an address not attested, at least 1 ...
 * @lasts_us: ... within this time from the first
 */
void attestation_init(struct attestation *a, uint64_t seed, uint8_t each, uint64_t lasts_us);

/** attestation_add() - the peer is at @address; only of IPv4 and IPv6 */
void attestation_add(struct attestation *a, const struct ip_address *address);

/** attestation_has() - whether the peer is known to be at @address */
bool attestation_has(const struct attestation *a, const struct ip_address *address);

/** attestation_ready_us() - from when on attestation_take() returns true for that @address */
uint64_t attestation_ready_us(const struct attestation *a, const struct ip_address *address);

/** attestation_take() - one of the budget of an @address not attested; false: it is used up */
bool attestation_take(struct attestation *a, const struct ip_address *address, uint64_t now_us);

#endif
