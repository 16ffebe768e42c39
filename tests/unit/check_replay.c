/* SPDX-License-Identifier: MIT
 *
 * check_replay.c - the anti-replay window: truth tables, and a random walk against plain memory.
 */
#include "crypto/replay.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define W   ((uint64_t)REPLAY_WINDOW_BITS)
#define MAX UINT64_MAX
enum { STEPS_MAX = 10 };

struct step {
    uint64_t counter;
    bool accepted;
    uint64_t greatest; /* afterwards */
};

/* Each row begins with an empty window. */
static const struct {
    const char *name;
    unsigned steps;
    struct step step[STEPS_MAX];
} rows[] = {
    {"0 comes first", 4, {{0, true, 0}, {0, false, 0}, {1, true, 1}, {0, false, 1}}},
    {"0 comes late", 3, {{1, true, 1}, {0, true, 1}, {0, false, 1}}},
    {"in order", 4, {{0, true, 0}, {1, true, 1}, {2, true, 2}, {1, false, 2}}},
    {"out of order, each once",
     7,
     {{9, true, 9},
      {8, true, 9},
      {3, true, 9},
      {9, false, 9},
      {3, false, 9},
      {4, true, 9},
      {8, false, 9}}},
    {"oldest in the window, 0", 3, {{W - 1, true, W - 1}, {0, true, W - 1}, {0, false, W - 1}}},
    {"just out of the window, 0", 3, {{W, true, W}, {0, false, W}, {1, true, W}}},
    {"just out of the window",
     3,
     {{W + 63, true, W + 63}, {63, false, W + 63}, {64, true, W + 63}}},
    {"oldest of a window that begins in the middle of a word",
     4,
     {{W + 100, true, W + 100},
      {100, false, W + 100},
      {101, true, W + 100},
      {101, false, W + 100}}},
    {"the window slides over what was not seen",
     4,
     {{10, true, 10}, {W + 11, true, W + 11}, {11, false, W + 11}, {12, true, W + 11}}},
    {"the spare word keeps the oldest counters",
     4,
     {{5, true, 5}, {W - 1, true, W - 1}, {W, true, W}, {5, false, W}}},
    {"the ring comes round: a word is used again, clear",
     5,
     {{5, true, 5},
      {5 + 64 * REPLAY_WORDS, true, 5 + 64 * REPLAY_WORDS},
      {5 + 64 * REPLAY_WORDS, false, 5 + 64 * REPLAY_WORDS},
      {4 + 64 * REPLAY_WORDS, true, 5 + 64 * REPLAY_WORDS},
      {5, false, 5 + 64 * REPLAY_WORDS}}},
    {"a jump of many rings clears all",
     5,
     {{7, true, 7},
      {8, true, 8},
      {1000 * 64 * REPLAY_WORDS + 8, true, 1000 * 64 * REPLAY_WORDS + 8},
      {1000 * 64 * REPLAY_WORDS + 7, true, 1000 * 64 * REPLAY_WORDS + 8},
      {8, false, 1000 * 64 * REPLAY_WORDS + 8}}},
    {"the last counters of all",
     8,
     {{MAX, true, MAX},
      {MAX, false, MAX},
      {MAX - 1, true, MAX},
      {MAX - 1, false, MAX},
      {MAX - W + 1, true, MAX},
      {MAX - W, false, MAX},
      {0, false, MAX},
      {MAX - 64, true, MAX}}},
    {"up to the last",
     5,
     {{MAX - 1, true, MAX - 1},
      {MAX - 2, true, MAX - 1},
      {MAX, true, MAX},
      {MAX - 2, false, MAX},
      {MAX - 1, false, MAX}}},
};

START_TEST(row_holds)
{
    struct replay r;

    memset(&r, 0xff, sizeof(r)); /* a reset does not lean on what was there */
    replay_reset(&r);
    ck_assert_uint_eq(replay_greatest(&r), 0);
    for (unsigned i = 0; i < rows[_i].steps; i++) {
        const struct step *s = &rows[_i].step[i];
        ck_assert_msg(replay_would_accept(&r, s->counter) == s->accepted, "%s, step %u: would",
                      rows[_i].name, i);
        ck_assert_msg(replay_accept(&r, s->counter) == s->accepted, "%s, step %u: accept",
                      rows[_i].name, i);
        ck_assert_msg(replay_greatest(&r) == s->greatest, "%s, step %u: greatest", rows[_i].name,
                      i);
    }
}
END_TEST

START_TEST(asking_marks_nothing)
{
    struct replay r, before;

    replay_reset(&r);
    ck_assert(replay_accept(&r, 100));
    before = r;
    ck_assert(replay_would_accept(&r, 99));
    ck_assert(replay_would_accept(&r, MAX));
    ck_assert(!replay_accept(&r, 100));
    ck_assert_mem_eq(&r, &before, sizeof(r));
}
END_TEST

/* However far the window jumps, no bit of an earlier time is left in it. */
START_TEST(jump_leaves_nothing_behind)
{
    static const uint64_t jump_words[] = {127, 128, 129, 130, 388};
    uint64_t greatest = 3 * W + 39 + 64 * jump_words[_i];
    struct replay r;

    replay_reset(&r);
    for (uint64_t counter = 0; counter < 3 * W; counter++)
        ck_assert(replay_accept(&r, counter));
    ck_assert(replay_accept(&r, greatest));
    for (uint64_t counter = greatest - W + 1; counter < greatest; counter++)
        ck_assert(replay_accept(&r, counter) == (counter >= 3 * W));
}
END_TEST

/* The rule in one line, over plain memory: not seen, and less than a window behind. */
START_TEST(random_walk_agrees_with_plain_memory)
{
    enum { COUNTERS = 1 << 20, STEPS = 200000 };
    static bool seen[COUNTERS];
    struct replay r;
    uint64_t greatest = 0, seed = 6479 + (uint64_t)_i;
    unsigned accepted = 0, refused = 0;

    memset(seen, 0, sizeof(seen));
    replay_reset(&r);
    for (unsigned i = 0; i < STEPS; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t ahead = (seed >> 33) % 11000; /* around the greatest, a little ahead of it */
        uint64_t counter = greatest + ahead < 10900 ? ahead : greatest + ahead - 10900;
        if (counter >= COUNTERS)
            break;
        bool expected = !seen[counter] && (counter > greatest || greatest - counter < W);
        ck_assert(replay_accept(&r, counter) == expected);
        accepted += expected;
        refused += !expected;
        seen[counter] = true;
        greatest = counter > greatest ? counter : greatest;
        ck_assert_uint_eq(replay_greatest(&r), greatest);
    }
    ck_assert_uint_gt(accepted, 10000); /* the walk saw enough of both */
    ck_assert_uint_gt(refused, 10000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replay");
    TCase *tc = tcase_create("replay");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, row_holds, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tc, asking_marks_nothing);
    tcase_add_loop_test(tc, jump_leaves_nothing_behind, 0, 5);
    tcase_add_loop_test(tc, random_walk_agrees_with_plain_memory, 0, 4);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
