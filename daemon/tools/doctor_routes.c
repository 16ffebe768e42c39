/* SPDX-License-Identifier: MIT
 *
 * doctor_routes.c - the ways to the peers. The interface is compared with a fixed max-datagram; one
 * that is a tunnel itself is named, and an endpoint that lies in the very LAN that lansplice
 * carries: datagrams to it would run through the tunnel they make up.
 */
#include "doctor_judge.h"

#include <string.h>

/* Carries IP in IP, UDP or the like. PPP does not: it is how lines are. */
static bool is_tunnel(const char *kind)
{
    static const char *const kinds[] = {"tun",  "wireguard", "gre",    "gretap", "erspan",
                                        "sit",  "ip6gre",    "ip6tnl", "ipip",   "ip6gretap",
                                        "vti",  "vti6",      "vxlan",  "geneve", "xfrm",
                                        "l2tp", "ovpn",      "amt",    "bareudp"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

static bool is_own_lan(const struct doctor_facts *facts, const struct link *out)
{
    return (facts->bridge != NULL && out->index == facts->bridge->index) ||
           (facts->tap != NULL && out->index == facts->tap->index);
}

/* The way that is taken; while the peer is not up, any that may be. */
static bool is_taken(const struct doctor_facts *facts, const struct doctor_route *route)
{
    for (size_t i = 0; i < facts->route_count; i++)
        if (facts->route[i].in_use && facts->route[i].peer == route->peer)
            return route->in_use;
    return true;
}

/* Whether an earlier way of that peer, or with NULL of any, leaves by the same interface. */
static bool is_repeated(const struct doctor_facts *facts, const struct doctor_route *route,
                        const char *peer)
{
    for (const struct doctor_route *r = facts->route; r < route; r++)
        if (r->out.index == route->out.index && (peer == NULL || r->peer == peer) &&
            is_taken(facts, r))
            return true;
    return false;
}

static struct finding finding_of(const struct doctor_route *route, enum doctor_level level,
                                 const char *check, const char *subject)
{
    return (struct finding){.level = level,
                            .check = check,
                            .subject = subject,
                            .peer = route->peer,
                            .family = (enum ip_family)route->endpoint.address.family,
                            .mtu = route->out.mtu};
}

/* ---- endpoints ---- */

static void judge_unresolved(const struct doctor_route *route, struct json_object *report)
{
    struct finding finding = finding_of(route, LEVEL_WARN, "endpoint-name", route->text);

    finding.advice = "is the name right, and does DNS work on this machine?";
    report_add(report, &finding, "DNS has no address for %s, the endpoint of %s", route->text,
               route->peer);
}

static void judge_unanswered(const struct doctor_route *route, struct json_object *report)
{
    struct finding finding = finding_of(route, LEVEL_WARN, "endpoint-name", route->text);

    finding.meaning = "The daemon cannot learn the address, either.";
    finding.advice = "is this home's connection to the Internet up, and is the name server in "
                     "/etc/resolv.conf the right one?";
    report_add(report, &finding, "DNS does not answer for %s, the endpoint of %s", route->text,
               route->peer);
}

static bool is_reachable(const struct doctor_facts *facts, const char *peer)
{
    for (size_t i = 0; i < facts->route_count; i++)
        if (facts->route[i].peer == peer && facts->route[i].way >= WAY_SELF)
            return true;
    return false;
}

/* Homes without IPv6 have no route to IPv6 addresses: a peer must have no way at all. */
static void judge_no_route(const struct doctor_facts *facts, const struct doctor_route *route,
                           struct json_object *report)
{
    struct finding finding = finding_of(route, LEVEL_WARN, "no-route", route->text);

    if (route->way != WAY_NONE || is_reachable(facts, route->peer))
        return;
    finding.advice = "is this home's connection to the Internet up? This shows the ways out";
    finding.commands = "ip route";
    report_add(report, &finding, "there is no route to %s of %s", route->text, route->peer);
}

static void judge_in_lan(const struct doctor_facts *facts, const struct doctor_route *route,
                         struct json_object *report)
{
    bool self = route->way == WAY_SELF;
    struct finding finding = finding_of(route, LEVEL_WARN, self ? "endpoint-self" : "endpoint-lan",
                                        self ? route->text : route->out.name);

    if (!self && (route->way != WAY_ON_LINK || !is_own_lan(facts, &route->out)))
        return;
    if (!self)
        finding.meaning = "The other home's LAN is part of this LAN: the tunnel would run inside "
                          "itself.";
    finding.advice = "give the address by which the other home is reached from outside: that of "
                     "its router's WAN, or a name for it";
    report_add(report, &finding, "endpoint %s of %s is %s%s", route->text, route->peer,
               self ? "this machine itself" : "in this LAN itself, at ",
               self ? "" : route->out.name);
}

/* ---- interfaces ---- */

static void judge_tunnel(const struct doctor_facts *facts, const struct doctor_route *route,
                         struct json_object *report)
{
    const char *kind = route->out.kind;
    bool uplink =
        strcmp(kind, "ip6tnl") == 0 || strcmp(kind, "sit") == 0 || strcmp(kind, "ipip") == 0;
    struct finding finding = finding_of(route, LEVEL_NOTE, "tunnel-in-tunnel", route->out.name);

    if (!is_tunnel(kind) || is_own_lan(facts, &route->out) ||
        is_repeated(facts, route, route->peer))
        return;
    finding.meaning = uplink ? "If this is how your provider carries IP (MAP-E, DS-Lite, 6rd), "
                               "all is as it should be."
                             : "Every packet is wrapped twice, which costs room and speed.";
    finding.advice = uplink ? NULL
                            : "if the peer can be reached without it, route the peer's address "
                              "around it";
    report_add(report, &finding, "the way to %s leads through another tunnel: %s (%s)", route->peer,
               route->out.name, kind);
}

static void judge_too_large(const struct doctor_facts *facts, const struct doctor_route *route,
                            struct json_object *report)
{
    unsigned fixed = facts->config->max_datagram_bytes;
    struct finding finding = finding_of(route, LEVEL_WARN, "max-datagram", route->out.name);

    if (fixed <= route->out.mtu || is_repeated(facts, route, NULL))
        return;
    finding.meaning = "Packets that need more are not sent: they are lost.";
    finding.advice = "remove max-datagram: the size is found then";
    report_add(report, &finding, "max-datagram is %u, but %s takes packets of %u bytes only", fixed,
               route->out.name, route->out.mtu);
}

static void judge_fixed(unsigned fixed, struct json_object *report)
{
    if (fixed == 0)
        return;
    report_add(
        report,
        &(struct finding){.level = LEVEL_NOTE,
                          .check = "max-datagram",
                          .mtu = fixed,
                          .meaning = "What the paths carry is not looked for: packets are "
                                     "lost on those that carry less.",
                          .advice = "remove max-datagram, unless this line is known to need it"},
        "max-datagram fixes the size of all packets to %u bytes", fixed);
}

static void judge_route(const struct doctor_facts *facts, const struct doctor_route *route,
                        struct json_object *report)
{
    if (route->way == WAY_UNRESOLVED)
        judge_unresolved(route, report);
    if (route->way == WAY_UNANSWERED)
        judge_unanswered(route, report);
    judge_no_route(facts, route, report);
    judge_in_lan(facts, route, report);
    if (route->out.index == 0 || !is_taken(facts, route))
        return;
    judge_tunnel(facts, route, report);
    judge_too_large(facts, route, report);
}

void judge_routes(const struct doctor_facts *facts, struct json_object *report)
{
    judge_fixed(facts->config->max_datagram_bytes, report);
    for (size_t i = 0; i < facts->route_count; i++)
        judge_route(facts, &facts->route[i], report);
}
