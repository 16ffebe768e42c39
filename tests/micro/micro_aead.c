/* SPDX-License-Identifier: MIT
 *
 * micro_aead.c - what sealing and opening a message costs, per suite that this machine has.
 *
 * Messages of 64 and 1400 bytes, one after the other from a ring that does not fit the first cache,
 * as they come from a TAP. Each number is the best of several rounds: whatever else the machine
 * does can only add to it.
 */
#include "crypto/aead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    AAD_BYTES = 16,
    SLOTS = 64,
    SLOT_BYTES = 1536, /* a message and its tag */
    ROUNDS = 15,
    ROUND_MESSAGES = 4096,
};

static uint8_t plain[SLOTS][SLOT_BYTES], sealed[SLOTS][SLOT_BYTES];
static const uint8_t aad[AAD_BYTES];

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Each takes a counter and a message's length; the slot follows from the counter. */

static void seal_there(const struct aead_key *key, uint64_t counter, size_t bytes)
{
    size_t slot = counter % SLOTS;

    aead_seal_from(key, counter, aad, AAD_BYTES, sealed[slot], plain[slot], bytes);
}

static void seal_in_place(const struct aead_key *key, uint64_t counter, size_t bytes)
{
    aead_seal(key, counter, aad, AAD_BYTES, plain[counter % SLOTS], bytes);
}

/* Sealed once with the slot's number as counter, and copied, as opening destroys it. */
static void open_copy(const struct aead_key *key, uint64_t counter, size_t bytes)
{
    size_t slot = counter % SLOTS, sealed_bytes = bytes + aead_tag_bytes(key->suite);

    memcpy(plain[slot], sealed[slot], sealed_bytes);
    if (!aead_open(key, slot, aad, AAD_BYTES, plain[slot], sealed_bytes))
        abort();
}

static double best_ns(const struct aead_key *key, size_t bytes,
                      void (*work)(const struct aead_key *, uint64_t, size_t))
{
    double best = 1e18;

    for (uint64_t i = 0; i < SLOTS; i++)
        seal_there(key, i, bytes);
    for (unsigned round = 0; round < ROUNDS; round++) {
        double begin = now_ns(), took;

        for (uint64_t i = 0; i < ROUND_MESSAGES; i++)
            work(key, i, bytes);
        took = (now_ns() - begin) / ROUND_MESSAGES;
        best = took < best ? took : best;
    }
    return best;
}

static void measure(enum suite suite)
{
    static const size_t sizes[] = {64, 1400};
    static const uint8_t material[AEAD_KEY_MATERIAL_BYTES] = {1};
    struct aead_key key;

    if (!aead_init(&key, suite, material)) {
        printf("%-17s not on this machine\n", aead_name(suite));
        return;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        double there = best_ns(&key, sizes[i], seal_there);

        printf("%-17s %5zu %8.0f %8.0f %9.0f %8.2f\n", aead_name(suite), sizes[i],
               best_ns(&key, sizes[i], seal_in_place), there, best_ns(&key, sizes[i], open_copy),
               (double)sizes[i] / there);
    }
}

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    printf("libsodium %s; ns per message\n", sodium_version_string());
    printf("%-17s %5s %8s %8s %9s %8s\n", "suite", "bytes", "in place", "to there", "copy+open",
           "GB/s");
    for (unsigned i = 1; aead_name((enum suite)i); i++)
        measure((enum suite)i);
    return EXIT_SUCCESS;
}
