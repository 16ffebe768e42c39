/* SPDX-License-Identifier: MIT
 *
 * check_reassembly.c - frames from pieces: every order, every refusal, every bound.
 */
#include "tunnel/reassembly.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 200 };

static struct reassembly r;
static uint8_t data[REASSEMBLY_FRAME_MAX_BYTES + 1];
static uint8_t *frame;
static size_t frame_bytes;
static uint64_t now_us;
static uint32_t session;

static void setup(void)
{
    memset(&r, 0xa5, sizeof r); /* any content will do */
    reassembly_reset(&r);
    now_us = 5;
    session = 1;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31 + i / 256);
}

/* The bytes of the frame are data[]'s, so a piece is known by its place. */
static enum reassembly_result add(unsigned id, unsigned offset, unsigned total, size_t bytes)
{
    return reassembly_add(&r, session, (uint16_t)id, (uint16_t)offset, (uint16_t)total,
                          data + offset, bytes, now_us, &frame, &frame_bytes);
}

static unsigned slots_in_use(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        count += r.slot[i].state != REASSEMBLY_FREE;
    return count;
}

static void assert_frame(size_t bytes)
{
    ck_assert_uint_eq(frame_bytes, bytes);
    ck_assert_mem_eq(frame, data, bytes);
    memset(frame - REASSEMBLY_HEADROOM_BYTES, 0xee, REASSEMBLY_HEADROOM_BYTES + bytes);
}

START_TEST(it_completes_in_every_order)
{
    static const unsigned order[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1},
                                        {3, 0, 1, 2}, {0, 3, 2, 1}, {1, 0, 3, 2}, {2, 3, 0, 1}};
    for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++) {
        for (unsigned k = 0; k < 4; k++) {
            unsigned at = order[i][k];
            size_t bytes = at == 3 ? 10 : PIECE; /* the last may be short */
            ck_assert_int_eq(add(i, at * PIECE, 3 * PIECE + 10, bytes),
                             k == 3 ? REASSEMBLY_COMPLETE : REASSEMBLY_PENDING);
        }
        assert_frame(3 * PIECE + 10);
    }
    ck_assert_uint_eq(r.expired, 0);
    ck_assert_uint_eq(slots_in_use(), 0);
}
END_TEST

START_TEST(one_piece_may_be_all)
{
    ck_assert_int_eq(add(1, 0, 60, 60), REASSEMBLY_COMPLETE);
    assert_frame(60);
    ck_assert_int_eq(add(2, 0, REASSEMBLY_FRAME_MAX_BYTES, REASSEMBLY_FRAME_MAX_BYTES),
                     REASSEMBLY_COMPLETE);
    assert_frame(REASSEMBLY_FRAME_MAX_BYTES);
}
END_TEST

START_TEST(frames_do_not_mix)
{
    ck_assert_int_eq(add(1, 0, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_int_eq(add(2, PIECE, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_int_eq(add(3, 0, 3 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_int_eq(add(2, 0, 2 * PIECE, PIECE), REASSEMBLY_COMPLETE);
    assert_frame(2 * PIECE);
    ck_assert_int_eq(add(1, PIECE, 2 * PIECE, PIECE), REASSEMBLY_COMPLETE);
    assert_frame(2 * PIECE);
    ck_assert_uint_eq(slots_in_use(), 1);
}
END_TEST

/* First [200, 400) of 600, then this piece. */
START_TEST(it_refuses_what_does_not_fit)
{
    static const struct {
        const char *name;
        unsigned offset, total;
        size_t bytes;
        enum reassembly_result result;
    } row[] = {
        {"the first third", 0, 600, 200, REASSEMBLY_PENDING},
        {"the last third", 400, 600, 200, REASSEMBLY_PENDING},
        {"a part before", 10, 600, 190, REASSEMBLY_PENDING},
        {"the same again", 200, 600, 200, REASSEMBLY_DISCARDED},
        {"inside it", 210, 600, 150, REASSEMBLY_DISCARDED},
        {"around it", 0, 600, 600, REASSEMBLY_DISCARDED},
        {"one byte into its head", 0, 600, 201, REASSEMBLY_DISCARDED},
        {"one byte into its tail", 399, 600, 201, REASSEMBLY_DISCARDED},
        {"same start, longer", 200, 600, 300, REASSEMBLY_DISCARDED},
        {"same end", 220, 600, 180, REASSEMBLY_DISCARDED},
        {"another total", 400, 601, 200, REASSEMBLY_DISCARDED},
        {"no bytes", 0, 600, 0, REASSEMBLY_DISCARDED},
        {"no bytes, at the end", 600, 600, 0, REASSEMBLY_DISCARDED},
        {"past the end", 401, 600, 200, REASSEMBLY_DISCARDED},
        {"far past the end", 65535, 600, 200, REASSEMBLY_DISCARDED},
        {"longer than any", 0, 600, 70000, REASSEMBLY_DISCARDED},
        {"size_t's end", 400, 600, (size_t)-1, REASSEMBLY_DISCARDED},
        {"too small, in the middle", 400, 600, REASSEMBLY_PIECE_MIN_BYTES - 1,
         REASSEMBLY_DISCARDED},
        {"just large enough", 400, 600, REASSEMBLY_PIECE_MIN_BYTES, REASSEMBLY_PENDING},
        {"small, but the last", 599, 600, 1, REASSEMBLY_PENDING},
    };

    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        reassembly_reset(&r);
        ck_assert_int_eq(add(7, 200, 600, 200), REASSEMBLY_PENDING);
        enum reassembly_result result =
            reassembly_add(&r, session, 7, (uint16_t)row[i].offset, (uint16_t)row[i].total, data,
                           row[i].bytes, now_us, &frame, &frame_bytes);
        ck_assert_msg(result == row[i].result, "%s: %d", row[i].name, result);
    }
}
END_TEST

START_TEST(it_refuses_a_first_piece_too)
{
    static const struct {
        const char *name;
        unsigned offset, total;
        size_t bytes;
    } row[] = {
        {"larger than any frame", 0, REASSEMBLY_FRAME_MAX_BYTES + 1, 200},
        {"the largest number", 0, 65535, 200},
        {"an empty frame", 0, 0, 0},
        {"data of an empty frame", 0, 0, 200},
        {"too small", 0, 600, REASSEMBLY_PIECE_MIN_BYTES - 1},
        {"past the end", 500, 600, 101},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++)
        ck_assert_msg(add(i, row[i].offset, row[i].total, row[i].bytes) == REASSEMBLY_DISCARDED,
                      "%s", row[i].name);
}
END_TEST

/* The rest of a refused frame neither begins a new one nor completes, and is refused once. */
START_TEST(a_refused_frame_stays_refused)
{
    ck_assert_int_eq(add(1, 0, 3 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_int_eq(add(1, 0, 3 * PIECE, PIECE), REASSEMBLY_DISCARDED);
    for (unsigned k = 0; k < 3; k++)
        ck_assert_int_eq(add(1, k * PIECE, 3 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_int_eq(add(1, 0, PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_uint_eq(slots_in_use(), 1);

    now_us += REASSEMBLY_AGE_US;
    ck_assert_int_eq(add(1, 0, PIECE, PIECE), REASSEMBLY_COMPLETE);
    ck_assert_uint_eq(r.expired, 0);
}
END_TEST

START_TEST(an_old_frame_is_given_up)
{
    ck_assert_int_eq(add(1, 0, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
    now_us += REASSEMBLY_AGE_US - 1;
    reassembly_expire(&r, now_us);
    ck_assert_uint_eq(r.expired, 0);
    now_us += 1;
    ck_assert_int_eq(add(1, PIECE, 2 * PIECE, PIECE), REASSEMBLY_PENDING); /* a new frame */
    ck_assert_uint_eq(r.expired, 1);
    now_us += REASSEMBLY_AGE_US;
    reassembly_expire(&r, now_us);
    reassembly_expire(&r, now_us);
    ck_assert_uint_eq(r.expired, 2);
    ck_assert_uint_eq(slots_in_use(), 0);
}
END_TEST

START_TEST(the_age_is_that_of_the_first_piece)
{
    ck_assert_int_eq(add(1, 0, 3 * PIECE, PIECE), REASSEMBLY_PENDING);
    now_us += REASSEMBLY_AGE_US / 2;
    ck_assert_int_eq(add(1, PIECE, 3 * PIECE, PIECE), REASSEMBLY_PENDING);
    now_us += REASSEMBLY_AGE_US / 2;
    ck_assert_int_eq(add(1, 2 * PIECE, 3 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_uint_eq(r.expired, 1);
}
END_TEST

START_TEST(the_newest_frames_are_kept)
{
    for (unsigned id = 0; id < REASSEMBLY_SLOTS; id++, now_us++)
        ck_assert_int_eq(add(id, 0, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_uint_eq(slots_in_use(), REASSEMBLY_SLOTS);
    ck_assert_uint_eq(r.expired, 0);

    /* One more takes frame 0's slot, whose own late piece then changes nothing. */
    ck_assert_int_eq(add(REASSEMBLY_SLOTS, 0, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_uint_eq(r.expired, 1);
    ck_assert_int_eq(add(0, PIECE, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
    for (unsigned id = 1; id <= REASSEMBLY_SLOTS; id++) {
        ck_assert_int_eq(add(id, PIECE, 2 * PIECE, PIECE), REASSEMBLY_COMPLETE);
        assert_frame(2 * PIECE);
    }
}
END_TEST

START_TEST(frames_of_one_slot_do_not_mix)
{
    enum { AFTER = REASSEMBLY_SLOTS };
    static const struct {
        uint32_t first_session, second_session;
        unsigned first, second;
        bool kept; /* the first one's slot, when a piece of the second comes */
    } row[] = {
        {1, 1, 5, 6, true},           /* neighbours have slots of their own */
        {1, 1, 5, 5 + AFTER, false},  /* newer */
        {1, 1, 5 + AFTER, 5, true},   /* older */
        {1, 1, 5, 5 + 0x7fc0, false}, /* newer by just less than half the circle */
        {1, 1, 5, 5 + 0x8000, true},  /* older by half the circle */
        {1, 1, 0xffc1, 1, false},     /* ids wrap: newer */
        {1, 1, 1, 0xffc1, true},      /* ids wrap: older */
        {1, 2, 5, 5, false},          /* a restarted sender counts anew */
        {1, 2, 5 + AFTER, 5, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        reassembly_reset(&r);
        session = row[i].first_session;
        ck_assert_int_eq(add(row[i].first, 0, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
        session = row[i].second_session;
        ck_assert_int_eq(add(row[i].second, PIECE, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
        ck_assert_msg(r.expired == !row[i].kept, "row %zu", i);
        if (row[i].kept) {
            session = row[i].first_session;
            ck_assert_int_eq(add(row[i].first, PIECE, 2 * PIECE, PIECE), REASSEMBLY_COMPLETE);
        }
    }
}
END_TEST

/* The largest frame in the smallest pieces, last first: as long as the list ever gets. */
START_TEST(the_list_holds_the_most_pieces)
{
    unsigned whole = REASSEMBLY_FRAME_MAX_BYTES / REASSEMBLY_PIECE_MIN_BYTES;
    unsigned rest = REASSEMBLY_FRAME_MAX_BYTES % REASSEMBLY_PIECE_MIN_BYTES;
    ck_assert_uint_le(whole + 1, REASSEMBLY_PIECES_MAX);
    ck_assert_uint_gt(rest, 0);
    ck_assert_int_eq(add(1, whole * REASSEMBLY_PIECE_MIN_BYTES, REASSEMBLY_FRAME_MAX_BYTES, rest),
                     REASSEMBLY_PENDING);
    for (unsigned k = whole; k-- > 0;)
        ck_assert_int_eq(add(1, k * REASSEMBLY_PIECE_MIN_BYTES, REASSEMBLY_FRAME_MAX_BYTES,
                             REASSEMBLY_PIECE_MIN_BYTES),
                         k == 0 ? REASSEMBLY_COMPLETE : REASSEMBLY_PENDING);
    assert_frame(REASSEMBLY_FRAME_MAX_BYTES);
}
END_TEST

/* Whatever comes, every frame begun is completed, discarded, given up or still in the making, and
 * nothing is written outside. */
START_TEST(a_flood_is_bounded_and_accounted_for)
{
    enum { PIECES = 200000, FENCE = 64 };
    static struct {
        uint8_t before[FENCE];
        struct reassembly r;
        uint8_t after[FENCE];
    } fenced;
    uint64_t begun = 0, ended[3] = {0}, random = 1;

    ck_assert_uint_le(sizeof(struct reassembly), 640 * 1024);
    memset(&fenced, 0xa5, sizeof fenced);
    reassembly_reset(&fenced.r);
    for (unsigned i = 0; i < PIECES; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint16_t id = (uint16_t)((i / 16) * (1 + (random >> 60)) + (random >> 33) % 8);
        uint16_t total = (uint16_t)(1000 + (random >> 40) % (REASSEMBLY_FRAME_MAX_BYTES - 999));
        uint16_t offset = (uint16_t)((random >> 20) % 8 * PIECE);
        const struct reassembly_slot *slot = &fenced.r.slot[id % REASSEMBLY_SLOTS];
        session = 1 + i / (PIECES / 2);
        now_us += (random >> 50) % 2000;
        bool live = slot->state != REASSEMBLY_FREE && now_us - slot->began_us < REASSEMBLY_AGE_US &&
                    slot->session == session;
        begun += !live || (slot->id != id && (uint16_t)(id - slot->id) < 0x8000);
        ended[reassembly_add(&fenced.r, session, id, offset, total, data + offset,
                             random % 4 ? PIECE : (size_t)((random >> 10) % 2000), now_us, &frame,
                             &frame_bytes)]++;
    }
    uint64_t collecting = 0;
    for (size_t i = 0; i < REASSEMBLY_SLOTS; i++)
        collecting += fenced.r.slot[i].state == REASSEMBLY_COLLECTING;
    ck_assert_uint_gt(fenced.r.expired, 1000);
    ck_assert_uint_gt(ended[REASSEMBLY_DISCARDED], 1000);
    ck_assert_uint_eq(ended[REASSEMBLY_COMPLETE] + ended[REASSEMBLY_DISCARDED] + fenced.r.expired +
                          collecting,
                      begun);
    for (size_t i = 0; i < FENCE; i++)
        ck_assert(fenced.before[i] == 0xa5 && fenced.after[i] == 0xa5);
}
END_TEST

START_TEST(a_reset_forgets)
{
    ck_assert_int_eq(add(1, 0, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
    reassembly_reset(&r);
    ck_assert_int_eq(add(1, PIECE, 2 * PIECE, PIECE), REASSEMBLY_PENDING);
    ck_assert_uint_eq(r.expired, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reassembly");
    TCase *tc = tcase_create("reassembly");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, it_completes_in_every_order);
    tcase_add_test(tc, one_piece_may_be_all);
    tcase_add_test(tc, frames_do_not_mix);
    tcase_add_test(tc, it_refuses_what_does_not_fit);
    tcase_add_test(tc, it_refuses_a_first_piece_too);
    tcase_add_test(tc, a_refused_frame_stays_refused);
    tcase_add_test(tc, an_old_frame_is_given_up);
    tcase_add_test(tc, the_age_is_that_of_the_first_piece);
    tcase_add_test(tc, the_newest_frames_are_kept);
    tcase_add_test(tc, frames_of_one_slot_do_not_mix);
    tcase_add_test(tc, the_list_holds_the_most_pieces);
    tcase_add_test(tc, a_flood_is_bounded_and_accounted_for);
    tcase_add_test(tc, a_reset_forgets);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
