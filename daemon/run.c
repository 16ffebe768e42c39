/* SPDX-License-Identifier: MIT
 *
 * run.c - starts the daemon in order and takes it down in reverse.
 *
 * Order: the whole configuration, order numbers, the core, sockets, TAP, bridge, control socket,
 * privileges, loop. Nothing on the system is touched before the configuration is known to be
 * good, and each failure undoes what was done before it.
 */
#include "run.h"

#include "clock.h"
#include "daemon.h"
#include "locked_memory.h"
#include "log.h"
#include "privileges.h"
#include "random.h"
#include "service_manager.h"
#include "status.h"

#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the core ---- */

static bool read_files(struct daemon *daemon, uint64_t *next, uint64_t *limit, struct error *error)
{
    daemon->config = config_new();
    if (daemon->config == NULL) {
        error_set(error, EXIT_FAILED, "no memory for the configuration");
        return false;
    }
    if (!config_load(daemon->config, daemon->config_path, error) ||
        !state_directory(daemon->config, daemon->state_directory, error) ||
        !state_reserve_order(daemon->state_directory, next, limit, error))
        return false;
    daemon->first_order = *next;
    daemon->kept_count =
        state_load_endpoints(daemon->state_directory, daemon->kept, SITE_PEERS_MAX);
    return true;
}

static bool make_site(struct daemon *daemon, uint64_t next, uint64_t limit, struct error *error)
{
    struct site_ops ops = {daemon,        drive_transmit, drive_deliver,
                           events_report, events_enrol,   random_fill};
    struct site_config config;

    daemon->site = locked_memory_new(site_bytes());
    if (daemon->site == NULL) {
        error_set(error, EXIT_FAILED, "no memory: %s", strerror(errno));
        return false;
    }
    worker_lock_memory();
    locked_memory_lock(&daemon->rendezvous, sizeof daemon->rendezvous);
    config_to_site(daemon->config, &config);
    bool good = site_init(daemon->site, &config, &ops, next, limit, daemon->started_us);
    sodium_memzero(&config, sizeof config);
    if (!good)
        error_set(error, EXIT_USAGE,
                  "the private key or the ciphers cannot be used: %s: check "
                  "'private-key' and 'ciphers' in [site]",
                  daemon->config_path);
    return good;
}

static void free_site(struct daemon *daemon)
{
    if (daemon->site == NULL)
        return;
    site_wipe(daemon->site);
    locked_memory_free(daemon->site, site_bytes());
    daemon->site = NULL;
}

/* ---- control socket ---- */

static struct json_object *answer_reload(struct daemon *daemon)
{
    struct json_object *answer = json_object_new_object();
    struct error error = {.text = ""};
    bool good = peers_reload(daemon, &error);

    json_object_object_add(answer, "ok", json_object_new_boolean(good));
    if (!good)
        json_object_object_add(answer, "error", json_object_new_string(error.text));
    if (good)
        log_info("configuration reloaded");
    else
        log_warn("configuration not reloaded: %s", error.text);
    return answer;
}

static struct json_object *answer_status(struct daemon *daemon)
{
    bool attached = network_is_attached(&daemon->network);
    struct status_source source = {
        .daemon = daemon,
        .config = daemon->config,
        .site = daemon->site,
        .bridge_up = attached && daemon->network.bridge.up,
        .tap_up = daemon->network.tap_up,
        .bridge = attached ? daemon->network.bridge.name : NULL,
        .tap = daemon->tap.name,
        .started_us = daemon->started_us,
        .now_us = clock_now_us(),
    };
    return status_json(&source);
}

static struct json_object *on_command(void *context, const char *command)
{
    struct daemon *daemon = context;

    if (strcmp(command, "status") == 0)
        return answer_status(daemon);
    if (strcmp(command, "reload") == 0)
        return answer_reload(daemon);
    return NULL;
}

/* ---- the network's news ---- */

static void on_lan(void *context, const struct site_lan *lan)
{
    struct daemon *daemon = context;

    struct site_lan with_tap = *lan;

    with_tap.tap_takes_large = daemon->tap.vnet && daemon->tap.tso;
    with_tap.tap_takes_large_udp = daemon->tap.vnet && daemon->tap.uso;
    site_set_lan(daemon->site, &with_tap, clock_now_us());
    drive_settle(daemon);
}

static void on_links(void *context)
{
    struct daemon *daemon = context;

    site_link_changed(daemon->site, clock_now_us());
    drive_settle(daemon);
}

static void on_outside(void *context, const struct lan_view *view)
{
    struct daemon *daemon = context;

    nat_outside(daemon, view);
    site_network_changed(daemon->site, clock_now_us());
    daemon->ask_names_again = true;
    drive_settle(daemon);
}

static void on_tap(void *context, bool present)
{
    struct daemon *daemon = context;

    drive_tap(daemon, present);
    if (present)
        site_link_changed(daemon->site, clock_now_us());
}

/* ---- signals ---- */

static void on_end(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;

    log_info("ending: %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
    uv_stop(&daemon->loop);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    json_object_put(answer_reload(handle->data));
}

static void catch_signal(struct daemon *daemon, uv_signal_t *handle, uv_signal_cb on, int number)
{
    uv_signal_init(&daemon->loop, handle);
    handle->data = daemon;
    uv_signal_start(handle, on, number);
}

/* Until the handlers stand, a signal waits: its default action would leave the TAP in the bridge.
 */
static void hold_signals(int how)
{
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGHUP);
    pthread_sigmask(how, &held, NULL);
}

/* ---- up and down ---- */

/* Whatever part failed to start, stop() undoes what there is. */
static bool open_system(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    struct mac mac = tap_mac(config->public_key);
    unsigned without = config->without;
    struct tap_options tap = {.no_vnet = (without & WITHOUT_VNET) != 0,
                              .no_offload = (without & WITHOUT_OFFLOAD) != 0,
                              .no_uso = (without & WITHOUT_USO) != 0};

    return listening_open(daemon, error) && netlink_open(&daemon->netlink, error) &&
           tap_open(&daemon->tap, &daemon->netlink, config->tap, &mac, &tap, error) &&
           network_attach(&daemon->network, &daemon->netlink, &daemon->tap, config->bridge,
                          error) &&
           control_open(&daemon->control, config->control, error);
}

static bool start_loop(struct daemon *daemon, struct error *error)
{
    struct network_listener network = {daemon, on_lan, on_links, on_outside, on_tap};
    struct resolver_listener resolver = peers_listener(daemon);
    struct rendezvous_listener rendezvous = peers_rendezvous_listener(daemon);

    if (!control_serve(&daemon->control, &daemon->loop, on_command, daemon, error))
        return false;
    uv_timer_init(&daemon->loop, &daemon->store_timer);
    uv_timer_init(&daemon->loop, &daemon->expiry_timer);
    daemon->store_timer.data = daemon->expiry_timer.data = daemon;
    catch_signal(daemon, &daemon->terminate, on_end, SIGTERM);
    catch_signal(daemon, &daemon->interrupt, on_end, SIGINT);
    catch_signal(daemon, &daemon->hangup, on_hangup, SIGHUP);
    hold_signals(SIG_UNBLOCK);
    resolver_start(&daemon->resolver, &daemon->loop, &resolver);
    if (!drive_start(daemon, error))
        return false;
    reach_start(daemon);
    rendezvous_start(&daemon->rendezvous, &daemon->loop, &rendezvous, daemon->config->private_key,
                     daemon->first_order);
    notices_start(daemon);
    if (!nat_start(daemon, error))
        return false;
    network_watch(&daemon->network, &daemon->loop, &network);
    if (!peers_apply(daemon, error))
        return false;
    drive_settle(daemon);
    return true;
}

static bool start(struct daemon *daemon, struct error *error)
{
    uint64_t next, limit;

    return read_files(daemon, &next, &limit, error) && make_site(daemon, next, limit, error) &&
           open_system(daemon, error) && privileges_reduce(error) && start_loop(daemon, error);
}

/* @context: not NULL when signal handlers are to be closed too */
static void close_handle(uv_handle_t *handle, void *context)
{
    if (!uv_is_closing(handle) && (context != NULL || handle->type != UV_SIGNAL))
        uv_close(handle, NULL);
}

static void close_handles(struct daemon *daemon, bool signals_too)
{
    uv_walk(&daemon->loop, close_handle, signals_too ? daemon : NULL);
    for (int turn = 0; turn < 4; turn++)
        uv_run(&daemon->loop, UV_RUN_NOWAIT);
}

static void undo_system(struct daemon *daemon)
{
    if (daemon->network.netlink != NULL)
        network_detach(&daemon->network);
    tap_close(&daemon->tap, &daemon->netlink);
    if (daemon->network.netlink != NULL)
        network_restore_bridge(&daemon->network);
    netlink_close(&daemon->netlink);
    udp_close(&daemon->udp);
    worker_close(&daemon->worker);
}

/* The handlers of signals stay to the last: who presses ^C twice must not end it half way.
 *
 * Return: whether the loop is empty; a name still being asked for keeps it busy */
static bool stop(struct daemon *daemon)
{
    drive_pause(daemon);
    nat_stop(daemon);
    resolver_stop(&daemon->resolver);
    rendezvous_stop(&daemon->rendezvous);
    event_command_stop(&daemon->event_command);
    network_unwatch(&daemon->network);
    control_close(&daemon->control);
    close_handles(daemon, false);
    undo_system(daemon);
    close_handles(daemon, true);
    free_site(daemon);
    config_free(daemon->config);
    return uv_loop_close(&daemon->loop) == 0;
}

static void say_ready(const struct daemon *daemon)
{
    log_info("lansplice %s: %s is ready: UDP port %u, TAP %s%s%s, %zu peers", LANSPLICE_VERSION,
             daemon->config->name, daemon->port, daemon->tap.name,
             daemon->config->bridge[0] != '\0' ? " in bridge " : "", daemon->config->bridge,
             site_peer_count(daemon->site));
}

/* The library joins its threads at exit(), and one may wait for DNS for half a minute. */
static void leave_now(int code)
{
    fflush(NULL);
    _exit(code);
}

int command_run(const char *config_path)
{
    /* The loop's callbacks point into it. Large, and mostly never written. */
    static struct daemon daemon;
    struct error error = {.exit_code = EXIT_FAILED};

    daemon.config_path = config_path;
    daemon.started_us = clock_now_us();
    daemon.tick_armed_us = UINT64_MAX;
    daemon.tap.fd = daemon.control.fd = daemon.worker.wake_fd = -1;
    daemon.wan = (struct wan){&daemon.udp, &daemon.nat.turn};
    daemon.udp.fd[UDP_V4] = daemon.udp.fd[UDP_V6] = -1;
    signal(SIGPIPE, SIG_IGN);
    hold_signals(SIG_BLOCK);
    int code = uv_loop_init(&daemon.loop);
    if (code != 0) {
        error_set(&error, EXIT_FAILED,
                  "cannot make the event loop: %s: raise the limit of open files (ulimit -n), or "
                  "free memory",
                  uv_strerror(code));
        return error_print(&error);
    }
    bool started = start(&daemon, &error);
    if (started) {
        say_ready(&daemon);
        service_manager_ready();
        uv_run(&daemon.loop, UV_RUN_DEFAULT);
        drive_pause(&daemon);
        site_close(daemon.site, clock_now_us());
        events_store(&daemon);
    }
    bool clean = stop(&daemon);
    code = started ? EXIT_SUCCESS : error_print(&error);
    if (!clean)
        leave_now(code);
    return code;
}
