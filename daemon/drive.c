/* SPDX-License-Identifier: MIT
 *
 * drive.c - bytes and time between the kernel and the core.
 *
 * A turn reads a bounded batch from one side, hands it to the core, and flushes: neither direction
 * starves the other, and nothing waits to be packed.
 */
#include "daemon.h"

#include "clock.h"
#include "log.h"
#include "timer.h"

#include <sodium.h>

enum { UDP_BATCHES_PER_TURN = 4 };

/* What was read at once has one time: when it was read. */
struct batch {
    struct daemon *daemon;
    uint64_t now_us;
};

/* ---- out of the core ---- */

void drive_transmit(void *context, const struct datagram *datagrams, size_t count)
{
    struct daemon *daemon = context;

    wan_transmit(&daemon->wan, datagrams, count, daemon->udp.refused);
}

void drive_deliver(void *context, const uint8_t *offload, const struct slice *slices, size_t count)
{
    struct daemon *daemon = context;

    tap_deliver(&daemon->tap, offload, slices, count);
}

/* ---- errors of the sockets ---- */

static void on_too_large(void *context, const struct endpoint *to, uint16_t mtu_bytes,
                         bool by_kernel)
{
    const struct batch *batch = context;

    site_path_hint(batch->daemon->site, to, mtu_bytes, by_kernel, batch->now_us);
}

static void read_errors(struct daemon *daemon, enum udp_family family, uint64_t now_us)
{
    struct batch batch = {daemon, now_us};

    udp_read_errors(&daemon->udp, family, on_too_large, &batch);
}

/* What our own kernel has just refused is told at once: the loop tells only of the next turn. */
static void tell_refused(struct daemon *daemon, uint64_t now_us)
{
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++)
        if (udp_has_refused(&daemon->udp, family))
            read_errors(daemon, family, now_us);
}

/* ---- who waits ---- */

static void on_udp(uv_poll_t *poll, int status, int events);

/* UV_PRIORITIZED, with SO_SELECT_ERR_QUEUE on the socket: an error in the queue is an event like
 * any other to libuv. Without, it takes POLLERR for the end of the socket and stops. */
static void watch_udp(struct daemon *daemon, enum udp_family family)
{
    uv_poll_start(&daemon->udp_poll[family], UV_PRIORITIZED | (daemon->udp_waits ? 0 : UV_READABLE),
                  on_udp);
}

/* The kernel keeps what the other thread has no room for: @daemon->udp_waits follows it. */
static void heed_room(struct daemon *daemon)
{
    bool waits = !site_has_room(daemon->site);

    if (waits == daemon->udp_waits)
        return;
    daemon->udp_waits = waits;
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++)
        if (daemon->udp.fd[family] >= 0)
            watch_udp(daemon, family);
}

/* ---- time ---- */

static void on_tick(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    daemon->tick_armed_us = UINT64_MAX;
    drive_settle(daemon);
}

static void arm_tick(struct daemon *daemon, uint64_t deadline_us)
{
    if (deadline_us == daemon->tick_armed_us)
        return;
    daemon->tick_armed_us = deadline_us;
    timer_arm(&daemon->tick_timer, on_tick, deadline_us);
}

void drive_settle(struct daemon *daemon)
{
    uint64_t now_us = clock_now_us();

    tell_refused(daemon, now_us);
    if (site_deadline_us(daemon->site) <= now_us)
        site_tick(daemon->site, now_us);
    site_flush(daemon->site, now_us); /* the other thread may have been given orders */
    nat_settle(daemon);
    if (daemon->ask_names_again) {
        daemon->ask_names_again = false;
        resolver_hurry(&daemon->resolver);
        rendezvous_hurry(&daemon->rendezvous);
    }
    notices_settle(daemon);
    heed_room(daemon);
    arm_tick(daemon, site_deadline_us(daemon->site));
}

/* ---- into the core ---- */

static void on_datagram(void *context, const struct endpoint *from, uint8_t *datagram, size_t bytes,
                        uint32_t waited_us)
{
    const struct batch *batch = context;

    if (bytes != 0 && nat_is_ours(datagram[0]))
        nat_receive(batch->daemon, from, datagram, bytes, waited_us, batch->now_us);
    else
        site_receive_datagram(batch->daemon->site, from, datagram, bytes, waited_us, batch->now_us);
}

/* Return: whether more may be waiting */
static bool receive_datagrams(struct daemon *daemon, enum udp_family family)
{
    struct batch batch = {daemon, clock_now_us()};
    bool more = udp_receive(&daemon->udp, family, on_datagram, &batch);

    if (!more)
        site_drained(daemon->site, family == UDP_V4 ? IP_V4 : IP_V6);
    site_flush(daemon->site, batch.now_us); /* before the datagrams' memory is used again */
    return more;
}

static void on_udp(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    enum udp_family family = poll == &daemon->udp_poll[UDP_V4] ? UDP_V4 : UDP_V6;

    if (status < 0 || (events & UV_PRIORITIZED) != 0)
        read_errors(daemon, family, clock_now_us());
    if (status < 0) /* a kernel that does not know that option */
        watch_udp(daemon, family);
    for (int i = 0; i < UDP_BATCHES_PER_TURN && site_has_room(daemon->site); i++)
        if (!receive_datagrams(daemon, family))
            break;
    drive_settle(daemon);
}

static void on_frame(void *context, const uint8_t *vnet_header, uint8_t *frame, size_t bytes)
{
    const struct batch *batch = context;

    site_receive_frame(batch->daemon->site, vnet_header, frame, bytes, batch->now_us);
}

/* A deleted device stays readable for ever: stop, network.c finds out and makes it again. */
static void on_tap(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    struct batch batch = {daemon, clock_now_us()};

    (void)events;
    if (status < 0 || tap_receive(&daemon->tap, on_frame, &batch) < 0)
        uv_poll_stop(poll);
    site_flush(daemon->site, clock_now_us());
    drive_settle(daemon);
}

/* The handle of a TAP that went has closed: a new one may have come meanwhile. */
static void on_tap_poll_closed(uv_handle_t *handle)
{
    struct daemon *daemon = handle->data;

    daemon->tap_polled = false;
    if (daemon->tap.fd >= 0 && !uv_is_closing((uv_handle_t *)&daemon->tick_timer))
        drive_tap(daemon, true);
}

static void on_notes(uv_async_t *arrived)
{
    struct daemon *daemon = arrived->data;

    site_take_notes(daemon->site, clock_now_us());
    drive_settle(daemon);
}

/* Return: 0, or libuv's error */
static int watch_tap(struct daemon *daemon)
{
    if (daemon->tap_polled)
        return 0; /* still closing: on_tap_poll_closed() comes back */
    int code = uv_poll_init(&daemon->loop, &daemon->tap_poll, daemon->tap.fd);
    if (code != 0)
        return code;
    daemon->tap_polled = true;
    daemon->tap_poll.data = daemon;
    return uv_poll_start(&daemon->tap_poll, UV_READABLE, on_tap);
}

/* By the worker, or by the loop where there is to be none or none can be made.
 *
 * Return: 0, or libuv's error: nobody reads it then */
static int read_tap(struct daemon *daemon)
{
    if (daemon->two_threads && worker_start(&daemon->worker, daemon->site, &daemon->wan,
                                            &daemon->tap, daemon->config->hub))
        return 0;
    daemon->two_threads = false;
    return watch_tap(daemon);
}

static void read_tap_again(struct daemon *daemon)
{
    int code = read_tap(daemon);

    if (code != 0)
        log_error("cannot watch the TAP %s: %s: no frame passes until lansplice is started anew",
                  daemon->tap.name, uv_strerror(code));
}

void drive_pause(struct daemon *daemon)
{
    worker_stop(&daemon->worker, daemon->site);
}

void drive_resume(struct daemon *daemon)
{
    if (daemon->two_threads && daemon->tap.fd >= 0)
        read_tap_again(daemon);
}

void drive_tap(struct daemon *daemon, bool present)
{
    uv_handle_t *handle = (uv_handle_t *)&daemon->tap_poll;

    if (present)
        read_tap_again(daemon);
    else if (daemon->two_threads)
        drive_pause(daemon);
    else if (daemon->tap_polled && !uv_is_closing(handle))
        uv_close(handle, on_tap_poll_closed);
    heed_room(daemon);
}

static bool fail_to_watch(int code, const char *what, struct error *error)
{
    error_set(error, EXIT_FAILED,
              "cannot watch %s: %s: free memory, or raise fs.epoll.max_user_watches (sysctl)", what,
              uv_strerror(code));
    return false;
}

bool drive_start(struct daemon *daemon, struct error *error)
{
    int code;

    daemon->two_threads = (daemon->config->without & WITHOUT_WORKER) == 0 && worker_is_useful();
    if (!worker_open(&daemon->worker, &daemon->loop, on_notes, daemon, error))
        return false;
    uv_timer_init(&daemon->loop, &daemon->tick_timer);
    daemon->tick_timer.data = daemon;
    daemon->tick_armed_us = UINT64_MAX;
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++) {
        if (daemon->udp.fd[family] < 0)
            continue;
        code = uv_poll_init(&daemon->loop, &daemon->udp_poll[family], daemon->udp.fd[family]);
        if (code != 0)
            return fail_to_watch(code, "the UDP port", error);
        daemon->udp_poll[family].data = daemon;
        watch_udp(daemon, family);
    }
    code = read_tap(daemon);
    return code == 0 || fail_to_watch(code, "the TAP", error);
}

/* Stopped first: the loop must not take the new socket for the one it watches. */
void drive_rebound(struct daemon *daemon)
{
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++)
        if (daemon->udp.fd[family] >= 0) {
            uv_poll_stop(&daemon->udp_poll[family]);
            watch_udp(daemon, family);
        }
}
