/* SPDX-License-Identifier: MIT
 *
 * doctor_home.c - what would spoil living together: DHCP ranges that overlap, a bridge port that
 * does not pass what discovery needs, a clock that is wrong.
 *
 * Each home knows its own DHCP range only, and that only where dnsmasq gives the addresses out.
 * That of another home shows in the addresses its devices have, and in its router's.
 */
#include "doctor_judge.h"

#include "../json_fields.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

enum { WORDS_SIZE = 256 };

/* ---- DHCP ---- */

static const struct dhcp_pool *pool_with(const struct doctor_machine *machine,
                                         const struct ip_address *address)
{
    for (size_t i = 0; i < machine->pool_count; i++)
        if (dhcp_pool_has(&machine->pool[i], address))
            return &machine->pool[i];
    return NULL;
}

static void tell_overlap(const struct dhcp_pool *pool, const struct ip_address *address,
                         const char *whose, const char *peer, struct json_object *report)
{
    char first[TEXT_ADDRESS_SIZE], last[TEXT_ADDRESS_SIZE], text[TEXT_ADDRESS_SIZE];

    report_add(
        report,
        &(struct finding){.level = LEVEL_WARN,
                          .check = "dhcp-overlap",
                          .subject = text_address(address, text),
                          .peer = peer,
                          .family = IP_V4,
                          .meaning = "Sooner or later it is given to a device here, too: then "
                                     "neither works.",
                          .advice = "let the homes' DHCP ranges be disjoint, as .100 to .149 "
                                    "here and .150 to .199 there, with no router's address "
                                    "in any"},
        "%s, %s, lies in the range that DHCP gives out here: %s to %s", text, whose,
        text_address(&pool->first, first), text_address(&pool->last, last));
}

/* Return: whether a router of that peer has an address that may be given out here */
static bool judge_gateways(const struct doctor_machine *machine, struct json_object *peer,
                           struct json_object *report)
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
            tell_overlap(pool, &address, whose, name, report);
        overlap = overlap || pool != NULL;
    }
    return overlap;
}

/* One device says it all: the first. */
static bool judge_devices(const struct doctor_machine *machine, struct json_object *report)
{
    for (size_t i = 0; i < machine->remote_count; i++) {
        const struct remote_device *device = &machine->remote[i];
        const struct dhcp_pool *pool = pool_with(machine, &device->address);
        char whose[WORDS_SIZE], mac[TEXT_MAC_SIZE];
        if (pool == NULL)
            continue;
        snprintf(whose, sizeof whose, "a device of another home (%s)", text_mac(&device->mac, mac));
        tell_overlap(pool, &device->address, whose, NULL, report);
        return true;
    }
    return false;
}

static void judge_pools(const struct doctor_facts *facts, struct json_object *report)
{
    const struct doctor_machine *machine = &facts->machine;
    char first[TEXT_ADDRESS_SIZE], last[TEXT_ADDRESS_SIZE];
    size_t count;
    struct json_object *peers = json_list(facts->status, "peers", &count);
    bool overlap = false;

    if (machine->pool_count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        overlap |= judge_gateways(machine, json_object_array_get_idx(peers, i), report);
    overlap |= !overlap && judge_devices(machine, report);
    for (size_t i = 0; !overlap && i < machine->pool_count; i++)
        report_add(report,
                   &(struct finding){.check = "dhcp-range",
                                     .subject = facts->bridge->name,
                                     .family = IP_V4,
                                     .advice = "keep other homes' ranges, routers and fixed "
                                               "addresses out of it"},
                   "DHCP gives out %s to %s here, and nothing seen of other homes lies in it",
                   text_address(&machine->pool[i].first, first),
                   text_address(&machine->pool[i].last, last));
}

/* ---- the bridge's port ---- */

static void judge_port_settings(const struct doctor_facts *facts, struct json_object *report)
{
    const char *wrong = bridge_port_wrong(&facts->machine.tap_port);

    if (facts->status == NULL || !facts->machine.tap_port.known)
        return;
    if (wrong == NULL)
        report_add(report, &(struct finding){.check = "snooping", .subject = facts->tap->name},
                   "%s is a port that hears all groups, with IGMP snooping or without",
                   facts->tap->name);
    else
        report_add(report,
                   &(struct finding){.level = LEVEL_WARN,
                                     .check = "snooping",
                                     .subject = facts->tap->name,
                                     .meaning = "The bridge keeps frames from it that the other "
                                                "homes need: with IGMP snooping, discovery.",
                                     .advice = "somebody changed it after lansplice had set it: "
                                               "restart lansplice, and find out who"},
                   "%s has another '%s' than the tunnel needs", facts->tap->name, wrong);
}

/* ---- the clock ---- */

static void judge_clock(const struct doctor_facts *facts, struct json_object *report)
{
    time_t now = time(NULL);
    char text[32] = "?";
    struct tm parts;

    if (facts->machine.clock_behind_s == 0)
        return;
    if (gmtime_r(&now, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "clock",
                                 .meaning =
                                     "The tunnel does not need the time, but invitations end "
                                     "by it: one made now is void once the clock is set.",
                                 .advice = "set the time: is NTP switched on, and does it reach a "
                                           "server?"},
               "the clock is wrong: it says %s, and there are files here that are %lld s younger",
               text, (long long)facts->machine.clock_behind_s);
}

void judge_home(const struct doctor_facts *facts, struct json_object *report)
{
    judge_clock(facts, report);
    judge_port_settings(facts, report);
    judge_pools(facts, report);
}
