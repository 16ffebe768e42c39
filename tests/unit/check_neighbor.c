/* SPDX-License-Identifier: MIT
 *
 * check_neighbor.c - what ARP and ND frames claim, and which are not read at all.
 */
#include "frame/neighbor.h"

#include "frames.h"

#include <check.h>

static bool parse(uint8_t *frame, size_t bytes, struct neighbor *n)
{
    struct packet p;
    ck_assert(packet_parse(&p, frame, bytes));
    return neighbor_parse(&p, n);
}

static void expect(const struct neighbor *n, const char *sender, const char *target,
                   const char *claimed, unsigned mac)
{
    struct ip_address from = frame_ip(sender), to = frame_ip(target);
    struct mac who = frame_mac((uint16_t)mac);
    ck_assert_int_eq(n->family, to.family);
    ck_assert(ip_equal(&n->sender, &from) && ip_equal(&n->target, &to));
    ck_assert(n->probe == ip_is_unspecified(&from));
    ck_assert(mac_equal(&n->mac, &who));
    if (claimed) {
        struct ip_address address = frame_ip(claimed);
        ck_assert(ip_equal(&n->claimed, &address));
    } else {
        ck_assert_int_eq(n->claimed.family, IP_NONE);
    }
}

START_TEST(reads_arp)
{
    static const uint16_t OPERATION[] = {1, 2, 3, 8, 0xffff};
    for (size_t i = 0; i < sizeof OPERATION / sizeof OPERATION[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct neighbor n;
        struct frame_spec s = {.source = frame_mac(5),
                               .ip_source = frame_ip("10.0.0.5"),
                               .ip_destination = frame_ip("10.0.0.6")};
        ck_assert(parse(frame, frame_arp(frame, s, OPERATION[i], frame_mac(0)), &n));
        expect(&n, "10.0.0.5", "10.0.0.6", "10.0.0.5", 5);
        s.ip_source = frame_ip("0.0.0.0");
        ck_assert(parse(frame, frame_arp(frame, s, OPERATION[i], frame_mac(0)), &n));
        expect(&n, "0.0.0.0", "10.0.0.6", NULL, 5);
    }
}
END_TEST

/* The sender's hardware address in the ARP is the one receivers note, not Ethernet's. */
START_TEST(believes_arp_rather_than_ethernet)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct neighbor n;
    struct frame_spec s = {.source = frame_mac(5),
                           .ip_source = frame_ip("10.0.0.5"),
                           .ip_destination = frame_ip("10.0.0.6")};
    size_t bytes = frame_arp(frame, s, 1, frame_mac(0));
    memcpy(frame + 6, frame_mac(7).octet, 6);
    ck_assert(parse(frame, bytes, &n));
    expect(&n, "10.0.0.5", "10.0.0.6", "10.0.0.5", 5);
}
END_TEST

START_TEST(reads_nd)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct neighbor n;
    struct mac option = frame_mac(8);
    struct ip_address target = frame_ip("fe80::6");
    struct frame_spec s = {.source = frame_mac(5),
                           .ip_source = frame_ip("fe80::5"),
                           .ip_destination = frame_ip("ff02::1")};
    ck_assert(parse(frame, frame_ns(frame, s, target, &option), &n));
    expect(&n, "fe80::5", "fe80::6", "fe80::5", 8);
    ck_assert(parse(frame, frame_ns(frame, s, target, NULL), &n));
    expect(&n, "fe80::5", "fe80::6", "fe80::5", 5);
    ck_assert(parse(frame, frame_na(frame, s, 0, target, &option), &n));
    expect(&n, "fe80::5", "fe80::6", "fe80::6", 8);
    ck_assert(parse(frame, frame_na(frame, s, 0, target, NULL), &n));
    expect(&n, "fe80::5", "fe80::6", "fe80::6", 5);
    s.ip_source = frame_ip("::");
    ck_assert(parse(frame, frame_ns(frame, s, target, NULL), &n));
    expect(&n, "::", "fe80::6", NULL, 5);
}
END_TEST

/* What stands between the fixed part and the end: found wherever it is, given up when broken. */
START_TEST(finds_the_link_address)
{
    static const struct {
        uint8_t options[24];
        size_t bytes;
        unsigned mac;
    } ROW[] = {
        {{0}, 0, 5},
        {{1, 1, 2, 0, 0, 0, 0, 8}, 8, 8},
        {{2, 1, 2, 0, 0, 0, 0, 8}, 8, 5},                /* a TLLAO says nothing in an NS */
        {{14, 2, [16] = 1, 1, 2, 0, 0, 0, 0, 8}, 24, 8}, /* behind a nonce */
        {{1, 0, 2, 0, 0, 0, 0, 8}, 8, 5},                /* no length */
        {{14, 0, [8] = 1, 1, 2, 0, 0, 0, 0, 8}, 16, 5},
        {{1, 2, 2, 0, 0, 0, 0, 8}, 8, 5}, /* longer than what is there */
        {{1, 1, 2, 0, 0, 0, 0, 8}, 7, 5},
        {{1, 2, 2, 0, 0, 0, 0, 8}, 16, 8},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], body[20 + 24] = {0};
        struct neighbor n;
        struct frame_spec s = {.source = frame_mac(5),
                               .ip_source = frame_ip("fe80::5"),
                               .ip_destination = frame_ip("ff02::1"),
                               .ttl = 255};
        memcpy(body + 20, ROW[i].options, ROW[i].bytes);
        size_t bytes = frame_icmp6(frame, s, FRAME_NS, body, 20 + ROW[i].bytes);
        struct mac mac = frame_mac((uint16_t)ROW[i].mac);
        ck_assert(parse(frame, bytes, &n));
        ck_assert_msg(mac_equal(&n.mac, &mac), "row %zu", i);
    }
}
END_TEST

START_TEST(reads_nothing_else)
{
    static const uint8_t atomic[8] = {58}, body[20];
    uint8_t frame[FRAME_BYTES_MAX];
    struct neighbor n;
    struct frame_spec s = {
        .ip_source = frame_ip("fe80::5"), .ip_destination = frame_ip("ff02::1"), .ttl = 255};
    ck_assert(parse(frame, frame_icmp6(frame, s, FRAME_NS, body, 20), &n));
    ck_assert(!parse(frame, frame_icmp6(frame, s, FRAME_NS, body, 19), &n));
    ck_assert(!parse(frame, frame_icmp6(frame, s, FRAME_NA, body, 0), &n));
    ck_assert(!parse(frame, frame_icmp6(frame, s, FRAME_RA, body, 20), &n));
    ck_assert(!parse(frame, frame_icmp6(frame, s, FRAME_REDIRECT, body, 20), &n));
    ck_assert(!parse(frame, frame_udp(frame, s, body, 20), &n));
    s.extensions = atomic;
    s.extensions_bytes = sizeof atomic;
    s.extension_type = 44;
    ck_assert(!parse(frame, frame_icmp6(frame, s, FRAME_NS, body, 20), &n));

    struct frame_spec s4 = {.ip_source = frame_ip("10.0.0.5"),
                            .ip_destination = frame_ip("10.0.0.6")};
    uint8_t ns[24] = {FRAME_NS};
    ck_assert(!parse(frame, frame_packet(frame, s4, 58, ns, sizeof ns), &n)); /* ND in IPv4 */
    size_t bytes = frame_arp(frame, s4, 1, frame_mac(0));
    ck_assert(!parse(frame, bytes - 1, &n));
    frame[14] = 6; /* a hardware type that is not Ethernet's */
    ck_assert(!parse(frame, bytes, &n));
    ck_assert_int_eq(n.claimed.family, IP_NONE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("neighbor");
    TCase *reading = tcase_create("reading");
    tcase_add_test(reading, reads_arp);
    tcase_add_test(reading, believes_arp_rather_than_ethernet);
    tcase_add_test(reading, reads_nd);
    tcase_add_test(reading, finds_the_link_address);
    tcase_add_test(reading, reads_nothing_else);
    suite_add_tcase(suite, reading);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
