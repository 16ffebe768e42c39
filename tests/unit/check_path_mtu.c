/* SPDX-License-Identifier: MIT
 *
 * check_path_mtu.c - the states of the search for a path's MTU and what ends each; its timers, and
 * what it does not believe. What it ends at on many kinds of path is tests/sim/check_path_mtu.c's.
 */
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

static void setup(void)
{
    memset(&p, 0, sizeof p);
    now_us = 5;
    rtt_us = RTT_US;
    path_mtu_set(&p, 0, 0);
}

/* ---- an owner ---- */

/* Wait for the next round, and note its probes. */
static void next_round(void)
{
    count = 0;
    for (unsigned i = 0; i < ROUNDS_MAX && count == 0; i++) {
        uint64_t at_us = path_mtu_deadline_us(&p);
        ck_assert_uint_ne(at_us, NEVER);
        if (at_us > now_us)
            now_us = at_us;
        count = path_mtu_due(&p, rtt_us, now_us, probe);
        ck_assert_uint_gt(path_mtu_deadline_us(&p), now_us);
        ck_assert_uint_le(count, PATH_MTU_SIZES_MAX);
    }
    ck_assert_uint_gt(count, 0);
}

static bool probed(unsigned bytes)
{
    for (unsigned i = 0; i < count; i++)
        if (probe[i].bytes == bytes)
            return true;
    return false;
}

/* The answers of a path that carries @mtu_bytes, a round trip after they were sent. */
static void answer(unsigned mtu_bytes)
{
    uint64_t sent_us = now_us;
    now_us += rtt_us > 0 ? (uint64_t)rtt_us : 0;
    path_mtu_control(&p, sent_us);
    for (unsigned i = 0; i < count; i++)
        if (probe[i].bytes <= mtu_bytes)
            path_mtu_answered(&p, probe[i].value, now_us);
}

/* On a path that carries @mtu_bytes; returns the number of rounds. */
static unsigned find(unsigned mtu_bytes)
{
    unsigned rounds = 0;
    do {
        unsigned before_bytes = p.mtu_bytes;
        if (path_mtu_deadline_us(&p) > now_us)
            now_us = path_mtu_deadline_us(&p);
        count = path_mtu_due(&p, rtt_us, now_us, probe);
        if (count != 0)
            answer(mtu_bytes);
        ck_assert(p.mtu_bytes <= before_bytes || p.mtu_bytes <= mtu_bytes);
        ck_assert_uint_lt(rounds++, ROUNDS_MAX);
    } while (p.state != PATH_MTU_FOUND);
    return rounds;
}

static void begin_and_find(enum ip_family family, unsigned mtu_bytes)
{
    path_mtu_begin(&p, family, now_us);
    find(mtu_bytes);
    ck_assert_uint_eq(p.mtu_bytes, mtu_bytes);
}

/* ---- search ---- */

START_TEST(it_begins_at_the_familys_base)
{
    static const struct {
        enum ip_family family;
        unsigned base_bytes;
    } row[] = {{IP_V4, 1200}, {IP_V6, 1280}};

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        path_mtu_begin(&p, row[i].family, now_us);
        ck_assert_int_eq(p.state, PATH_MTU_SEARCHING);
        ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_UNKNOWN);
        ck_assert_uint_eq(p.mtu_bytes, row[i].base_bytes);
        ck_assert(!p.proved);
        ck_assert_uint_le(path_mtu_deadline_us(&p), now_us);
        begin_and_find(row[i].family, 1500); /* and again from there when the path is a new one */
    }
}
END_TEST

START_TEST(all_known_sizes_are_tried_at_once)
{
    static const unsigned known[] = {1280, 1360, 1400, 1454, 1460, 1492, 1500};
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        ck_assert_msg(probed(known[i]), "%u", known[i]);
    ck_assert(probed(p.base_bytes));
    for (unsigned i = 0; i < count; i++) {
        ck_assert(path_mtu_is_probe(probe[i].value));
        for (unsigned k = 0; k < i; k++)
            ck_assert_uint_ne(probe[i].bytes, probe[k].bytes);
    }
    answer(1460);
    ck_assert_uint_eq(p.mtu_bytes, 1460); /* in use at once */
    ck_assert_uint_eq(p.proved_us, now_us);
}
END_TEST

START_TEST(it_is_exact_to_the_byte)
{
    static const int64_t rtts[] = {-1, 0, 2000, 20000, 500000, 3000000};
    for (size_t i = 0; i < sizeof rtts / sizeof rtts[0]; i++)
        for (unsigned mtu = PATH_MTU_BASE_V4_BYTES; mtu <= OUTER_PACKET_MAX_BYTES;
             mtu += mtu < 1510 ? 1 : 149) {
            setup();
            rtt_us = rtts[i];
            p.epoch = p.round = UINT16_MAX - 1; /* they wrap, too */
            begin_and_find(IP_V4, mtu);
            ck_assert_uint_le(p.probes_sent, 120);
            ck_assert_uint_eq(p.black_holes, 0);
            ck_assert(p.proved);
            if (mtu < PATH_MTU_BASE_V6_BYTES)
                continue;
            setup();
            rtt_us = rtts[i];
            begin_and_find(IP_V6, mtu);
        }
}
END_TEST

START_TEST(it_says_what_limits_it)
{
    static const struct {
        unsigned mtu_bytes, told_bytes;
        bool by_kernel;
        enum path_mtu_limit limit;
    } row[] = {
        {9000, 0, false, PATH_MTU_LIMIT_MAXIMUM},       {1500, 0, false, PATH_MTU_LIMIT_PATH},
        {1500, 1500, true, PATH_MTU_LIMIT_INTERFACE},   {1454, 1454, false, PATH_MTU_LIMIT_ROUTER},
        {1454, 1400, false, PATH_MTU_LIMIT_PATH}, /* not true: it carries more */
        {1454, 1460, false, PATH_MTU_LIMIT_PATH}, /* nor does it carry that */
        {1200, 0, false, PATH_MTU_LIMIT_PATH},          {1199, 0, false, PATH_MTU_LIMIT_BELOW_BASE},
        {1199, 1199, false, PATH_MTU_LIMIT_BELOW_BASE},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        path_mtu_begin(&p, IP_V4, now_us);
        if (row[i].told_bytes)
            path_mtu_hint(&p, (uint16_t)row[i].told_bytes, row[i].by_kernel, now_us);
        find(row[i].mtu_bytes);
        ck_assert_msg(p.limit == row[i].limit, "row %zu: %u", i, p.limit);
        ck_assert_uint_eq(p.mtu_bytes,
                          row[i].mtu_bytes < p.base_bytes ? p.base_bytes : row[i].mtu_bytes);
        ck_assert_int_eq(p.below_base, row[i].mtu_bytes < p.base_bytes);
    }
}
END_TEST

START_TEST(a_hint_settles_it_with_two_probes)
{
    path_mtu_begin(&p, IP_V4, now_us);
    path_mtu_hint(&p, 5003, false, now_us);
    next_round();
    ck_assert(probed(5003) && probed(5004));
    answer(5003);
    ck_assert_uint_eq(p.mtu_bytes, 5003);
    ck_assert_uint_le(find(5003), 4);
    ck_assert_int_eq(p.state, PATH_MTU_FOUND);
}
END_TEST

/* ---- states without rounds ---- */

START_TEST(a_fixed_size_is_never_due)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    path_mtu_set(&p, 1400, 0);
    path_mtu_begin(&p, IP_V4, now_us);
    for (unsigned i = 0; i < 100; i++, now_us += 100 * SECOND_US) {
        ck_assert_int_eq(p.state, PATH_MTU_FIXED);
        ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_CONFIGURATION);
        ck_assert_uint_eq(p.mtu_bytes, 1400);
        ck_assert_uint_eq(path_mtu_deadline_us(&p), NEVER);
        ck_assert_uint_eq(path_mtu_due(&p, rtt_us, now_us, probe), 0);
        path_mtu_sent(&p, 1400, now_us);
        path_mtu_hint(&p, 1300, i % 2, now_us);
        path_mtu_answered(&p, probe[0].value, now_us);
        path_mtu_control(&p, now_us);
    }
    path_mtu_stop(&p);
    ck_assert_uint_eq(path_mtu_deadline_us(&p), NEVER);

    path_mtu_set(&p, 0, 0);
    ck_assert_int_eq(p.state, PATH_MTU_STOPPED);
    ck_assert_uint_eq(path_mtu_deadline_us(&p), NEVER);
    begin_and_find(IP_V4, 1500);
}
END_TEST

START_TEST(a_reload_that_changes_nothing_disturbs_nothing)
{
    begin_and_find(IP_V4, 1454);
    uint64_t deadline_us = path_mtu_deadline_us(&p);
    path_mtu_set(&p, 0, 0);
    ck_assert_int_eq(p.state, PATH_MTU_FOUND);
    ck_assert_uint_eq(p.mtu_bytes, 1454);
    ck_assert_uint_eq(path_mtu_deadline_us(&p), deadline_us);
}
END_TEST

START_TEST(a_stopped_one_keeps_its_result)
{
    begin_and_find(IP_V4, 1454);
    enum path_mtu_limit limit = (enum path_mtu_limit)p.limit;
    path_mtu_stop(&p);
    for (unsigned i = 0; i < 100; i++, now_us += 100 * SECOND_US) {
        ck_assert_int_eq(p.state, PATH_MTU_STOPPED);
        ck_assert_uint_eq(path_mtu_deadline_us(&p), NEVER);
        ck_assert_uint_eq(path_mtu_due(&p, rtt_us, now_us, probe), 0);
        path_mtu_sent(&p, 1454, now_us);
        path_mtu_hint(&p, 1300, i % 2, now_us);
        path_mtu_control(&p, now_us);
    }
    ck_assert_uint_eq(p.mtu_bytes, 1454);
    ck_assert_int_eq(p.limit, limit);
    begin_and_find(IP_V6, 1500);
}
END_TEST

/* ---- what is believed ---- */

START_TEST(answers_of_another_path_are_not_believed)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    struct path_mtu_probe old[PATH_MTU_SIZES_MAX];
    unsigned old_count = count;
    memcpy(old, probe, sizeof old);

    path_mtu_begin(&p, IP_V4, now_us);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < old_count; i++)
            path_mtu_answered(&p, old[i].value, now_us);
        ck_assert_uint_eq(p.mtu_bytes, p.base_bytes);
        ck_assert(!p.proved);
        next_round();
    }
    path_mtu_stop(&p);
    for (unsigned i = 0; i < count; i++)
        path_mtu_answered(&p, probe[i].value, now_us);
    ck_assert_uint_eq(p.mtu_bytes, p.base_bytes);
    ck_assert_int_eq(p.state, PATH_MTU_STOPPED);
}
END_TEST

START_TEST(answers_to_what_was_not_sent_change_nothing)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    struct path_mtu before = p;
    for (unsigned i = 0; i < count; i++)
        for (unsigned bit = 0; bit < 64; bit++) {
            uint64_t value = probe[i].value ^ UINT64_C(1) << bit;
            bool known = false;
            p = before;
            for (unsigned k = 0; k < count; k++)
                known = known || (value & 0xffff) == probe[k].bytes;
            path_mtu_answered(&p, value, now_us);
            if (!known) /* otherwise it is one of those sizes, perhaps of another round */
                ck_assert_uint_eq(p.mtu_bytes, p.base_bytes);
        }
}
END_TEST

START_TEST(probes_are_told_from_times)
{
    static const uint64_t times[] = {
        0, 1, 1000000, UINT64_C(1) << 32, UINT64_C(1) << 40, (UINT64_C(1) << 48) - 1};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        ck_assert(!path_mtu_is_probe(times[i]));
    for (unsigned epoch = 0; epoch <= UINT16_MAX; epoch += 257) {
        p.epoch = (uint16_t)epoch;
        p.round = (uint16_t)(3 * epoch);
        path_mtu_begin(&p, IP_V4, now_us);
        next_round();
        for (unsigned i = 0; i < count; i++)
            ck_assert(path_mtu_is_probe(probe[i].value));
    }
}
END_TEST

START_TEST(a_second_answer_changes_nothing)
{
    path_mtu_begin(&p, IP_V4, now_us);
    for (unsigned i = 0; p.state != PATH_MTU_FOUND; i++) {
        ck_assert_uint_lt(i, ROUNDS_MAX);
        count = path_mtu_due(&p, rtt_us, now_us, probe);
        for (unsigned twice = 0; twice < 2 && count != 0; twice++)
            answer(1459);
        ck_assert_uint_le(p.mtu_bytes, 1459);
        if (path_mtu_deadline_us(&p) > now_us)
            now_us = path_mtu_deadline_us(&p);
    }
    ck_assert_uint_eq(p.mtu_bytes, 1459);
}
END_TEST

START_TEST(a_late_answer_counts)
{
    path_mtu_begin(&p, IP_V4, now_us);
    next_round();
    struct path_mtu_probe largest = probe[0];
    for (unsigned i = 0; i < count; i++)
        if (probe[i].bytes == 1500)
            largest = probe[i];
    answer(1280);
    next_round(); /* 1500 has lost one try, no more */
    path_mtu_answered(&p, largest.value, now_us);
    ck_assert_uint_eq(p.mtu_bytes, 1500);
}
END_TEST

START_TEST(hints_are_tried_and_not_believed)
{
    static const struct {
        unsigned bytes;
        bool by_kernel;
        bool confirmed; /* the size in use is put to the test at once */
    } row[] = {
        {1499, false, true},  {1400, false, true}, {1280, true, true},   {1200, false, true},
        {1500, false, false}, {1501, true, false}, {65535, true, false}, {9000, false, false},
        {0, false, true},     {0, true, true},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        begin_and_find(IP_V4, 1500);
        now_us += SECOND_US;
        path_mtu_hint(&p, (uint16_t)row[i].bytes, row[i].by_kernel, now_us);
        ck_assert_uint_eq(p.mtu_bytes, 1500);
        ck_assert_msg((path_mtu_deadline_us(&p) <= now_us) == row[i].confirmed, "row %zu", i);
        next_round();
        ck_assert(probed(1500));
        answer(1500);
        ck_assert_uint_eq(p.mtu_bytes, 1500);
        ck_assert_int_eq(p.state, PATH_MTU_FOUND);
        ck_assert_uint_eq(p.black_holes, 0);
    }
}
END_TEST

START_TEST(a_true_hint_is_followed_at_once)
{
    for (unsigned by_kernel = 0; by_kernel < 2; by_kernel++) {
        setup();
        begin_and_find(IP_V4, 1500);
        now_us += SECOND_US;
        uint64_t began_us = now_us;
        path_mtu_hint(&p, 1397, by_kernel, now_us);
        find(1397);
        ck_assert_uint_eq(p.mtu_bytes, 1397);
        ck_assert_uint_eq(p.black_holes, 1);
        ck_assert_int_eq(p.limit, by_kernel ? PATH_MTU_LIMIT_INTERFACE : PATH_MTU_LIMIT_ROUTER);
        ck_assert_uint_le(now_us - began_us, 2 * SECOND_US);
    }
}
END_TEST

START_TEST(a_flood_of_hints_costs_little)
{
    begin_and_find(IP_V4, 1500);
    uint64_t before = p.probes_sent, end_us = now_us + 10 * SECOND_US;
    while (now_us < end_us) {
        path_mtu_hint(&p, (uint16_t)(1200 + now_us % 300), now_us % 3 == 0, now_us);
        if (path_mtu_deadline_us(&p) <= now_us) {
            uint64_t sent_us = now_us;
            count = path_mtu_due(&p, rtt_us, now_us, probe);
            if (count != 0)
                answer(1500);
            now_us = sent_us;
        }
        now_us += MS;
    }
    ck_assert_uint_eq(p.mtu_bytes, 1500);
    ck_assert_uint_le(p.probes_sent - before, 41 + 4);
}
END_TEST

/* ---- timers ---- */

/* Answers everything until a size above that in use is probed; returns when. */
static uint64_t next_raise_us(unsigned mtu_bytes)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        next_round();
        if (probed(mtu_bytes + 1)) {
            uint64_t at_us = now_us;
            answer(mtu_bytes);
            find(mtu_bytes);
            return at_us;
        }
        answer(mtu_bytes);
    }
    ck_abort_msg("no raise");
    return 0;
}

START_TEST(the_raise_grows_rarer)
{
    static const struct {
        uint64_t raise_s;
        uint64_t wait_s[6];
    } row[] = {
        {0, {30, 120, 480, 600, 600, 600}},
        {600, {30, 120, 480, 600, 600, 600}},
        {200, {30, 120, 200, 200, 200, 200}},
        {30, {30, 30, 30, 30, 30, 30}},
        {5, {5, 5, 5, 5, 5, 5}},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        path_mtu_set(&p, 0, row[i].raise_s * SECOND_US);
        begin_and_find(IP_V4, 1460);
        uint64_t found_us = now_us;
        for (unsigned k = 0; k < 6; k++) {
            uint64_t wait_us = next_raise_us(1460) - found_us;
            ck_assert_msg(wait_us >= row[i].wait_s[k] * SECOND_US &&
                              wait_us <= (row[i].wait_s[k] + 1) * SECOND_US,
                          "row %zu, raise %u: %llu us", i, k, (unsigned long long)wait_us);
            found_us = now_us;
        }
    }
}
END_TEST

START_TEST(a_raise_finds_a_larger_path)
{
    begin_and_find(IP_V4, 1280);
    uint64_t began_us = now_us;
    do {
        next_round();
        answer(1492);
    } while (p.mtu_bytes == 1280);
    ck_assert_uint_le(now_us - began_us, 31 * SECOND_US);
    find(1492);
    ck_assert_uint_eq(p.mtu_bytes, 1492);
    ck_assert_uint_eq(p.black_holes, 0);
}
END_TEST

START_TEST(the_largest_is_not_raised)
{
    begin_and_find(IP_V4, OUTER_PACKET_MAX_BYTES);
    for (unsigned i = 0; i < 100; i++) {
        next_round();
        ck_assert_uint_eq(count, 1);
        ck_assert_uint_eq(probe[0].bytes, OUTER_PACKET_MAX_BYTES);
        answer(OUTER_PACKET_MAX_BYTES);
    }
}
END_TEST

START_TEST(it_confirms_what_is_used)
{
    static const struct {
        unsigned sent_bytes; /* 0: nothing */
        uint64_t from_ms, to_ms;
    } row[] = {
        {1500, 0, 1000},      {1400, 0, 1000},     {1201, 0, 1000},
        {1200, 29000, 30001}, {100, 29000, 30001}, {0, 29000, 30001},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        path_mtu_set(&p, 0, 600 * SECOND_US);
        begin_and_find(IP_V4, 1500);
        next_raise_us(1500); /* the first raise would come between */
        uint64_t began_us = now_us;
        if (row[i].sent_bytes)
            path_mtu_sent(&p, (uint16_t)row[i].sent_bytes, now_us);
        next_round();
        ck_assert_uint_eq(count, 1);
        ck_assert_uint_eq(probe[0].bytes, 1500);
        ck_assert_int_eq(p.state, PATH_MTU_CONFIRMING);
        ck_assert_msg(now_us - began_us >= row[i].from_ms * MS &&
                          now_us - began_us <= row[i].to_ms * MS,
                      "row %zu: %llu us", i, (unsigned long long)(now_us - began_us));
        answer(1500);
        ck_assert_int_eq(p.state, PATH_MTU_FOUND);
        ck_assert_uint_eq(p.proved_us, now_us);
    }
}
END_TEST

START_TEST(a_black_hole_sends_it_back_to_the_base)
{
    begin_and_find(IP_V4, 1500);
    path_mtu_sent(&p, 1500, now_us);
    uint64_t began_us = now_us;
    for (unsigned i = 0; p.mtu_bytes == 1500; i++) {
        ck_assert_uint_lt(i, 20);
        next_round();
        if (p.mtu_bytes == 1500)
            answer(1280);
    }
    ck_assert_uint_eq(p.mtu_bytes, p.base_bytes);
    ck_assert_int_eq(p.state, PATH_MTU_SEARCHING);
    ck_assert_int_eq(p.limit, PATH_MTU_LIMIT_UNKNOWN);
    ck_assert_uint_eq(p.black_holes, 1);
    ck_assert_uint_le(now_us - began_us, 2 * SECOND_US);
    find(1280);
    ck_assert_uint_eq(p.mtu_bytes, 1280);
}
END_TEST

START_TEST(nothing_is_below_the_base)
{
    begin_and_find(IP_V6, PATH_MTU_BASE_V6_BYTES);
    for (unsigned i = 0; i < 200; i++) {
        path_mtu_sent(&p, PATH_MTU_BASE_V6_BYTES, now_us);
        path_mtu_hint(&p, 1000, i % 2, now_us);
        next_round();
        answer(1000);
        ck_assert_uint_eq(p.mtu_bytes, PATH_MTU_BASE_V6_BYTES);
    }
    ck_assert_uint_eq(p.black_holes, 0);
    find(PATH_MTU_BASE_V6_BYTES);
    ck_assert_uint_eq(p.mtu_bytes, PATH_MTU_BASE_V6_BYTES);
}
END_TEST

START_TEST(rounds_without_a_control_prove_nothing)
{
    for (unsigned searching = 0; searching < 2; searching++) {
        setup();
        if (searching)
            path_mtu_begin(&p, IP_V4, now_us);
        else
            begin_and_find(IP_V4, 1500);
        unsigned bytes = p.mtu_bytes, too_large = p.too_large_bytes;
        uint64_t before_us = now_us;
        for (unsigned i = 0; i < 300; i++) {
            path_mtu_sent(&p, (uint16_t)bytes, now_us);
            next_round(); /* and nothing comes */
        }
        ck_assert_uint_eq(p.mtu_bytes, bytes);
        ck_assert(!searching || p.too_large_bytes == too_large);
        ck_assert_uint_eq(p.black_holes, 0);
        ck_assert_uint_ge(now_us - before_us, 300 * SECOND_US); /* slower and slower */
        find(1500);
        ck_assert_uint_eq(p.mtu_bytes, 1500);
    }
}
END_TEST

START_TEST(a_round_lasts_longer_than_the_round_trip)
{
    static const struct {
        int64_t rtt_us;
        uint64_t from_us, to_us;
    } row[] = {
        {-1, 200000, 1000000},       {0, 10000, 200000},       {2000, 10000, 200000},
        {50000, 60000, 300000},      {100000, 120000, 500000}, {500000, 600000, 1500000},
        {1000000, 1200000, 3000000},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        setup();
        rtt_us = row[i].rtt_us;
        path_mtu_begin(&p, IP_V4, now_us);
        next_round();
        uint64_t us = path_mtu_deadline_us(&p) - now_us;
        ck_assert_msg(us >= row[i].from_us && us <= row[i].to_us, "row %zu: %llu us", i,
                      (unsigned long long)us);
        ck_assert_uint_eq(path_mtu_due(&p, rtt_us, now_us, probe), 0);
        ck_assert_uint_eq(path_mtu_due(&p, rtt_us, now_us + us - 1, probe), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("path_mtu");
    TCase *tc = tcase_create("path_mtu");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, it_begins_at_the_familys_base);
    tcase_add_test(tc, all_known_sizes_are_tried_at_once);
    tcase_add_test(tc, it_is_exact_to_the_byte);
    tcase_add_test(tc, it_says_what_limits_it);
    tcase_add_test(tc, a_hint_settles_it_with_two_probes);
    tcase_add_test(tc, a_fixed_size_is_never_due);
    tcase_add_test(tc, a_reload_that_changes_nothing_disturbs_nothing);
    tcase_add_test(tc, a_stopped_one_keeps_its_result);
    tcase_add_test(tc, answers_of_another_path_are_not_believed);
    tcase_add_test(tc, answers_to_what_was_not_sent_change_nothing);
    tcase_add_test(tc, probes_are_told_from_times);
    tcase_add_test(tc, a_second_answer_changes_nothing);
    tcase_add_test(tc, a_late_answer_counts);
    tcase_add_test(tc, hints_are_tried_and_not_believed);
    tcase_add_test(tc, a_true_hint_is_followed_at_once);
    tcase_add_test(tc, a_flood_of_hints_costs_little);
    tcase_add_test(tc, the_raise_grows_rarer);
    tcase_add_test(tc, a_raise_finds_a_larger_path);
    tcase_add_test(tc, the_largest_is_not_raised);
    tcase_add_test(tc, it_confirms_what_is_used);
    tcase_add_test(tc, a_black_hole_sends_it_back_to_the_base);
    tcase_add_test(tc, nothing_is_below_the_base);
    tcase_add_test(tc, rounds_without_a_control_prove_nothing);
    tcase_add_test(tc, a_round_lasts_longer_than_the_round_trip);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
