/* SPDX-License-Identifier: MIT
 *
 * path_spray.c - punches into a port set, where paths.h allows them.
 */
#include "tunnel/path_selection.h"

static bool is_met_at(const struct paths *p, const struct ip_address *address)
{
    for (int i = 0; i < p->count; i++)
        if ((p->path[i].sources & 1u << PATHS_MEETING) != 0 && p->path[i].to.via == VIA_DIRECT &&
            ip_equal(&p->path[i].to.address, address))
            return true;
    return false;
}

/* The port set to punch: there is no direct path, and its address is not the peer's word alone. */
static const struct candidate *spray_target(const struct paths *p)
{
    for (int i = 0; i < p->count; i++)
        if (path_is_valid(&p->path[i]) && path_is_direct(&p->path[i]))
            return NULL;
    for (int i = 0; i < PATHS_SOURCES; i++)
        if (p->port_set[i].kind == CANDIDATE_PORT_SET &&
            (attestation_has(&p->told, &p->port_set[i].endpoint.address) ||
             is_met_at(p, &p->port_set[i].endpoint.address)))
            return &p->port_set[i];
    return NULL;
}

bool paths_spray(struct paths *p, uint64_t now_us, struct endpoint *out)
{
    const struct candidate *target = spray_target(p);
    return target && port_spray_next(&p->spray, target, now_us, out);
}

void paths_spray_again(struct paths *p)
{
    port_spray_again(&p->spray);
}

uint64_t paths_spray_deadline_us(const struct paths *p)
{
    const struct candidate *target = spray_target(p);
    return target ? port_spray_deadline_us(&p->spray, target) : UINT64_MAX;
}
