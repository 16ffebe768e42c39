/* SPDX-License-Identifier: MIT
 *
 * fdb.c - forwarding database and the notice of flapping addresses; fdb.h says how it works.
 */
#include "frame/fdb.h"

#include "bytes.h"

#include <sodium.h>

static bool is_live(const struct fdb_entry *e, uint64_t now_us)
{
    return e->used && now_us - e->seen_us < FDB_AGE_US;
}

static bool is_for(const struct fdb_entry *e, const struct mac *mac, uint16_t vlan_id)
{
    return e->used && e->vlan_id == vlan_id && mac_equal(&e->mac, mac);
}

/* First slot of an address's window. */
static size_t window_of(const struct fdb *f, const struct mac *mac, uint16_t vlan_id)
{
    uint8_t key[8], hash[crypto_shorthash_BYTES];
    memcpy(key, mac->octet, sizeof mac->octet);
    store_be16(key + 6, vlan_id);
    crypto_shorthash(hash, key, sizeof key, f->hash_key);
    return (size_t)load_be64(hash) & f->mask;
}

static struct fdb_entry *slot(const struct fdb *f, size_t window, size_t i)
{
    return &f->entry[(window + i) & f->mask];
}

static struct fdb_entry *find(const struct fdb *f, const struct mac *mac, uint16_t vlan_id)
{
    size_t window = window_of(f, mac, vlan_id);
    for (size_t i = 0; i < FDB_WINDOW; i++)
        if (is_for(slot(f, window, i), mac, vlan_id))
            return slot(f, window, i);
    return NULL;
}

static struct fdb_entry *find_reusable(const struct fdb *f, const struct mac *mac, uint16_t vlan_id,
                                       uint64_t now_us)
{
    size_t window = window_of(f, mac, vlan_id);
    for (size_t i = 0; i < FDB_WINDOW; i++)
        if (!is_live(slot(f, window, i), now_us))
            return slot(f, window, i);
    return NULL;
}

static void drop(struct fdb *f, struct fdb_entry *e)
{
    if (e->used)
        f->stored[e->port]--;
    e->used = false;
}

static void sweep(struct fdb *f, uint64_t now_us)
{
    if (f->swept && now_us - f->swept_us < FDB_SWEEP_US)
        return;
    f->swept = true;
    f->swept_us = now_us;
    for (size_t i = 0; i <= f->mask; i++)
        if (!is_live(&f->entry[i], now_us))
            drop(f, &f->entry[i]);
}

static bool has_room(struct fdb *f, uint16_t port, uint64_t now_us)
{
    if (f->stored[port] >= f->cap_per_port)
        sweep(f, now_us);
    return f->stored[port] < f->cap_per_port;
}

void fdb_init(struct fdb *f, struct fdb_entry *entries, size_t capacity, const uint8_t hash_key[16],
              uint16_t cap_per_port)
{
    memset(f, 0, sizeof *f);
    memset(entries, 0, capacity * sizeof *entries);
    f->entry = entries;
    f->mask = capacity - 1;
    f->cap_per_port = cap_per_port;
    memcpy(f->hash_key, hash_key, sizeof f->hash_key);
}

static enum fdb_learned add(struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint16_t port,
                            uint64_t now_us)
{
    if (!has_room(f, port, now_us))
        return FDB_FULL;
    struct fdb_entry *e = find_reusable(f, mac, vlan_id, now_us);
    if (!e)
        return FDB_FULL;
    drop(f, e);
    *e = (struct fdb_entry){
        .seen_us = now_us, .mac = *mac, .vlan_id = vlan_id, .port = port, .used = true};
    f->stored[port]++;
    return FDB_NEW;
}

static enum fdb_learned move(struct fdb *f, struct fdb_entry *e, uint16_t port, uint64_t now_us)
{
    if (!has_room(f, port, now_us))
        return FDB_FULL;
    f->stored[e->port]--;
    f->stored[port]++;
    e->port = port;
    e->seen_us = now_us;
    return FDB_MOVED;
}

enum fdb_learned fdb_learn(struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint16_t port,
                           uint64_t now_us)
{
    if (mac_is_group(mac) || mac_is_zero(mac))
        return FDB_KNOWN;
    if (port >= FDB_PORTS_MAX)
        return FDB_FULL;

    struct fdb_entry *e = find(f, mac, vlan_id);
    if (e && !is_live(e, now_us)) {
        drop(f, e);
        e = NULL;
    }
    if (!e)
        return add(f, mac, vlan_id, port, now_us);
    if (e->port != port)
        return move(f, e, port, now_us);
    e->seen_us = now_us;
    return FDB_KNOWN;
}

int fdb_lookup(const struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint64_t now_us)
{
    const struct fdb_entry *e = find(f, mac, vlan_id);
    return e && is_live(e, now_us) ? e->port : -1;
}

bool fdb_seen_within(const struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint64_t age_us,
                     uint64_t now_us)
{
    const struct fdb_entry *e = find(f, mac, vlan_id);
    return e && now_us - e->seen_us <= age_us;
}

void fdb_forget(struct fdb *f, const struct mac *mac, uint16_t vlan_id)
{
    struct fdb_entry *e = find(f, mac, vlan_id);
    if (e)
        drop(f, e);
}

void fdb_forget_port(struct fdb *f, uint16_t port)
{
    for (size_t i = 0; i <= f->mask; i++)
        if (f->entry[i].used && f->entry[i].port == port)
            drop(f, &f->entry[i]);
}

unsigned fdb_count(const struct fdb *f, uint16_t port, uint64_t now_us)
{
    unsigned count = 0;
    for (size_t i = 0; i <= f->mask; i++)
        if (f->entry[i].port == port && is_live(&f->entry[i], now_us))
            count++;
    return count;
}

/* The entry may be given to another address: it neither moves any more nor has to stay quiet. */
static bool flap_is_idle(const struct flap_entry *e, uint64_t now_us)
{
    if (e->moves == 0)
        return true;
    uint64_t last_us = e->moved_us[(e->next + FLAP_MOVES - 1) % FLAP_MOVES];
    return now_us - last_us > FLAP_WITHIN_US && !(e->told && now_us - e->told_us < FLAP_QUIET_US);
}

static struct flap_entry *flap_entry_for(struct flap *flap, const struct mac *mac, uint64_t now_us)
{
    struct flap_entry *idle = NULL;
    for (size_t i = 0; i < FLAP_ENTRIES; i++) {
        struct flap_entry *e = &flap->entry[i];
        if (e->moves != 0 && mac_equal(&e->mac, mac))
            return e;
        if (!idle && flap_is_idle(e, now_us))
            idle = e;
    }
    if (idle)
        *idle = (struct flap_entry){.mac = *mac};
    return idle;
}

bool flap_notice(struct flap *flap, const struct mac *mac, uint64_t now_us)
{
    struct flap_entry *e = flap_entry_for(flap, mac, now_us);
    if (!e)
        return false;
    e->moved_us[e->next] = now_us;
    e->next = (uint8_t)((e->next + 1) % FLAP_MOVES);
    if (e->moves < FLAP_MOVES)
        e->moves++;

    /* With a full ring, the next move overwrites the oldest. */
    bool flaps = e->moves == FLAP_MOVES && now_us - e->moved_us[e->next] <= FLAP_WITHIN_US;
    if (!flaps || (e->told && now_us - e->told_us < FLAP_QUIET_US))
        return false;
    e->told = true;
    e->told_us = now_us;
    return true;
}
