/* SPDX-License-Identifier: MIT
 *
 * doctor_peers.c - the daemon and its peers: what status says, as findings; people run doctor
 * first.
 */
#include "doctor_judge.h"

#include "../json_fields.h"
#include "service.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { WHAT_SIZE = 224 };

static void judge_no_daemon(const struct doctor_facts *facts, struct json_object *report)
{
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "daemon",
                                 .subject = facts->config->control,
                                 .meaning = "Peers and paths are not known; the rest was looked at "
                                            "without it."},
               "%s", facts->daemon_error.text);
}

static void judge_config(const struct doctor_facts *facts, struct json_object *report)
{
    char advice[SERVICE_WORDS_SIZE + 32], words[SERVICE_WORDS_SIZE];

    snprintf(advice, sizeof advice, "mend %.512s, then %s", service_file(facts->config->path),
             service_reload(facts->config->path, words));
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "config",
                                 .subject = facts->config->path,
                                 .meaning = "The daemon goes on with what it read before, and "
                                            "would not start again. Endpoints were not looked at.",
                                 .advice = advice},
               "the configuration is refused: %s", facts->config_error);
}

/* Where the daemon knows it, each once, as many as fit. Return: false when it knows none */
static bool list_candidates(struct json_object *peer, char out[WHAT_SIZE])
{
    size_t count, used = 0;
    struct json_object *candidates = json_list(peer, "candidates", &count);

    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *at = json_text(json_object_array_get_idx(candidates, i), "endpoint");
        if (strcmp(at, "-") != 0 && strstr(out, at) == NULL && used + strlen(at) + 2 < WHAT_SIZE)
            used +=
                (size_t)snprintf(out + used, WHAT_SIZE - used, "%s%s", used > 0 ? ", " : "", at);
    }
    return used > 0;
}

/* Of one who is invited nothing is known but what 'lansplice accept' was given. */
static void judge_invited(struct json_object *peer, struct json_object *report)
{
    const char *name = json_text(peer, "name");
    char where[WHAT_SIZE];
    struct finding finding = {.level = LEVEL_NOTE, .check = "peer", .subject = name, .peer = name};

    if (list_candidates(peer, where)) {
        finding.advice = "give it a minute; if it lasts, does lansplice run there? Then run "
                         "'lansplice join' there with the same token once more, and 'lansplice "
                         "accept' here with the line that it prints";
        report_add(report, &finding, "%s has not got through yet: it is being called at %s", name,
                   where);
    } else {
        finding.advice = "run 'lansplice join' there and paste the token; if it has joined, run "
                         "'lansplice accept' here and paste the line that it printed";
        report_add(report, &finding, "%s has not used its invitation yet", name);
    }
}

static void judge_joining(const char *name, struct json_object *report)
{
    report_add(report,
               &(struct finding){
                   .level = LEVEL_WARN,
                   .check = "peer",
                   .subject = name,
                   .peer = name,
                   .advice =
                       "if it lasts, give the reply line that 'lansplice join' prints here to "
                       "'lansplice accept' there; if it lasts after that, the token has "
                       "expired or was used: ask for a new one"},
               "%s has not let us join yet", name);
}

static void judge_silent(const struct doctor_facts *facts, struct json_object *peer,
                         struct json_object *report)
{
    const char *name = json_text(peer, "name"), *where = json_text(peer, "called_at");
    bool called = strcmp(where, "-") != 0;
    char advice[SERVICE_WORDS_SIZE + 256], words[SERVICE_WORDS_SIZE];
    const struct finding finding = {
        .level = LEVEL_WARN,
        .check = "peer",
        .subject = name,
        .peer = name,
        .advice = called ? "there: does 'lansplice status' answer, is the UDP port forwarded in "
                           "its router, and is its public key the one in the configuration here?"
                         : advice};

    snprintf(advice, sizeof advice,
             "look at its daemon there; if neither home can be called, 'relay-for-peers' at a "
             "third that both know, 'stun' or 'turn' help, see lansplice.conf(5); else say here "
             "where it is: %s",
             service_set_endpoint(facts->config, name, words));
    if (called)
        report_add(report, &finding, "%s does not answer at %s", name, where);
    else
        report_add(report, &finding,
                   "%s has not connected, and no address to call it at is known here", name);
}

static void judge_peer(const struct doctor_facts *facts, struct json_object *peer,
                       struct json_object *report)
{
    const char *name = json_text(peer, "name");

    if (json_flag(peer, "joining"))
        judge_joining(name, report);
    else if (strcmp(json_text(peer, "state"), "up") == 0)
        return;
    else if (json_flag(peer, "invited"))
        judge_invited(peer, report);
    else
        judge_silent(facts, peer, report);
}

static void judge_loop(const char *peer, struct json_object *report)
{
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "loop",
                                 .subject = peer,
                                 .peer = peer,
                                 .meaning = "The tunnel is shut until it is gone.",
                                 .advice = "remove the other connection between the homes: a "
                                           "cable, or another VPN"},
               "there is a second connection %s%s, and frames would go round in circles (a loop)",
               peer != NULL ? "to " : "between the homes", peer != NULL ? peer : "");
}

static void judge_clash(struct json_object *clash, struct json_object *report)
{
    const char *kind = json_text(clash, "kind"), *peer = json_text(clash, "peer");
    const char *address = json_text(clash, "address");
    struct finding finding = {
        .level = LEVEL_WARN, .check = "clash", .subject = address, .peer = peer};

    if (strcmp(kind, "gateway") == 0) {
        finding.advice = "give one of them another address";
        report_add(report, &finding, "both routers, here and at %s, have the address %s", peer,
                   address);
    } else if (strcmp(kind, "host") == 0) {
        finding.advice = "give one of them another address, or make the DHCP ranges disjoint";
        report_add(report, &finding, "%s is used by %s here and by %s at %s", address,
                   json_text(clash, "local_mac"), json_text(clash, "remote_mac"), peer);
    } else {
        finding.subject = peer;
        finding.meaning = "Devices are listed but may not be usable.";
        finding.advice = "give both homes the same subnet with disjoint DHCP ranges";
        report_add(report, &finding, "this home and %s use different IPv4 subnets", peer);
    }
}

static void judge_troubles(struct json_object *status, struct json_object *report)
{
    size_t count;
    struct json_object *clashes = json_list(status, "clashes", &count);

    if (json_flag(status, "port_shut"))
        judge_loop(NULL, report);
    for (size_t i = 0; i < count; i++)
        judge_clash(json_object_array_get_idx(clashes, i), report);
}

/* ---- programs of the owner's ---- */

static void judge_failure(const char *option, const char *program, const char *what,
                          const char *meaning, struct json_object *report)
{
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = option,
                                 .subject = program,
                                 .meaning = meaning,
                                 .advice = "run it by hand to see why; lansplice.conf(5) says with "
                                           "what and with which rights it is run"},
               "%s %s failed: %s", option, program, what);
}

static void judge_programs(struct json_object *status, struct json_object *report)
{
    struct json_object *rendezvous = json_field(status, "rendezvous");
    struct json_object *events = json_field(status, "event_command");
    size_t count;
    struct json_object *failures = json_list(rendezvous, "failures", &count);
    char what[WHAT_SIZE];

    for (size_t i = 0; i < count; i++) {
        struct json_object *failure = json_object_array_get_idx(failures, i);
        snprintf(what, sizeof what, "%s for %s: %s", json_text(failure, "verb"),
                 json_text(failure, "peer"), json_text(failure, "error"));
        judge_failure("rendezvous-command", json_text(rendezvous, "program"), what,
                      "A home whose address changes is not found again by it.", report);
    }
    if (json_field(events, "error") != NULL)
        judge_failure("event-command", json_text(events, "program"), json_text(events, "error"),
                      NULL, report);
}

void judge_peers(const struct doctor_facts *facts, struct json_object *report)
{
    size_t count, up = 0;
    struct json_object *peers = json_list(facts->status, "peers", &count);

    if (facts->config_error != NULL)
        judge_config(facts, report);
    if (facts->status == NULL) {
        judge_no_daemon(facts, report);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct json_object *peer = json_object_array_get_idx(peers, i);
        judge_peer(facts, peer, report);
        if (json_flag(peer, "shut"))
            judge_loop(json_text(peer, "name"), report);
        up += strcmp(json_text(peer, "state"), "up") == 0;
    }
    judge_troubles(facts->status, report);
    judge_programs(facts->status, report);
    report_add(report, &(struct finding){.check = "daemon"},
               "the daemon runs, %zu of %zu peers are up", up, count);
}
