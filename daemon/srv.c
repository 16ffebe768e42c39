/* SPDX-License-Identifier: MIT
 *
 * srv.c - see srv.h. The C library asks; the answer is read by tunnel/srv_records.h.
 */
#include "srv.h"

#include "socket_address.h"
#include "tunnel/srv_records.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_BYTES = 4096, PORT_TEXT_SIZE = 8 };

static int compare(const void *a, const void *b)
{
    const struct srv_record *one = a, *other = b;

    return one->priority != other->priority ? one->priority - other->priority
                                            : other->weight - one->weight;
}

static size_t look_up_host(const struct srv_record *record, struct endpoint *out, size_t capacity)
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

const char *srv_failure(enum srv_result result)
{
    switch (result) {
    case SRV_FOUND:
        break;
    case SRV_NO_NAME:
        return "no such name";
    case SRV_NO_RECORD:
        return "the name has no SRV record";
    case SRV_NO_ADDRESS:
        return "the SRV record's host has no address";
    case SRV_NO_ANSWER:
        return "no answer";
    }
    return NULL;
}

/* Of a query that failed. */
static enum srv_result judge(int code)
{
    switch (code) {
    case HOST_NOT_FOUND:
        return SRV_NO_NAME;
    case NO_DATA:
        return SRV_NO_RECORD;
    default:
        return SRV_NO_ANSWER;
    }
}

enum srv_result srv_look_up(const char *name, struct endpoint *out, size_t capacity, size_t *count)
{
    uint8_t answer[ANSWER_BYTES];
    struct srv_record records[SRV_RECORDS_MAX];
    int bytes = res_query(name, ns_c_in, ns_t_srv, answer, sizeof answer);
    size_t found;

    *count = 0;
    if (bytes < 0)
        return judge(h_errno);
    found = srv_records_read(answer, bytes < ANSWER_BYTES ? (size_t)bytes : ANSWER_BYTES, records);
    if (found == 0)
        return SRV_NO_RECORD;
    qsort(records, found, sizeof *records, compare);
    for (size_t i = 0; i < found; i++)
        *count += look_up_host(&records[i], out + *count, capacity - *count);
    return *count > 0 ? SRV_FOUND : SRV_NO_ADDRESS;
}
