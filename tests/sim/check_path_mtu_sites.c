/* SPDX-License-Identifier: MIT
 *
 * check_path_mtu_sites.c - what two whole sites make of the path MTU: full frames cross, each
 * direction by its own size, in order; a path that shrinks loses what was under way and no more.
 */
#include "net.h"
#include "run.h"

#include "../unit/frames.h"
#include "wire.h"

#include <string.h>

enum {
    HOME,
    PARENTS,
    NUMBERS_MAX = 60000,
    TEST_ETHER_TYPE = 0x88b6,
    FRAME_MIN_BYTES = 60,
    FULL_FRAME_BYTES = 1514,
    BURST_FRAMES = 47, /* 64 kB in segments of 1384 bytes, as the MSS is clamped on a 1500 path */
    SEEDS = 20,
    /* Of a datagram that carries one whole frame, beside the IP header. */
    OVERHEAD_BYTES = UDP_HEADER_BYTES + DATA_HEADER_BYTES + CHUNK_HEADER_BYTES + 16,
};

#define MS        UINT64_C(1000)
#define SECOND_US UINT64_C(1000000)

/* Numbered frames of a host in one home to one in the other. */
struct flow {
    unsigned sent, arrived, repeated, spoiled, overtaken;
    unsigned next; /* number that should come now, when none is lost */
    bool seen[NUMBERS_MAX];
    uint16_t bytes[NUMBERS_MAX];
};

struct world {
    struct sim sim;
    bool v6;
    struct flow flow[2];      /* by the home it comes from */
    uint16_t mss[2];          /* in the last SYN that came there */
    size_t largest_handshake; /* datagram */
};

static uint8_t pattern(unsigned number, size_t i)
{
    return (uint8_t)(number * 31u + i * 7u + (i >> 8));
}

static void take_numbered(struct flow *flow, const uint8_t *frame, size_t bytes)
{
    uint32_t number = load_be32(frame + 14);
    bool good = number < flow->sent && bytes == flow->bytes[number];
    for (size_t i = 18; i < bytes && good; i++)
        good = frame[i] == pattern(number, i);
    if (!good) {
        flow->spoiled++;
        return;
    }
    flow->repeated += flow->seen[number];
    flow->arrived += !flow->seen[number];
    flow->seen[number] = true;
    flow->overtaken += number < flow->next;
    flow->next = number + 1;
}

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct world *w = sim->context;
    uint8_t copy[FRAME_BYTES_MAX];
    struct packet p;
    if (bytes >= FRAME_MIN_BYTES && load_be16(frame + 12) == TEST_ETHER_TYPE) {
        if (frame[5] == node)
            take_numbered(&w->flow[1 - node], frame, bytes);
        return;
    }
    if (bytes > sizeof copy)
        return;
    memcpy(copy, frame, bytes);
    if (packet_parse(&p, copy, bytes) && p.protocol == IP_PROTOCOL_TCP)
        w->mss[node] = load_be16(copy + p.transport_offset + 22);
}

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    struct world *w = sim->context;
    (void)from, (void)to;
    if (data[0] != WIRE_DATA && *bytes > w->largest_handshake)
        w->largest_handshake = *bytes;
    return true;
}

static struct world *begin(uint64_t seed, bool v6, const struct site_config *options)
{
    struct world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    sim_begin(&w->sim, seed);
    w->sim.context = w;
    w->sim.on_lan = on_lan;
    w->sim.on_wan = on_wan;
    w->sim.wan.mtu_bytes = 0;
    w->v6 = v6;
    for (unsigned n = 0; n < 2; n++) {
        sim_add(&w->sim, n == HOME ? "home" : "parents");
        if (v6)
            sim_use_v6(&w->sim, n);
        struct site_config config = sim_config(&w->sim.node[n]);
        if (options) {
            config.outer_packet_bytes = options->outer_packet_bytes;
            config.timers = options->timers;
        }
        sim_start(&w->sim, n, &config);
    }
    return w;
}

static void set_mtu(struct world *w, unsigned node, size_t bytes)
{
    w->sim.node[node].mtu_v4_bytes = w->sim.node[node].mtu_v6_bytes = bytes;
}

static void connect_sites(struct world *w, size_t home_bytes, size_t parents_bytes)
{
    set_mtu(w, HOME, home_bytes);
    set_mtu(w, PARENTS, parents_bytes);
    sim_peer(&w->sim, HOME, PARENTS, true);
    sim_peer(&w->sim, PARENTS, HOME, true);
    ck_assert(sim_run_until_up(&w->sim, HOME, PARENTS, 5 * SECOND_US));
}

static void end(struct world *w)
{
    for (unsigned n = 0; n < 2; n++) {
        ck_assert_uint_eq(w->flow[n].spoiled, 0);
        ck_assert_uint_eq(w->flow[n].repeated, 0);
        ck_assert_uint_eq(w->flow[n].overtaken, 0);
    }
    ck_assert_uint_le(w->largest_handshake, 1200);
    sim_end(&w->sim);
    free(w);
}

/* Not yet flushed, as a shell hands in what it read at once. */
static void hand_in(struct world *w, unsigned from, size_t bytes)
{
    struct flow *flow = &w->flow[from];
    uint8_t frame[FULL_FRAME_BYTES] = {2, 0, 0, 0, 1, (uint8_t)(1 - from), 2, 0, 0, 0, 1};
    ck_assert_uint_lt(flow->sent, NUMBERS_MAX);
    frame[11] = (uint8_t)from;
    store_be16(frame + 12, TEST_ETHER_TYPE);
    store_be32(frame + 14, flow->sent);
    for (size_t i = 18; i < bytes; i++)
        frame[i] = pattern(flow->sent, i);
    flow->bytes[flow->sent++] = (uint16_t)bytes;
    sim_frame(&w->sim.node[from], NULL, frame, bytes);
}

static void send_one(struct world *w, unsigned from, size_t bytes)
{
    hand_in(w, from, bytes);
    sim_flush(&w->sim.node[from]);
}

/* Both hosts become known, so that what follows is no flood. */
static void greet(struct world *w)
{
    for (unsigned i = 0; i < 4; i++) {
        send_one(w, i % 2, FRAME_MIN_BYTES);
        sim_run(&w->sim, 50 * MS);
    }
}

static struct peer_status status(struct world *w, unsigned node)
{
    struct peer_status s;
    site_peer_status(w->sim.node[node].site, 0, w->sim.now_us, &s);
    return s;
}

static size_t path_mtu(struct world *w, unsigned node)
{
    return status(w, node).path_mtu_bytes;
}

static enum path_mtu_state path_state(struct world *w, unsigned node)
{
    struct peer_status s = status(w, node);
    return (w->v6 ? s.path_v6 : s.path_v4).state;
}

static unsigned lost(const struct flow *flow)
{
    return flow->sent - flow->arrived;
}

/* The largest frame that travels whole in an outer packet of @packet_bytes. */
static size_t whole_frame_bytes(const struct world *w, size_t packet_bytes)
{
    return packet_bytes - (w->v6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES) - OVERHEAD_BYTES;
}

static void stream(struct world *w, unsigned frames)
{
    const size_t whole = whole_frame_bytes(w, 1500);
    const size_t sizes[] = {FULL_FRAME_BYTES, 100, whole, FULL_FRAME_BYTES, 600, 1300, 61};
    for (unsigned i = 0; i < frames; i++) {
        for (unsigned n = 0; n < 2; n++)
            send_one(w, n, sizes[w->flow[n].sent % (sizeof sizes / sizeof *sizes)]);
        sim_run(&w->sim, MS);
    }
}

/* ---- tests ---- */

static const struct {
    bool v6;
    size_t home_bytes, parents_bytes;
} directions[] = {
    {false, 1500, 1500}, {false, 1500, 1454}, {false, 1460, 1500}, {false, 1280, 1492},
    {false, 9000, 1400}, {false, 1200, 1201}, {true, 1500, 1500},  {true, 1500, 1280},
    {true, 1280, 1492},  {true, 1451, 4321},
};
enum { DIRECTIONS = sizeof directions / sizeof *directions };

START_TEST(each_direction_has_its_own)
{
    struct world *w = begin(1 + (uint64_t)_i, directions[_i].v6, NULL);
    size_t mtu[2] = {directions[_i].home_bytes, directions[_i].parents_bytes};
    connect_sites(w, mtu[HOME], mtu[PARENTS]);
    greet(w);
    sim_run(&w->sim, 5 * SECOND_US);
    for (unsigned n = 0; n < 2; n++) {
        struct peer_status s = status(w, n);
        const struct path_status *used = w->v6 ? &s.path_v6 : &s.path_v4;
        ck_assert_uint_eq(s.path_mtu_bytes, mtu[n]);
        ck_assert_uint_eq(used->mtu_bytes, mtu[n]);
        ck_assert_int_eq(used->state, PATH_MTU_FOUND);
        ck_assert_int_eq(used->limit,
                         mtu[n] == 9000 ? PATH_MTU_LIMIT_MAXIMUM : PATH_MTU_LIMIT_PATH);
        ck_assert_uint_le(used->proved_age_us, 6 * SECOND_US);
        ck_assert(!(w->v6 ? s.path_v4 : s.path_v6).known);

        /* The largest frame that fits travels in one datagram, the next in two. */
        size_t fits = whole_frame_bytes(w, mtu[n]);
        for (unsigned more = 0; more < 2 && fits + more <= FULL_FRAME_BYTES; more++) {
            unsigned long before = w->sim.node[n].datagrams_sent;
            send_one(w, n, fits + more);
            ck_assert_uint_eq(w->sim.node[n].datagrams_sent - before, 1 + more);
            sim_run(&w->sim, 20 * MS);
        }
    }
    unsigned long too_large = w->sim.node[HOME].too_large + w->sim.node[PARENTS].too_large;
    stream(w, 2000);
    sim_run(&w->sim, SECOND_US);
    ck_assert_uint_eq(lost(&w->flow[HOME]) + lost(&w->flow[PARENTS]), 0);
    ck_assert_uint_eq(w->sim.node[HOME].too_large + w->sim.node[PARENTS].too_large, too_large);
    end(w);
}
END_TEST

START_TEST(a_syn_announces_what_fits_the_smaller_direction)
{
    static const uint8_t mss_9000[4] = {2, 4, 0x23, 0x28};
    static const char *const address[2][2] = {{"192.168.1.30", "fd00::30"},
                                              {"192.168.1.31", "fd00::31"}};
    struct world *w = begin(1 + (uint64_t)_i, directions[_i].v6, NULL);
    size_t a = directions[_i].home_bytes, b = directions[_i].parents_bytes;
    connect_sites(w, a, b);
    greet(w);
    sim_run(&w->sim, 5 * SECOND_US);
    for (unsigned from = 0; from < 2; from++)
        for (unsigned inner6 = 0; inner6 < 2; inner6++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec spec = {.source = {{2, 0, 0, 0, 1, (uint8_t)from}},
                                      .destination = {{2, 0, 0, 0, 1, (uint8_t)(1 - from)}},
                                      .ip_source = frame_ip(address[from][inner6]),
                                      .ip_destination = frame_ip(address[1 - from][inner6]),
                                      .ttl = 64,
                                      .source_port = 40000,
                                      .destination_port = 80};
            size_t bytes = frame_tcp(frame, spec, FRAME_TCP_SYN, mss_9000, sizeof mss_9000);
            sim_send(&w->sim, from, frame, bytes);
            sim_run(&w->sim, 50 * MS);
            ck_assert_uint_eq(w->mss[1 - from], (a < b ? a : b) - (w->v6 ? 40 : 20) -
                                                    OVERHEAD_BYTES - 14 - (inner6 ? 60 : 40));
        }
    end(w);
}
END_TEST

/* Sends by @one_round until the sender notices that its path has shrunk to @bytes; then on. */
static void shrink(struct world *w, size_t bytes, void (*one_round)(struct world *w))
{
    struct flow *flow = &w->flow[HOME];
    uint64_t began_us = w->sim.now_us;
    set_mtu(w, HOME, bytes);
    while (path_mtu(w, HOME) > bytes) {
        one_round(w);
        ck_assert_uint_le(w->sim.now_us - began_us, 3 * SECOND_US);
    }
    unsigned noticed = flow->sent;
    uint64_t goes_on_us = w->sim.now_us + 5 * SECOND_US;
    while (w->sim.now_us < goes_on_us)
        one_round(w);
    sim_run(&w->sim, SECOND_US);
    for (unsigned i = noticed; i < flow->sent; i++)
        ck_assert_msg(flow->seen[i], "frame %u of %u bytes lost, noticed at %u", i, flow->bytes[i],
                      noticed);
    /* What fits the smaller path was not lost either, nor what goes the other way. */
    for (unsigned i = 0; i < noticed; i++)
        ck_assert(flow->seen[i] || flow->bytes[i] + OVERHEAD_BYTES + 20u > bytes / 2);
    ck_assert_uint_eq(lost(&w->flow[PARENTS]), 0);
    ck_assert_uint_eq(path_mtu(w, HOME), bytes);
}

static void mixed_round(struct world *w)
{
    stream(w, 1);
}

static void small_round(struct world *w)
{
    send_one(w, HOME, 100);
    sim_run(&w->sim, 100 * MS);
}

/* Back to back, as the kernel hands in a large segment that it has cut. */
static void burst_round(struct world *w)
{
    for (unsigned i = 0; i < BURST_FRAMES; i++)
        hand_in(w, HOME, whole_frame_bytes(w, 1500));
    send_one(w, HOME, 100);
    sim_run(&w->sim, 10 * MS);
}

START_TEST(a_path_that_shrinks_loses_what_was_under_way)
{
    struct site_config quick = {.timers = {.raise_after_us = 20 * SECOND_US}};
    struct world *w = begin((uint64_t)_i, _i % 2, &quick);
    w->sim.wan.icmp = _i % 3 == 0;
    w->sim.wan.delay_us = (1 + sim_random(&w->sim) % 50) * MS;
    connect_sites(w, 1500, 1500);
    greet(w);
    while (path_state(w, HOME) != PATH_MTU_FOUND)
        sim_run(&w->sim, MS);
    mixed_round(w);
    shrink(w, 1280 + (size_t)(sim_random(&w->sim) % 220), _i % 4 < 2 ? mixed_round : burst_round);
    ck_assert_uint_eq(site_counters(w->sim.node[HOME].site)->mtu_black_holes, 1);
    ck_assert_uint_eq(site_counters(w->sim.node[PARENTS].site)->mtu_black_holes, 0);

    set_mtu(w, HOME, 1500);
    uint64_t began_us = w->sim.now_us;
    while (path_mtu(w, HOME) < 1500) {
        small_round(w);
        ck_assert_uint_le(w->sim.now_us - began_us, 22 * SECOND_US);
    }
    end(w);
}
END_TEST

START_TEST(icmp_names_the_size_and_is_not_needed)
{
    for (unsigned icmp = 0; icmp < 2; icmp++) {
        struct world *w = begin(5, false, NULL);
        w->sim.wan.icmp = icmp;
        connect_sites(w, 1500, 1500);
        greet(w);
        sim_run(&w->sim, 10 * SECOND_US);
        ck_assert_int_eq(path_state(w, HOME), PATH_MTU_FOUND);
        set_mtu(w, HOME, 1397);
        uint64_t began_us = w->sim.now_us;
        while (path_state(w, HOME) != PATH_MTU_FOUND || path_mtu(w, HOME) != 1397) {
            send_one(w, HOME, 1400); /* fits 1500 in one, 1397 in two datagrams */
            sim_run(&w->sim, MS);
            ck_assert_uint_le(w->sim.now_us - began_us, 3 * SECOND_US);
        }
        ck_assert_int_eq(status(w, HOME).path_v4.limit,
                         icmp ? PATH_MTU_LIMIT_ROUTER : PATH_MTU_LIMIT_PATH);
        ck_assert(icmp == (site_counters(w->sim.node[HOME].site)->path_hints > 0));
        end(w);
    }
}
END_TEST

START_TEST(what_our_kernel_refuses_is_the_interfaces)
{
    struct world *w = begin(3, _i, NULL);
    w->sim.node[HOME].interface_mtu_bytes = 1492;
    connect_sites(w, 0, 0);
    greet(w);
    sim_run(&w->sim, 5 * SECOND_US);
    struct peer_status s = status(w, HOME);
    ck_assert_uint_eq(s.path_mtu_bytes, 1492);
    ck_assert_int_eq((w->v6 ? s.path_v6 : s.path_v4).limit, PATH_MTU_LIMIT_INTERFACE);
    ck_assert_uint_eq(path_mtu(w, PARENTS), 9000);
    ck_assert_uint_gt(site_counters(w->sim.node[HOME].site)->path_hints, 0);
    end(w);
}
END_TEST

START_TEST(forged_hints_change_nothing)
{
    struct world *w = begin(4, _i, NULL);
    connect_sites(w, 1500, 1500);
    greet(w);
    sim_run(&w->sim, 5 * SECOND_US);
    const struct site_counters *c = site_counters(w->sim.node[HOME].site);
    uint64_t probes = c->mtu_probes;
    for (unsigned i = 0; i < 20000; i++) {
        struct endpoint to = w->sim.node[PARENTS].address;
        if (sim_random(&w->sim) % 2)
            to.port = 0;
        site_path_hint(w->sim.node[HOME].site, &to, (uint16_t)(sim_random(&w->sim) % 2000), false,
                       w->sim.now_us);
        if (i % 4 == 0)
            send_one(w, HOME, FULL_FRAME_BYTES);
        sim_run(&w->sim, MS);
        ck_assert_uint_eq(path_mtu(w, HOME), 1500);
    }
    sim_run(&w->sim, SECOND_US);
    ck_assert_uint_eq(lost(&w->flow[HOME]), 0);
    ck_assert_uint_eq(c->mtu_black_holes, 0);
    ck_assert_uint_le(c->mtu_probes - probes, 20 * 4 + 10);

    /* About somebody else. */
    uint64_t hints = c->path_hints;
    struct endpoint other = w->sim.node[PARENTS].address;
    other.address.octet[3] ^= 0xff;
    site_path_hint(w->sim.node[HOME].site, &other, 1280, true, w->sim.now_us);
    other = w->sim.node[PARENTS].address;
    other.port ^= 1;
    site_path_hint(w->sim.node[HOME].site, &other, 1280, true, w->sim.now_us);
    ck_assert_uint_eq(c->path_hints, hints);
    other.port = 0; /* our kernel does not say which */
    site_path_hint(w->sim.node[HOME].site, &other, 1280, true, w->sim.now_us);
    ck_assert_uint_eq(c->path_hints, hints + 1);
    end(w);
}
END_TEST

START_TEST(without_a_peer_the_last_result_is_kept)
{
    struct world *w = begin(5, _i, NULL);
    connect_sites(w, 1454, 1454);
    greet(w);
    sim_run(&w->sim, 5 * SECOND_US);
    sim_close(&w->sim.node[HOME]);
    sim_run(&w->sim, SECOND_US);
    uint64_t probes = site_counters(w->sim.node[PARENTS].site)->mtu_probes;
    sim_run(&w->sim, 60 * SECOND_US);
    struct peer_status s = status(w, PARENTS);
    const struct path_status *path = w->v6 ? &s.path_v6 : &s.path_v4;
    ck_assert_int_ne(s.state, PEER_UP);
    ck_assert(path->known);
    ck_assert_int_eq(path->state, PATH_MTU_STOPPED);
    ck_assert_uint_eq(path->mtu_bytes, 1454);
    ck_assert_uint_eq(site_counters(w->sim.node[PARENTS].site)->mtu_probes, probes);
    end(w);
}
END_TEST

START_TEST(a_size_may_be_fixed_and_freed_in_use)
{
    struct world *w = begin(7, _i, NULL);
    struct site_config options = sim_config(&w->sim.node[HOME]);
    connect_sites(w, 1454, 1454);
    greet(w);
    for (unsigned i = 0; i < 2; i++) {
        options.outer_packet_bytes = 1300;
        site_set_options(w->sim.node[HOME].site, &options);
        stream(w, 200);
        ck_assert_uint_eq(path_mtu(w, HOME), 1300);
        options.outer_packet_bytes = 0;
        site_set_options(w->sim.node[HOME].site, &options);
        stream(w, 200);
        sim_run(&w->sim, 3 * SECOND_US);
        ck_assert_uint_eq(path_mtu(w, HOME), 1454);
        ck_assert_uint_eq(lost(&w->flow[HOME]), 0);
    }
    end(w);
}
END_TEST

START_TEST(a_fixed_size_is_not_probed)
{
    struct site_config fixed = {.outer_packet_bytes = 1400};
    struct world *w = begin(6, _i, &fixed);
    connect_sites(w, 1400, 1400);
    greet(w);
    stream(w, 2000);
    sim_run(&w->sim, 60 * SECOND_US);
    for (unsigned n = 0; n < 2; n++) {
        struct peer_status s = status(w, n);
        ck_assert_uint_eq(s.path_mtu_bytes, 1400);
        ck_assert_int_eq((w->v6 ? s.path_v6 : s.path_v4).state, PATH_MTU_FIXED);
        ck_assert_int_eq((w->v6 ? s.path_v6 : s.path_v4).limit, PATH_MTU_LIMIT_CONFIGURATION);
        ck_assert_uint_eq(site_counters(w->sim.node[n].site)->mtu_probes, 0);
        ck_assert_uint_eq(w->sim.node[n].too_large, 0);
        ck_assert_uint_le(w->sim.node[n].largest_datagram, 1400u - (w->v6 ? 48 : 28));
        ck_assert_uint_eq(lost(&w->flow[n]), 0);
    }
    end(w);
}
END_TEST

/* The home gets another WAN address, and what leads there is smaller than what led here. */
START_TEST(a_new_path_is_measured_from_its_base)
{
    struct world *w = begin((uint64_t)_i, _i % 2, NULL);
    struct flow *flow = &w->flow[PARENTS];
    connect_sites(w, 1500, 1500);
    greet(w);
    sim_run(&w->sim, 3 * SECOND_US);
    ck_assert_uint_eq(path_mtu(w, PARENTS), 1500);
    sim_move(&w->sim, HOME);
    set_mtu(w, PARENTS, 1397);
    struct endpoint old = status(w, PARENTS).endpoint;
    for (unsigned i = 0; i < 1000; i++) {
        struct endpoint now = status(w, PARENTS).endpoint;
        if (endpoint_equal(&old, &now))
            ck_assert_uint_lt(i, 100);
        stream(w, 1);
        if (endpoint_equal(&old, &now)) /* what it sends there is lost anyway */
            flow->arrived = flow->sent;
    }
    sim_run(&w->sim, 3 * SECOND_US);
    ck_assert_uint_eq(lost(&w->flow[HOME]), 0);
    ck_assert_uint_eq(lost(flow), 0);
    ck_assert_uint_eq(path_mtu(w, PARENTS), 1397);
    ck_assert_uint_eq(site_counters(w->sim.node[PARENTS].site)->mtu_black_holes, 0);
    end(w);
}
END_TEST

/* The size may change between a frame's being handed in and the flush. */
START_TEST(frames_handed_in_while_the_size_changes_cross)
{
    struct site_config quick = {.timers = {.raise_after_us = SECOND_US / 2}};
    struct world *w = begin((uint64_t)_i, _i % 2, &quick);
    w->sim.wan.delay_us = (1 + sim_random(&w->sim) % 30) * MS;
    size_t width = 1300;
    connect_sites(w, width, 1500);
    greet(w);
    sim_run(&w->sim, 2 * SECOND_US);
    for (unsigned i = 0; i < 3000; i++) {
        for (unsigned k = (unsigned)sim_random(&w->sim) % 8; k > 0; k--)
            hand_in(w, HOME, FRAME_MIN_BYTES + (size_t)(sim_random(&w->sim) % 1455));
        /* Wider, never narrower: a probe on its way may just have found the old width. */
        size_t wider = path_mtu(w, HOME) + (size_t)(sim_random(&w->sim) % 1000);
        if (i % 300 == 0 && wider > width) {
            width = wider;
            set_mtu(w, HOME, width);
        }
        sim_run(&w->sim, sim_random(&w->sim) % (5 * MS)); /* answers come, and are flushed after */
    }
    sim_flush(&w->sim.node[HOME]);
    sim_run(&w->sim, SECOND_US);
    ck_assert_uint_eq(lost(&w->flow[HOME]), 0);
    ck_assert_uint_gt(path_mtu(w, HOME), 1300);
    end(w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("path_mtu_sites");
    TCase *tc = tcase_create("path_mtu_sites");
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, SIM_CASE_SECONDS);
    tcase_add_loop_test(tc, each_direction_has_its_own, 0, DIRECTIONS);
    tcase_add_loop_test(tc, a_syn_announces_what_fits_the_smaller_direction, 0, DIRECTIONS);
    tcase_add_loop_test(tc, a_path_that_shrinks_loses_what_was_under_way, 0, (int)sim_seeds(SEEDS));
    tcase_add_test(tc, icmp_names_the_size_and_is_not_needed);
    tcase_add_loop_test(tc, what_our_kernel_refuses_is_the_interfaces, 0, 2);
    tcase_add_loop_test(tc, forged_hints_change_nothing, 0, 2);
    tcase_add_loop_test(tc, without_a_peer_the_last_result_is_kept, 0, 2);
    tcase_add_loop_test(tc, a_fixed_size_is_not_probed, 0, 2);
    tcase_add_loop_test(tc, a_size_may_be_fixed_and_freed_in_use, 0, 2);
    tcase_add_loop_test(tc, a_new_path_is_measured_from_its_base, 0, 4);
    tcase_add_loop_test(tc, frames_handed_in_while_the_size_changes_cross, 0,
                        (int)sim_seeds(SEEDS));
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
