/* SPDX-License-Identifier: MIT
 *
 * doctor_dhcp.c - DHCP ranges that overlap, and how to divide the subnet instead.
 *
 * Each home knows its own DHCP range only, and that only where the addresses are given out by this
 * machine. That of another home shows in the addresses its devices have, and in its router's.
 *
 * All homes propose the same: they go by the homes' names in the alphabet's order.
 */
#include "doctor_judge.h"

#include "../copy.h"
#include "../json_fields.h"
#include "dhcp_split.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_SIZE = 256, ADVICE_SIZE = 512, HOMES_MAX = 6, ROUTERS_MAX = 32 };

/* ---- who shares the subnet ---- */

struct home {
    char site[SITE_NAME_MAX + 1]; /* as it calls itself */
    char peer[SITE_NAME_MAX + 1]; /* as it is called here; "": this home */
};

struct homes {
    struct ip_prefix prefix; /* of IPv4; family IP_NONE: this home has none */
    size_t count;
    struct home home[HOMES_MAX]; /* in the order of their sites' names */
    size_t router_count;
    struct ip_address router[ROUTERS_MAX];
};

static void add_home(struct homes *homes, const char *site, const char *peer)
{
    size_t at = homes->count;

    if (homes->count == HOMES_MAX)
        return;
    for (; at > 0 && strcmp(homes->home[at - 1].site, site) > 0; at--)
        homes->home[at] = homes->home[at - 1];
    homes->home[at] = (struct home){0};
    copy_text(homes->home[at].site, sizeof homes->home[at].site, site);
    copy_text(homes->home[at].peer, sizeof homes->home[at].peer, peer);
    homes->count++;
}

static void add_router(struct homes *homes, const struct ip_address *address)
{
    if (address->family == IP_V4 && homes->router_count < ROUTERS_MAX)
        homes->router[homes->router_count++] = *address;
}

static bool is_in(struct json_object *peer, const struct ip_prefix *prefix)
{
    char text[TEXT_PREFIX_SIZE];
    size_t count;
    struct json_object *prefixes = json_list(peer, "prefixes", &count);

    text_prefix(prefix, text);
    for (size_t i = 0; i < count; i++) {
        const char *one = json_object_get_string(json_object_array_get_idx(prefixes, i));
        if (one != NULL && strcmp(one, text) == 0)
            return true;
    }
    return false;
}

static void add_peer(struct homes *homes, struct json_object *peer)
{
    size_t count;
    struct json_object *gateways = json_list(peer, "gateways", &count);

    add_home(homes, json_text(peer, "site"), json_text(peer, "name"));
    for (size_t i = 0; i < count; i++) {
        struct ip_address address = {.family = IP_V4};
        const char *text = json_text(json_object_array_get_idx(gateways, i), "address");
        if (inet_pton(AF_INET, text, address.octet) == 1)
            add_router(homes, &address);
    }
}

static void find_homes(const struct doctor_facts *facts, struct homes *homes)
{
    const struct site_lan *lan = &facts->machine.lan;
    size_t count;
    struct json_object *peers = json_list(facts->status, "peers", &count);

    memset(homes, 0, sizeof *homes);
    for (unsigned i = lan->prefix_count; i-- > 0;)
        if (lan->prefix[i].address.family == IP_V4)
            homes->prefix = lan->prefix[i];
    add_home(homes, facts->config->name, "");
    for (unsigned i = 0; i < lan->own_count; i++)
        add_router(homes, &lan->own[i]);
    for (unsigned i = 0; i < lan->gateways.count; i++)
        add_router(homes, &lan->gateways.gateway[i].address);
    for (size_t i = 0; i < count; i++)
        if (homes->prefix.address.family == IP_V4 &&
            is_in(json_object_array_get_idx(peers, i), &homes->prefix))
            add_peer(homes, json_object_array_get_idx(peers, i));
}

/* ---- the proposal ---- */

static size_t append(char *out, size_t used, const char *text)
{
    int bytes = snprintf(out + used, ADVICE_SIZE - used, "%s", text);

    return bytes < 0 || (size_t)bytes >= ADVICE_SIZE - used ? ADVICE_SIZE - 1
                                                            : used + (size_t)bytes;
}

/* OpenWrt wants them as a first host and how many. */
static void name_setting(const struct homes *homes, const struct dhcp_pool *pool,
                         char out[WORDS_SIZE])
{
    uint32_t start = dhcp_pool_host(&homes->prefix, &pool->first);
    uint32_t count = dhcp_pool_host(&homes->prefix, &pool->last) - start + 1;

    out[0] = '\0';
    if (access("/etc/openwrt_release", F_OK) == 0)
        snprintf(out, WORDS_SIZE, " (here: uci set dhcp.lan.start=%u; uci set dhcp.lan.limit=%u)",
                 start, count);
}

/* Return: words, in @out or constant */
static const char *propose(const struct homes *homes, char out[ADVICE_SIZE])
{
    size_t used = append(out, 0, "let DHCP give out");
    char first[TEXT_ADDRESS_SIZE], last[TEXT_ADDRESS_SIZE], words[WORDS_SIZE], setting[WORDS_SIZE];
    struct dhcp_pool pool;

    setting[0] = '\0';
    for (unsigned i = 0; i < homes->count; i++) {
        bool here = homes->home[i].peer[0] == '\0';
        if (homes->count < 2 || !dhcp_split(&homes->prefix, (unsigned)homes->count, i,
                                            homes->router, homes->router_count, &pool))
            return "let the homes' DHCP ranges be disjoint, with no router's address in any";
        snprintf(words, sizeof words, "%s %s to %s %s%s", i > 0 ? "," : "",
                 text_address(&pool.first, first), text_address(&pool.last, last),
                 here ? "here" : "at ", homes->home[i].peer);
        used = append(out, used, words);
        if (here)
            name_setting(homes, &pool, setting);
    }
    append(out, used, setting);
    return out;
}

/* ---- what is found ---- */

static const struct dhcp_pool *pool_with(const struct doctor_machine *machine,
                                         const struct ip_address *address)
{
    for (size_t i = 0; i < machine->pool_count; i++)
        if (dhcp_pool_has(&machine->pool[i], address))
            return &machine->pool[i];
    return NULL;
}

static void tell_overlap(const struct dhcp_pool *pool, const struct ip_address *address,
                         const char *whose, const char *peer, const char *advice,
                         struct json_object *report)
{
    char first[TEXT_ADDRESS_SIZE], last[TEXT_ADDRESS_SIZE], text[TEXT_ADDRESS_SIZE];

    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "dhcp-overlap",
                                 .subject = text_address(address, text),
                                 .peer = peer,
                                 .family = IP_V4,
                                 .meaning =
                                     "Sooner or later DHCP here gives the same address to a device "
                                     "of this home: then neither of the two works.",
                                 .advice = advice},
               "%s, %s, lies in the range that DHCP gives out here: %s to %s", text, whose,
               text_address(&pool->first, first), text_address(&pool->last, last));
}

/* Return: whether a router of that peer has an address that may be given out here */
static bool judge_gateways(const struct doctor_machine *machine, struct json_object *peer,
                           const char *advice, struct json_object *report)
{
    const char *name = json_text(peer, "name");
    bool overlap = false;
    char whose[WORDS_SIZE];
    size_t count;
    struct json_object *gateways = json_list(peer, "gateways", &count);

    snprintf(whose, sizeof whose, "the router of %s", name);
    for (size_t i = 0; i < count; i++) {
        struct ip_address address = {.family = IP_V4};
        const char *text = json_text(json_object_array_get_idx(gateways, i), "address");
        if (inet_pton(AF_INET, text, address.octet) != 1)
            continue;
        const struct dhcp_pool *pool = pool_with(machine, &address);
        if (pool != NULL)
            tell_overlap(pool, &address, whose, name, advice, report);
        overlap = overlap || pool != NULL;
    }
    return overlap;
}

/* One device says it all: the first. */
static bool judge_devices(const struct doctor_machine *machine, const char *advice,
                          struct json_object *report)
{
    for (size_t i = 0; i < machine->remote_count; i++) {
        const struct remote_device *device = &machine->remote[i];
        const struct dhcp_pool *pool = pool_with(machine, &device->address);
        char whose[WORDS_SIZE], mac[TEXT_MAC_SIZE];
        if (pool == NULL)
            continue;
        snprintf(whose, sizeof whose, "a device of another home (%s)", text_mac(&device->mac, mac));
        tell_overlap(pool, &device->address, whose, NULL, advice, report);
        return true;
    }
    return false;
}

static void judge_ranges(const struct doctor_facts *facts, const char *advice,
                         struct json_object *report)
{
    const struct doctor_machine *machine = &facts->machine;
    char first[TEXT_ADDRESS_SIZE], last[TEXT_ADDRESS_SIZE];
    size_t count;
    struct json_object *peers = json_list(facts->status, "peers", &count);
    bool overlap = false;

    for (size_t i = 0; i < count; i++)
        overlap |= judge_gateways(machine, json_object_array_get_idx(peers, i), advice, report);
    overlap |= !overlap && judge_devices(machine, advice, report);
    for (size_t i = 0; !overlap && i < machine->pool_count; i++)
        report_add(report,
                   &(struct finding){.check = "dhcp-range",
                                     .subject = facts->bridge->name,
                                     .family = IP_V4,
                                     .advice = "keep other homes' ranges, routers and fixed "
                                               "addresses out of it"},
                   "DHCP gives out %s to %s here, and no device seen at the other homes has an "
                   "address of these",
                   text_address(&machine->pool[i].first, first),
                   text_address(&machine->pool[i].last, last));
}

/* Most often DHCP is a router's beside this machine, whose range nobody here knows. */
static void judge_unknown(const struct doctor_facts *facts, const struct homes *homes,
                          const char *advice, struct json_object *report)
{
    if (homes->count < 2)
        return;
    report_add(report,
               &(struct finding){.level = LEVEL_NOTE,
                                 .check = "dhcp-split",
                                 .subject = facts->bridge->name,
                                 .family = IP_V4,
                                 .meaning =
                                     "Where the homes' ranges overlap, two devices sooner or "
                                     "later get the same address.",
                                 .advice = advice},
               "this machine cannot see which addresses DHCP gives out in this home");
}

void judge_dhcp(const struct doctor_facts *facts, struct json_object *report)
{
    struct homes homes;
    char words[ADVICE_SIZE];
    const char *advice;

    if (facts->bridge == NULL)
        return;
    find_homes(facts, &homes);
    advice = propose(&homes, words);
    if (facts->machine.pool_count > 0)
        judge_ranges(facts, advice, report);
    else
        judge_unknown(facts, &homes, advice, report);
}
