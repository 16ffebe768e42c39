/* SPDX-License-Identifier: MIT
 *
 * check_codel.c - RFC 8289's law as a table of times; who is never dropped; ECN's bits.
 */
#include "frame/codel.h"

#include "frame/packet.h"
#include "frames.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum {
    START_US = 1000,
    STEP_US = 50,
    WAITED_US = 1000, /* more than the target */
    INTERVAL_US = 5000,
    LARGE_BYTES = 1514,
    DROPS_MAX = 64,
};

static struct codel codel;
static uint64_t now_us;

static void begin(void)
{
    uint8_t key[CODEL_KEY_BYTES];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 151 + 17);
    codel_init(&codel, key);
    ck_assert_uint_eq(codel.interval_us, INTERVAL_US);
    ck_assert_uint_eq(codel.target_us, 500);
    now_us = START_US;
}

static const char *const ADDRESS[2][2] = {{"192.168.1.2", "192.168.2.3"},
                                          {"2001:db8:1::2", "2001:db8:2::3"}};

/* A frame of @bytes; ports tell flows apart. */
static size_t stream_frame(uint8_t *frame, bool ipv6, uint16_t port, size_t bytes, uint8_t tags)
{
    static const uint8_t payload[FRAME_BYTES_MAX];
    struct frame_spec spec = {.destination = frame_mac(2),
                              .vlan_tags = tags,
                              .ip_source = frame_ip(ADDRESS[ipv6][0]),
                              .ip_destination = frame_ip(ADDRESS[ipv6][1]),
                              .ttl = 64,
                              .source_port = port,
                              .destination_port = 5201};
    size_t headers = ETHER_HEADER_BYTES + (ipv6 ? 40u : 20u) + 4u * tags + 8;
    return frame_udp(frame, spec, payload, bytes - headers);
}

static enum codel_verdict judge(const uint8_t *frame, size_t bytes, uint32_t waited_us)
{
    return codel_standing(&codel, waited_us) ? codel_judge(&codel, frame, bytes, waited_us, now_us)
                                             : CODEL_PASS;
}

/* One large frame each STEP_US that waited @waited_us. Return: how many were dropped, and when */
static unsigned stream(uint16_t port, uint32_t waited_us, uint64_t us, uint64_t drop_us[DROPS_MAX])
{
    uint8_t frame[FRAME_BYTES_MAX];
    size_t bytes = stream_frame(frame, false, port, LARGE_BYTES, 0);
    unsigned drops = 0;
    for (uint64_t end_us = now_us + us; now_us < end_us; now_us += STEP_US)
        if (judge(frame, bytes, waited_us) == CODEL_DROP && drops++ < DROPS_MAX && drop_us)
            drop_us[drops - 1] = now_us;
    return drops;
}

/* On the grid of STEP_US: when a drop that is due after @us happens. */
static uint64_t on_grid(uint64_t us)
{
    return START_US + (us + STEP_US - 1) / STEP_US * STEP_US;
}

static void expect_drops(const uint64_t *got, unsigned drops, const uint64_t *due, unsigned count)
{
    ck_assert_uint_eq(drops, count);
    for (unsigned i = 0; i < count; i++)
        ck_assert_uint_eq(got[i], on_grid(due[i]));
}

/* ---- The law ---- */

/* The first after an interval, then interval / sqrt(count) after the one before: 5000, 3535, 2886,
 * 2500, 2236, 2041, 1889, 1767, 1666. */
START_TEST(drops_come_faster)
{
    static const uint64_t due[] = {5000,  10000, 13535, 16421, 18921,
                                   21157, 23198, 25087, 26854, 28520};
    uint64_t got[DROPS_MAX];
    begin();
    unsigned drops = stream(1, WAITED_US, 29000, got);
    expect_drops(got, drops, due, sizeof due / sizeof due[0]);
}
END_TEST

START_TEST(pace_has_a_limit)
{
    begin();
    stream(1, WAITED_US, 10 * 1000000, NULL);
    ck_assert_uint_eq(stream(1, WAITED_US, 100 * INTERVAL_US, NULL), 400);
}
END_TEST

/* One datagram in time, of whomever, and the interval begins anew. */
START_TEST(queue_must_stand)
{
    uint64_t got[DROPS_MAX];
    begin();
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(stream(1, WAITED_US, INTERVAL_US, got), 0);
        ck_assert(!codel_standing(&codel, codel.target_us - 1));
    }
    ck_assert_uint_eq(stream(1, WAITED_US, INTERVAL_US + STEP_US, got), 1);
    ck_assert(codel_standing(&codel, codel.target_us));
    ck_assert_uint_eq(stream(1, codel.target_us, INTERVAL_US, got), 1);
    ck_assert_uint_eq(stream(1, codel.target_us - 1, INTERVAL_US, got), 0);
}
END_TEST

/* So does a socket that was read empty, however long its datagrams waited. */
START_TEST(empty_queue_does_not_stand)
{
    begin();
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(stream(1, WAITED_US, INTERVAL_US, NULL), 0);
        codel_emptied(&codel);
    }
    ck_assert_uint_eq(stream(1, WAITED_US, INTERVAL_US + STEP_US, NULL), 1);
    codel_emptied(&codel); /* ends the dropping, too */
    ck_assert_uint_eq(stream(1, WAITED_US, INTERVAL_US, NULL), 0);
    ck_assert_uint_eq(stream(1, WAITED_US, STEP_US, NULL), 1);
}
END_TEST

/* After drops with counts up to 8, and then @pause_us without a queue. */
static const struct {
    uint64_t pause_us;
    uint64_t gap_us; /* between the first and the second drop of the next time */
} REENTRY[] = {
    {0, 1900},     /* interval / sqrt(8 - 1), on the grid */
    {50000, 1900}, /* still within 16 intervals */
    {90000, 5000}, /* not any more */
    {10000000, 5000},
};

START_TEST(pace_is_remembered)
{
    for (size_t i = 0; i < sizeof REENTRY / sizeof REENTRY[0]; i++) {
        uint64_t got[DROPS_MAX];
        begin();
        ck_assert_uint_eq(stream(1, WAITED_US, 25150, got), 8);
        now_us += REENTRY[i].pause_us;
        ck_assert(!codel_standing(&codel, 0));
        uint64_t again_us = now_us;
        ck_assert_uint_ge(stream(1, WAITED_US, INTERVAL_US + 5050, got), 2);
        ck_assert_uint_eq(got[0], again_us + INTERVAL_US);
        ck_assert_uint_eq(got[1] - got[0], REENTRY[i].gap_us);
    }
}
END_TEST

/* Two flows: each has a law of its own, with the same times. */
START_TEST(flows_have_their_own_law)
{
    uint8_t frame[2][FRAME_BYTES_MAX];
    unsigned drops[2] = {0, 0};
    begin();
    for (uint16_t n = 0; n < 2; n++)
        stream_frame(frame[n], n == 1, (uint16_t)(1 + n), LARGE_BYTES, 0);
    for (uint64_t end_us = now_us + 29000; now_us < end_us; now_us += STEP_US)
        for (unsigned n = 0; n < 2; n++)
            drops[n] += judge(frame[n], LARGE_BYTES, WAITED_US) == CODEL_DROP;
    ck_assert_uint_eq(drops[0], 10);
    ck_assert_uint_eq(drops[1], 10);
}
END_TEST

/* Twice the round trip, within bounds, and a tenth of it. */
START_TEST(distance_sets_the_interval)
{
    static const struct {
        uint32_t rtt_us, interval_us, target_us;
    } cases[] = {{0, 5000, 500},
                 {2500, 5000, 500},
                 {2501, 5002, 500},
                 {20000, 40000, 4000},
                 {50000, 100000, 10000},
                 {50001, 100000, 10000},
                 {0x80000001, 100000, 10000},
                 {UINT32_MAX, 100000, 10000}};
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        codel_set_rtt(&codel, cases[i].rtt_us);
        ck_assert_uint_eq(codel.interval_us, cases[i].interval_us);
        ck_assert_uint_eq(codel.target_us, cases[i].target_us);
    }
}
END_TEST

/* Time may begin at any value, and what waited may have come before it. */
START_TEST(odd_times)
{
    static const uint64_t starts_us[] = {0, 1, 4999, UINT64_C(1) << 32, UINT64_MAX / 2};
    for (size_t i = 0; i < sizeof starts_us / sizeof starts_us[0]; i++) {
        uint64_t got[DROPS_MAX];
        begin();
        now_us = starts_us[i];
        ck_assert_uint_eq(stream(1, 10 * 1000000, 29000, got), 10);
        ck_assert_uint_eq(got[0], starts_us[i] + INTERVAL_US);
    }
}
END_TEST

/* ---- Who is never dropped ---- */

/* Beside a stream that is. Frames of @bytes, one every @every_us. */
static const struct {
    size_t bytes;
    unsigned every_us;
    bool spared;
    const char *what;
} BESIDE[] = {
    {98, 1000000, true, "ping"},
    {98, 50, true, "flood of pings"},
    {320, 50, false, "a stream of frames that are not small"},
    {1400, 20000, true, "large pings"},
    {1514, 2000, true, "a flow with 2 or 3 frames an interval, so half of one waiting"},
    {1514, 300, true, "a flow with 3.4 frames waiting"},
    {1514, 150, false, "a flow with 6.7"},
};

START_TEST(sparse_flows_pass)
{
    for (size_t i = 0; i < sizeof BESIDE / sizeof BESIDE[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], heavy[FRAME_BYTES_MAX];
        unsigned drops = 0, heavy_drops = 0;
        begin();
        stream_frame(heavy, false, 1, LARGE_BYTES, 0);
        size_t bytes = stream_frame(frame, false, 2, BESIDE[i].bytes, 0);
        for (unsigned us = 0; us < 3000000; us += STEP_US, now_us += STEP_US) {
            heavy_drops += judge(heavy, LARGE_BYTES, WAITED_US) != CODEL_PASS;
            if (us % BESIDE[i].every_us == 0)
                drops += judge(frame, bytes, WAITED_US) != CODEL_PASS;
        }
        ck_assert_uint_ge(heavy_drops, 1000);
        ck_assert_msg((drops == 0) == BESIDE[i].spared, "%s: %u drops", BESIDE[i].what, drops);
    }
}
END_TEST

/* With a wait of four intervals a flow of ten frames an interval has forty waiting, but that is
 * less than an eighth of what a flow beside it has. */
static const struct {
    bool beside;
    uint64_t every_us;
    bool spared;
} LIGHT[] = {{true, 500, true}, {true, 300, false}, {false, 500, false}};

START_TEST(light_flows_pass)
{
    for (size_t i = 0; i < sizeof LIGHT / sizeof LIGHT[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], heavy[FRAME_BYTES_MAX];
        unsigned drops = 0;
        begin();
        size_t bytes = stream_frame(frame, false, 2, LARGE_BYTES, 0);
        stream_frame(heavy, false, 1, LARGE_BYTES, 0);
        for (unsigned us = 0; us < 1000000; us += STEP_US, now_us += STEP_US) {
            if (LIGHT[i].beside)
                judge(heavy, LARGE_BYTES, 4 * INTERVAL_US);
            if (us % LIGHT[i].every_us == 0)
                drops += judge(frame, bytes, 4 * INTERVAL_US) != CODEL_PASS;
        }
        ck_assert_msg((drops == 0) == LIGHT[i].spared, "case %zu: %u drops", i, drops);
    }
}
END_TEST

/* A flow that was heavy some time ago is not now. */
START_TEST(old_bytes_are_forgotten)
{
    uint8_t frame[FRAME_BYTES_MAX];
    begin();
    size_t bytes = stream_frame(frame, false, 1, LARGE_BYTES, 0);
    ck_assert_uint_ge(stream(1, WAITED_US, 50000, NULL), 10);
    stream(2, WAITED_US, 3 * INTERVAL_US, NULL);
    for (unsigned i = 0; i < 100; i++, now_us += INTERVAL_US)
        ck_assert_int_eq(judge(frame, bytes, WAITED_US), CODEL_PASS);
}
END_TEST

/* Judged as if they were of the heaviest flow of all: a thousand a millisecond. */
static bool ever_dropped(uint8_t *frame, size_t bytes)
{
    unsigned drops = 0;
    begin();
    for (unsigned i = 0; i < 50000; i++, now_us++)
        drops += judge(frame, bytes, WAITED_US) != CODEL_PASS;
    return drops != 0;
}

START_TEST(small_frames_pass)
{
    uint8_t frame[FRAME_BYTES_MAX];
    ck_assert(!ever_dropped(frame, stream_frame(frame, false, 1, 256, 0)));
    ck_assert(ever_dropped(frame, stream_frame(frame, false, 1, 257, 0)));
}
END_TEST

START_TEST(only_unicast_ip_is_judged)
{
    uint8_t frame[FRAME_BYTES_MAX];
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        for (uint8_t tags = 0; tags < 4; tags++) {
            size_t bytes = stream_frame(frame, ipv6, 1, 1000, tags);
            ck_assert_int_eq(ever_dropped(frame, bytes), tags <= 2);
        }
        size_t bytes = stream_frame(frame, ipv6, 1, 1000, 0);
        frame[0] |= 1;
        ck_assert(!ever_dropped(frame, bytes));
    }
    struct frame_spec arp = {.ip_source = frame_ip("10.0.0.1"),
                             .ip_destination = frame_ip("10.0.0.2"),
                             .destination = frame_mac(2)};
    memset(frame, 0, sizeof frame);
    frame_arp(frame, arp, FRAME_ARP_REPLY, frame_mac(1));
    ck_assert(!ever_dropped(frame, 1000));
}
END_TEST

/* Cut anywhere, and with lengths that lie: nothing beyond the end is read (the sanitizer looks). */
START_TEST(cut_frames)
{
    uint8_t whole[FRAME_BYTES_MAX];
    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        for (uint8_t tags = 0; tags < 3; tags++)
            for (size_t bytes = 0; bytes < 90; bytes++) {
                begin();
                stream_frame(whole, ipv6, 1, 100, tags);
                whole[ETHER_HEADER_BYTES + 4 * tags] |= 0xf;
                uint8_t *frame = malloc(bytes + 1);
                ck_assert_ptr_nonnull(frame);
                memcpy(frame + 1, whole, bytes);
                ck_assert_int_eq(judge(frame + 1, bytes, WAITED_US), CODEL_PASS);
                codel_mark(frame + 1, bytes);
                free(frame);
            }
}
END_TEST

/* ---- The hash ---- */

static const struct codel_flow *bucket_of(const uint8_t *frame, size_t bytes)
{
    for (unsigned i = 0; i < CODEL_FLOWS; i++)
        codel.flow[i].bytes = 0;
    judge(frame, bytes, WAITED_US);
    for (unsigned i = 0; i < CODEL_FLOWS; i++)
        if (codel.flow[i].bytes != 0)
            return &codel.flow[i];
    return NULL;
}

/* 6400 flows that differ in one thing only: no bucket gets more than twice its share. */
START_TEST(hash_spreads)
{
    enum { FLOWS = 6400, THINGS = 4 };
    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        for (unsigned thing = 0; thing < THINGS; thing++) {
            static unsigned count[CODEL_FLOWS];
            uint8_t frame[FRAME_BYTES_MAX];
            begin();
            memset(count, 0, sizeof count);
            size_t bytes = stream_frame(frame, ipv6, 40000, 1000, 0);
            uint8_t *ip = frame + ETHER_HEADER_BYTES, *ports = ip + (ipv6 ? 40 : 20);
            uint8_t *part[THINGS] = {ip + (ipv6 ? 22 : 14), ip + (ipv6 ? 38 : 18), ports,
                                     ports + 2};
            for (uint16_t n = 0; n < FLOWS; n++) {
                store_be16(part[thing], n);
                const struct codel_flow *flow = bucket_of(frame, bytes);
                ck_assert_ptr_nonnull(flow);
                count[flow - codel.flow]++;
            }
            for (unsigned i = 0; i < CODEL_FLOWS; i++)
                ck_assert_uint_le(count[i], 2 * FLOWS / CODEL_FLOWS);
        }
}
END_TEST

/* Whether two flows meet depends on the key, and they do one time in 64. */
START_TEST(hash_is_keyed)
{
    enum { KEYS = 6400 };
    uint8_t one[FRAME_BYTES_MAX], other[FRAME_BYTES_MAX], key[CODEL_KEY_BYTES];
    unsigned met = 0;
    uint32_t state = 1;
    size_t bytes = stream_frame(one, true, 1, 1000, 0);
    stream_frame(other, true, 2, 1000, 0);
    for (unsigned n = 0; n < KEYS; n++) {
        for (size_t i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
        codel_init(&codel, key);
        met += bucket_of(one, bytes) == bucket_of(other, bytes);
    }
    ck_assert_uint_ge(met, KEYS / CODEL_FLOWS / 2);
    ck_assert_uint_le(met, KEYS / CODEL_FLOWS * 2);
}
END_TEST

/* All fragments of a packet go to one bucket, whatever stands where the ports would be. */
START_TEST(fragments_stay_together)
{
    uint8_t frame[FRAME_BYTES_MAX];
    static const uint16_t field[] = {0x2000, 0x00b9, 0x2172};
    begin();
    size_t bytes = stream_frame(frame, false, 1, 1000, 0);
    uint8_t *ip = frame + ETHER_HEADER_BYTES;
    store_be16(ip + 6, field[0]);
    const struct codel_flow *first = bucket_of(frame, bytes);
    for (unsigned i = 0; i < 1000; i++) {
        store_be16(ip + 6, field[i % 3]);
        store_be32(ip + 20, i * 2654435761u);
        ck_assert_ptr_eq(bucket_of(frame, bytes), first);
    }
    store_be16(ip + 6, 0x4000); /* DF is no fragment */
    unsigned elsewhere = 0;
    for (unsigned i = 0; i < 64; i++) {
        store_be32(ip + 20, i * 2654435761u);
        elsewhere += bucket_of(frame, bytes) != first;
    }
    ck_assert_uint_ge(elsewhere, 32);
}
END_TEST

/* ---- ECN ---- */

static void set_ecn(uint8_t *ip, bool ipv6, uint8_t dscp, uint8_t ecn)
{
    if (ipv6) {
        store_be16(ip, (uint16_t)(0x6000 | dscp << 6 | ecn << 4 | 0xa)); /* and a flow label */
        return;
    }
    ip[1] = (uint8_t)(dscp << 2 | ecn);
    store_be16(ip + 10, 0);
    store_be16(ip + 10, (uint16_t)~frame_sum(0, ip, 20));
}

START_TEST(ecn_is_marked_not_dropped)
{
    static const enum codel_verdict expected[] = {CODEL_DROP, CODEL_MARK, CODEL_MARK, CODEL_MARK};
    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        for (uint8_t tags = 0; tags < 3; tags++)
            for (unsigned bits = 0; bits < 256; bits++) {
                uint8_t frame[FRAME_BYTES_MAX], before[FRAME_BYTES_MAX];
                uint8_t ecn = bits & 3, dscp = (uint8_t)(bits >> 2);
                size_t bytes = stream_frame(frame, ipv6, 1, LARGE_BYTES, tags);
                uint8_t *ip = frame + ETHER_HEADER_BYTES + 4 * tags;
                set_ecn(ip, ipv6, dscp, ecn);
                begin();
                enum codel_verdict verdict = CODEL_PASS;
                for (; verdict == CODEL_PASS && now_us < 20000; now_us += STEP_US)
                    verdict = judge(frame, bytes, WAITED_US);
                ck_assert_int_eq(verdict, expected[ecn]);
                if (verdict != CODEL_MARK)
                    continue;
                memcpy(before, frame, bytes);
                codel_mark(frame, bytes);
                set_ecn(before + (ip - frame), ipv6, dscp, 3);
                ck_assert_mem_eq(frame, before, bytes);
                ck_assert(ipv6 || frame_ip4_checksum_good(ip));
            }
}
END_TEST

/* A checksum that was wrong is wrong afterwards. */
START_TEST(mark_mends_no_checksum)
{
    uint8_t frame[FRAME_BYTES_MAX];
    size_t bytes = stream_frame(frame, false, 1, 1000, 0);
    uint8_t *ip = frame + ETHER_HEADER_BYTES;
    set_ecn(ip, false, 0, 1);
    ip[10] ^= 0x5a;
    codel_mark(frame, bytes);
    ck_assert(!frame_ip4_checksum_good(ip));
    ip[10] ^= 0x5a;
    ck_assert_uint_eq(ip[1], 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codel");
    TCase *law = tcase_create("law");
    tcase_add_test(law, drops_come_faster);
    tcase_add_test(law, pace_has_a_limit);
    tcase_add_test(law, queue_must_stand);
    tcase_add_test(law, empty_queue_does_not_stand);
    tcase_add_test(law, pace_is_remembered);
    tcase_add_test(law, flows_have_their_own_law);
    tcase_add_test(law, distance_sets_the_interval);
    tcase_add_test(law, odd_times);
    suite_add_tcase(suite, law);
    TCase *spared = tcase_create("spared");
    tcase_add_test(spared, sparse_flows_pass);
    tcase_add_test(spared, light_flows_pass);
    tcase_add_test(spared, old_bytes_are_forgotten);
    tcase_add_test(spared, small_frames_pass);
    tcase_add_test(spared, only_unicast_ip_is_judged);
    tcase_add_test(spared, cut_frames);
    suite_add_tcase(suite, spared);
    TCase *hash = tcase_create("hash");
    tcase_add_test(hash, hash_spreads);
    tcase_add_test(hash, hash_is_keyed);
    tcase_add_test(hash, fragments_stay_together);
    suite_add_tcase(suite, hash);
    TCase *ecn = tcase_create("ecn");
    tcase_add_test(ecn, ecn_is_marked_not_dropped);
    tcase_add_test(ecn, mark_mends_no_checksum);
    suite_add_tcase(suite, ecn);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
