/* SPDX-License-Identifier: MIT
 *
 * port_spray.c - see port_spray.h.
 */
#include "tunnel/port_spray.h"

#include "tunnel/map_e.h"

#include <string.h>

#define APART_US  UINT64_C(2000)
#define MINUTE_US UINT64_C(60000000)

enum { WELL_KNOWN_PORTS = 1024 };

void port_spray_init(struct port_spray *s, unsigned first)
{
    memset(s, 0, sizeof *s);
    s->index = first;
}

/* Any set is another one than none. */
void port_spray_again(struct port_spray *s)
{
    s->target = (struct candidate){0};
}

uint64_t port_spray_deadline_us(const struct port_spray *s, const struct candidate *c)
{
    bool waits = s->pending > 0 || !candidate_equal(&s->target, c);
    if (!s->begun)
        return 0;
    return waits && s->allowed > 0 ? s->next_us : s->minute_us + MINUTE_US;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static void begin(struct port_spray *s, const struct candidate *c, unsigned ports, uint64_t now_us)
{
    if (!s->begun || now_us - s->minute_us >= MINUTE_US) {
        s->begun = true;
        s->minute_us = now_us;
        s->allowed = PORT_SPRAY_MAX;
    } else if (candidate_equal(&s->target, c)) {
        return;
    }
    s->target = *c;
    s->pending = smaller(ports, s->allowed);
}

bool port_spray_next(struct port_spray *s, const struct candidate *c, uint64_t now_us,
                     struct endpoint *out)
{
    unsigned ports = map_e_port_count(&c->set);
    if (now_us < port_spray_deadline_us(s, c))
        return false;
    begin(s, c, ports, now_us);
    s->next_us = now_us + APART_US;
    *out = c->endpoint;
    while (s->pending > 0) { /* no NAT takes a well-known port, though a set may have some */
        s->pending--;
        s->allowed--;
        out->port = map_e_port(&c->set, s->index++ % ports);
        if (out->port >= WELL_KNOWN_PORTS)
            return true;
    }
    return false;
}
