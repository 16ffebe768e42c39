/* SPDX-License-Identifier: MIT
 *
 * check_hosts.c - what makes an address a local host's, and which frames from a peer claim it.
 */
#include "frame/hosts.h"

#include "frames.h"

#include <check.h>
#include <sodium.h>
#include <stdio.h>

static const uint8_t HASH_KEY[HOSTS_HASH_KEY_BYTES] = {4, 5, 6};
static const struct mac OWN_MAC = {{0x02, 0xbb, 0, 0, 0, 1}};
static struct hosts hosts;

static void begin(void)
{
    memset(&hosts, 0, sizeof hosts);
    hosts_init(&hosts, HASH_KEY);
}

static void setup(void)
{
    ck_assert_int_ge(sodium_init(), 0);
    begin();
}

/* ---- Frames about an address, by a host of MAC frame_mac(@mac) ---- */

enum message {
    ARP_REQUEST_BY, /* the address asks for another */
    ARP_REPLY_BY,
    ARP_GRATUITOUS,
    ARP_PROBE,       /* asks for the address, from 0.0.0.0 */
    ARP_REQUEST_FOR, /* another asks for the address */
    NA_FOR,
    NA_BARE,   /* without a link-layer address option */
    NA_BY,     /* the address speaks for another */
    NS_BY,     /* the address asks for another */
    NS_BARE,   /* the same without a link-layer address option */
    DAD_FOR,   /* asks for the address, from :: */
    NS_FOR,    /* another asks for the address */
    UDP_GROUP, /* the address sends to a multicast group */
    UDP_BROADCAST,
    UDP_UNICAST,
    TCP_UNICAST,
    MESSAGES,
};
static const char *const MESSAGE[MESSAGES] = {
    "ARP request by", "ARP reply by",  "gratuitous ARP", "ARP probe",   "ARP request for", "NA for",
    "NA bare",        "NA by",         "NS by",          "NS bare",     "DAD for",         "NS for",
    "UDP group",      "UDP broadcast", "UDP unicast",    "TCP unicast",
};

static size_t build_arp(uint8_t *frame, struct frame_spec s, enum message m, struct ip_address a)
{
    struct ip_address other = frame_ip("192.168.1.99");
    s.ip_source = m == ARP_PROBE ? frame_ip("0.0.0.0") : m == ARP_REQUEST_FOR ? other : a;
    s.ip_destination = m == ARP_REQUEST_BY || m == ARP_REPLY_BY ? other : a;
    return frame_arp(frame, s, m == ARP_REPLY_BY ? FRAME_ARP_REPLY : FRAME_ARP_REQUEST,
                     frame_mac(0));
}

static size_t build_nd(uint8_t *frame, struct frame_spec s, enum message m, struct ip_address a)
{
    struct ip_address other = frame_ip("fe80::99");
    struct mac mac = s.source;
    bool by = m == NA_BY || m == NS_BY || m == NS_BARE;
    bool bare = m == NA_BARE || m == NS_BARE || m == DAD_FOR;
    s.ip_source = m == DAD_FOR ? frame_ip("::") : m == NS_FOR ? other : a;
    s.ip_destination = frame_ip("ff02::1");
    if (!bare)
        s.source = frame_mac(0xeeee); /* an access point's, say: the option is to be believed */
    struct ip_address target = by ? other : a;
    if (m == NA_BY)
        s.source = mac;
    if (m == NA_FOR || m == NA_BARE || m == NA_BY)
        return frame_na(frame, s, 0x20, target, bare ? NULL : &mac);
    return frame_ns(frame, s, target, bare ? NULL : &mac);
}

static size_t build_ip(uint8_t *frame, struct frame_spec s, enum message m, struct ip_address a)
{
    bool v4 = a.family == IP_V4;
    s.ip_source = a;
    s.ip_destination = frame_ip(v4 ? "224.0.0.251" : "ff02::fb");
    s.source_port = s.destination_port = 5353;
    if (m == UDP_UNICAST || m == TCP_UNICAST)
        s.ip_destination = frame_ip(v4 ? "192.168.1.99" : "fe80::99");
    if (m == UDP_BROADCAST) {
        s.ip_destination = frame_ip(v4 ? "192.168.1.255" : "ff02::1");
        s.destination = frame_broadcast();
    }
    return m == TCP_UNICAST ? frame_tcp(frame, s, FRAME_TCP_ACK, NULL, 0)
                            : frame_udp(frame, s, "x", 1);
}

static struct packet build(uint8_t *frame, enum message m, const char *address, uint16_t mac)
{
    struct packet p;
    struct frame_spec s = {.source = frame_mac(mac), .ttl = 255};
    struct ip_address a = frame_ip(address);
    size_t bytes = m <= ARP_REQUEST_FOR ? build_arp(frame, s, m, a)
                   : m <= NS_FOR        ? build_nd(frame, s, m, a)
                                        : build_ip(frame, s, m, a);
    ck_assert(packet_parse(&p, frame, bytes));
    return p;
}

static void learn(enum message m, const char *address, uint16_t mac, uint64_t now_us)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct packet p = build(frame, m, address, mac);
    hosts_learn(&hosts, &p, now_us);
}

static bool blocks(enum message m, const char *address, uint16_t mac, uint64_t now_us,
                   struct hosts_clash *clash)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct packet p = build(frame, m, address, mac);
    return hosts_blocks(&hosts, &p, NULL, 0, &OWN_MAC, now_us, clash);
}

/* Whether @address is held by another than frame_mac(9). */
static bool is_held(const char *address, uint64_t now_us, struct hosts_clash *clash)
{
    bool v4 = frame_ip(address).family == IP_V4;
    return blocks(v4 ? ARP_REPLY_BY : NA_FOR, address, 9, now_us, clash);
}

/* ---- Tests ---- */

/* What a frame from the LAN tells us its sender holds; and what the same from a peer claims. */
static const struct {
    enum message message;
    const char *address;
    bool learned, claims;
} TABLE[] = {
    {ARP_REQUEST_BY, "192.168.1.50", true, true},
    {ARP_REPLY_BY, "192.168.1.50", true, true},
    {ARP_GRATUITOUS, "192.168.1.50", true, true},
    {ARP_PROBE, "192.168.1.50", false, true},
    {ARP_REQUEST_FOR, "192.168.1.50", false, false},
    {ARP_REPLY_BY, "203.0.113.5", true, true},
    {NA_FOR, "fe80::50", true, true},
    {NA_FOR, "2001:db8::50", true, true},
    {NA_BARE, "fe80::50", true, true},
    {NA_BY, "fe80::50", true, false},
    {NS_BY, "fe80::50", true, true},
    {NS_BARE, "fe80::50", true, true},
    {DAD_FOR, "fe80::50", false, true},
    {NS_FOR, "fe80::50", false, false},
    {UDP_GROUP, "192.168.1.50", true, false},
    {UDP_GROUP, "10.1.2.3", true, false},
    {UDP_GROUP, "172.16.0.1", true, false},
    {UDP_GROUP, "172.31.255.1", true, false},
    {UDP_GROUP, "172.32.0.1", false, false},
    {UDP_GROUP, "169.254.7.7", true, false},
    {UDP_GROUP, "203.0.113.5", false, false}, /* IPTV, come through the router */
    {UDP_GROUP, "fe80::50", true, false},
    {UDP_GROUP, "fd12::50", true, false},
    {UDP_GROUP, "2001:db8::50", false, false},
    {UDP_BROADCAST, "192.168.1.50", true, false},
    {UDP_UNICAST, "192.168.1.50", false, false},
    {UDP_UNICAST, "fe80::50", false, false},
    {TCP_UNICAST, "192.168.1.50", false, false},
};

START_TEST(learns)
{
    bool seen[MESSAGES] = {false};
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        struct hosts_clash clash;
        begin();
        seen[TABLE[i].message] = true;
        ck_assert(!is_held(TABLE[i].address, 0, &clash));
        learn(TABLE[i].message, TABLE[i].address, 5, 0);
        ck_assert_msg(is_held(TABLE[i].address, 0, &clash) == TABLE[i].learned, "row %zu: %s", i,
                      MESSAGE[TABLE[i].message]);
        struct mac mac = frame_mac(5);
        if (TABLE[i].learned)
            ck_assert_msg(mac_equal(&clash.local, &mac), "row %zu: %s", i,
                          MESSAGE[TABLE[i].message]);
    }
    for (size_t m = 0; m < MESSAGES; m++)
        ck_assert_msg(seen[m], "no row for %s", MESSAGE[m]);
}
END_TEST

START_TEST(blocks_claims)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        struct hosts_clash clash;
        const char *address = TABLE[i].address, *what = MESSAGE[TABLE[i].message];
        struct ip_address held = frame_ip(address);
        struct mac local = frame_mac(5), remote = frame_mac(6);
        begin();
        ck_assert_msg(!blocks(TABLE[i].message, address, 6, 0, &clash), "%s, held by none", what);
        learn(held.family == IP_V4 ? ARP_REPLY_BY : NA_FOR, address, 5, 0);
        ck_assert_msg(!blocks(TABLE[i].message, address, 5, 0, &clash), "%s, by itself", what);
        ck_assert_msg(blocks(TABLE[i].message, address, 6, 0, &clash) == TABLE[i].claims,
                      "%s, row %zu", what, i);
        if (!TABLE[i].claims)
            continue;
        ck_assert_msg(ip_equal(&clash.address, &held), "%s", what);
        ck_assert_msg(mac_equal(&clash.local, &local), "%s", what);
        ck_assert_msg(mac_equal(&clash.remote, &remote), "%s", what);
    }
}
END_TEST

/* The bridge's own addresses need not be learned, and are nobody else's whatever the MAC. */
START_TEST(blocks_claims_to_own_addresses)
{
    struct ip_address own[] = {frame_ip("192.168.1.50"), frame_ip("fe80::50"),
                               frame_ip("2001:db8::50"), frame_ip("203.0.113.5")};
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct ip_address address = frame_ip(TABLE[i].address);
        bool is_own = false;
        for (size_t n = 0; n < sizeof own / sizeof own[0]; n++)
            is_own |= ip_equal(&own[n], &address);
        struct packet p = build(frame, TABLE[i].message, TABLE[i].address, 6);
        struct hosts_clash clash;
        bool blocked =
            hosts_blocks(&hosts, &p, own, sizeof own / sizeof own[0], &OWN_MAC, 0, &clash);
        ck_assert_msg(blocked == (is_own && TABLE[i].claims), "row %zu", i);
        if (blocked)
            ck_assert(mac_equal(&clash.local, &OWN_MAC) && ip_equal(&clash.address, &address));
    }
}
END_TEST

START_TEST(ages_and_refreshes)
{
    struct hosts_clash clash;
    learn(ARP_REPLY_BY, "192.168.1.50", 5, 1000);
    ck_assert(is_held("192.168.1.50", 1000 + HOSTS_AGE_US - 1, &clash));
    ck_assert(!is_held("192.168.1.50", 1000 + HOSTS_AGE_US, &clash));
    learn(ARP_REPLY_BY, "192.168.1.50", 5, HOSTS_AGE_US);
    ck_assert(is_held("192.168.1.50", 2 * HOSTS_AGE_US - 1, &clash));
    ck_assert(!is_held("192.168.1.50", 2 * HOSTS_AGE_US, &clash));
}
END_TEST

START_TEST(takes_over_a_new_mac)
{
    struct hosts_clash clash;
    struct mac mac = frame_mac(7);
    learn(ARP_REPLY_BY, "192.168.1.50", 5, 0);
    learn(ARP_GRATUITOUS, "192.168.1.50", 7, 1);
    ck_assert(is_held("192.168.1.50", 1, &clash));
    ck_assert(mac_equal(&clash.local, &mac));
    ck_assert(!blocks(ARP_REPLY_BY, "192.168.1.50", 7, 1, &clash));
}
END_TEST

/* What no host can hold is not learned; a probe for nothing is not blocked. */
START_TEST(ignores_impossible_addresses)
{
    static const char *const NEVER[] = {
        "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.251",     "255.255.255.255",
        "::",      "::1",     "ff02::1",   "::ffff:10.0.0.1",
    };
    struct hosts_clash clash;
    for (size_t i = 0; i < sizeof NEVER / sizeof NEVER[0]; i++) {
        bool v4 = frame_ip(NEVER[i]).family == IP_V4;
        learn(v4 ? ARP_REPLY_BY : NA_FOR, NEVER[i], 5, 0);
        ck_assert_msg(!is_held(NEVER[i], 0, &clash), "%s", NEVER[i]);
        ck_assert(!blocks(v4 ? ARP_PROBE : DAD_FOR, NEVER[i], 6, 0, &clash));
    }
    uint8_t frame[FRAME_BYTES_MAX];
    struct packet p = build(frame, ARP_REPLY_BY, "192.168.1.50", 5);
    frame[14 + 8] |= 1; /* a group MAC cannot be a sender's */
    hosts_learn(&hosts, &p, 0);
    ck_assert(!is_held("192.168.1.50", 0, &clash));
}
END_TEST

/* The address of one IPv4 host and one IPv6 host with the same octets are not the same. */
START_TEST(families_are_apart)
{
    struct hosts_clash clash;
    learn(ARP_REPLY_BY, "192.168.1.50", 5, 0);
    ck_assert(!is_held("c0a8:132::", 0, &clash));
}
END_TEST

/* The table overflows: the newest are kept, whatever window they fall into. */
START_TEST(evicts_the_oldest)
{
    struct hosts_clash clash;
    char address[24];
    unsigned held = 0;
    enum { FLOOD = 20000, NEWEST = 64 };
    for (unsigned n = 0; n < FLOOD; n++) {
        snprintf(address, sizeof address, "10.0.%u.%u", n / 250, n % 250 + 1);
        learn(ARP_REPLY_BY, address, 5, n);
    }
    for (unsigned n = 0; n < FLOOD; n++) {
        snprintf(address, sizeof address, "10.0.%u.%u", n / 250, n % 250 + 1);
        bool is = is_held(address, FLOOD, &clash);
        held += is;
        ck_assert_msg(is || n < FLOOD - NEWEST, "%s, the %uth last, is gone", address, FLOOD - n);
    }
    ck_assert_uint_le(held, HOSTS_MAX);
    ck_assert_uint_gt(held, HOSTS_MAX * 9 / 10);
}
END_TEST

/* A home's hundreds are all kept. */
START_TEST(holds_a_full_subnet)
{
    struct hosts_clash clash;
    char address[24];
    for (unsigned n = 1; n < 255; n++) {
        snprintf(address, sizeof address, "192.168.1.%u", n);
        learn(ARP_REPLY_BY, address, (uint16_t)(n + 100), n);
    }
    for (unsigned n = 1; n < 255; n++) {
        struct mac mac = frame_mac((uint16_t)(n + 100));
        snprintf(address, sizeof address, "192.168.1.%u", n);
        ck_assert(is_held(address, 255, &clash));
        ck_assert(mac_equal(&clash.local, &mac));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *table = tcase_create("table");
    tcase_add_checked_fixture(table, setup, NULL);
    tcase_add_test(table, learns);
    tcase_add_test(table, blocks_claims);
    tcase_add_test(table, blocks_claims_to_own_addresses);
    tcase_add_test(table, ages_and_refreshes);
    tcase_add_test(table, takes_over_a_new_mac);
    tcase_add_test(table, ignores_impossible_addresses);
    tcase_add_test(table, families_are_apart);
    tcase_add_test(table, evicts_the_oldest);
    tcase_add_test(table, holds_a_full_subnet);
    suite_add_tcase(suite, table);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
