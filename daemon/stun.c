/* SPDX-License-Identifier: MIT
 *
 * stun.c - see stun.h. One timer for DNS and for the client.
 */
#include "stun.h"

#include "clock.h"
#include "copy.h"
#include "json_fields.h"
#include "log.h"
#include "name_lookup.h"
#include "random.h"
#include "text.h"
#include "timer.h"

#include <json-c/json.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

enum { RESOLVE_AGAIN_S = 600, RETRY_FIRST_S = 5, RETRY_MAX_S = 300 };

/* ---- what is told ---- */

static const char *behaviour_text(enum nat_mapping mapping)
{
    switch (mapping) {
    case NAT_MAPPING_NONE:
        return "none";
    case NAT_MAPPING_INDEPENDENT:
        return "independent";
    case NAT_MAPPING_DEPENDENT:
        return "dependent";
    case NAT_MAPPING_UNKNOWN:
        break;
    }
    return "unknown";
}

static void log_family(const struct stun *stun, enum ip_family family)
{
    const struct reflexive_result *result = reflexive_result(&stun->reflexive, family);
    char where[TEXT_ENDPOINT_SIZE];

    if (result->known)
        log_info("seen from outside at %s, NAT mapping: %s", text_endpoint(&result->mapped, where),
                 behaviour_text(result->mapping));
}

/* Once for each silence, and not while one family of it still answers. */
static void log_silence(struct stun *stun)
{
    struct reflexive_answer answer[REFLEXIVE_ANSWERS_MAX];
    size_t count = reflexive_answers(&stun->reflexive, answer);

    for (unsigned s = 0; s < CONFIG_STUN_MAX; s++) {
        struct stun_server *server = &stun->server[s];
        bool failed = false, answers = false, asking = false;
        for (size_t i = 0; i < count; i++) {
            if (answer[i].server != s || answer[i].other)
                continue;
            failed = failed || answer[i].state == REFLEXIVE_FAILED;
            answers = answers || answer[i].state == REFLEXIVE_ANSWERED;
            asking = asking || answer[i].state == REFLEXIVE_ASKING;
        }
        if (failed && !answers && !asking && !server->silence_told)
            log_warn("no answer from the STUN server %s: is it one, and does UDP get there?",
                     server->text);
        server->silence_told = !answers && (server->silence_told || (failed && !asking));
    }
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer);

static void arm(struct stun *stun)
{
    uint64_t due_us = reflexive_deadline_us(&stun->reflexive);

    for (unsigned s = 0; s < CONFIG_STUN_MAX; s++)
        if (stun->server[s].resolve_us < due_us)
            due_us = stun->server[s].resolve_us;
    timer_arm(&stun->timer, on_timer, due_us);
}

/* After any call into the client: send what is due, tell what is new. */
static void settle(struct stun *stun)
{
    struct reflexive_request request;

    while (reflexive_due(&stun->reflexive, clock_now_us(), &request)) {
        struct datagram datagram = {
            .to = request.to, .data = request.bytes, .bytes = request.count};
        stun->listener.transmit(stun->listener.context, &datagram, 1);
    }
    log_silence(stun);
    arm(stun);
    if (!reflexive_take_changed(&stun->reflexive))
        return;
    log_family(stun, IP_V4);
    log_family(stun, IP_V6);
    stun->listener.changed(stun->listener.context);
}

/* ---- names ---- */

static void take_addresses(struct stun *stun, unsigned s, const struct endpoint *list, size_t count)
{
    stun->server[s].unresolved = false;
    reflexive_set_server(&stun->reflexive, s, list, count, clock_now_us());
}

/* 5, 10, 20, ... 300 s after an error. */
static void plan(struct stun_server *server)
{
    uint64_t wait_s = RESOLVE_AGAIN_S;

    if (server->failures > 0) {
        wait_s = (uint64_t)RETRY_FIRST_S << (server->failures < 8 ? server->failures - 1 : 7);
        wait_s = wait_s < RETRY_MAX_S ? wait_s : RETRY_MAX_S;
    }
    server->resolve_us = clock_now_us() + wait_s * SECOND_US;
}

static void take_answer(struct stun *stun, unsigned s, const struct name_answer *answer)
{
    struct stun_server *server = &stun->server[s];

    server->asked = false;
    if (answer->failure == NULL) {
        server->failures = 0;
        take_addresses(stun, s, answer->endpoint, answer->count);
    } else if (server->failures++ == 0) {
        name_warn("STUN server", "", server->text, answer->failure);
    }
    plan(server);
    settle(stun);
}

static void on_answer(const struct name_answer *answer)
{
    struct stun *stun = answer->query.owner;

    if (stun->server[answer->query.number].generation == answer->query.generation)
        take_answer(stun, answer->query.number, answer);
}

static void ask(struct stun *stun, unsigned s)
{
    struct stun_server *server = &stun->server[s];
    struct name_query query = {stun, server->generation, s};

    plan(server);
    if (!server->asked)
        server->asked = name_look_up(stun->loop, server->text, &query, on_answer);
}

static bool is_named(const struct stun_server *server)
{
    return server->text[0] != '\0' && !server->numeric;
}

static void on_timer(uv_timer_t *timer)
{
    struct stun *stun = timer->data;
    uint64_t now_us = clock_now_us();

    for (unsigned s = 0; s < CONFIG_STUN_MAX; s++)
        if (stun->server[s].resolve_us <= now_us)
            ask(stun, s);
    settle(stun);
}

/* ---- the configuration ---- */

static void set_server(struct stun *stun, unsigned s, const char *text)
{
    struct stun_server *server = &stun->server[s];
    struct endpoint list[NAME_ENDPOINTS_MAX];
    size_t count;

    memset(server, 0, sizeof *server);
    copy_text(server->text, sizeof server->text, text);
    server->generation = ++stun->generation;
    server->resolve_us = UINT64_MAX;
    reflexive_set_server(&stun->reflexive, s, NULL, 0, clock_now_us());
    if (text[0] == '\0')
        return;
    server->unresolved = true;
    count = name_numeric(text, list);
    server->numeric = count > 0;
    if (server->numeric)
        take_addresses(stun, s, list, count);
    else
        ask(stun, s);
}

void stun_reload(struct stun *stun, const struct config *config)
{
    for (unsigned s = 0; s < CONFIG_STUN_MAX; s++)
        if (strcmp(stun->server[s].text, config->stun[s]) != 0)
            set_server(stun, s, config->stun[s]);
    settle(stun);
}

void stun_start(struct stun *stun, uv_loop_t *loop, const struct stun_listener *listener,
                const struct config *config)
{
    const struct reflexive_ops ops = {.random = random_fill};

    stun->loop = loop;
    stun->listener = *listener;
    reflexive_init(&stun->reflexive, &ops);
    uv_timer_init(loop, &stun->timer);
    stun->timer.data = stun;
    for (unsigned s = 0; s < CONFIG_STUN_MAX; s++)
        stun->server[s].resolve_us = UINT64_MAX;
    stun_reload(stun, config);
}

void stun_stop(struct stun *stun)
{
    memset(stun->server, 0, sizeof stun->server);
    if (stun->loop != NULL)
        uv_timer_stop(&stun->timer);
}

/* ---- what we are told ---- */

void stun_set_local(struct stun *stun, uint16_t port, const struct ip_address *addresses,
                    size_t count)
{
    reflexive_set_local(&stun->reflexive, port, addresses, count);
    settle(stun);
}

void stun_hurry(struct stun *stun)
{
    for (unsigned s = 0; s < CONFIG_STUN_MAX; s++)
        if (is_named(&stun->server[s]))
            ask(stun, s);
    reflexive_hurry(&stun->reflexive, clock_now_us());
    settle(stun);
}

void stun_keep(struct stun *stun, bool keep)
{
    reflexive_keep(&stun->reflexive, keep, clock_now_us());
    settle(stun);
}

bool stun_receive(struct stun *stun, const struct endpoint *from, const uint8_t *datagram,
                  size_t bytes)
{
    if (!reflexive_receive(&stun->reflexive, from, datagram, bytes, clock_now_us()))
        return false;
    settle(stun);
    return true;
}

const struct reflexive *stun_state(const struct stun *stun)
{
    return &stun->reflexive;
}

/* ---- status ---- */

static struct json_object *endpoint_json(bool known, const struct endpoint *endpoint)
{
    char text[TEXT_ENDPOINT_SIZE];

    return json_new_text(known ? text_endpoint(endpoint, text) : NULL);
}

static const char *state_text(const struct reflexive_answer *answer)
{
    if (answer->state == REFLEXIVE_FAILED)
        return answer->error > 0 ? "error" : "silent";
    return answer->state == REFLEXIVE_ANSWERED ? "answered" : "asking";
}

static struct json_object *answer_json(const struct stun *stun,
                                       const struct reflexive_answer *answer)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "server",
                           json_object_new_string(stun->server[answer->server].text));
    json_object_object_add(json, "address", endpoint_json(true, &answer->asked));
    json_object_object_add(json, "other", json_object_new_boolean(answer->other));
    json_object_object_add(json, "state", json_object_new_string(state_text(answer)));
    json_object_object_add(json, "mapped", endpoint_json(answer->known, &answer->mapped));
    json_object_object_add(json, "error",
                           answer->error > 0 ? json_object_new_int((int)answer->error) : NULL);
    return json;
}

static struct json_object *unresolved_json(const struct stun_server *server)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "server", json_object_new_string(server->text));
    json_object_object_add(json, "address", NULL);
    json_object_object_add(json, "other", json_object_new_boolean(false));
    json_object_object_add(json, "state", json_object_new_string("unresolved"));
    json_object_object_add(json, "mapped", NULL);
    json_object_object_add(json, "error", NULL);
    return json;
}

static struct json_object *servers_json(const struct stun *stun, enum ip_family family)
{
    struct reflexive_answer answer[REFLEXIVE_ANSWERS_MAX];
    size_t count = reflexive_answers(&stun->reflexive, answer);
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < count; i++)
        if (answer[i].asked.address.family == family)
            json_object_array_add(list, answer_json(stun, &answer[i]));
    for (unsigned s = 0; s < CONFIG_STUN_MAX; s++)
        if (stun->server[s].unresolved)
            json_object_array_add(list, unresolved_json(&stun->server[s]));
    return list;
}

struct json_object *stun_json(const struct stun *stun, enum ip_family family)
{
    const struct reflexive_result *result = reflexive_result(&stun->reflexive, family);
    struct json_object *json = json_object_new_object();
    uint64_t refused = family == IP_V4 ? stun->reflexive.v4.refused : stun->reflexive.v6.refused;

    json_object_object_add(json, "mapped", endpoint_json(result->known, &result->mapped));
    json_object_object_add(json, "behaviour",
                           json_object_new_string(behaviour_text(result->mapping)));
    json_object_object_add(json, "port_kept", json_object_new_boolean(result->port_kept));
    json_object_object_add(json, "servers", servers_json(stun, family));
    json_object_object_add(json, "refused", json_object_new_int64((int64_t)refused));
    return json;
}
