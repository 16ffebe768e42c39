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
 * out only itself. The number stored is counted as entries come and go. At the cap a new address
 * takes the place of those that aged, or of the one that was silent for longest, of those heard
 * only once if there are any, but only one each FDB_REPLACE_US: so a device with a new address for
 * each frame does not keep the port's other devices out, it does not fill the tables of this LAN's
 * switches either, and learning costs one window.
 *
 * One owner, many readers. One thread, the owner, learns, forgets, ages and counts; any other may
 * call fdb_lookup() and fdb_seen_within() meanwhile, without a lock. Where to search (entry, mask,
 * hash_key) and the cap are written by fdb_init() alone, before others read; the rest of struct fdb
 * is the owner's. Both touch the entries, which are words of 32 bits: no CPU needs a lock for them.
 *
 *  - Most changes are the store of one word and need nothing more: a refresh (the low half of the
 *    time), forgetting (the place), a move (the place, then the time: each is true by itself).
 *  - A new address in a slot, and another high half of the time (each 71 minutes), take several
 *    stores: the entry's sequence is odd meanwhile and a new even one afterwards (a seqlock). A
 *    reader believes what it read between two equal, even sequences.
 *
 * Words are stored with release and loaded with acquire: a reader that saw any word of a writing
 * then sees, too, that the sequence is not what it was before. Fences would be cheaper on some
 * CPUs, but the thread sanitizer does not know them.
 *
 * A reader that meets a writing tries again, FDB_READ_TRIES times in all, since the owner may be
 * suspended in the middle of it; then the address counts as not known. That is harmless: it is
 * what it was just before, or could have been if it had aged; the frame is flooded, or judged
 * without it, and those after it find the entry. A reader's clock may have been read a little
 * before the owner's: an address seen after now_us has age 0.
 *
 * A struct flap beside it notices addresses that move to and fro, the sign of a loop.
 */
#ifndef FRAME_FDB_H
#define FRAME_FDB_H

#include "address.h"

#include <stdatomic.h>
#include <stddef.h>

#define FDB_AGE_US     UINT64_C(300000000)
#define FDB_REPLACE_US UINT64_C(62500)

enum {
    FDB_WINDOW = 16,
    FDB_PORTS_MAX = 64,
    FDB_HASH_KEY_BYTES = 16,
    FDB_READ_TRIES = 8,
};

/* The address was heard more than once, as one that is made up for a single frame is not. */
#define FDB_AGAIN UINT32_C(0x80000000)

struct fdb_entry {
    _Atomic uint32_t sequence; /* odd while the owner writes the words below */
    _Atomic uint32_t key[2];   /* the MAC address and the VLAN ID */
    _Atomic uint32_t place;    /* port + 1, and FDB_AGAIN; 0: the slot is free */
    _Atomic uint32_t seen_low_us, seen_high_us;
};

struct fdb {
    struct fdb_entry *entry; /* these three: for every thread, set by fdb_init() */
    size_t mask;             /* capacity - 1 */
    uint8_t hash_key[FDB_HASH_KEY_BYTES];
    uint16_t cap_per_port;          /* from here on: the owner's */
    uint16_t stored[FDB_PORTS_MAX]; /* used entries of each port, aged ones included */
    uint64_t replace_next_us[FDB_PORTS_MAX];
};

enum fdb_learned {
    FDB_KNOWN, /* refreshed, or not an address that is ever learned */
    FDB_NEW,
    FDB_MOVED, /* it was behind another port until now */
    FDB_FULL,  /* not learned: too many new ones for the port's cap, or there was no slot */
};

/**
 * fdb_init() - Begin an empty table, before any other thread reads it
 * @entries:       Zeroed memory for the entries, of which only what is used need become resident;
 *                 stays the caller's and must outlive the table
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
 * Group and zero addresses are never learned. An address that moves to a port without room stays
 * where it was.
 */
enum fdb_learned fdb_learn(struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint16_t port,
                           uint64_t now_us);

/** fdb_lookup() - The port an address was last seen behind, or -1 when not known (any more). Any
 *  thread's. */
int fdb_lookup(const struct fdb *f, const struct mac *mac, uint16_t vlan_id, uint64_t now_us);

/** fdb_seen_within() - Whether an address was seen, behind any port, in the last @age_us. Any
 *  thread's. */
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
