/* SPDX-License-Identifier: MIT
 *
 * check_turn.c - the allocation of turn.h: what is asked when, and what each answer leads to.
 * check_turn_peers.c has the peers.
 */
#include "turn_server.h"

#include <stdlib.h>

/* Each test runs once from each of these: nothing may hang on where the clock begins. */
static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

static void assert_state(enum turn_state state, enum turn_failure failure)
{
    ck_assert_int_eq(turn.state, state);
    ck_assert_int_eq(turn.failure, failure);
    ck_assert(state == TURN_ALLOCATED || turn_relayed(&turn) == NULL);
}

/* ---- asking ---- */

START_TEST(idle_until_started)
{
    begin(start[_i]);
    assert_state(TURN_IDLE, TURN_FAILURE_NONE);
    assert_quiet_until(NEVER);
    turn_release(&turn, now_us);
    assert_quiet_until(NEVER);
}
END_TEST

START_TEST(credentials_only_after_they_were_asked_for)
{
    const uint8_t *value;
    size_t bytes;

    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    ck_assert_uint_eq(number_in(ATTRIBUTE_REQUESTED_TRANSPORT), UINT32_C(17) << 24);
    ck_assert(!stun_find(&asked, ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, &value, &bytes));
    ck_assert(!stun_find(&asked, ATTRIBUTE_USERNAME, &value, &bytes));
    ck_assert(!stun_find(&asked, ATTRIBUTE_MESSAGE_INTEGRITY, &value, &bytes));
    say_nonce(401, "realm", "nonce");
    assert_due(STUN_ALLOCATE);
    assert_signed("realm", "nonce");
    answer((struct answer){.relayed = &relayed, .lifetime_s = 600, .signing = SIGNED});
    assert_state(TURN_ALLOCATED, TURN_FAILURE_NONE);
    ck_assert(endpoint_equal(turn_relayed(&turn), &relayed));
}
END_TEST

START_TEST(each_transaction_is_a_new_one)
{
    uint8_t first[STUN_TRANSACTION_BYTES];

    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    memcpy(first, asked.transaction, sizeof first);
    now_us += 500 * MS;
    assert_due(STUN_ALLOCATE);
    ck_assert_mem_eq(asked.transaction, first, sizeof first); /* sent again */
    say_nonce(401, "realm", "nonce");
    assert_due(STUN_ALLOCATE);
    ck_assert_mem_ne(asked.transaction, first, sizeof first);
}
END_TEST

START_TEST(silence_is_asked_four_times_and_then_a_failure)
{
    static const uint64_t at_ms[] = {0, 500, 1500, 3500};
    static const uint64_t retry_s[] = {60, 120, 240, 480, 600, 600, 600};

    begin(start[_i]);
    for (size_t round = 0; round < sizeof retry_s / sizeof *retry_s; round++) {
        uint64_t from_us = now_us;
        turn_start(&turn, &server, now_us);
        for (size_t i = 0; i < sizeof at_ms / sizeof *at_ms; i++) {
            if (i > 0)
                assert_quiet_until(from_us + at_ms[i] * MS);
            assert_due(STUN_ALLOCATE);
        }
        assert_quiet_until(from_us + 5 * SECOND);
        ck_assert(!due());
        assert_state(TURN_FAILED, TURN_FAILURE_SILENCE);
        assert_quiet_until(NEVER);
        ck_assert_uint_eq(turn_retry_us(&turn), now_us + retry_s[round] * SECOND);
        now_us = turn_retry_us(&turn);
    }
}
END_TEST

/* What an error to the Allocate with credentials leads to. */
static const struct {
    unsigned code;
    enum turn_state state;
    enum turn_failure failure;
} verdicts[] = {
    {300, TURN_FAILED, TURN_FAILURE_FULL},        {400, TURN_FAILED, TURN_FAILURE_OTHER},
    {401, TURN_FAILED, TURN_FAILURE_CREDENTIALS}, {403, TURN_FAILED, TURN_FAILURE_FORBIDDEN},
    {420, TURN_FAILED, TURN_FAILURE_UNSUPPORTED}, {437, TURN_RELEASING, TURN_FAILURE_NONE},
    {438, TURN_ASKING, TURN_FAILURE_NONE},        {440, TURN_ASKING, TURN_FAILURE_NONE},
    {441, TURN_FAILED, TURN_FAILURE_MISMATCH},    {442, TURN_FAILED, TURN_FAILURE_UNSUPPORTED},
    {486, TURN_FAILED, TURN_FAILURE_QUOTA},       {500, TURN_FAILED, TURN_FAILURE_OTHER},
    {508, TURN_FAILED, TURN_FAILURE_FULL},
};

START_TEST(each_error_has_its_meaning)
{
    begin(0);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){
        .code = verdicts[_i].code, .realm = "realm", .nonce = "nonce", .signing = SIGNED});
    assert_state(verdicts[_i].state, verdicts[_i].failure);
    ck_assert_uint_eq(turn.failure_code, verdicts[_i].state == TURN_FAILED ? verdicts[_i].code : 0);
    ck_assert_str_ne(turn_failure_text(turn.failure), "");
}
END_TEST

START_TEST(an_old_nonce_is_replaced_thrice)
{
    static const char *const nonce[] = {"n1", "n2", "n3"};

    begin(0);
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    for (size_t i = 0; i < 3; i++) {
        say_nonce(i == 0 ? 401 : 438, "realm", nonce[i]);
        assert_due(STUN_ALLOCATE);
        assert_signed("realm", nonce[i]);
    }
    say_nonce(438, "realm", "n4");
    assert_state(TURN_FAILED, TURN_FAILURE_MALFORMED);
}
END_TEST

START_TEST(a_challenge_must_be_complete)
{
    char text[TURN_NONCE_MAX + 2];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const struct {
        const char *realm, *nonce;
    } bad[] = {{NULL, "nonce"}, {"realm", NULL}, {"", "nonce"},
               {"realm", ""},   {text, "nonce"}, {"realm", text}};
    begin(0);
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    say_nonce(401, bad[_i].realm, bad[_i].nonce);
    assert_state(TURN_FAILED, TURN_FAILURE_MALFORMED);
}
END_TEST

START_TEST(an_allocation_must_have_an_address)
{
    static const struct endpoint no_address = {.address = {.family = IP_V4}, .port = 5};
    static const struct endpoint no_port = {.address = {IP_V4, {192, 0, 2, 1}}};
    const struct endpoint *const bad[] = {NULL, &no_address, &no_port, &relayed_v6};

    begin(0);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.relayed = bad[_i], .signing = SIGNED});
    assert_state(TURN_FAILED, TURN_FAILURE_MALFORMED);
}
END_TEST

START_TEST(ipv6_where_there_is_no_ipv4)
{
    begin(0);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.code = 440, .signing = SIGNED});
    assert_due(STUN_ALLOCATE);
    ck_assert_uint_eq(number_in(ATTRIBUTE_REQUESTED_ADDRESS_FAMILY), UINT32_C(2) << 24);
    answer((struct answer){.relayed = &relayed_v6, .signing = SIGNED});
    assert_state(TURN_ALLOCATED, TURN_FAILURE_NONE);

    begin(0);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.code = 440, .signing = SIGNED});
    assert_due(STUN_ALLOCATE);
    answer((struct answer){.code = 440, .signing = SIGNED});
    assert_state(TURN_FAILED, TURN_FAILURE_UNSUPPORTED);
}
END_TEST

/* ---- who may answer ---- */

START_TEST(forged_answers_change_nothing)
{
    static const struct endpoint elsewhere = {.address = {IP_V4, {192, 0, 2, 1}}, .port = 3479};
    struct answer good = {.relayed = &relayed, .lifetime_s = 600, .signing = SIGNED};
    uint8_t out[STUN_MESSAGE_MAX_BYTES];
    size_t bytes;

    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.relayed = &relayed, .signing = UNSIGNED});
    answer((struct answer){.relayed = &relayed, .signing = FORGED});
    answer((struct answer){.code = 403, .signing = UNSIGNED});
    answer((struct answer){.code = 403, .signing = FORGED});
    bytes = write_answer(&good, out);
    ck_assert_int_eq(receive(&elsewhere, out, bytes), TURN_NOT_OURS);
    out[19] ^= 1; /* the transaction */
    ck_assert_int_eq(receive(&server, out, bytes), TURN_HANDLED);
    out[19] ^= 1;
    ck_assert_int_eq(receive(&server, out, bytes - 1), TURN_NOT_OURS);
    assert_state(TURN_ASKING, TURN_FAILURE_NONE);
    ck_assert_int_eq(receive(&server, out, bytes), TURN_HANDLED);
    assert_state(TURN_ALLOCATED, TURN_FAILURE_NONE);
    answer((struct answer){.code = 403, .signing = SIGNED}); /* late: it was answered already */
    assert_state(TURN_ALLOCATED, TURN_FAILURE_NONE);
}
END_TEST

START_TEST(binding_is_left_to_the_stun_client)
{
    uint8_t out[STUN_HEADER_BYTES], id[STUN_TRANSACTION_BYTES] = {0};
    struct stun_writer w;

    allocate(0);
    stun_begin(&w, out, sizeof out, STUN_BINDING, STUN_SUCCESS, id);
    ck_assert_int_eq(receive(&server, out, stun_end(&w)), TURN_NOT_OURS);
    stun_begin(&w, out, sizeof out, STUN_ALLOCATE, STUN_SUCCESS, id);
    ck_assert_int_eq(receive(&server, out, stun_end(&w)), TURN_HANDLED);
}
END_TEST

/* ---- an earlier life ---- */

START_TEST(what_a_crash_left_is_released_once)
{
    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.code = 437, .signing = SIGNED});
    assert_due(STUN_REFRESH);
    assert_signed("realm", "nonce");
    ck_assert_uint_eq(number_in(ATTRIBUTE_LIFETIME), 0);
    answer((struct answer){.signing = SIGNED});
    assert_due(STUN_ALLOCATE);
    assert_signed("realm", "nonce");
    answer((struct answer){.code = 437, .signing = SIGNED}); /* not gone yet */
    assert_quiet_until(start[_i] + 500 * MS);
    assert_due(STUN_ALLOCATE);
    now_us = start[_i] + 5 * SECOND;
    ck_assert(!due());
    assert_state(TURN_FAILED, TURN_FAILURE_MISMATCH);
}
END_TEST

/* A server may say 437 before it has asked who we are. */
START_TEST(what_a_crash_left_is_released_with_credentials)
{
    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    answer((struct answer){.code = 437});
    assert_due(STUN_REFRESH);
    say_nonce(401, "realm", "nonce");
    assert_due(STUN_REFRESH);
    assert_signed("realm", "nonce");
    ck_assert_uint_eq(number_in(ATTRIBUTE_LIFETIME), 0);
    assert_quiet_until(start[_i] + 500 * MS); /* nobody waits for the end */
    answer((struct answer){.signing = SIGNED});
    assert_due(STUN_ALLOCATE);
    answer((struct answer){.relayed = &relayed, .signing = SIGNED});
    assert_state(TURN_ALLOCATED, TURN_FAILURE_NONE);
}
END_TEST

/* ---- refresh ---- */

/* Something came from the server. */
static void hear(void)
{
    uint8_t data[4 + 1] = {0x40, 0, 0, 1, 0x83};
    uint8_t out[TURN_OVERHEAD_MAX_BYTES + 1];

    if (turn.peer[0].state == TURN_PEER_FREE) {
        ck_assert_uint_gt(turn_wrap(&turn, &peer_a, data, 1, out, sizeof out, now_us), 0);
        assert_due(STUN_CHANNEL_BIND);
        answer((struct answer){.signing = SIGNED});
    }
    store_be16(data, turn.peer[0].channel);
    ck_assert_int_eq(receive(&server, data, sizeof data), TURN_DATA);
}

START_TEST(refreshed_when_it_is_silent)
{
    allocate(start[_i]);
    for (int i = 0; i < 40; i++) {
        assert_quiet_until(start[_i] + (uint64_t)(i + 1) * 20 * SECOND);
        assert_due(STUN_REFRESH);
        assert_signed("realm", "nonce");
        answer((struct answer){.lifetime_s = 600, .signing = SIGNED});
    }
    assert_state(TURN_ALLOCATED, TURN_FAILURE_NONE);
}
END_TEST

START_TEST(refreshed_at_half_its_life_when_there_is_traffic)
{
    static const struct {
        uint32_t told_s;
        uint64_t half_s;
    } life[] = {{600, 300}, {0, 300}, {3600, 1800}, {100000, 1800}, {1, 30}};

    begin(0);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.relayed = &relayed, .lifetime_s = life[_i].told_s, .signing = SIGNED});
    for (uint64_t s = 0; s < life[_i].half_s; s += 10) {
        now_us = s * SECOND;
        while (due()) {
            ck_assert_int_eq(asked.method, STUN_CHANNEL_BIND); /* its own renewal */
            answer((struct answer){.signing = SIGNED});
        }
        hear();
    }
    assert_quiet_until(life[_i].half_s * SECOND);
    assert_due(STUN_REFRESH);
}
END_TEST

START_TEST(a_forgotten_allocation_is_asked_for_anew)
{
    allocate(start[_i]);
    hear();
    now_us += 20 * SECOND;
    assert_due(STUN_REFRESH);
    answer((struct answer){.code = 437, .signing = SIGNED});
    assert_state(TURN_ASKING, TURN_FAILURE_NONE);
    ck_assert_int_eq(turn.peer[0].state, TURN_PEER_FREE);
    challenge();
    answer((struct answer){.relayed = &relayed, .signing = SIGNED});
    hear();
    now_us += SECOND;
    turn_hurry(&turn, now_us);
    assert_due(STUN_REFRESH);
    answer((struct answer){.code = 437, .signing = SIGNED}); /* it forgets at once */
    assert_state(TURN_FAILED, TURN_FAILURE_LOST);
    ck_assert_uint_eq(turn_retry_us(&turn), now_us + 5 * SECOND);
}
END_TEST

START_TEST(a_refresh_may_need_a_new_nonce)
{
    allocate(start[_i]);
    now_us += 20 * SECOND;
    assert_due(STUN_REFRESH);
    say_nonce(438, "realm", "fresh");
    assert_due(STUN_REFRESH);
    assert_signed("realm", "fresh");
    answer((struct answer){.signing = SIGNED});
    assert_quiet_until(start[_i] + 40 * SECOND);
}
END_TEST

START_TEST(a_server_that_is_gone_is_a_failure)
{
    static const uint64_t at_ms[] = {0, 500, 1500, 3500};

    allocate(start[_i]);
    for (size_t i = 0; i < sizeof at_ms / sizeof *at_ms; i++) {
        assert_quiet_until(start[_i] + 20 * SECOND + at_ms[i] * MS);
        assert_due(STUN_REFRESH);
    }
    assert_quiet_until(start[_i] + 25 * SECOND);
    ck_assert(!due());
    assert_state(TURN_FAILED, TURN_FAILURE_SILENCE);
    ck_assert_uint_eq(turn_retry_us(&turn), now_us + 5 * SECOND); /* it did work */
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    now_us += 5 * SECOND;
    ck_assert(!due());
    ck_assert_uint_eq(turn_retry_us(&turn), now_us + 60 * SECOND);
}
END_TEST

/* What is sent has an answer in three seconds, or the server is asked whether it is there. */
START_TEST(refreshed_when_what_is_sent_has_no_answer)
{
    uint8_t one = 0x83, out[sizeof one + TURN_OVERHEAD_MAX_BYTES];

    allocate(start[_i]);
    hear();
    now_us += SECOND;
    ck_assert_uint_gt(turn_wrap(&turn, &peer_a, &one, 1, out, sizeof out, now_us), 0);
    now_us += SECOND;
    ck_assert_uint_gt(turn_wrap(&turn, &peer_a, &one, 1, out, sizeof out, now_us), 0);
    assert_quiet_until(start[_i] + 4 * SECOND);
    assert_due(STUN_REFRESH);
    answer((struct answer){.signing = SIGNED});
    assert_quiet_until(start[_i] + 24 * SECOND);
    assert_due(STUN_REFRESH);
    answer((struct answer){.signing = SIGNED});
    ck_assert_uint_gt(turn_wrap(&turn, &peer_a, &one, 1, out, sizeof out, now_us), 0);
    hear(); /* it is answered */
    assert_quiet_until(now_us + 20 * SECOND);
}
END_TEST

START_TEST(hurry_looks_at_once)
{
    allocate(start[_i]);
    now_us += SECOND;
    turn_hurry(&turn, now_us);
    assert_due(STUN_REFRESH);
    answer((struct answer){.signing = SIGNED});
    assert_state(TURN_ALLOCATED, TURN_FAILURE_NONE);

    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.code = 401, .signing = UNSIGNED});
    assert_state(TURN_FAILED, TURN_FAILURE_CREDENTIALS);
    turn_hurry(&turn, now_us);
    ck_assert_uint_eq(turn_retry_us(&turn), now_us);
}
END_TEST

/* ---- release ---- */

START_TEST(released_when_it_is_answered)
{
    allocate(start[_i]);
    turn_release(&turn, now_us);
    ck_assert_ptr_null(turn_relayed(&turn));
    assert_due(STUN_REFRESH);
    ck_assert_uint_eq(number_in(ATTRIBUTE_LIFETIME), 0);
    say_nonce(438, "realm", "fresh");
    assert_due(STUN_REFRESH);
    assert_signed("realm", "fresh");
    ck_assert_uint_eq(number_in(ATTRIBUTE_LIFETIME), 0);
    answer((struct answer){.signing = SIGNED});
    assert_state(TURN_IDLE, TURN_FAILURE_NONE);
    assert_quiet_until(NEVER);
}
END_TEST

START_TEST(released_twice_when_it_is_not)
{
    allocate(start[_i]);
    turn_release(&turn, now_us);
    assert_due(STUN_REFRESH);
    assert_quiet_until(start[_i] + 100 * MS);
    assert_due(STUN_REFRESH);
    assert_quiet_until(start[_i] + 200 * MS);
    ck_assert(!due());
    assert_state(TURN_IDLE, TURN_FAILURE_NONE);
}
END_TEST

START_TEST(released_while_asking)
{
    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    turn_release(&turn, now_us);
    assert_state(TURN_IDLE, TURN_FAILURE_NONE); /* without credentials nothing was given */
    turn_start(&turn, &server, now_us);
    challenge();
    turn_release(&turn, now_us);
    assert_state(TURN_RELEASING, TURN_FAILURE_NONE);
    assert_due(STUN_REFRESH);

    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.code = 437, .signing = SIGNED}); /* it is released to ask again... */
    turn_release(&turn, now_us);
    assert_due(STUN_REFRESH);
    answer((struct answer){.signing = SIGNED});
    assert_state(TURN_IDLE, TURN_FAILURE_NONE); /* ... but no longer wanted */
}
END_TEST

START_TEST(credentials_that_are_too_long)
{
    char text[TURN_USER_SIZE + 1];

    memset(text, 'u', sizeof text);
    text[TURN_USER_SIZE] = '\0';
    ck_assert(!turn_init(&turn, &test_ops, text, "p"));
    ck_assert(!turn_init(&turn, &test_ops, "u", text));
    text[TURN_USER_SIZE - 1] = '\0';
    ck_assert(turn_init(&turn, &test_ops, text, text));
    turn_start(&turn, &server, 0);
    ck_assert(turn_due(&turn, 0, &request));
    turn_wipe(&turn);
    ck_assert(sodium_is_zero((const uint8_t *)&turn, sizeof turn));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turn");
    TCase *tcase = tcase_create("allocation");
    tcase_add_loop_test(tcase, idle_until_started, 0, STARTS);
    tcase_add_loop_test(tcase, credentials_only_after_they_were_asked_for, 0, STARTS);
    tcase_add_loop_test(tcase, each_transaction_is_a_new_one, 0, STARTS);
    tcase_add_loop_test(tcase, silence_is_asked_four_times_and_then_a_failure, 0, STARTS);
    tcase_add_loop_test(tcase, each_error_has_its_meaning, 0,
                        (int)(sizeof verdicts / sizeof *verdicts));
    tcase_add_test(tcase, an_old_nonce_is_replaced_thrice);
    tcase_add_loop_test(tcase, a_challenge_must_be_complete, 0, 6);
    tcase_add_loop_test(tcase, an_allocation_must_have_an_address, 0, 4);
    tcase_add_test(tcase, ipv6_where_there_is_no_ipv4);
    tcase_add_loop_test(tcase, forged_answers_change_nothing, 0, STARTS);
    tcase_add_test(tcase, binding_is_left_to_the_stun_client);
    tcase_add_loop_test(tcase, what_a_crash_left_is_released_once, 0, STARTS);
    tcase_add_loop_test(tcase, what_a_crash_left_is_released_with_credentials, 0, STARTS);
    tcase_add_loop_test(tcase, refreshed_when_it_is_silent, 0, STARTS);
    tcase_add_loop_test(tcase, refreshed_at_half_its_life_when_there_is_traffic, 0, 5);
    tcase_add_loop_test(tcase, a_forgotten_allocation_is_asked_for_anew, 0, STARTS);
    tcase_add_loop_test(tcase, a_refresh_may_need_a_new_nonce, 0, STARTS);
    tcase_add_loop_test(tcase, a_server_that_is_gone_is_a_failure, 0, STARTS);
    tcase_add_loop_test(tcase, refreshed_when_what_is_sent_has_no_answer, 0, STARTS);
    tcase_add_loop_test(tcase, hurry_looks_at_once, 0, STARTS);
    tcase_add_loop_test(tcase, released_when_it_is_answered, 0, STARTS);
    tcase_add_loop_test(tcase, released_twice_when_it_is_not, 0, STARTS);
    tcase_add_loop_test(tcase, released_while_asking, 0, STARTS);
    tcase_add_test(tcase, credentials_that_are_too_long);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
