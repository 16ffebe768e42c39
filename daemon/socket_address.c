/* SPDX-License-Identifier: MIT
 *
 * socket_address.c - see socket_address.h. Socket addresses are copied, never cast: the compiler
 * may assume that one type is not read as another.
 */
#include "socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void from_v4(struct endpoint *endpoint, const struct sockaddr *address)
{
    struct sockaddr_in v4;

    memcpy(&v4, address, sizeof v4);
    endpoint->address = ip_v4((const uint8_t *)&v4.sin_addr);
    endpoint->port = ntohs(v4.sin_port);
}

static void from_v6(struct endpoint *endpoint, const struct sockaddr *address)
{
    struct sockaddr_in6 v6;

    memcpy(&v6, address, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        return;
    endpoint->address = ip_v6(v6.sin6_addr.s6_addr);
    endpoint->port = ntohs(v6.sin6_port);
    endpoint->scope_id = ip_is_link_local(&endpoint->address) ? v6.sin6_scope_id : 0;
}

bool endpoint_from_socket(struct endpoint *endpoint, const struct sockaddr *address)
{
    memset(endpoint, 0, sizeof *endpoint);
    if (address->sa_family == AF_INET)
        from_v4(endpoint, address);
    else if (address->sa_family == AF_INET6)
        from_v6(endpoint, address);
    return endpoint->address.family != IP_NONE;
}

socklen_t endpoint_to_socket(const struct endpoint *endpoint, struct sockaddr_storage *out)
{
    if (endpoint->address.family == IP_V4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
        memcpy(&v4.sin_addr, endpoint->address.octet, 4);
        memcpy(out, &v4, sizeof v4);
        return sizeof v4;
    }
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
    memcpy(v6.sin6_addr.s6_addr, endpoint->address.octet, 16);
    v6.sin6_scope_id = endpoint->scope_id;
    memcpy(out, &v6, sizeof v6);
    return sizeof v6;
}

bool host_port_split(const char *text, struct host_port *out)
{
    const char *colon = strrchr(text, ':');
    size_t bytes = colon == NULL ? 0 : (size_t)(colon - text);

    if (bytes == 0 || strlen(colon + 1) >= sizeof out->port || bytes >= sizeof out->host)
        return false;
    if (text[0] == '[' && bytes > 2) {
        text++;
        bytes -= 2;
    }
    memcpy(out->host, text, bytes);
    out->host[bytes] = '\0';
    memcpy(out->port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

static bool parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *port = (uint16_t)value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= 1 && value <= UINT16_MAX;
}

/* address or address%interface */
static bool parse_ipv6(char *host, struct endpoint *endpoint)
{
    char *scope = strchr(host, '%');

    endpoint->address.family = IP_V6;
    if (scope != NULL) {
        *scope++ = '\0';
        endpoint->scope_id = if_nametoindex(scope);
        if (endpoint->scope_id == 0)
            return false;
    }
    return inet_pton(AF_INET6, host, endpoint->address.octet) == 1;
}

bool endpoint_from_text(struct endpoint *endpoint, const char *text)
{
    struct host_port at;

    memset(endpoint, 0, sizeof *endpoint);
    if (!host_port_split(text, &at) || !parse_port(at.port, &endpoint->port))
        return false;
    if (text[0] == '[')
        return strstr(text, "]:") != NULL && parse_ipv6(at.host, endpoint);
    endpoint->address.family = IP_V4;
    return inet_pton(AF_INET, at.host, endpoint->address.octet) == 1;
}
