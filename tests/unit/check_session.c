/* SPDX-License-Identifier: MIT
 *
 * check_session.c - data datagrams between two ends: sealed, opened, forged, replayed, lost.
 */
#include "tunnel/session.h"

#include "bytes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const enum suite suites[] = {SUITE_CHACHA20POLY1305, SUITE_AES256GCM, SUITE_AEGIS128L,
                                    SUITE_AEGIS256};
static const size_t tag_bytes[] = {16, 16, 32, 32};
enum { SUITES = sizeof suites / sizeof suites[0], ROOM = 1500 };

static struct noise noise[2]; /* of the initiator, of the responder */
static struct session near, far;
static uint8_t datagram[ROOM];

/* A finished handshake without static keys: what follows from it is all the same. */
static void shake_hands(uint8_t seed)
{
    uint8_t message[64];
    size_t bytes, none;
    for (unsigned i = 0; i < 2; i++) {
        struct noise_keys keys = {.e_private = {0, seed, (uint8_t)i}};
        noise_init(&noise[i], NOISE_NN, i == 0, NULL, 0, &keys);
    }
    for (unsigned i = 0; i < 2; i++) {
        uint8_t payload[16];
        ck_assert(noise_write(&noise[i], NULL, 0, message, sizeof message, &bytes));
        ck_assert(noise_read(&noise[1 - i], message, bytes, payload, sizeof payload, &none));
    }
}

static void begin(enum suite suite)
{
    memset(&near, 0xa5, sizeof near); /* any content will do */
    memset(&far, 0xa5, sizeof far);
    near.local_index = far.remote_index = 0x01020304;
    near.remote_index = far.local_index = 0xfffefdfc;
    ck_assert(session_derive(&near, &noise[0], true, suite, 77));
    ck_assert(session_derive(&far, &noise[1], false, suite, 78));
}

static void setup(void)
{
    if (sodium_init() < 0)
        abort();
    shake_hands(1);
}

/* The next datagram of @from, with payload bytes 1, 2, 3 ... */
static size_t seal(struct session *from, size_t payload_bytes)
{
    memset(datagram, 0xee, sizeof datagram);
    for (size_t i = 0; i < payload_bytes; i++)
        datagram[DATA_HEADER_BYTES + i] = (uint8_t)(i + 1);
    size_t bytes = sealer_seal(&from->sealer, datagram, payload_bytes);
    ck_assert_uint_eq(bytes, DATA_HEADER_BYTES + payload_bytes + aead_tag_bytes(from->suite));
    ck_assert_uint_eq(datagram[bytes], 0xee);
    return bytes;
}

/* Opens a copy that ends where the datagram does, for the sanitizer to see. */
static enum session_open_result open_copy(struct session *at, size_t bytes, size_t *payload_bytes,
                                          bool *newest)
{
    uint8_t *copy = malloc(bytes);
    memcpy(copy, datagram, bytes);
    enum session_open_result result = session_open(at, copy, bytes, payload_bytes, newest);
    for (size_t i = 0; result == SESSION_OPENED && i < *payload_bytes; i++)
        ck_assert_uint_eq(copy[DATA_HEADER_BYTES + i], (uint8_t)(i + 1));
    free(copy);
    return result;
}

static enum session_open_result opened(struct session *at, size_t bytes)
{
    size_t payload_bytes;
    bool newest;
    return open_copy(at, bytes, &payload_bytes, &newest);
}

#define SKIP_WITHOUT(suite)                                                                        \
    if (!aead_available(suite))                                                                    \
    return

START_TEST(what_is_sealed_is_opened)
{
    static const size_t size[] = {0, 1, 15, 16, 17, 1000, 1400};
    enum suite suite = suites[_i];
    SKIP_WITHOUT(suite);
    begin(suite);
    for (size_t i = 0; i < 2 * sizeof size / sizeof size[0]; i++) {
        struct session *from = i % 2 ? &far : &near, *to = i % 2 ? &near : &far;
        size_t payload_bytes, bytes = seal(from, size[i / 2]);
        bool newest;
        ck_assert_uint_eq(bytes, DATA_HEADER_BYTES + size[i / 2] + tag_bytes[_i]);
        ck_assert_int_eq(open_copy(to, bytes, &payload_bytes, &newest), SESSION_OPENED);
        ck_assert_uint_eq(payload_bytes, size[i / 2]);
        ck_assert(newest);
    }
    ck_assert_uint_eq(near.received, sizeof size / sizeof size[0]);
    ck_assert_uint_eq(session_lost(&near) + session_lost(&far), 0);
}
END_TEST

START_TEST(the_header_is_as_on_the_wire)
{
    static const uint8_t first[DATA_HEADER_BYTES] = {0x83, 0, 0, 0, 0xff, 0xfe, 0xfd, 0xfc};
    static const uint8_t later[DATA_HEADER_BYTES] = {
        0x83, 0, 0, 0, 0xff, 0xfe, 0xfd, 0xfc, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    seal(&near, 5);
    ck_assert_mem_eq(datagram, first, sizeof first);
    seal(&near, 5);
    ck_assert_uint_eq(datagram[15], 1);
    near.sealer.counter = UINT64_C(0x0102030405060708);
    size_t bytes = seal(&near, 5);
    ck_assert_mem_eq(datagram, later, sizeof later);
    ck_assert_uint_eq(near.sealer.counter, UINT64_C(0x0102030405060709));
    ck_assert_int_eq(opened(&far, bytes), SESSION_OPENED);
}
END_TEST

START_TEST(it_begins_afresh_and_keeps_its_indices)
{
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    ck_assert(near.initiator && !far.initiator);
    ck_assert_uint_eq(near.created_us, 77);
    ck_assert_uint_eq(near.local_index, 0x01020304);
    ck_assert_uint_eq(near.remote_index, 0xfffefdfc);
    ck_assert_uint_eq(near.sealer.counter + near.received, 0);
    ck_assert_int_eq(near.suite, suites[_i]);
    ck_assert_mem_eq(near.lasting_psk, far.lasting_psk, PSK_BYTES);
}
END_TEST

/* ---- the keys ---- */

/* Opens the near end's datagram as a second implementation would: from the handshake itself. */
static bool opened_by(size_t bytes, enum suite suite, uint8_t info, unsigned block)
{
    uint8_t keys[3][NOISE_HASH_BYTES], copy[ROOM];
    struct aead_key key;
    noise_export(&noise[1], &info, 1, keys, 3);
    ck_assert(aead_init(&key, suite, keys[block]));
    memcpy(copy, datagram, bytes);
    return aead_open(&key, load_be64(copy + 8), copy, DATA_HEADER_BYTES, copy + DATA_HEADER_BYTES,
                     bytes - DATA_HEADER_BYTES);
}

START_TEST(keys_are_bound_to_direction_and_suite)
{
    enum suite suite = suites[_i];
    SKIP_WITHOUT(suite);
    begin(suite);
    for (unsigned sender = 0; sender < 2; sender++) {
        size_t bytes = seal(sender == 0 ? &near : &far, 40);
        for (unsigned info = 0; info < 6; info++)
            for (unsigned block = 0; block < 3; block++)
                ck_assert_msg(opened_by(bytes, suite, (uint8_t)info, block) ==
                                  (info == (unsigned)suite && block == sender),
                              "sender %u, info %u, block %u", sender, info, block);
    }
}
END_TEST

START_TEST(nobody_opens_what_it_sealed_itself)
{
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    size_t bytes = seal(&near, 40);
    ck_assert_int_eq(opened(&near, bytes), SESSION_FORGED);
    bytes = seal(&far, 40);
    ck_assert_int_eq(opened(&far, bytes), SESSION_FORGED);
}
END_TEST

START_TEST(the_lasting_psk_is_the_third_block)
{
    uint8_t keys[3][NOISE_HASH_BYTES], info = (uint8_t)suites[_i];
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    noise_export(&noise[0], &info, 1, keys, 3);
    ck_assert_mem_eq(near.lasting_psk, keys[2], PSK_BYTES);
}
END_TEST

START_TEST(another_handshake_has_other_keys)
{
    uint8_t psk[PSK_BYTES];
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    size_t bytes = seal(&near, 40);
    memcpy(psk, near.lasting_psk, sizeof psk);
    shake_hands(2);
    begin(suites[_i]);
    ck_assert_int_eq(opened(&far, bytes), SESSION_FORGED);
    ck_assert_mem_ne(near.lasting_psk, psk, sizeof psk);
}
END_TEST

START_TEST(a_suite_that_is_not_there_is_refused)
{
    static const unsigned unknown[] = {SUITE_NONE, 5, 200, 255};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        begin(SUITE_CHACHA20POLY1305);
        size_t bytes = seal(&near, 40);
        session_wipe(&far);
        ck_assert(!session_derive(&far, &noise[1], false, (enum suite)unknown[i], 0));
        ck_assert_int_eq(opened(&far, bytes), SESSION_FORGED);
    }
}
END_TEST

/* ---- forgeries ---- */

START_TEST(every_changed_bit_is_noticed)
{
    enum { PAYLOAD = 33 };
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    seal(&near, 1); /* so that the counter's bits can be cleared, too */
    size_t bytes = seal(&near, PAYLOAD);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        datagram[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_msg(opened(&far, bytes) == SESSION_FORGED, "byte %zu bit %zu", bit / 8, bit % 8);
        datagram[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* None of them counted for anything. */
    ck_assert_uint_eq(far.received, 0);
    ck_assert_uint_eq(session_lost(&far), 0);
    ck_assert_int_eq(opened(&far, bytes), SESSION_OPENED);
    ck_assert_uint_eq(far.received, 1);
}
END_TEST

START_TEST(every_other_length_is_noticed)
{
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    size_t bytes = seal(&near, 33);
    for (size_t other = DATA_HEADER_BYTES; other < bytes + 20; other++)
        ck_assert_msg((opened(&far, other) == SESSION_OPENED) == (other == bytes), "%zu", other);
}
END_TEST

/* ---- counters ---- */

/* What the other end sees of a row of datagrams that come as the network likes. */
START_TEST(replays_newest_and_lost)
{
    enum { WINDOW = REPLAY_WINDOW_BITS };
    static const struct {
        uint64_t counter;
        enum session_open_result result;
        bool newest;
        uint64_t lost;
    } row[] = {
        {5, SESSION_OPENED, true, 5}, /* the first, whichever it is */
        {5, SESSION_REPLAYED, false, 5},
        {0, SESSION_OPENED, false, 4},
        {0, SESSION_REPLAYED, false, 4},
        {6, SESSION_OPENED, true, 4},
        {8, SESSION_OPENED, true, 5},
        {7, SESSION_OPENED, false, 4},
        {8, SESSION_REPLAYED, false, 4},
        {7, SESSION_REPLAYED, false, 4},
        {1 + WINDOW, SESSION_OPENED, true, WINDOW + 2 - 6},
        {1, SESSION_REPLAYED, false, WINDOW + 2 - 6}, /* new, but older than the window */
        {2, SESSION_OPENED, false, WINDOW + 2 - 7},   /* the oldest in it */
        {2, SESSION_REPLAYED, false, WINDOW + 2 - 7},
        {UINT64_C(1) << 40, SESSION_OPENED, true, (UINT64_C(1) << 40) + 1 - 8},
        {1 + WINDOW, SESSION_REPLAYED, false, (UINT64_C(1) << 40) + 1 - 8},
    };
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    ck_assert_uint_eq(session_lost(&far), 0);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        size_t payload_bytes;
        bool newest = false;
        near.sealer.counter = row[i].counter;
        enum session_open_result result = open_copy(&far, seal(&near, 20), &payload_bytes, &newest);
        ck_assert_msg(result == row[i].result, "row %zu: %d", i, result);
        ck_assert_msg(newest == row[i].newest, "row %zu: newest", i);
        ck_assert_msg(session_lost(&far) == row[i].lost, "row %zu: %llu lost", i,
                      (unsigned long long)session_lost(&far));
    }
}
END_TEST

START_TEST(the_very_first_is_the_newest)
{
    size_t payload_bytes;
    bool newest = false;
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    ck_assert_int_eq(open_copy(&far, seal(&near, 1), &payload_bytes, &newest), SESSION_OPENED);
    ck_assert(newest);
    ck_assert_uint_eq(session_lost(&far), 0);
}
END_TEST

START_TEST(a_replay_of_a_forgery_is_a_forgery)
{
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    size_t bytes = seal(&near, 20);
    datagram[DATA_HEADER_BYTES] ^= 1;
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(opened(&far, bytes), SESSION_FORGED);
    datagram[DATA_HEADER_BYTES] ^= 1;
    ck_assert_int_eq(opened(&far, bytes), SESSION_OPENED);
    datagram[DATA_HEADER_BYTES] ^= 1;
    ck_assert_int_eq(opened(&far, bytes), SESSION_REPLAYED); /* told by the counter alone */
}
END_TEST

START_TEST(a_wiped_session_is_of_no_use)
{
    static const uint8_t zero[sizeof(struct session)];
    SKIP_WITHOUT(suites[_i]);
    begin(suites[_i]);
    size_t bytes = seal(&near, 20);
    session_wipe(&far);
    ck_assert_mem_eq(&far, zero, sizeof zero);
    ck_assert_int_eq(opened(&far, bytes), SESSION_FORGED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tc = tcase_create("session");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, what_is_sealed_is_opened, 0, SUITES);
    tcase_add_loop_test(tc, the_header_is_as_on_the_wire, 0, SUITES);
    tcase_add_loop_test(tc, it_begins_afresh_and_keeps_its_indices, 0, SUITES);
    tcase_add_loop_test(tc, keys_are_bound_to_direction_and_suite, 0, SUITES);
    tcase_add_loop_test(tc, nobody_opens_what_it_sealed_itself, 0, SUITES);
    tcase_add_loop_test(tc, the_lasting_psk_is_the_third_block, 0, SUITES);
    tcase_add_loop_test(tc, another_handshake_has_other_keys, 0, SUITES);
    tcase_add_test(tc, a_suite_that_is_not_there_is_refused);
    tcase_add_loop_test(tc, every_changed_bit_is_noticed, 0, SUITES);
    tcase_add_loop_test(tc, every_other_length_is_noticed, 0, SUITES);
    tcase_add_loop_test(tc, replays_newest_and_lost, 0, SUITES);
    tcase_add_loop_test(tc, the_very_first_is_the_newest, 0, SUITES);
    tcase_add_loop_test(tc, a_replay_of_a_forgery_is_a_forgery, 0, SUITES);
    tcase_add_loop_test(tc, a_wiped_session_is_of_no_use, 0, SUITES);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
