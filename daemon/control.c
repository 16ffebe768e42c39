/* SPDX-License-Identifier: MIT
 *
 * control.c - see control.h.
 */
#include "control.h"

#include "files.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 8, SILENT_MS = 10000, LOOK_MS = 1000 };

struct control_client {
    uv_pipe_t pipe;
    struct control *control;
    uint64_t heard_ms; /* by the loop's clock */
    size_t used;
    char line[CONTROL_LINE_MAX_BYTES];
};

/* ---- the socket file ---- */

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool somebody_answers(const struct sockaddr_un *at)
{
    int fd = open_socket();
    bool answered = fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 ||
                                errno == EAGAIN || errno == EINPROGRESS);
    if (fd >= 0)
        close(fd);
    return answered;
}

/* Return: true when nothing stands in the way of binding */
static bool clear_way(const struct sockaddr_un *at, struct error *error)
{
    struct stat there;

    if (lstat(at->sun_path, &there) != 0)
        return true; /* bind() says what else is wrong with the path */
    if (!S_ISSOCK(there.st_mode)) {
        error_set(error, EXIT_FAILED,
                  "control socket: %s: there is a file that is no socket: remove it or change "
                  "'control' in [site]",
                  at->sun_path);
        return false;
    }
    if (somebody_answers(at)) {
        error_set(error, EXIT_FAILED,
                  "a daemon runs already: it answers at %s: stop it first, or change 'control' in "
                  "[site]",
                  at->sun_path);
        return false;
    }
    unlink(at->sun_path);
    return true;
}

bool control_open(struct control *control, const char *path, struct error *error)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat made;

    *control = (struct control){.fd = -1};
    memcpy(at.sun_path, path, strnlen(path, sizeof at.sun_path - 1));
    memcpy(control->path, at.sun_path, sizeof control->path);
    if (!clear_way(&at, error))
        return false;
    control->fd = open_socket();
    mode_t mask = umask(0177);
    bool bound =
        control->fd >= 0 && bind(control->fd, (const struct sockaddr *)&at, sizeof at) == 0;
    umask(mask);
    if (!bound || stat(path, &made) != 0) {
        error_set(error, EXIT_FAILED, "cannot make the control socket: %s: %s%s", path,
                  strerror(errno), files_remedy(errno));
        control_close(control);
        return false;
    }
    control->device = made.st_dev;
    control->inode = made.st_ino;
    return true;
}

static void on_closed(uv_handle_t *handle)
{
    struct control_client *client = handle->data;

    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (client->control->client[i] == client)
            client->control->client[i] = NULL;
    free(client);
}

static void hang_up(struct control_client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->pipe))
        uv_close((uv_handle_t *)&client->pipe, on_closed);
}

void control_close(struct control *control)
{
    struct stat there;

    if (control->serving) {
        for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
            if (control->client[i] != NULL)
                hang_up(control->client[i]);
        uv_close((uv_handle_t *)&control->pipe, NULL);
        uv_close((uv_handle_t *)&control->timer, NULL);
        control->serving = false;
    }
    if (control->fd >= 0)
        close(control->fd);
    control->fd = -1;
    if (control->inode != 0 && lstat(control->path, &there) == 0 &&
        there.st_dev == control->device && there.st_ino == control->inode)
        unlink(control->path);
    control->inode = 0;
}

/* ---- clients ---- */

struct answer {
    uv_write_t uv;
    char *text;
};

static void on_written(uv_write_t *uv, int status)
{
    struct answer *answer = uv->data;

    (void)status;
    free(answer->text);
    free(answer);
}

static struct json_object *refusal(const char *why)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "ok", json_object_new_boolean(0));
    json_object_object_add(object, "error", json_object_new_string(why));
    return object;
}

/* Takes @object over. */
static void send_line(struct control_client *client, struct json_object *object)
{
    struct answer *answer = calloc(1, sizeof *answer);
    size_t bytes = 0;
    const char *text = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &bytes);

    if (answer != NULL && text != NULL && (answer->text = malloc(bytes + 1)) != NULL) {
        memcpy(answer->text, text, bytes);
        answer->text[bytes] = '\n';
        answer->uv.data = answer;
        uv_buf_t buffer = uv_buf_init(answer->text, (unsigned)bytes + 1);
        if (uv_write(&answer->uv, (uv_stream_t *)&client->pipe, &buffer, 1, on_written) == 0)
            answer = NULL;
    }
    if (answer != NULL) {
        free(answer->text);
        free(answer);
        hang_up(client);
    }
    json_object_put(object);
}

static void obey(struct control_client *client, const char *line)
{
    struct control *control = client->control;
    struct json_object *request = json_tokener_parse(line), *command, *answer;

    if (!json_object_is_type(request, json_type_object) ||
        !json_object_object_get_ex(request, "command", &command) ||
        !json_object_is_type(command, json_type_string))
        answer = refusal("not a command: expected {\"command\":\"...\"}");
    else if ((answer = control->answer(control->context, json_object_get_string(command))) == NULL)
        answer = refusal("no such command");
    json_object_put(request);
    send_line(client, answer);
}

static void obey_lines(struct control_client *client)
{
    char *end;

    while ((end = memchr(client->line, '\n', client->used)) != NULL) {
        size_t bytes = (size_t)(end - client->line) + 1;
        *end = '\0';
        if (!uv_is_closing((uv_handle_t *)&client->pipe))
            obey(client, client->line);
        client->used -= bytes;
        memmove(client->line, client->line + bytes, client->used);
    }
}

static void on_room_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct control_client *client = handle->data;

    (void)suggested;
    *buffer =
        uv_buf_init(client->line + client->used, (unsigned)(sizeof client->line - client->used));
}

/* A client that does not read its answers, or writes endless lines, is hung up on. */
static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
    struct control_client *client = stream->data;

    (void)buffer;
    if (bytes < 0) {
        hang_up(client);
        return;
    }
    client->heard_ms = uv_now(stream->loop);
    client->used += (size_t)bytes;
    obey_lines(client);
    if (client->used == sizeof client->line || uv_stream_get_write_queue_size(stream) > 1u << 20)
        hang_up(client);
}

/* Eight who say nothing would keep everybody else out. */
static void on_timer(uv_timer_t *timer)
{
    struct control *control = timer->data;
    bool any = false;

    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        struct control_client *client = control->client[i];
        if (client != NULL && uv_now(timer->loop) - client->heard_ms >= SILENT_MS)
            hang_up(client);
        any = any || client != NULL;
    }
    if (!any)
        uv_timer_stop(timer);
}

static struct control_client **free_place(struct control *control)
{
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (control->client[i] == NULL)
            return &control->client[i];
    return NULL;
}

static void turn_away(uv_handle_t *handle)
{
    free(handle);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct control *control = server->data;
    struct control_client **place = free_place(control);
    struct control_client *client = calloc(1, sizeof *client);

    if (status < 0 || client == NULL) {
        free(client);
        return;
    }
    client->control = control;
    uv_pipe_init(server->loop, &client->pipe, 0);
    client->pipe.data = client;
    if (uv_accept(server, (uv_stream_t *)&client->pipe) != 0 || place == NULL) {
        uv_close((uv_handle_t *)&client->pipe, turn_away);
        return;
    }
    *place = client;
    client->heard_ms = uv_now(server->loop);
    uv_timer_start(&control->timer, on_timer, LOOK_MS, LOOK_MS);
    uv_read_start((uv_stream_t *)&client->pipe, on_room_wanted, on_read);
}

bool control_serve(struct control *control, uv_loop_t *loop, control_answer_fn *answer,
                   void *context, struct error *error)
{
    control->answer = answer;
    control->context = context;
    uv_pipe_init(loop, &control->pipe, 0);
    uv_timer_init(loop, &control->timer);
    control->pipe.data = control->timer.data = control;
    control->serving = true;
    int code = uv_pipe_open(&control->pipe, control->fd);
    if (code == 0) {
        control->fd = -1; /* the loop closes it */
        code = uv_listen((uv_stream_t *)&control->pipe, BACKLOG, on_connection);
    }
    if (code == 0)
        return true;
    error_set(error, EXIT_FAILED, "cannot serve the control socket: %s: %s", control->path,
              uv_strerror(code));
    return false;
}
