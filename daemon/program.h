/* SPDX-License-Identifier: MIT
 *
 * program.h - one run of a program of the owner's, off the loop: without a shell, with nothing
 * inherited but what is given to it, in a process group of its own, for a limited time.
 *
 * The run has ended when the process and its output are closed: a program may leave children that
 * hold its output. At the time limit the whole group is killed, and the output is closed whoever
 * still holds it.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define PROGRAM_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum program_stream { PROGRAM_INPUT, PROGRAM_OUTPUT, PROGRAM_ERROR, PROGRAM_STREAMS };

struct program_order {
    char *const *arguments;   /* the program's path first; NULL after the last */
    char *const *environment; /* all of it; NULL after the last */
    const char *input;        /* must live until the end of the run; NULL: /dev/null */
    unsigned limit_ms;
};

struct program {
    /* Both are the caller's, set before program_start(). */
    void *context;
    /* It wrote on its PROGRAM_OUTPUT or PROGRAM_ERROR. */
    void (*heard)(void *context, enum program_stream stream, const char *text, size_t bytes);
    /* All of it has ended; the fields below say how. May start the next run. */
    void (*ended)(void *context);

    bool running, late;
    unsigned limit_ms;
    int error; /* libuv's: it was not even begun; 0: it was */
    int64_t exit_status;
    int signal; /* 0: it ended by itself */

    bool has_process; /* process is a handle, to be closed */
    unsigned open;    /* handles */
    int group;        /* its process group; 0: it never was */
    uv_process_t process;
    uv_pipe_t pipe[PROGRAM_STREAMS];
    uv_write_t write;
    uv_timer_t limit;
    char chunk[512];
};

/**
 * program_start() - run it; what fails is told by ended(), too, never before this has returned
 * @program: not running; must live until the loop is closed
 */
void program_start(struct program *program, uv_loop_t *loop, const struct program_order *order);

/** program_kill() - end it and its children, if it runs; ended() comes as for any other end */
void program_kill(const struct program *program);

/** program_abandon() - end it and its children, if it runs; nothing is called any more */
void program_abandon(struct program *program);

enum { PROGRAM_FAILURE_SIZE = 64 };

/** program_failure() - in what way the run failed, into @out or a constant; NULL: it did not */
const char *program_failure(const struct program *program, char out[PROGRAM_FAILURE_SIZE]);

#endif
