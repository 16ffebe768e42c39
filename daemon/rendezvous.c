/* SPDX-License-Identifier: MIT
 *
 * rendezvous.c - when to store and to load, and what the answers mean; rendezvous_job.c runs the
 * program. See rendezvous.h.
 */
#include "rendezvous.h"

#include "clock.h"
#include "copy.h"
#include "log.h"
#include "rendezvous_job.h"
#include "text.h"
#include "timer.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

enum {
    STORE_AGAIN_S = 600,
    STORE_AT_MOST_S = 10,
    STORE_FAILED_S = 30,
    LOAD_EACH_S = 5,
    LOAD_AT_LEAST_S = 60,
    HURRY_AT_MOST_S = 2,
};

static struct rendezvous_peer *find(struct rendezvous *rendezvous, const char *name)
{
    struct rendezvous_peer *end = rendezvous->peer + SITE_PEERS_MAX;

    for (struct rendezvous_peer *p = rendezvous->peer; p < end; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static bool is_up(const struct rendezvous *rendezvous, const struct rendezvous_peer *peer)
{
    return rendezvous->listener.is_up(rendezvous->listener.context, peer->name);
}

/* ---- what is next ---- */

static bool has_program(const struct rendezvous *rendezvous)
{
    return rendezvous->program != NULL && rendezvous->program[0] != '\0';
}

static bool is_wanted(const struct rendezvous *rendezvous, enum rendezvous_verb verb)
{
    return has_program(rendezvous) && (verb == RENDEZVOUS_LOAD || rendezvous->ours.count > 0);
}

/* The peer and verb that have been due longest, or will be soonest. */
static struct rendezvous_peer *next_due(struct rendezvous *rendezvous, enum rendezvous_verb *verb)
{
    struct rendezvous_peer *next = NULL;
    uint64_t due_us = UINT64_MAX;

    for (struct rendezvous_peer *p = rendezvous->peer; p < rendezvous->peer + SITE_PEERS_MAX; p++)
        for (int v = 0; v < RENDEZVOUS_VERBS; v++)
            if (p->name[0] != '\0' && is_wanted(rendezvous, (enum rendezvous_verb)v) &&
                p->due_us[v] < due_us) {
                due_us = p->due_us[v];
                next = p;
                *verb = (enum rendezvous_verb)v;
            }
    return next;
}

static void store(struct rendezvous *rendezvous, struct rendezvous_peer *peer)
{
    uint8_t nonce[BLOB_NONCE_BYTES];
    uint64_t counter = rendezvous->next_counter++;
    char text[BLOB_TEXT_SIZE];

    randombytes_buf(nonce, sizeof nonce);
    peer->done_us[RENDEZVOUS_STORE] = clock_now_us();
    peer->due_us[RENDEZVOUS_STORE] = clock_now_us() + STORE_AGAIN_S * SECOND_US;
    if (blob_seal(&peer->places.ours, counter, &rendezvous->ours, nonce, text, sizeof text) > 0)
        rendezvous_job_start(rendezvous, RENDEZVOUS_STORE, peer->name, peer->places.ours.name,
                             text);
}

/* Somebody who was away for a minute is soon there, who was for a day perhaps not. */
static uint64_t load_each_us(const struct rendezvous_peer *peer, uint64_t now_us)
{
    uint64_t each_us = (now_us - peer->sought_us) / 2;

    if (each_us < LOAD_EACH_S * SECOND_US)
        return LOAD_EACH_S * SECOND_US;
    return each_us < LOAD_AT_LEAST_S * SECOND_US ? each_us : LOAD_AT_LEAST_S * SECOND_US;
}

/* One that is up needs none; rendezvous_hurry() wakes it when it goes down. */
static void load(struct rendezvous *rendezvous, struct rendezvous_peer *peer)
{
    uint64_t now_us = clock_now_us();

    if (is_up(rendezvous, peer)) {
        peer->due_us[RENDEZVOUS_LOAD] = UINT64_MAX;
        return;
    }
    peer->done_us[RENDEZVOUS_LOAD] = now_us;
    peer->due_us[RENDEZVOUS_LOAD] = now_us + load_each_us(peer, now_us);
    rendezvous_job_start(rendezvous, RENDEZVOUS_LOAD, peer->name, peer->places.theirs.name, NULL);
}

static void on_timer(uv_timer_t *timer);

/* At once, unless it was done less than @seconds ago. */
static void hasten(struct rendezvous_peer *peer, enum rendezvous_verb verb, unsigned seconds)
{
    uint64_t due_us = peer->done_us[verb] == 0 ? 0 : peer->done_us[verb] + seconds * SECOND_US;

    if (due_us < peer->due_us[verb])
        peer->due_us[verb] = due_us;
}

/* Do what is due, unless the program runs: its end comes back here. */
static void go_on(struct rendezvous *rendezvous)
{
    enum rendezvous_verb verb = RENDEZVOUS_STORE;
    struct rendezvous_peer *peer;
    uint64_t now_us = clock_now_us();

    while (!rendezvous->job.program.running && (peer = next_due(rendezvous, &verb)) != NULL &&
           peer->due_us[verb] <= now_us) {
        if (verb == RENDEZVOUS_STORE)
            store(rendezvous, peer);
        else
            load(rendezvous, peer);
    }
    peer = rendezvous->job.program.running ? NULL : next_due(rendezvous, &verb);
    timer_arm(&rendezvous->timer, on_timer, peer != NULL ? peer->due_us[verb] : UINT64_MAX);
}

static void on_timer(uv_timer_t *timer)
{
    go_on(timer->data);
}

/* ---- what came of it ---- */

static const char *judge_exit(const struct rendezvous_job *job, char out[RENDEZVOUS_COMPLAINT_SIZE])
{
    char how[PROGRAM_FAILURE_SIZE], said[RENDEZVOUS_COMPLAINT_SIZE - PROGRAM_FAILURE_SIZE];
    const char *failure = program_failure(&job->program, how);

    if (job->output_bytes > RENDEZVOUS_OUTPUT_MAX_BYTES && !job->program.late)
        return "more than 4 KiB of output";
    if (failure == NULL || job->complaint_bytes == 0)
        return failure;
    snprintf(said, sizeof said, "%.*s", (int)strcspn(job->complaint, "\n"), job->complaint);
    text_tidy(said);
    snprintf(out, RENDEZVOUS_COMPLAINT_SIZE, "%s: %s", failure, said);
    return out;
}

/* Return: NULL, or what is wrong with what was loaded. Nothing is fine: nothing was stored yet. */
static const char *take_blob(struct rendezvous *rendezvous, struct rendezvous_peer *peer,
                             const struct rendezvous_job *job)
{
    struct candidate_list list;
    uint64_t counter;

    if (strspn(job->output, " \t\r\n") == job->output_bytes)
        return NULL;
    if (!blob_open(&peer->places.theirs, &counter, &list, job->output, job->output_bytes))
        return "what it printed is not what that home stored";
    if (counter < peer->highest_counter)
        return "what it printed is older than what it printed before";
    peer->highest_counter = counter;
    log_debug("rendezvous: %u candidates of %s", list.count, peer->name);
    if (!is_up(rendezvous, peer))
        rendezvous->listener.candidates(rendezvous->listener.context, peer->name, &list);
    return NULL;
}

static void tell(struct rendezvous_peer *peer, enum rendezvous_verb verb, const char *program,
                 const char *wrong)
{
    if (wrong != NULL && strcmp(peer->told[verb], wrong) != 0)
        log_warn("rendezvous-command: %s %s for %s: %s: trying again: run it by hand to see why",
                 program, verb == RENDEZVOUS_STORE ? "store" : "load", peer->name, wrong);
    snprintf(peer->told[verb], sizeof peer->told[verb], "%s", wrong != NULL ? wrong : "");
}

void rendezvous_job_ended(struct rendezvous *rendezvous)
{
    const struct rendezvous_job *job = &rendezvous->job;
    struct rendezvous_peer *peer = find(rendezvous, job->peer);
    char words[RENDEZVOUS_COMPLAINT_SIZE];
    const struct blob_place *place = NULL;
    const char *failure;

    if (peer != NULL)
        place = job->verb == RENDEZVOUS_STORE ? &peer->places.ours : &peer->places.theirs;
    if (place != NULL && memcmp(place->name, job->place, sizeof job->place) == 0) {
        failure = judge_exit(job, words);
        if (failure == NULL && job->verb == RENDEZVOUS_LOAD)
            failure = take_blob(rendezvous, peer, job);
        else if (failure != NULL && job->verb == RENDEZVOUS_STORE)
            peer->due_us[RENDEZVOUS_STORE] = clock_now_us() + STORE_FAILED_S * SECOND_US;
        tell(peer, job->verb, rendezvous->program, failure);
    }
    go_on(rendezvous);
}

/* ---- what others tell ---- */

void rendezvous_start(struct rendezvous *rendezvous, uv_loop_t *loop,
                      const struct rendezvous_listener *listener,
                      const uint8_t private_key[PUBLIC_KEY_BYTES], uint64_t first_counter)
{
    rendezvous->loop = loop;
    rendezvous->listener = *listener;
    rendezvous->next_counter = first_counter;
    memcpy(rendezvous->private_key, private_key, PUBLIC_KEY_BYTES);
    uv_timer_init(loop, &rendezvous->timer);
    rendezvous->timer.data = rendezvous;
}

void rendezvous_set_program(struct rendezvous *rendezvous, const char *program)
{
    if (!has_program(rendezvous)) /* what was not looked for was not sought */
        for (struct rendezvous_peer *p = rendezvous->peer; p < rendezvous->peer + SITE_PEERS_MAX;
             p++)
            p->sought_us = clock_now_us();
    rendezvous->program = program;
    go_on(rendezvous);
}

/* While there is a token, both homes have it; the lasting PSK they have not at the same moment. */
static bool find_places(const struct rendezvous *rendezvous, const struct peer_config *peer,
                        struct blob_places *places)
{
    if (!peer->has_token)
        return blob_places_of_peers(places, rendezvous->private_key, peer->public_key, peer->psk);
    blob_places_of_token(places, peer->token_id, peer->token_psk, !peer->joining);
    return true;
}

void rendezvous_set_peer(struct rendezvous *rendezvous, const struct peer_config *peer)
{
    struct rendezvous_peer *known = find(rendezvous, peer->name);
    struct blob_places places;

    if (known == NULL)
        known = find(rendezvous, "");
    if (known == NULL || !find_places(rendezvous, peer, &places))
        return;
    if (sodium_memcmp(&known->places, &places, sizeof places) != 0) {
        *known = (struct rendezvous_peer){.places = places, .sought_us = clock_now_us()};
        copy_text(known->name, sizeof known->name, peer->name);
    }
    sodium_memzero(&places, sizeof places);
    go_on(rendezvous);
}

void rendezvous_remove_peer(struct rendezvous *rendezvous, const char *name)
{
    struct rendezvous_peer *peer = name[0] != '\0' ? find(rendezvous, name) : NULL;

    if (peer != NULL)
        sodium_memzero(peer, sizeof *peer);
}

void rendezvous_set_candidates(struct rendezvous *rendezvous, const struct candidate_list *ours)
{
    if (candidate_list_equal(&rendezvous->ours, ours))
        return;
    rendezvous->ours = *ours;
    for (struct rendezvous_peer *p = rendezvous->peer; p < rendezvous->peer + SITE_PEERS_MAX; p++)
        hasten(p, RENDEZVOUS_STORE, STORE_AT_MOST_S);
    go_on(rendezvous);
}

void rendezvous_hurry(struct rendezvous *rendezvous)
{
    for (struct rendezvous_peer *p = rendezvous->peer; p < rendezvous->peer + SITE_PEERS_MAX; p++)
        if (p->name[0] != '\0' && !is_up(rendezvous, p)) {
            p->sought_us = clock_now_us();
            hasten(p, RENDEZVOUS_LOAD, HURRY_AT_MOST_S);
        }
    go_on(rendezvous);
}

void rendezvous_stop(struct rendezvous *rendezvous)
{
    rendezvous->program = NULL;
    program_abandon(&rendezvous->job.program);
    sodium_memzero(rendezvous->peer, sizeof rendezvous->peer);
    sodium_memzero(rendezvous->private_key, sizeof rendezvous->private_key);
}
