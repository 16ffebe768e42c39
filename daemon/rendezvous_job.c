/* SPDX-License-Identifier: MIT
 *
 * rendezvous_job.c - runs the program: a process group of its own, three pipes and a time limit.
 *
 * The job has ended when the process and the pipes are closed: a program may leave children that
 * hold its output. At the time limit the whole group is killed, and the pipes are closed whoever
 * still holds them.
 */
#include "rendezvous_job.h"

#include "copy.h"

#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT_MS = 10000, INPUT = 0, OUTPUT = 1, COMPLAINT = 2 };

static void on_closed(uv_handle_t *handle)
{
    struct rendezvous *rendezvous = handle->data;
    struct rendezvous_job *job = &rendezvous->job;

    if (--job->open > 0)
        return;
    job->running = false;
    if (rendezvous->program != NULL) /* not stopped meanwhile */
        rendezvous_job_ended(rendezvous);
}

static void close_one(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

/* The last of these, or the process, takes the time limit with it. */
static void close_pipe(struct rendezvous_job *job, int n)
{
    close_one((uv_handle_t *)&job->pipe[n]);
    for (int i = 0; i < RENDEZVOUS_PIPES; i++)
        if (!uv_is_closing((uv_handle_t *)&job->pipe[i]))
            return;
    if (!job->has_process || uv_is_closing((uv_handle_t *)&job->process))
        close_one((uv_handle_t *)&job->limit);
}

static void on_end(uv_process_t *process, int64_t status, int signal)
{
    struct rendezvous *rendezvous = process->data;
    struct rendezvous_job *job = &rendezvous->job;

    job->exit_status = status;
    job->signal = signal;
    close_one((uv_handle_t *)process);
    close_pipe(job, INPUT); /* nobody reads it any more */
}

/* It led its group: its children go, too, and those it left behind with our pipes. */
static void kill_group(const struct rendezvous_job *job)
{
    if (job->group > 1)
        uv_kill(-job->group, SIGKILL);
}

static void on_limit(uv_timer_t *timer)
{
    struct rendezvous *rendezvous = timer->data;
    struct rendezvous_job *job = &rendezvous->job;

    job->late = true;
    kill_group(job);
    for (int i = 0; i < RENDEZVOUS_PIPES; i++)
        close_pipe(job, i);
}

/* ---- pipes ---- */

/* What does not fit goes nowhere; output that is too much is noted by its length. */
static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct rendezvous *rendezvous = handle->data;
    struct rendezvous_job *job = &rendezvous->job;
    static char rest[512];

    (void)suggested;
    if (handle == (uv_handle_t *)&job->pipe[OUTPUT] && job->output_bytes < sizeof job->output)
        *out = uv_buf_init(job->output + job->output_bytes,
                           (unsigned)(sizeof job->output - job->output_bytes));
    else if (handle == (uv_handle_t *)&job->pipe[COMPLAINT] &&
             job->complaint_bytes < sizeof job->complaint - 1)
        *out = uv_buf_init(job->complaint + job->complaint_bytes,
                           (unsigned)(sizeof job->complaint - 1 - job->complaint_bytes));
    else
        *out = uv_buf_init(rest, sizeof rest);
}

static void on_output(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
    struct rendezvous *rendezvous = stream->data;
    struct rendezvous_job *job = &rendezvous->job;
    bool is_output = stream == (uv_stream_t *)&job->pipe[OUTPUT];

    if (bytes < 0)
        close_pipe(job, is_output ? OUTPUT : COMPLAINT);
    else if (buffer->base == job->output + job->output_bytes)
        job->output_bytes += (size_t)bytes;
    else if (buffer->base == job->complaint + job->complaint_bytes)
        job->complaint_bytes += (size_t)bytes;
    if (job->output_bytes > RENDEZVOUS_OUTPUT_MAX_BYTES)
        kill_group(job);
}

static void on_written(uv_write_t *write, int status)
{
    struct rendezvous *rendezvous = write->data;

    (void)status; /* a program that does not read will say so by its exit status, or not */
    close_pipe(&rendezvous->job, INPUT);
}

static void start_pipes(struct rendezvous_job *job)
{
    uv_buf_t blob = uv_buf_init(job->blob, (unsigned)strlen(job->blob));

    uv_read_start((uv_stream_t *)&job->pipe[OUTPUT], on_room, on_output);
    uv_read_start((uv_stream_t *)&job->pipe[COMPLAINT], on_room, on_output);
    if (blob.len == 0 ||
        uv_write(&job->write, (uv_stream_t *)&job->pipe[INPUT], &blob, 1, on_written) != 0)
        close_pipe(job, INPUT);
}

/* ---- begin and end ---- */

static void fill(struct rendezvous *rendezvous, enum rendezvous_verb verb, const char *peer,
                 const uint8_t place[BLOB_NAME_BYTES], const char *blob)
{
    struct rendezvous_job *job = &rendezvous->job;

    memset(job, 0, sizeof *job);
    job->verb = verb;
    copy_text(job->peer, sizeof job->peer, peer);
    memcpy(job->place, place, sizeof job->place);
    if (blob != NULL) {
        copy_text(job->blob, sizeof job->blob - 1, blob);
        memcpy(job->blob + strlen(blob), "\n", 2);
    }
    for (int i = 0; i < RENDEZVOUS_PIPES; i++) {
        uv_pipe_init(rendezvous->loop, &job->pipe[i], 0);
        job->pipe[i].data = rendezvous;
    }
    uv_timer_init(rendezvous->loop, &job->limit);
    job->process.data = job->limit.data = job->write.data = rendezvous;
    job->open = RENDEZVOUS_PIPES + 1; /* and the limit; the process comes later */
    job->running = true;
}

/* One end of a pipe is ours, the other the program's: real pipes, for with libuv's sockets a script
 * could not use /dev/stdin or /dev/stderr. Return: 0, or what libuv says is wrong */
static int make_pipe(struct rendezvous_job *job, int n, uv_file *theirs)
{
    int ours = n == INPUT ? 1 : 0, code;
    uv_file end[2];

    code = uv_pipe(end, ours == 0 ? UV_NONBLOCK_PIPE : 0, ours == 1 ? UV_NONBLOCK_PIPE : 0);
    if (code != 0)
        return code;
    *theirs = end[1 - ours];
    code = uv_pipe_open(&job->pipe[n], end[ours]);
    if (code != 0)
        close(end[ours]);
    return code;
}

static int make_pipes(struct rendezvous_job *job, uv_stdio_container_t *stdio)
{
    int code = 0;

    for (int i = 0; i < RENDEZVOUS_PIPES; i++) {
        stdio[i].flags = UV_INHERIT_FD;
        stdio[i].data.fd = -1;
        if (code == 0)
            code = make_pipe(job, i, &stdio[i].data.fd);
    }
    return code;
}

static int spawn(struct rendezvous *rendezvous)
{
    struct rendezvous_job *job = &rendezvous->job;
    char program[CONFIG_PATH_SIZE], verb[8], key[2 * BLOB_NAME_BYTES + 1];
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *arguments[] = {program, verb, key, NULL}, *environment[] = {path, NULL};
    uv_stdio_container_t stdio[RENDEZVOUS_PIPES];
    uv_process_options_t options = {.exit_cb = on_end,
                                    .file = program,
                                    .args = arguments,
                                    .env = environment,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio = stdio,
                                    .stdio_count = RENDEZVOUS_PIPES};
    int code;

    copy_text(program, sizeof program, rendezvous->program);
    copy_text(verb, sizeof verb, job->verb == RENDEZVOUS_STORE ? "store" : "load");
    sodium_bin2hex(key, sizeof key, job->place, sizeof job->place);
    code = make_pipes(job, stdio);
    if (code == 0) {
        job->has_process = true; /* even when it then fails */
        job->open++;
        code = uv_spawn(rendezvous->loop, &job->process, &options);
    }
    for (int i = 0; i < RENDEZVOUS_PIPES; i++)
        if (stdio[i].data.fd >= 0)
            close(stdio[i].data.fd);
    return code;
}

/* A process that never was is closed like one that has ended. */
static void give_up(struct rendezvous_job *job, int code)
{
    copy_text(job->complaint, sizeof job->complaint, uv_strerror(code));
    job->exit_status = 127;
    if (job->has_process)
        close_one((uv_handle_t *)&job->process);
    for (int i = 0; i < RENDEZVOUS_PIPES; i++)
        close_pipe(job, i);
}

void rendezvous_job_start(struct rendezvous *rendezvous, enum rendezvous_verb verb,
                          const char *peer, const uint8_t place[BLOB_NAME_BYTES], const char *blob)
{
    struct rendezvous_job *job = &rendezvous->job;
    int code;

    fill(rendezvous, verb, peer, place, blob);
    code = spawn(rendezvous);
    if (code != 0) {
        give_up(job, code);
        return;
    }
    job->group = uv_process_get_pid(&job->process);
    uv_timer_start(&job->limit, on_limit, LIMIT_MS, 0);
    start_pipes(job);
}

void rendezvous_job_kill(struct rendezvous *rendezvous)
{
    if (rendezvous->job.running)
        kill_group(&rendezvous->job);
}
