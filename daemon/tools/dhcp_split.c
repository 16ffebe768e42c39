/* SPDX-License-Identifier: MIT
 *
 * dhcp_split.c - see dhcp_split.h. Reckons in host numbers, which begin at 0 with the subnet's own
 * address.
 */
#include "dhcp_split.h"

#include "bytes.h"

enum {
    ROOMY_HOSTS = 64, /* a subnet from this size on has room by hand: */
    BY_HAND_FIRST = 10,
    BY_HAND_LAST = 5,
    ROUND = 10,
};

struct range {
    uint32_t first, last; /* both included */
};

static uint32_t hosts_of(const struct ip_prefix *prefix)
{
    return prefix->length_bits == 0 ? UINT32_MAX : UINT32_C(1) << (32 - prefix->length_bits);
}

uint32_t dhcp_pool_host(const struct ip_prefix *prefix, const struct ip_address *address)
{
    return load_be32(address->octet) - load_be32(prefix->address.octet);
}

static struct ip_address address_of(const struct ip_prefix *prefix, uint32_t host)
{
    uint8_t octets[4];

    store_be32(octets, load_be32(prefix->address.octet) + host);
    return ip_v4(octets);
}

/* The larger of the parts beside @host. */
static void leave_out(struct range *range, uint32_t host)
{
    if (host < range->first || host > range->last)
        return;
    if (host - range->first > range->last - host)
        range->last = host - 1;
    else
        range->first = host + 1;
}

bool dhcp_split(const struct ip_prefix *prefix, unsigned homes, unsigned n,
                const struct ip_address *fixed, size_t fixed_count, struct dhcp_pool *out)
{
    uint32_t hosts, first, last, share;
    struct range range;

    if (prefix->address.family != IP_V4 || prefix->length_bits > 30 || homes == 0)
        return false;
    hosts = hosts_of(prefix);
    first = hosts >= ROOMY_HOSTS ? BY_HAND_FIRST : 1;
    last = hosts - 1 - (hosts >= ROOMY_HOSTS ? BY_HAND_LAST : 1);
    share = (last - first + 1) / homes;
    if (share >= 2 * ROUND)
        share -= share % ROUND;
    if (share == 0)
        return false;
    range = (struct range){first + n * share, first + n * share + share - 1};
    for (size_t i = 0; i < fixed_count; i++)
        if (fixed[i].family == IP_V4)
            leave_out(&range, dhcp_pool_host(prefix, &fixed[i]));
    out->first = address_of(prefix, range.first);
    out->last = address_of(prefix, range.last);
    return range.first <= range.last;
}
