/* SPDX-License-Identifier: MIT
 *
 * admission.h - which initiations are worth a Diffie-Hellman computation.
 *
 * One costs half a millisecond on a home router. While few come, all are admitted. When more come
 * than ADMISSION_PER_SECOND, a sender must first show, by a cookie (mac2), that it can receive at
 * the address it claims; and then each address has an allowance of its own, so that one that
 * proves itself and then floods takes nothing from the others (WireGuard whitepaper 5.4.7). To tell
 * a sender of its cookie costs a datagram, more than all else that a flood makes us do: beyond
 * ADMISSION_COOKIES_PER_SECOND nobody is told, and what is left of the processor is the sessions'.
 */
#ifndef TUNNEL_ADMISSION_H
#define TUNNEL_ADMISSION_H

#include "address.h"

enum {
    ADMISSION_PER_SECOND = 50, /* without a cookie, all senders together */
    ADMISSION_BURST = 50,
    ADMISSION_SOURCE_PER_SECOND = 10, /* with a cookie, each address (IPv6: each /64) */
    ADMISSION_SOURCE_BURST = 10,
    ADMISSION_SOURCES = 256,
    ADMISSION_COOKIES_PER_SECOND = 25000,
    ADMISSION_COOKIES_BURST = 2500,
};

/* Rates are rate.h's. */
struct admission {
    uint8_t hash_key[16];
    uint64_t all_us, cookies_us;
    uint64_t source_us[ADMISSION_SOURCES]; /* by hash; neighbours share, harmlessly */
};

enum admission_verdict { ADMIT, ADMIT_WITH_COOKIE };

/** admission_init() - @hash_key: random, so that nobody can aim at another's allowance */
void admission_init(struct admission *a, const uint8_t hash_key[16]);

/** admission_check() - May this initiation be computed, or must it bring a cookie? Counts it. */
enum admission_verdict admission_check(struct admission *a, uint64_t now_us);

/** admission_check_source() - For one that brought its cookie; counts it. false: drop it */
bool admission_check_source(struct admission *a, const struct ip_address *source, uint64_t now_us);

/** admission_check_cookie() - May a cookie be sent? Counts it. */
bool admission_check_cookie(struct admission *a, uint64_t now_us);

#endif
