/* SPDX-License-Identifier: MIT
 *
 * worker.c - see worker.h.
 */
#include "worker.h"

#include "clock.h"
#include "locked_memory.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    ORDERS_BYTES = 32 << 10,
    ORDERS_HUB_BYTES = 512 << 10, /* what the other thread receives in a turn goes through it */
    NOTES_BYTES = 16 << 10,
    STACK_BYTES = 256 << 10,
};

/* Large, and resident only as far as it is used. */
static _Alignas(MAILBOX_ALIGNMENT) uint8_t orders_memory[ORDERS_HUB_BYTES];
static _Alignas(MAILBOX_ALIGNMENT) uint8_t notes_memory[NOTES_BYTES];

/* What was read at once has one time: when it was read. */
struct batch {
    struct egress *egress;
    uint64_t now_us;
};

/* ---- out of the egress ---- */

static void on_transmit(void *context, const struct datagram *datagrams, size_t count)
{
    struct worker *worker = context;

    /* What the kernel refuses wakes the loop by the socket's error queue. */
    wan_transmit(worker->wan, datagrams, count, NULL);
}

static void on_deliver(void *context, const uint8_t *offload, const struct slice *slices,
                       size_t count)
{
    struct worker *worker = context;

    tap_deliver(worker->tap, offload, slices, count);
}

static void wake_site(void *context)
{
    struct worker *worker = context;

    uv_async_send(&worker->arrived);
}

static void wake_egress(void *context)
{
    struct worker *worker = context;
    uint64_t one = 1;

    /* It fails only when 2^64 - 2 wake-ups are waiting already. */
    if (write(worker->wake_fd, &one, sizeof one) < 0)
        return;
}

/* ---- the thread ---- */

static void on_frame(void *context, const uint8_t *vnet_header, uint8_t *frame, size_t bytes)
{
    const struct batch *batch = context;

    egress_receive_frame(batch->egress, vnet_header, frame, bytes, batch->now_us);
}

/* Return: what poll() takes, milliseconds */
static int wait_ms(const struct egress *egress)
{
    uint64_t at_us = egress_deadline_us(egress), now_us = clock_now_us();

    if (at_us == UINT64_MAX)
        return -1;
    return at_us > now_us ? (int)((at_us - now_us + 999) / 1000) : 0;
}

static void take_wakes(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof count) < 0)
        return; /* none, after all */
}

static void *run(void *context)
{
    struct worker *worker = context;
    struct pollfd poll_fd[] = {{.fd = worker->wake_fd, .events = POLLIN},
                               {.fd = worker->tap->fd, .events = POLLIN}};

    while (!atomic_load(&worker->ending)) {
        if (poll(poll_fd, 2, wait_ms(worker->egress)) < 0)
            continue;
        if (poll_fd[0].revents != 0)
            take_wakes(worker->wake_fd);
        struct batch batch = {worker->egress, clock_now_us()};
        egress_take_orders(worker->egress, batch.now_us);
        /* A deleted device stays readable for ever: leave it, network.c makes it again. */
        if (poll_fd[1].revents != 0 && tap_receive(worker->tap, on_frame, &batch) < 0)
            poll_fd[1].fd = -1;
        egress_flush(worker->egress, clock_now_us());
    }
    return NULL;
}

/* ---- its life ---- */

void worker_lock_memory(void)
{
    locked_memory_lock(orders_memory, sizeof orders_memory);
}

bool worker_is_useful(void)
{
    cpu_set_t allowed;

    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 1;
}

static bool fail_to_open(struct worker *worker, const char *what, const char *why,
                         struct error *error)
{
    error_set(error, EXIT_FAILED,
              "cannot make %s: %s: raise the limit of open files (ulimit -n), or free memory", what,
              why);
    worker_close(worker);
    return false;
}

bool worker_open(struct worker *worker, uv_loop_t *loop, uv_async_cb on_notes, void *context,
                 struct error *error)
{
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->wake_fd < 0)
        return fail_to_open(worker, "an eventfd", strerror(errno), error);
    int code = uv_async_init(loop, &worker->arrived, on_notes);
    if (code != 0)
        return fail_to_open(worker, "an event of the loop", uv_strerror(code), error);
    worker->arrived.data = context;
    return true;
}

/* Signals are the loop's. */
static int start_thread(struct worker *worker)
{
    pthread_attr_t attributes;
    sigset_t all, former;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int code = pthread_create(&worker->thread, &attributes, run, worker);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return code;
}

bool worker_start(struct worker *worker, struct site *site, const struct wan *wan, struct tap *tap,
                  bool hub)
{
    struct egress_ops ops = {worker, on_transmit, on_deliver, wake_site, wake_egress};

    if (worker->running)
        return true;
    mailbox_init(&worker->orders, orders_memory, hub ? ORDERS_HUB_BYTES : ORDERS_BYTES);
    mailbox_init(&worker->notes, notes_memory, NOTES_BYTES);
    worker->wan = wan;
    worker->tap = tap;
    worker->ending = false;
    worker->egress = site_split(site, &ops, &worker->orders, &worker->notes);
    int code = start_thread(worker);
    if (code != 0) {
        log_warn("no second thread: %s; going on with one", strerror(code));
        site_join(site, clock_now_us());
        return false;
    }
    worker->running = true;
    return true;
}

void worker_stop(struct worker *worker, struct site *site)
{
    if (!worker->running)
        return;
    worker->ending = true;
    wake_egress(worker);
    pthread_join(worker->thread, NULL);
    worker->running = false;
    site_join(site, clock_now_us());
}

void worker_close(struct worker *worker)
{
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    worker->wake_fd = -1;
}
