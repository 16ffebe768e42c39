/* SPDX-License-Identifier: MIT
 *
 * rendezvous_job.c - see rendezvous_job.h; program.c runs it. Of its output a little more is kept
 * than is allowed, to know that it was too much; of its complaints the beginning.
 */
#include "rendezvous_job.h"

#include "copy.h"

#include <sodium.h>
#include <string.h>

enum { LIMIT_MS = 10000 };

static size_t append(char *to, size_t used, size_t capacity, const char *text, size_t bytes)
{
    size_t taken = bytes < capacity - used ? bytes : capacity - used;

    memcpy(to + used, text, taken);
    return used + taken;
}

static void on_heard(void *context, enum program_stream stream, const char *text, size_t bytes)
{
    struct rendezvous *rendezvous = context;
    struct rendezvous_job *job = &rendezvous->job;

    if (stream == PROGRAM_ERROR)
        job->complaint_bytes =
            append(job->complaint, job->complaint_bytes, sizeof job->complaint - 1, text, bytes);
    else
        job->output_bytes = append(job->output, job->output_bytes, sizeof job->output, text, bytes);
    if (job->output_bytes > RENDEZVOUS_OUTPUT_MAX_BYTES)
        program_kill(&job->program);
}

static void on_ended(void *context)
{
    rendezvous_job_ended(context);
}

static void fill(struct rendezvous *rendezvous, enum rendezvous_verb verb, const char *peer,
                 const uint8_t place[BLOB_NAME_BYTES], const char *blob)
{
    struct rendezvous_job *job = &rendezvous->job;

    memset(job, 0, sizeof *job);
    job->program.context = rendezvous;
    job->program.heard = on_heard;
    job->program.ended = on_ended;
    job->verb = verb;
    copy_text(job->peer, sizeof job->peer, peer);
    memcpy(job->place, place, sizeof job->place);
    if (blob != NULL) {
        copy_text(job->blob, sizeof job->blob - 1, blob);
        memcpy(job->blob + strlen(blob), "\n", 2);
    }
}

void rendezvous_job_start(struct rendezvous *rendezvous, enum rendezvous_verb verb,
                          const char *peer, const uint8_t place[BLOB_NAME_BYTES], const char *blob)
{
    struct rendezvous_job *job = &rendezvous->job;
    char program[CONFIG_PATH_SIZE], verb_name[8], key[2 * BLOB_NAME_BYTES + 1];
    char path[] = PROGRAM_PATH;
    char *arguments[] = {program, verb_name, key, NULL}, *environment[] = {path, NULL};
    const struct program_order order = {.arguments = arguments,
                                        .environment = environment,
                                        .input = blob != NULL ? job->blob : NULL,
                                        .limit_ms = LIMIT_MS};

    fill(rendezvous, verb, peer, place, blob);
    copy_text(program, sizeof program, rendezvous->program);
    copy_text(verb_name, sizeof verb_name, verb == RENDEZVOUS_STORE ? "store" : "load");
    sodium_bin2hex(key, sizeof key, job->place, sizeof job->place);
    program_start(&job->program, rendezvous->loop, &order);
}
