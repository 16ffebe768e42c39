/* SPDX-License-Identifier: MIT
 *
 * program.c - see program.h. Up to five handles of libuv: the process, its three pipes and the
 * time limit; the last to close tells of the end.
 */
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_closed(uv_handle_t *handle)
{
    struct program *program = handle->data;

    if (--program->open > 0)
        return;
    program->running = false;
    if (program->ended != NULL) /* not abandoned meanwhile */
        program->ended(program->context);
}

static void close_one(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

/* The last of these, or the process, takes the time limit with it. */
static void close_pipe(struct program *program, enum program_stream stream)
{
    close_one((uv_handle_t *)&program->pipe[stream]);
    for (int i = 0; i < PROGRAM_STREAMS; i++)
        if (!uv_is_closing((uv_handle_t *)&program->pipe[i]))
            return;
    if (!program->has_process || uv_is_closing((uv_handle_t *)&program->process))
        close_one((uv_handle_t *)&program->limit);
}

static void close_pipes(struct program *program)
{
    for (int i = 0; i < PROGRAM_STREAMS; i++)
        close_pipe(program, (enum program_stream)i);
}

static void on_end(uv_process_t *process, int64_t status, int signal)
{
    struct program *program = process->data;

    program->exit_status = status;
    program->signal = signal;
    close_one((uv_handle_t *)process);
    close_pipe(program, PROGRAM_INPUT); /* nobody reads it any more */
}

/* It led its group: its children go, too, and those it left behind with our pipes. */
void program_kill(const struct program *program)
{
    if (program->running && program->group > 1)
        uv_kill(-program->group, SIGKILL);
}

void program_abandon(struct program *program)
{
    program->ended = NULL;
    program_kill(program);
}

static void on_limit(uv_timer_t *timer)
{
    struct program *program = timer->data;

    program->late = true;
    program_kill(program);
    close_pipes(program);
}

/* ---- pipes ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct program *program = handle->data;

    (void)suggested;
    *out = uv_buf_init(program->chunk, sizeof program->chunk);
}

static void on_output(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
    struct program *program = stream->data;
    enum program_stream which =
        stream == (uv_stream_t *)&program->pipe[PROGRAM_OUTPUT] ? PROGRAM_OUTPUT : PROGRAM_ERROR;

    if (bytes < 0)
        close_pipe(program, which);
    else if (bytes > 0 && program->ended != NULL)
        program->heard(program->context, which, buffer->base, (size_t)bytes);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status; /* a program that does not read will say so by its exit status, or not */
    close_pipe(write->data, PROGRAM_INPUT);
}

static void start_pipes(struct program *program, const char *input)
{
    uv_stream_t *pipe = (uv_stream_t *)&program->pipe[PROGRAM_INPUT];
    uv_buf_t text = uv_buf_init((char *)input, input != NULL ? (unsigned)strlen(input) : 0);

    uv_read_start((uv_stream_t *)&program->pipe[PROGRAM_OUTPUT], on_room, on_output);
    uv_read_start((uv_stream_t *)&program->pipe[PROGRAM_ERROR], on_room, on_output);
    if (text.len == 0 || uv_write(&program->write, pipe, &text, 1, on_written) != 0)
        close_pipe(program, PROGRAM_INPUT);
}

/* One end of a pipe is ours, the other the program's: real pipes, for with libuv's sockets a script
 * could not use /dev/stdin or /dev/stderr. Return: 0, or what libuv says is wrong */
static int make_pipe(struct program *program, enum program_stream stream, uv_file *theirs)
{
    int ours = stream == PROGRAM_INPUT ? 1 : 0, code;
    uv_file end[2];

    code = uv_pipe(end, ours == 0 ? UV_NONBLOCK_PIPE : 0, ours == 1 ? UV_NONBLOCK_PIPE : 0);
    if (code != 0)
        return code;
    *theirs = end[1 - ours];
    code = uv_pipe_open(&program->pipe[stream], end[ours]);
    if (code != 0)
        close(end[ours]);
    return code;
}

static int make_pipes(struct program *program, bool has_input, uv_stdio_container_t *stdio)
{
    int code = 0;

    for (int i = 0; i < PROGRAM_STREAMS; i++) {
        stdio[i].flags = UV_INHERIT_FD;
        stdio[i].data.fd = -1;
        if (i == PROGRAM_INPUT && !has_input)
            stdio[i].flags = UV_IGNORE; /* libuv makes it /dev/null */
        else if (code == 0)
            code = make_pipe(program, (enum program_stream)i, &stdio[i].data.fd);
    }
    return code;
}

/* ---- begin ---- */

static void reset(struct program *program, uv_loop_t *loop, unsigned limit_ms)
{
    for (int i = 0; i < PROGRAM_STREAMS; i++) {
        uv_pipe_init(loop, &program->pipe[i], 0);
        program->pipe[i].data = program;
    }
    uv_timer_init(loop, &program->limit);
    program->process.data = program->limit.data = program->write.data = program;
    program->open = PROGRAM_STREAMS + 1; /* and the limit; the process comes later */
    program->running = true;
    program->limit_ms = limit_ms;
    program->has_process = program->late = false;
    program->exit_status = program->error = program->signal = program->group = 0;
}

static int spawn(struct program *program, uv_loop_t *loop, const struct program_order *order)
{
    uv_stdio_container_t stdio[PROGRAM_STREAMS];
    uv_process_options_t options = {.exit_cb = on_end,
                                    .file = order->arguments[0],
                                    .args = (char **)order->arguments,
                                    .env = (char **)order->environment,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio = stdio,
                                    .stdio_count = PROGRAM_STREAMS};
    int code = make_pipes(program, order->input != NULL, stdio);

    if (code == 0) {
        program->has_process = true; /* even when it then fails */
        program->open++;
        code = uv_spawn(loop, &program->process, &options);
    }
    for (int i = 0; i < PROGRAM_STREAMS; i++)
        if (stdio[i].flags == UV_INHERIT_FD && stdio[i].data.fd >= 0)
            close(stdio[i].data.fd);
    return code;
}

/* A process that never was is closed like one that has ended. */
static void give_up(struct program *program, int code)
{
    program->error = code;
    if (program->has_process)
        close_one((uv_handle_t *)&program->process);
    close_pipes(program);
}

void program_start(struct program *program, uv_loop_t *loop, const struct program_order *order)
{
    int code;

    reset(program, loop, order->limit_ms);
    code = spawn(program, loop, order);
    if (code != 0) {
        give_up(program, code);
        return;
    }
    program->group = uv_process_get_pid(&program->process);
    uv_timer_start(&program->limit, on_limit, program->limit_ms, 0);
    start_pipes(program, order->input);
}

const char *program_failure(const struct program *program, char out[PROGRAM_FAILURE_SIZE])
{
    if (program->error != 0)
        return uv_strerror(program->error);
    if (program->late)
        snprintf(out, PROGRAM_FAILURE_SIZE, "no end after %u s", program->limit_ms / 1000);
    else if (program->signal != 0)
        snprintf(out, PROGRAM_FAILURE_SIZE, "ended by signal %d", program->signal);
    else if (program->exit_status != 0)
        snprintf(out, PROGRAM_FAILURE_SIZE, "exit status %d", (int)program->exit_status);
    else
        return NULL;
    return out;
}
