/* SPDX-License-Identifier: MIT
 *
 * hosts.c - the table of this home's addresses; hosts.h says how it works.
 */
#include "frame/hosts.h"

#include "bytes.h"
#include "frame/neighbor.h"

#include <sodium.h>

static bool is_live(const struct hosts_entry *e, uint64_t now_us)
{
    return e->address.family != IP_NONE && now_us - e->seen_us < HOSTS_AGE_US;
}

/* First slot of an address's window. */
static size_t window_of(const struct hosts *hosts, const struct ip_address *address)
{
    uint8_t key[1 + sizeof address->octet], hash[crypto_shorthash_BYTES];
    key[0] = address->family;
    memcpy(key + 1, address->octet, sizeof address->octet);
    crypto_shorthash(hash, key, sizeof key, hosts->hash_key);
    return (size_t)(load_be64(hash) & (HOSTS_MAX - 1));
}

static struct hosts_entry *slot(struct hosts *hosts, size_t window, size_t i)
{
    return &hosts->entry[(window + i) & (HOSTS_MAX - 1)];
}

static const struct hosts_entry *find_live(struct hosts *hosts, const struct ip_address *address,
                                           uint64_t now_us)
{
    size_t window = window_of(hosts, address);
    for (size_t i = 0; i < HOSTS_WINDOW; i++) {
        const struct hosts_entry *e = slot(hosts, window, i);
        if (is_live(e, now_us) && ip_equal(&e->address, address))
            return e;
    }
    return NULL;
}

/* Free and aged slots count as older than any live one. */
static uint64_t age_us(const struct hosts_entry *e, uint64_t now_us)
{
    return is_live(e, now_us) ? now_us - e->seen_us : HOSTS_AGE_US;
}

/* The slot an address has, or the one to put it in. */
static struct hosts_entry *slot_for(struct hosts *hosts, const struct ip_address *address,
                                    uint64_t now_us)
{
    size_t window = window_of(hosts, address);
    struct hosts_entry *oldest = slot(hosts, window, 0);
    for (size_t i = 0; i < HOSTS_WINDOW; i++) {
        struct hosts_entry *e = slot(hosts, window, i);
        if (ip_equal(&e->address, address))
            return e;
        if (age_us(e, now_us) > age_us(oldest, now_us))
            oldest = e;
    }
    return oldest;
}

/* Private (RFC 1918), unique local (RFC 4193) or link-local. */
static bool is_private(const struct ip_address *a)
{
    const uint8_t *o = a->octet;
    if (ip_is_link_local(a))
        return true;
    if (a->family == IP_V6)
        return (o[0] & 0xfe) == 0xfc;
    return o[0] == 10 || (o[0] == 172 && (o[1] & 0xf0) == 16) || (o[0] == 192 && o[1] == 168);
}

static void put(struct hosts *hosts, const struct ip_address *address, const struct mac *mac,
                uint64_t now_us)
{
    if (!ip_is_one_host(address) || mac_is_group(mac) || mac_is_zero(mac))
        return;
    *slot_for(hosts, address, now_us) =
        (struct hosts_entry){.seen_us = now_us, .address = *address, .mac = *mac};
}

static bool is_group_udp(const struct packet *p)
{
    return (p->network == PACKET_IPV4 || p->network == PACKET_IPV6) &&
           p->protocol == IP_PROTOCOL_UDP && mac_is_group(&p->destination);
}

void hosts_init(struct hosts *hosts, const uint8_t hash_key[HOSTS_HASH_KEY_BYTES])
{
    memcpy(hosts->hash_key, hash_key, sizeof hosts->hash_key);
}

void hosts_learn(struct hosts *hosts, const struct packet *p, uint64_t now_us)
{
    struct neighbor n;
    if (neighbor_parse(p, &n)) {
        put(hosts, &n.claimed, &n.mac, now_us);
        /* An NA may speak for another address than the sender's own. */
        if (n.family == IP_V6 && !ip_equal(&n.sender, &n.claimed))
            put(hosts, &n.sender, &p->source, now_us);
    } else if (is_group_udp(p) && is_private(&p->ip_source)) {
        put(hosts, &p->ip_source, &p->source, now_us);
    }
}

static bool is_own(const struct ip_address *address, const struct ip_address *own, size_t own_count)
{
    for (size_t i = 0; i < own_count; i++)
        if (ip_equal(address, &own[i]))
            return true;
    return false;
}

bool hosts_blocks(struct hosts *hosts, const struct packet *p, const struct ip_address *own,
                  size_t own_count, const struct mac *own_mac, uint64_t now_us,
                  struct hosts_clash *clash)
{
    struct neighbor n;
    if (!neighbor_parse(p, &n))
        return false;
    const struct ip_address *wanted = n.probe ? &n.target : &n.claimed;
    if (ip_is_unspecified(wanted))
        return false;
    *clash = (struct hosts_clash){.address = *wanted, .local = *own_mac, .remote = n.mac};
    if (is_own(wanted, own, own_count))
        return true;
    const struct hosts_entry *held = find_live(hosts, wanted, now_us);
    if (!held || mac_equal(&held->mac, &n.mac))
        return false;
    clash->local = held->mac;
    return true;
}
