/* SPDX-License-Identifier: MIT
 *
 * daemon_client.c - see daemon_client.h
 */
#include "daemon_client.h"

#include "../candidate_text.h"
#include "../clock.h"
#include "../copy.h"
#include "../files.h"
#include "../keyfile.h"
#include "service.h"

#include <errno.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { COMMAND_SIZE = 64, TIMEOUT_S = 5, ANSWER_MAX_BYTES = 4 << 20 };

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int client, code;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    copy_text(address.sun_path, sizeof address.sun_path, path);
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client < 0)
        return -1;
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(client, (const struct sockaddr *)&address, sizeof address) == 0)
        return client;
    code = errno;
    close(client);
    errno = code;
    return -1;
}

/* The answer is one line, parsed as it comes in. All of it must come in time, and have an end. */
static struct json_object *read_object(int client)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *object = NULL;
    uint64_t until_us = clock_now_us() + TIMEOUT_S * UINT64_C(1000000);
    char buffer[4096];
    size_t read_bytes = 0;
    ssize_t bytes;

    while (tokener && !object && clock_now_us() < until_us && read_bytes < ANSWER_MAX_BYTES &&
           (bytes = read(client, buffer, sizeof buffer)) > 0) {
        read_bytes += (size_t)bytes;
        object = json_tokener_parse_ex(tokener, buffer, (int)bytes);
        if (!object && json_tokener_get_error(tokener) != json_tokener_continue)
            break;
    }
    if (tokener)
        json_tokener_free(tokener);
    if (json_object_is_type(object, json_type_object))
        return object;
    json_object_put(object);
    return NULL;
}

static struct json_object *exchange(int client, const char *command)
{
    char line[COMMAND_SIZE];
    int bytes = snprintf(line, sizeof line, "{\"command\":\"%s\"}\n", command);

    if (send(client, line, (size_t)bytes, MSG_NOSIGNAL) != bytes)
        return NULL;
    return read_object(client);
}

static bool is_nobody(int code)
{
    return code == ENOENT || code == ECONNREFUSED;
}

static void explain_silence(const struct config *config, struct error *error)
{
    char words[SERVICE_WORDS_SIZE];

    error_set(error, EXIT_FAILED,
              "the daemon at %s does not answer: it is busy or stuck: try again, or %s",
              config->control, service_restart(config->path, words));
}

static void explain_connect(const struct config *config, int code, struct error *error)
{
    const char *control = config->control;
    char words[SERVICE_WORDS_SIZE];

    if (is_nobody(code))
        error_set(error, EXIT_FAILED, "no daemon answers at %s: start it with %s", control,
                  service_start(config->path, words));
    else if (code == EACCES || code == EPERM)
        error_set(error, EXIT_FAILED, "may not talk to the daemon: %s: needs root", control);
    else if (code == EAGAIN)
        explain_silence(config, error);
    else
        error_set(error, EXIT_FAILED, "cannot reach the running daemon: %s: %s%s", control,
                  strerror(code), files_remedy(code));
    errno = code;
}

/* Two homes on one machine may have got one socket. A file that is wrong may have given no key. */
static bool is_ours(const struct config *config, struct json_object *status)
{
    struct json_object *key = NULL;
    char text[KEY_TEXT_SIZE];

    if (sodium_is_zero(config->public_key, PUBLIC_KEY_BYTES) ||
        !json_object_object_get_ex(status, "public_key", &key) ||
        !json_object_is_type(key, json_type_string))
        return true;
    key_to_text(text, config->public_key);
    return strcmp(text, json_object_get_string(key)) == 0;
}

static void explain_other(const struct config *config, struct error *error)
{
    char words[SERVICE_WORDS_SIZE];

    error_set(error, EXIT_FAILED,
              "the daemon at %s has another key than %s: if that is another home of this machine, "
              "give this one a 'port', a 'tap' and a 'control' of its own; if the key is new, %s",
              config->control, config->path, service_restart(config->path, words));
}

static struct json_object *ask(const struct config *config, const char *command,
                               struct error *error)
{
    struct json_object *answer;
    int client = connect_to(config->control);

    if (client < 0) {
        explain_connect(config, errno, error);
        return NULL;
    }
    answer = exchange(client, command);
    close(client);
    if (!answer) {
        explain_silence(config, error);
        errno = EPROTO;
    }
    return answer;
}

struct json_object *daemon_status(const struct config *config, struct error *error)
{
    struct json_object *status = ask(config, "status", error);

    if (!status || is_ours(config, status))
        return status;
    json_object_put(status);
    explain_other(config, error);
    errno = EPROTO;
    return NULL;
}

/* Also asks whose daemon it is: it must not be another home's that is told to reload. */
static struct json_object *ask_reload(const struct config *config, struct error *error)
{
    struct json_object *status = daemon_status(config, error);

    if (!status)
        return NULL;
    json_object_put(status);
    return ask(config, "reload", error);
}

enum daemon_answer daemon_reload(const struct config *config, struct error *error)
{
    struct json_object *answer = ask_reload(config, error), *ok = NULL, *text = NULL;
    char words[SERVICE_WORDS_SIZE];
    bool reloaded;

    if (!answer)
        return is_nobody(errno) ? DAEMON_NONE : DAEMON_REFUSED;
    reloaded = json_object_object_get_ex(answer, "ok", &ok) && json_object_get_boolean(ok);
    if (!reloaded && json_object_object_get_ex(answer, "error", &text))
        error_set(error, EXIT_FAILED, "the running daemon refused: %s",
                  json_object_get_string(text));
    else if (!reloaded)
        error_set(error, EXIT_FAILED, "the running daemon did not understand: %s",
                  service_restart(config->path, words));
    json_object_put(answer);
    return reloaded ? DAEMON_RELOADED : DAEMON_REFUSED;
}

/* @private_too: those as well that mean something only near this home */
static void read_candidates(struct json_object *texts, bool private_too,
                            struct candidate_list *list)
{
    struct candidate candidate;

    memset(list, 0, sizeof *list);
    for (size_t i = 0; i < json_object_array_length(texts); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(texts, i));

        if (text && candidate_from_text(&candidate, text) &&
            (private_too || !ip_is_private(&candidate.endpoint.address)))
            candidate_add(list, &candidate);
    }
}

void daemon_candidates(const struct config *config, struct candidate_list *list)
{
    struct json_object *status = daemon_status(config, NULL), *nat = NULL, *texts = NULL;

    memset(list, 0, sizeof *list);
    if (json_object_object_get_ex(status, "nat", &nat) &&
        json_object_object_get_ex(nat, "candidates", &texts) &&
        json_object_is_type(texts, json_type_array)) {
        read_candidates(texts, false, list);
        if (list->count == 0)
            read_candidates(texts, true, list);
    }
    json_object_put(status);
}

bool daemon_candidates_private(const struct candidate_list *list)
{
    return list->count == 0 || ip_is_private(&list->item[0].endpoint.address);
}
