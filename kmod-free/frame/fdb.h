/* SPDX-License-Identifier: MIT
 *
 * fdb.h - forwarding database: behind which port a MAC address was last seen, per VLAN.
 *
 * Theory of operation. A hash table in the caller's memory. An address may stand in any of the
 * FDB_WINDOW slots that follow its hash; every search looks at the whole window, so an entry is
 * deleted by clearing it, without tombstones. The hash is keyed (SipHash): a peer cannot choose
 * addresses that all fall into one window. Entries not refreshed for FDB_AGE_US are as good as
 * absent and their slots are reused.
 *
 * Each port may hold a limited number of entries, so that one peer that invents addresses crowds
 * out only itself. The number stored is counted as entries come and go; only at the cap is the
 * table swept for aged entries, at most every FDB_SWEEP_US, so that learning costs one window.
 *
 * Single writer: one thread learns and forgets in a table, and looks up in it; a site has two
 * tables, one for its LAN's addresses and one for its peers'.
 *
 * A struct flap beside it notices addresses that move to and fro, the sign of a loop.
 */
#ifndef FRAME_FDB_H
#define FRAME_FDB_H

#include "address.h"

#include <stddef.h>

#define FDB_AGE_US   UINT64_C(300000000)
#define FDB_SWEEP_US UINT64_C(1000000)

enum {
    FDB_WINDOW = 16,
    FDB_PORTS_MAX = 64,
    FDB_HASH_KEY_BYTES = 16,
};

struct fdb_entry {
    uint64_t seen_us;
    struct mac mac;
    uint16_t vlan_id;
    uint16_t port;
    bool used;
};

struct fdb {
    struct fdb_entry *entry;
    size_t mask; /* capacity - 1 */
    uint8_t hash_key[FDB_HASH_KEY_BYTES];
    uint16_t cap_per_port;
    uint16_t stored[FDB_PORTS_MAX]; /* used entries of each port, aged ones included */
    uint64_t swept_us;
    bool swept;
};

enum fdb_learned {
    FDB_KNOWN, /* refreshed, or not an address that is ever learned */
    FDB_NEW,
    FDB_MOVED, /* it was behind another port until now */
    FDB_FULL,  /* not learned: the port is at its cap, or there was no slot */
};

/**
 * fdb_init() - Begin an empty table
 * @entries:       Memory for the entries; stays the caller's and must outlive the table
 * @capacity:      How many; a power of 2, at most 32768
 * @hash_key:      Secret random bytes, copied
 * @cap_per_port:  Most entries a port may hold
 */
void fdb_init(struct fdb *f, struct fdb_entry *entries, size_t capacity, const uint8_t hash_key[16],
              uint16_t cap_per_port);

/**
 * fdb_learn() - Note the source address of a frame
 * @port:    Where it came from; below FDB_PORTS_MAX, any other is never learned
 * @now_us:  Monotonic time
 *
 * Group and zero addresses are never learned. An address that moves to a port at its cap stays
 * where it was.
 */
enum fdb_learned fdb_learn(struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint16_t port,
                           uint64_t now_us);

/** fdb_lookup() - The port an address was last seen behind, or -1 when not known (any more) */
int fdb_lookup(const struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint64_t now_us);

/** fdb_seen_within() - Whether an address was seen, behind any port, in the last @age_us */
bool fdb_seen_within(const struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint64_t age_us,
                     uint64_t now_us);

/** fdb_forget() - Forget one address; nothing happens when it is not known */
void fdb_forget(struct fdb *f, const struct mac *mac, uint16_t vlan_id);

/** fdb_forget_port() - Forget everything behind a port */
void fdb_forget_port(struct fdb *f, uint16_t port);

/** fdb_count() - How many addresses are known behind a port, without the aged; walks the table */
unsigned fdb_count(const struct fdb *f, uint16_t port, uint64_t now_us);

#define FLAP_WITHIN_US UINT64_C(1000000)
#define FLAP_QUIET_US  UINT64_C(10000000)

enum {
    FLAP_MOVES = 4,
    FLAP_ENTRIES = 16,
};

/* An address that moved lately, and when it did; a ring of its last FLAP_MOVES moves. */
struct flap_entry {
    uint64_t moved_us[FLAP_MOVES];
    uint64_t told_us;
    struct mac mac;
    uint8_t moves; /* in the ring; 0: the entry is free */
    uint8_t next;  /* where the next move goes */
    bool told;
};

/* All zeros is an empty one. */
struct flap {
    struct flap_entry entry[FLAP_ENTRIES];
};

/**
 * flap_notice() - Note that an address moved from one port to another
 *
 * In a loop all addresses move at once, many more than there are entries: those being watched
 * are kept, later ones are ignored meanwhile.
 *
 * Return: true when it moved FLAP_MOVES times within FLAP_WITHIN_US; then not again for
 *         FLAP_QUIET_US for this address
 */
bool flap_notice(struct flap *flap, const struct mac *mac, uint64_t now_us);

#endif
