/* SPDX-License-Identifier: MIT
 *
 * check_fdb_readers.c - a forwarding database that one thread changes while another reads it.
 *
 * All addresses share one window, smaller than they are many, so that slots go from one address to
 * another all the time. What an entry holds tells whose it is: address n is only ever learned
 * behind two ports of its own, and its age, by the reader's clock, which stands still, is always in
 * the n-th STEP_US. An answer that mixes two entries, or two times of one, is out of these bounds.
 *
 * Two threads side by side show this, and to the thread sanitizer that there is no race. They
 * seldom meet in the few nanoseconds that matter, though: so a signal, too, breaks into the one
 * half, wherever it is, and does the other half's work.
 */
#include "frame/fdb.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/time.h>

/* The addresses, by what is done with them: those below ... */
enum {
    STABLE = 3,     /* are always there, refreshed, each behind one port */
    MOVING = 6,     /* are always there, moving between two ports */
    CROSSING = 7,   /* are refreshed with times on both sides of a 2^32nd microsecond */
    ADDRESSES = 30, /* come and go */
};

enum {
    OPERATIONS = 1000000,
    ROUNDS_MIN = 20000, /* of the reader, each about every address */
    INTERRUPTIONS = 20000,
    OPERATIONS_EACH = 16, /* while the reader is interrupted */
};

static const uint8_t HASH_KEY[FDB_HASH_KEY_BYTES] = {1, 2, 3};
static const uint64_t STEP_US = 8000000, SPREAD_US = 4000000;

/* Address 6, the crossing one, is 48 to 52 s old; all are younger than FDB_AGE_US. */
static const uint64_t NOW_US = (UINT64_C(5) << 32) + 50000000;

static struct fdb fdb;
static struct fdb_entry entries[FDB_WINDOW];

/* What the reader met. The first four must stay 0, the others not. */
static struct met {
    unsigned long missing, wrong_port, too_young, too_old;
    unsigned long found, absent, at_port[2];
} met;

static _Atomic unsigned rounds, reading; /* of the reader; the address it is at */
static _Atomic bool done, interrupted;   /* the owner has done; the signal came */
static unsigned always;                  /* addresses below are found every time */

static struct mac mac_of(unsigned n)
{
    return (struct mac){{0x02, 0, 0, 0, 0, (uint8_t)n}};
}

static uint16_t port_of(unsigned n, unsigned which)
{
    return (uint16_t)(2 * n + which % 2);
}

static void look_up(unsigned n)
{
    struct mac mac = mac_of(n);
    int port = fdb_lookup(&fdb, &mac, 0, NOW_US);
    if (port < 0) {
        met.absent++;
        met.missing += n < always;
        return;
    }
    met.found++;
    met.wrong_port += port != port_of(n, 0) && (port != port_of(n, 1) || n < STABLE);
    if (n >= STABLE && n < MOVING)
        met.at_port[port % 2]++;
}

static void judge_age(unsigned n)
{
    struct mac mac = mac_of(n);
    uint64_t youngest_us = n * STEP_US;
    if (n > 0)
        met.too_young += fdb_seen_within(&fdb, &mac, 0, youngest_us - 1, NOW_US);
    if (n < always)
        met.too_old += !fdb_seen_within(&fdb, &mac, 0, youngest_us + SPREAD_US, NOW_US);
}

static void read_round(void)
{
    for (unsigned n = 0; n < ADDRESSES; n++) {
        reading = n;
        look_up(n);
        judge_age(n);
    }
    rounds++;
}

/* The owner's dice, of which a signal handler may be the only user: random() would not do. */
static uint32_t dice(void)
{
    static uint32_t state = 4711;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* Learn address n at some age of its own; the window may be full. */
static void learn(unsigned n)
{
    struct mac mac = mac_of(n);
    uint64_t age_us = n * STEP_US + dice() % (SPREAD_US + 1);
    fdb_learn(&fdb, &mac, 0, port_of(n, n < STABLE ? 0 : dice()), NOW_US - age_us);
}

static void forget(unsigned n)
{
    struct mac mac = mac_of(n);
    fdb_forget(&fdb, &mac, 0);
}

static void operate(void)
{
    unsigned n = dice() % (ADDRESSES + 4), what = dice() % 64;
    if (n >= ADDRESSES)
        n = CROSSING - 1; /* more often than the others: it stands for many */
    if (n < CROSSING || what < 32)
        learn(n);
    else if (what < 63)
        forget(n);
    else
        fdb_forget_port(&fdb, port_of(n, 0));
}

static void begin(unsigned addresses_always_found)
{
    always = addresses_always_found;
    met = (struct met){0};
    rounds = 0;
    done = false;
    memset(entries, 0, sizeof entries);
    fdb_init(&fdb, entries, FDB_WINDOW, HASH_KEY, FDB_WINDOW);
    for (unsigned n = 0; n < CROSSING; n++)
        learn(n);
}

static void judge(void)
{
    ck_assert_msg(met.missing + met.wrong_port + met.too_young + met.too_old == 0,
                  "missing %lu, wrong port %lu, too young %lu, too old %lu; found %lu", met.missing,
                  met.wrong_port, met.too_young, met.too_old, met.found);
    ck_assert_uint_gt(met.found, 0);
    ck_assert_uint_gt(met.absent, 0);
    ck_assert_uint_gt(met.at_port[0], 0);
    ck_assert_uint_gt(met.at_port[1], 0);
}

static void *read_on(void *unused)
{
    (void)unused;
    while (!done)
        read_round();
    return NULL;
}

START_TEST(two_threads_at_once)
{
    pthread_t reader;
    begin(MOVING);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_on, NULL), 0);
    for (unsigned i = 0; i < OPERATIONS || rounds < ROUNDS_MIN; i++)
        operate();
    done = true;
    ck_assert_int_eq(pthread_join(reader, NULL), 0);
    judge();
}
END_TEST

/* Give the slot being read to another address, as likely as not. */
static void on_signal_operate(int signal_number)
{
    (void)signal_number;
    if (reading >= CROSSING)
        forget(reading);
    for (unsigned i = 0; i < OPERATIONS_EACH; i++)
        operate();
    interrupted = true;
}

static void on_signal_read(int signal_number)
{
    (void)signal_number;
    read_round();
    interrupted = true;
}

/* Do @work again and again, with the other half done by @on_signal in the midst of it. */
static void work_interrupted(void (*work)(void), void (*on_signal)(int))
{
    struct sigaction action = {.sa_handler = on_signal};
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    for (unsigned i = 0; i < INTERRUPTIONS; i++) {
        struct itimerval once = {.it_value = {.tv_usec = (suseconds_t)(1 + i % 17)}};
        interrupted = false;
        ck_assert_int_eq(setitimer(ITIMER_REAL, &once, NULL), 0);
        while (!interrupted)
            work();
    }
}

/* All is written when the reader goes on: it needs no more than one other try. */
START_TEST(the_reader_is_interrupted)
{
    begin(CROSSING);
    work_interrupted(read_round, on_signal_operate);
    judge();
}
END_TEST

START_TEST(the_owner_is_interrupted)
{
    begin(MOVING);
    work_interrupted(operate, on_signal_read);
    judge();
}
END_TEST

/* The owner was suspended in the midst of a writing, for longer than a reader tries again. */
START_TEST(an_unfinished_writing_is_not_known)
{
    begin(CROSSING);
    struct mac mac = mac_of(0);
    for (unsigned i = 0; i < FDB_WINDOW; i++)
        entries[i].sequence++;
    ck_assert_int_eq(fdb_lookup(&fdb, &mac, 0, NOW_US), -1);
    ck_assert(!fdb_seen_within(&fdb, &mac, 0, FDB_AGE_US, NOW_US));
    for (unsigned i = 0; i < FDB_WINDOW; i++)
        entries[i].sequence++;
    ck_assert_int_eq(fdb_lookup(&fdb, &mac, 0, NOW_US), port_of(0, 0));
    ck_assert(fdb_seen_within(&fdb, &mac, 0, FDB_AGE_US, NOW_US));
}
END_TEST

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    Suite *suite = suite_create("fdb_readers");
    TCase *readers = tcase_create("readers");
    tcase_set_timeout(readers, 60);
    tcase_add_test(readers, two_threads_at_once);
    tcase_add_test(readers, the_reader_is_interrupted);
    tcase_add_test(readers, the_owner_is_interrupted);
    tcase_add_test(readers, an_unfinished_writing_is_not_known);
    suite_add_tcase(suite, readers);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
