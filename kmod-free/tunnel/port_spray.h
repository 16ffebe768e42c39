/* SPDX-License-Identifier: MIT
 *
 * port_spray.h - opening our NAT towards every port a peer's next datagram may come from.
 *
 * Behind MAP-E (RFC 7597) a home has a set of ports, 240 say, and its gateway may take another one
 * for each destination. Which cannot be known beforehand; but when our own mapping does not depend
 * on the destination, a punch to each port of the set lets in whatever comes from any of them.
 *
 * Punches are 2 ms apart, and at most PORT_SPRAY_MAX in a minute, whatever sets come and go. Each
 * minute the set is passed through again, going on where that was cut short before: a set of a
 * thousand ports takes three minutes. Another set, as after a restart of the home's gateway, has
 * its turn at once with what the minute has left; so has the same one, when our NAT has forgotten
 * what went out before.
 */
#ifndef TUNNEL_PORT_SPRAY_H
#define TUNNEL_PORT_SPRAY_H

#include "tunnel/candidate.h"

#include <stdbool.h>
#include <stdint.h>

enum { PORT_SPRAY_MAX = 500 };

struct port_spray {
    struct candidate target; /* whose ports the rest is about */
    uint64_t minute_us;      /* when it began */
    uint64_t next_us;        /* the next punch */
    unsigned allowed;        /* punches in what is left of the minute */
    unsigned pending;        /* ports of the set that had none in this minute */
    unsigned index;          /* into the set's ports */
    bool begun;              /* there was a minute */
};

/** port_spray_init() - nothing sent yet; @first: any number, where in the set to begin */
void port_spray_init(struct port_spray *s, unsigned first);

/**
 * port_spray_next() - the next punch into a port set
 * @c:   usable, of kind CANDIDATE_PORT_SET
 * @out: where to send it
 *
 * Return: false when none is due
 */
bool port_spray_next(struct port_spray *s, const struct candidate *c, uint64_t now_us,
                     struct endpoint *out);

/** port_spray_again() - What was sent before opens nothing any more */
void port_spray_again(struct port_spray *s);

/** port_spray_deadline_us() - when the next punch into @c is due; 0: at once */
uint64_t port_spray_deadline_us(const struct port_spray *s, const struct candidate *c);

#endif
