/* SPDX-License-Identifier: MIT
 *
 * check_outgoing.c - the batch of datagrams where one peer passes on what is for many others.
 */
#include "site/egress.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    CARRIER = 0,
    ROUNDS = 8,
    FRAME_MAX_BYTES = 1300,
    STACK_MAX_BYTES = 48 << 10, /* of the egress thread's 256 KiB */
};

static struct egress egress;
static struct {
    uintptr_t deepest;
    unsigned calls, datagrams;
    bool elsewhere;
} sent;

static uintptr_t here(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

static void transmit(void *context, const struct datagram *datagrams, size_t count)
{
    (void)context;
    if (here() < sent.deepest)
        sent.deepest = here();
    sent.calls++;
    sent.datagrams += (unsigned)count;
    for (size_t i = 0; i < count; i++)
        sent.elsewhere |= datagrams[i].to.via != VIA_DIRECT;
}

static void begin(void)
{
    static const uint8_t key[32] = {1};
    memset(&egress, 0, sizeof egress);
    memset(&sent, 0, sizeof sent);
    egress_init(&egress, NULL, (const uint8_t[FDB_HASH_KEY_BYTES]){0}, 0);
    egress.ops.transmit = transmit;
    egress.counters = &egress.counted;
    for (unsigned n = 0; n < SITE_PEERS_MAX; n++) {
        struct egress_peer *peer = &egress.peer[n];
        peer->path = (struct egress_path){
            .up = true, .usable_bytes = 1500, .mtu_bytes = 1500, .to.address.family = IP_V4};
        if (n != CARRIER)
            peer->path.to =
                (struct endpoint){.address = {IP_SITE, {(uint8_t)n}}, .via = VIA_PEER + CARRIER};
        if (n != CARRIER)
            peer->path.usable_bytes = peer->path.mtu_bytes = 1420;
        ck_assert(aead_init(&peer->sealer.key, SUITE_CHACHA20POLY1305, key));
    }
}

/* To each peer a few frames of that size, as a broadcast is sent. */
static void broadcast(size_t bytes)
{
    static const uint8_t frame[FRAME_MAX_BYTES];
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned n = 1; n < SITE_PEERS_MAX; n++)
            egress_send_own_frame(&egress, &egress.peer[n], frame, bytes);
}

START_TEST(many_that_are_passed_on_need_little_stack)
{
    for (size_t bytes = 60; bytes <= FRAME_MAX_BYTES; bytes += 31) {
        begin();
        sent.deepest = here();
        uintptr_t top = here();
        broadcast(bytes);
        for (unsigned n = 1; n < SITE_PEERS_MAX; n++)
            egress_release(&egress, &egress.peer[n]);
        egress_release(&egress, &egress.peer[CARRIER]);
        ck_assert_msg(top - sent.deepest <= STACK_MAX_BYTES, "frames of %zu: %lu bytes of stack",
                      bytes, (unsigned long)(top - sent.deepest));
        ck_assert(!sent.elsewhere);
        ck_assert_uint_eq(egress.counted.relay_dropped + egress.counted.too_large, 0);
        /* What is for each peer goes out, in datagrams of the one peer. */
        ck_assert_uint_ge((sent.datagrams + (unsigned)egress.batch_count) * 1500,
                          ROUNDS * (SITE_PEERS_MAX - 1) * bytes);
    }
}
END_TEST

START_TEST(the_batch_is_whole_again)
{
    begin();
    broadcast(FRAME_MAX_BYTES);
    ck_assert_uint_gt(egress.batch_kept, 0);
    for (unsigned n = 1; n < SITE_PEERS_MAX; n++)
        egress_release(&egress, &egress.peer[n]);
    ck_assert_uint_eq(egress.batch_kept + egress.batch_kept_bytes, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outgoing");
    TCase *batch = tcase_create("batch");
    tcase_add_test(batch, many_that_are_passed_on_need_little_stack);
    tcase_add_test(batch, the_batch_is_whole_again);
    suite_add_tcase(suite, batch);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
