/* SPDX-License-Identifier: MIT
 *
 * doctor_reach.c - how well each peer that is up is reached: directly or not, how fast, and how
 * long the NATs on the way remember.
 *
 * Recorders and televisions of Japan (nasne and others of DTCP-IP) measure the round trip before
 * they pair or play, and refuse above 7 ms: that it is the same LAN does not impress them.
 */
#include "doctor_judge.h"

#include "../json_fields.h"

#include <json-c/json.h>
#include <string.h>

#define DTCP_IP_RTT_MS 7.0

static void judge_rtt(struct json_object *peer, struct json_object *report)
{
    const char *name = json_text(peer, "name");
    double rtt_ms = json_object_get_double(json_field(peer, "rtt_ms"));
    bool fast = rtt_ms <= DTCP_IP_RTT_MS;
    struct finding finding = {
        .level = fast ? LEVEL_OK : LEVEL_NOTE, .check = "rtt", .subject = name, .peer = name};

    if (json_field(peer, "rtt_ms") == NULL)
        return;
    finding.meaning = fast ? "Recorders that protect their recordings (DTCP-IP: nasne and others) "
                             "allow 7 ms: they pair and play."
                           : "Recorders that protect their recordings (DTCP-IP: nasne and others) "
                             "allow 7 ms: they will not pair or play across. All else does.";
    report_add(report, &finding, "the round trip to %s takes %.1f ms", name, rtt_ms);
}

static void judge_relayed(struct json_object *peer, struct json_object *report)
{
    const char *name = json_text(peer, "name");

    if (strcmp(json_text(peer, "path"), "relay") != 0)
        return;
    report_add(
        report,
        &(struct finding){.level = LEVEL_NOTE,
                          .check = "relay",
                          .subject = name,
                          .peer = name,
                          .meaning = "It is slower, and another's line carries it; who passes "
                                     "it on cannot read it. A direct way is being looked "
                                     "for.",
                          .advice = "use IPv6 at both homes, or forward the UDP port at one of "
                                    "them: then they reach each other directly"},
        "%s is reached through a relay only", name);
}

/* keepalive_s is what is really used: shorter than configured where a NAT was seen to forget. */
static void judge_lifetime(const struct doctor_facts *facts, struct json_object *peer,
                           struct json_object *report)
{
    const char *name = json_text(peer, "name");
    const struct config_peer *configured = config_find_peer(facts->config, name);
    int64_t used_s = json_number(peer, "keepalive_s");

    if (configured == NULL || used_s <= 0 || used_s >= configured->keepalive_s)
        return;
    report_add(report,
               &(struct finding){.check = "mapping-lifetime", .subject = name, .peer = name},
               "a NAT on the way to %s forgets within %u s: keepalives go out each %d s", name,
               configured->keepalive_s, (int)used_s);
}

void judge_reach(const struct doctor_facts *facts, struct json_object *report)
{
    size_t count;
    struct json_object *peers = json_list(facts->status, "peers", &count);

    for (size_t i = 0; i < count; i++) {
        struct json_object *peer = json_object_array_get_idx(peers, i);
        if (strcmp(json_text(peer, "state"), "up") != 0)
            continue;
        judge_relayed(peer, report);
        judge_rtt(peer, report);
        judge_lifetime(facts, peer, report);
    }
}
