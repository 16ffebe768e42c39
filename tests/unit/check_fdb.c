/* SPDX-License-Identifier: MIT
 *
 * check_fdb.c - the forwarding database and the notice of flapping addresses.
 *
 * The database is also run against a plain list (struct model) through a long random row of
 * operations: whatever the hash and the windows do, the answers must be the list's.
 */
#include "frame/fdb.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>

static const uint8_t HASH_KEY[FDB_HASH_KEY_BYTES] = {1, 2, 3};
static const uint64_t SECOND_US = 1000000;

static struct mac mac_of(unsigned n)
{
    return (struct mac){{0x02, 0, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

/* One step: learn @mac on @port at @at_us, expect @learned. */
struct learn_row {
    unsigned mac, vlan, port;
    uint64_t at_us;
    enum fdb_learned learned;
};

START_TEST(learns_refreshes_moves_ages_and_caps)
{
    static const struct learn_row ROW[] = {
        {1, 0, 3, 0, FDB_NEW},
        {1, 0, 3, 1, FDB_KNOWN},
        {1, 7, 4, 2, FDB_NEW}, /* another VLAN is another address */
        {1, 0, 5, 3, FDB_MOVED},
        {1, 0, 3, 4, FDB_MOVED},
        {2, 0, 3, 5, FDB_NEW},
        {2, 0, 3, 6, FDB_KNOWN},
        {3, 0, 3, 7, FDB_NEW},  /* cap 2: mac 1 was silent for longest */
        {4, 0, 3, 8, FDB_FULL}, /* but not one after the other */
        {2, 0, 3, 9, FDB_KNOWN},
        {1, 7, 3, 10, FDB_FULL}, /* moving into a full port */
        {1, 7, 4, 11, FDB_KNOWN},
        {1, 0, 4, 12, FDB_NEW},
        {9, 0, FDB_PORTS_MAX, 13, FDB_FULL},
        {4, 0, 3, FDB_REPLACE_US + 6, FDB_FULL},
        {1, 7, 3, FDB_REPLACE_US + 7, FDB_MOVED}, /* mac 3 was heard only once */
        {3, 0, 3, FDB_REPLACE_US + 8, FDB_FULL},
        {2, 0, 3, FDB_REPLACE_US + 9, FDB_KNOWN},
        {1, 0, 6, FDB_AGE_US + 12, FDB_NEW},                 /* aged: not a move */
        {4, 0, 3, FDB_AGE_US + FDB_REPLACE_US + 7, FDB_NEW}, /* mac 1 went, mac 2 is live */
        {5, 0, 3, FDB_AGE_US + FDB_REPLACE_US + 8, FDB_FULL},
        {2, 0, 3, FDB_AGE_US + FDB_REPLACE_US + 8, FDB_KNOWN},
    };
    struct fdb_entry entries[64] = {0};
    struct fdb f;
    fdb_init(&f, entries, 64, HASH_KEY, 2);
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct mac mac = mac_of(ROW[i].mac);
        enum fdb_learned learned =
            fdb_learn(&f, &mac, (uint16_t)ROW[i].vlan, (uint16_t)ROW[i].port, ROW[i].at_us);
        ck_assert_msg(learned == ROW[i].learned, "row %zu: %d", i, (int)learned);
    }
}
END_TEST

START_TEST(never_learns_group_or_zero)
{
    static const struct mac NEVER[] = {
        {{0}}, {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, {{0x01, 0, 0x5e, 0, 0, 0xfb}}, {{0x03}}};
    struct fdb_entry entries[16] = {0};
    struct fdb f;
    fdb_init(&f, entries, 16, HASH_KEY, 16);
    for (size_t i = 0; i < sizeof NEVER / sizeof NEVER[0]; i++) {
        ck_assert_int_eq(fdb_learn(&f, &NEVER[i], 0, 1, 0), FDB_KNOWN);
        ck_assert_int_eq(fdb_lookup(&f, &NEVER[i], 0, 0), -1);
    }
    ck_assert_uint_eq(fdb_count(&f, 1, 0), 0);
}
END_TEST

START_TEST(looks_up_until_aged)
{
    struct fdb_entry entries[16] = {0};
    struct fdb f;
    struct mac mac = mac_of(1);
    fdb_init(&f, entries, 16, HASH_KEY, 16);
    ck_assert_int_eq(fdb_lookup(&f, &mac, 5, 0), -1);
    fdb_learn(&f, &mac, 5, 9, 100);
    ck_assert_int_eq(fdb_lookup(&f, &mac, 5, 100 + FDB_AGE_US - 1), 9);
    ck_assert_int_eq(fdb_lookup(&f, &mac, 5, 100 + FDB_AGE_US), -1);
    ck_assert_int_eq(fdb_lookup(&f, &mac, 4, 100), -1);
    ck_assert_uint_eq(fdb_count(&f, 9, 100 + FDB_AGE_US - 1), 1);
    ck_assert_uint_eq(fdb_count(&f, 9, 100 + FDB_AGE_US), 0);
}
END_TEST

/* Wherever the clock began, and although its halves are kept apart. */
START_TEST(ages_to_the_microsecond)
{
    static const uint64_t SEEN_US[] = {
        0,         1,         UINT32_MAX, UINT64_C(1) << 32, (UINT64_C(3) << 32) - FDB_AGE_US / 2,
        INT64_MAX, UINT64_MAX};
    struct mac mac = mac_of(1), other = mac_of(2);
    for (size_t i = 0; i < sizeof SEEN_US / sizeof SEEN_US[0]; i++) {
        struct fdb_entry entries[16] = {0};
        struct fdb f;
        uint64_t seen_us = SEEN_US[i];
        fdb_init(&f, entries, 16, HASH_KEY, 16);
        fdb_learn(&f, &mac, 5, 8, seen_us - FDB_AGE_US / 2);
        fdb_learn(&f, &mac, 5, 9, seen_us);
        ck_assert_int_eq(fdb_lookup(&f, &mac, 5, seen_us + FDB_AGE_US - 1), 9);
        ck_assert_int_eq(fdb_lookup(&f, &mac, 5, seen_us + FDB_AGE_US), -1);
        ck_assert(fdb_seen_within(&f, &mac, 5, 0, seen_us));
        ck_assert(!fdb_seen_within(&f, &mac, 5, 0, seen_us + 1));
        ck_assert(fdb_seen_within(&f, &mac, 5, SECOND_US, seen_us + SECOND_US));
        ck_assert(!fdb_seen_within(&f, &mac, 5, SECOND_US, seen_us + SECOND_US + 1));
        ck_assert(!fdb_seen_within(&f, &mac, 4, SECOND_US, seen_us));
        ck_assert(!fdb_seen_within(&f, &other, 5, SECOND_US, seen_us));
        fdb_forget(&f, &mac, 5);
        ck_assert(!fdb_seen_within(&f, &mac, 5, SECOND_US, seen_us));
    }
}
END_TEST

/* The owner's clock was read after the reader's. */
START_TEST(what_was_seen_a_moment_ahead_is_new)
{
    static const uint64_t NOW_US[] = {0, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX - 1};
    for (size_t i = 0; i < sizeof NOW_US / sizeof NOW_US[0]; i++) {
        struct fdb_entry entries[16] = {0};
        struct fdb f;
        struct mac mac = mac_of(1);
        fdb_init(&f, entries, 16, HASH_KEY, 16);
        fdb_learn(&f, &mac, 0, 3, NOW_US[i] + 1);
        ck_assert_int_eq(fdb_lookup(&f, &mac, 0, NOW_US[i]), 3);
        ck_assert(fdb_seen_within(&f, &mac, 0, 0, NOW_US[i]));
    }
}
END_TEST

START_TEST(forgets_one_and_a_port)
{
    struct fdb_entry entries[64] = {0};
    struct fdb f;
    fdb_init(&f, entries, 64, HASH_KEY, 64);
    for (unsigned n = 1; n <= 12; n++) {
        struct mac mac = mac_of(n);
        ck_assert_int_eq(fdb_learn(&f, &mac, 0, (uint16_t)(n % 3), 0), FDB_NEW);
    }
    struct mac one = mac_of(1);
    fdb_forget(&f, &one, 8);
    ck_assert_int_eq(fdb_lookup(&f, &one, 0, 0), 1);
    fdb_forget(&f, &one, 0);
    fdb_forget(&f, &one, 0);
    ck_assert_int_eq(fdb_lookup(&f, &one, 0, 0), -1);
    ck_assert_uint_eq(fdb_count(&f, 1, 0), 3);
    fdb_forget_port(&f, 2);
    ck_assert_uint_eq(fdb_count(&f, 0, 0), 4);
    ck_assert_uint_eq(fdb_count(&f, 1, 0), 3);
    ck_assert_uint_eq(fdb_count(&f, 2, 0), 0);
}
END_TEST

/* A table of one window: full, then deleting any one makes room and loses none of the others. */
START_TEST(deletes_in_a_full_window)
{
    for (unsigned gone = 0; gone < FDB_WINDOW; gone++) {
        struct fdb_entry entries[FDB_WINDOW] = {0};
        struct fdb f;
        struct mac mac, late = mac_of(100);
        fdb_init(&f, entries, FDB_WINDOW, HASH_KEY, 100);
        for (unsigned n = 0; n < FDB_WINDOW; n++) {
            mac = mac_of(n);
            ck_assert_int_eq(fdb_learn(&f, &mac, 0, 1, 0), FDB_NEW);
        }
        ck_assert_int_eq(fdb_learn(&f, &late, 0, 1, 0), FDB_FULL);
        mac = mac_of(gone);
        fdb_forget(&f, &mac, 0);
        for (unsigned n = 0; n < FDB_WINDOW; n++) {
            mac = mac_of(n);
            ck_assert_int_eq(fdb_lookup(&f, &mac, 0, 0), n == gone ? -1 : 1);
        }
        ck_assert_int_eq(fdb_learn(&f, &late, 0, 1, 0), FDB_NEW);
        ck_assert_uint_eq(fdb_count(&f, 1, 0), FDB_WINDOW);
    }
}
END_TEST

/* A quarter full table always has a slot: the windows must be wide enough. */
START_TEST(holds_a_quarter_of_any_addresses)
{
    static struct fdb_entry entries[4096];
    struct fdb f;
    fdb_init(&f, entries, 4096, HASH_KEY, 4096);
    for (unsigned n = 0; n < 1024; n++) {
        struct mac mac = mac_of(n * 256);
        ck_assert_int_eq(fdb_learn(&f, &mac, 0, 0, 0), FDB_NEW);
    }
}
END_TEST

START_TEST(a_peer_inventing_addresses_crowds_out_only_itself)
{
    static struct fdb_entry entries[1024];
    struct fdb f;
    fdb_init(&f, entries, 1024, HASH_KEY, 128);
    struct mac honest = mac_of(1 << 20);
    fdb_learn(&f, &honest, 0, 2, 0);
    for (unsigned n = 0; n < 100000; n++) {
        struct mac mac = mac_of(n);
        fdb_learn(&f, &mac, 0, 1, n);
    }
    ck_assert_uint_eq(fdb_count(&f, 1, 100000), 128);
    ck_assert_int_eq(fdb_lookup(&f, &honest, 0, 100000), 2);
    struct mac other = mac_of(2 << 20);
    ck_assert_int_eq(fdb_learn(&f, &other, 0, 2, 100000), FDB_NEW);
    ck_assert_int_eq(fdb_learn(&f, &other, 0, 1, 100000), FDB_FULL);
}
END_TEST

/* Beside a device that invents a hundred a second, one that speaks each second stays known, one
 * that comes new and speaks ten times a second is known soon; and no more new ones come than may.
 */
START_TEST(a_device_inventing_addresses_keeps_no_other_out)
{
    enum { INVENTED = 120000, INVENTED_US = 10000, COMES = INVENTED / 2 };
    static struct fdb_entry entries[4096];
    const uint64_t end_us = (uint64_t)INVENTED * INVENTED_US;
    struct mac talker = mac_of(1 << 20), comer = mac_of(2 << 20);
    unsigned invented = 0, asked = 0;
    struct fdb f;
    srandom(4711);
    fdb_init(&f, entries, 4096, HASH_KEY, 1024);
    fdb_learn(&f, &talker, 0, 1, 0);
    for (unsigned n = 1; n < INVENTED; n++) {
        uint64_t now_us = (uint64_t)n * INVENTED_US;
        struct mac mac = mac_of(n);
        invented += fdb_learn(&f, &mac, 0, 1, now_us) == FDB_NEW;
        if (now_us % SECOND_US == 0)
            ck_assert_int_eq(fdb_learn(&f, &talker, 0, 1, now_us), FDB_KNOWN);
        now_us += (uint64_t)random() % INVENTED_US;
        if (n >= COMES && n % 10 == 0 && fdb_learn(&f, &comer, 0, 1, now_us) != FDB_KNOWN)
            asked++;
    }
    ck_assert_int_eq(fdb_lookup(&f, &comer, 0, end_us), 1);
    ck_assert_uint_lt(asked, 100);
    ck_assert_uint_eq(fdb_count(&f, 1, end_us), 1024);
    ck_assert_uint_gt(invented, 10000);
    ck_assert_uint_le(invented, 1024 + end_us / FDB_REPLACE_US);
}
END_TEST

/* All it invents was heard after who had spoken before: yet that one stays. */
START_TEST(a_storm_of_addresses_pushes_out_nobody_known)
{
    static struct fdb_entry entries[4096];
    struct mac talker = mac_of(1 << 20);
    struct fdb f;
    fdb_init(&f, entries, 4096, HASH_KEY, 1024);
    ck_assert_int_eq(fdb_learn(&f, &talker, 0, 1, 0), FDB_NEW);
    ck_assert_int_eq(fdb_learn(&f, &talker, 0, 1, 100000), FDB_KNOWN);
    for (unsigned n = 0; n < 200000; n++) {
        struct mac mac = mac_of(n);
        fdb_learn(&f, &mac, 0, 1, 200000 + n * UINT64_C(10));
    }
    ck_assert_int_eq(fdb_learn(&f, &talker, 0, 1, 3 * SECOND_US), FDB_KNOWN);
}
END_TEST

enum { MODEL_MACS = 64, MODEL_PORTS = 4, MODEL_CAP = 12 };

struct model {
    bool used[MODEL_MACS], again[MODEL_MACS];
    unsigned port[MODEL_MACS];
    uint64_t seen_us[MODEL_MACS];
};

static bool model_live(const struct model *m, unsigned n, uint64_t now_us)
{
    return m->used[n] && now_us - m->seen_us[n] < FDB_AGE_US;
}

static unsigned model_count(const struct model *m, unsigned port, uint64_t now_us)
{
    unsigned count = 0;
    for (unsigned n = 0; n < MODEL_MACS; n++)
        count += model_live(m, n, now_us) && m->port[n] == port;
    return count;
}

/* The oldest of those heard once, else of all. */
static unsigned model_least(const struct model *m, unsigned port, uint64_t now_us)
{
    unsigned least = MODEL_MACS;
    for (unsigned again = 0; again < 2 && least == MODEL_MACS; again++)
        for (unsigned n = 0; n < MODEL_MACS; n++)
            if (model_live(m, n, now_us) && m->port[n] == port && m->again[n] == again &&
                (least == MODEL_MACS || m->seen_us[n] < m->seen_us[least]))
                least = n;
    return least;
}

static enum fdb_learned model_learn(struct model *m, unsigned n, unsigned port, uint64_t now_us)
{
    bool live = model_live(m, n, now_us);
    bool stays = live && m->port[n] == port, moves = live && !stays;
    if (!stays && model_count(m, port, now_us) >= MODEL_CAP)
        m->used[model_least(m, port, now_us)] = false;
    m->again[n] = live;
    m->used[n] = true;
    m->port[n] = port;
    m->seen_us[n] = now_us;
    return stays ? FDB_KNOWN : moves ? FDB_MOVED : FDB_NEW;
}

START_TEST(agrees_with_a_plain_list)
{
    static struct fdb_entry entries[512];
    struct fdb f;
    struct model m = {0};
    uint64_t now_us = 0;
    unsigned seen[4] = {0};
    srandom(4711);
    fdb_init(&f, entries, 512, HASH_KEY, MODEL_CAP);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned n = (unsigned)random() % MODEL_MACS, port = (unsigned)random() % MODEL_PORTS;
        struct mac mac = mac_of(n);
        now_us += 2 * SECOND_US + (uint64_t)random() % (10 * SECOND_US);
        unsigned what = (unsigned)random() % 100;
        if (what < 96) {
            enum fdb_learned learned = fdb_learn(&f, &mac, 0, (uint16_t)port, now_us);
            ck_assert_int_eq(learned, model_learn(&m, n, port, now_us));
            seen[learned]++;
        } else if (what < 98) {
            fdb_forget(&f, &mac, 0);
            m.used[n] = false;
        } else if (what == 98) {
            fdb_forget_port(&f, (uint16_t)port);
            for (unsigned i = 0; i < MODEL_MACS; i++)
                m.used[i] &= m.port[i] != port;
        }
        n = (unsigned)random() % MODEL_MACS;
        mac = mac_of(n);
        ck_assert_int_eq(fdb_lookup(&f, &mac, 0, now_us),
                         model_live(&m, n, now_us) ? (int)m.port[n] : -1);
        ck_assert_uint_eq(fdb_count(&f, (uint16_t)port, now_us), model_count(&m, port, now_us));
    }
    ck_assert_uint_eq(seen[FDB_FULL], 0); /* each step is later by more than FDB_REPLACE_US */
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_gt(seen[i], 100);
}
END_TEST

struct flap_row {
    unsigned mac;
    uint64_t at_us;
    bool notice;
};

START_TEST(notices_flapping_once)
{
    static const struct flap_row ROW[] = {
        {1, 0, false},        {1, 300000, false},   {1, 600000, false},
        {2, 600000, false},   {1, 1000000, true}, /* the fourth within exactly a second */
        {1, 1000001, false},  {1, 1000002, false},  {2, 1000003, false},
        {2, 1000004, false},  {2, 1000005, true}, /* another address is counted for itself */
        {3, 2000000, false},  {3, 2400000, false},  {3, 2800000, false},
        {3, 3000001, false},  {3, 3400001, false}, /* never four in a second */
        {1, 10999997, false}, {1, 10999998, false}, {1, 10999999, false}, /* still quiet */
        {1, 11000000, true},
    };
    struct flap flap = {0};
    for (size_t i = 0; i < sizeof ROW / sizeof ROW[0]; i++) {
        struct mac mac = mac_of(ROW[i].mac);
        ck_assert_msg(flap_notice(&flap, &mac, ROW[i].at_us) == ROW[i].notice, "row %zu", i);
    }
}
END_TEST

/* Many more addresses move by turns than can be watched: still some are noticed, each once. */
START_TEST(notices_flapping_in_a_crowd)
{
    struct flap flap = {0};
    unsigned noticed[200] = {0}, total = 0;
    for (uint64_t round = 0; round < 40; round++)
        for (unsigned n = 0; n < 200; n++) {
            struct mac mac = mac_of(n);
            noticed[n] += flap_notice(&flap, &mac, round * 200000 + n);
        }
    for (unsigned n = 0; n < 200; n++) {
        ck_assert_uint_le(noticed[n], 1);
        total += noticed[n];
    }
    ck_assert_uint_eq(total, FLAP_ENTRIES);

    /* Once all is quiet the entries serve other addresses. */
    struct mac mac = mac_of(1000);
    ck_assert(!flap_notice(&flap, &mac, 30 * SECOND_US));
    ck_assert(!flap_notice(&flap, &mac, 30 * SECOND_US + 1));
    ck_assert(!flap_notice(&flap, &mac, 30 * SECOND_US + 2));
    ck_assert(flap_notice(&flap, &mac, 30 * SECOND_US + 3));
}
END_TEST

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    Suite *suite = suite_create("fdb");
    TCase *table = tcase_create("table");
    tcase_set_timeout(table, 60); /* the thread sanitizer takes its time */
    tcase_add_test(table, learns_refreshes_moves_ages_and_caps);
    tcase_add_test(table, never_learns_group_or_zero);
    tcase_add_test(table, looks_up_until_aged);
    tcase_add_test(table, ages_to_the_microsecond);
    tcase_add_test(table, what_was_seen_a_moment_ahead_is_new);
    tcase_add_test(table, forgets_one_and_a_port);
    tcase_add_test(table, deletes_in_a_full_window);
    tcase_add_test(table, holds_a_quarter_of_any_addresses);
    tcase_add_test(table, a_peer_inventing_addresses_crowds_out_only_itself);
    tcase_add_test(table, a_storm_of_addresses_pushes_out_nobody_known);
    tcase_add_test(table, a_device_inventing_addresses_keeps_no_other_out);
    tcase_add_test(table, agrees_with_a_plain_list);
    suite_add_tcase(suite, table);
    TCase *flapping = tcase_create("flap");
    tcase_add_test(flapping, notices_flapping_once);
    tcase_add_test(flapping, notices_flapping_in_a_crowd);
    suite_add_tcase(suite, flapping);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
