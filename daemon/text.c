/* SPDX-License-Identifier: MIT
 *
 * text.c - see text.h.
 */
#include "text.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

const char *text_address(const struct ip_address *address, char out[TEXT_ADDRESS_SIZE])
{
    int af = address->family == IP_V4 ? AF_INET : AF_INET6;

    if (address->family == IP_NONE || inet_ntop(af, address->octet, out, TEXT_ADDRESS_SIZE) == NULL)
        memcpy(out, "-", 2);
    return out;
}

const char *text_prefix(const struct ip_prefix *prefix, char out[TEXT_PREFIX_SIZE])
{
    char address[TEXT_ADDRESS_SIZE];

    snprintf(out, TEXT_PREFIX_SIZE, "%s/%u", text_address(&prefix->address, address),
             prefix->length_bits);
    return out;
}

const char *text_endpoint(const struct endpoint *endpoint, char out[TEXT_ENDPOINT_SIZE])
{
    char address[TEXT_ADDRESS_SIZE], interface[IF_NAMESIZE];

    text_address(&endpoint->address, address);
    if (endpoint->address.family == IP_NONE)
        memcpy(out, "-", 2);
    else if (endpoint->address.family == IP_V4)
        snprintf(out, TEXT_ENDPOINT_SIZE, "%s:%u", address, endpoint->port);
    else if (endpoint->scope_id != 0 && if_indextoname(endpoint->scope_id, interface) != NULL)
        snprintf(out, TEXT_ENDPOINT_SIZE, "[%s%%%s]:%u", address, interface, endpoint->port);
    else
        snprintf(out, TEXT_ENDPOINT_SIZE, "[%s]:%u", address, endpoint->port);
    return out;
}

const char *text_mac(const struct mac *mac, char out[TEXT_MAC_SIZE])
{
    const uint8_t *o = mac->octet;

    snprintf(out, TEXT_MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", o[0], o[1], o[2], o[3], o[4],
             o[5]);
    return out;
}

/* C1 control characters, in UTF-8: c2 80 to c2 9f. */
static bool is_c1(const char *c)
{
    return (uint8_t)c[0] == 0xc2 && ((uint8_t)c[1] & 0xe0) == 0x80;
}

void text_tidy(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\r')
            *c = ' ';
        else if (((uint8_t)*c < ' ') || *c == 0x7f)
            *c = '?';
        else if (is_c1(c))
            c[0] = c[1] = '?';
    }
}
