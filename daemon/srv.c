/* SPDX-License-Identifier: MIT
 *
 * srv.c - see srv.h. Parsing is the C library's (ns_parserr), and so is asking for the addresses.
 */
#include "srv.h"

#include "bytes.h"
#include "socket_address.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_BYTES = 4096, RECORDS_MAX = 8, PORT_TEXT_SIZE = 8, SRV_FIXED_BYTES = 6 };

struct record {
    uint16_t priority, weight, port;
    char host[NS_MAXDNAME];
};

/* Priority 2, weight 2, port 2, target (RFC 2782). */
static bool read_record(const ns_msg *message, const ns_rr *answer, struct record *out)
{
    const uint8_t *data = ns_rr_rdata(*answer);

    if (ns_rr_type(*answer) != ns_t_srv || ns_rr_rdlen(*answer) <= SRV_FIXED_BYTES ||
        dn_expand(ns_msg_base(*message), ns_msg_end(*message), data + SRV_FIXED_BYTES, out->host,
                  sizeof out->host) < 0)
        return false;
    out->priority = load_be16(data);
    out->weight = load_be16(data + 2);
    out->port = load_be16(data + 4);
    return out->port != 0 && out->host[0] != '\0'; /* the root: there is no such service */
}

static size_t read_records(const uint8_t *answer, int bytes, struct record *out)
{
    ns_msg message;
    ns_rr record;
    size_t count = 0;

    if (ns_initparse(answer, bytes, &message) < 0)
        return 0;
    for (int i = 0; i < ns_msg_count(message, ns_s_an) && count < RECORDS_MAX; i++)
        if (ns_parserr(&message, ns_s_an, i, &record) == 0 &&
            read_record(&message, &record, &out[count]))
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
    found = read_records(answer, bytes < ANSWER_BYTES ? bytes : ANSWER_BYTES, records);
    if (found == 0)
        return "the name has no SRV record";
    qsort(records, found, sizeof *records, compare);
    for (size_t i = 0; i < found; i++)
        *count += look_up_host(&records[i], out + *count, capacity - *count);
    return *count > 0 ? NULL : "the SRV record's host has no address";
}
