/* SPDX-License-Identifier: MIT
 *
 * nat.c - see nat.h.
 */
#include "nat.h"

#include "clock.h"
#include "daemon.h"
#include "text.h"

#include <string.h>

/* ---- our candidates ---- */

static void add_hosts(const struct daemon *daemon, struct candidate_list *list)
{
    const struct nat *nat = &daemon->nat;
    struct candidate c = {.kind = CANDIDATE_HOST, .endpoint.port = daemon->config->port};

    for (unsigned i = 0; i < nat->address_count; i++) {
        c.endpoint.address = nat->address[i];
        candidate_add(list, &c);
    }
}

static void compose(struct daemon *daemon)
{
    struct nat *nat = &daemon->nat;
    struct candidate_list list = {0};

    add_hosts(daemon, &list);
    if (candidate_list_equal(&list, &nat->own))
        return;
    nat->own = list;
    site_set_own_candidates(daemon->site, &list, clock_now_us());
}

/* ---- the daemon's calls ---- */

bool nat_start(struct daemon *daemon, struct error *error)
{
    (void)error;
    compose(daemon);
    return true;
}

void nat_stop(struct daemon *daemon)
{
    (void)daemon;
}

void nat_outside(struct daemon *daemon, const struct lan_view *view)
{
    struct nat *nat = &daemon->nat;

    nat->address_count = view->wan_count;
    memcpy(nat->address, view->wan, sizeof nat->address);
    compose(daemon);
}

void nat_receive(struct daemon *daemon, const struct endpoint *from, uint8_t *datagram,
                 size_t bytes, uint32_t waited_us, uint64_t now_us)
{
    (void)daemon;
    (void)from;
    (void)datagram;
    (void)bytes;
    (void)waited_us;
    (void)now_us;
}

/* ---- for people ---- */

const char *nat_kind_name(uint8_t kind)
{
    switch ((enum candidate_kind)kind) {
    case CANDIDATE_HOST:
        return "host";
    case CANDIDATE_REFLEXIVE:
        return "reflexive";
    case CANDIDATE_MAPPED:
        return "mapped";
    case CANDIDATE_RELAYED:
        return "relayed";
    case CANDIDATE_PORT_SET:
        return "port-set";
    case CANDIDATE_CONFIGURED:
        return "configured";
    case CANDIDATE_PEER_REFLEXIVE:
        return "peer-reflexive";
    case CANDIDATE_THROUGH_PEER:
        return "through-peer";
    }
    return "unknown";
}

static struct json_object *candidates_json(const struct candidate_list *list)
{
    struct json_object *array = json_object_new_array();
    char line[TEXT_ENDPOINT_SIZE + 32], at[TEXT_ENDPOINT_SIZE];

    for (unsigned i = 0; i < list->count; i++) {
        text_endpoint(&list->item[i].endpoint, at);
        snprintf(line, sizeof line, "%s %s", at, nat_kind_name(list->item[i].kind));
        json_object_array_add(array, json_object_new_string(line));
    }
    return array;
}

struct json_object *nat_json(const struct daemon *daemon)
{
    struct json_object *nat = json_object_new_object();

    json_object_object_add(nat, "candidates", candidates_json(&daemon->nat.own));
    return nat;
}
