/* SPDX-License-Identifier: MIT
 *
 * site_info.c - see site_info.h.
 */
#include "tunnel/site_info.h"

#include "bytes.h"
#include "frame/cursor.h"

#include <string.h>

enum info_type { INFO_NAME = 1, INFO_FLAGS = 2, INFO_PREFIX = 3, INFO_GATEWAY = 4 };
enum { FLAG_HUB = 1, ITEM_HEADER_BYTES = 3 };

static bool name_char_valid(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool site_name_valid(const char *name)
{
    size_t n = 0;
    while (n <= SITE_NAME_MAX && name[n] != '\0' && name_char_valid((uint8_t)name[n]))
        n++;
    return n >= 1 && n <= SITE_NAME_MAX && name[n] == '\0';
}

static size_t family_bytes(uint8_t family)
{
    return family == IP_V4 ? 4 : family == IP_V6 ? 16 : 0;
}

/* ---- encoding ---- */

struct writer {
    uint8_t *bytes;
    size_t capacity, used;
    bool overflow;
};

static void put_item(struct writer *w, enum info_type type, const uint8_t *value, size_t bytes)
{
    if (w->overflow || w->capacity - w->used < ITEM_HEADER_BYTES + bytes) {
        w->overflow = true;
        return;
    }
    w->bytes[w->used] = (uint8_t)type;
    store_be16(w->bytes + w->used + 1, (uint16_t)bytes);
    memcpy(w->bytes + w->used + ITEM_HEADER_BYTES, value, bytes);
    w->used += ITEM_HEADER_BYTES + bytes;
}

static void put_prefix(struct writer *w, const struct ip_prefix *prefix)
{
    uint8_t value[18] = {prefix->address.family, prefix->length_bits};
    size_t n = family_bytes(prefix->address.family);
    memcpy(value + 2, prefix->address.octet, n);
    put_item(w, INFO_PREFIX, value, 2 + n);
}

static void put_gateway(struct writer *w, const struct gateway *gateway)
{
    uint8_t value[23] = {gateway->address.family};
    size_t n = family_bytes(gateway->address.family);
    memcpy(value + 1, gateway->address.octet, n);
    memcpy(value + 1 + n, gateway->mac.octet, 6);
    put_item(w, INFO_GATEWAY, value, 1 + n + 6);
}

size_t site_info_encode(const struct site_info *info, uint8_t *out, size_t capacity)
{
    struct writer w = {.bytes = out, .capacity = capacity};
    uint8_t flags = info->hub ? FLAG_HUB : 0;

    put_item(&w, INFO_NAME, (const uint8_t *)info->name, strlen(info->name));
    put_item(&w, INFO_FLAGS, &flags, 1);
    for (size_t i = 0; i < info->prefix_count; i++)
        put_prefix(&w, &info->prefix[i]);
    for (size_t i = 0; i < info->gateways.count; i++)
        put_gateway(&w, &info->gateways.gateway[i]);
    return w.overflow ? 0 : w.used;
}

/* ---- decoding ---- */

static bool take_name(struct site_info *info, struct cursor *c)
{
    const uint8_t *bytes;
    size_t n = cursor_left(c);
    if (n < 1 || n > SITE_NAME_MAX || !cursor_take(c, n, &bytes))
        return false;
    memcpy(info->name, bytes, n);
    info->name[n] = '\0';
    return site_name_valid(info->name) && strlen(info->name) == n;
}

static bool take_address(struct cursor *c, uint8_t family, struct ip_address *out)
{
    const uint8_t *octets;
    size_t n = family_bytes(family);
    if (n == 0 || !cursor_take(c, n, &octets))
        return false;
    *out = family == IP_V4 ? ip_v4(octets) : ip_v6(octets);
    return true;
}

static bool host_bits_are_zero(const struct ip_prefix *p)
{
    struct ip_address ones = p->address;
    for (unsigned bit = p->length_bits; bit < 8 * family_bytes(p->address.family); bit++)
        ones.octet[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return ip_equal(&ones, &p->address);
}

static bool take_prefix(struct site_info *info, struct cursor *c)
{
    struct ip_prefix p = {.length_bits = 0};
    uint8_t family;
    if (!cursor_u8(c, &family) || !cursor_u8(c, &p.length_bits) ||
        !take_address(c, family, &p.address) || cursor_left(c) != 0)
        return false;
    if (p.length_bits > 8 * family_bytes(family) || !host_bits_are_zero(&p))
        return false;
    if (info->prefix_count < SITE_PREFIXES_MAX)
        info->prefix[info->prefix_count++] = p;
    return true;
}

static bool take_gateway(struct site_info *info, struct cursor *c)
{
    struct gateway g;
    const uint8_t *mac;
    uint8_t family;
    if (!cursor_u8(c, &family) || !take_address(c, family, &g.address) ||
        !cursor_take(c, sizeof g.mac.octet, &mac) || cursor_left(c) != 0)
        return false;
    memcpy(g.mac.octet, mac, sizeof g.mac.octet);
    if (ip_is_unspecified(&g.address))
        return false;
    if (info->gateways.count < GATEWAYS_MAX)
        info->gateways.gateway[info->gateways.count++] = g;
    return true;
}

static bool take_item(struct site_info *info, uint8_t type, struct cursor *value)
{
    uint8_t flags;
    switch (type) {
    case INFO_NAME:
        return take_name(info, value);
    case INFO_FLAGS:
        if (!cursor_u8(value, &flags))
            return false;
        info->hub = (flags & FLAG_HUB) != 0;
        return true;
    case INFO_PREFIX:
        return take_prefix(info, value);
    case INFO_GATEWAY:
        return take_gateway(info, value);
    default:
        return true;
    }
}

bool site_info_decode(struct site_info *info, const uint8_t *bytes, size_t count)
{
    struct cursor c = cursor_over(bytes, count);
    memset(info, 0, sizeof *info);
    while (cursor_left(&c) > 0) {
        uint8_t type;
        uint16_t length;
        const uint8_t *value;
        if (!cursor_u8(&c, &type) || !cursor_u16(&c, &length) || !cursor_take(&c, length, &value))
            return false;
        struct cursor in = cursor_over(value, length);
        if (!take_item(info, type, &in))
            return false;
    }
    return info->name[0] != '\0';
}

/* ---- comparing ---- */

static bool gateways_equal(const struct gateway_set *a, const struct gateway_set *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!ip_equal(&a->gateway[i].address, &b->gateway[i].address) ||
            !mac_equal(&a->gateway[i].mac, &b->gateway[i].mac))
            return false;
    return true;
}

bool site_info_equal(const struct site_info *a, const struct site_info *b)
{
    if (strcmp(a->name, b->name) != 0 || a->hub != b->hub || a->prefix_count != b->prefix_count)
        return false;
    for (size_t i = 0; i < a->prefix_count; i++)
        if (!ip_prefix_equal(&a->prefix[i], &b->prefix[i]))
            return false;
    return gateways_equal(&a->gateways, &b->gateways);
}
