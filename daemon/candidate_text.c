/* SPDX-License-Identifier: MIT
 *
 * candidate_text.c - see candidate_text.h
 */
#include "candidate_text.h"

#include "copy.h"
#include "socket_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint8_t kind;
    const char *name;
} kinds[] = {
    {CANDIDATE_HOST, "host"},
    {CANDIDATE_REFLEXIVE, "reflexive"},
    {CANDIDATE_MAPPED, "mapped"},
    {CANDIDATE_RELAYED, "relayed"},
    {CANDIDATE_PORT_SET, "port-set"},
    {CANDIDATE_CONFIGURED, "configured"},
    {CANDIDATE_PEER_REFLEXIVE, "peer-reflexive"},
    {CANDIDATE_THROUGH_PEER, "through-peer"},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

const char *candidate_kind_text(uint8_t kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "unknown";
}

const char *candidate_text(const struct candidate *candidate, char out[CANDIDATE_TEXT_SIZE])
{
    const struct port_set *set = &candidate->set;
    char at[TEXT_ENDPOINT_SIZE];

    if (candidate->kind == CANDIDATE_PORT_SET)
        snprintf(out, CANDIDATE_TEXT_SIZE, "%s port-set %u %u %u",
                 text_address(&candidate->endpoint.address, at), set->offset_bits, set->psid_bits,
                 set->psid);
    else
        snprintf(out, CANDIDATE_TEXT_SIZE, "%s %s", text_endpoint(&candidate->endpoint, at),
                 candidate_kind_text(candidate->kind));
    return out;
}

/* A decimal at *@text, which then goes on behind it and a blank. Return: false when it is none, or
 * more than @max */
static bool read_number(const char **text, unsigned long max, unsigned long *out)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    *out = strtoul(*text, &end, 10);
    *text = *end == ' ' ? end + 1 : end;
    return *out <= max;
}

static bool read_port_set(struct candidate *candidate, const char *address, const char *numbers)
{
    unsigned long offset, bits, psid;

    if (!read_number(&numbers, 15, &offset) || !read_number(&numbers, 16, &bits) ||
        !read_number(&numbers, UINT16_MAX, &psid) || *numbers != '\0' || bits < 1 ||
        offset + bits > 16 || psid >= 1ul << bits)
        return false;
    candidate->set = (struct port_set){(uint8_t)offset, (uint8_t)bits, (uint16_t)psid};
    candidate->endpoint.address.family = IP_V4;
    return inet_pton(AF_INET, address, candidate->endpoint.address.octet) == 1;
}

static bool read_text(struct candidate *candidate, char *text)
{
    static const char set[] = "port-set ";
    char *kind = strchr(text, ' ');

    if (kind == NULL)
        return false;
    *kind++ = '\0';
    if (strncmp(kind, set, sizeof set - 1) == 0) {
        candidate->kind = CANDIDATE_PORT_SET;
        return read_port_set(candidate, text, kind + sizeof set - 1);
    }
    for (size_t i = 0; i < KINDS && kinds[i].kind < CANDIDATE_PORT_SET; i++)
        if (strcmp(kinds[i].name, kind) == 0)
            candidate->kind = kinds[i].kind;
    return candidate->kind != 0 && endpoint_from_text(&candidate->endpoint, text);
}

bool candidate_from_text(struct candidate *candidate, const char *text)
{
    char copy[CANDIDATE_TEXT_SIZE];

    memset(candidate, 0, sizeof *candidate);
    if (copy_text(copy, sizeof copy, text) && read_text(candidate, copy))
        return true;
    memset(candidate, 0, sizeof *candidate);
    return false;
}
