/* SPDX-License-Identifier: MIT
 *
 * check_multicast.c - the class of each kind of frame, and what crosses.
 */
#include "frame/multicast.h"

#include "frames.h"

#include <check.h>

static enum multicast_class class_of(uint8_t *frame, size_t bytes)
{
    struct packet p;
    ck_assert(packet_parse(&p, frame, bytes));
    return multicast_classify(&p);
}

static struct frame_spec spec_to(const char *address, uint16_t port)
{
    struct ip_address to = frame_ip(address);
    return (struct frame_spec){.ip_source = frame_ip(to.family == IP_V4 ? "10.0.0.5" : "fe80::5"),
                               .ip_destination = to,
                               .ttl = 1,
                               .source_port = port,
                               .destination_port = port};
}

/* UDP to each group, with the group's own MAC. */
START_TEST(groups)
{
    static const struct {
        const char *group;
        enum multicast_class class;
    } ROW[] = {
        {"224.0.0.251", CLASS_DISCOVERY},     {"224.0.0.252", CLASS_DISCOVERY},
        {"239.255.255.250", CLASS_DISCOVERY}, {"239.255.255.253", CLASS_DISCOVERY},
        {"224.0.1.22", CLASS_DISCOVERY},      {"224.0.1.24", CLASS_DISCOVERY},
        {"224.0.1.35", CLASS_DISCOVERY},      {"224.0.1.84", CLASS_DISCOVERY},
        {"224.0.1.85", CLASS_DISCOVERY},      {"224.0.0.1", CLASS_GROUP_KNOWN},
        {"224.0.0.2", CLASS_GROUP_KNOWN},     {"224.0.0.22", CLASS_GROUP_KNOWN},
        {"224.0.1.129", CLASS_GROUP_KNOWN},   {"224.0.1.130", CLASS_GROUP_KNOWN},
        {"224.0.1.131", CLASS_GROUP_KNOWN},   {"224.0.1.132", CLASS_GROUP_KNOWN},
        {"224.0.0.5", CLASS_GROUP_OTHER},     {"224.0.0.18", CLASS_GROUP_OTHER},
        {"224.0.0.250", CLASS_GROUP_OTHER},   {"224.0.0.253", CLASS_GROUP_OTHER},
        {"224.0.1.23", CLASS_GROUP_OTHER},    {"224.0.1.128", CLASS_GROUP_OTHER},
        {"224.0.1.133", CLASS_GROUP_OTHER},   {"232.1.2.3", CLASS_GROUP_OTHER},
        {"239.1.2.3", CLASS_GROUP_OTHER},     {"239.255.255.251", CLASS_GROUP_OTHER},
        {"ff02::fb", CLASS_DISCOVERY},        {"ff02::c", CLASS_DISCOVERY},
        {"ff05::c", CLASS_DISCOVERY},         {"ff02::1:3", CLASS_DISCOVERY},
        {"ff02::1", CLASS_GROUP_KNOWN},       {"ff02::16", CLASS_GROUP_KNOWN},
        {"ff02::1234", CLASS_GROUP_KNOWN},    {"ff02::1:ff00:5", CLASS_GROUP_KNOWN},
        {"ff05::fb", CLASS_GROUP_OTHER},      {"ff12::8384", CLASS_GROUP_OTHER},
        {"ff05::1:3", CLASS_GROUP_OTHER},     {"ff0e::1", CLASS_GROUP_OTHER},
        {"ff3e::8000:1", CLASS_GROUP_OTHER},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[FRAME_BYTES_MAX];
            struct frame_spec s = spec_to(ROW[i].group, 5000);
            s.vlan_tags = tags;
            ck_assert_msg(class_of(frame, frame_udp(frame, s, "x", 1)) == ROW[i].class, "%s",
                          ROW[i].group);
        }
}
END_TEST

enum kind { UNICAST, BROADCAST, MDNS4, OTHER4 };
static const struct mac KIND[] = {
    [UNICAST] = {{0x02, 0, 0, 0, 0, 9}},
    [BROADCAST] = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
    [MDNS4] = {{0x01, 0, 0x5e, 0, 0, 0xfb}},
    [OTHER4] = {{0x01, 0, 0x5e, 1, 2, 3}},
};

/* MAC and IP destination need not agree: MAC says how many get it, the IP group what it is. */
START_TEST(mac_against_ip)
{
    static const struct {
        enum kind kind;
        const char *to;
        enum multicast_class class;
    } ROW[] = {
        {UNICAST, "10.0.0.9", CLASS_UNICAST},
        {UNICAST, "224.0.0.251", CLASS_UNICAST},
        {UNICAST, "239.1.2.3", CLASS_UNICAST},
        {UNICAST, "255.255.255.255", CLASS_UNICAST},
        {UNICAST, "ff02::fb", CLASS_UNICAST},
        {BROADCAST, "10.0.0.255", CLASS_BROADCAST},
        {BROADCAST, "255.255.255.255", CLASS_BROADCAST},
        {BROADCAST, "10.0.0.9", CLASS_BROADCAST},
        {BROADCAST, "224.0.0.251", CLASS_DISCOVERY},
        {BROADCAST, "239.1.2.3", CLASS_BROADCAST},
        {MDNS4, "10.0.0.9", CLASS_BROADCAST},
        {MDNS4, "239.1.2.3", CLASS_GROUP_OTHER},
        {MDNS4, "224.0.0.251", CLASS_DISCOVERY},
        {OTHER4, "224.0.0.251", CLASS_DISCOVERY},
        {OTHER4, "fe80::9", CLASS_BROADCAST},
        {OTHER4, "ff02::fb", CLASS_DISCOVERY},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct frame_spec s = spec_to(ROW[i].to, 5000);
        s.destination = KIND[ROW[i].kind];
        ck_assert_msg(class_of(frame, frame_udp(frame, s, "x", 1)) == ROW[i].class, "row %zu", i);
    }
}
END_TEST

/* ICMPv6 and IGMP are judged by what they are, whichever group they go to. */
START_TEST(neighbors_and_memberships)
{
    static const struct {
        uint8_t protocol, type;
        const char *to;
        enum multicast_class class;
    } ROW[] = {
        {58, 133, "ff02::2", CLASS_NEIGHBOR},
        {58, 134, "ff02::1", CLASS_NEIGHBOR},
        {58, 135, "ff02::1:ff00:5", CLASS_NEIGHBOR},
        {58, 136, "ff02::1", CLASS_NEIGHBOR},
        {58, 137, "ff02::1", CLASS_NEIGHBOR},
        {58, 135, "fe80::9", CLASS_UNICAST},
        {58, 128, "ff02::1", CLASS_GROUP_KNOWN},
        {58, 128, "ff0e::1", CLASS_GROUP_OTHER},
        {58, 130, "ff0e::1", CLASS_GROUP_KNOWN},
        {58, 131, "ff0e::1", CLASS_GROUP_KNOWN},
        {58, 131, "ff02::fb", CLASS_GROUP_KNOWN},
        {58, 132, "ff02::2", CLASS_GROUP_KNOWN},
        {58, 143, "ff02::16", CLASS_GROUP_KNOWN},
        {2, 0x11, "224.0.0.1", CLASS_GROUP_KNOWN},
        {2, 0x16, "239.1.2.3", CLASS_GROUP_KNOWN},
        {2, 0x16, "239.255.255.250", CLASS_GROUP_KNOWN},
        {2, 0x22, "224.0.0.22", CLASS_GROUP_KNOWN},
        {1, 8, "224.0.0.1", CLASS_GROUP_KNOWN},
        {1, 8, "239.1.2.3", CLASS_GROUP_OTHER},
        {58, 135, "224.0.0.251", CLASS_DISCOVERY}, /* there is no ICMPv6 in IPv4 */
        {58, 131, "239.1.2.3", CLASS_GROUP_OTHER},
        {2, 0x22, "ff0e::1", CLASS_GROUP_OTHER},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], message[24] = {ROW[i].type};
        size_t bytes =
            frame_packet(frame, spec_to(ROW[i].to, 0), ROW[i].protocol, message, sizeof message);
        ck_assert_msg(class_of(frame, bytes) == ROW[i].class, "row %zu", i);
    }
}
END_TEST

START_TEST(not_ip)
{
    uint8_t frame[FRAME_BYTES_MAX] = {0};
    struct frame_spec s = spec_to("10.0.0.9", 0);
    ck_assert_int_eq(class_of(frame, frame_arp(frame, s, 1, frame_mac(0))), CLASS_NEIGHBOR);
    s.destination = frame_mac(9);
    ck_assert_int_eq(class_of(frame, frame_arp(frame, s, 2, frame_mac(9))), CLASS_UNICAST);

    static const uint16_t TYPE[] = {0x0842, 38, 0x22f0, 0x0806, 0x0800, 0x86dd, 0x8100};
    for (size_t i = 0; i < sizeof TYPE / sizeof TYPE[0]; i++) {
        memset(frame, 0, sizeof frame);
        s.vlan_tags = 2;
        s.destination = frame_broadcast();
        frame_ether(frame, s, TYPE[i]);
        ck_assert_msg(class_of(frame, 60) == CLASS_BROADCAST, "%x", TYPE[i]);
        s.destination = (struct mac){{0x01, 0x80, 0xc2, 0, 0, 0x20}};
        frame_ether(frame, s, TYPE[i]);
        ck_assert_msg(class_of(frame, 60) == CLASS_BROADCAST, "%x", TYPE[i]);
        s.destination = frame_mac(9);
        frame_ether(frame, s, TYPE[i]);
        ck_assert_msg(class_of(frame, 60) == CLASS_UNICAST, "%x", TYPE[i]);
    }
}
END_TEST

START_TEST(crosses)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        ck_assert(multicast_crosses((enum multicast_class)c, true));
        ck_assert(multicast_crosses((enum multicast_class)c, false) == (c != CLASS_GROUP_OTHER));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("multicast");
    TCase *classes = tcase_create("classes");
    tcase_add_test(classes, groups);
    tcase_add_test(classes, mac_against_ip);
    tcase_add_test(classes, neighbors_and_memberships);
    tcase_add_test(classes, not_ip);
    tcase_add_test(classes, crosses);
    suite_add_tcase(suite, classes);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
