/* SPDX-License-Identifier: MIT
 *
 * status.c - see status.h. What is not known is null, not zero.
 */
#include "status.h"

#include "candidate_text.h"
#include "crypto/aead.h"
#include "daemon.h"
#include "text.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>

static void add(struct json_object *to, const char *name, struct json_object *value)
{
    json_object_object_add(to, name, value);
}

static void add_text(struct json_object *to, const char *name, const char *text)
{
    add(to, name, text == NULL || text[0] == '\0' ? NULL : json_object_new_string(text));
}

static void add_flag(struct json_object *to, const char *name, bool flag)
{
    add(to, name, json_object_new_boolean(flag));
}

static void add_count(struct json_object *to, const char *name, uint64_t count)
{
    add(to, name, json_object_new_int64(count > INT64_MAX ? INT64_MAX : (int64_t)count));
}

static const char *state_name(enum peer_state state)
{
    switch (state) {
    case PEER_UP:
        return "up";
    case PEER_CONNECTING:
        return "connecting";
    case PEER_DOWN:
        break;
    }
    return "down";
}

/* By a relay of ours, or straight to one of the peer's. */
static bool is_relayed(const struct peer_status *peer)
{
    for (size_t i = 0; i < peer->path_count; i++)
        if (peer->path[i].selected && peer->path[i].kind == CANDIDATE_RELAYED)
            return true;
    return peer->endpoint.via != VIA_DIRECT;
}

const char *status_path_name(const struct peer_status *peer)
{
    if (peer->state != PEER_UP || peer->endpoint.address.family == IP_NONE)
        return NULL;
    if (is_relayed(peer))
        return "relay";
    return peer->endpoint.address.family == IP_V4 ? "direct4" : "direct6";
}

const char *status_suite_name(enum suite suite)
{
    return aead_name(suite);
}

static struct json_object *prefixes_json(const struct site_info *info)
{
    struct json_object *list = json_object_new_array();
    char text[TEXT_PREFIX_SIZE];

    for (unsigned i = 0; i < info->prefix_count; i++)
        json_object_array_add(list, json_object_new_string(text_prefix(&info->prefix[i], text)));
    return list;
}

static struct json_object *gateways_json(const struct gateway_set *set)
{
    struct json_object *list = json_object_new_array();
    char text[TEXT_ADDRESS_SIZE], mac[TEXT_MAC_SIZE];

    for (unsigned i = 0; i < set->count; i++) {
        const struct gateway *g = &set->gateway[i];
        struct json_object *one = json_object_new_object();
        add_text(one, "address", text_address(&g->address, text));
        add_text(one, "mac", mac_is_zero(&g->mac) ? NULL : text_mac(&g->mac, mac));
        json_object_array_add(list, one);
    }
    return list;
}

/* Microseconds are enough; a double printed in full is noise. */
static struct json_object *rtt_json(double rtt_ms)
{
    char text[32];

    if (rtt_ms < 0)
        return NULL;
    snprintf(text, sizeof text, "%.3f", rtt_ms);
    return json_object_new_double_s(rtt_ms, text);
}

static void add_traffic(struct json_object *to, const struct peer_status *peer)
{
    add_count(to, "tx_frames", peer->tx_frames);
    add_count(to, "rx_frames", peer->rx_frames);
    add_count(to, "tx_bytes", peer->tx_bytes);
    add_count(to, "rx_bytes", peer->rx_bytes);
    add_count(to, "lost", peer->lost);
    add_count(to, "macs", peer->macs);
}

static const char *mtu_state_name(enum path_mtu_state state)
{
    static const char *const names[] = {[PATH_MTU_STOPPED] = "stopped",
                                        [PATH_MTU_FIXED] = "fixed",
                                        [PATH_MTU_SEARCHING] = "searching",
                                        [PATH_MTU_FOUND] = "found",
                                        [PATH_MTU_CONFIRMING] = "confirming"};

    return names[state];
}

static const char *mtu_limit_name(enum path_mtu_limit limit)
{
    static const char *const names[] = {
        [PATH_MTU_LIMIT_UNKNOWN] = NULL,           [PATH_MTU_LIMIT_CONFIGURATION] = "configuration",
        [PATH_MTU_LIMIT_MAXIMUM] = "maximum",      [PATH_MTU_LIMIT_INTERFACE] = "interface",
        [PATH_MTU_LIMIT_ROUTER] = "router",        [PATH_MTU_LIMIT_PATH] = "path",
        [PATH_MTU_LIMIT_BELOW_BASE] = "below-base"};

    return names[limit];
}

static struct json_object *age_json(uint64_t age_us)
{
    return age_us == UINT64_MAX ? NULL : json_object_new_int64((int64_t)(age_us / 1000000));
}

/* How well a path's MTU is known; @prefix stands before the names. */
static void add_path(struct json_object *to, const struct path_status *path, const char *prefix)
{
    char name[32];

    snprintf(name, sizeof name, "%sstate", prefix);
    add_text(to, name, path->known ? mtu_state_name(path->state) : NULL);
    snprintf(name, sizeof name, "%slimit", prefix);
    add_text(to, name, path->known ? mtu_limit_name(path->limit) : NULL);
    snprintf(name, sizeof name, "%sproved_s", prefix);
    add(to, name, path->known ? age_json(path->proved_age_us) : NULL);
}

/* Each family that was measured so far. */
static struct json_object *paths_json(const struct peer_status *peer)
{
    struct json_object *list = json_object_new_array();
    enum { KINDS = 3 };
    const struct path_status *const paths[KINDS] = {&peer->path_v4, &peer->path_v6,
                                                    &peer->path_relay};
    static const char *const names[KINDS] = {"ipv4", "ipv6", "relay"};

    for (unsigned i = 0; i < KINDS; i++) {
        if (!paths[i]->known)
            continue;
        struct json_object *one = json_object_new_object();
        add_text(one, "family", names[i]);
        add(one, "path_mtu", json_object_new_int(paths[i]->mtu_bytes));
        add_path(one, paths[i], "");
        add(one, "told",
            paths[i]->told_bytes == 0 ? NULL : json_object_new_int(paths[i]->told_bytes));
        json_object_array_add(list, one);
    }
    return list;
}

static const struct path_status *path_in_use(const struct peer_status *peer)
{
    if (peer->endpoint.via != VIA_DIRECT)
        return &peer->path_relay;
    return peer->endpoint.address.family == IP_V6 ? &peer->path_v6 : &peer->path_v4;
}

const char *status_where(const struct site *site, const struct endpoint *at,
                         char out[STATUS_WHERE_SIZE])
{
    char endpoint[TEXT_ENDPOINT_SIZE], carrier[SITE_NAME_MAX + 1];

    if (at->via >= VIA_PEER)
        snprintf(out, STATUS_WHERE_SIZE, "via %s", site_carrier_name(site, at, carrier));
    else
        snprintf(out, STATUS_WHERE_SIZE, "%s%s", text_endpoint(at, endpoint),
                 at->via != VIA_DIRECT ? " via turn" : "");
    return out;
}

/* Every way to the peer that is known. */
static struct json_object *candidates_json(const struct status_source *source,
                                           const struct peer_status *peer)
{
    static const char *const states[] = {[PATH_WAITING] = "waiting",
                                         [PATH_CHECKING] = "checking",
                                         [PATH_VALID] = "valid",
                                         [PATH_FAILED] = "failed"};
    struct json_object *list = json_object_new_array();
    char at[STATUS_WHERE_SIZE];

    for (size_t i = 0; i < peer->path_count; i++) {
        const struct path_info *path = &peer->path[i];
        struct json_object *one = json_object_new_object();
        add_text(one, "endpoint", status_where(source->site, &path->to, at));
        add_text(one, "kind", candidate_kind_text(path->kind));
        add_text(one, "state", states[path->state]);
        add(one, "rtt_ms", rtt_json(path->srtt_us < 0 ? -1.0 : (double)path->srtt_us / 1000.0));
        add(one, "answered_s", age_json(path->answered_age_us));
        add_flag(one, "in_use", path->selected);
        add_flag(one, "standby", path->standby);
        json_object_array_add(list, one);
    }
    return list;
}

static struct json_object *peer_json(const struct status_source *source,
                                     const struct peer_status *peer)
{
    struct json_object *to = json_object_new_object();
    char endpoint[STATUS_WHERE_SIZE], called_at[REACH_WHERE_SIZE];
    bool known = peer->endpoint.address.family != IP_NONE;

    add_text(to, "name", peer->name);
    add_text(to, "state", state_name(peer->state));
    add_text(to, "endpoint", known ? status_where(source->site, &peer->endpoint, endpoint) : NULL);
    add_text(to, "called_at", reach_where(source->daemon, peer->name, called_at));
    add_text(to, "path", status_path_name(peer));
    add(to, "rtt_ms", rtt_json(peer->rtt_ms));
    add_count(to, "keepalive_s", peer->keepalive_us / 1000000);
    add(to, "path_mtu",
        peer->path_mtu_bytes == 0 ? NULL : json_object_new_int(peer->path_mtu_bytes));
    add_path(to, path_in_use(peer), "path_mtu_");
    add(to, "paths", paths_json(peer));
    add(to, "candidates", candidates_json(source, peer));
    add_text(to, "cipher", status_suite_name(peer->suite));
    add(to, "last_handshake_s", age_json(peer->handshake_age_us));
    add_traffic(to, peer);
    add_text(to, "site", peer->remote.name);
    add(to, "prefixes", prefixes_json(&peer->remote));
    add(to, "gateways", gateways_json(&peer->remote.gateways));
    add_flag(to, "relays", peer->remote.relays);
    add_flag(to, "shut", peer->shut);
    add_flag(to, "invited", peer->invited);
    add_flag(to, "joining", peer->joining);
    return to;
}

static struct json_object *peers_json(const struct status_source *source)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < site_peer_count(source->site); i++) {
        struct peer_status peer;
        site_peer_status(source->site, i, source->now_us, &peer);
        json_object_array_add(list, peer_json(source, &peer));
    }
    return list;
}

const char *status_clash_name(enum clash_kind kind)
{
    static const char *const kinds[] = {
        [CLASH_GATEWAY] = "gateway", [CLASH_HOST] = "host", [CLASH_SUBNET] = "subnet"};

    return kinds[kind];
}

static struct json_object *clash_json(const struct site_clash *clash)
{
    struct json_object *to = json_object_new_object();
    char address[TEXT_ADDRESS_SIZE], local[TEXT_MAC_SIZE], remote[TEXT_MAC_SIZE];
    bool has_address = clash->address.family != IP_NONE;

    add_text(to, "kind", status_clash_name(clash->kind));
    add_text(to, "peer", clash->peer);
    add_text(to, "address", has_address ? text_address(&clash->address, address) : NULL);
    add_text(to, "local_mac", mac_is_zero(&clash->local) ? NULL : text_mac(&clash->local, local));
    add_text(to, "remote_mac",
             mac_is_zero(&clash->remote) ? NULL : text_mac(&clash->remote, remote));
    return to;
}

static struct json_object *clashes_json(const struct status_source *source)
{
    struct json_object *list = json_object_new_array();
    struct site_clash clash[SITE_CLASHES_MAX];
    size_t count = site_clashes(source->site, source->now_us, clash, SITE_CLASHES_MAX);

    for (size_t i = 0; i < count; i++)
        json_object_array_add(list, clash_json(&clash[i]));
    return list;
}

static struct json_object *counters_json(const struct status_source *source)
{
    const struct site_counters *c = site_counters(source->site);
    struct json_object *to = json_object_new_object();
    const struct {
        const char *name;
        uint64_t count;
    } counters[] = {
        {"ttl_repaired_mdns", c->ttl_repaired_mdns},
        {"ttl_repaired_ssdp", c->ttl_repaired_ssdp},
        {"mss_clamped", c->mss_clamped},
        {"fragmented", c->fragmented},
        {"reassembled", c->reassembled},
        {"guard_dhcp", c->guard_dhcp},
        {"guard_ra", c->guard_ra},
        {"guard_gateway", c->guard_gateway},
        {"guard_hosts", c->guard_hosts},
        {"guard_querier", c->guard_querier},
        {"guard_stp", c->guard_stp},
        {"guard_source", c->guard_source},
        {"multicast_filtered", c->multicast_filtered},
        {"loop_stopped", c->loop_stopped},
        {"storm_dropped", c->storm_dropped},
        {"macs_capped", c->macs_capped},
        {"replay_dropped", c->replay_dropped},
        {"auth_failed", c->auth_failed},
        {"malformed", c->malformed},
        {"unknown_index", c->unknown_index},
        {"handshakes", c->handshakes},
        {"handshakes_refused", c->handshakes_refused},
        {"cookies_sent", c->cookies_sent},
        {"cookies_received", c->cookies_received},
        {"reassembly_discarded", c->reassembly_discarded},
        {"reassembly_expired", c->reassembly_expired},
        {"too_large", c->too_large},
        {"lan_too_large", c->lan_too_large},
        {"mtu_probes", c->mtu_probes},
        {"mtu_black_holes", c->mtu_black_holes},
        {"path_hints", c->path_hints},
        {"icmp_hints", c->icmp_hints},
        {"queue_dropped", c->queue_dropped},
        {"queue_marked", c->queue_marked},
        {"orders_lost", c->orders_lost},
        {"notes_lost", c->notes_lost},
        {"relayed", c->relayed},
        {"relay_dropped", c->relay_dropped},
        {"punches", c->punches},
        {"send_dropped", source->daemon->udp.send_dropped},
        {"send_too_large", source->daemon->udp.send_too_large},
        {"icmp_errors", source->daemon->udp.icmp_errors},
        {"tap_dropped", source->daemon->tap.write_dropped},
    };

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        add_count(to, counters[i].name, counters[i].count);
    return to;
}

/* What the kernel does for us; where it does not, we do it ourselves, slower. */
static struct json_object *offloads_json(const struct daemon *daemon)
{
    struct json_object *to = json_object_new_object();

    add_flag(to, "tap_checksum", daemon->tap.vnet);
    add_flag(to, "tap_tcp_segments", daemon->tap.tso);
    add_flag(to, "tap_udp_segments", daemon->tap.uso);
    add_flag(to, "udp_segment", daemon->udp.gso);
    add_flag(to, "udp_gro", daemon->udp.gro);
    return to;
}

/* How each of its latest runs went wrong, if it did. */
static struct json_object *rendezvous_json(const struct rendezvous *rendezvous)
{
    static const char *const verbs[] = {[RENDEZVOUS_STORE] = "store", [RENDEZVOUS_LOAD] = "load"};
    struct json_object *to = json_object_new_object(), *failures = json_object_new_array();

    for (const struct rendezvous_peer *p = rendezvous->peer; p < rendezvous->peer + SITE_PEERS_MAX;
         p++)
        for (unsigned v = 0; v < RENDEZVOUS_VERBS; v++) {
            if (p->name[0] == '\0' || p->told[v][0] == '\0')
                continue;
            struct json_object *one = json_object_new_object();
            add_text(one, "peer", p->name);
            add_text(one, "verb", verbs[v]);
            add_text(one, "error", p->told[v]);
            json_object_array_add(failures, one);
        }
    add_text(to, "program", rendezvous->program);
    add(to, "failures", failures);
    return to;
}

static struct json_object *event_command_json(const struct event_command *command)
{
    struct json_object *to = json_object_new_object();

    add_text(to, "program", command->program);
    add_text(to, "error", command->told);
    add_count(to, "waiting", command->waiting_count);
    return to;
}

struct json_object *status_json(const struct status_source *source)
{
    struct json_object *to = json_object_new_object();
    char key[sodium_base64_ENCODED_LEN(PUBLIC_KEY_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    uint8_t public_key[PUBLIC_KEY_BYTES];
    const char *bridge = source->bridge != NULL ? source->bridge : source->config->bridge;
    int lan_mtu = source->daemon->network.view.lan.mtu_bytes;

    site_public_key(source->site, public_key);
    sodium_bin2base64(key, sizeof key, public_key, sizeof public_key,
                      sodium_base64_VARIANT_ORIGINAL);
    add_text(to, "name", source->config->name);
    add_text(to, "version", LANSPLICE_VERSION);
    add_text(to, "public_key", key);
    add(to, "port", json_object_new_int(source->daemon->port));
    add_text(to, "tap", source->tap);
    add_text(to, "bridge", bridge);
    add_flag(to, "bridge_attached", source->bridge != NULL);
    add_flag(to, "bridge_up", source->bridge_up);
    add_flag(to, "tap_up", source->tap_up);
    add_flag(to, "port_shut", site_port_shut(source->site));
    add(to, "lan_mtu", lan_mtu == 0 ? NULL : json_object_new_int(lan_mtu));
    add_count(to, "uptime_s", (source->now_us - source->started_us) / 1000000);
    add_count(to, "threads", source->daemon->worker.running ? 2 : 1);
    add(to, "offloads", offloads_json(source->daemon));
    add(to, "nat", nat_json(source->daemon));
    add(to, "rendezvous", rendezvous_json(&source->daemon->rendezvous));
    add(to, "event_command", event_command_json(&source->daemon->event_command));
    add(to, "peers", peers_json(source));
    add(to, "clashes", clashes_json(source));
    add(to, "counters", counters_json(source));
    return to;
}
