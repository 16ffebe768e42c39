/* SPDX-License-Identifier: MIT
 *
 * attestation.h - which addresses a peer is really at, and how little is sent to the others.
 *
 * A peer may name any address as its own, a victim's too. Some are attested: a check that went
 * there was answered, or somebody else whom we believe named them. To the others, each address with
 * all its ports, no more than ATTESTATION_BUDGET datagrams go within 30 s, and no memory is spent:
 * they are counted by a keyed hash, so that two may have to share.
 */
#ifndef TUNNEL_ATTESTATION_H
#define TUNNEL_ATTESTATION_H

#include "address.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ATTESTATION_ADDRESSES_MAX = 8, /* the oldest goes */
    ATTESTATION_HASHES = 64,
    ATTESTATION_BUDGET = 5,
};

struct attestation_budget {
    uint64_t since_us; /* the first of those in used */
    uint8_t used;
};

struct attestation {
    uint64_t seed;
    uint8_t count, next;
    struct ip_address address[ATTESTATION_ADDRESSES_MAX];
    struct attestation_budget budget[ATTESTATION_HASHES];
};

/**
 * attestation_init() - nothing is attested, nothing was sent
 * @seed: random, so that nobody can choose addresses that share with a given one
 */
void attestation_init(struct attestation *a, uint64_t seed);

/** attestation_add() - the peer is at @address; only of IPv4 and IPv6 */
void attestation_add(struct attestation *a, const struct ip_address *address);

/** attestation_has() - whether the peer is known to be at @address */
bool attestation_has(const struct attestation *a, const struct ip_address *address);

/** attestation_ready_us() - from when on a datagram may be sent to an @address not attested */
uint64_t attestation_ready_us(const struct attestation *a, const struct ip_address *address);

/** attestation_take() - one datagram goes to @address, not attested; false: it must not */
bool attestation_take(struct attestation *a, const struct ip_address *address, uint64_t now_us);

#endif
