/* SPDX-License-Identifier: MIT
 *
 * name_lookup.c - see name_lookup.h.
 */
#include "name_lookup.h"

#include "copy.h"
#include "log.h"
#include "socket_address.h"
#include "srv.h"
#include "tunnel/token.h"

#include <netdb.h>
#include <stdlib.h>

struct lookup {
    uv_getaddrinfo_t uv;
    uv_work_t work;                 /* instead, when it asks for SRV records */
    char text[TOKEN_ENDPOINT_SIZE]; /* the SRV name; the other thread reads nothing else */
    name_answered *answered;
    struct name_answer answer;
};

static size_t list_answer(struct endpoint *out, const struct addrinfo *answer)
{
    size_t count = 0;

    for (; answer != NULL && count < NAME_ENDPOINTS_MAX; answer = answer->ai_next)
        if (endpoint_from_socket(&out[count], answer->ai_addr))
            count++;
    return count;
}

size_t name_numeric(const char *text, struct endpoint *out)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_DGRAM};
    struct addrinfo *answer = NULL;
    struct host_port at;

    if (endpoint_text_is_srv(text) || !host_port_split(text, &at) ||
        getaddrinfo(at.host, at.port, &hints, &answer) != 0)
        return 0;
    size_t count = list_answer(out, answer);
    freeaddrinfo(answer);
    return count;
}

static void finish(struct lookup *lookup, int status)
{
    if (status != UV_ECANCELED)
        lookup->answered(&lookup->answer);
    free(lookup);
}

static void on_addresses(uv_getaddrinfo_t *uv, int status, struct addrinfo *answer)
{
    struct lookup *lookup = uv->data;

    lookup->answer.failure = status != 0 ? uv_strerror(status) : NULL;
    lookup->answer.count = list_answer(lookup->answer.endpoint, answer);
    uv_freeaddrinfo(answer);
    finish(lookup, status);
}

/* On a thread of libuv's pool. */
static void look_up_srv(uv_work_t *work)
{
    struct lookup *lookup = work->data;

    lookup->answer.failure = srv_failure(srv_look_up(lookup->text, lookup->answer.endpoint,
                                                     NAME_ENDPOINTS_MAX, &lookup->answer.count));
}

static void on_srv(uv_work_t *work, int status)
{
    finish(work->data, status);
}

static bool start(uv_loop_t *loop, struct lookup *lookup)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
    struct host_port at;

    if (endpoint_text_is_srv(lookup->text))
        return uv_queue_work(loop, &lookup->work, look_up_srv, on_srv) == 0;
    return host_port_split(lookup->text, &at) &&
           uv_getaddrinfo(loop, &lookup->uv, on_addresses, at.host, at.port, &hints) == 0;
}

bool name_look_up(uv_loop_t *loop, const char *text, const struct name_query *query,
                  name_answered *answered)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);

    if (lookup == NULL)
        return false;
    lookup->answered = answered;
    lookup->answer.query = *query;
    lookup->uv.data = lookup->work.data = lookup;
    if (copy_text(lookup->text, sizeof lookup->text, text) && start(loop, lookup))
        return true;
    free(lookup);
    return false;
}

void name_warn(const char *what, const char *owner, const char *text, const char *failure)
{
    log_warn("%s%s: cannot resolve %s: %s: trying again: is the name right, does DNS answer here?",
             what, owner, text, failure);
}
