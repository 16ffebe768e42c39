/* SPDX-License-Identifier: MIT
 *
 * check_loop_echo.c - what hangs on other sites' stamps: echoes, and what probes tell before
 * something opens; and when probes are sent quickly so that this is not decided by lost ones.
 */
#include "loop_frames.h"

#include <stdlib.h>

/* Peers of ours. */
enum { AT_LOW = 1, AT_HIGH = 2, AT_HIGHER = 3, NOBODY = 99 };

static const unsigned SITE_AT[] = {0, LOW, HIGH, HIGHER};

static unsigned shut_link(const struct loop *l)
{
    unsigned found = NOBODY;
    for (uint16_t i = 0; i < LOOP_PEERS_MAX; i++)
        if (loop_peer_shut(l, i)) {
            ck_assert_uint_eq(found, NOBODY);
            found = i;
        }
    return found;
}

/* A probe to one peer comes back from the other: by their LANs, and a hub's link between them. */
static void echo(struct loop *l, unsigned to, unsigned from, unsigned to_how, unsigned middle_how,
                 unsigned from_how, uint64_t now_us)
{
    uint8_t frame[LOOP_PROBE_BYTES];
    struct loop_event event;
    loop_build(l, (uint16_t)to, frame, sizeof frame, now_us);
    loop_sent(l, now_us);
    stamp(frame, SITE_AT[to], ONTO | to_how);
    stamp(frame, LOWER, HUB | middle_how);
    stamp(frame, SITE_AT[from], OFF | from_how);
    receive(l, frame, from, SITE_AT[from], &event, now_us);
    loop_tick(l, now_us, &event);
}

/* ---- echoes ---- */

struct echo_row {
    const char *name;
    struct {
        unsigned from_ms, until_ms; /* an echo each second, both inclusive */
        unsigned to, from;
        unsigned to_how, middle_how, from_how;
    } phase[4];
    unsigned shut; /* after all, the link to this peer */
};

static const struct echo_row ECHO[] = {
    {"too short", {{0, 1000, AT_LOW, AT_HIGH, 0, 0, 0}}, NOBODY},
    {"lasts", {{0, 2000, AT_LOW, AT_HIGH, 0, 0, 0}}, AT_LOW},
    {"the other way", {{0, 2000, AT_HIGH, AT_LOW, 0, 0, 0}}, AT_LOW},
    {"interrupted",
     {{0, 1000, AT_LOW, AT_HIGH, 0, 0, 0}, {6001, 7001, AT_LOW, AT_HIGH, 0, 0, 0}},
     NOBODY},
    {"with gaps",
     {{0, 0, AT_LOW, AT_HIGH, 0, 0, 0}, {5000, 5000, AT_LOW, AT_HIGH, 0, 0, 0}},
     AT_LOW},
    {"shut elsewhere at first", {{0, 20000, AT_LOW, AT_HIGH, SHUT, 0, 0}}, NOBODY},
    {"shut elsewhere between", {{0, 20000, AT_LOW, AT_HIGH, 0, SHUT, 0}}, NOBODY},
    {"shut elsewhere at last", {{0, 20000, AT_LOW, AT_HIGH, 0, 0, SHUT}}, NOBODY},
    /* Who opened is the one to lose its link: it carries nothing. */
    {"the low one opens",
     {{0, 20000, AT_LOW, AT_HIGH, SHUT, 0, 0}, {21000, 21000, AT_LOW, AT_HIGH, 0, 0, 0}},
     AT_LOW},
    {"the high one opens",
     {{0, 20000, AT_LOW, AT_HIGH, 0, 0, SHUT}, {21000, 21000, AT_LOW, AT_HIGH, 0, 0, 0}},
     AT_HIGH},
    {"the high one opens, seen the other way",
     {{0, 20000, AT_LOW, AT_HIGH, 0, 0, SHUT}, {21000, 21000, AT_HIGH, AT_LOW, 0, 0, 0}},
     AT_HIGH},
    {"one between opens",
     {{0, 20000, AT_LOW, AT_HIGH, 0, SHUT, 0}, {21000, 21000, AT_LOW, AT_HIGH, 0, 0, 0}},
     AT_LOW},
    {"the one that opened stays shut",
     {{0, 9000, AT_LOW, AT_HIGH, 0, 0, SHUT}, {10000, 60000, AT_LOW, AT_HIGH, 0, 0, 0}},
     AT_HIGH},
    {"the low one opens, later the high one",
     {{0, 9000, AT_LOW, AT_HIGH, SHUT, 0, 0},
      {10000, 12000, AT_LOW, AT_HIGH, 0, 0, 0},
      {13000, 30000, AT_LOW, AT_HIGH, 0, 0, SHUT},
      {31000, 31000, AT_LOW, AT_HIGH, 0, 0, 0}},
     AT_HIGH},
    {"a third home is told apart",
     {{0, 9000, AT_LOW, AT_HIGH, SHUT, 0, 0}, {9500, 10500, AT_HIGH, AT_HIGHER, 0, 0, 0}},
     NOBODY},
    {"a third home's lasts",
     {{0, 9000, AT_LOW, AT_HIGH, SHUT, 0, 0}, {9500, 11500, AT_HIGH, AT_HIGHER, 0, 0, 0}},
     AT_HIGH},
    {"opens again when silent",
     {{0, 4000, AT_LOW, AT_HIGH, 0, 0, 0}, {10000, 12000, AT_LOW, AT_HIGH, SHUT, 0, 0}},
     NOBODY},
};

START_TEST(shuts_a_link_for_an_echo)
{
    const struct echo_row *row = &ECHO[_i];
    struct loop l;
    init(&l, ME, false, START_US);
    for (unsigned p = 0; p < 4 && row->phase[p].to != 0; p++)
        for (unsigned ms = row->phase[p].from_ms; ms <= row->phase[p].until_ms; ms += 1000)
            echo(&l, row->phase[p].to, row->phase[p].from, row->phase[p].to_how,
                 row->phase[p].middle_how, row->phase[p].from_how, START_US + ms * UINT64_C(1000));
    ck_assert_msg(shut_link(&l) == row->shut, "%s: %u is shut", row->name, shut_link(&l));
}
END_TEST

/* Three homes on one LAN: never are all links shut. */
START_TEST(keeps_a_link_whatever_the_order)
{
    static const unsigned PAIR[][2] = {
        {AT_LOW, AT_HIGH}, {AT_LOW, AT_HIGHER}, {AT_HIGH, AT_HIGHER}};
    for (unsigned order = 0; order < 27; order++) {
        struct loop l;
        unsigned open = 0, turn = order;
        init(&l, ME, false, START_US);
        for (unsigned ms = 0; ms < 9000; ms += 250, turn = turn * 7 + 3) {
            const unsigned *pair = PAIR[(turn / 3 + ms / 500) % 3];
            echo(&l, pair[0], pair[1], 0, 0, 0, START_US + ms * UINT64_C(1000));
            open = 0;
            for (uint16_t i = AT_LOW; i <= AT_HIGHER; i++)
                open += !loop_peer_shut(&l, i);
            ck_assert_uint_ge(open, 1);
        }
        ck_assert_uint_eq(open, 1);
    }
}
END_TEST

/* ---- what is told before something opens ---- */

/* How we stamp HIGH's probe as it goes from our LAN to its peer @to. */
static unsigned told(struct loop *l, uint16_t to, uint64_t now_us)
{
    struct loop other;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES], stamped[LOOP_PROBE_BYTES], out[LOOP_PROBE_BYTES];
    size_t bytes;
    bool to_lan;
    init(&other, HIGH, false, START_US);
    loop_build(&other, LAN, frame, sizeof frame, now_us);
    struct packet p = packet_of(frame, sizeof frame);
    ck_assert_int_eq(
        loop_receive(l, &p, LAN, NULL, stamped, sizeof stamped, &bytes, &to_lan, &event, now_us),
        LOOP_FORWARD);
    loop_address(l, stamped, to, out, now_us);
    ck_assert_uint_eq(out[37], 1);
    ck_assert_mem_eq(out, stamped, 62);
    return out[54 + 8];
}

static void prove_on_lan(struct loop *l, uint64_t now_us)
{
    uint8_t frame[LOOP_PROBE_BYTES];
    struct loop_event event;
    loop_build(l, LAN, frame, sizeof frame, now_us);
    loop_sent(l, now_us);
    receive(l, frame, LAN, 0, &event, now_us);
    ck_assert(loop_site_shut(l));
}

START_TEST(tells_that_it_is_open_before_it_opens)
{
    struct loop l;
    struct loop_event event;
    init(&l, ME, false, START_US);
    ck_assert_uint_eq(told(&l, 5, START_US), OFF);
    for (unsigned time = 1; time <= 4; time++) { /* the hold-down doubles */
        uint64_t proved_us = START_US + time * 100 * SECOND_US;
        uint64_t open_us = proved_us + LOOP_SILENCE_US + (LOOP_HOLD_FIRST_US << (time - 1));
        prove_on_lan(&l, proved_us);
        ck_assert_uint_eq(told(&l, 5, open_us - LOOP_LISTEN_US - 1), OFF | SHUT);
        ck_assert_uint_eq(told(&l, 5, open_us - LOOP_LISTEN_US), OFF);
        ck_assert(loop_site_shut(&l));
        if (time == 2) { /* the loop is still there */
            prove_on_lan(&l, open_us - 1);
            open_us += LOOP_SILENCE_US + (LOOP_HOLD_FIRST_US << 1) - 1;
            ck_assert_uint_eq(told(&l, 5, open_us - LOOP_LISTEN_US - 1), OFF | SHUT);
        }
        loop_tick(&l, open_us - 1, &event);
        ck_assert(event.kind == LOOP_NONE && loop_site_shut(&l));
        loop_tick(&l, open_us, &event);
        ck_assert(event.kind == LOOP_REOPENED && !loop_site_shut(&l));
    }
}
END_TEST

START_TEST(tells_each_peer_of_its_own_link)
{
    struct loop l;
    init(&l, ME, false, START_US);
    l.link[5].shut = (struct loop_shut){.shut = true, .open_us = START_US + 10 * SECOND_US};
    ck_assert_uint_eq(told(&l, 5, START_US), OFF | SHUT);
    ck_assert_uint_eq(told(&l, 6, START_US), OFF);
    ck_assert_uint_eq(told(&l, LOOP_PEERS_MAX, START_US), OFF);
    ck_assert_uint_eq(told(&l, 5, START_US + 8 * SECOND_US), OFF);
    ck_assert(loop_peer_shut(&l, 5));
}
END_TEST

/* A peer that goes spares the hold-down, never the telling; nor does it make anything later. */
START_TEST(a_peer_that_goes_leaves_time_to_tell)
{
    static const struct {
        unsigned gone_ms, open_ms;
    } ROW[] = {{0, 3000}, {1000, 3000}, {1500, 3500}, {2900, 4900}, {3100, 5000}, {4900, 5000}};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct loop l;
        struct loop_event event;
        uint8_t frame[LOOP_PROBE_BYTES];
        uint64_t open_us = START_US + ROW[i].open_ms * UINT64_C(1000);
        init(&l, LOW, false, START_US);
        loop_build(&l, LAN, frame, sizeof frame, START_US);
        stamp(frame, HIGH, OFF);
        receive(&l, frame, AT_HIGH, HIGH, &event, START_US);
        ck_assert(loop_site_shut(&l));
        loop_peer_gone(&l, AT_HIGH, START_US + ROW[i].gone_ms * UINT64_C(1000));
        ck_assert_uint_eq(told(&l, 5, open_us - LOOP_LISTEN_US - 1), OFF | SHUT);
        ck_assert_uint_eq(told(&l, 5, open_us - LOOP_LISTEN_US), OFF);
        loop_tick(&l, open_us - 1, &event);
        ck_assert(loop_site_shut(&l));
        loop_tick(&l, open_us, &event);
        ck_assert(!loop_site_shut(&l));
    }
}
END_TEST

/* ---- quick rounds ---- */

static unsigned rounds(struct loop *l, uint64_t from_us, uint64_t until_us, bool proved)
{
    unsigned count = 0;
    for (uint64_t now_us = from_us; now_us < until_us; now_us += 1000)
        if (loop_due(l, now_us)) {
            ck_assert_uint_le(loop_deadline_us(l), now_us);
            if (proved)
                prove_on_lan(l, now_us);
            else
                loop_sent(l, now_us);
            count++;
        }
    return count;
}

START_TEST(asks_quickly_when_a_proof_is_overdue)
{
    struct loop l;
    uint64_t at_us = START_US + 20 * SECOND_US;
    init(&l, ME, false, START_US);
    rounds(&l, START_US, at_us, true);
    ck_assert_uint_eq(rounds(&l, at_us, at_us + 20 * SECOND_US, true), 20);
    const uint64_t proved_us = l.last_us, overdue_us = proved_us + LOOP_OVERDUE_US;
    at_us += 20 * SECOND_US;
    ck_assert_uint_eq(rounds(&l, at_us, overdue_us, false), 1);
    ck_assert_uint_eq(rounds(&l, overdue_us, overdue_us + SECOND_US, false), 4);
    ck_assert_uint_eq(rounds(&l, overdue_us + SECOND_US, overdue_us + 11 * SECOND_US, true), 10);
}
END_TEST

START_TEST(asks_quickly_when_an_echo_is_overdue)
{
    struct loop l;
    uint64_t at_us = START_US + 20 * SECOND_US;
    init(&l, ME, false, START_US);
    for (uint64_t us = START_US; us <= at_us; us += SECOND_US)
        echo(&l, AT_LOW, AT_HIGH, SHUT, 0, 0, us);
    ck_assert_uint_eq(rounds(&l, at_us, at_us + SECOND_US, false), 0);
    ck_assert_uint_ge(rounds(&l, at_us + SECOND_US, at_us + 3 * SECOND_US, false), 7);
    rounds(&l, at_us + 3 * SECOND_US, at_us + 7 * SECOND_US, false);
    ck_assert_uint_eq(rounds(&l, at_us + 7 * SECOND_US, at_us + 9 * SECOND_US, false), 2);
}
END_TEST

/* The two that echo are asked in each round, be the answer that they are shut; others as ever. */
START_TEST(looks_into_an_echo)
{
    struct loop l;
    uint8_t frame[LOOP_PROBE_BYTES];
    uint64_t at_us = START_US + 20 * SECOND_US;
    unsigned others = 0;
    init(&l, ME, false, START_US);
    rounds(&l, START_US, at_us, false);
    echo(&l, AT_LOW, AT_HIGH, SHUT, 0, 0, at_us);
    ck_assert_uint_eq(rounds(&l, at_us + 1000, at_us + 2 * SECOND_US, false), 8);
    for (unsigned n = 2; n < 22; n++) {
        echo(&l, AT_LOW, AT_HIGH, SHUT, 0, 0, at_us + n * SECOND_US);
        for (uint16_t i = AT_LOW; n >= 12 && i <= AT_HIGHER; i++) {
            loop_build(&l, i, frame, sizeof frame, at_us + n * SECOND_US);
            others += i == AT_HIGHER && frame[36] == LOOP_FLAG_LANS;
            ck_assert(i == AT_HIGHER || frame[36] == LOOP_FLAG_LANS);
        }
    }
    ck_assert_uint_ge(others, 2);
    ck_assert_uint_le(others, 3);
}
END_TEST

/* ---- news ---- */

/* A probe of @origin, as site @reader takes it off its LAN, or as its hub or nobody passed it. */
static bool is_news(struct loop *l, unsigned origin, unsigned reader, unsigned how, uint64_t now_us)
{
    struct loop other;
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES];
    l->quick_until_us = 0;
    init(&other, origin, false, START_US);
    loop_build(&other, LAN, frame, sizeof frame, now_us);
    if (how != 0)
        stamp(frame, reader, how);
    receive(l, frame, reader == ME ? LAN : AT_HIGH, how != 0 ? reader : origin, &event, now_us);
    return l->quick_until_us == now_us + LOOP_QUICK_FOR_US;
}

START_TEST(probes_quickly_when_lans_are_newly_one)
{
    static const struct {
        unsigned origin, reader, how, at_s;
        bool news;
    } ROW[] = {
        {HIGH, ME, 0, 0, true},
        {HIGH, ME, 0, 1, false},
        {HIGH, ME, 0, 31, false},
        {HIGH, ME, 0, 62, true},
        {LOW, ME, 0, 62, true},
        {HIGH, LOW, OFF, 62, true},
        {HIGH, LOW, OFF, 63, false},
        {LOW, HIGH, OFF, 63, true},
        {HIGHER, HIGH, HUB, 63, false},
        {HIGHER, HIGH, 0, 63, false},
        {HIGHER, HIGH, OFF | SHUT, 63, true},
    };
    struct loop l;
    init(&l, ME, true, START_US);
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++)
        ck_assert_msg(is_news(&l, ROW[i].origin, ROW[i].reader, ROW[i].how,
                              START_US + ROW[i].at_s * SECOND_US) == ROW[i].news,
                      "row %zu", i);
}
END_TEST

START_TEST(takes_nothing_for_news_when_there_is_too_much)
{
    struct loop l;
    init(&l, ME, false, START_US);
    for (unsigned n = 0; n < LOOP_HEARD; n++)
        ck_assert(is_news(&l, 0x80 + n, ME, 0, START_US));
    ck_assert(!is_news(&l, HIGH - 0x70, ME, 0, START_US));
    ck_assert(!is_news(&l, HIGH - 0x70, ME, 0, START_US + LOOP_NEWS_US));
    ck_assert(is_news(&l, HIGH - 0x70, ME, 0, START_US + LOOP_NEWS_US + 1));
}
END_TEST

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    Suite *suite = suite_create("loop echo");
    TCase *echoes = tcase_create("echoes");
    tcase_add_loop_test(echoes, shuts_a_link_for_an_echo, 0, sizeof ECHO / sizeof ECHO[0]);
    tcase_add_test(echoes, keeps_a_link_whatever_the_order);
    tcase_add_test(echoes, tells_that_it_is_open_before_it_opens);
    tcase_add_test(echoes, tells_each_peer_of_its_own_link);
    tcase_add_test(echoes, a_peer_that_goes_leaves_time_to_tell);
    tcase_add_test(echoes, asks_quickly_when_a_proof_is_overdue);
    tcase_add_test(echoes, asks_quickly_when_an_echo_is_overdue);
    tcase_add_test(echoes, looks_into_an_echo);
    tcase_add_test(echoes, probes_quickly_when_lans_are_newly_one);
    tcase_add_test(echoes, takes_nothing_for_news_when_there_is_too_much);
    suite_add_tcase(suite, echoes);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
