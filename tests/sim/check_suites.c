/* SPDX-License-Identifier: MIT
 *
 * check_suites.c - the cipher changes from one session to the next, and with it the tag's size:
 * datagrams go on to fill the path exactly, and the two ends agree whatever their lists say.
 *
 * Each pair of suites is tried that this machine has; AEGIS, whose tag is longer, needs libsodium
 * 1.0.19 and a processor with AES.
 */
#include "bytes.h"
#include "crypto/aead.h"
#include "net.h"
#include "run.h"
#include "wire.h"

#include <string.h>

enum {
    HOME,
    PARENTS,
    TEST_ETHER_TYPE = 0x88b6,
    WAN_MTU_BYTES = 1400,
    UDP_IPV4_BYTES = 28,
    FULL_FRAME_BYTES = 1514,
    LONGEST_HANDSHAKE_MS = 10000,
};

#define MS        UINT64_C(1000)
#define SECOND_US UINT64_C(1000000)

static const struct {
    enum suite suite;
    size_t tag_bytes;
} suites[] = {
    {SUITE_CHACHA20POLY1305, 16},
    {SUITE_AES256GCM, 16},
    {SUITE_AEGIS128L, 32},
    {SUITE_AEGIS256, 32},
};
enum { SUITES = sizeof suites / sizeof suites[0], PAIRS = SUITES * SUITES };

struct world {
    struct sim sim;
    uint16_t packet_bytes; /* configured; 0: searched for */
    unsigned datagrams;    /* with data, since it was last set to 0 */
    size_t largest_packet; /* of these, with IP and UDP */
    size_t frame_bytes;    /* of the last frame that came to a LAN */
};

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    struct world *w = sim->context;
    size_t packet = *bytes + UDP_IPV4_BYTES;
    (void)from, (void)to;
    if (data[0] != WIRE_DATA)
        return true;
    w->datagrams++;
    if (packet > w->largest_packet)
        w->largest_packet = packet;
    return true;
}

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct world *w = sim->context;
    (void)node;
    if (load_be16(frame + 12) == TEST_ETHER_TYPE)
        w->frame_bytes = bytes;
}

static void start(struct world *w, unsigned node, const uint8_t *list, uint8_t count)
{
    struct site_config config = sim_config(&w->sim.node[node]);
    config.outer_packet_bytes = w->packet_bytes;
    memcpy(config.suite, list, count);
    config.suite_count = count;
    sim_start(&w->sim, node, &config);
}

static void start_with(struct world *w, unsigned node, enum suite suite)
{
    uint8_t list[] = {(uint8_t)suite};
    start(w, node, list, 1);
}

/* Its sites are still off. */
static struct world *begin(uint16_t packet_bytes)
{
    struct world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    sim_begin(&w->sim, 1);
    w->sim.context = w;
    w->sim.on_wan = on_wan;
    w->sim.on_lan = on_lan;
    w->sim.wan.mtu_bytes = WAN_MTU_BYTES;
    w->packet_bytes = packet_bytes;
    sim_add(&w->sim, "home");
    sim_add(&w->sim, "parents");
    return w;
}

static void end(struct world *w)
{
    sim_end(&w->sim);
    free(w);
}

static void introduce(struct world *w)
{
    sim_peer(&w->sim, HOME, PARENTS, true);
    sim_peer(&w->sim, PARENTS, HOME, false);
}

static struct peer_status status(const struct world *w, unsigned node)
{
    struct peer_status s;
    site_peer_status(w->sim.node[node].site, 0, w->sim.now_us, &s);
    return s;
}

/* Handed to the site and not flushed. */
static void hand_in(struct world *w, unsigned from, size_t bytes)
{
    uint8_t frame[FULL_FRAME_BYTES] = {2, 0, 0, 0, 1, (uint8_t)(1 - from), 2, 0, 0, 0, 1};
    frame[11] = (uint8_t)from;
    store_be16(frame + 12, TEST_ETHER_TYPE);
    w->frame_bytes = 0;
    w->datagrams = 0;
    w->largest_packet = 0;
    sim_frame(&w->sim.node[from], NULL, frame, bytes);
}

static void cross(struct world *w, unsigned from, size_t bytes)
{
    hand_in(w, from, bytes);
    sim_flush(&w->sim.node[from]);
}

static void arrives(struct world *w, size_t bytes)
{
    sim_run(&w->sim, 100 * MS);
    ck_assert_uint_eq(w->frame_bytes, bytes);
}

/* What fills the path goes in one datagram of just its size, a byte more in two. */
static void check_fit(struct world *w, unsigned from, size_t tag_bytes, size_t packet_bytes)
{
    size_t whole =
        packet_bytes - UDP_IPV4_BYTES - DATA_HEADER_BYTES - CHUNK_HEADER_BYTES - tag_bytes;

    ck_assert_uint_eq(status(w, from).path_mtu_bytes, packet_bytes);
    cross(w, from, whole);
    ck_assert_uint_eq(w->datagrams, 1);
    ck_assert_uint_eq(w->largest_packet, packet_bytes);
    arrives(w, whole);
    cross(w, from, whole + 1);
    ck_assert_uint_eq(w->datagrams, 2);
    ck_assert_uint_lt(w->largest_packet, packet_bytes);
    arrives(w, whole + 1);
}

static void check_fits(struct world *w, unsigned suite, size_t packet_bytes)
{
    for (unsigned node = 0; node < 2; node++) {
        ck_assert_int_eq(status(w, node).suite, suites[suite].suite);
        check_fit(w, node, suites[suite].tag_bytes, packet_bytes);
    }
}

/* Home is switched off and on again, with one suite on its list. */
static void restart(struct world *w, enum suite suite)
{
    sim_kill(&w->sim, HOME);
    start_with(w, HOME, suite);
    introduce(w);
}

/* A pair from _i; false when the machine lacks one. Both begin with the first. */
static bool begin_pair(struct world **w, int pair, uint16_t packet_bytes, unsigned *before,
                       unsigned *after)
{
    *before = (unsigned)pair / SUITES;
    *after = (unsigned)pair % SUITES;
    if (!aead_available(suites[*before].suite) || !aead_available(suites[*after].suite))
        return false;
    *w = begin(packet_bytes);
    const uint8_t both[] = {(uint8_t)suites[*before].suite, (uint8_t)suites[*after].suite};
    start(*w, PARENTS, both, 2);
    start_with(*w, HOME, suites[*before].suite);
    introduce(*w);
    ck_assert(sim_run_until_up(&(*w)->sim, HOME, PARENTS, 5 * SECOND_US));
    return true;
}

START_TEST(a_fixed_size_is_kept_by_each_suite)
{
    struct world *w;
    unsigned before, after;
    if (!begin_pair(&w, _i, 1300, &before, &after))
        return;
    check_fits(w, before, 1300);
    restart(w, suites[after].suite);
    ck_assert(sim_run_until_up(&w->sim, HOME, PARENTS, 5 * SECOND_US));
    sim_run(&w->sim, SECOND_US);
    check_fits(w, after, 1300);
    end(w);
}
END_TEST

/* Who was not restarted knows the path still, and uses all of it at once. */
START_TEST(a_size_that_was_found_outlives_the_session)
{
    struct world *w;
    unsigned before, after;
    uint64_t handshake_us = UINT64_MAX;
    if (!begin_pair(&w, _i, 0, &before, &after))
        return;
    sim_run(&w->sim, 60 * SECOND_US);
    check_fits(w, before, WAN_MTU_BYTES);
    handshake_us = status(w, PARENTS).handshake_age_us;
    restart(w, suites[after].suite);
    for (unsigned ms = 0; ms < LONGEST_HANDSHAKE_MS; ms++) {
        sim_run(&w->sim, MS);
        if (status(w, PARENTS).handshake_age_us < handshake_us)
            break;
    }
    ck_assert_int_eq(status(w, PARENTS).suite, suites[after].suite);
    check_fit(w, PARENTS, suites[after].tag_bytes, WAN_MTU_BYTES);
    sim_run(&w->sim, 60 * SECOND_US);
    check_fits(w, after, WAN_MTU_BYTES);
    end(w);
}
END_TEST

/* What waits to be sent when the keys change was measured for the old tag. */
START_TEST(what_waits_at_a_change_is_not_made_larger)
{
    enum { PACKET = 1300 };
    struct world *w;
    unsigned before, after;
    if (!begin_pair(&w, _i, PACKET, &before, &after))
        return;
    size_t whole =
        PACKET - UDP_IPV4_BYTES - DATA_HEADER_BYTES - CHUNK_HEADER_BYTES - suites[before].tag_bytes;
    uint64_t age_us = status(w, PARENTS).handshake_age_us;
    restart(w, suites[after].suite);
    for (unsigned ms = 0; ms < LONGEST_HANDSHAKE_MS; ms++) {
        hand_in(w, PARENTS, whole);
        sim_run(&w->sim, MS);
        ck_assert_uint_le(w->largest_packet, PACKET);
        if (status(w, PARENTS).handshake_age_us < age_us)
            break;
        age_us = status(w, PARENTS).handshake_age_us;
    }
    ck_assert_int_eq(status(w, PARENTS).suite, suites[after].suite);
    end(w);
}
END_TEST

/* Their orders need not agree: who answers decides, and both use the same. */
START_TEST(the_list_of_who_answers_decides)
{
    struct world *w;
    unsigned first = (unsigned)_i / SUITES, second = (unsigned)_i % SUITES;
    const uint8_t home[] = {(uint8_t)suites[first].suite, (uint8_t)suites[second].suite};
    const uint8_t parents[] = {home[1], home[0]};
    if (!aead_available(suites[first].suite) || !aead_available(suites[second].suite))
        return;
    w = begin(1300);
    start(w, HOME, home, 2);
    start(w, PARENTS, parents, 2);
    introduce(w); /* only home calls */
    ck_assert(sim_run_until_up(&w->sim, HOME, PARENTS, 5 * SECOND_US));
    check_fits(w, second, 1300);
    end(w);
}
END_TEST

/* A list for two machines may name what this one lacks. */
START_TEST(what_one_end_lacks_is_not_used)
{
    static const uint8_t all[] = {SUITE_AEGIS256, SUITE_AEGIS128L, SUITE_AES256GCM,
                                  SUITE_CHACHA20POLY1305};
    struct world *w = begin(1300);
    start(w, HOME, all, sizeof all);
    start_with(w, PARENTS, SUITE_CHACHA20POLY1305);
    introduce(w);
    ck_assert(sim_run_until_up(&w->sim, HOME, PARENTS, 5 * SECOND_US));
    check_fits(w, 0, 1300);
    end(w);
}
END_TEST

START_TEST(without_a_common_suite_there_is_no_session)
{
    if (!aead_available(SUITE_AES256GCM))
        return;
    struct world *w = begin(1300);
    start_with(w, HOME, SUITE_AES256GCM);
    start_with(w, PARENTS, SUITE_CHACHA20POLY1305);
    introduce(w);
    ck_assert(!sim_run_until_up(&w->sim, HOME, PARENTS, 10 * SECOND_US));
    end(w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("suites");
    TCase *tc = tcase_create("suites");
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    tcase_set_timeout(tc, SIM_CASE_SECONDS);
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, a_fixed_size_is_kept_by_each_suite, 0, PAIRS);
    tcase_add_loop_test(tc, a_size_that_was_found_outlives_the_session, 0, PAIRS);
    tcase_add_loop_test(tc, what_waits_at_a_change_is_not_made_larger, 0, PAIRS);
    tcase_add_loop_test(tc, the_list_of_who_answers_decides, 0, PAIRS);
    tcase_add_test(tc, what_one_end_lacks_is_not_used);
    tcase_add_test(tc, without_a_common_suite_there_is_no_session);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
