/* SPDX-License-Identifier: MIT
 *
 * doctor_wan.c - this home's line: can it be called, by which family, through which NAT, and what
 * would help. What STUN, the router and TURN servers told the daemon is "nat" in its status; the
 * rest this machine sees itself.
 *
 * Findings say what is so. Remedies come only as long as some peer is not reached directly: who has
 * all that he wants need not open ports.
 */
#include "doctor_judge.h"

#include "../json_fields.h"
#include "service.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_SIZE = SERVICE_WORDS_SIZE + 256, MEANING_SIZE = MAP_RULES_PORTS_SIZE + 128 };

struct line {
    const struct doctor_facts *facts;
    struct json_object *nat, *report;
    bool content; /* every peer is reached directly */
    bool is_ce;   /* this router does MAP-E itself */
    bool has_map;
    bool sure;   /* of it; else only the IPv6 prefix suggests it */
    bool shared; /* the provider's NAT is in front: forwards do not help */
    struct map_e map;
    unsigned port; /* where the daemon listens */
};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_known(const char *text)
{
    return !is(text, "-");
}

/* ---- kinds of IPv4 addresses ---- */

enum kind { KIND_NONE, KIND_PUBLIC, KIND_PRIVATE, KIND_CGNAT, KIND_DS_LITE };

static enum kind kind_of(const struct ip_address *address)
{
    const uint8_t *a = address->octet;

    if (address->family != IP_V4 || a[0] == 0 || a[0] == 127 || a[0] >= 224)
        return KIND_NONE;
    if (a[0] == 100 && (a[1] & 0xc0) == 64) /* RFC 6598 */
        return KIND_CGNAT;
    if (a[0] == 192 && a[1] == 0 && a[2] == 0 && a[3] < 8) /* RFC 6333 s.5.7 */
        return KIND_DS_LITE;
    if (a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168))
        return KIND_PRIVATE; /* RFC 1918 */
    return KIND_PUBLIC;
}

/* Of "192.0.2.1" or "192.0.2.1:7788". */
static enum kind kind_of_text(const char *text)
{
    struct ip_address address = {.family = IP_V4};
    char host[INET_ADDRSTRLEN];

    snprintf(host, sizeof host, "%.*s", (int)strcspn(text, ":"), text);
    return inet_pton(AF_INET, host, address.octet) == 1 ? kind_of(&address) : KIND_NONE;
}

/* ---- remedies ---- */

static bool listens_inside(const struct line *line)
{
    return map_e_contains(&line->map.ports, (uint16_t)line->port);
}

/* What to do on the router so that this home can be called by IPv4. */
static const char *forward(const struct line *line, char out[WORDS_SIZE])
{
    const struct config *config = line->facts->config;
    unsigned port = line->port, count = map_e_port_count(&line->map.ports);
    char also[SERVICE_WORDS_SIZE] = "", number[8];

    if (line->has_map && !listens_inside(line)) {
        port = map_e_choose_port(&line->map.ports, map_rules_seed(config->public_key));
        snprintf(number, sizeof number, "%u", port);
        if (!line->is_ce)
            service_set(config->path, "port", number, also);
        else if (!config->port_auto)
            service_set(config->path, "port", "auto", also);
    }
    if (line->is_ce)
        snprintf(out, WORDS_SIZE,
                 "let UDP %u in, one of your %u ports, in this router's firewall%s%s", port, count,
                 also[0] != '\0' ? ", and " : "", also);
    else if (line->has_map)
        snprintf(out, WORDS_SIZE, "forward UDP %u, one of your %u ports, on the home router%s%s",
                 port, count, also[0] != '\0' ? ", and " : "", also);
    else
        snprintf(out, WORDS_SIZE, "forward UDP %u to this machine on the home router", port);
    return out;
}

static const char *remedy(const struct line *line, char out[WORDS_SIZE])
{
    if (line->content)
        return NULL;
    return line->shared ? "use IPv6; or let both homes know a third one that can be called, with "
                          "'relay-for-peers = yes' there; or a TURN server"
                        : forward(line, out);
}

static const char *name_stun_server(const struct line *line, const char *which,
                                    char out[WORDS_SIZE])
{
    char words[SERVICE_WORDS_SIZE];

    snprintf(out, WORDS_SIZE, "name %s: %s", which,
             service_set(line->facts->config->path, "stun", "HOST:PORT", words));
    return out;
}

/* ---- IPv6 ---- */

static void judge_ipv6(const struct line *line)
{
    const struct ip_address *source = &line->facts->machine.source6;
    char address[TEXT_ADDRESS_SIZE];
    struct finding finding = {.check = "ipv6", .family = IP_V6};

    if (source->family == IP_V6 && (source->octet[0] & 0xe0) == 0x20) {
        report_add(line->report, &finding, "the Internet is reached by IPv6, as %s",
                   text_address(source, address));
        return;
    }
    finding.level = LEVEL_NOTE;
    finding.meaning = "Homes that both have it reach each other without any port forwarding.";
    finding.advice = "if the provider offers IPv6, switch it on in the router";
    if (source->family == IP_V6)
        report_add(line->report, &finding, "there is no global IPv6 address here, only %s",
                   text_address(source, address));
    else
        report_add(line->report, &finding, "there is no way to the Internet by IPv6");
}

/* ---- IPv4: the NAT as STUN sees it ---- */

static void judge_unseen(const struct line *line, struct json_object *ipv4)
{
    char words[WORDS_SIZE];
    size_t servers;
    struct finding finding = {.level = LEVEL_NOTE, .check = "nat", .family = IP_V4};

    json_list(ipv4, "servers", &servers);
    if (line->facts->machine.source4.family == IP_NONE)
        return; /* nothing leaves by IPv4 */
    if (servers > 0) {
        finding.meaning = "Others are not told where this home can be reached.";
        finding.advice = "are the names in 'stun' right, and may UDP leave this home?";
        report_add(line->report, &finding, "no STUN server has answered by IPv4");
    } else if (!line->content) {
        finding.meaning = "How this home looks from outside is not known.";
        finding.advice =
            name_stun_server(line, "a peer that can be called, or two STUN servers", words);
        report_add(line->report, &finding, "no STUN server is configured");
    }
}

static void judge_mapping(const struct line *line, struct json_object *ipv4)
{
    const char *mapped = json_text(ipv4, "mapped"), *behaviour = json_text(ipv4, "behaviour");
    struct finding finding = {.check = "nat", .subject = mapped, .family = IP_V4};
    char words[WORDS_SIZE];

    if (is(behaviour, "none")) {
        report_add(line->report, &finding, "no NAT is in the way: others see this home as %s",
                   mapped);
    } else if (is(behaviour, "independent")) {
        finding.meaning = "Another home gets through when both call at the same time: lansplice "
                          "does that by itself.";
        report_add(line->report, &finding,
                   "the NAT uses one port for all destinations: others see this home as %s",
                   mapped);
    } else if (is(behaviour, "dependent")) {
        finding.level = LEVEL_NOTE;
        finding.meaning = "No other home can know which port to send to, so a direct path by IPv4 "
                          "is possible only to a home whose NAT uses one port for all.";
        if (!line->has_map && !line->shared) /* those say it themselves */
            finding.advice = remedy(line, words);
        report_add(line->report, &finding,
                   "the NAT shows this home at another port to each destination, to one as %s",
                   mapped);
    } else {
        finding.level = LEVEL_NOTE;
        if (!line->content)
            finding.advice = name_stun_server(line, "a second STUN server", words);
        report_add(line->report, &finding,
                   "others see this home as %s; whether all see the same is not known", mapped);
    }
}

/* One of several that tells nothing: the others did. */
static void judge_server(const struct line *line, struct json_object *server)
{
    const char *name = json_text(server, "server"), *state = json_text(server, "state");
    char words[WORDS_SIZE];
    struct finding finding = {.level = LEVEL_NOTE, .check = "stun", .subject = name};

    finding.advice = name_stun_server(line, "another server, if this name is right", words);
    if (is(state, "unresolved"))
        report_add(line->report, &finding, "the name of STUN server %s has no address", name);
    else if (is(state, "error"))
        report_add(line->report, &finding, "STUN server %s refuses: error %s", name,
                   json_text(server, "error"));
    else if (is(state, "silent") && !json_flag(server, "other"))
        report_add(line->report, &finding, "STUN server %s does not answer", name);
}

static void judge_servers(const struct line *line, struct json_object *ipv4)
{
    size_t count;
    struct json_object *servers = json_list(ipv4, "servers", &count);

    for (size_t i = 0; i < count; i++)
        judge_server(line, json_object_array_get_idx(servers, i));
}

static void judge_ipv4(const struct line *line)
{
    struct json_object *ipv4 = json_field(line->nat, "ipv4");

    if (ipv4 == NULL)
        return;
    if (json_field(ipv4, "mapped") == NULL) {
        judge_unseen(line, ipv4);
    } else {
        judge_mapping(line, ipv4);
        judge_servers(line, ipv4);
    }
}

/* ---- addresses that the provider shares ---- */

/* What the gateway says of its outside; "-" when it said nothing. */
static const char *gateway_outside(const struct line *line)
{
    size_t count;
    struct json_object *sides = json_list(line->nat, "port_mapping", &count);

    for (size_t i = 0; i < count; i++) {
        struct json_object *side = json_object_array_get_idx(sides, i);
        if (is(json_text(side, "family"), "ipv4"))
            return json_text(side, "external");
    }
    return "-";
}

/* The first of the addresses known to be in front of the provider's NAT, if it has one. */
static enum kind shared_kind(const struct line *line, char text[TEXT_ENDPOINT_SIZE])
{
    char source[TEXT_ADDRESS_SIZE];
    const char *const seen[] = {text_address(&line->facts->machine.source4, source),
                                json_text(json_field(line->nat, "ipv4"), "local"),
                                gateway_outside(line)};

    for (unsigned i = 0; i < sizeof seen / sizeof *seen; i++) {
        enum kind kind = kind_of_text(seen[i]);
        snprintf(text, TEXT_ENDPOINT_SIZE, "%.*s", (int)strcspn(seen[i], ":"), seen[i]);
        if (kind == KIND_CGNAT || kind == KIND_DS_LITE)
            return kind;
    }
    return KIND_NONE;
}

static void judge_shared(struct line *line)
{
    char text[TEXT_ENDPOINT_SIZE], words[WORDS_SIZE];
    enum kind kind = shared_kind(line, text);

    line->shared = kind != KIND_NONE;
    if (!line->shared)
        return;
    report_add(line->report,
               &(struct finding){.level = LEVEL_NOTE,
                                 .check = "shared-address",
                                 .subject = text,
                                 .family = IP_V4,
                                 .meaning = "The provider's NAT serves many homes: nobody can call "
                                            "this one by IPv4, and forwarding ports in the router "
                                            "does not help.",
                                 .advice = remedy(line, words)},
               "the IPv4 address %s is %s", text,
               kind == KIND_CGNAT ? "a provider's own, behind its NAT (CGNAT)" : "that of DS-Lite");
}

static void judge_double_nat(const struct line *line)
{
    const char *outside = gateway_outside(line);

    if (kind_of_text(outside) != KIND_PRIVATE)
        return;
    report_add(line->report,
               &(struct finding){.level = LEVEL_NOTE,
                                 .check = "double-nat",
                                 .subject = outside,
                                 .family = IP_V4,
                                 .meaning = "There are two NATs, one behind the other.",
                                 .advice = line->content
                                               ? NULL
                                               : "make one of the two routers a bridge (or access "
                                                 "point), or forward the port on both"},
               "the home router's outside is itself a private address, %s", outside);
}

/* ---- MAP-E ---- */

/* This router's own rules, or what the daemon found confirmed. Before STUN saw anything, what the
 * IPv6 prefix suggests. */
static void find_map(struct line *line)
{
    const struct doctor_machine *machine = &line->facts->machine;
    bool seen = json_field(json_field(line->nat, "ipv4"), "mapped") != NULL;

    line->is_ce = machine->has_map && (machine->source4.family == IP_NONE ||
                                       ip_equal(&machine->source4, &machine->map.address));
    if (machine->has_map)
        line->map = machine->map;
    line->sure =
        machine->has_map || map_rules_from_json(json_field(line->nat, "map_e"), &line->map);
    line->has_map = line->sure || (!seen && map_e_recognise(&machine->source6, &line->map));
}

static const char *map_advice(const struct line *line, char out[WORDS_SIZE])
{
    if (line->sure && !listens_inside(line))
        return NULL; /* judge_port() has it */
    if (line->sure || line->content)
        return remedy(line, out);
    return name_stun_server(line, "a STUN server, to be sure", out);
}

static void judge_map(const struct line *line)
{
    char address[TEXT_ADDRESS_SIZE], ports[MAP_RULES_PORTS_SIZE];
    char meaning[MEANING_SIZE], words[WORDS_SIZE];
    const char *service = line->map.service;
    unsigned count = map_e_port_count(&line->map.ports);
    struct finding finding = {.level = line->content ? LEVEL_OK : LEVEL_NOTE,
                              .check = "map-e",
                              .subject = text_address(&line->map.address, address),
                              .family = IP_V4,
                              .meaning = meaning,
                              .advice = map_advice(line, words)};

    snprintf(meaning, sizeof meaning, "They are %s; others cannot be forwarded.",
             map_rules_ports(&line->map.ports, ports));
    if (line->sure)
        report_add(line->report, &finding,
                   "this home shares its IPv4 address by MAP-E%s%s%s: %u ports of %s are its own",
                   service != NULL ? " (" : "", service != NULL ? service : "",
                   service != NULL ? ")" : "", count, address);
    else
        report_add(
            line->report, &finding,
            "the IPv6 prefix is one of %s: if IPv4 comes from there, too, by MAP-E, %u ports "
            "of %s are this home's own",
            service, count, address);
}

static void judge_port(const struct line *line)
{
    unsigned port = line->port, count = map_e_port_count(&line->map.ports);
    char subject[8], words[WORDS_SIZE];
    struct finding finding = {
        .level = LEVEL_NOTE,
        .check = "map-e-port",
        .subject = subject,
        .family = IP_V4,
        .meaning =
            "The provider never delivers that port to this home: by IPv4 others cannot call it.",
        .advice = forward(line, words)};

    if (listens_inside(line))
        return;
    snprintf(subject, sizeof subject, "%u", port);
    report_add(line->report, &finding, "port %u is not one of this home's %u ports", port, count);
}

/* This router translates its own programs' ports like anybody's: then others see another one than
 * that where they can call, and two NATs meet in vain. */
static void judge_own_nat(const struct line *line)
{
    struct json_object *ipv4 = json_field(line->nat, "ipv4");
    char subject[8], words[WORDS_SIZE];
    struct finding finding = {.level = LEVEL_NOTE,
                              .check = "map-e-nat",
                              .subject = subject,
                              .family = IP_V4,
                              .meaning = "Who is called from here answers to another port than the "
                                         "one that is open.",
                              .advice = "exempt it: on OpenWrt",
                              .commands = words};

    if (!line->is_ce || line->content || !listens_inside(line) ||
        json_field(ipv4, "mapped") == NULL || json_flag(ipv4, "port_kept"))
        return;
    snprintf(subject, sizeof subject, "%u", line->port);
    snprintf(words, sizeof words,
             "echo 'udp sport %u accept' >>/usr/share/nftables.d/chain-pre/srcnat/lansplice.nft\n"
             "fw4 reload",
             line->port);
    report_add(line->report, &finding, "this router's NAT shows port %u as another one",
               line->port);
}

/* ---- the router's forwards, and TURN ---- */

static void judge_forward(const struct line *line, struct json_object *side)
{
    const char *state = json_text(side, "state"), *problem = json_text(side, "problem");
    bool v6 = is(json_text(side, "family"), "ipv6");
    struct finding finding = {.check = "port-mapping",
                              .subject = json_text(side, "gateway"),
                              .family = v6 ? IP_V6 : IP_V4};

    if (is(state, "mapped")) {
        report_add(
            line->report, &finding, "the router %s forwards %s to this machine (asked by %s)",
            json_text(side, "gateway"), json_text(side, "external"), json_text(side, "protocol"));
    } else if (is_known(problem) && !line->content) {
        finding.level = LEVEL_NOTE;
        finding.advice = v6 ? "open this UDP port for this machine in the router's IPv6 firewall, "
                              "or switch on PCP there"
                            : "switch on UPnP, PCP or NAT-PMP in it, or forward the port by hand";
        report_add(line->report, &finding, "the router %s forwards no port: %s",
                   json_text(side, "gateway"), problem);
    }
}

static void judge_forwards(const struct line *line)
{
    size_t count;
    struct json_object *sides = json_list(line->nat, "port_mapping", &count);

    for (size_t i = 0; i < count; i++)
        judge_forward(line, json_object_array_get_idx(sides, i));
}

static void judge_turn(const struct line *line, struct json_object *turn)
{
    const char *server = json_text(turn, "server"), *problem = json_text(turn, "error");
    struct finding finding = {.check = "turn", .subject = server};

    if (is_known(json_text(turn, "relayed"))) {
        report_add(line->report, &finding, "TURN server %s stands by, as %s", server,
                   json_text(turn, "relayed"));
        return;
    }
    if (is(json_text(turn, "state"), "idle") && !is_known(problem))
        return; /* another one is in use, and this one's turn comes when that fails */
    finding.level = is_known(problem) ? LEVEL_WARN : LEVEL_NOTE;
    report_add(line->report, &finding, "TURN server %s does not relay for this home: %s", server,
               is_known(problem) ? problem : json_text(turn, "state"));
}

static void judge_turns(const struct line *line)
{
    size_t count;
    struct json_object *turns = json_list(line->nat, "turn", &count);

    for (size_t i = 0; i < count; i++)
        judge_turn(line, json_object_array_get_idx(turns, i));
}

/* ---- all ---- */

unsigned judge_port_of(const struct doctor_facts *facts)
{
    int64_t port = json_number(facts->status, "port");

    return port > 0 ? (unsigned)port : facts->config->port;
}

bool judge_all_direct(struct json_object *status)
{
    size_t count;
    struct json_object *peers = json_list(status, "peers", &count);
    bool direct = status != NULL;

    for (size_t i = 0; i < count; i++) {
        struct json_object *peer = json_object_array_get_idx(peers, i);
        direct = direct && is(json_text(peer, "state"), "up") &&
                 strncmp(json_text(peer, "path"), "direct", 6) == 0;
    }
    return direct;
}

void judge_wan(const struct doctor_facts *facts, struct json_object *report)
{
    struct line line = {.facts = facts,
                        .nat = json_field(facts->status, "nat"),
                        .report = report,
                        .port = judge_port_of(facts),
                        .content = judge_all_direct(facts->status)};

    find_map(&line);
    judge_ipv6(&line);
    judge_shared(&line);
    judge_ipv4(&line);
    judge_double_nat(&line);
    if (line.has_map)
        judge_map(&line);
    if (line.has_map && line.sure) {
        judge_port(&line);
        judge_own_nat(&line);
    }
    judge_forwards(&line);
    judge_turns(&line);
}
