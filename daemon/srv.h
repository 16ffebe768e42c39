/* SPDX-License-Identifier: MIT
 *
 * srv.h - DNS SRV records (RFC 2782): the name of a service to hosts and ports, and those to
 * addresses.
 *
 * libuv does not ask for them; the C library's resolver does, and blocks: call it off the loop.
 */
#ifndef SRV_H
#define SRV_H

#include "address.h"

#include <stddef.h>

/**
 * srv_look_up() - ask for a name's SRV records and then for their hosts' addresses; blocks
 * @name: such as "_lansplice._udp.example.net"
 * @out: receives the addresses, those of the lowest priority first, then of the largest weight:
 *       all of them are called anyway, and so RFC 2782's dice are not needed
 * @capacity: of @out
 * @count: receives how many
 *
 * Return: NULL, or what went wrong, static
 */
const char *srv_look_up(const char *name, struct endpoint *out, size_t capacity, size_t *count);

#endif
