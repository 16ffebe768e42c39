/* SPDX-License-Identifier: MIT
 *
 * socket_address.h - the core's endpoints as the system's socket addresses, and back; and as the
 * configuration writes them.
 */
#ifndef SOCKET_ADDRESS_H
#define SOCKET_ADDRESS_H

#include "config.h"

#include <sys/socket.h>

/**
 * endpoint_from_socket() - The endpoint of a socket address
 *
 * Return: false, and an endpoint of family IP_NONE, when it is neither IPv4 nor IPv6. An
 * IPv4-mapped IPv6 address is refused too: an IPv6 socket of ours cannot send there.
 */
bool endpoint_from_socket(struct endpoint *endpoint, const struct sockaddr *address);

/* "host:port" as the two strings that getaddrinfo() wants. */
struct host_port {
    char host[CONFIG_ENDPOINT_SIZE];
    char port[8];
};

/** host_port_split() - Take apart what passed endpoint_text_valid(); brackets around a host go */
bool host_port_split(const char *text, struct host_port *out);

/** endpoint_from_text() - Of numbers only: what text_endpoint() writes. Return: false when not so
 */
bool endpoint_from_text(struct endpoint *endpoint, const char *text);

/** endpoint_to_socket() - Return: how many bytes of @out are used */
socklen_t endpoint_to_socket(const struct endpoint *endpoint, struct sockaddr_storage *out);

#endif
