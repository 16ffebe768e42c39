/* SPDX-License-Identifier: MIT
 *
 * fdb.c - forwarding database and the notice of flapping addresses; fdb.h says how it works.
 */
#include "frame/fdb.h"

#include "bytes.h"

#include <sodium.h>

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a reader must never wait for a lock");

/* A load that keeps no order: all the owner needs, as nobody else stores. */
static uint32_t peek(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static uint32_t get(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static void put(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

/* An address of a VLAN as entries hold it, and the first slot of its window. */
struct sought {
    uint32_t key[2];
    size_t window;
};

static struct sought sought(const struct fdb *f, const struct mac *mac, uint16_t vlan_id)
{
    uint8_t key[8], hash[crypto_shorthash_BYTES];
    memcpy(key, mac->octet, sizeof mac->octet);
    store_be16(key + 6, vlan_id);
    crypto_shorthash(hash, key, sizeof key, f->hash_key);
    return (struct sought){.key = {load_be32(key), load_be32(key + 4)},
                           .window = (size_t)load_be64(hash) & f->mask};
}

static struct fdb_entry *slot(const struct fdb *f, const struct sought *s, size_t i)
{
    return &f->entry[(s->window + i) & f->mask];
}

/* A reader passes by the other addresses with this and asks read_entry() about the one. */
static bool is_for(const struct fdb_entry *e, const struct sought *s)
{
    return peek(&e->key[1]) == s->key[1] && peek(&e->key[0]) == s->key[0];
}

/* 0 for a time to come: the owner's clock may be ahead of a reader's. */
static uint64_t us_since(uint64_t seen_us, uint64_t now_us)
{
    return seen_us - now_us <= INT64_MAX ? 0 : now_us - seen_us;
}

/* What a reader learns of an address. */
struct sighting {
    uint32_t place;
    uint64_t seen_us;
};

/* Read an entry as it was at one moment; true when it was @s's then. Only 2^31 writings of the slot
 * during one reading could deceive it. */
static bool read_entry(const struct fdb_entry *e, const struct sought *s, struct sighting *out)
{
    for (unsigned try = 0; try < FDB_READ_TRIES; try++) {
        uint32_t sequence = get(&e->sequence);
        bool is_it = get(&e->key[0]) == s->key[0] && get(&e->key[1]) == s->key[1];
        out->place = get(&e->place) & ~FDB_AGAIN;
        out->seen_us = (uint64_t)get(&e->seen_high_us) << 32 | get(&e->seen_low_us);
        /* No load above may be done after this one: each acquires. */
        if (sequence % 2 == 0 && peek(&e->sequence) == sequence)
            return is_it && out->place != 0;
    }
    return false;
}

static bool find_as_reader(const struct fdb *f, const struct mac *mac, uint16_t vlan_id,
                           struct sighting *out)
{
    struct sought s = sought(f, mac, vlan_id);
    for (size_t i = 0; i < FDB_WINDOW; i++)
        if (is_for(slot(f, &s, i), &s) && read_entry(slot(f, &s, i), &s, out))
            return true;
    return false;
}

int fdb_lookup(const struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint64_t now_us)
{
    struct sighting seen;
    bool live =
        find_as_reader(f, mac, vlan_id, &seen) && us_since(seen.seen_us, now_us) < FDB_AGE_US;
    return live ? (int)seen.place - 1 : -1;
}

bool fdb_seen_within(const struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint64_t age_us,
                     uint64_t now_us)
{
    struct sighting seen;
    return find_as_reader(f, mac, vlan_id, &seen) && us_since(seen.seen_us, now_us) <= age_us;
}

/* From here on, what only the owner may call. */

static uint64_t seen_us(const struct fdb_entry *e)
{
    return (uint64_t)peek(&e->seen_high_us) << 32 | peek(&e->seen_low_us);
}

static bool is_live(const struct fdb_entry *e, uint64_t now_us)
{
    return peek(&e->place) != 0 && us_since(seen_us(e), now_us) < FDB_AGE_US;
}

/* port + 1, or 0 */
static uint32_t place_of(const struct fdb_entry *e)
{
    return peek(&e->place) & ~FDB_AGAIN;
}

static bool is_behind(const struct fdb_entry *e, uint16_t port)
{
    return place_of(e) == port + UINT32_C(1);
}

static struct fdb_entry *find(const struct fdb *f, const struct sought *s)
{
    for (size_t i = 0; i < FDB_WINDOW; i++)
        if (is_for(slot(f, s, i), s) && peek(&slot(f, s, i)->place) != 0)
            return slot(f, s, i);
    return NULL;
}

static struct fdb_entry *find_reusable(const struct fdb *f, const struct sought *s, uint64_t now_us)
{
    for (size_t i = 0; i < FDB_WINDOW; i++)
        if (!is_live(slot(f, s, i), now_us))
            return slot(f, s, i);
    return NULL;
}

/* Before and after the stores of a writing: to odd, which readers do not believe, and to even. */
static void next_sequence(struct fdb_entry *e)
{
    put(&e->sequence, peek(&e->sequence) + 1);
}

/* Frames read together have one time: an equal word is not stored again, which would take the cache
 * line from a reader. */
static void refresh(struct fdb_entry *e, uint64_t now_us)
{
    uint32_t high_us = (uint32_t)(now_us >> 32), low_us = (uint32_t)now_us;
    uint32_t place = peek(&e->place);
    if ((place & FDB_AGAIN) == 0 && seen_us(e) != now_us)
        put(&e->place, place | FDB_AGAIN);
    if (peek(&e->seen_high_us) != high_us) {
        next_sequence(e);
        put(&e->seen_high_us, high_us);
        put(&e->seen_low_us, low_us);
        next_sequence(e);
    } else if (peek(&e->seen_low_us) != low_us) {
        put(&e->seen_low_us, low_us);
    }
}

static void drop(struct fdb *f, struct fdb_entry *e)
{
    uint32_t place = place_of(e);
    if (place != 0)
        f->stored[place - 1]--;
    put(&e->place, 0);
}

/* Return: which of two had better go; @a may be NULL */
static struct fdb_entry *lesser(struct fdb_entry *a, struct fdb_entry *b, uint64_t now_us)
{
    if (!a)
        return b;
    uint32_t a_again = peek(&a->place) & FDB_AGAIN, b_again = peek(&b->place) & FDB_AGAIN;
    if (a_again != b_again)
        return a_again ? b : a;
    return us_since(seen_us(b), now_us) > us_since(seen_us(a), now_us) ? b : a;
}

/* Those that aged go, else the least. */
static void make_room(struct fdb *f, uint16_t port, uint64_t now_us)
{
    struct fdb_entry *least = NULL;
    for (size_t i = 0; i <= f->mask; i++) {
        struct fdb_entry *e = &f->entry[i];
        if (!is_behind(e, port))
            continue;
        if (is_live(e, now_us))
            least = lesser(least, e, now_us);
        else
            drop(f, e);
    }
    if (least && f->stored[port] >= f->cap_per_port)
        drop(f, least);
}

static bool has_room(struct fdb *f, uint16_t port, uint64_t now_us)
{
    if (f->stored[port] < f->cap_per_port)
        return true;
    if (now_us < f->replace_next_us[port])
        return false;
    f->replace_next_us[port] = now_us + FDB_REPLACE_US;
    make_room(f, port, now_us);
    return true;
}

void fdb_init(struct fdb *f, struct fdb_entry *entries, size_t capacity, const uint8_t hash_key[16],
              uint16_t cap_per_port)
{
    memset(f, 0, sizeof *f);
    f->entry = entries;
    f->mask = capacity - 1;
    f->cap_per_port = cap_per_port;
    memcpy(f->hash_key, hash_key, sizeof f->hash_key);
}

static enum fdb_learned add(struct fdb *f, const struct sought *s, uint16_t port, uint64_t now_us)
{
    if (!has_room(f, port, now_us))
        return FDB_FULL;
    struct fdb_entry *e = find_reusable(f, s, now_us);
    if (!e)
        return FDB_FULL;
    drop(f, e);
    next_sequence(e);
    put(&e->key[0], s->key[0]);
    put(&e->key[1], s->key[1]);
    put(&e->place, port + UINT32_C(1));
    put(&e->seen_high_us, (uint32_t)(now_us >> 32));
    put(&e->seen_low_us, (uint32_t)now_us);
    next_sequence(e);
    f->stored[port]++;
    return FDB_NEW;
}

static enum fdb_learned move(struct fdb *f, struct fdb_entry *e, uint16_t port, uint64_t now_us)
{
    if (!has_room(f, port, now_us))
        return FDB_FULL;
    f->stored[place_of(e) - 1]--;
    f->stored[port]++;
    put(&e->place, (port + UINT32_C(1)) | FDB_AGAIN);
    refresh(e, now_us);
    return FDB_MOVED;
}

enum fdb_learned fdb_learn(struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint16_t port,
                           uint64_t now_us)
{
    if (mac_is_group(mac) || mac_is_zero(mac))
        return FDB_KNOWN;
    if (port >= FDB_PORTS_MAX)
        return FDB_FULL;

    struct sought s = sought(f, mac, vlan_id);
    struct fdb_entry *e = find(f, &s);
    if (e && !is_live(e, now_us)) {
        drop(f, e);
        e = NULL;
    }
    if (!e)
        return add(f, &s, port, now_us);
    if (!is_behind(e, port))
        return move(f, e, port, now_us);
    refresh(e, now_us);
    return FDB_KNOWN;
}

void fdb_forget(struct fdb *f, const struct mac *mac, uint16_t vlan_id)
{
    struct sought s = sought(f, mac, vlan_id);
    struct fdb_entry *e = find(f, &s);
    if (e)
        drop(f, e);
}

void fdb_forget_port(struct fdb *f, uint16_t port)
{
    for (size_t i = 0; i <= f->mask; i++)
        if (is_behind(&f->entry[i], port))
            drop(f, &f->entry[i]);
}

unsigned fdb_count(const struct fdb *f, uint16_t port, uint64_t now_us)
{
    unsigned count = 0, left = f->stored[port];
    for (size_t i = 0; i <= f->mask && left > 0; i++)
        if (is_behind(&f->entry[i], port)) {
            count += is_live(&f->entry[i], now_us);
            left--;
        }
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
