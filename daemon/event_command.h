/* SPDX-License-Identifier: MIT
 *
 * event_command.h - tells a program of the owner's what happens: 'event-command'.
 *
 * It is run once for each notice, with nothing but PATH and LANSPLICE_... in its environment
 * (lansplice.conf(5) lists them), one run at a time, in order, and killed after thirty seconds.
 * What it writes goes into the log, line by line; after 64 KiB it is killed, too.
 *
 * Whoever makes a peer come and go makes it run, so this is bounded: a run begins a second after
 * the one before at the earliest, and a notice that waits is replaced by a newer one of the same
 * subject. At most EVENT_COMMAND_WAITING_MAX wait; when more come, the oldest are dropped.
 */
#ifndef EVENT_COMMAND_H
#define EVENT_COMMAND_H

#include "config.h"
#include "program.h"
#include "status.h"

enum { EVENT_COMMAND_WAITING_MAX = 32, EVENT_COMMAND_LINE_SIZE = 200 };

enum notice_kind {
    NOTICE_PEER_UP, /* peer, path, endpoint */
    NOTICE_PEER_DOWN,
    NOTICE_PEER_PATH,     /* peer, path, endpoint: it is reached in another way than before */
    NOTICE_PEER_ENROLLED, /* peer */
    NOTICE_CLASH,         /* peer, clash, address */
    NOTICE_CLASH_OVER,
    NOTICE_LOOP, /* peer; "": the port to all of them */
    NOTICE_LOOP_OVER,
};

/* What does not apply is "". */
struct notice {
    enum notice_kind kind;
    char peer[SITE_NAME_MAX + 1], path[8], clash[8];
    char endpoint[STATUS_WHERE_SIZE], address[TEXT_ADDRESS_SIZE];
};

struct event_command {
    uv_loop_t *loop;
    uv_timer_t timer;
    const char *program; /* "": none; NULL: stopped */
    char config_path[CONFIG_PATH_SIZE];
    char site[SITE_NAME_MAX + 1], tap[CONFIG_INTERFACE_SIZE];

    struct notice waiting[EVENT_COMMAND_WAITING_MAX]; /* the oldest first */
    size_t waiting_count;

    struct program run;
    struct notice running;
    uint64_t started_us; /* the latest run; 0: none yet */
    char line[EVENT_COMMAND_LINE_SIZE];
    size_t line_bytes, output_bytes;
    char told[EVENT_COMMAND_LINE_SIZE]; /* why it failed last; "": it did not */
};

/**
 * event_command_start() - begin in zeroed memory, which must live until the loop is closed
 * @config_path: as it was given; the program gets it absolute
 */
void event_command_start(struct event_command *command, uv_loop_t *loop, const char *config_path,
                         const char *site, const char *tap);

/** event_command_set_program() - which program; "": none, and what waits is forgotten. Not copied
 */
void event_command_set_program(struct event_command *command, const char *program);

bool event_command_is_set(const struct event_command *command);

/** event_command_add() - run it for @notice when its turn comes; nothing without a program */
void event_command_add(struct event_command *command, const struct notice *notice);

/** event_command_stop() - end the program if it runs, and run it no more */
void event_command_stop(struct event_command *command);

#endif
