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

enum srv_result {
    SRV_FOUND,
    SRV_NO_NAME,
    SRV_NO_RECORD, /* of SRV, that is */
    SRV_NO_ADDRESS,
    SRV_NO_ANSWER, /* from DNS, for now */
};

/** srv_failure() - What went wrong, static; NULL: nothing */
const char *srv_failure(enum srv_result result);

/**
 * srv_look_up() - ask for a name's SRV records and then for their hosts' addresses; blocks
 * @name: such as "_lansplice._udp.example.net"
 * @out: receives the addresses, those of the lowest priority first, then of the largest weight:
 *       all of them are called anyway, and so RFC 2782's dice are not needed
 * @capacity: of @out
 * @count: receives how many; 0 but for SRV_FOUND
 */
enum srv_result srv_look_up(const char *name, struct endpoint *out, size_t capacity, size_t *count);

#endif
