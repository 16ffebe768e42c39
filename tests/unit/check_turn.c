/* SPDX-License-Identifier: MIT
 *
 * check_turn.c - how turn.h comes to an allocation: what is asked when, and what each answer leads
 * to. check_turn_keeping.c has what comes after it, check_turn_peers.c the peers.
 */
#include "turn_server.h"

#include <stdlib.h>

/* Each test runs once from each of these: nothing may hang on where the clock begins. */
static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

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

static void assert_silence_costs(uint64_t wait_us)
{
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    now_us += 5 * SECOND;
    ck_assert(!due());
    assert_state(TURN_FAILED, TURN_FAILURE_SILENCE);
    ck_assert_uint_eq(turn_retry_us(&turn), now_us + wait_us);
}

START_TEST(success_and_a_changed_network_make_patient_again)
{
    begin(start[_i]);
    assert_silence_costs(60 * SECOND);
    assert_silence_costs(120 * SECOND);
    turn_hurry(&turn, now_us);
    assert_silence_costs(60 * SECOND);
    assert_silence_costs(120 * SECOND);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.relayed = &relayed, .signing = SIGNED});
    turn_release(&turn, now_us);
    assert_due(STUN_REFRESH);
    answer((struct answer){.signing = SIGNED});
    assert_silence_costs(60 * SECOND);
}
END_TEST

START_TEST(another_start_knows_nothing_of_the_last)
{
    const uint8_t *value;
    size_t bytes;

    begin(start[_i]);
    turn_start(&turn, &server, now_us);
    challenge();
    answer((struct answer){.code = 440, .signing = SIGNED});
    assert_due(STUN_ALLOCATE);
    say_nonce(401, "realm", "nonce");
    assert_state(TURN_FAILED, TURN_FAILURE_CREDENTIALS);
    turn_start(&turn, &server, now_us);
    assert_due(STUN_ALLOCATE);
    ck_assert(!stun_find(&asked, ATTRIBUTE_USERNAME, &value, &bytes));
    ck_assert(!stun_find(&asked, ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, &value, &bytes));
    say_nonce(401, "realm", "other");
    assert_due(STUN_ALLOCATE);
    assert_signed("realm", "other");
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

START_TEST(an_answer_must_not_demand_what_we_do_not_know)
{
    uint8_t out[STUN_MESSAGE_MAX_BYTES], key[TURN_KEY_BYTES];
    struct stun_writer w;

    begin(0);
    turn_start(&turn, &server, now_us);
    challenge();
    stun_begin(&w, out, sizeof out, STUN_ALLOCATE, STUN_SUCCESS, asked.transaction);
    stun_add_xor_address(&w, ATTRIBUTE_XOR_RELAYED_ADDRESS, &relayed);
    stun_add_u32(&w, 0x7fff, 0);
    test_key("home", (const uint8_t *)"realm", 5, "secret", key);
    stun_add_integrity(&w, key, sizeof key, test_hmac);
    ck_assert_int_eq(receive(&server, out, stun_end(&w)), TURN_HANDLED);
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
    static const struct endpoint none = {.address = {.family = IP_V4}};
    answer((struct answer){.also_relayed = &none, .relayed = &relayed_v6, .signing = SIGNED});
    assert_state(TURN_ALLOCATED, TURN_FAILURE_NONE);
    ck_assert(endpoint_equal(turn_relayed(&turn), &relayed_v6));

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
    tcase_add_loop_test(tcase, success_and_a_changed_network_make_patient_again, 0, STARTS);
    tcase_add_loop_test(tcase, another_start_knows_nothing_of_the_last, 0, STARTS);
    tcase_add_test(tcase, an_answer_must_not_demand_what_we_do_not_know);
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
    tcase_add_test(tcase, credentials_that_are_too_long);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
