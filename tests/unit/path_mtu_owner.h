/* SPDX-License-Identifier: MIT
 *
 * path_mtu_owner.h - the owner's part in the tests of path_mtu.h: it waits for rounds, and answers
 * as a path of a given size does, a round trip after the probes were sent.
 */
#ifndef TESTS_PATH_MTU_OWNER_H
#define TESTS_PATH_MTU_OWNER_H

#include "tunnel/path_mtu.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MS        UINT64_C(1000)
#define SECOND_US UINT64_C(1000000)
#define NEVER     UINT64_MAX

enum { RTT_US = 20000, ROUNDS_MAX = 2000 };

static struct path_mtu p;
static uint64_t now_us;
static int64_t rtt_us;
static struct path_mtu_probe probe[PATH_MTU_SIZES_MAX];
static unsigned count; /* of probe[] */
static unsigned probes_sent;

static inline void setup(void)
{
    memset(&p, 0, sizeof p);
    now_us = 5;
    rtt_us = RTT_US;
    probes_sent = 0;
    path_mtu_set(&p, 0, 0);
}

/* What is to be sent now. */
static inline void take_due(void)
{
    count = path_mtu_due(&p, rtt_us, now_us, probe);
    probes_sent += count;
}

/* Wait for the next round, and note its probes. */
static inline void next_round(void)
{
    count = 0;
    for (unsigned i = 0; i < ROUNDS_MAX && count == 0; i++) {
        uint64_t at_us = path_mtu_deadline_us(&p);
        ck_assert_uint_ne(at_us, NEVER);
        if (at_us > now_us)
            now_us = at_us;
        take_due();
        ck_assert_uint_gt(path_mtu_deadline_us(&p), now_us);
        ck_assert_uint_le(count, PATH_MTU_SIZES_MAX);
    }
    ck_assert_uint_gt(count, 0);
}

static inline bool probed(unsigned bytes)
{
    for (unsigned i = 0; i < count; i++)
        if (probe[i].bytes == bytes)
            return true;
    return false;
}

/* The answers of a path that carries @mtu_bytes, a round trip after they were sent. */
static inline void answer(unsigned mtu_bytes)
{
    uint64_t sent_us = now_us;
    now_us += rtt_us > 0 ? (uint64_t)rtt_us : 0;
    path_mtu_control(&p, sent_us, now_us);
    for (unsigned i = 0; i < count; i++)
        if (probe[i].bytes <= mtu_bytes)
            path_mtu_answered(&p, probe[i].value, now_us);
}

/* On a path that carries @mtu_bytes; returns the number of rounds. */
static inline unsigned find(unsigned mtu_bytes)
{
    unsigned rounds = 0;
    do {
        unsigned before_bytes = p.mtu_bytes;
        if (path_mtu_deadline_us(&p) > now_us)
            now_us = path_mtu_deadline_us(&p);
        take_due();
        if (count != 0)
            answer(mtu_bytes);
        ck_assert(p.mtu_bytes <= before_bytes || p.mtu_bytes <= mtu_bytes);
        ck_assert_uint_lt(rounds++, ROUNDS_MAX);
    } while (p.state != PATH_MTU_FOUND);
    return rounds;
}

static inline void begin_and_find(enum ip_family family, unsigned mtu_bytes)
{
    path_mtu_begin(&p, family, now_us);
    find(mtu_bytes);
    ck_assert_uint_eq(p.mtu_bytes, mtu_bytes);
}

#endif
