/* SPDX-License-Identifier: MIT
 *
 * doctor_home.c - what would spoil living together: a bridge port that does not pass what discovery
 * needs, a clock that is wrong.
 */
#include "doctor_judge.h"
#include "service.h"

#include <stdio.h>
#include <time.h>

enum { DAY_S = 86400 };

/* ---- the bridge's port ---- */

static void judge_port_settings(const struct doctor_facts *facts, struct json_object *report)
{
    const char *wrong = bridge_port_wrong(&facts->machine.tap_port);
    char words[SERVICE_WORDS_SIZE], advice[SERVICE_WORDS_SIZE + 64];

    if (facts->status == NULL || !facts->machine.tap_port.known)
        return;
    snprintf(advice, sizeof advice, "%s; if it comes back, look what else configures this bridge",
             service_restart(facts->config->path, words));
    if (wrong == NULL)
        report_add(report, &(struct finding){.check = "snooping", .subject = facts->tap->name},
                   "%s gets all multicast, whether IGMP snooping is on or off", facts->tap->name);
    else
        report_add(report,
                   &(struct finding){.level = LEVEL_WARN,
                                     .check = "snooping",
                                     .subject = facts->tap->name,
                                     .meaning = "The bridge may keep frames from the other homes, "
                                                "discovery (mDNS, SSDP) first of all.",
                                     .advice = advice},
                   "the setting '%s' of bridge port %s is not what lansplice made it", wrong,
                   facts->tap->name);
}

/* ---- the clock ---- */

static void judge_clock(const struct doctor_facts *facts, struct json_object *report)
{
    int64_t behind_s = facts->machine.clock_behind_s;
    bool in_days = behind_s >= 2 * DAY_S;
    time_t now = time(NULL);
    char text[32] = "?";
    struct tm parts;

    if (behind_s == 0)
        return;
    if (gmtime_r(&now, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    report_add(
        report,
        &(struct finding){.level = LEVEL_WARN,
                          .check = "clock",
                          .meaning = "The tunnel does not need the time, but invitations end "
                                     "by it: one made now is void once the clock is set.",
                          .advice = "set the time: is NTP switched on, and does it reach a "
                                    "server?"},
        "the clock is wrong: it says %s, and files here were written %lld %s after that", text,
        (long long)(in_days ? behind_s / DAY_S : behind_s), in_days ? "days" : "seconds");
}

void judge_home(const struct doctor_facts *facts, struct json_object *report)
{
    judge_clock(facts, report);
    judge_port_settings(facts, report);
}
