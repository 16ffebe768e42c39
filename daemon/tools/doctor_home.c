/* SPDX-License-Identifier: MIT
 *
 * doctor_home.c - what would spoil living together: a bridge port that does not pass what discovery
 * needs, a clock that is wrong.
 */
#include "doctor_judge.h"

#include <stdio.h>
#include <time.h>

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
}
