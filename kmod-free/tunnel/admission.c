/* SPDX-License-Identifier: MIT
 *
 * admission.c - see admission.h.
 */
#include "tunnel/admission.h"

#include "rate.h"

#include <sodium.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

void admission_init(struct admission *a, const uint8_t hash_key[16])
{
    memset(a, 0, sizeof *a);
    memcpy(a->hash_key, hash_key, sizeof a->hash_key);
}

enum admission_verdict admission_check(struct admission *a, uint64_t now_us)
{
    bool few = rate_admits(&a->all_us, SECOND_US / ADMISSION_PER_SECOND, ADMISSION_BURST, now_us);
    return few ? ADMIT : ADMIT_WITH_COOKIE;
}

bool admission_check_source(struct admission *a, const struct ip_address *source, uint64_t now_us)
{
    _Static_assert(crypto_shorthash_KEYBYTES == 16, "hash_key's size");
    uint8_t hash[crypto_shorthash_BYTES];
    struct ip_address network = *source;
    if (network.family == IP_V6) /* a customer has a whole /64 to invent addresses from */
        memset(network.octet + 8, 0, 8);
    crypto_shorthash(hash, (const uint8_t *)&network, sizeof network, a->hash_key);
    return rate_admits(&a->source_us[hash[0]], SECOND_US / ADMISSION_SOURCE_PER_SECOND,
                       ADMISSION_SOURCE_BURST, now_us);
}

bool admission_check_cookie(struct admission *a, uint64_t now_us)
{
    return rate_admits(&a->cookies_us, SECOND_US / ADMISSION_COOKIES_PER_SECOND,
                       ADMISSION_COOKIES_BURST, now_us);
}
