/* SPDX-License-Identifier: MIT
 *
 * attestation.c - see attestation.h.
 */
#include "tunnel/attestation.h"

#include "bytes.h"

#include <string.h>

void attestation_init(struct attestation *a, uint64_t seed, uint8_t each, uint64_t lasts_us)
{
    memset(a, 0, sizeof *a);
    a->seed = seed;
    a->each = each;
    a->lasts_us = lasts_us;
}

bool attestation_has(const struct attestation *a, const struct ip_address *address)
{
    for (size_t i = 0; i < a->count; i++)
        if (ip_equal(&a->address[i], address))
            return true;
    return false;
}

void attestation_add(struct attestation *a, const struct ip_address *address)
{
    if ((address->family != IP_V4 && address->family != IP_V6) || attestation_has(a, address))
        return;
    a->address[a->next] = *address;
    a->next = (uint8_t)((a->next + 1) % ATTESTATION_ADDRESSES_MAX);
    if (a->count < ATTESTATION_ADDRESSES_MAX)
        a->count++;
}

/* A multiplication and a fold for each half: enough for counting, where the seed is secret. */
static size_t hash(const struct attestation *a, const struct ip_address *address)
{
    uint64_t h = a->seed ^ address->family;
    for (size_t i = 0; i < sizeof address->octet; i += 8) {
        h = (h ^ load_be64(&address->octet[i])) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return (size_t)(h % ATTESTATION_HASHES);
}

uint64_t attestation_ready_us(const struct attestation *a, const struct ip_address *address)
{
    const struct attestation_budget *b = &a->budget[hash(a, address)];
    return b->used < a->each ? 0 : b->since_us + a->lasts_us;
}

bool attestation_take(struct attestation *a, const struct ip_address *address, uint64_t now_us)
{
    struct attestation_budget *b = &a->budget[hash(a, address)];
    if (b->used == 0 || now_us - b->since_us >= a->lasts_us)
        *b = (struct attestation_budget){.since_us = now_us};
    if (b->used == a->each)
        return false;
    b->used++;
    return true;
}
