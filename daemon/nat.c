/* SPDX-License-Identifier: MIT
 *
 * nat.c - see nat.h.
 */
#include "nat.h"

#include "candidate_text.h"
#include "clock.h"
#include "daemon.h"
#include "json_fields.h"
#include "map_rules.h"
#include "text.h"

#include <sodium.h>
#include <string.h>

#define CONTRADICT_EACH_US UINT64_C(20000000)

/* ---- MAP-E ---- */

static const struct reflexive_result *seen(const struct nat *nat, enum ip_family family)
{
    return reflexive_result(stun_state(&nat->stun), family);
}

/* What STUN servers see of our IPv4; without, what a peer sees. */
static struct endpoint mapped_v4(const struct daemon *daemon)
{
    const struct reflexive_result *v4 = seen(&daemon->nat, IP_V4);

    return v4->known ? v4->mapped : site_seen_as(daemon->site, IP_V4);
}

static void read_rules(struct daemon *daemon)
{
    struct nat *nat = &daemon->nat;

    nat->has_rules = map_rules_read(daemon->config->map_rules, &nat->rules);
    nat->rules_seen = mapped_v4(daemon);
}

/* The files are read when addresses, routes or the configuration change (nat_outside() and so on),
 * and when others see us elsewhere: the line behind it has changed. */
static void find_map_e(struct daemon *daemon)
{
    struct nat *nat = &daemon->nat;
    struct ip_address address[WAN_ADDRESSES_MAX + SITE_OWN_ADDRESSES_MAX];
    struct endpoint mapped = mapped_v4(daemon);
    size_t count = nat->address_count;

    if (!endpoint_equal(&mapped, &nat->rules_seen))
        read_rules(daemon);
    memcpy(address, nat->address, count * sizeof *address);
    memcpy(address + count, nat->lan.own, nat->lan.own_count * sizeof *address);
    if (nat->has_rules)
        nat->map = nat->rules;
    nat->has_map = nat->has_rules ||
                   map_rules_recognise(address, count + nat->lan.own_count, &mapped, &nat->map);
}

/* ---- our candidates ---- */

/* With MAP-E all but a few ports of that address are other homes'. */
static bool is_anothers(const struct nat *nat, const struct endpoint *endpoint)
{
    return nat->has_map && ip_equal(&endpoint->address, &nat->map.address) &&
           !map_e_contains(&nat->map.ports, endpoint->port);
}

static void add(const struct nat *nat, struct candidate_list *list, enum candidate_kind kind,
                const struct endpoint *endpoint)
{
    struct candidate c = {.kind = (uint8_t)kind, .endpoint = *endpoint};

    if (!is_anothers(nat, endpoint))
        candidate_add(list, &c);
}

static void add_hosts(const struct daemon *daemon, struct candidate_list *list)
{
    struct endpoint endpoint = {.port = daemon->port};

    for (unsigned i = 0; i < daemon->nat.address_count; i++) {
        endpoint.address = daemon->nat.address[i];
        add(&daemon->nat, list, CANDIDATE_HOST, &endpoint);
    }
}

/* Where the NAT takes another port for each destination, a server's answer holds for it alone. */
static void add_reflexive(const struct nat *nat, struct candidate_list *list, enum ip_family family)
{
    const struct reflexive_result *result = seen(nat, family);

    if (result->known && result->mapping != NAT_MAPPING_DEPENDENT)
        add(nat, list, CANDIDATE_REFLEXIVE, &result->mapped);
}

static void add_mapped(const struct nat *nat, struct candidate_list *list)
{
    struct endpoint mapped[PORT_MAPPER_SIDES];
    size_t count = port_mapper_mapped(&nat->mapper, mapped);

    for (size_t i = 0; i < count; i++)
        add(nat, list, CANDIDATE_MAPPED, &mapped[i]);
}

static void add_port_set(const struct nat *nat, struct candidate_list *list)
{
    const struct reflexive_result *v4 = seen(nat, IP_V4);
    struct candidate c = {.kind = CANDIDATE_PORT_SET, .set = nat->map.ports};

    c.endpoint.address = nat->map.address;
    if (nat->has_map && (!v4->known || v4->mapping == NAT_MAPPING_DEPENDENT))
        candidate_add(list, &c);
}

static void add_relay(struct daemon *daemon, struct candidate_list *list)
{
    struct endpoint relayed;
    uint8_t via;
    bool there = turn_relay_address(&daemon->nat.turn, &relayed, &via);
    unsigned relay = there ? 1u << (via - VIA_TURN) : 0;
    bool v6 = relayed.address.family == IP_V6;

    if (there)
        add(&daemon->nat, list, CANDIDATE_RELAYED, &relayed);
    site_set_turn(daemon->site, v6 ? 0 : relay, v6 ? relay : 0, clock_now_us());
}

static void compose(struct daemon *daemon)
{
    struct nat *nat = &daemon->nat;
    struct candidate_list list = {0};

    if (!nat->started)
        return;
    find_map_e(daemon);
    add_hosts(daemon, &list);
    add_reflexive(nat, &list, IP_V4);
    add_reflexive(nat, &list, IP_V6);
    add_mapped(nat, &list);
    add_port_set(nat, &list);
    add_relay(daemon, &list);
    if (candidate_list_equal(&list, &nat->own))
        return;
    nat->own = list;
    site_set_own_candidates(daemon->site, &list, clock_now_us());
    rendezvous_set_candidates(&daemon->rendezvous, &list);
}

static void on_changed(void *context)
{
    struct daemon *daemon = context;

    compose(daemon);
    listening_follow(daemon);
    drive_settle(daemon);
}

/* By any thread. */
static void transmit_directly(void *context, const struct datagram *datagrams, size_t count)
{
    struct daemon *daemon = context;

    udp_transmit(&daemon->udp, datagrams, count, NULL);
}

/* ---- the daemon's calls ---- */

/* Not the key itself: what it is kept in is not locked in memory. */
static void mapping_secret(uint8_t out[PORT_MAPPER_SECRET_BYTES], const struct config *config)
{
    static const char label[] = "lansplice port mapping";

    crypto_generichash(out, PORT_MAPPER_SECRET_BYTES, (const uint8_t *)label, sizeof label - 1,
                       config->private_key, sizeof config->private_key);
}

bool nat_start(struct daemon *daemon, struct error *error)
{
    struct nat *nat = &daemon->nat;
    struct stun_listener stun = {daemon, on_changed, transmit_directly};
    struct port_mapper_listener mapper = {daemon, on_changed};
    struct turn_relay_listener turn = {daemon, on_changed, transmit_directly};
    uint8_t secret[PORT_MAPPER_SECRET_BYTES];

    if (!turn_relay_start(&nat->turn, &daemon->loop, &turn, daemon->config, error))
        return false;
    stun_start(&nat->stun, &daemon->loop, &stun, daemon->config);
    mapping_secret(secret, daemon->config);
    port_mapper_start(&nat->mapper, &daemon->loop, &daemon->netlink, &mapper, daemon->port, secret);
    sodium_memzero(secret, sizeof secret);
    nat->started = true;
    read_rules(daemon);
    compose(daemon);
    return true;
}

void nat_stop(struct daemon *daemon)
{
    if (!daemon->nat.started)
        return;
    daemon->nat.started = false;
    turn_relay_stop(&daemon->nat.turn);
    stun_stop(&daemon->nat.stun);
    port_mapper_stop(&daemon->nat.mapper);
}

void nat_reload(struct daemon *daemon)
{
    stun_reload(&daemon->nat.stun, daemon->config);
    turn_relay_reload(&daemon->nat.turn, daemon->config);
    read_rules(daemon);
    compose(daemon);
}

void nat_moved(struct daemon *daemon)
{
    struct nat *nat = &daemon->nat;

    stun_set_local(&nat->stun, daemon->port, nat->address, nat->address_count);
    stun_hurry(&nat->stun);
    turn_relay_hurry(&nat->turn);
    port_mapper_set_port(&nat->mapper, daemon->port);
    compose(daemon);
}

/* A NAT may have restarted behind a router that noticed nothing: a peer sees us elsewhere than STUN
 * servers did. They are asked; the peer is not believed, and not heard too often. */
static void compare_views(struct daemon *daemon, enum ip_family family)
{
    struct nat *nat = &daemon->nat;
    const struct reflexive_result *result = seen(nat, family);
    struct endpoint by_peer = site_seen_as(daemon->site, family);
    uint64_t now_us = clock_now_us();

    if (!result->known || result->mapping == NAT_MAPPING_DEPENDENT ||
        by_peer.address.family == IP_NONE || endpoint_equal(&by_peer, &result->mapped) ||
        endpoint_equal(&by_peer, &nat->contradiction) || now_us < nat->contradict_next_us)
        return;
    nat->contradiction = by_peer;
    nat->contradict_next_us = now_us + CONTRADICT_EACH_US;
    stun_hurry(&nat->stun);
}

/* Somebody who is not up may come by the address that STUN told: its mapping must not die. */
void nat_settle(struct daemon *daemon)
{
    struct peer_status peer;
    bool awaited = false;

    if (!daemon->nat.look_again || !daemon->nat.started)
        return;
    daemon->nat.look_again = false;
    for (size_t i = site_peer_count(daemon->site); i-- > 0 && !awaited;) {
        site_peer_status(daemon->site, i, clock_now_us(), &peer);
        awaited = peer.state != PEER_UP;
    }
    stun_keep(&daemon->nat.stun, awaited);
    compare_views(daemon, IP_V4);
    compare_views(daemon, IP_V6);
    compose(daemon);
}

void nat_outside(struct daemon *daemon, const struct lan_view *view)
{
    struct nat *nat = &daemon->nat;

    nat->lan = view->lan;
    nat->address_count = view->wan_count;
    memcpy(nat->address, view->wan, sizeof nat->address);
    read_rules(daemon);
    stun_set_local(&nat->stun, daemon->port, nat->address, nat->address_count);
    stun_hurry(&nat->stun);
    turn_relay_hurry(&nat->turn);
    port_mapper_refresh(&nat->mapper);
    compose(daemon);
    listening_follow(daemon);
}

void nat_receive(struct daemon *daemon, const struct endpoint *from, uint8_t *datagram,
                 size_t bytes, uint32_t waited_us, uint64_t now_us)
{
    struct turn_delivery inside;

    switch (turn_relay_receive(&daemon->nat.turn, from, datagram, bytes, &inside)) {
    case TURN_DATA:
        if (inside.bytes != 0 && !nat_is_ours(inside.data[0]))
            site_receive_datagram(daemon->site, &inside.peer, inside.data, inside.bytes, waited_us,
                                  now_us);
        break;
    case TURN_NOT_OURS:
        stun_receive(&daemon->nat.stun, from, datagram, bytes);
        break;
    case TURN_HANDLED:
        break;
    }
}

/* ---- for people ---- */

static struct json_object *candidates_json(const struct candidate_list *list)
{
    struct json_object *array = json_object_new_array();
    char line[CANDIDATE_TEXT_SIZE];

    for (unsigned i = 0; i < list->count; i++)
        json_object_array_add(array, json_object_new_string(candidate_text(&list->item[i], line)));
    return array;
}

static const char *local_text(const struct nat *nat, enum ip_family family,
                              char out[TEXT_ADDRESS_SIZE])
{
    for (unsigned i = 0; i < nat->address_count; i++)
        if (nat->address[i].family == family)
            return text_address(&nat->address[i], out);
    return NULL;
}

static struct json_object *family_json(const struct nat *nat, enum ip_family family)
{
    struct json_object *to = stun_json(&nat->stun, family);
    char address[TEXT_ADDRESS_SIZE];
    const char *local = local_text(nat, family, address);

    json_object_object_add(to, "local", json_new_text(local));
    return to;
}

static struct json_object *map_json(const struct nat *nat)
{
    return nat->has_map ? map_rules_json(&nat->map) : NULL;
}

struct json_object *nat_json(struct daemon *daemon)
{
    struct nat *nat = &daemon->nat;
    struct json_object *to = json_object_new_object();

    json_object_object_add(to, "ipv4", family_json(nat, IP_V4));
    json_object_object_add(to, "ipv6", family_json(nat, IP_V6));
    json_object_object_add(to, "map_e", map_json(nat));
    json_object_object_add(to, "port_mapping", port_mapper_json(&nat->mapper));
    json_object_object_add(to, "turn", turn_relay_json(&nat->turn));
    json_object_object_add(to, "candidates", candidates_json(&nat->own));
    return to;
}
