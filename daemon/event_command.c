/* SPDX-License-Identifier: MIT
 *
 * event_command.c - see event_command.h; program.c runs it.
 */
#include "event_command.h"

#include "clock.h"
#include "copy.h"
#include "files.h"
#include "log.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BETWEEN_US UINT64_C(1000000)

enum { LIMIT_MS = 30000, OUTPUT_MAX_BYTES = 65536, VARIABLES_MAX = 10, VARIABLES_SIZE = 2048 };

static const char *const kind_names[] = {
    [NOTICE_PEER_UP] = "peer-up",     [NOTICE_PEER_DOWN] = "peer-down",
    [NOTICE_PEER_PATH] = "peer-path", [NOTICE_PEER_ENROLLED] = "peer-enrolled",
    [NOTICE_CLASH] = "clash",         [NOTICE_CLASH_OVER] = "clash-over",
    [NOTICE_LOOP] = "loop",           [NOTICE_LOOP_OVER] = "loop-over"};

/* ---- what waits ---- */

/* Notices of one subject: the latest says it all. */
static enum notice_kind subject_of(enum notice_kind kind)
{
    switch (kind) {
    case NOTICE_PEER_UP:
    case NOTICE_PEER_DOWN:
    case NOTICE_PEER_PATH:
        return NOTICE_PEER_UP;
    case NOTICE_CLASH:
    case NOTICE_CLASH_OVER:
        return NOTICE_CLASH;
    case NOTICE_LOOP:
    case NOTICE_LOOP_OVER:
        return NOTICE_LOOP;
    case NOTICE_PEER_ENROLLED:
        break;
    }
    return kind;
}

static bool same_subject(const struct notice *a, const struct notice *b)
{
    return subject_of(a->kind) == subject_of(b->kind) && strcmp(a->peer, b->peer) == 0 &&
           strcmp(a->clash, b->clash) == 0 && strcmp(a->address, b->address) == 0;
}

static void drop(struct event_command *command, size_t n)
{
    command->waiting_count--;
    memmove(&command->waiting[n], &command->waiting[n + 1],
            (command->waiting_count - n) * sizeof command->waiting[0]);
}

/* Who was not told yet that the peer came is told that, with the newer path. */
static void replace_waiting(struct event_command *command, struct notice *notice)
{
    for (size_t i = command->waiting_count; i-- > 0;) {
        const struct notice *old = &command->waiting[i];
        if (!same_subject(old, notice))
            continue;
        if (notice->kind == NOTICE_PEER_PATH && old->kind == NOTICE_PEER_UP)
            notice->kind = NOTICE_PEER_UP;
        drop(command, i);
    }
}

/* ---- what it is told ---- */

struct variables {
    size_t count, used;
    char *list[VARIABLES_MAX + 1];
    char text[VARIABLES_SIZE];
};

/* What is not known is not there. All of them fit: names and paths are bounded. */
static void add_variable(struct variables *v, const char *name, const char *value)
{
    size_t room = sizeof v->text - v->used;
    int bytes;

    if (value[0] == '\0' || v->count == VARIABLES_MAX)
        return;
    bytes = snprintf(v->text + v->used, room, "LANSPLICE_%s=%s", name, value);
    if (bytes < 0 || (size_t)bytes >= room)
        return;
    v->list[v->count++] = v->text + v->used;
    v->used += (size_t)bytes + 1;
}

static void fill_variables(const struct event_command *command, struct variables *v)
{
    const struct notice *notice = &command->running;
    static char path[] = PROGRAM_PATH;

    memset(v, 0, sizeof *v);
    v->list[v->count++] = path;
    add_variable(v, "EVENT", kind_names[notice->kind]);
    add_variable(v, "SITE", command->site);
    add_variable(v, "CONFIG", command->config_path);
    add_variable(v, "TAP", command->tap);
    add_variable(v, "PEER", notice->peer);
    add_variable(v, "PATH", notice->path);
    add_variable(v, "ENDPOINT", notice->endpoint);
    add_variable(v, "CLASH", notice->clash);
    add_variable(v, "ADDRESS", notice->address);
}

/* ---- running ---- */

static void on_timer(uv_timer_t *timer);

static void run_next(struct event_command *command)
{
    char program[CONFIG_PATH_SIZE];
    char *arguments[] = {program, NULL};
    struct variables variables;
    struct program_order order = {.arguments = arguments, .limit_ms = LIMIT_MS};

    command->running = command->waiting[0];
    drop(command, 0);
    command->started_us = clock_now_us();
    command->line_bytes = command->output_bytes = 0;
    copy_text(program, sizeof program, command->program);
    fill_variables(command, &variables);
    order.environment = variables.list;
    program_start(&command->run, command->loop, &order);
}

/* The end of a run, or the timer, comes back here. */
static void go_on(struct event_command *command)
{
    uint64_t since_us = clock_now_us() - command->started_us;

    if (command->run.running || command->waiting_count == 0)
        return;
    if (command->started_us == 0 || since_us >= BETWEEN_US)
        run_next(command);
    else
        uv_timer_start(&command->timer, on_timer, (BETWEEN_US - since_us) / 1000 + 1, 0);
}

static void on_timer(uv_timer_t *timer)
{
    go_on(timer->data);
}

static void log_line(struct event_command *command)
{
    command->line[command->line_bytes] = '\0';
    if (command->line_bytes > 0)
        log_info("event-command: %s: %s", kind_names[command->running.kind], command->line);
    command->line_bytes = 0;
}

/* A line too long goes on in the next. */
static void on_heard(void *context, enum program_stream stream, const char *text, size_t bytes)
{
    struct event_command *command = context;

    (void)stream;
    command->output_bytes += bytes;
    if (command->output_bytes > OUTPUT_MAX_BYTES) {
        program_kill(&command->run);
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n' || command->line_bytes == sizeof command->line - 1)
            log_line(command);
        if (text[i] != '\n')
            command->line[command->line_bytes++] = text[i] != '\0' ? text[i] : '?';
    }
}

static void on_ended(void *context)
{
    struct event_command *command = context;
    char how[PROGRAM_FAILURE_SIZE], told[EVENT_COMMAND_LINE_SIZE] = "";
    const char *failure = command->output_bytes > OUTPUT_MAX_BYTES
                              ? "more than 64 KiB of output"
                              : program_failure(&command->run, how);

    log_line(command);
    if (failure != NULL)
        snprintf(told, sizeof told, "%s for %s%s%s", failure, kind_names[command->running.kind],
                 command->running.peer[0] != '\0' ? " of " : "", command->running.peer);
    if (failure != NULL && strncmp(command->told, failure, strlen(failure)) != 0)
        log_warn("event-command: %s: %s: run it by hand to see why", command->program, told);
    memcpy(command->told, told, sizeof command->told);
    go_on(command);
}

/* ---- what others tell ---- */

void event_command_start(struct event_command *command, uv_loop_t *loop, const char *config_path,
                         const char *site, const char *tap)
{
    char here[CONFIG_PATH_SIZE];

    command->loop = loop;
    copy_text(command->site, sizeof command->site, site);
    copy_text(command->tap, sizeof command->tap, tap);
    command->program = "";
    command->run.context = command;
    command->run.heard = on_heard;
    command->run.ended = on_ended;
    if (getcwd(here, sizeof here) == NULL)
        here[0] = '\0';
    files_join_path(command->config_path, sizeof command->config_path, here, config_path);
    uv_timer_init(loop, &command->timer);
    command->timer.data = command;
}

void event_command_set_program(struct event_command *command, const char *program)
{
    command->program = program;
    if (program[0] == '\0') {
        command->waiting_count = 0;
        command->told[0] = '\0';
    }
}

bool event_command_is_set(const struct event_command *command)
{
    return command->program != NULL && command->program[0] != '\0';
}

void event_command_add(struct event_command *command, const struct notice *notice)
{
    struct notice fresh = *notice;

    if (!event_command_is_set(command))
        return;
    replace_waiting(command, &fresh);
    if (command->waiting_count == EVENT_COMMAND_WAITING_MAX) {
        log_warn("event-command: %s for %s is left out: more happens than it is told of",
                 kind_names[command->waiting[0].kind], command->waiting[0].peer);
        drop(command, 0);
    }
    command->waiting[command->waiting_count++] = fresh;
    go_on(command);
}

void event_command_stop(struct event_command *command)
{
    command->program = NULL;
    command->waiting_count = 0;
    program_abandon(&command->run);
}
