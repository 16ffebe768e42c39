/* SPDX-License-Identifier: MIT
 *
 * turn_relay.c - see turn_relay.h.
 *
 * After anything that may have changed an allocation comes settle(): requests that are due are
 * sent, a server is chosen when none is in use, the timer is set, and who listens is told. It is
 * the loop's; another thread that made something due wakes the loop for it.
 */
#include "turn_relay.h"

#include "clock.h"
#include "config_turn.h"
#include "json_fields.h"
#include "locked_memory.h"
#include "log.h"
#include "name_lookup.h"
#include "random.h"
#include "text.h"
#include "timer.h"
#include "turn_key.h"

#include <json-c/json.h>
#include <sodium.h>
#include <string.h>

#define UNRESOLVED_US     UINT64_C(10000000)
#define NAME_PATIENCE_US  UINT64_C(500000) /* until the next server need not wait for it */
#define RESOLVED_LASTS_US UINT64_C(60000000)

static void settle(struct turn_relay *relay);

static void lock(struct turn_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
}

static void unlock(struct turn_relay *relay)
{
    pthread_mutex_unlock(&relay->lock);
}

/* ---- out, with the lock held ---- */

static void send_requests(struct turn_relay *relay, uint64_t now_us)
{
    struct turn_request request;

    for (unsigned i = 0; i < relay->server_count; i++)
        while (turn_due(&relay->server[i].turn, now_us, &request)) {
            struct datagram d = {
                .to = relay->server[i].turn.server, .data = request.data, .bytes = request.bytes};
            relay->listener.transmit(relay->listener.context, &d, 1);
        }
}

/* What asks for a permission goes before what needs it. */
static void flush(struct turn_relay *relay, uint64_t now_us)
{
    send_requests(relay, now_us);
    if (relay->waiting > 0)
        relay->listener.transmit(relay->listener.context, relay->batch, relay->waiting);
    relay->waiting = 0;
    relay->used_bytes = 0;
}

static void put(struct turn_relay *relay, const struct datagram *d, uint64_t now_us)
{
    unsigned n = (unsigned)(d->to.via - VIA_TURN);
    struct turn *turn;

    if (d->to.via < VIA_TURN || n >= relay->server_count)
        return;
    if (relay->waiting == TURN_RELAY_BATCH ||
        sizeof relay->buffer - relay->used_bytes < d->bytes + TURN_OVERHEAD_MAX_BYTES)
        flush(relay, now_us);
    turn = &relay->server[n].turn;
    uint8_t *out = relay->buffer + relay->used_bytes;
    size_t bytes = turn_wrap(turn, &d->to, d->data, d->bytes, out,
                             sizeof relay->buffer - relay->used_bytes, now_us);
    if (bytes == 0)
        return;
    relay->batch[relay->waiting++] =
        (struct datagram){.to = turn->server, .data = out, .bytes = bytes, .probe = d->probe};
    relay->used_bytes += bytes;
}

static uint64_t requests_due_us(const struct turn_relay *relay)
{
    uint64_t due_us = UINT64_MAX;

    for (unsigned i = 0; i < relay->server_count; i++) {
        uint64_t at_us = turn_deadline_us(&relay->server[i].turn);
        if (at_us < due_us)
            due_us = at_us;
    }
    return due_us;
}

void turn_relay_transmit(struct turn_relay *relay, const struct datagram *datagrams, size_t count)
{
    uint64_t now_us = clock_now_us();

    if (!relay->running)
        return;
    lock(relay);
    for (size_t i = 0; i < count; i++)
        put(relay, &datagrams[i], now_us);
    flush(relay, now_us);
    bool sooner = requests_due_us(relay) < relay->armed_us;
    unlock(relay);
    if (sooner)
        uv_async_send(&relay->hurried);
}

/* ---- which server, with the lock held ---- */

static bool is_in_use(const struct turn_relay_server *server)
{
    enum turn_state state = server->turn.state;

    return state == TURN_ASKING || state == TURN_ALLOCATED || state == TURN_RELEASING;
}

/* An address that does not answer need not be the last. */
static bool start_next_address(struct turn_relay_server *server, uint64_t now_us)
{
    if (server->address_next >= server->address_count)
        return false;
    turn_start(&server->turn, &server->address[server->address_next++], now_us);
    return true;
}

static uint64_t retry_us(const struct turn_relay_server *server)
{
    uint64_t at_us = server->turn.state == TURN_FAILED ? turn_retry_us(&server->turn) : 0;

    return at_us > server->ask_again_us ? at_us : server->ask_again_us;
}

static bool may_choose(const struct turn_relay *relay)
{
    for (unsigned i = 0; i < relay->server_count; i++)
        if (is_in_use(&relay->server[i]))
            return false;
    return !relay->stopping;
}

static void ask_name(struct turn_relay *relay, unsigned n, uint64_t now_us);

static bool is_fresh(const struct turn_relay_server *server, uint64_t now_us)
{
    return server->resolved && now_us - server->asked_us < RESOLVED_LASTS_US;
}

/* The names are asked for all at once: a DNS that is down takes its time with each. */
static void ask_names(struct turn_relay *relay, uint64_t now_us)
{
    for (unsigned i = 0; i < relay->server_count; i++) {
        struct turn_relay_server *server = &relay->server[i];
        if (!server->asked && !is_fresh(server, now_us) && retry_us(server) <= now_us)
            ask_name(relay, i, now_us);
    }
}

/* Begins with the first server that may be tried, when none is in use. One whose name takes long
 * has to let those after it pass. */
static void choose(struct turn_relay *relay, uint64_t now_us)
{
    if (!may_choose(relay))
        return;
    for (unsigned i = 0; i < relay->server_count; i++)
        if (relay->server[i].turn.failure == TURN_FAILURE_SILENCE &&
            start_next_address(&relay->server[i], now_us))
            return;
    ask_names(relay, now_us);
    for (unsigned i = 0; i < relay->server_count; i++) {
        struct turn_relay_server *server = &relay->server[i];
        if (is_fresh(server, now_us)) {
            server->resolved = false;
            start_next_address(server, now_us);
            return;
        }
        if (server->asked && now_us < server->asked_us + NAME_PATIENCE_US)
            return;
    }
}

static uint64_t choice_due_us(const struct turn_relay *relay)
{
    uint64_t due_us = UINT64_MAX, now_us = clock_now_us();

    for (unsigned i = 0; may_choose(relay) && i < relay->server_count; i++) {
        const struct turn_relay_server *server = &relay->server[i];
        uint64_t at_us = server->asked ? server->asked_us + NAME_PATIENCE_US : retry_us(server);
        if (is_fresh(server, now_us) || (server->asked && at_us <= now_us))
            continue; /* it waits for another one, or for its name's answer */
        if (at_us < due_us)
            due_us = at_us;
    }
    return due_us;
}

/* ---- names ---- */

static void on_resolved(struct turn_relay_server *server, const struct name_answer *answer)
{
    uint64_t now_us = clock_now_us();
    bool found = answer->failure == NULL && answer->count > 0;

    server->asked = false;
    server->resolved = found;
    server->address_next = 0;
    server->address_count =
        (uint8_t)(answer->count < TURN_RELAY_ADDRESSES_MAX ? answer->count
                                                           : TURN_RELAY_ADDRESSES_MAX);
    memcpy(server->address, answer->endpoint, server->address_count * sizeof *server->address);
    if (!found && !server->unresolved)
        name_warn("TURN server", "", server->where,
                  answer->failure != NULL ? answer->failure : "no address");
    server->unresolved = !found;
    server->ask_again_us = found ? 0 : now_us + UNRESOLVED_US;
}

static void on_answer(const struct name_answer *answer)
{
    struct turn_relay *relay = answer->query.owner;

    if (!relay->running || relay->generation != answer->query.generation)
        return;
    lock(relay);
    on_resolved(&relay->server[answer->query.number], answer);
    unlock(relay);
    settle(relay);
}

static void ask_name(struct turn_relay *relay, unsigned n, uint64_t now_us)
{
    struct turn_relay_server *server = &relay->server[n];
    struct name_answer numeric = {.query = {relay, relay->generation, n}};

    server->ask_again_us = now_us + UNRESOLVED_US;
    server->asked_us = now_us;
    numeric.count = name_numeric(server->where, numeric.endpoint);
    if (numeric.count > 0) /* it would wait for the names to be answered */
        on_resolved(server, &numeric);
    else
        server->asked = name_look_up(relay->loop, server->where, &numeric.query, on_answer);
}

/* ---- the loop's turn ---- */

/* Each kind of failure once, until it works again. */
static void tell_failure(struct turn_relay_server *server)
{
    const struct turn *turn = &server->turn;

    if (turn->state == TURN_ALLOCATED)
        server->told_failure = TURN_FAILURE_NONE;
    if (turn->state != TURN_FAILED || turn->failure == server->told_failure)
        return;
    server->told_failure = turn->failure;
    if (turn->failure_code != 0)
        log_warn("TURN server %s: error %u: %s", server->where, turn->failure_code,
                 turn_failure_text(turn->failure));
    else
        log_warn("TURN server %s: %s", server->where, turn_failure_text(turn->failure));
}

static bool find_address(const struct turn_relay *relay, struct endpoint *relayed, uint8_t *via)
{
    *relayed = (struct endpoint){0};
    *via = VIA_DIRECT;
    for (uint8_t i = 0; i < relay->server_count; i++)
        if (turn_relayed(&relay->server[i].turn) != NULL) {
            *relayed = *turn_relayed(&relay->server[i].turn);
            *via = (uint8_t)(VIA_TURN + i);
            return true;
        }
    return false;
}

/* Return: whether the listener does not know it yet */
static bool note_address(struct turn_relay *relay)
{
    char text[TEXT_ENDPOINT_SIZE];
    struct endpoint relayed;
    uint8_t via;

    bool found = find_address(relay, &relayed, &via);
    if (endpoint_equal(&relayed, &relay->told) && via == relay->told_via)
        return false;
    if (found)
        log_info("TURN server %s relays at %s", relay->server[via - VIA_TURN].where,
                 text_endpoint(&relayed, text));
    relay->told = relayed;
    relay->told_via = via;
    return true;
}

static void on_timer(uv_timer_t *timer)
{
    settle(timer->data);
}

static void on_hurried(uv_async_t *hurried)
{
    settle(hurried->data);
}

static void arm(struct turn_relay *relay)
{
    uint64_t requests_us = requests_due_us(relay), choice_us = choice_due_us(relay);

    relay->armed_us = requests_us < choice_us ? requests_us : choice_us;
    timer_arm(&relay->timer, on_timer, relay->armed_us);
}

static void settle(struct turn_relay *relay)
{
    uint64_t now_us = clock_now_us();

    lock(relay);
    send_requests(relay, now_us); /* whoever waited too long has failed now */
    choose(relay, now_us);
    send_requests(relay, now_us);
    for (unsigned i = 0; i < relay->server_count; i++)
        tell_failure(&relay->server[i]);
    bool changed = note_address(relay);
    arm(relay);
    unlock(relay);
    if (changed && !relay->stopping)
        relay->listener.changed(relay->listener.context);
}

/* ---- up and down ---- */

static bool is_configured(const struct turn_relay *relay, const struct config *config)
{
    if (relay->server_count != config->turn_count)
        return false;
    for (unsigned i = 0; i < relay->server_count; i++) {
        const struct turn_relay_server *server = &relay->server[i];
        if (strcmp(server->where, config->turn[i].host) != 0 ||
            strcmp(server->turn.user, config->turn[i].user) != 0 ||
            strcmp(server->turn.password, config_turn_password(config, i)) != 0)
            return false;
    }
    return true;
}

/* Only those there were: untouched memory costs nothing. */
static void forget_servers(struct turn_relay *relay)
{
    sodium_memzero(relay->server, relay->server_count * sizeof *relay->server);
    relay->server_count = 0;
}

static void take_config(struct turn_relay *relay, const struct config *config)
{
    static const struct turn_ops ops = {NULL, random_fill, turn_key, turn_key_hmac};

    forget_servers(relay);
    relay->server_count = config->turn_count;
    for (unsigned i = 0; i < relay->server_count; i++) {
        struct turn_relay_server *server = &relay->server[i];
        memcpy(server->where, config->turn[i].host, sizeof server->where);
        turn_init(&server->turn, &ops, config->turn[i].user, config_turn_password(config, i));
    }
    relay->generation++;
}

static void release_all(struct turn_relay *relay)
{
    uint64_t now_us = clock_now_us();

    lock(relay);
    for (unsigned i = 0; i < relay->server_count; i++)
        turn_release(&relay->server[i].turn, now_us);
    send_requests(relay, now_us);
    unlock(relay);
}

bool turn_relay_start(struct turn_relay *relay, uv_loop_t *loop,
                      const struct turn_relay_listener *listener, const struct config *config,
                      struct error *error)
{
    relay->loop = loop;
    relay->listener = *listener;
    if (pthread_mutex_init(&relay->lock, NULL) != 0 ||
        uv_async_init(loop, &relay->hurried, on_hurried) != 0) {
        error_set(error, EXIT_FAILED, "cannot start the TURN client: too little memory");
        return false;
    }
    uv_timer_init(loop, &relay->timer);
    relay->timer.data = relay->hurried.data = relay;
    locked_memory_lock(relay->server, sizeof relay->server);
    relay->running = true;
    take_config(relay, config);
    settle(relay);
    return true;
}

/* The old servers are told once, and not waited for. */
void turn_relay_reload(struct turn_relay *relay, const struct config *config)
{
    if (!relay->running || is_configured(relay, config))
        return;
    release_all(relay);
    lock(relay);
    take_config(relay, config);
    unlock(relay);
    settle(relay);
}

void turn_relay_hurry(struct turn_relay *relay)
{
    uint64_t now_us = clock_now_us();

    if (!relay->running)
        return;
    lock(relay);
    for (unsigned i = 0; i < relay->server_count; i++) {
        turn_hurry(&relay->server[i].turn, now_us);
        relay->server[i].ask_again_us = 0;
    }
    unlock(relay);
    settle(relay);
}

static bool is_releasing(struct turn_relay *relay)
{
    for (unsigned i = 0; i < relay->server_count; i++)
        if (relay->server[i].turn.state == TURN_RELEASING)
            return true;
    return false;
}

void turn_relay_stop(struct turn_relay *relay)
{
    if (!relay->running)
        return;
    relay->stopping = true;
    relay->generation++;
    release_all(relay);
    settle(relay);
    while (is_releasing(relay)) /* the timer ends it */
        uv_run(relay->loop, UV_RUN_ONCE);
    relay->running = false;
    uv_close((uv_handle_t *)&relay->timer, NULL);
    uv_close((uv_handle_t *)&relay->hurried, NULL);
    pthread_mutex_destroy(&relay->lock);
    forget_servers(relay);
}

/* ---- datagrams ---- */

enum turn_receipt turn_relay_receive(struct turn_relay *relay, const struct endpoint *from,
                                     uint8_t *datagram, size_t bytes, struct turn_delivery *out)
{
    enum turn_receipt receipt = TURN_NOT_OURS;
    uint64_t now_us = clock_now_us();

    if (!relay->running)
        return receipt;
    lock(relay);
    for (unsigned i = 0; i < relay->server_count && receipt == TURN_NOT_OURS; i++) {
        if (!is_in_use(&relay->server[i]))
            continue;
        receipt = turn_receive(&relay->server[i].turn, from, datagram, bytes, now_us, out);
        if (receipt == TURN_DATA)
            out->peer.via = (uint8_t)(VIA_TURN + i);
    }
    unlock(relay);
    if (receipt == TURN_HANDLED)
        settle(relay);
    return receipt;
}

/* ---- for people who look ---- */

bool turn_relay_address(struct turn_relay *relay, struct endpoint *relayed, uint8_t *via)
{
    bool found = false;

    if (!relay->running)
        return false;
    lock(relay);
    found = find_address(relay, relayed, via);
    unlock(relay);
    return found;
}

static const char *state_text(const struct turn_relay_server *server)
{
    static const char *const text[] = {
        [TURN_IDLE] = "idle",           [TURN_ASKING] = "asking", [TURN_ALLOCATED] = "allocated",
        [TURN_RELEASING] = "releasing", [TURN_FAILED] = "failed",
    };

    return text[server->turn.state];
}

static struct json_object *server_json(const struct turn_relay_server *server)
{
    struct json_object *json = json_object_new_object();
    const struct endpoint *relayed = turn_relayed(&server->turn);
    const char *problem = server->unresolved ? "its name has no address"
                          : server->turn.failure != TURN_FAILURE_NONE
                              ? turn_failure_text(server->turn.failure)
                              : NULL;
    char text[TEXT_ENDPOINT_SIZE];

    json_object_object_add(json, "server", json_object_new_string(server->where));
    json_object_object_add(json, "state", json_object_new_string(state_text(server)));
    json_object_object_add(json, "relayed",
                           json_new_text(relayed != NULL ? text_endpoint(relayed, text) : NULL));
    json_object_object_add(json, "error", json_new_text(problem));
    return json;
}

struct json_object *turn_relay_json(struct turn_relay *relay)
{
    struct json_object *list = json_object_new_array();

    if (!relay->running)
        return list;
    lock(relay);
    for (unsigned i = 0; i < relay->server_count; i++)
        json_object_array_add(list, server_json(&relay->server[i]));
    unlock(relay);
    return list;
}
