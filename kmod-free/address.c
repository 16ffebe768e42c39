/* SPDX-License-Identifier: MIT
 *
 * address.c - see address.h.
 */
#include "address.h"

size_t ip_address_bytes(uint8_t family)
{
    return family == IP_V4 ? 4 : family == IP_V6 ? 16 : 0;
}

bool ip_equal(const struct ip_address *a, const struct ip_address *b)
{
    return a->family == b->family && memcmp(a->octet, b->octet, sizeof a->octet) == 0;
}

bool ip_is_unspecified(const struct ip_address *a)
{
    static const uint8_t zero[16];
    return a->family == IP_NONE || memcmp(a->octet, zero, sizeof zero) == 0;
}

bool ip_is_link_local(const struct ip_address *a)
{
    if (a->family == IP_V6)
        return a->octet[0] == 0xfe && (a->octet[1] & 0xc0) == 0x80;
    return a->family == IP_V4 && a->octet[0] == 169 && a->octet[1] == 254;
}

bool ip_is_loopback(const struct ip_address *a)
{
    static const uint8_t v6[16] = {[15] = 1};
    if (a->family == IP_V6)
        return memcmp(a->octet, v6, sizeof v6) == 0;
    return a->family == IP_V4 && a->octet[0] == 127;
}

bool ip_is_one_host(const struct ip_address *a)
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *o = a->octet;
    if (ip_is_unspecified(a) || ip_is_loopback(a))
        return false;
    if (a->family == IP_V4)
        return o[0] != 0 && o[0] < 224;
    return a->family == IP_V6 && o[0] != 0xff && memcmp(o, v4_mapped, sizeof v4_mapped) != 0;
}

bool ip_is_private(const struct ip_address *a)
{
    const uint8_t *o = a->octet;
    if (ip_is_unspecified(a) || ip_is_link_local(a) || ip_is_loopback(a))
        return true;
    if (a->family != IP_V4)
        return (o[0] & 0xfe) == 0xfc;
    return o[0] == 0 || o[0] == 10 || (o[0] == 172 && (o[1] & 0xf0) == 16) ||
           (o[0] == 192 && o[1] == 168) || (o[0] == 100 && (o[1] & 0xc0) == 64) ||
           (o[0] == 192 && o[1] == 0 && o[2] == 0 && o[3] < 8);
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return a->length_bits == b->length_bits && ip_equal(&a->address, &b->address);
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *a)
{
    unsigned bytes = prefix->length_bits / 8u, bits = prefix->length_bits % 8u;
    const uint8_t *p = prefix->address.octet;
    if (a->family != prefix->address.family || memcmp(a->octet, p, bytes) != 0)
        return false;
    return bits == 0 || ((a->octet[bytes] ^ p[bytes]) & (0xff00u >> bits) & 0xff) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && a->via == b->via && a->scope_id == b->scope_id &&
           ip_equal(&a->address, &b->address);
}
