/* SPDX-License-Identifier: MIT
 *
 * site_info.c - code, decode and compare what a home says about itself.
 *
 * Encoding and decoding share one notion of validity, so whatever one end may say the other takes.
 */
#include "tunnel/site_info.h"

#include "bytes.h"
#include "cursor.h"

#include <string.h>

enum { FLAG_HUB = 1, FLAG_RELAYS = 2 };

static bool name_char_valid(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool site_name_valid(const char *name)
{
    size_t n = 0;
    while (n < SITE_NAME_MAX && name_char_valid(name[n]))
        n++;
    return n > 0 && name[n] == '\0';
}

static bool host_bits_zero(const struct ip_prefix *p)
{
    for (unsigned bit = p->length_bits; bit < 8 * ip_address_bytes(p->address.family); bit++)
        if (p->address.octet[bit / 8] & (0x80u >> bit % 8))
            return false;
    return true;
}

/* A length of 0 is no LAN: it would claim every address there is. */
static bool prefix_valid(const struct ip_prefix *p)
{
    return p->length_bits > 0 && p->length_bits <= 8 * ip_address_bytes(p->address.family) &&
           host_bits_zero(p);
}

static bool gateway_valid(const struct gateway *g)
{
    return ip_is_one_host(&g->address) && !mac_is_group(&g->mac);
}

static bool info_valid(const struct site_info *info)
{
    if (!site_name_valid(info->name) || info->prefix_count > SITE_PREFIXES_MAX ||
        info->gateways.count > GATEWAYS_MAX)
        return false;
    for (size_t i = 0; i < info->prefix_count; i++)
        if (!prefix_valid(&info->prefix[i]))
            return false;
    for (size_t i = 0; i < info->gateways.count; i++)
        if (!gateway_valid(&info->gateways.gateway[i]))
            return false;
    return true;
}

/* ---- encoding ---- */

/* Writes one item at @out, which has room for it, and returns where the next one goes. */
static uint8_t *put_item(uint8_t *out, enum site_info_type type, const void *value, size_t bytes)
{
    out[0] = (uint8_t)type;
    store_be16(out + 1, (uint16_t)bytes);
    memcpy(out + SITE_INFO_HEADER_BYTES, value, bytes);
    return out + SITE_INFO_HEADER_BYTES + bytes;
}

static uint8_t *put_prefix(uint8_t *out, const struct ip_prefix *prefix)
{
    uint8_t value[2 + 16] = {prefix->address.family, prefix->length_bits};
    size_t octets = ip_address_bytes(prefix->address.family);
    memcpy(value + 2, prefix->address.octet, octets);
    return put_item(out, SITE_INFO_PREFIX, value, 2 + octets);
}

static uint8_t *put_gateway(uint8_t *out, const struct gateway *gateway)
{
    uint8_t value[1 + 16 + 6] = {gateway->address.family};
    size_t octets = ip_address_bytes(gateway->address.family);
    memcpy(value + 1, gateway->address.octet, octets);
    memcpy(value + 1 + octets, gateway->mac.octet, sizeof gateway->mac.octet);
    return put_item(out, SITE_INFO_GATEWAY, value, 1 + octets + sizeof gateway->mac.octet);
}

size_t site_info_encode(const struct site_info *info, uint8_t *out, size_t capacity)
{
    uint8_t bytes[SITE_INFO_MAX_BYTES], *end = bytes;
    uint8_t flags = (uint8_t)((info->hub ? FLAG_HUB : 0) | (info->relays ? FLAG_RELAYS : 0));

    if (!info_valid(info))
        return 0;
    end = put_item(end, SITE_INFO_NAME, info->name, strlen(info->name));
    end = put_item(end, SITE_INFO_FLAGS, &flags, 1);
    for (size_t i = 0; i < info->prefix_count; i++)
        end = put_prefix(end, &info->prefix[i]);
    for (size_t i = 0; i < info->gateways.count; i++)
        end = put_gateway(end, &info->gateways.gateway[i]);

    size_t count = (size_t)(end - bytes);
    if (count > capacity)
        return 0;
    memcpy(out, bytes, count);
    return count;
}

/* ---- decoding ---- */

static bool take_name(struct site_info *info, struct cursor *value)
{
    const uint8_t *text;
    size_t bytes = cursor_left(value);
    if (info->name[0] != '\0' || bytes > SITE_NAME_MAX || !cursor_take(value, bytes, &text))
        return false;
    memcpy(info->name, text, bytes);
    return strlen(info->name) == bytes && site_name_valid(info->name);
}

static bool take_address(struct cursor *value, struct ip_address *out)
{
    const uint8_t *octets;
    size_t count = ip_address_bytes(out->family);
    if (count == 0 || !cursor_take(value, count, &octets))
        return false;
    memcpy(out->octet, octets, count);
    return true;
}

static bool take_prefix(struct site_info *info, struct cursor *value)
{
    struct ip_prefix prefix = {.length_bits = 0};
    if (info->prefix_count == SITE_PREFIXES_MAX || !cursor_u8(value, &prefix.address.family) ||
        !cursor_u8(value, &prefix.length_bits) || !take_address(value, &prefix.address))
        return false;
    info->prefix[info->prefix_count++] = prefix;
    return prefix_valid(&prefix);
}

static bool take_gateway(struct site_info *info, struct cursor *value)
{
    struct gateway gateway = {.address = {.family = IP_NONE}};
    const uint8_t *mac;
    if (info->gateways.count == GATEWAYS_MAX || !cursor_u8(value, &gateway.address.family) ||
        !take_address(value, &gateway.address) ||
        !cursor_take(value, sizeof gateway.mac.octet, &mac))
        return false;
    memcpy(gateway.mac.octet, mac, sizeof gateway.mac.octet);
    info->gateways.gateway[info->gateways.count++] = gateway;
    return gateway_valid(&gateway);
}

/* Leaves in @value what is too much. */
static bool take_value(struct site_info *info, uint8_t type, struct cursor *value, bool *flags_seen)
{
    uint8_t flags;
    switch (type) {
    case SITE_INFO_NAME:
        return take_name(info, value);
    case SITE_INFO_FLAGS:
        if (*flags_seen || !cursor_u8(value, &flags))
            return false;
        *flags_seen = true;
        info->hub = (flags & FLAG_HUB) != 0;
        info->relays = (flags & FLAG_RELAYS) != 0;
        return true;
    case SITE_INFO_PREFIX:
        return take_prefix(info, value);
    case SITE_INFO_GATEWAY:
        return take_gateway(info, value);
    default:
        return cursor_skip(value, cursor_left(value));
    }
}

static bool take_all(struct site_info *info, struct cursor *c)
{
    bool flags_seen = false;
    while (cursor_left(c) > 0) {
        uint8_t type;
        uint16_t bytes;
        const uint8_t *start;
        if (!cursor_u8(c, &type) || !cursor_u16(c, &bytes) || !cursor_take(c, bytes, &start))
            return false;
        struct cursor value = cursor_over(start, bytes);
        if (!take_value(info, type, &value, &flags_seen) || cursor_left(&value) != 0)
            return false;
    }
    return info->name[0] != '\0';
}

bool site_info_decode(struct site_info *info, const uint8_t *bytes, size_t count)
{
    struct cursor c = cursor_over(bytes, count);
    memset(info, 0, sizeof *info);
    if (take_all(info, &c))
        return true;
    memset(info, 0, sizeof *info);
    return false;
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
    if (strcmp(a->name, b->name) != 0 || a->hub != b->hub || a->relays != b->relays ||
        a->prefix_count != b->prefix_count)
        return false;
    for (size_t i = 0; i < a->prefix_count; i++)
        if (!ip_prefix_equal(&a->prefix[i], &b->prefix[i]))
            return false;
    return gateways_equal(&a->gateways, &b->gateways);
}
