/* SPDX-License-Identifier: MIT
 *
 * srv.c - see srv.h. The C library asks, and unpacks names. The rest of its parser would be one
 * library more to load.
 */
#include "srv.h"

#include "cursor.h"
#include "socket_address.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_BYTES = 4096, RECORDS_MAX = 8, PORT_TEXT_SIZE = 8 };

struct record {
    uint16_t priority, weight, port;
    char host[NS_MAXDNAME];
};

static bool skip_name(struct cursor *c)
{
    int bytes = dn_skipname(c->at, c->end);

    return bytes >= 0 && cursor_skip(c, (size_t)bytes);
}

/* Priority 2, weight 2, port 2, target (RFC 2782), which may point back into the message. */
static bool read_record(const uint8_t *message, struct cursor *data, struct record *out)
{
    return cursor_u16(data, &out->priority) && cursor_u16(data, &out->weight) &&
           cursor_u16(data, &out->port) &&
           dn_expand(message, data->end, data->at, out->host, sizeof out->host) >= 0 &&
           out->port != 0 && out->host[0] != '\0'; /* the root: there is no such service */
}

/* Name, type 2, class 2, TTL 4, length 2, data (RFC 1035 s.4.1.3). Return: false at the end */
static bool next_record(struct cursor *c, uint16_t *type, struct cursor *data)
{
    const uint8_t *at;
    uint16_t bytes;

    if (!skip_name(c) || !cursor_u16(c, type) || !cursor_skip(c, 6) || !cursor_u16(c, &bytes) ||
        !cursor_take(c, bytes, &at))
        return false;
    *data = cursor_over(at, bytes);
    return true;
}

/* Header 12: id, flags, questions, answers, ...; then the questions, each a name, type and class.
 */
static size_t read_records(const uint8_t *message, size_t bytes, struct record *out)
{
    struct cursor c = cursor_over(message, bytes), data;
    uint16_t questions, answers, type;
    size_t count = 0;

    if (!cursor_skip(&c, 4) || !cursor_u16(&c, &questions) || !cursor_u16(&c, &answers) ||
        !cursor_skip(&c, 4))
        return 0;
    while (questions-- > 0)
        if (!skip_name(&c) || !cursor_skip(&c, 4))
            return 0;
    while (answers-- > 0 && count < RECORDS_MAX && next_record(&c, &type, &data))
        if (type == ns_t_srv && read_record(message, &data, &out[count]))
            count++;
    return count;
}

static int compare(const void *a, const void *b)
{
    const struct record *one = a, *other = b;

    return one->priority != other->priority ? one->priority - other->priority
                                            : other->weight - one->weight;
}

static size_t look_up_host(const struct record *record, struct endpoint *out, size_t capacity)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *answer = NULL;
    char port[PORT_TEXT_SIZE];
    size_t count = 0;

    snprintf(port, sizeof port, "%u", record->port);
    if (getaddrinfo(record->host, port, &hints, &answer) != 0)
        return 0;
    for (struct addrinfo *a = answer; a != NULL && count < capacity; a = a->ai_next)
        if (endpoint_from_socket(&out[count], a->ai_addr))
            count++;
    freeaddrinfo(answer);
    return count;
}

static const char *reason(void)
{
    switch (h_errno) {
    case HOST_NOT_FOUND:
        return "no such name";
    case NO_DATA:
        return "the name has no SRV record";
    default:
        return "no answer";
    }
}

const char *srv_look_up(const char *name, struct endpoint *out, size_t capacity, size_t *count)
{
    uint8_t answer[ANSWER_BYTES];
    struct record records[RECORDS_MAX];
    int bytes = res_query(name, ns_c_in, ns_t_srv, answer, sizeof answer);
    size_t found;

    *count = 0;
    if (bytes < 0)
        return reason();
    found = read_records(answer, bytes < ANSWER_BYTES ? (size_t)bytes : ANSWER_BYTES, records);
    if (found == 0)
        return "the name has no SRV record";
    qsort(records, found, sizeof *records, compare);
    for (size_t i = 0; i < found; i++)
        *count += look_up_host(&records[i], out + *count, capacity - *count);
    return *count > 0 ? NULL : "the SRV record's host has no address";
}
