/* SPDX-License-Identifier: MIT
 *
 * check_gateway.c - the gateway rule as a truth table, and the gateway learner.
 */
#include "frame/gateway.h"

#include "frames.h"

#include <check.h>
#include <stdio.h>

static const uint64_t SECOND_US = 1000000;

static struct gateway_set set_of(const char *const *text, size_t count)
{
    struct gateway_set set = {.count = (uint8_t)count};
    for (size_t i = 0; i < count; i++)
        set.gateway[i] = (struct gateway){frame_ip(text[i]), frame_mac((uint16_t)(0x100 + i))};
    return set;
}
#define SET(...)                                                                                   \
    set_of((const char *const[]){__VA_ARGS__},                                                     \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const struct gateway_set EMPTY;

/* ---- The relation ---- */

START_TEST(relates_per_family)
{
    struct gateway_set one4 = SET("192.168.1.1"), other4 = SET("192.168.1.254");
    struct gateway_set several4 = SET("192.168.1.2", "192.168.1.3", "192.168.1.1");
    struct gateway_set one6 = SET("fe80::1"), other6 = SET("fe80::2");
    struct gateway_set both = SET("192.168.1.1", "fe80::1"),
                       mixed = SET("192.168.1.254", "fe80::1");
    struct {
        const struct gateway_set *local, *remote;
        enum gateway_relation v4, v6;
    } row[] = {
        {&EMPTY, &EMPTY, GATEWAY_UNKNOWN, GATEWAY_UNKNOWN},
        {&one4, &EMPTY, GATEWAY_UNKNOWN, GATEWAY_UNKNOWN},
        {&one4, &one4, GATEWAY_SAME, GATEWAY_UNKNOWN},
        {&one4, &other4, GATEWAY_DIFFER, GATEWAY_UNKNOWN},
        {&one4, &several4, GATEWAY_SAME, GATEWAY_UNKNOWN},
        {&other4, &several4, GATEWAY_DIFFER, GATEWAY_UNKNOWN},
        {&one4, &one6, GATEWAY_UNKNOWN, GATEWAY_UNKNOWN},
        {&one6, &one6, GATEWAY_UNKNOWN, GATEWAY_SAME},
        {&one6, &other6, GATEWAY_UNKNOWN, GATEWAY_DIFFER},
        {&both, &both, GATEWAY_SAME, GATEWAY_SAME},
        {&both, &mixed, GATEWAY_DIFFER, GATEWAY_SAME},
        {&both, &one6, GATEWAY_UNKNOWN, GATEWAY_SAME},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        ck_assert_msg(gateway_relate(row[i].local, row[i].remote, IP_V4) == row[i].v4, "row %zu",
                      i);
        ck_assert_msg(gateway_relate(row[i].remote, row[i].local, IP_V4) == row[i].v4, "row %zu",
                      i);
        ck_assert_msg(gateway_relate(row[i].local, row[i].remote, IP_V6) == row[i].v6, "row %zu",
                      i);
        ck_assert_msg(gateway_relate(row[i].remote, row[i].local, IP_V6) == row[i].v6, "row %zu",
                      i);
    }
}
END_TEST

/* ---- The rule ---- */

enum message {
    PROBE,         /* ARP, sender 0.0.0.0, for the address */
    REQUEST,       /* ARP, by an ordinary host, for the address */
    REQUEST_BY,    /* ARP, by the address, for an ordinary host */
    REPLY,         /* ARP, by the address, to an ordinary host */
    REPLY_TO,      /* ARP, by an ordinary host, to the address */
    GRATUITOUS,    /* ARP request, by the address, for itself */
    GRATUITOUS_RE, /* ARP reply, by the address, to itself */
    NS,            /* by an ordinary host, for the address */
    NS_BY,         /* by the address, for an ordinary host */
    NS_BY_BARE,    /* the same without a source link-layer address */
    NA,            /* solicited, for the address, to an ordinary host */
    NA_BY,         /* by the address, for an ordinary host */
    NA_TO,         /* for an ordinary host, to the address */
    NA_BARE,       /* for the address, without a target link-layer address */
    UNSOLICITED,   /* NA for the address to all nodes */
    DAD,           /* NS, source ::, for the address */
    UDP,           /* no ARP or ND: from the address */
    MESSAGES,
};
static const char *const MESSAGE[MESSAGES] = {
    "probe",       "request", "request by",  "reply", "reply to", "gratuitous", "gratuitous reply",
    "NS",          "NS by",   "NS by, bare", "NA",    "NA by",    "NA to",      "NA bare",
    "unsolicited", "DAD",     "UDP",
};

static bool is_v6(enum message m)
{
    return m >= NS && m <= DAD;
}

static size_t build_arp(uint8_t *frame, struct frame_spec s, enum message m, struct ip_address a)
{
    struct ip_address host = frame_ip("192.168.1.50");
    bool by = m == REQUEST_BY || m == REPLY || m == GRATUITOUS || m == GRATUITOUS_RE;
    bool to = m == PROBE || m == REQUEST || m == REPLY_TO || m == GRATUITOUS || m == GRATUITOUS_RE;
    s.ip_source = m == PROBE ? frame_ip("0.0.0.0") : by ? a : host;
    s.ip_destination = to ? a : host;
    bool reply = m == REPLY || m == REPLY_TO || m == GRATUITOUS_RE;
    return frame_arp(frame, s, reply ? FRAME_ARP_REPLY : FRAME_ARP_REQUEST, frame_mac(0));
}

static size_t build_nd(uint8_t *frame, struct frame_spec s, enum message m, struct ip_address a)
{
    struct ip_address host = frame_ip("fe80::50");
    struct mac mac = frame_mac(1);
    s.ip_source = m == DAD                                      ? frame_ip("::")
                  : m == NS_BY || m == NS_BY_BARE || m == NA_BY ? a
                                                                : host;
    s.ip_destination = frame_ip(m == UNSOLICITED ? "ff02::1" : "ff02::1:ff00:1");
    switch (m) {
    case NS:
        return frame_ns(frame, s, a, &mac);
    case NS_BY:
        return frame_ns(frame, s, host, &mac);
    case NS_BY_BARE:
        return frame_ns(frame, s, host, NULL);
    case DAD:
        return frame_ns(frame, s, a, NULL);
    case NA_TO:
        s.ip_destination = a;
        return frame_na(frame, s, 0x60, host, &mac);
    case NA_BY:
        s.ip_destination = host;
        return frame_na(frame, s, 0x60, host, &mac);
    case NA_BARE:
        s.ip_destination = host;
        return frame_na(frame, s, 0x40, a, NULL);
    case UNSOLICITED:
        return frame_na(frame, s, 0x20, a, &mac);
    default:
        s.ip_destination = host;
        return frame_na(frame, s, 0x60, a, &mac);
    }
}

static size_t build(uint8_t *frame, uint8_t tags, enum message m, const char *address)
{
    struct frame_spec s = {.vlan_tags = tags, .vlan_tci = 7};
    struct ip_address a = frame_ip(address);
    if (is_v6(m))
        return build_nd(frame, s, m, a);
    if (m != UDP)
        return build_arp(frame, s, m, a);
    s.ip_source = a;
    s.ip_destination = frame_ip("192.168.1.255");
    s.source_port = s.destination_port = 137;
    return frame_udp(frame, s, "x", 1);
}

static bool blocks(enum message m, uint8_t tags, const char *address,
                   const struct gateway_set *local, const struct gateway_set *remote,
                   enum guard_direction direction)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct packet p;
    ck_assert(packet_parse(&p, frame, build(frame, tags, m, address)));
    return gateway_blocks(&p, local, remote, direction);
}

/* Whose address a message is about. */
enum about { LOCAL_GATEWAY, REMOTE_GATEWAY, ORDINARY, ABOUTS };
static const char *const ABOUT[2][ABOUTS] = {
    {"192.168.1.1", "192.168.1.254", "192.168.1.60"},
    {"fe80::1", "fe80::254", "fe80::60"},
};

/* x: blocked, .: crosses. Three from the LAN, three from the peer; each about the local gateway,
 * the remote gateway, an ordinary host. When one home's gateways are not known, an address of them
 * is an ordinary one: nobody knows better. */
static const struct {
    enum message message;
    const char *same, *differ, *remote_unknown, *local_unknown;
} RULE[] = {
    {PROBE, "xx. xx.", "... ...", "x.. x..", ".x. .x."},
    {REQUEST, "xx. xx.", "... ...", "x.. x..", ".x. .x."},
    {REQUEST_BY, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {REPLY, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {REPLY_TO, "xx. xx.", "... ...", "x.. x..", ".x. .x."},
    {GRATUITOUS, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {GRATUITOUS_RE, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {NS, "xx. xx.", "... ...", "x.. x..", ".x. .x."},
    {NS_BY, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {NS_BY_BARE, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {NA, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {NA_BY, "xx. xx.", "... ...", "x.. x..", ".x. .x."}, /* claims its target only */
    {NA_TO, "... ...", "... ...", "... ...", "... ..."}, /* names the host; the answer to a NS */
    {NA_BARE, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {UNSOLICITED, "xx. xx.", ".x. x..", "x.. x..", ".x. .x."},
    {DAD, "xx. xx.", "... ...", "x.. x..", ".x. .x."},
    {UDP, "... ...", "... ...", "... ...", "... ..."},
};

static void expect_row(enum message m, const char *relation, const char *expected,
                       const struct gateway_set *local, const struct gateway_set *remote)
{
    for (uint8_t tags = 0; tags <= 2; tags++) {
        char found[] = "... ...";
        for (unsigned about = 0; about < ABOUTS; about++) {
            const char *address = ABOUT[is_v6(m)][about];
            if (blocks(m, tags, address, local, remote, GUARD_FROM_LAN))
                found[about] = 'x';
            if (blocks(m, tags, address, local, remote, GUARD_FROM_PEER))
                found[4 + about] = 'x';
        }
        ck_assert_msg(strcmp(found, expected) == 0, "%s, %s: %s, not %s", MESSAGE[m], relation,
                      found, expected);
    }
}

START_TEST(rule)
{
    struct gateway_set local = SET("192.168.1.1", "fe80::1"),
                       remote = SET("192.168.1.254", "fe80::254");
    /* The same, though each home has another besides. */
    struct gateway_set local_same = SET("192.168.1.7", "192.168.1.1", "fe80::7", "fe80::1"),
                       remote_same = SET("192.168.1.254", "192.168.1.7", "fe80::254", "fe80::7");
    bool seen[MESSAGES] = {false};
    for (size_t i = 0; i < sizeof RULE / sizeof RULE[0]; i++) {
        enum message m = RULE[i].message;
        seen[m] = true;
        expect_row(m, "same", RULE[i].same, &local_same, &remote_same);
        expect_row(m, "differ", RULE[i].differ, &local, &remote);
        expect_row(m, "remote unknown", RULE[i].remote_unknown, &local, &EMPTY);
        expect_row(m, "local unknown", RULE[i].local_unknown, &EMPTY, &remote);
        expect_row(m, "none", "... ...", &EMPTY, &EMPTY);
    }
    for (size_t m = 0; m < MESSAGES; m++)
        ck_assert_msg(seen[m], "no row for %s", MESSAGE[m]);
}
END_TEST

/* Two homes, both 192.168.1.1 and fe80::1: nothing that names it crosses. */
START_TEST(identical_gateways_keep_to_themselves)
{
    struct gateway_set both = SET("192.168.1.1", "fe80::1");
    for (unsigned m = PROBE; m <= DAD; m++) {
        bool expected = m != NA_TO;
        const char *address = is_v6(m) ? "fe80::1" : "192.168.1.1";
        ck_assert_msg(blocks(m, 0, address, &both, &both, GUARD_FROM_PEER) == expected, "%s",
                      MESSAGE[m]);
        ck_assert_msg(blocks(m, 0, address, &both, &both, GUARD_FROM_LAN) == expected, "%s",
                      MESSAGE[m]);
    }
}
END_TEST

/* One family may be the same while the other differs: each is judged for itself. */
START_TEST(families_are_judged_apart)
{
    struct gateway_set local = SET("192.168.1.1", "fe80::1");
    struct gateway_set remote = SET("192.168.1.254", "fe80::1");
    ck_assert(!blocks(REQUEST, 0, "192.168.1.254", &local, &remote, GUARD_FROM_LAN));
    ck_assert(blocks(NS, 0, "fe80::1", &local, &remote, GUARD_FROM_LAN));
}
END_TEST

START_TEST(every_gateway_of_several_is_kept)
{
    struct gateway_set local = SET("192.168.1.1", "192.168.1.2", "192.168.1.3", "192.168.1.4",
                                   "192.168.1.5", "192.168.1.6", "192.168.1.7", "192.168.1.8");
    struct gateway_set remote = SET("192.168.1.254", "192.168.1.253");
    char address[16];
    ck_assert_uint_eq(local.count, GATEWAYS_MAX);
    for (unsigned i = 1; i <= 9; i++) {
        snprintf(address, sizeof address, "192.168.1.%u", i);
        ck_assert(blocks(REPLY, 0, address, &local, &remote, GUARD_FROM_PEER) == (i <= 8));
        ck_assert(!blocks(REQUEST, 0, address, &local, &remote, GUARD_FROM_PEER));
    }
    ck_assert(blocks(GRATUITOUS, 0, "192.168.1.253", &local, &remote, GUARD_FROM_LAN));
}
END_TEST

/* ---- The learner ---- */

enum { DHCP_FIXED_BYTES = 240 };

struct dhcp {
    uint8_t type;
    const char *server; /* option 54 and the IP source */
    const char *router[3];
    uint8_t op; /* 0: reply */
    bool spoil_cookie;
    uint16_t destination_port; /* 0: 68 */
    uint16_t fragment_field;
};

static size_t put_option(uint8_t *at, uint8_t type, const uint8_t *value, uint8_t bytes)
{
    at[0] = type;
    at[1] = bytes;
    memcpy(at + 2, value, bytes);
    return 2u + bytes;
}

static size_t build_dhcp(uint8_t *frame, struct dhcp d)
{
    uint8_t body[400] = {d.op ? d.op : 2}, routers[12];
    struct ip_address server = frame_ip(d.server);
    store_be32(body + 236, d.spoil_cookie ? 0 : 0x63825363);
    size_t bytes = DHCP_FIXED_BYTES, count = 0;
    body[bytes++] = 0; /* a pad */
    bytes += put_option(body + bytes, 53, &d.type, 1);
    bytes += put_option(body + bytes, 54, server.octet, 4);
    for (; count < 3 && d.router[count]; count++)
        memcpy(routers + 4 * count, frame_ip(d.router[count]).octet, 4);
    if (count > 0)
        bytes += put_option(body + bytes, 3, routers, (uint8_t)(4 * count));
    body[bytes++] = 255;
    struct frame_spec s = {.ip_source = server,
                           .ip_destination = frame_ip("255.255.255.255"),
                           .ttl = 64,
                           .fragment_field = d.fragment_field,
                           .source_port = 67,
                           .destination_port = d.destination_port ? d.destination_port : 68};
    return frame_udp(frame, s, body, bytes);
}

static void learn_frame(struct gateway_learner *l, uint8_t *frame, size_t bytes, uint64_t now_us)
{
    struct packet p;
    ck_assert(packet_parse(&p, frame, bytes));
    gateway_learn(l, &p, now_us);
}

static void learn_dhcp(struct gateway_learner *l, struct dhcp d, uint64_t now_us)
{
    uint8_t frame[FRAME_BYTES_MAX];
    learn_frame(l, frame, build_dhcp(frame, d), now_us);
}

static void learn_ra(struct gateway_learner *l, const char *router, uint16_t mac,
                     uint16_t lifetime_s, uint8_t hop_limit, uint64_t now_us)
{
    uint8_t frame[FRAME_BYTES_MAX], sllao[8] = {1, 1};
    memcpy(sllao + 2, frame_mac(mac).octet, 6);
    struct frame_spec s = {.ip_source = frame_ip(router),
                           .ip_destination = frame_ip("ff02::1"),
                           .ttl = hop_limit,
                           .source = frame_mac(0x99)};
    learn_frame(l, frame, frame_ra(frame, s, lifetime_s, sllao, mac ? sizeof sllao : 0), now_us);
}

/* The learned gateways as "address/mac-number ...", sorted by slot. */
static const char *learned(const struct gateway_learner *l, uint64_t now_us)
{
    static char text[512];
    struct gateway_set set;
    size_t used = 0;
    gateway_learned(l, now_us, &set);
    text[0] = '\0';
    for (size_t i = 0; i < set.count; i++) {
        const struct gateway *g = &set.gateway[i];
        char address[INET6_ADDRSTRLEN];
        inet_ntop(g->address.family == IP_V4 ? AF_INET : AF_INET6, g->address.octet, address,
                  sizeof address);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s/%x", i ? " " : "", address,
                                 (unsigned)load_be16(g->mac.octet + 4));
    }
    return text;
}

START_TEST(learns_routers_from_dhcp)
{
    struct gateway_learner l = {0};
    ck_assert_str_eq(learned(&l, 0), "");
    learn_dhcp(&l, (struct dhcp){.type = 2, .server = "10.0.0.1", .router = {"10.0.0.1"}}, 0);
    ck_assert_str_eq(learned(&l, 0), "10.0.0.1/0");
    learn_dhcp(&l, (struct dhcp){5, "10.0.0.1", {"10.0.0.1", "10.0.0.2"}, 0, 0, 0, 0}, SECOND_US);
    ck_assert_str_eq(learned(&l, SECOND_US), "10.0.0.1/0 10.0.0.2/0");

    /* An ACK without routers (to an INFORM, say) takes nothing back. */
    learn_dhcp(&l, (struct dhcp){.type = 5, .server = "10.0.0.1"}, 2 * SECOND_US);
    ck_assert_str_eq(learned(&l, 2 * SECOND_US), "10.0.0.1/0 10.0.0.2/0");

    ck_assert_str_eq(learned(&l, SECOND_US + GATEWAY_DHCP_AGE_US - 1), "10.0.0.1/0 10.0.0.2/0");
    ck_assert_str_eq(learned(&l, SECOND_US + GATEWAY_DHCP_AGE_US), "");
}
END_TEST

START_TEST(takes_no_gateway_from_other_frames)
{
    static const struct dhcp ROW[] = {
        {.type = 1, .server = "10.0.0.1", .router = {"10.0.0.1"}},
        {.type = 3, .server = "10.0.0.1", .router = {"10.0.0.1"}},
        {.type = 6, .server = "10.0.0.1", .router = {"10.0.0.1"}},
        {.type = 5, .server = "10.0.0.1", .router = {"10.0.0.1"}, .op = 1},
        {.type = 5, .server = "10.0.0.1", .router = {"10.0.0.1"}, .spoil_cookie = true},
        {.type = 5, .server = "10.0.0.1", .router = {"10.0.0.1"}, .destination_port = 67},
        {.type = 5, .server = "10.0.0.1", .router = {"10.0.0.1"}, .fragment_field = 0x2000},
        {.type = 5, .server = "10.0.0.1", .router = {"0.0.0.0", "255.255.255.255", "127.0.0.1"}},
        {.type = 5, .server = "10.0.0.1"},
    };
    struct gateway_learner l = {0};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        learn_dhcp(&l, ROW[i], 0);
        ck_assert_msg(learned(&l, 0)[0] == '\0', "row %zu: %s", i, learned(&l, 0));
    }
    learn_ra(&l, "fe80::1", 1, 0, 255, 0);
    learn_ra(&l, "fe80::1", 1, 1800, 254, 0);
    learn_ra(&l, "2001:db8::1", 1, 1800, 255, 0);
    ck_assert_str_eq(learned(&l, 0), "");
}
END_TEST

/* Cut anywhere, a DHCP reply is never read beyond its end (the sanitizers watch). */
START_TEST(survives_truncated_dhcp)
{
    uint8_t frame[FRAME_BYTES_MAX];
    size_t bytes =
        build_dhcp(frame, (struct dhcp){.type = 5, .server = "10.0.0.1", .router = {"10.0.0.1"}});
    size_t router_end = bytes - 1;
    for (size_t cut = 14 + 28; cut < bytes; cut++) {
        uint8_t *exact = malloc(cut);
        memcpy(exact, frame, cut);
        store_be16(exact + 14 + 2, (uint16_t)(cut - 14));
        struct gateway_learner l = {0};
        learn_frame(&l, exact, cut, 0);
        ck_assert_str_eq(learned(&l, 0), cut >= router_end ? "10.0.0.1/0" : "");
        free(exact);
    }
}
END_TEST

START_TEST(learns_routers_from_advertisements)
{
    struct gateway_learner l = {0};
    learn_ra(&l, "fe80::1", 0x11, 1800, 255, 0);
    learn_ra(&l, "fe80::2", 0, 600, 255, 0); /* no SLLAO: the Ethernet source */
    ck_assert_str_eq(learned(&l, 0), "fe80::1/11 fe80::2/99");
    ck_assert_str_eq(learned(&l, 600 * SECOND_US - 1), "fe80::1/11 fe80::2/99");
    ck_assert_str_eq(learned(&l, 600 * SECOND_US), "fe80::1/11");
    learn_ra(&l, "fe80::1", 0x11, 1800, 255, 1000 * SECOND_US);
    ck_assert_str_eq(learned(&l, 2000 * SECOND_US), "fe80::1/11");
    learn_ra(&l, "fe80::1", 0x11, 0, 255, 2001 * SECOND_US); /* it says it is a router no more */
    ck_assert_str_eq(learned(&l, 2001 * SECOND_US), "");
}
END_TEST

START_TEST(learns_a_replaced_router)
{
    struct gateway_learner l = {0};
    struct dhcp old = {.type = 5, .server = "10.0.0.1", .router = {"10.0.0.1"}};
    struct dhcp other = {.type = 5, .server = "10.0.0.9", .router = {"10.0.0.9"}};
    learn_dhcp(&l, old, 0);
    learn_dhcp(&l, other, 1);
    ck_assert_str_eq(learned(&l, 1), "10.0.0.1/0 10.0.0.9/0");

    /* An offer may be declined: it takes nothing back. The ACK of the same server does. */
    struct dhcp new = {.type = 2, .server = "10.0.0.1", .router = {"10.0.0.254"}};
    learn_dhcp(&l, new, 2);
    ck_assert_str_eq(learned(&l, 2), "10.0.0.1/0 10.0.0.9/0 10.0.0.254/0");
    new.type = 5;
    learn_dhcp(&l, new, 3);
    ck_assert_str_eq(learned(&l, 3), "10.0.0.9/0 10.0.0.254/0");

    /* The same address, another box: its advertisement brings the new MAC. */
    learn_ra(&l, "fe80::1", 0x11, 1800, 255, 4);
    learn_ra(&l, "fe80::1", 0x12, 1800, 255, 5);
    ck_assert_str_eq(learned(&l, 5), "fe80::1/12 10.0.0.9/0 10.0.0.254/0");
}
END_TEST

/* Only those that claim an address say its MAC. */
START_TEST(learns_macs_from_claims)
{
    static const struct {
        enum message message;
        const char *address;
        unsigned mac; /* 0 stays; 1: learned from the message */
    } ROW[] = {
        {PROBE, "192.168.1.1", 0}, {REQUEST, "192.168.1.1", 0},  {REQUEST_BY, "192.168.1.1", 1},
        {REPLY, "192.168.1.1", 1}, {REPLY_TO, "192.168.1.1", 0}, {GRATUITOUS, "192.168.1.1", 1},
        {REPLY, "192.168.1.2", 0}, {NS, "fe80::1", 0},           {NS_BY, "fe80::1", 1},
        {NA, "fe80::1", 1},        {UNSOLICITED, "fe80::1", 1},  {DAD, "fe80::1", 0},
        {NA, "fe80::2", 0},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX];
        struct gateway_learner l = {0};
        bool v6 = is_v6(ROW[i].message);
        if (v6)
            learn_ra(&l, "fe80::1", 0x77, 1800, 255, 0);
        else
            learn_dhcp(&l,
                       (struct dhcp){.type = 5, .server = "192.168.1.1", .router = {"192.168.1.1"}},
                       0);
        learn_frame(&l, frame, build(frame, 0, ROW[i].message, ROW[i].address), 1);
        const char *expected = v6           ? ROW[i].mac ? "fe80::1/1" : "fe80::1/77"
                               : ROW[i].mac ? "192.168.1.1/1"
                                            : "192.168.1.1/0";
        ck_assert_msg(strcmp(learned(&l, 1), expected) == 0, "row %zu: %s", i, learned(&l, 1));
    }
}
END_TEST

/* More gateways than fit: the one that would age first makes room. */
START_TEST(makes_room)
{
    struct gateway_learner l = {0};
    char address[16];
    for (unsigned i = 0; i < GATEWAYS_MAX; i++) {
        snprintf(address, sizeof address, "fe80::%x", 0x10 + i);
        learn_ra(&l, address, (uint16_t)(0x10 + i), (uint16_t)(1800 - 100 * (i == 5)), 255, 0);
    }
    learn_ra(&l, "fe80::20", 0x20, 1800, 255, SECOND_US);
    ck_assert_str_eq(learned(&l, SECOND_US),
                     "fe80::10/10 fe80::11/11 fe80::12/12 fe80::13/13 fe80::14/14 fe80::20/20 "
                     "fe80::16/16 fe80::17/17");
}
END_TEST

/* A bridge without an address: what was snooped takes the place of netlink's word. */
START_TEST(learned_gateways_feed_the_rule)
{
    struct gateway_learner l = {0};
    struct gateway_set local, remote = SET("192.168.1.254");
    learn_dhcp(&l, (struct dhcp){.type = 5, .server = "192.168.1.1", .router = {"192.168.1.1"}}, 0);
    gateway_learned(&l, 0, &local);
    ck_assert(blocks(REPLY, 0, "192.168.1.1", &local, &remote, GUARD_FROM_PEER));
    ck_assert(!blocks(REQUEST, 0, "192.168.1.1", &local, &remote, GUARD_FROM_PEER));

    /* Until then nothing that names the remote gateway crosses. */
    ck_assert(blocks(REQUEST, 0, "192.168.1.254", &EMPTY, &remote, GUARD_FROM_LAN));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gateway");
    TCase *rules = tcase_create("rule");
    tcase_add_test(rules, relates_per_family);
    tcase_add_test(rules, rule);
    tcase_add_test(rules, identical_gateways_keep_to_themselves);
    tcase_add_test(rules, families_are_judged_apart);
    tcase_add_test(rules, every_gateway_of_several_is_kept);
    suite_add_tcase(suite, rules);
    TCase *learner = tcase_create("learner");
    tcase_add_test(learner, learns_routers_from_dhcp);
    tcase_add_test(learner, takes_no_gateway_from_other_frames);
    tcase_add_test(learner, survives_truncated_dhcp);
    tcase_add_test(learner, learns_routers_from_advertisements);
    tcase_add_test(learner, learns_a_replaced_router);
    tcase_add_test(learner, learns_macs_from_claims);
    tcase_add_test(learner, makes_room);
    tcase_add_test(learner, learned_gateways_feed_the_rule);
    suite_add_tcase(suite, learner);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
