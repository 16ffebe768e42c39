/* SPDX-License-Identifier: MIT
 *
 * daemon_client.c - see daemon_client.h
 */
#include "daemon_client.h"

#include "copy.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_SIZE = 1024, TIMEOUT_S = 5 };

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

/* One line, its end taken away. */
static bool read_line(int client, char *out, size_t capacity)
{
    size_t used = 0;

    while (used + 1 < capacity) {
        ssize_t got = read(client, out + used, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        if (out[used] == '\n') {
            out[used] = '\0';
            return true;
        }
        used++;
    }
    return false;
}

static enum daemon_answer judge(const char *line, struct error *error)
{
    struct json_object *answer = json_tokener_parse(line), *ok = NULL, *text = NULL;
    bool reloaded = json_object_object_get_ex(answer, "ok", &ok) && json_object_get_boolean(ok);

    if (!reloaded && json_object_object_get_ex(answer, "error", &text))
        error_set(error, EXIT_FAILED, "the running daemon refused: %s",
                  json_object_get_string(text));
    else if (!reloaded)
        error_set(error, EXIT_FAILED, "the running daemon did not understand: restart it");
    json_object_put(answer);
    return reloaded ? DAEMON_RELOADED : DAEMON_REFUSED;
}

enum daemon_answer daemon_reload(const char *control, struct error *error)
{
    static const char command[] = "{\"command\":\"reload\"}\n";
    char line[ANSWER_SIZE];
    int client = connect_to(control);
    bool answered;

    if (client < 0 && (errno == ENOENT || errno == ECONNREFUSED))
        return DAEMON_NONE;
    if (client < 0) {
        error_set(error, EXIT_FAILED, "cannot reach the running daemon: %s: %s", control,
                  strerror(errno));
        return DAEMON_REFUSED;
    }
    answered =
        send(client, command, sizeof command - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof command - 1) &&
        read_line(client, line, sizeof line);
    close(client);
    if (answered)
        return judge(line, error);
    error_set(error, EXIT_FAILED, "the running daemon does not answer: %s: restart it", control);
    return DAEMON_REFUSED;
}
