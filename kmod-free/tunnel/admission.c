/* SPDX-License-Identifier: MIT
 *
 * admission.c - see admission.h. Token buckets whose tokens are microseconds.
 */
#include "tunnel/admission.h"

#include <sodium.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

static bool bucket_take(struct admission_bucket *b, uint64_t per_second, uint64_t burst,
                        uint64_t now_us)
{
    uint64_t cost = SECOND_US / per_second, full = cost * burst;
    uint64_t passed = now_us > b->filled_us ? now_us - b->filled_us : 0;

    b->tokens_us = passed >= full - b->tokens_us ? full : b->tokens_us + passed;
    b->filled_us = now_us;
    if (b->tokens_us < cost)
        return false;
    b->tokens_us -= cost;
    return true;
}

void admission_init(struct admission *a, const uint8_t hash_key[16], uint64_t now_us)
{
    memset(a, 0, sizeof *a);
    memcpy(a->hash_key, hash_key, sizeof a->hash_key);
    a->all = (struct admission_bucket){SECOND_US / ADMISSION_PER_SECOND * ADMISSION_BURST, now_us};
    a->cookies = (struct admission_bucket){
        SECOND_US / ADMISSION_COOKIES_PER_SECOND * ADMISSION_COOKIES_BURST, now_us};
    for (unsigned i = 0; i < ADMISSION_SOURCES; i++)
        a->source[i] = (struct admission_bucket){
            SECOND_US / ADMISSION_SOURCE_PER_SECOND * ADMISSION_SOURCE_BURST, now_us};
}

enum admission_verdict admission_check(struct admission *a, uint64_t now_us)
{
    return bucket_take(&a->all, ADMISSION_PER_SECOND, ADMISSION_BURST, now_us) ? ADMIT
                                                                               : ADMIT_WITH_COOKIE;
}

bool admission_check_source(struct admission *a, const struct ip_address *source, uint64_t now_us)
{
    _Static_assert(crypto_shorthash_KEYBYTES == 16, "hash_key's size");
    uint8_t hash[crypto_shorthash_BYTES];
    struct ip_address network = *source;
    if (network.family == IP_V6) /* a customer has a whole /64 to invent addresses from */
        memset(network.octet + 8, 0, 8);
    crypto_shorthash(hash, (const uint8_t *)&network, sizeof network, a->hash_key);
    return bucket_take(&a->source[hash[0]], ADMISSION_SOURCE_PER_SECOND, ADMISSION_SOURCE_BURST,
                       now_us);
}

bool admission_check_cookie(struct admission *a, uint64_t now_us)
{
    return bucket_take(&a->cookies, ADMISSION_COOKIES_PER_SECOND, ADMISSION_COOKIES_BURST, now_us);
}
