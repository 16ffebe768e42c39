/* SPDX-License-Identifier: MIT
 *
 * check_ra.c - what is left of a router advertisement that crosses, and the one we make.
 *
 * Options are named by letters, so that a row reads as an RA:
 *   S SLLAO   R route fd01::/64 (24 bytes)   r the same in 16   P on-link prefix, A=0
 *   A prefix with A=1   N RDNSS   D DNSSL   M MTU   ? unknown option
 *   0 route ::/0 (8 bytes)   3 route 2000::/3   x route of 129 bits   h 16-byte route of 96 bits
 *   p prefix 2000::/3 with A=0   L SLLAO with the gateway's MAC   l SLLAO of 16 bytes
 */
#include "frame/ra.h"

#include "frames.h"

#include <check.h>

static const struct mac GATEWAY_MAC = {{0x02, 0xaa, 0, 0, 0, 1}};

static struct gateway_set local_gateways(void)
{
    return (struct gateway_set){
        .count = 2,
        .gateway = {{frame_ip("192.168.1.1"), {{0}}}, {frame_ip("fe80::1"), GATEWAY_MAC}}};
}

static size_t put_route(uint8_t *o, uint8_t units, uint8_t prefix_bits, const char *prefix)
{
    o[0] = 24;
    o[1] = units;
    o[2] = prefix_bits;
    o[3] = 0x08; /* high preference */
    store_be32(o + 4, 1800);
    memcpy(o + 8, frame_ip(prefix).octet, 8u * (units - 1u));
    return 8u * units;
}

static size_t put_prefix(uint8_t *o, uint8_t flags, uint8_t prefix_bits, const char *prefix)
{
    o[0] = 3;
    o[1] = 4;
    o[2] = prefix_bits;
    o[3] = flags;
    store_be32(o + 4, 3600);
    store_be32(o + 8, 1800);
    memcpy(o + 16, frame_ip(prefix).octet, 16);
    return 32;
}

static size_t put_other(uint8_t *o, uint8_t type, uint8_t units, struct mac mac)
{
    o[0] = type;
    o[1] = units;
    memcpy(o + 2, mac.octet, 6);
    return 8u * units;
}

static size_t put_option(uint8_t *o, char letter)
{
    switch (letter) {
    case 'S':
        return put_other(o, 1, 1, frame_mac(0x51));
    case 'L':
        return put_other(o, 1, 1, GATEWAY_MAC);
    case 'l':
        return put_other(o, 1, 2, frame_mac(0x51));
    case 'R':
        return put_route(o, 3, 64, "fd01::");
    case 'r':
        return put_route(o, 2, 64, "fd01::");
    case '0':
        return put_route(o, 1, 0, "::");
    case '3':
        return put_route(o, 2, 3, "2000::");
    case 'x':
        return put_route(o, 3, 129, "fd01::");
    case 'h':
        return put_route(o, 2, 96, "64:ff9b::");
    case 'P':
        return put_prefix(o, 0x80, 64, "fd02::");
    case 'A':
        return put_prefix(o, 0xc0, 64, "fd02::");
    case 'p':
        return put_prefix(o, 0x80, 3, "2000::");
    case 'N':
        return put_other(o, 25, 3, frame_mac(0));
    case 'D':
        return put_other(o, 31, 2, frame_mac(0));
    case 'M':
        return put_other(o, 5, 1, frame_mac(0));
    default:
        return put_other(o, 200, 2, frame_mac(0));
    }
}

static size_t put_options(uint8_t *o, const char *letters)
{
    size_t bytes = 0;
    for (; *letters; letters++)
        bytes += put_option(o + bytes, *letters);
    return bytes;
}

static size_t build(uint8_t *frame, uint8_t tags, const char *options)
{
    uint8_t o[1000] = {0};
    struct frame_spec s = {.vlan_tags = tags,
                           .vlan_tci = 7,
                           .source = frame_mac(0x51),
                           .ip_source = frame_ip("fe80::51"),
                           .ip_destination = frame_ip("ff02::1")};
    return frame_ra(frame, s, 0, o, put_options(o, options));
}

static size_t restrict_bytes(uint8_t *frame, size_t bytes, uint8_t *out, size_t capacity)
{
    struct packet p;
    struct gateway_set local = local_gateways();
    ck_assert(packet_parse(&p, frame, bytes));
    return ra_restrict(&p, &local, out, capacity);
}

/* Redo the checksum after spoiling the message. */
static void seal(uint8_t *frame, size_t bytes)
{
    struct ip_address from = ip_v6(frame + 14 + 8), to = ip_v6(frame + 14 + 24);
    uint8_t *ra = frame + 54;
    store_be16(ra + 2, 0);
    uint16_t sum = frame_sum(frame_pseudo_sum(&from, &to, 58, bytes - 54), ra, bytes - 54);
    store_be16(ra + 2, (uint16_t)~sum);
}

static void expect_frame(const uint8_t *out, size_t bytes, uint8_t tags, const char *options)
{
    uint8_t want[FRAME_BYTES_MAX];
    size_t ip = 14 + 4u * tags, ra = ip + 40, want_bytes = build(want, tags, options);
    ck_assert_uint_eq(bytes, want_bytes);
    want[ra + 4] = 0; /* the builder's hop limit is 64 */
    store_be16(want + ra + 2, 0);
    struct ip_address from = frame_ip("fe80::51"), to = frame_ip("ff02::1");
    uint16_t sum = frame_sum(frame_pseudo_sum(&from, &to, 58, bytes - ra), want + ra, bytes - ra);
    store_be16(want + ra + 2, (uint16_t)~sum);
    ck_assert_mem_eq(out, want, bytes);
}

START_TEST(keeps_and_strips_options)
{
    static const struct {
        const char *options, *kept; /* NULL: dropped */
    } ROW[] = {
        {"R", "R"},      {"r", "r"},      {"SR", "SR"},  {"SRPR", "SRPR"}, {"RNDM?", "R"},
        {"NDM?AR", "R"}, {"SAPR", "SPR"}, {"R?R", "RR"}, {"lR", "R"},      {"pR", "R"},
        {"0R", "R"},     {"3R", "R"},     {"xR", "R"},   {"hR", "R"},      {"", NULL},
        {"S", NULL},     {"SP", NULL},    {"A", NULL},   {"N", NULL},      {"0", NULL},
        {"3", NULL},     {"x", NULL},     {"h", NULL},   {"LR", NULL},     {"RL", NULL},
        {"RSL", NULL},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        for (uint8_t tags = 0; tags <= 2; tags++) {
            uint8_t frame[FRAME_BYTES_MAX], out[FRAME_BYTES_MAX];
            size_t bytes = build(frame, tags, ROW[i].options);
            size_t out_bytes = restrict_bytes(frame, bytes, out, sizeof out);
            ck_assert_msg((out_bytes != 0) == (ROW[i].kept != NULL), "%s", ROW[i].options);
            if (ROW[i].kept)
                expect_frame(out, out_bytes, tags, ROW[i].kept);
        }
}
END_TEST

/* Each row spoils one byte of a good frame; the checksum is put right again. */
START_TEST(refuses_what_is_no_such_ra)
{
    enum { IP = 14, RA = 54 };
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
        bool passes;
    } ROW[] = {
        {"nothing", RA + 5, 0, true},
        {"managed flag", RA + 5, 0x80, true},
        {"router lifetime, low byte", RA + 7, 1, false},
        {"router lifetime, high byte", RA + 6, 1, false},
        {"code", RA + 1, 1, false},
        {"hop limit", IP + 7, 254, false},
        {"global source", IP + 8, 0x20, false},
        {"gateway's address", IP + 23, 0x01, false},
        {"router solicitation", RA, 133, false},
        {"redirect", RA, 137, false},
        {"option of no length", RA + 16 + 1, 0, false},
        {"option beyond the end", RA + 16 + 1, 9, false},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        uint8_t frame[FRAME_BYTES_MAX], out[FRAME_BYTES_MAX];
        size_t bytes = build(frame, 0, "SR");
        frame[ROW[i].at] = ROW[i].value;
        seal(frame, bytes);
        ck_assert_msg((restrict_bytes(frame, bytes, out, sizeof out) != 0) == ROW[i].passes, "%s",
                      ROW[i].what);
    }
    uint8_t frame[FRAME_BYTES_MAX], out[FRAME_BYTES_MAX];
    size_t bytes = build(frame, 0, "SR");
    memcpy(frame + 6, GATEWAY_MAC.octet, 6);
    ck_assert_uint_eq(restrict_bytes(frame, bytes, out, sizeof out), 0);
    bytes = build(frame, 0, "SR");
    frame[RA + 2] ^= 1; /* a checksum that is wrong must not be made right */
    ck_assert_uint_eq(restrict_bytes(frame, bytes, out, sizeof out), 0);
}
END_TEST

START_TEST(says_nothing_of_the_link)
{
    uint8_t frame[FRAME_BYTES_MAX], out[FRAME_BYTES_MAX];
    size_t bytes = build(frame, 0, "R");
    frame[54 + 5] = 0xff;
    memset(frame + 54 + 8, 0x77, 8);
    seal(frame, bytes);
    ck_assert_uint_eq(restrict_bytes(frame, bytes, out, sizeof out), bytes);
    static const uint8_t clear[12] = {0, 0x3f};
    ck_assert_mem_eq(out + 54 + 4, clear, sizeof clear);
}
END_TEST

/* Behind extension headers, in fragments, and when it is another thing altogether. */
START_TEST(refuses_extension_headers)
{
    static const uint8_t destination[8] = {58, 0, 1, 4}, atomic[8] = {58};
    static const struct {
        const uint8_t *header;
        uint8_t type;
    } ROW[] = {{destination, 60}, {atomic, 44}};
    uint8_t frame[FRAME_BYTES_MAX], out[FRAME_BYTES_MAX], o[64];
    size_t option_bytes = put_options(o, "SR");
    struct frame_spec s = {.ip_source = frame_ip("fe80::51"),
                           .ip_destination = frame_ip("ff02::1")};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        s.extensions = ROW[i].header;
        s.extensions_bytes = 8;
        s.extension_type = ROW[i].type;
        size_t bytes = frame_ra(frame, s, 0, o, option_bytes);
        ck_assert_uint_eq(restrict_bytes(frame, bytes, out, sizeof out), 0);
    }
    s.extensions_bytes = 0;
    ck_assert_uint_ne(
        restrict_bytes(frame, frame_ra(frame, s, 0, o, option_bytes), out, sizeof out), 0);
    size_t bytes = frame_arp(frame, s, 1, frame_mac(0));
    ck_assert_uint_eq(restrict_bytes(frame, bytes, out, sizeof out), 0);
}
END_TEST

/* Cut at any place, with any room: never beyond the end (the sanitizers watch), never half. */
START_TEST(truncated_and_cramped)
{
    uint8_t frame[FRAME_BYTES_MAX], out[FRAME_BYTES_MAX];
    size_t bytes = build(frame, 0, "SRP"), whole = bytes;
    for (size_t capacity = 0; capacity <= whole; capacity++) {
        uint8_t *exact = malloc(capacity + 1);
        size_t out_bytes = restrict_bytes(frame, bytes, exact, capacity);
        ck_assert_uint_eq(out_bytes, capacity == whole ? whole : 0);
        free(exact);
    }
    for (size_t cut = 54; cut < bytes; cut++) {
        uint8_t *exact = malloc(cut);
        memcpy(exact, frame, cut);
        store_be16(exact + 14 + 4, (uint16_t)(cut - 54));
        if (cut > 58)
            seal(exact, cut);
        size_t out_bytes = restrict_bytes(exact, cut, out, sizeof out);
        /* whole options only: behind the SLLAO and the route */
        ck_assert_uint_eq(out_bytes, cut == 54 + 16 + 8 + 24 ? cut : 0);
        free(exact);
    }
}
END_TEST

/* Without known gateways (a bridge that has learned none) the rest of the rule stands. */
START_TEST(no_known_gateways)
{
    uint8_t frame[FRAME_BYTES_MAX], out[FRAME_BYTES_MAX];
    struct gateway_set none = {.count = 0};
    struct packet p;
    ck_assert(packet_parse(&p, frame, build(frame, 0, "SR")));
    ck_assert_uint_ne(ra_restrict(&p, &none, out, sizeof out), 0);
}
END_TEST

/* ---- The RA we make ---- */

static struct ip_prefix prefix(const char *address, uint8_t bits)
{
    return (struct ip_prefix){frame_ip(address), bits};
}

static const struct mac TAP = {{0xfe, 0x12, 0x34, 0x56, 0x78, 0x9a}};

START_TEST(builds_on_link)
{
    const struct ip_prefix told[] = {
        prefix("192.168.1.0", 24), prefix("2001:db8:1::", 64), prefix("fe80::", 64),
        prefix("ff00::", 16),      prefix("fd01:2:3:4::", 64), prefix("2000::", 3),
        prefix("::", 0),
    };
    static const uint8_t fixed[] =
        {
            0x33, 0x33, 0, 0, 0, 1,  0xfe, 0x12, 0x34, 0x56, 0x78, 0x9a, 0x86, 0xdd, /* Ethernet */
            0x60, 0,    0, 0, 0, 80, 58,   255, /* IPv6: 16 + 2 * 32 bytes of ICMPv6 */
            0xfe, 0x80, 0, 0, 0, 0,  0,    0,    0xfc, 0x12, 0x34, 0xff, 0xfe, 0x56, 0x78,
            0x9a, /* EUI-64 */
            0xff, 0x02, 0, 0, 0, 0,  0,    0,    0,    0,    0,    0,    0,    0,    0,
            1,    134,  0, /* type, code */
        };
    static const uint8_t options[] = {
        3,    4,    64,   0x80, 0, 0, 7, 8, 0, 0, 7, 8, 0, 0, 0, 0, /* L=1 A=0, 1800 s, 1800 s */
        0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        3,    4,    64,   0x80, 0, 0, 7, 8, 0, 0, 7, 8, 0, 0, 0, 0,
        0xfd, 0x01, 0,    2,    0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint8_t header_rest[12]; /* hop limit, flags, lifetime, times: all 0 */
    uint8_t out[256];
    size_t bytes = ra_on_link(out, sizeof out, &TAP, told, sizeof told / sizeof told[0], 1800);
    ck_assert_uint_eq(bytes, 54 + 16 + 64);
    ck_assert_mem_eq(out, fixed, sizeof fixed);
    ck_assert_mem_eq(out + 58, header_rest, sizeof header_rest);
    ck_assert_mem_eq(out + 70, options, sizeof options);
    struct ip_address from = ip_v6(out + 22), to = ip_v6(out + 38);
    ck_assert(frame_upper_checksum_good(&from, &to, 58, out + 54, bytes - 54));
}
END_TEST

START_TEST(builds_nothing_without_prefixes)
{
    const struct ip_prefix told[] = {prefix("192.168.1.0", 24), prefix("fe80::", 64)};
    uint8_t out[256];
    ck_assert_uint_eq(ra_on_link(out, sizeof out, &TAP, NULL, 0, 1800), 0);
    ck_assert_uint_eq(ra_on_link(out, sizeof out, &TAP, told, 2, 1800), 0);
}
END_TEST

START_TEST(builds_as_many_as_fit)
{
    struct ip_prefix told[100];
    uint8_t out[4096];
    for (size_t i = 0; i < 100; i++) {
        told[i] = prefix("fd00::", 64);
        told[i].address.octet[7] = (uint8_t)i;
    }
    /* 1280 bytes of IPv6 at most */
    size_t bytes = ra_on_link(out, sizeof out, &TAP, told, 100, 1800);
    ck_assert_uint_eq(bytes, 70 + 38 * 32);
    ck_assert_uint_le(bytes - 14, 1280);
    for (size_t capacity = 0; capacity < 200; capacity++) {
        uint8_t *exact = malloc(capacity + 1);
        size_t fit = capacity < 102 ? 0 : (capacity - 70) / 32;
        ck_assert_uint_eq(ra_on_link(exact, capacity, &TAP, told, 100, 1800),
                          fit ? 70 + fit * 32 : 0);
        free(exact);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ra");
    TCase *cut = tcase_create("restrict");
    tcase_add_test(cut, keeps_and_strips_options);
    tcase_add_test(cut, refuses_what_is_no_such_ra);
    tcase_add_test(cut, says_nothing_of_the_link);
    tcase_add_test(cut, refuses_extension_headers);
    tcase_add_test(cut, truncated_and_cramped);
    tcase_add_test(cut, no_known_gateways);
    suite_add_tcase(suite, cut);
    TCase *on_link = tcase_create("on-link");
    tcase_add_test(on_link, builds_on_link);
    tcase_add_test(on_link, builds_nothing_without_prefixes);
    tcase_add_test(on_link, builds_as_many_as_fit);
    suite_add_tcase(suite, on_link);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
