/* SPDX-License-Identifier: MIT
 *
 * rendezvous.h - a place where homes leave word of where they are, by a program of the owner's:
 *
 *   PROGRAM store KEY     the blob, one line of base64url, is on its standard input
 *   PROGRAM load KEY      prints the blob stored under KEY, or nothing
 *
 * KEY is 32 hexadecimal digits, one for each home and each of its peers; KEY and blob tell nothing
 * to whoever keeps them (tunnel/blob.h). The program may use whatever all homes can reach: a shared
 * folder, DNS TXT, MQTT. Exit status 0 is success. It runs without a shell, with nothing but PATH
 * in its environment, for ten seconds at most, one at a time; more than 4 KiB of output is refused.
 *
 * Stored is when our candidates change, at most every 10 s, and else every 10 min. Loaded is for
 * each peer that is not up: at once, then each 5 s, and later each half of the time that it has
 * been sought, up to 60 s. What fails is told once for each reason. Of a peer's blobs only those
 * are taken whose counter is no lower than the highest seen: who keeps them cannot bring back an
 * old one while we run.
 */
#ifndef RENDEZVOUS_H
#define RENDEZVOUS_H

#include "config.h"
#include "program.h"
#include "site.h"
#include "tunnel/blob.h"

enum {
    RENDEZVOUS_OUTPUT_MAX_BYTES = 4096,
    RENDEZVOUS_COMPLAINT_SIZE = 160,
};

struct rendezvous_listener {
    void *context;
    /* Where a peer that is not up says it is. */
    void (*candidates)(void *context, const char *peer, const struct candidate_list *list);
    bool (*is_up)(void *context, const char *peer);
};

enum rendezvous_verb { RENDEZVOUS_STORE, RENDEZVOUS_LOAD, RENDEZVOUS_VERBS };

struct rendezvous_peer {
    char name[SITE_NAME_MAX + 1]; /* "": free */
    struct blob_places places;
    uint64_t highest_counter;                               /* of theirs */
    uint64_t due_us[RENDEZVOUS_VERBS];                      /* UINT64_MAX: not at all */
    uint64_t done_us[RENDEZVOUS_VERBS];                     /* when it was begun last; 0: never */
    uint64_t sought_us;                                     /* since when it is not up */
    char told[RENDEZVOUS_VERBS][RENDEZVOUS_COMPLAINT_SIZE]; /* the reason; "": it went well */
};

/* One run of the program. */
struct rendezvous_job {
    enum rendezvous_verb verb;
    char peer[SITE_NAME_MAX + 1];
    uint8_t place[BLOB_NAME_BYTES];
    struct program program;
    char blob[BLOB_TEXT_SIZE + 1];
    char output[RENDEZVOUS_OUTPUT_MAX_BYTES + 1]; /* one byte more: then it was too much */
    size_t output_bytes;
    char complaint[RENDEZVOUS_COMPLAINT_SIZE]; /* the beginning of its standard error */
    size_t complaint_bytes;
};

struct rendezvous {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct rendezvous_listener listener;
    const char *program; /* "": none */
    uint8_t private_key[PUBLIC_KEY_BYTES];
    uint64_t next_counter; /* one for all peers: their homes remember who comes back */
    struct candidate_list ours;
    struct rendezvous_job job;
    struct rendezvous_peer peer[SITE_PEERS_MAX];
};

/**
 * rendezvous_start() - begin in zeroed memory, which must live until the loop is closed
 * @private_key: of this home; copied
 * @first_counter: higher than in any earlier run, by more than blobs are sealed in one
 */
void rendezvous_start(struct rendezvous *rendezvous, uv_loop_t *loop,
                      const struct rendezvous_listener *listener,
                      const uint8_t private_key[PUBLIC_KEY_BYTES], uint64_t first_counter);

/** rendezvous_set_program() - which program; "": none. Not copied: it must live till the next call
 */
void rendezvous_set_program(struct rendezvous *rendezvous, const char *program);

/** rendezvous_set_peer() - a new peer, or new keys of one; others go on as they are */
void rendezvous_set_peer(struct rendezvous *rendezvous, const struct peer_config *peer);

void rendezvous_remove_peer(struct rendezvous *rendezvous, const char *name);

/** rendezvous_set_candidates() - where we are; stored for all peers when it differs */
void rendezvous_set_candidates(struct rendezvous *rendezvous, const struct candidate_list *ours);

/** rendezvous_hurry() - a peer went down or the network changed: look for those not up now */
void rendezvous_hurry(struct rendezvous *rendezvous);

/** rendezvous_stop() - end the program if it runs, and forget all keys; no callback from here on */
void rendezvous_stop(struct rendezvous *rendezvous);

#endif
