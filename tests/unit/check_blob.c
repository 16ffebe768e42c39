/* SPDX-License-Identifier: MIT
 *
 * check_blob.c - the rendezvous blob: places that two homes agree on and nobody else can tell
 * apart, and what is opened there.
 */
#include "tunnel/blob.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING };
#define COUNTER UINT64_C(0x0102030405060708)

static uint8_t private_a[32], private_b[32], public_a[32], public_b[32], psk[32], nonce[24];
static const uint8_t id[] = "sixteen byte id.";

static void fill(uint8_t *bytes, size_t count, unsigned first)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(first + i);
}

static void make_keys(void)
{
    fill(private_a, 32, 0);
    fill(private_b, 32, 32);
    fill(psk, 32, 200);
    fill(nonce, 24, 100);
    crypto_scalarmult_base(public_a, private_a);
    crypto_scalarmult_base(public_b, private_b);
}

static struct candidate_list sample(void)
{
    static const uint8_t v4[4] = {192, 0, 2, 1}, v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    return (struct candidate_list){
        .count = 2,
        .item = {{.kind = CANDIDATE_HOST, .endpoint = {.address = ip_v4(v4), .port = 7788}},
                 {.kind = CANDIDATE_REFLEXIVE, .endpoint = {.address = ip_v6(v6), .port = 7788}}},
    };
}

static struct candidate_list largest(void)
{
    struct candidate_list list = sample();
    list.item[0] = list.item[1];
    for (list.count = 0; list.count < CANDIDATES_MAX; list.count++) {
        list.item[list.count] = list.item[0];
        list.item[list.count].endpoint.port = (uint16_t)(2000 + list.count);
    }
    return list;
}

static void assert_place(const struct blob_place *place, const char *name, const char *key)
{
    char hex[65];
    ck_assert_str_eq(sodium_bin2hex(hex, sizeof hex, place->name, sizeof place->name), name);
    ck_assert_str_eq(sodium_bin2hex(hex, sizeof hex, place->key, sizeof place->key), key);
}

/* The values are of Python's hmac and hashlib, after blob.h's words. */
START_TEST(places_of_peers)
{
    struct blob_places at_a, at_b;
    ck_assert(blob_places_of_peers(&at_a, private_a, public_b, psk));
    ck_assert(blob_places_of_peers(&at_b, private_b, public_a, psk));
    assert_place(&at_a.ours, "26f80cbcb036ae4456f483d911f71abc",
                 "d58f3ad811eeb2b35f2050e8a58d6ba1cf027c3fcfab537e5cea821865d6e8ec");
    assert_place(&at_a.theirs, "3c883448415d80c5755640d6b5dcece0",
                 "496582d50d3662563f31a71f9bbad877a5e44fd25712fb617531f629ac8c187b");
    ck_assert_mem_eq(&at_a.ours, &at_b.theirs, sizeof at_a.ours);
    ck_assert_mem_eq(&at_a.theirs, &at_b.ours, sizeof at_a.ours);
}
END_TEST

START_TEST(places_of_a_token)
{
    struct blob_places inviter, joiner;
    blob_places_of_token(&inviter, id, psk, true);
    blob_places_of_token(&joiner, id, psk, false);
    assert_place(&inviter.ours, "524a2891c456d37dcd844cf4f6d18bcd",
                 "530936a886a51e73340c3a7347e7e93841eacd4a58206ec4b8f4c66906ea8631");
    assert_place(&inviter.theirs, "f9b3fbe38c9aa1a2e4cb0d7ad5b1eda5",
                 "b108ca9a613480122e27763758037e71bef98a36e90ad713499b6565cf18d776");
    ck_assert_mem_eq(&inviter.ours, &joiner.theirs, sizeof inviter.ours);
    ck_assert_mem_eq(&inviter.theirs, &joiner.ours, sizeof inviter.ours);
}
END_TEST

/* Anything else known: another place, another key. */
START_TEST(each_secret_counts)
{
    struct blob_places of, other;
    uint8_t no_psk[32] = {0}, other_id[16];

    blob_places_of_peers(&of, private_a, public_b, psk);
    blob_places_of_peers(&other, private_a, public_b, no_psk);
    ck_assert_mem_ne(of.ours.name, other.ours.name, sizeof of.ours.name);
    ck_assert_mem_ne(of.ours.key, other.ours.key, sizeof of.ours.key);
    private_a[31] ^= 4;
    blob_places_of_peers(&other, private_a, public_b, psk);
    ck_assert_mem_ne(of.ours.name, other.ours.name, sizeof of.ours.name);
    ck_assert_mem_ne(of.ours.key, other.ours.key, sizeof of.ours.key);
    blob_places_of_token(&of, id, psk, true);
    memcpy(other_id, id, sizeof other_id);
    other_id[15] ^= 1;
    blob_places_of_token(&other, other_id, psk, true);
    ck_assert_mem_ne(of.ours.name, other.ours.name, sizeof of.ours.name);
    ck_assert_mem_ne(of.ours.key, other.ours.key, sizeof of.ours.key);
}
END_TEST

START_TEST(a_key_of_nobody_has_no_place)
{
    static const struct blob_places nothing;
    static const uint8_t low_order[][32] = {{0}, {1}};
    for (size_t i = 0; i < 2; i++) {
        struct blob_places places;
        memset(&places, 0xff, sizeof places);
        ck_assert(!blob_places_of_peers(&places, private_a, low_order[i], psk));
        ck_assert_mem_eq(&places, &nothing, sizeof places);
    }
}
END_TEST

static struct blob_place place_of_a(void)
{
    struct blob_places places;
    ck_assert(blob_places_of_peers(&places, private_a, public_b, psk));
    return places.ours;
}

static void assert_equal(const struct candidate_list *a, const struct candidate_list *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        ck_assert(candidate_equal(&a->item[i], &b->item[i]));
}

START_TEST(it_is_what_the_layout_says)
{
    struct candidate_list list = sample();
    struct blob_place place = place_of_a();
    char text[BLOB_TEXT_SIZE];
    size_t chars = blob_seal(&place, COUNTER, &list, nonce, text, sizeof text);
    ck_assert_str_eq(text, "AWRlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e7Y4f4OjESJpYrXuCoS488PO0LmWTfvTgppix"
                           "O-bcQZYaCfj-iSiwThMb8P4q1RTXyWRSC7p");
    ck_assert_uint_eq(chars, strlen(text));
}
END_TEST

START_TEST(it_opens_what_it_sealed)
{
    struct candidate_list all[] = {sample(), largest(), {.count = 0}}, got;
    static const uint64_t counters[] = {0, COUNTER, UINT64_MAX};
    struct blob_place place = place_of_a();
    char text[BLOB_TEXT_SIZE + 3];
    for (size_t i = 0; i < 3; i++) {
        uint64_t counter;
        size_t chars = blob_seal(&place, counters[i], &all[i], nonce, text, BLOB_TEXT_SIZE);
        ck_assert_uint_gt(chars, 0);
        ck_assert(blob_open(&place, &counter, &got, text, chars));
        ck_assert_uint_eq(counter, counters[i]);
        assert_equal(&got, &all[i]);
        memcpy(text + chars, "\r\n", 3); /* as a file or a program gives it back */
        ck_assert(blob_open(&place, &counter, &got, text, chars + 2));
        ck_assert_uint_eq(counter, counters[i]);
    }
}
END_TEST

START_TEST(it_asks_for_room)
{
    struct candidate_list list = largest();
    struct blob_place place = place_of_a();
    char text[BLOB_TEXT_SIZE];
    size_t chars = blob_seal(&place, 1, &list, nonce, text, sizeof text);
    ck_assert_uint_eq(chars, BLOB_TEXT_SIZE - 1);
    char *exact = malloc(chars);
    ck_assert_uint_eq(blob_seal(&place, 1, &list, nonce, exact, chars), 0);
    ck_assert_uint_eq(blob_seal(&place, 1, &list, nonce, exact, 0), 0);
    free(exact);
}
END_TEST

static bool opens(const struct blob_place *place, const uint8_t *bytes, size_t count)
{
    static const struct candidate_list nothing;
    char *text = malloc(2 * count + 1), *exact;
    uint64_t counter = 1;
    struct candidate_list got;
    sodium_bin2base64(text, 2 * count + 1, bytes, count, BASE64);
    size_t chars = strlen(text);
    exact = malloc(chars + 1);
    memcpy(exact, text, chars);
    memset(&got, 0xff, sizeof got);
    bool opened = blob_open(place, &counter, &got, exact, chars);
    if (!opened) {
        ck_assert_uint_eq(counter, 0);
        ck_assert_mem_eq(&got, &nothing, sizeof got);
    }
    free(text);
    free(exact);
    return opened;
}

START_TEST(it_opens_nothing_else)
{
    struct candidate_list list = sample();
    struct blob_place place = place_of_a(), other = place;
    char text[BLOB_TEXT_SIZE];
    uint8_t bytes[BLOB_BYTES_MAX + 40] = {0};
    size_t count, chars = blob_seal(&place, COUNTER, &list, nonce, text, sizeof text);

    sodium_base642bin(bytes, sizeof bytes, text, chars, NULL, &count, NULL, BASE64);
    ck_assert(opens(&place, bytes, count));
    for (size_t bit = 0; bit < 8 * count; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_msg(!opens(&place, bytes, count), "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t length = 0; length <= sizeof bytes; length++)
        ck_assert(opens(&place, bytes, length) == (length == count));
    other.key[0] ^= 1;
    ck_assert(!opens(&other, bytes, count));
    other = place;
    other.name[0] ^= 1; /* moved to another place by who keeps them */
    ck_assert(!opens(&other, bytes, count));
}
END_TEST

/* Sealed well by a peer, which may lie. */
START_TEST(it_believes_nothing)
{
    static const struct {
        const char *name;
        uint8_t inner[20];
        size_t bytes;
        bool opens;
    } row[] = {
        {"no candidate", {0, 0, 0, 0, 0, 0, 0, 1, 0}, 9, true},
        {"no list", {0, 0, 0, 0, 0, 0, 0, 1}, 8, false},
        {"no whole counter", {0, 0, 0, 0, 0, 0, 0}, 7, false},
        {"nothing", {0}, 0, false},
        {"more after the list", {0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, 10, false},
        {"one candidate", {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 192, 0, 2, 1, 9, 9}, 17, true},
        {"a candidate cut off", {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 192, 0, 2, 1, 9}, 16, false},
        {"two of one", {0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 4, 192, 0, 2, 1, 9, 9}, 17, false},
    };
    struct blob_place place = place_of_a();
    uint8_t about[17];
    memcpy(about, place.name, 16);
    about[16] = 1;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint8_t bytes[1 + 24 + 20 + 16] = {1};
        memcpy(bytes + 1, nonce, 24);
        crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + 25, NULL, row[i].inner, row[i].bytes,
                                                   about, sizeof about, NULL, nonce, place.key);
        ck_assert_msg(opens(&place, bytes, 25 + row[i].bytes + 16) == row[i].opens, "%s",
                      row[i].name);
    }
}
END_TEST

START_TEST(text_that_is_no_base64)
{
    static const char *const text[] = {"", "\n", "====", "!", "AWRl ZmdoaWpr!", "<html>404</html>"};
    struct blob_place place = place_of_a();
    struct candidate_list got;
    uint64_t counter;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        ck_assert(!blob_open(&place, &counter, &got, text[i], strlen(text[i])));
}
END_TEST

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    Suite *suite = suite_create("blob");
    TCase *tc = tcase_create("blob");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, make_keys, NULL);
    tcase_add_test(tc, places_of_peers);
    tcase_add_test(tc, places_of_a_token);
    tcase_add_test(tc, each_secret_counts);
    tcase_add_test(tc, a_key_of_nobody_has_no_place);
    tcase_add_test(tc, it_is_what_the_layout_says);
    tcase_add_test(tc, it_opens_what_it_sealed);
    tcase_add_test(tc, it_asks_for_room);
    tcase_add_test(tc, it_opens_nothing_else);
    tcase_add_test(tc, it_believes_nothing);
    tcase_add_test(tc, text_that_is_no_base64);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
