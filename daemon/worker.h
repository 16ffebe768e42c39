/* SPDX-License-Identifier: MIT
 *
 * worker.h - the thread that carries frames from the LAN to the WAN.
 *
 * It reads the TAP, runs the core's egress and sends the datagrams; the event loop's thread does
 * all else, WAN to LAN included. So each direction has a processor when there are two. Neither
 * waits for the other: the core's orders and notes lie in two mailboxes, and an event says that
 * there are some (an eventfd for the worker, a uv_async_t for the loop).
 *
 * It runs while there is a TAP. Stopped, the loop's thread runs the egress too; so a TAP that is
 * made again, a reload and the daemon's end meet one thread only.
 */
#ifndef WORKER_H
#define WORKER_H

#include "mailbox.h"
#include "tap.h"
#include "wan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct worker {
    struct mailbox orders, notes;
    struct egress *egress;
    const struct wan *wan;
    struct tap *tap;
    int wake_fd;        /* an eventfd; -1: not open */
    uv_async_t arrived; /* notes */
    atomic_bool ending;
    pthread_t thread;
    bool running;
};

/** worker_lock_memory() - Keys will pass through it; before privileges are reduced */
void worker_lock_memory(void);

/** worker_is_useful() - Whether this process may use two processors */
bool worker_is_useful(void);

/**
 * worker_open() - Make what wakes the two threads; nothing runs yet
 * @on_notes:  Called on the loop's thread: site_take_notes() shall be called
 * @context:   Its handle's data
 *
 * The async handle is closed with the loop's others. Return: false with @error
 */
bool worker_open(struct worker *worker, uv_loop_t *loop, uv_async_cb on_notes, void *context,
                 struct error *error);

/**
 * worker_start() - Take the egress from the site and begin
 * @wan, @tap:  Must stay until worker_stop()
 * @hub:        Frames between peers pass, too: a larger mailbox
 *
 * Nothing happens when it runs. Return: false, and logged, when no thread can be made: nothing has
 * changed then, and the TAP is the caller's to read
 */
bool worker_start(struct worker *worker, struct site *site, const struct wan *wan, struct tap *tap,
                  bool hub);

/** worker_stop() - Wait for the thread's end and give the egress back; nothing happens when it does
 *  not run */
void worker_stop(struct worker *worker, struct site *site);

/** worker_close() - Stopped, it is no longer needed */
void worker_close(struct worker *worker);

#endif
