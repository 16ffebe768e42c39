/* SPDX-License-Identifier: MIT
 *
 * check_hostile.c - a peer that was let in and then does what no site of ours does. It is on the
 * LAN, but for what the guard stops; it must not crash us, take over our hosts, or make us shout.
 * To be that peer, the tests reach into its site.
 */
#include "run.h"

#include "../unit/frames.h"
#include "net.h"
#include "site/private.h"

#include <string.h>

enum { US, PEER, SECOND_US = 1000000 };

static const struct mac VICTIM = {{0x02, 0xaa, 0, 0, 0, 0x01}};

struct world {
    struct sim sim;
    unsigned from_victim;    /* frames with the victim's source that entered our LAN */
    unsigned advertisements; /* router advertisements that entered it */
    unsigned probes;         /* loop probes that entered it */
    size_t sent_bytes;       /* of our datagrams */
    bool cut_data;           /* what the peer sends as data is lost, the first one recorded */
    uint8_t record[1500];
    size_t record_bytes;
};

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct world *w = sim->context;
    uint8_t copy[FRAME_BYTES_MAX];
    struct packet p;
    if (node != US || bytes > sizeof copy)
        return;
    memcpy(copy, frame, bytes);
    if (!packet_parse(&p, copy, bytes))
        return;
    w->from_victim += mac_equal(&p.source, &VICTIM);
    if (loop_is_probe(&p)) {
        ck_assert_uint_eq(bytes, LOOP_PROBE_BYTES);
        ck_assert_mem_eq(p.source.octet, sim->node[US].site->lan.tap_mac.octet, 6);
        w->probes++;
    }
    w->advertisements += judge_is_icmpv6(&p, FRAME_RA);
}

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    struct world *w = sim->context;
    (void)to;
    if (from == US)
        w->sent_bytes += *bytes;
    if (!w->cut_data || from != PEER || data[0] != WIRE_DATA)
        return true;
    if (w->record_bytes == 0 && *bytes <= sizeof w->record) {
        memcpy(w->record, data, *bytes);
        w->record_bytes = *bytes;
    }
    return false;
}

static void begin_empty(struct world *w)
{
    memset(w, 0, sizeof *w);
    sim_begin(&w->sim, 7);
    w->sim.context = w;
    w->sim.on_lan = on_lan;
    w->sim.on_wan = on_wan;
}

/* Us, the peer, and further peers of ours; we are a hub if there are any. */
static void begin(struct world *w, unsigned nodes)
{
    static const char *const names[] = {"us", "peer", "third", "fourth", "fifth"};
    begin_empty(w);
    for (unsigned n = 0; n < nodes; n++) {
        sim_add(&w->sim, names[n]);
        struct site_config config = sim_config(&w->sim.node[n]);
        config.hub = n == US && nodes > 2;
        sim_start(&w->sim, n, &config);
    }
    for (unsigned n = 1; n < nodes; n++) {
        sim_peer(&w->sim, US, n, false);
        sim_peer(&w->sim, n, US, true);
        ck_assert(sim_run_until_up(&w->sim, US, n, 5 * SECOND_US));
    }
    sim_run(&w->sim, 2 * SECOND_US);
}

static struct sim_node *its_node(struct world *w)
{
    return &w->sim.node[PEER];
}

static struct site *peers_site(struct world *w)
{
    w->sim.node[PEER].site->now_us = w->sim.now_us;
    return w->sim.node[PEER].site;
}

/* What the peer has of us. */
static struct peer *its_peer(struct world *w)
{
    return site_find_peer(w->sim.node[PEER].site, "us");
}

static void peer_sends(struct world *w, uint8_t *frame, size_t bytes)
{
    order_own_frame(peers_site(w), its_peer(w), frame, bytes);
    sim_flush(its_node(w));
    sim_run(&w->sim, 20000);
}

static size_t victims_broadcast(uint8_t *out, uint8_t vlan_tags)
{
    struct frame_spec spec = {.source = VICTIM,
                              .destination = frame_broadcast(),
                              .vlan_tags = vlan_tags,
                              .vlan_tci = 77,
                              .ip_source = frame_ip("192.168.1.5"),
                              .ip_destination = frame_ip("255.255.255.255"),
                              .ttl = 64,
                              .source_port = 5000,
                              .destination_port = 5000};
    return frame_udp(out, spec, "hello", 5);
}

static void victim_speaks(struct world *w)
{
    uint8_t frame[FRAME_BYTES_MAX];
    sim_send(&w->sim, US, frame, victims_broadcast(frame, 0));
    sim_run(&w->sim, 10000);
    w->from_victim = 0;
}

START_TEST(a_live_hosts_address_is_not_taken)
{
    /* Tagged or not: the bridge's own table may know addresses only. */
    for (uint8_t tags = 0; tags <= 2; tags++) {
        struct world w;
        uint8_t frame[FRAME_BYTES_MAX];
        begin(&w, 2);
        victim_speaks(&w);
        peer_sends(&w, frame, victims_broadcast(frame, tags));
        ck_assert_uint_eq(w.from_victim, 0);
        ck_assert_uint_ge(site_counters(w.sim.node[US].site)->guard_source, 1);
        sim_end(&w.sim);
    }
}
END_TEST

START_TEST(nor_by_something_like_a_loop_probe)
{
    static const uint8_t begins[18] = {0x03, 0x6c, 0x73, 0x6c, 0x70, 0x01, 0,   0,   0,
                                       0,    0,    0,    0x88, 0xb5, 'L',  'S', 'P', '1'};
    struct world w;
    begin(&w, 2);
    victim_speaks(&w);
    unsigned long before = w.sim.node[US].frames_delivered;
    for (unsigned i = 0; i < 200; i++) {
        uint8_t probe[600] = {0};
        memcpy(probe, begins, sizeof begins);
        memcpy(probe + 6, VICTIM.octet, sizeof VICTIM.octet);
        memset(probe + 18, 0x55, 8);
        probe[36] = LOOP_FLAG_LANS;
        /* Sent by any host of the peer's LAN; the peer itself plays by the rules. */
        sim_send(&w.sim, PEER, probe, sizeof probe);
        sim_run(&w.sim, 4000);
    }
    ck_assert_uint_gt(w.sim.node[US].frames_delivered, before + 100);
    ck_assert_uint_eq(w.from_victim, 0);
    sim_end(&w.sim);
}
END_TEST

START_TEST(news_without_end_do_not_make_us_shout)
{
    struct world w;
    begin(&w, 5);
    sim_run(&w.sim, 12 * UINT64_C(1000000)); /* past the brisk loop probing */
    unsigned long sent = w.sim.node[US].datagrams_sent;
    w.advertisements = 0;
    for (unsigned i = 0; i < 3000; i++) {
        uint8_t value[SITE_INFO_MAX_BYTES];
        struct site_info info = {
            .name = "peer", .prefix_count = 1, .prefix = {{frame_ip("2001:db8::"), 64}}};
        store_be16(info.prefix[0].address.octet + 4, (uint16_t)i);
        size_t bytes = site_info_encode(&info, value, sizeof value);
        ck_assert_uint_gt(bytes, 0);
        peer_send_control(peers_site(&w), its_peer(&w), CONTROL_SITE, value, bytes);
        if (i % 30 == 0) {
            sim_flush(its_node(&w));
            sim_run(&w.sim, 10000);
        }
    }
    sim_run(&w.sim, SECOND_US);
    ck_assert_uint_le(w.advertisements, 6);
    /* In two seconds: loop probes to four, and two rounds of news to three; and at most one check
     * of the path to each of the four, and an answer to one of theirs. */
    ck_assert_uint_le(w.sim.node[US].datagrams_sent - sent, 80 + 8);
    sim_end(&w.sim);
}
END_TEST

/* Each probe's answer travels alone, so that one datagram full of probes must not make a hundred.
 */
START_TEST(many_probes_in_one_datagram_are_answered_once)
{
    struct world w;
    begin(&w, 2);
    sim_run(&w.sim, 12 * UINT64_C(1000000)); /* past the brisk loop probing */
    unsigned long sent = w.sim.node[US].datagrams_sent, its = w.sim.node[PEER].datagrams_sent;
    for (unsigned i = 0; i < 90; i++) {
        uint8_t value[8];
        store_be64(value, i);
        peer_send_control(peers_site(&w), its_peer(&w), CONTROL_PROBE, value, sizeof value);
    }
    sim_flush(its_node(&w));
    ck_assert_uint_eq(w.sim.node[PEER].datagrams_sent - its, 1);
    sim_run(&w.sim, 50000);
    ck_assert_uint_ge(w.sim.node[US].datagrams_sent - sent, 1);
    ck_assert_uint_le(w.sim.node[US].datagrams_sent - sent, 3);
    sim_end(&w.sim);
}
END_TEST

/* It may say that it is anywhere, a stranger's address too, and each new path is measured from the
 * start: a dozen large datagrams. */
START_TEST(moving_again_and_again_does_not_flood_a_stranger)
{
    struct world w;
    struct endpoint stranger = {.address = frame_ip("198.51.100.66"), .port = 1000};
    begin(&w, 2);
    sim_run(&w.sim, 12 * UINT64_C(1000000)); /* past the brisk loop probing */
    w.sent_bytes = 0;
    for (unsigned i = 0; i < 200; i++) {
        w.cut_data = true;
        w.record_bytes = 0;
        peer_probe(peers_site(&w), its_peer(&w));
        sim_flush(its_node(&w));
        ck_assert_uint_gt(w.record_bytes, 0);
        stranger.port++;
        sim_inject(&w.sim, US, &stranger, w.record, w.record_bytes);
        sim_run(&w.sim, 10000);
    }
    ck_assert_uint_le(w.sent_bytes, 100000);
    sim_end(&w.sim);
}
END_TEST

START_TEST(closing_again_and_again_is_answered_once_a_second)
{
    struct world w;
    begin(&w, 2);
    uint64_t before = w.sim.node[US].site->order_next;
    for (unsigned i = 0; i < 3000; i++) {
        struct peer *us = its_peer(&w);
        if (us->current) {
            peer_send_control(peers_site(&w), us, CONTROL_CLOSE, NULL, 0);
            sim_flush(its_node(&w));
            peer_drop_session(us, &us->current);
            peer_drop_session(us, &us->previous);
            paths_init(&us->paths, 0); /* it does not call */
            us->endpoint = (struct endpoint){.port = 0};
        }
        sim_run(&w.sim, 1000);
    }
    ck_assert_uint_ge(w.sim.node[US].site->order_next - before, 2);
    ck_assert_uint_le(w.sim.node[US].site->order_next - before, 5);
    sim_end(&w.sim);
}
END_TEST

START_TEST(a_late_close_ends_only_its_own_session)
{
    struct world w;
    begin(&w, 2);
    w.cut_data = true;
    sim_close(&w.sim.node[PEER]);
    w.cut_data = false;
    ck_assert_uint_gt(w.record_bytes, 0);
    sim_kill(&w.sim, PEER);
    sim_start(&w.sim, PEER, NULL);
    sim_peer(&w.sim, PEER, US, true);
    sim_run(&w.sim, 3 * SECOND_US);
    ck_assert(sim_is_up(&w.sim, US, PEER));
    unsigned downs = w.sim.node[US].events[EVENT_PEER_DOWN];
    sim_inject(&w.sim, US, &w.sim.node[PEER].address, w.record, w.record_bytes);
    sim_run(&w.sim, 10000);
    ck_assert_uint_eq(w.sim.node[US].events[EVENT_PEER_DOWN], downs);
    sim_end(&w.sim);
}
END_TEST

START_TEST(many_clashing_hosts_do_not_hide_the_gateways)
{
    struct world w;
    struct site_clash clash[SITE_CLASHES_MAX];
    begin(&w, 2);
    for (unsigned n = 0; n < 2; n++) {
        struct site_lan lan = {
            .tap_mac = {{0xfe, 0, 0, 0, 0, (uint8_t)n}},
            .gateways = {.count = 1,
                         .gateway = {{frame_ip("192.168.1.1"), frame_mac((uint16_t)(900 + n))}}}};
        site_set_lan(w.sim.node[n].site, &lan, w.sim.now_us);
    }
    sim_run(&w.sim, SECOND_US);
    for (unsigned host = 0; host < 2 * SITE_CLASHES_MAX; host++)
        for (unsigned n = 0; n < 2; n++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec spec = {.source = frame_mac((uint16_t)(2000 + 100 * n + host)),
                                      .ip_source = frame_ip("192.168.1.100"),
                                      .ip_destination = frame_ip("192.168.1.250")};
            spec.ip_source.octet[3] = (uint8_t)(100 + host);
            sim_send(&w.sim, n, frame,
                     frame_arp(frame, spec, FRAME_ARP_REQUEST, (struct mac){{0}}));
            sim_run(&w.sim, 20000);
        }
    size_t count = site_clashes(w.sim.node[US].site, w.sim.now_us, clash, SITE_CLASHES_MAX);
    bool gateway = false;
    for (size_t i = 0; i < count; i++)
        gateway = gateway || clash[i].kind == CLASH_GATEWAY;
    ck_assert_uint_eq(count, SITE_CLASHES_MAX);
    ck_assert(gateway);
    sim_end(&w.sim);
}
END_TEST

/* ---- enrolment ---- */

static void make_initiation(const struct world *w, const uint8_t token_id[TOKEN_ID_BYTES],
                            uint8_t s_public[PUBLIC_KEY_BYTES], uint8_t out[INITIATION_BYTES])
{
    struct noise noise;
    struct noise_keys keys = {.s_private = {8, [31] = 64}, .e_private = {16, [31] = 64}};
    struct hello hello = {.version = PROTOCOL_VERSION,
                          .suite_count = 1,
                          .suite = {SUITE_CHACHA20POLY1305},
                          .has_token = true};
    struct cookie_key key;
    struct cookie_jar jar = {.have_cookie = false};

    noise_public_from_private(keys.s_public, keys.s_private);
    memcpy(keys.rs_public, w->sim.node[US].public_key, PUBLIC_KEY_BYTES);
    memcpy(hello.token_id, token_id, TOKEN_ID_BYTES);
    handshake_begin(&noise, true, &keys);
    ck_assert(handshake_write_initiation(&noise, &hello, 77, out));
    cookie_key_derive(&key, w->sim.node[US].public_key);
    cookie_add_macs(&jar, &key, out, INITIATION_BYTES, w->sim.now_us);
    memcpy(s_public, keys.s_public, PUBLIC_KEY_BYTES);
}

START_TEST(the_key_that_proved_the_token_is_enrolled)
{
    /* One that knows only the token's id calls while the genuine joiner's proof is on its way. */
    static const struct endpoint stranger = {.address = {IP_V4, {198, 51, 100, 9}}, .port = 4444};
    struct world w;
    struct peer_config invited = {.name = "peer",
                                  .has_token = true,
                                  .token_until_us = UINT64_MAX,
                                  .token_id = {7},
                                  .token_psk = {8}};
    struct peer_config joining = {.name = "us",
                                  .has_key = true,
                                  .has_token = true,
                                  .joining = true,
                                  .token_id = {7},
                                  .token_psk = {8}};
    uint8_t forged[INITIATION_BYTES], other_key[PUBLIC_KEY_BYTES];

    begin_empty(&w);
    sim_add(&w.sim, "us");
    sim_add(&w.sim, "peer");
    sim_start(&w.sim, US, NULL);
    sim_start(&w.sim, PEER, NULL);
    memcpy(joining.public_key, w.sim.node[US].public_key, PUBLIC_KEY_BYTES);
    w.cut_data = true;
    site_set_peer(w.sim.node[US].site, &invited, w.sim.now_us);
    site_set_peer(w.sim.node[PEER].site, &joining, w.sim.now_us);
    site_set_endpoints(w.sim.node[PEER].site, "us", &w.sim.node[US].address, 1, w.sim.now_us);
    sim_run(&w.sim, 30000);
    sim_kill(&w.sim, PEER);
    ck_assert_uint_gt(w.record_bytes, 0);
    sim_run(&w.sim, 6 * SECOND_US); /* its claim runs out, its session does not */

    make_initiation(&w, invited.token_id, other_key, forged);
    sim_inject(&w.sim, US, &stranger, forged, sizeof forged);
    sim_run(&w.sim, 20000);
    sim_inject(&w.sim, US, &w.sim.node[PEER].address, w.record, w.record_bytes);
    sim_run(&w.sim, 20000);
    if (w.sim.node[US].enrolments != 0)
        ck_assert_mem_eq(w.sim.node[US].enrolled.public_key, w.sim.node[PEER].public_key,
                         PUBLIC_KEY_BYTES);
    ck_assert_mem_ne(w.sim.node[US].enrolled.public_key, other_key, PUBLIC_KEY_BYTES);
    sim_end(&w.sim);
}
END_TEST

START_TEST(order_numbers_are_asked_for_until_they_come)
{
    struct world w;
    begin(&w, 2);
    sim_kill(&w.sim, US);
    struct site *site = peers_site(&w);
    site->order_limit = site->order_next + 20; /* and the disk is full */
    sim_run(&w.sim, 600 * UINT64_C(1000000));
    ck_assert_uint_gt(w.sim.node[PEER].events[EVENT_ORDER_LOW], 10);
    ck_assert_uint_eq(site->order_next, site->order_limit);
    site_reserve_order(site, site->order_next + 1000);
    sim_start(&w.sim, US, NULL);
    sim_peer(&w.sim, US, PEER, false);
    ck_assert(sim_run_until_up(&w.sim, US, PEER, 10 * SECOND_US));
    sim_end(&w.sim);
}
END_TEST

/* In the tunnel they end behind their last stamp; this one says where that is. */
START_TEST(loop_probes_of_any_length_do_no_harm)
{
    for (unsigned stamps = 0; stamps < 256; stamps += stamps < 10 ? 1 : 49)
        for (size_t bytes = 18; bytes <= LOOP_PROBE_BYTES + 20; bytes += stamps < 3 ? 1 : 8) {
            static struct world w;
            if (bytes == 18)
                begin(&w, 3);
            uint8_t *frame = calloc(1, LOOP_PROBE_BYTES + 20); /* for the sanitizer's eyes */
            ck_assert_ptr_nonnull(frame);
            loop_build(&peers_site(&w)->loop, LOOP_LAN, frame, LOOP_PROBE_BYTES, w.sim.now_us);
            frame[37] = (uint8_t)stamps;
            w.probes = 0;
            peer_sends(&w, frame, bytes);
            free(frame);
            if (stamps == 0 && bytes >= 54)
                ck_assert_uint_gt(w.probes, 0);
            ck_assert(!loop_site_shut(&w.sim.node[US].site->loop) && sim_is_up(&w.sim, US, 2));
            if (bytes + (stamps < 3 ? 1 : 8) > LOOP_PROBE_BYTES + 20)
                sim_end(&w.sim);
        }
}
END_TEST

SIM_MAIN("hostile", a_live_hosts_address_is_not_taken, nor_by_something_like_a_loop_probe,
         loop_probes_of_any_length_do_no_harm, news_without_end_do_not_make_us_shout,
         many_probes_in_one_datagram_are_answered_once,
         moving_again_and_again_does_not_flood_a_stranger,
         closing_again_and_again_is_answered_once_a_second, a_late_close_ends_only_its_own_session,
         many_clashing_hosts_do_not_hide_the_gateways, the_key_that_proved_the_token_is_enrolled,
         order_numbers_are_asked_for_until_they_come)
