/* SPDX-License-Identifier: MIT
 *
 * check_turn_keeping.c - how turn.h keeps its allocation: refreshed, found lost, and released.
 */
#include "turn_server.h"

#include <stdlib.h>

/* Each test runs once from each of these: nothing may hang on where the clock begins. */
static const uint64_t start[] = {0, 1, SECOND - 1, UINT64_C(1) << 32, UINT64_C(1) << 62};
enum { STARTS = sizeof start / sizeof start[0] };

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

int main(void)
{
    Suite *suite = suite_create("turn_keeping");
    TCase *tcase = tcase_create("allocation");
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
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
