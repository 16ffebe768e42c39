/* SPDX-License-Identifier: MIT
 *
 * port_spray.c - see port_spray.h.
 */
#include "tunnel/port_spray.h"

#include "tunnel/map_e.h"

#include <string.h>

#define APART_US UINT64_C(2000)
#define EVERY_US UINT64_C(60000000)

enum { WELL_KNOWN_PORTS = 1024 };

void port_spray_init(struct port_spray *s, unsigned first)
{
    memset(s, 0, sizeof *s);
    s->index = first;
}

uint64_t port_spray_deadline_us(const struct port_spray *s)
{
    if (!s->begun)
        return 0;
    return s->left > 0 ? s->next_us : s->burst_us + EVERY_US;
}

bool port_spray_next(struct port_spray *s, const struct candidate *c, uint64_t now_us,
                     struct endpoint *out)
{
    unsigned ports = map_e_port_count(&c->set);
    if (now_us < port_spray_deadline_us(s) || ports == 0)
        return false;
    if (s->left == 0) {
        s->begun = true;
        s->burst_us = now_us;
        s->left = ports < PORT_SPRAY_MAX ? ports : PORT_SPRAY_MAX;
    }
    s->next_us = now_us + APART_US;
    *out = c->endpoint;
    while (s->left > 0) { /* no NAT takes a well-known port, though a set may have some */
        s->left--;
        out->port = map_e_port(&c->set, s->index++ % ports);
        if (out->port >= WELL_KNOWN_PORTS)
            return true;
    }
    return false;
}
