/* SPDX-License-Identifier: MIT
 *
 * state_endpoints.c - where each peer last proved to be, as lines "PEER ADDRESS:PORT"; and our own
 * UDP port.
 *
 * Addresses are numeric, as text_endpoint() writes them. A line that makes no sense is skipped: it
 * is only a hint where to call first.
 */
#include "state.h"

#include "copy.h"
#include "files.h"
#include "socket_address.h"
#include "state_folder.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_SIZE = SITE_NAME_MAX + 1 + TEXT_ENDPOINT_SIZE + 1,
    FILE_SIZE = SITE_PEERS_MAX * LINE_SIZE + 1,
};

static bool parse_line(char *line, struct state_endpoint *out)
{
    char *blank = strchr(line, ' ');

    if (!blank)
        return false;
    *blank = '\0';
    if (!site_name_valid(line))
        return false;
    copy_text(out->peer, sizeof out->peer, line);
    return endpoint_from_text(&out->endpoint, blank + 1);
}

static bool is_kept(const struct state_endpoint *kept, size_t count, const char *peer)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(kept[i].peer, peer) == 0)
            return true;
    return false;
}

size_t state_load_endpoints(const char *directory, struct state_endpoint *out, size_t capacity)
{
    char text[FILE_SIZE], *rest = NULL;
    size_t count = 0;
    bool found;

    if (!files_read(directory, STATE_FILE_ENDPOINTS, text, sizeof text, &found, NULL))
        return 0;
    for (char *line = strtok_r(text, "\n", &rest); line && count < capacity;
         line = strtok_r(NULL, "\n", &rest))
        if (parse_line(line, &out[count]) && !is_kept(out, count, out[count].peer))
            count++;
    return count;
}

bool state_store_endpoints(const char *directory, const struct state_endpoint *endpoints,
                           size_t count, struct error *error)
{
    char text[FILE_SIZE], endpoint[TEXT_ENDPOINT_SIZE];
    size_t used = 0;

    for (size_t i = 0; i < count && i < SITE_PEERS_MAX; i++)
        if (endpoints[i].endpoint.address.family != IP_NONE)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s %s\n", endpoints[i].peer,
                                     text_endpoint(&endpoints[i].endpoint, endpoint));
    return files_write(directory, STATE_FILE_ENDPOINTS, text, used, 0600, error);
}

uint16_t state_load_port(const char *directory)
{
    char text[sizeof "65535\n"], *end;
    unsigned long port;
    bool found;

    if (!files_read(directory, STATE_FILE_PORT, text, sizeof text, &found, NULL) || !found)
        return 0;
    port = strtoul(text, &end, 10);
    return text[0] >= '1' && text[0] <= '9' && *end == '\n' && port <= UINT16_MAX ? (uint16_t)port
                                                                                  : 0;
}

bool state_store_port(const char *directory, uint16_t port, struct error *error)
{
    char text[sizeof "65535\n"];
    int bytes = snprintf(text, sizeof text, "%u\n", port);

    return files_write(directory, STATE_FILE_PORT, text, (size_t)bytes, 0600, error);
}
