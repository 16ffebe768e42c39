/* SPDX-License-Identifier: MIT
 *
 * control.h - the socket through which `lansplice status`, `invite` and `join` talk to the daemon.
 *
 * A unix stream socket, mode 0600. A client writes lines of JSON, {"command":"status"} or
 * {"command":"reload"}, and gets one line of JSON for each. A line is at most 4 KiB, at most eight
 * clients are served at once, and one that says nothing for ten seconds is hung up on.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "error.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>
#include <uv.h>

struct json_object;

enum { CONTROL_CLIENTS_MAX = 8, CONTROL_LINE_MAX_BYTES = 4096 };

/** control_answer_fn - The answer to a command, the caller's to release; NULL: no such command */
typedef struct json_object *control_answer_fn(void *context, const char *command);

struct control_client;

struct control {
    int fd; /* -1: not open, or already the loop's */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    dev_t device;
    ino_t inode; /* of the socket file, so that only our own is removed */
    uv_pipe_t pipe;
    uv_timer_t timer; /* runs while there are clients */
    bool serving;
    control_answer_fn *answer;
    void *context;
    struct control_client *client[CONTROL_CLIENTS_MAX];
};

/**
 * control_open() - Bind the socket
 *
 * A socket file nobody answers at is taken over; a daemon that answers, or a file that is no
 * socket, is an error.
 */
bool control_open(struct control *control, const char *path, struct error *error);

/** control_serve() - Begin to answer; @control must live until the loop has closed its handles */
bool control_serve(struct control *control, uv_loop_t *loop, control_answer_fn *answer,
                   void *context, struct error *error);

/** control_close() - Stop, and remove the socket file */
void control_close(struct control *control);

#endif
