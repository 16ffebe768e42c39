/* SPDX-License-Identifier: MIT
 *
 * doctor_facts.h - what `lansplice doctor` looks at: the configuration, the daemon's status, the
 * links of this machine, what else it sees, and the way each peer's endpoints are reached by.
 * Gathered once, as an ordinary process can; judged by doctor_judge.h.
 */
#ifndef DOCTOR_FACTS_H
#define DOCTOR_FACTS_H

#include "../text.h"
#include "doctor_machine.h"

enum doctor_way {
    WAY_UNRESOLVED, /* the endpoint's name has no address */
    WAY_UNANSWERED, /* DNS did not say in time */
    WAY_NONE,       /* no route */
    WAY_SELF,       /* the address is this machine's */
    WAY_ON_LINK,    /* the address is in a network of the interface */
    WAY_GATEWAY,    /* by a router */
};

/* The way to one endpoint of a peer. */
struct doctor_route {
    const char *peer;
    char text[TEXT_ENDPOINT_SIZE]; /* the endpoint as status or configuration write it */
    struct endpoint endpoint;      /* family IP_NONE: unresolved */
    bool in_use;                   /* the peer is there now */
    enum doctor_way way;
    struct link out; /* the interface, with WAY_ON_LINK and WAY_GATEWAY; else index 0 */
};

enum { DOCTOR_ROUTES_MAX = SITE_PEERS_MAX * (CONFIG_ENDPOINTS_MAX + 1) };

struct doctor_facts {
    const struct config *config;
    const char *config_error;   /* why the file is refused; config is then what the daemon says */
    struct json_object *status; /* as the daemon answered; NULL: none runs, or it is stuck */
    struct error daemon_error;  /* why status is NULL */

    struct link *links;
    size_t link_count;
    const struct link *bridge, *tap; /* among links; NULL: there is none */
    struct doctor_machine machine;

    struct json_object *firewall;   /* nftables' rules; NULL: none, or not to be seen */
    struct link way_out4, way_out6; /* the default route's; index 0: none */

    size_t route_count;
    struct doctor_route route[DOCTOR_ROUTES_MAX];
};

/**
 * doctor_gather() - Look at everything
 * @facts:  Overwritten; to be given to doctor_release() in any case
 * @config: Loaded, or of a refused file recovered; must live as long as the facts
 * @refusal: NULL, or why the file is refused: then a daemon must run, and says what it can
 *
 * A daemon that does not run is a fact, not an error.
 *
 * Return: false with @error when the links, or a daemon that runs, may not be asked
 */
bool doctor_gather(struct doctor_facts *facts, struct config *config, const struct error *refusal,
                   struct error *error);

void doctor_release(struct doctor_facts *facts);

#endif
