/* SPDX-License-Identifier: MIT
 *
 * check_turn_peers.c - the peers of turn.h: permissions, channels, and datagrams both ways.
 */
#include "turn_server.h"

#include <stdlib.h>

static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

static const uint8_t text[] = {0x83, 'd', 'a', 't', 'a'};
static uint8_t wrapped[sizeof text + TURN_OVERHEAD_MAX_BYTES];
static size_t wrapped_bytes;

static bool wrap(const struct endpoint *to)
{
    wrapped_bytes = turn_wrap(&turn, to, text, sizeof text, wrapped, sizeof wrapped, now_us);
    return wrapped_bytes > 0;
}

static bool is_send_to(const struct endpoint *to)
{
    struct stun_message message;
    struct endpoint at;
    const uint8_t *data;
    size_t bytes;

    return stun_parse(&message, wrapped, wrapped_bytes) && message.method == STUN_SEND &&
           message.class_ == STUN_INDICATION &&
           stun_get_address(&message, ATTRIBUTE_XOR_PEER_ADDRESS, &at) && endpoint_equal(&at, to) &&
           stun_find(&message, ATTRIBUTE_DATA, &data, &bytes) && bytes == sizeof text &&
           memcmp(data, text, bytes) == 0;
}

static bool is_channel(uint16_t channel)
{
    return wrapped_bytes == sizeof text + TURN_CHANNEL_HEADER_BYTES &&
           load_be16(wrapped) == channel && load_be16(wrapped + 2) == sizeof text &&
           memcmp(wrapped + TURN_CHANNEL_HEADER_BYTES, text, sizeof text) == 0;
}

static void assert_asked_for(const struct endpoint *peer)
{
    struct endpoint at;

    ck_assert(stun_get_address(&asked, ATTRIBUTE_XOR_PEER_ADDRESS, &at));
    ck_assert(endpoint_equal(&at, peer));
}

static void say(unsigned code)
{
    answer((struct answer){.code = code, .signing = SIGNED});
}

/* Return: its channel */
static uint16_t bind(const struct endpoint *peer)
{
    ck_assert(wrap(peer));
    assert_due(STUN_CHANNEL_BIND);
    assert_asked_for(peer);
    say(0);
    return (uint16_t)(number_in(ATTRIBUTE_CHANNEL_NUMBER) >> 16);
}

/* The allocation's own refreshes are answered by the way; anything else is not. */
static void pass(uint64_t until_us)
{
    while (now_us < until_us) {
        now_us = until_us - now_us > SECOND ? now_us + SECOND : until_us;
        while (now_us < until_us && due()) {
            ck_assert_int_eq(asked.method, STUN_REFRESH);
            say(0);
        }
    }
}

/* What is due beside the allocation's own refresh. */
static void assert_peer_due(enum stun_method method)
{
    ck_assert(due());
    if (asked.method == STUN_REFRESH) {
        say(0);
        ck_assert(due());
    }
    ck_assert_int_eq(asked.method, method);
}

/* ---- sending ---- */

START_TEST(nothing_is_wrapped_without_an_allocation)
{
    begin(start[_i]);
    ck_assert(!wrap(&peer_a));
    turn_start(&turn, &server, now_us);
    ck_assert(!wrap(&peer_a));
    allocate(start[_i]);
    ck_assert(!wrap(&relayed_v6)); /* the other family */
    ck_assert(wrap(&peer_a));
    turn_release(&turn, now_us);
    ck_assert(!wrap(&peer_a));
}
END_TEST

START_TEST(indications_until_the_channel_is_bound)
{
    allocate(start[_i]);
    ck_assert(wrap(&peer_a));
    ck_assert(is_send_to(&peer_a));
    assert_due(STUN_CHANNEL_BIND);
    assert_signed("realm", "nonce");
    assert_asked_for(&peer_a);
    uint16_t channel = (uint16_t)(number_in(ATTRIBUTE_CHANNEL_NUMBER) >> 16);
    ck_assert_uint_eq(number_in(ATTRIBUTE_CHANNEL_NUMBER) & 0xffff, 0);
    ck_assert(channel >= 0x4000 && channel <= 0x4fff);
    ck_assert(!due()); /* one request, however much is sent */
    ck_assert(wrap(&peer_a));
    ck_assert(is_send_to(&peer_a));
    ck_assert(!due());
    say(0);
    ck_assert(wrap(&peer_a));
    ck_assert(is_channel(channel));
    ck_assert_uint_ne(bind(&peer_b), channel);
}
END_TEST

START_TEST(the_way_to_a_peer_is_not_its_address)
{
    struct endpoint through = peer_a;

    through.via = VIA_TURN + 1;
    allocate(0);
    uint16_t channel = bind(&peer_a);
    ck_assert(wrap(&through));
    ck_assert(is_channel(channel));
}
END_TEST

START_TEST(room_is_checked)
{
    uint8_t out[sizeof text + TURN_OVERHEAD_MAX_BYTES];
    static const struct endpoint v6 = {.address = {IP_V6, {0x20, 1}}, .port = 9};

    begin(0);
    turn_start(&turn, &server, now_us);
    challenge();
    say(440);
    assert_due(STUN_ALLOCATE);
    answer((struct answer){.relayed = &relayed_v6, .signing = SIGNED});
    /* 5 bytes and their padding are the most there can be around them. */
    ck_assert_uint_eq(turn_wrap(&turn, &v6, text, sizeof text, out, sizeof out, now_us),
                      sizeof out);
    for (size_t room = 0; room < sizeof out; room++)
        ck_assert_uint_eq(turn_wrap(&turn, &v6, text, sizeof text, out, room, now_us), 0);
    assert_due(STUN_CHANNEL_BIND);
    say(0);
    size_t needed = sizeof text + TURN_CHANNEL_HEADER_BYTES;
    for (size_t room = 0; room < needed; room++)
        ck_assert_uint_eq(turn_wrap(&turn, &v6, text, sizeof text, out, room, now_us), 0);
    ck_assert_uint_eq(turn_wrap(&turn, &v6, text, sizeof text, out, needed, now_us), needed);
    ck_assert_uint_eq(turn_wrap(&turn, &v6, text, 0, out, 4, now_us), 4);
}
END_TEST

START_TEST(a_channel_takes_64_kibibytes)
{
    static uint8_t large[UINT16_MAX + 1], out[sizeof large + TURN_OVERHEAD_MAX_BYTES];

    allocate(0);
    bind(&peer_a);
    ck_assert_uint_eq(turn_wrap(&turn, &peer_a, large, UINT16_MAX, out, sizeof out, now_us),
                      TURN_CHANNEL_HEADER_BYTES + UINT16_MAX);
    ck_assert_uint_eq(turn_wrap(&turn, &peer_a, large, UINT16_MAX + 1, out, sizeof out, now_us), 0);
}
END_TEST

START_TEST(no_answer_is_asked_again_while_it_is_used)
{
    static const uint64_t at_ms[] = {0, 500, 1500, 3500};

    allocate(start[_i]);
    for (int round = 0; round < 3; round++) {
        uint64_t from_us = now_us;
        ck_assert(wrap(&peer_a));
        for (size_t i = 0; i < 4; i++) {
            if (i == 3) { /* is the server there? */
                assert_quiet_until(from_us + 3000 * MS);
                assert_due(STUN_REFRESH);
                say(0);
            }
            if (i > 0)
                assert_quiet_until(from_us + at_ms[i] * MS);
            assert_due(STUN_CHANNEL_BIND);
        }
        assert_quiet_until(from_us + 5 * SECOND);
        ck_assert(!due());
    }
    ck_assert(wrap(&peer_a));
    ck_assert(is_send_to(&peer_a));
    assert_due(STUN_CHANNEL_BIND);
    say(0);
    ck_assert(wrap(&peer_a));
    ck_assert(!is_send_to(&peer_a));
}
END_TEST

/* ---- renewal ---- */

START_TEST(renewed_every_four_minutes_when_used)
{
    allocate(start[_i]);
    uint16_t channel = bind(&peer_a);
    for (int i = 0; i < 5; i++) {
        uint64_t since_us = now_us;
        pass(since_us + SECOND);
        ck_assert(wrap(&peer_a));
        pass(since_us + 240 * SECOND);
        assert_peer_due(STUN_CHANNEL_BIND);
        ck_assert_uint_eq(number_in(ATTRIBUTE_CHANNEL_NUMBER) >> 16, channel);
        ck_assert(wrap(&peer_a));
        ck_assert(is_channel(channel)); /* it is still there meanwhile */
        say(0);
    }
}
END_TEST

START_TEST(not_renewed_when_not_used)
{
    allocate(start[_i]);
    uint16_t channel = bind(&peer_a);
    pass(start[_i] + 300 * SECOND);
    ck_assert(wrap(&peer_a)); /* the permission has ended */
    ck_assert(is_send_to(&peer_a));
    assert_peer_due(STUN_CHANNEL_BIND);
    ck_assert_uint_eq(number_in(ATTRIBUTE_CHANNEL_NUMBER) >> 16, channel);
}
END_TEST

START_TEST(a_renewal_that_is_not_answered_ends_it)
{
    allocate(start[_i]);
    bind(&peer_a);
    pass(start[_i] + SECOND);
    ck_assert(wrap(&peer_a));
    pass(start[_i] + 240 * SECOND);
    unsigned requests = 0;
    for (; now_us < start[_i] + 400 * SECOND; now_us += 100 * MS)
        while (due())
            if (asked.method == STUN_REFRESH)
                say(0);
            else
                requests++;
    ck_assert_uint_eq(requests, 4);
    ck_assert(wrap(&peer_a));
    ck_assert(is_send_to(&peer_a));
}
END_TEST

/* ---- what the server refuses ---- */

START_TEST(a_peer_that_is_refused_is_left_alone_for_a_minute)
{
    static const unsigned code[] = {403, 443, 486, 500, 508};

    allocate(0);
    ck_assert(wrap(&peer_a));
    assert_due(STUN_CHANNEL_BIND);
    say(code[_i]);
    assert_due(STUN_REFRESH); /* or has it forgotten us? */
    say(0);
    ck_assert_int_eq(turn.state, TURN_ALLOCATED);
    ck_assert(!wrap(&peer_a));
    bind(&peer_b); /* the others are not meant */
    pass(60 * SECOND - 1);
    ck_assert(!wrap(&peer_a));
    now_us = 60 * SECOND;
    ck_assert(wrap(&peer_a));
}
END_TEST

START_TEST(a_permission_where_there_is_no_channel)
{
    allocate(0);
    ck_assert(wrap(&peer_a));
    assert_due(STUN_CHANNEL_BIND);
    say(400);
    assert_due(STUN_CREATE_PERMISSION);
    assert_asked_for(&peer_a);
    say(0);
    ck_assert(wrap(&peer_a));
    ck_assert(is_send_to(&peer_a));
    ck_assert(!due());
    pass(SECOND);
    ck_assert(wrap(&peer_a));
    pass(240 * SECOND);
    assert_peer_due(STUN_CREATE_PERMISSION);
    say(400);
    ck_assert(!wrap(&peer_a));
}
END_TEST

START_TEST(an_old_nonce_is_replaced)
{
    allocate(0);
    ck_assert(wrap(&peer_a));
    assert_due(STUN_CHANNEL_BIND);
    say_nonce(438, "realm", "fresh");
    assert_due(STUN_CHANNEL_BIND);
    assert_signed("realm", "fresh");
    say(0);
    ck_assert(wrap(&peer_a));
    ck_assert(!is_send_to(&peer_a));
}
END_TEST

START_TEST(a_lost_allocation_is_noticed_by_a_peers_request)
{
    allocate(0);
    now_us = 10 * SECOND;
    ck_assert(wrap(&peer_a));
    assert_due(STUN_CHANNEL_BIND);
    say(437);
    ck_assert_int_eq(turn.state, TURN_ASKING);
}
END_TEST

START_TEST(forged_answers_bind_nothing)
{
    allocate(0);
    ck_assert(wrap(&peer_a));
    assert_due(STUN_CHANNEL_BIND);
    answer((struct answer){.signing = UNSIGNED});
    answer((struct answer){.signing = FORGED});
    answer((struct answer){.code = 403, .signing = FORGED});
    ck_assert(wrap(&peer_a));
    ck_assert(is_send_to(&peer_a));
}
END_TEST

/* ---- the table ---- */

static struct endpoint numbered(unsigned n)
{
    struct endpoint e = peer_a;

    e.address.octet[2] = (uint8_t)(n >> 8);
    e.address.octet[3] = (uint8_t)n;
    return e;
}

START_TEST(ten_thousand_peers_cost_few_requests)
{
    unsigned requests = 0;

    allocate(start[_i]);
    for (unsigned n = 0; n < 10000; n++) {
        struct endpoint e = numbered(n);
        ck_assert_int_eq(wrap(&e), n < TURN_PEERS_MAX);
        while (due()) {
            requests++;
            say(0);
        }
    }
    ck_assert_uint_eq(requests, TURN_PEERS_MAX);
}
END_TEST

START_TEST(a_new_peer_takes_the_place_of_the_idlest)
{
    struct endpoint e;
    uint16_t channel[TURN_PEERS_MAX];

    allocate(start[_i]);
    for (unsigned n = 0; n < TURN_PEERS_MAX; n++) {
        e = numbered(n);
        channel[n] = bind(&e);
        now_us += 100 * MS;
    }
    e = numbered(0);
    ck_assert(wrap(&e)); /* now number 1 is the idlest, since 100 ms after the start */
    now_us = start[_i] + 100 * MS + 30 * SECOND - 1;
    while (due()) {
        ck_assert_int_eq(asked.method, STUN_REFRESH);
        say(0);
    }
    ck_assert(!wrap(&peer_b));
    now_us++;
    bind(&peer_b);
    ck_assert(wrap(&e));
    ck_assert(is_channel(channel[0]));
    e = numbered(1);
    ck_assert(!wrap(&e));
}
END_TEST

START_TEST(channel_numbers_go_round)
{
    allocate(0);
    for (unsigned n = 0; n < 3 * 4096; n++) {
        struct endpoint e = numbered(n);
        uint16_t channel;
        memset(turn.peer, 0, sizeof turn.peer);
        channel = bind(&e);
        ck_assert(channel >= 0x4000 && channel <= 0x4fff);
    }
}
END_TEST

/* ---- receiving ---- */

static struct turn_delivery got;

static enum turn_receipt receive_channel(uint16_t channel, uint16_t length, size_t bytes)
{
    static uint8_t data[64];

    store_be16(data, channel);
    store_be16(data + 2, length);
    memcpy(data + TURN_CHANNEL_HEADER_BYTES, text, sizeof text);
    enum turn_receipt receipt = turn_receive(&turn, &server, data, bytes, now_us, &got);
    ck_assert(receipt != TURN_DATA || got.data == data + TURN_CHANNEL_HEADER_BYTES);
    return receipt;
}

START_TEST(channel_data)
{
    allocate(start[_i]);
    uint16_t channel = bind(&peer_a), n = sizeof text;

    ck_assert_int_eq(receive_channel(channel, n, 4u + n), TURN_DATA);
    ck_assert(endpoint_equal(&got.peer, &peer_a));
    ck_assert_uint_eq(got.bytes, n);
    ck_assert_mem_eq(got.data, text, n);
    ck_assert_int_eq(receive_channel(channel, n, 4u + n + 3), TURN_DATA); /* padded */
    ck_assert_uint_eq(got.bytes, n);
    ck_assert_int_eq(receive_channel(channel, 0, 4), TURN_DATA);
    ck_assert_uint_eq(got.bytes, 0);
    ck_assert_int_eq(receive_channel(channel, n, 4u + n - 1), TURN_HANDLED);
    ck_assert_int_eq(receive_channel((uint16_t)(channel + 1), n, 4u + n), TURN_HANDLED);
    for (size_t bytes = 0; bytes < 4; bytes++)
        ck_assert_int_eq(receive_channel(channel, 0, bytes), TURN_NOT_OURS);
    now_us += 300 * SECOND;
    ck_assert_int_eq(receive_channel(channel, n, 4u + n), TURN_HANDLED); /* ended */
}
END_TEST

static enum turn_receipt receive_data(const struct endpoint *peer, bool with_data)
{
    static uint8_t data[256];
    uint8_t id[STUN_TRANSACTION_BYTES] = {0};
    struct stun_writer w;

    stun_begin(&w, data, sizeof data, STUN_DATA, STUN_INDICATION, id);
    if (peer != NULL)
        stun_add_xor_address(&w, ATTRIBUTE_XOR_PEER_ADDRESS, peer);
    if (with_data)
        stun_add(&w, ATTRIBUTE_DATA, text, sizeof text);
    return turn_receive(&turn, &server, data, stun_end(&w), now_us, &got);
}

START_TEST(data_indications)
{
    struct endpoint other_port = peer_a;

    other_port.port++;
    allocate(start[_i]);
    ck_assert_int_eq(receive_data(&peer_a, true), TURN_HANDLED); /* not sent to yet */
    ck_assert(wrap(&peer_a));
    ck_assert_int_eq(receive_data(&peer_a, true), TURN_DATA); /* before the answer, too */
    bind(&peer_a);
    bind(&peer_b);
    ck_assert_int_eq(receive_data(&peer_a, true), TURN_DATA);
    ck_assert(endpoint_equal(&got.peer, &peer_a));
    ck_assert_uint_eq(got.bytes, sizeof text);
    ck_assert_mem_eq(got.data, text, sizeof text);
    ck_assert_int_eq(receive_data(&other_port, true), TURN_DATA);
    ck_assert(endpoint_equal(&got.peer, &other_port));
    ck_assert_int_eq(receive_data(&relayed, true), TURN_HANDLED);
    ck_assert_int_eq(receive_data(NULL, true), TURN_HANDLED);
    ck_assert_int_eq(receive_data(&peer_a, false), TURN_HANDLED);
    now_us += 300 * SECOND;
    ck_assert_int_eq(receive_data(&peer_a, true), TURN_HANDLED); /* ended */
}
END_TEST

START_TEST(who_is_heard_is_in_use)
{
    allocate(0);
    uint16_t channel = bind(&peer_a);
    pass(SECOND);
    ck_assert_int_eq(receive_channel(channel, 1, 5), TURN_DATA);
    pass(240 * SECOND);
    assert_peer_due(STUN_CHANNEL_BIND);
}
END_TEST

START_TEST(who_is_heard_by_indications_is_in_use)
{
    allocate(0);
    bind(&peer_a);
    pass(SECOND);
    ck_assert_int_eq(receive_data(&peer_a, true), TURN_DATA);
    pass(240 * SECOND);
    assert_peer_due(STUN_CHANNEL_BIND);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turn_peers");
    TCase *tcase = tcase_create("peers");
    tcase_add_loop_test(tcase, nothing_is_wrapped_without_an_allocation, 0, STARTS);
    tcase_add_loop_test(tcase, indications_until_the_channel_is_bound, 0, STARTS);
    tcase_add_test(tcase, the_way_to_a_peer_is_not_its_address);
    tcase_add_test(tcase, room_is_checked);
    tcase_add_test(tcase, a_channel_takes_64_kibibytes);
    tcase_add_loop_test(tcase, no_answer_is_asked_again_while_it_is_used, 0, STARTS);
    tcase_add_loop_test(tcase, renewed_every_four_minutes_when_used, 0, STARTS);
    tcase_add_loop_test(tcase, not_renewed_when_not_used, 0, STARTS);
    tcase_add_loop_test(tcase, a_renewal_that_is_not_answered_ends_it, 0, STARTS);
    tcase_add_loop_test(tcase, a_peer_that_is_refused_is_left_alone_for_a_minute, 0, 5);
    tcase_add_test(tcase, a_permission_where_there_is_no_channel);
    tcase_add_test(tcase, an_old_nonce_is_replaced);
    tcase_add_test(tcase, a_lost_allocation_is_noticed_by_a_peers_request);
    tcase_add_test(tcase, forged_answers_bind_nothing);
    tcase_add_loop_test(tcase, ten_thousand_peers_cost_few_requests, 0, STARTS);
    tcase_add_loop_test(tcase, a_new_peer_takes_the_place_of_the_idlest, 0, STARTS);
    tcase_add_test(tcase, channel_numbers_go_round);
    tcase_add_loop_test(tcase, channel_data, 0, STARTS);
    tcase_add_loop_test(tcase, data_indications, 0, STARTS);
    tcase_add_test(tcase, who_is_heard_is_in_use);
    tcase_add_test(tcase, who_is_heard_by_indications_is_in_use);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
