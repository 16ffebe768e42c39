/* SPDX-License-Identifier: MIT
 *
 * check_crossing.c - what crosses between two whole sites and what does not, and what is done to
 * it on the way: guard, gateways, hosts, TTL, MSS, router advertisements. The decisions have truth
 * tables of their own in tests/unit; here they are seen at work, both sites in their defaults.
 */
#include "net.h"
#include "run.h"

#include "../unit/frames.h"
#include "frame/guard.h"
#include "frame/packet.h"
#include "frame/ttl.h"

#include <string.h>

enum { HOME, PARENTS, SECOND_US = 1000000 };

/* The last frame each LAN saw that was not sent by its own hosts, and how many. */
struct world {
    struct sim sim;
    unsigned came[2];
    uint8_t last[2][FRAME_BYTES_MAX];
    size_t last_bytes[2];
    unsigned sender; /* whose frame is under way; its own LAN is not looked at */
};

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct world *w = sim->context;
    if (node == w->sender || bytes > FRAME_BYTES_MAX || frame[0] == 0x03)
        return; /* 03: a loop probe */
    w->came[node]++;
    memcpy(w->last[node], frame, bytes);
    w->last_bytes[node] = bytes;
}

static struct site_lan lan_of(unsigned node, const char *gateway, const char *prefix4,
                              const char *prefix6)
{
    struct site_lan lan = {.tap_mac = {{0xfe, 0, 0, 0, 0, (uint8_t)node}},
                           .bridge_mac = {{2, 0xbb, 0, 0, 0, (uint8_t)node}}};
    if (prefix4)
        lan.prefix[lan.prefix_count++] = (struct ip_prefix){frame_ip(prefix4), 24};
    if (prefix6)
        lan.prefix[lan.prefix_count++] = (struct ip_prefix){frame_ip(prefix6), 64};
    if (gateway) {
        lan.own[lan.own_count++] = frame_ip(gateway);
        lan.gateways.count = 1;
        lan.gateways.gateway[0] = (struct gateway){frame_ip(gateway), lan.bridge_mac};
    }
    return lan;
}

static void begin(struct world *w, const struct site_config *options)
{
    memset(w, 0, sizeof *w);
    sim_begin(&w->sim, 1);
    w->sim.context = w;
    w->sim.on_lan = on_lan;
    w->sender = SIM_NODES_MAX;
    for (unsigned n = 0; n < 2; n++) {
        sim_add(&w->sim, n == HOME ? "home" : "parents");
        struct site_config config = sim_config(&w->sim.node[n]);
        if (options) {
            config.guard = options->guard;
            config.ttl_repair = options->ttl_repair;
            config.multicast_all = options->multicast_all;
            config.ra_routes = options->ra_routes;
            config.ipv6_on_link = options->ipv6_on_link;
        }
        sim_start(&w->sim, n, &config);
        struct site_lan lan =
            lan_of(n, n == HOME ? "192.168.1.1" : "192.168.1.2", "192.168.1.0", NULL);
        site_set_lan(w->sim.node[n].site, &lan, w->sim.now_us);
    }
    sim_peer(&w->sim, HOME, PARENTS, true);
    sim_peer(&w->sim, PARENTS, HOME, true);
    ck_assert(sim_run_until_up(&w->sim, HOME, PARENTS, 5 * SECOND_US));
    sim_run(&w->sim, SECOND_US);
}

static struct site_config defaults(void)
{
    struct sim_node nobody = {.name = "nobody"};
    return sim_config(&nobody);
}

/* Does a frame of a host of @from reach the other LAN? */
static bool crosses(struct world *w, unsigned from, const uint8_t *frame, size_t bytes)
{
    unsigned before = w->came[1 - from];
    w->sender = from;
    sim_send(&w->sim, from, frame, bytes);
    sim_run(&w->sim, 200000);
    w->sender = SIM_NODES_MAX;
    return w->came[1 - from] > before;
}

static void set_lan(struct world *w, unsigned node, struct site_lan lan)
{
    site_set_lan(w->sim.node[node].site, &lan, w->sim.now_us);
    sim_run(&w->sim, SECOND_US);
}

static const struct site_counters *counters(struct world *w, unsigned node)
{
    return site_counters(w->sim.node[node].site);
}

/* ---- guard ---- */

static size_t udp(uint8_t *out, const char *from, const char *to, uint16_t source_port,
                  uint16_t destination_port, uint8_t ttl)
{
    struct frame_spec spec = {.source = frame_mac(9),
                              .ip_source = frame_ip(from),
                              .ip_destination = frame_ip(to),
                              .source_port = source_port,
                              .destination_port = destination_port,
                              .ttl = ttl};
    return frame_udp(out, spec, "payload", 7);
}

START_TEST(each_word_keeps_its_kind_at_home)
{
    static const struct {
        unsigned word;
        const char *from, *to;
        uint16_t source_port, destination_port;
        uint8_t icmp_type;
    } rows[] = {
        {GUARD_DHCP, "0.0.0.0", "255.255.255.255", 68, 67, 0},
        {GUARD_DHCP, "192.168.1.1", "255.255.255.255", 67, 68, 0},
        {GUARD_DHCP, "fe80::1", "ff02::1:2", 546, 547, 0},
        {GUARD_RA, "fe80::9", "ff02::1", 0, 0, FRAME_RA},
        {GUARD_RA, "fe80::9", "ff02::2", 0, 0, FRAME_RS},
    };
    for (unsigned guarded = 0; guarded < 2; guarded++) {
        struct world w;
        struct site_config options = defaults();
        options.guard = guarded ? options.guard : 0;
        options.ipv6_on_link = false;
        begin(&w, &options);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec spec = {.source = frame_mac(9),
                                      .ip_source = frame_ip(rows[i].from),
                                      .ip_destination = frame_ip(rows[i].to),
                                      .ttl = 255};
            static const uint8_t body[12] = {0};
            size_t bytes = rows[i].icmp_type
                               ? frame_icmp6(frame, spec, rows[i].icmp_type, body, sizeof body)
                               : udp(frame, rows[i].from, rows[i].to, rows[i].source_port,
                                     rows[i].destination_port, 64);
            ck_assert_msg(crosses(&w, HOME, frame, bytes) == !guarded, "row %zu, guarded %u", i,
                          guarded);
        }
        if (guarded) {
            ck_assert_uint_eq(counters(&w, HOME)->guard_dhcp, 3);
            ck_assert_uint_eq(counters(&w, HOME)->guard_ra, 2);
        }
        sim_end(&w.sim);
    }
}
END_TEST

START_TEST(either_side_alone_guards)
{
    /* The parents' daemon has its guard off, or is another program: ours still drops. */
    struct world w;
    uint8_t frame[FRAME_BYTES_MAX];
    begin(&w, NULL);
    struct site_config open = defaults();
    open.guard = 0;
    site_set_options(w.sim.node[PARENTS].site, &open);
    size_t bytes = udp(frame, "192.168.1.2", "255.255.255.255", 67, 68, 64);
    ck_assert(!crosses(&w, PARENTS, frame, bytes));
    ck_assert_uint_eq(counters(&w, HOME)->guard_dhcp, 1);
    sim_end(&w.sim);
}
END_TEST

START_TEST(foreign_television_stays_at_home)
{
    for (unsigned all = 0; all < 2; all++) {
        struct world w;
        uint8_t frame[FRAME_BYTES_MAX];
        struct site_config options = defaults();
        options.multicast_all = all;
        begin(&w, &options);
        size_t bytes = udp(frame, "192.168.1.30", "232.0.1.1", 5000, 5000, 8);
        ck_assert(crosses(&w, PARENTS, frame, bytes) == (all != 0));
        bytes = udp(frame, "192.168.1.30", "224.0.0.251", 5353, 5353, 255);
        ck_assert(crosses(&w, PARENTS, frame, bytes));
        bytes = udp(frame, "192.168.1.30", "239.255.255.250", 5000, 1900, 4);
        ck_assert(crosses(&w, PARENTS, frame, bytes));
        sim_end(&w.sim);
    }
}
END_TEST

/* ---- what is mended ---- */

START_TEST(a_lowered_ttl_is_repaired)
{
    static const struct {
        const char *from, *to;
        uint16_t port;
        uint8_t sent, on, off;
    } rows[] = {
        {"192.168.1.30", "224.0.0.251", 5353, 254, 255, 254},
        {"192.168.1.30", "224.0.0.251", 5353, 1, 255, 1},
        {"192.168.1.30", "239.255.255.250", 1900, 2, 4, 2},
        {"192.168.1.30", "239.255.255.250", 1900, 64, 64, 64},
        {"fe80::30", "ff02::fb", 5353, 253, 255, 253},
        {"fe80::30", "ff02::c", 1900, 1, 4, 1},
        {"192.168.1.30", "192.168.1.31", 5353, 3, 3, 3},
    };
    for (unsigned on = 0; on < 2; on++) {
        struct world w;
        struct site_config options = defaults();
        options.ttl_repair = on ? options.ttl_repair : 0;
        begin(&w, &options);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            uint8_t frame[FRAME_BYTES_MAX];
            size_t bytes =
                udp(frame, rows[i].from, rows[i].to, rows[i].port, rows[i].port, rows[i].sent);
            ck_assert(crosses(&w, PARENTS, frame, bytes));
            const uint8_t *ip = w.last[HOME] + 14;
            bool v4 = ip[0] >> 4 == 4;
            ck_assert_msg(ip[v4 ? 8 : 7] == (on ? rows[i].on : rows[i].off), "row %zu, on %u", i,
                          on);
            ck_assert(!v4 || frame_ip4_checksum_good(ip));
        }
        ck_assert_uint_eq(counters(&w, HOME)->ttl_repaired_mdns, on ? 3 : 0);
        ck_assert_uint_eq(counters(&w, HOME)->ttl_repaired_ssdp, on ? 2 : 0);
        sim_end(&w.sim);
    }
}
END_TEST

START_TEST(a_syn_is_clamped_to_one_datagram)
{
    static const uint8_t mss_1460[4] = {2, 4, 0x05, 0xb4};
    struct world w;
    uint8_t frame[FRAME_BYTES_MAX];
    struct frame_spec spec = {.source = frame_mac(9),
                              .ip_source = frame_ip("192.168.1.30"),
                              .ip_destination = frame_ip("192.168.1.31"),
                              .ttl = 64,
                              .source_port = 40000,
                              .destination_port = 80};
    begin(&w, NULL);
    size_t bytes = frame_tcp(frame, spec, FRAME_TCP_SYN, mss_1460, sizeof mss_1460);
    ck_assert(crosses(&w, HOME, frame, bytes));
    /* 1500 - 20 - 8 - 16 - 16 - 2 - 14 - 40 */
    ck_assert_uint_eq(load_be16(w.last[PARENTS] + 14 + 20 + 22), 1384);
    ck_assert(frame_upper_checksum_good(&spec.ip_source, &spec.ip_destination, 6,
                                        w.last[PARENTS] + 34, w.last_bytes[PARENTS] - 34));
    ck_assert_uint_eq(counters(&w, HOME)->mss_clamped, 1);
    sim_end(&w.sim);
}
END_TEST

/* ---- gateways and hosts ---- */

static size_t arp(uint8_t *out, uint16_t operation, uint16_t mac, const char *from, const char *to)
{
    struct frame_spec spec = {
        .source = frame_mac(mac), .ip_source = frame_ip(from), .ip_destination = frame_ip(to)};
    return frame_arp(out, spec, operation, (struct mac){{0}});
}

START_TEST(a_gateway_is_claimed_only_at_its_own_home)
{
    struct world w;
    uint8_t frame[FRAME_BYTES_MAX];
    begin(&w, NULL);
    /* 192.168.1.1 here, .2 there: asking for the other home's router crosses, claiming ours does
     * not. */
    ck_assert(crosses(&w, HOME, frame, arp(frame, 1, 9, "192.168.1.30", "192.168.1.2")));
    ck_assert(crosses(&w, PARENTS, frame, arp(frame, 1, 8, "192.168.1.40", "192.168.1.1")));
    ck_assert(!crosses(&w, PARENTS, frame, arp(frame, 2, 8, "192.168.1.1", "192.168.1.30")));
    ck_assert(!crosses(&w, PARENTS, frame, arp(frame, 1, 8, "192.168.1.1", "192.168.1.1")));
    ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_CLASH_GATEWAY], 0);

    /* The parents' router is given our router's address. */
    set_lan(&w, PARENTS, lan_of(PARENTS, "192.168.1.1", "192.168.1.0", NULL));
    ck_assert(!crosses(&w, HOME, frame, arp(frame, 1, 9, "192.168.1.30", "192.168.1.1")));
    ck_assert(!crosses(&w, PARENTS, frame, arp(frame, 1, 8, "192.168.1.40", "192.168.1.1")));
    ck_assert(!crosses(&w, PARENTS, frame, arp(frame, 1, 8, "0.0.0.0", "192.168.1.1")));
    ck_assert(crosses(&w, HOME, frame, arp(frame, 1, 9, "192.168.1.30", "192.168.1.40")));
    ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_CLASH_GATEWAY], 1);
    struct site_clash clash[4];
    ck_assert_uint_eq(site_clashes(w.sim.node[HOME].site, w.sim.now_us, clash, 4), 1);
    ck_assert_int_eq(clash[0].kind, CLASH_GATEWAY);
    ck_assert_str_eq(clash[0].peer, "parents");

    /* And another one again: the clash is over. */
    set_lan(&w, PARENTS, lan_of(PARENTS, "192.168.1.3", "192.168.1.0", NULL));
    ck_assert_uint_eq(site_clashes(w.sim.node[HOME].site, w.sim.now_us, clash, 4), 0);
    ck_assert(crosses(&w, HOME, frame, arp(frame, 1, 9, "192.168.1.30", "192.168.1.3")));
    sim_end(&w.sim);
}
END_TEST

START_TEST(a_host_keeps_its_address_in_its_own_home)
{
    struct world w;
    uint8_t frame[FRAME_BYTES_MAX];
    begin(&w, NULL);
    ck_assert(crosses(&w, HOME, frame, arp(frame, 1, 9, "192.168.1.50", "192.168.1.51")));
    ck_assert(!crosses(&w, PARENTS, frame, arp(frame, 1, 8, "192.168.1.50", "192.168.1.60")));
    ck_assert(!crosses(&w, PARENTS, frame, arp(frame, 1, 8, "0.0.0.0", "192.168.1.50")));
    ck_assert(crosses(&w, PARENTS, frame, arp(frame, 1, 8, "192.168.1.40", "192.168.1.50")));
    ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_CLASH_HOST], 1);
    ck_assert_uint_eq(counters(&w, HOME)->guard_hosts, 2);
    sim_end(&w.sim);
}
END_TEST

START_TEST(differing_subnets_are_named)
{
    struct world w;
    begin(&w, NULL);
    ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_SUBNETS_DIFFER], 0);
    set_lan(&w, PARENTS, lan_of(PARENTS, "192.168.7.1", "192.168.7.0", NULL));
    ck_assert_uint_eq(w.sim.node[HOME].events[EVENT_SUBNETS_DIFFER], 1);
    ck_assert_uint_eq(w.sim.node[PARENTS].events[EVENT_SUBNETS_DIFFER], 1);
    sim_end(&w.sim);
}
END_TEST

START_TEST(a_source_that_lives_here_does_not_come_from_there)
{
    struct world w;
    uint8_t frame[FRAME_BYTES_MAX];
    begin(&w, NULL);
    ck_assert(crosses(&w, HOME, frame, udp(frame, "192.168.1.30", "224.0.0.251", 5353, 5353, 255)));
    ck_assert(
        !crosses(&w, PARENTS, frame, udp(frame, "192.168.1.31", "224.0.0.251", 5353, 5353, 255)));
    ck_assert_uint_eq(counters(&w, HOME)->guard_source, 1);
    sim_end(&w.sim);
}
END_TEST

START_TEST(a_phone_carried_to_the_other_home_is_heard_there)
{
    struct world w;
    uint8_t frame[FRAME_BYTES_MAX];
    begin(&w, NULL);
    size_t bytes = udp(frame, "192.168.1.30", "224.0.0.251", 5353, 5353, 255);
    ck_assert(crosses(&w, HOME, frame, bytes));
    sim_run(&w.sim, 12 * UINT64_C(1000000));
    ck_assert(crosses(&w, PARENTS, frame, bytes));
    /* and is spoken to there */
    struct frame_spec spec = {.destination = frame_mac(9),
                              .source = frame_mac(7),
                              .ip_source = frame_ip("192.168.1.20"),
                              .ip_destination = frame_ip("192.168.1.30"),
                              .ttl = 64};
    ck_assert(crosses(&w, HOME, frame, frame_udp(frame, spec, "hello", 5)));
    sim_end(&w.sim);
}
END_TEST

/* ---- router advertisements ---- */

START_TEST(peers_prefixes_are_put_on_the_link)
{
    struct world w;
    begin(&w, NULL);
    set_lan(&w, PARENTS, lan_of(PARENTS, "192.168.1.2", "192.168.1.0", "2001:db8:b::"));
    sim_run(&w.sim, 5 * SECOND_US);
    struct packet p;
    ck_assert(packet_parse(&p, w.last[HOME], w.last_bytes[HOME]));
    ck_assert_uint_eq(p.protocol, IP_PROTOCOL_ICMPV6);
    const uint8_t *ra = w.last[HOME] + p.transport_offset, *option = ra + 16;
    ck_assert_uint_eq(ra[0], FRAME_RA);
    ck_assert_uint_eq(load_be16(ra + 6), 0); /* no default router */
    ck_assert_uint_eq(option[0], 3);
    ck_assert_uint_eq(option[2], 64);
    ck_assert_uint_eq(option[3], 0x80); /* on-link, not autonomous */
    ck_assert_uint_gt(load_be32(option + 4), 0);
    struct ip_address prefix = frame_ip("2001:db8:b::");
    ck_assert_mem_eq(option + 16, prefix.octet, 16);

    /* It goes again: withdrawn. */
    set_lan(&w, PARENTS, lan_of(PARENTS, "192.168.1.2", "192.168.1.0", NULL));
    sim_run(&w.sim, 5 * SECOND_US);
    ck_assert_uint_eq(load_be32(w.last[HOME] + p.transport_offset + 20), 0);
    sim_end(&w.sim);
}
END_TEST

/* The lifetime in the last advertisement that @node's LAN saw. */
static uint32_t lifetime_s(const struct world *w, unsigned node)
{
    struct packet p;
    uint8_t copy[FRAME_BYTES_MAX];
    memcpy(copy, w->last[node], w->last_bytes[node]);
    ck_assert(packet_parse(&p, copy, w->last_bytes[node]));
    ck_assert_uint_eq(copy[p.transport_offset], FRAME_RA);
    return load_be32(copy + p.transport_offset + 16 + 4);
}

START_TEST(only_routes_cross_and_only_when_asked_for)
{
    /* A Thread border router's: lifetime 0, a route, a DNS server that must not ride along. */
    static const uint8_t options[] = {24, 2, 64, 0, 0, 0, 7, 8, 0xfd, 1, 0,    2, 0, 3,
                                      0,  4, 25, 3, 0, 0, 0, 0, 7,    8, 0xfd, 0, 0, 0,
                                      0,  0, 0,  0, 0, 0, 0, 0, 0,    0, 0,    1};
    enum { RA_BYTES = 14 + 40 + 16, ROUTE_BYTES = 16 };
    struct frame_spec spec = {.source = frame_mac(9),
                              .ip_source = frame_ip("fe80::9"),
                              .ip_destination = frame_ip("ff02::1")};
    for (unsigned from = HOME; from <= PARENTS; from++)
        for (unsigned asked = 0; asked < 2; asked++)
            for (uint16_t lifetime_s = 0; lifetime_s <= 1800; lifetime_s += 1800) {
                struct world w;
                uint8_t frame[FRAME_BYTES_MAX];
                struct site_config options_on = defaults();
                options_on.ra_routes = asked;
                begin(&w, &options_on);
                size_t bytes = frame_ra(frame, spec, lifetime_s, options, sizeof options);
                bool want = asked && lifetime_s == 0;
                ck_assert(crosses(&w, from, frame, bytes) == want);
                if (want) {
                    ck_assert_uint_eq(w.last_bytes[1 - from], RA_BYTES + ROUTE_BYTES);
                    ck_assert_mem_eq(w.last[1 - from] + RA_BYTES, options, ROUTE_BYTES);
                } else {
                    ck_assert_uint_eq(counters(&w, from)->guard_ra, 1);
                }
                sim_end(&w.sim);
            }
}
END_TEST

START_TEST(prefixes_do_not_outlive_the_tunnel)
{
    struct world w;
    begin(&w, NULL);
    set_lan(&w, HOME, lan_of(HOME, "192.168.1.1", "192.168.1.0", "2001:db8:a::"));
    set_lan(&w, PARENTS, lan_of(PARENTS, "192.168.1.2", "192.168.1.0", "2001:db8:b::"));
    sim_run(&w.sim, 5 * SECOND_US);
    ck_assert_uint_gt(lifetime_s(&w, HOME), 0);
    ck_assert_uint_gt(lifetime_s(&w, PARENTS), 0);

    /* The daemon ends: its LAN is told at once; the other LAN a minute after its peer went. */
    sim_close(&w.sim.node[PARENTS]);
    sim_run(&w.sim, SECOND_US);
    ck_assert_uint_eq(lifetime_s(&w, PARENTS), 0);
    ck_assert_uint_gt(lifetime_s(&w, HOME), 0);
    sim_run(&w.sim, 65 * UINT64_C(1000000));
    ck_assert_uint_eq(lifetime_s(&w, HOME), 0);
    unsigned before = w.came[HOME];
    sim_run(&w.sim, 600 * UINT64_C(1000000));
    ck_assert_uint_eq(w.came[HOME], before);
    sim_end(&w.sim);
}
END_TEST

START_TEST(half_the_internet_is_not_put_on_the_link)
{
    struct world w;
    begin(&w, NULL);
    struct site_lan lan = lan_of(PARENTS, "192.168.1.2", "192.168.1.0", NULL);
    lan.prefix[lan.prefix_count++] = (struct ip_prefix){frame_ip("2001:db8::"), 32};
    unsigned before = w.came[HOME];
    set_lan(&w, PARENTS, lan);
    sim_run(&w.sim, 5 * SECOND_US);
    ck_assert_uint_eq(w.came[HOME], before);
    sim_end(&w.sim);
}
END_TEST

SIM_MAIN("crossing", each_word_keeps_its_kind_at_home, either_side_alone_guards,
         foreign_television_stays_at_home, a_lowered_ttl_is_repaired,
         a_syn_is_clamped_to_one_datagram, a_gateway_is_claimed_only_at_its_own_home,
         a_host_keeps_its_address_in_its_own_home, differing_subnets_are_named,
         a_source_that_lives_here_does_not_come_from_there,
         a_phone_carried_to_the_other_home_is_heard_there, peers_prefixes_are_put_on_the_link,
         only_routes_cross_and_only_when_asked_for, prefixes_do_not_outlive_the_tunnel,
         half_the_internet_is_not_put_on_the_link)
