/* SPDX-License-Identifier: MIT
 *
 * doctor_running.c - does the daemon run with what the configuration says? Some options it takes at
 * its start only: who sets one and reloads has it in the file, and not in the daemon.
 */
#include "doctor_judge.h"

#include "../json_fields.h"
#include "service.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* What the daemon does not tell, as one of another version may not, does not differ. */
static bool differs(const struct doctor_facts *facts, const char *option, const char *configured)
{
    return facts->config_error == NULL && configured[0] != '\0' &&
           json_object_object_get_ex(facts->status, option, NULL) &&
           strcmp(json_text(facts->status, option), configured) != 0;
}

static void judge_option(const struct doctor_facts *facts, const char *option,
                         const char *configured, struct json_object *report)
{
    char words[SERVICE_WORDS_SIZE];
    struct finding finding = {.level = LEVEL_WARN,
                              .check = "restart",
                              .subject = option,
                              .meaning = "It is taken when the daemon starts; a reload leaves it."};

    if (!differs(facts, option, configured))
        return;
    finding.advice = service_restart(facts->config->path, words);
    if (json_field(facts->status, option) == NULL)
        report_add(report, &finding, "'%s = %s' is configured, but the daemon runs without it",
                   option, configured);
    else
        report_add(report, &finding, "'%s = %s' is configured, but the daemon runs with %s", option,
                   configured, json_text(facts->status, option));
}

bool judge_runs_otherwise(const struct doctor_facts *facts)
{
    return differs(facts, "bridge", facts->config->bridge) ||
           differs(facts, "tap", facts->config->tap);
}

void judge_running(const struct doctor_facts *facts, struct json_object *report)
{
    const struct config *config = facts->config;
    char port[8] = "";

    if (!config->port_auto)
        snprintf(port, sizeof port, "%u", (unsigned)config->port);
    judge_option(facts, "bridge", config->bridge, report);
    judge_option(facts, "tap", config->tap, report);
    judge_option(facts, "port", port, report);
}
