/* SPDX-License-Identifier: MIT
 *
 * doctor_command.c - what is wrong here. Facts are gathered (doctor_facts.h), judged
 * (doctor_judge.h), and the report is printed (doctor_report.h).
 */
#include "commands.h"
#include "doctor_judge.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

static struct json_object *judge(const struct doctor_facts *facts)
{
    struct json_object *report = report_new(facts->config->name);

    judge_running(facts, report);
    judge_peers(facts, report);
    judge_reach(facts, report);
    judge_paths(facts, report);
    judge_routes(facts, report);
    judge_wan(facts, report);
    judge_firewall(facts, report);
    judge_lan(facts, report);
    judge_home(facts, report);
    judge_dhcp(facts, report);
    return report;
}

static int print_report(struct json_object *report, bool json)
{
    if (json)
        report_print_json(report);
    else
        report_print(report);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

static int examine(struct config *config, const struct error *refusal, bool json)
{
    static struct doctor_facts facts;
    struct error error;
    int code;

    if (doctor_gather(&facts, config, refusal, &error)) {
        struct json_object *report = judge(&facts);
        code = print_report(report, json);
        json_object_put(report);
    } else {
        code = error_print(&error);
    }
    doctor_release(&facts);
    return code;
}

int command_doctor(const struct cli_options *options)
{
    struct error error = {.exit_code = EXIT_FAILED};
    struct config *config = config_new();
    int code;

    if (config == NULL)
        error_set(&error, EXIT_FAILED, "no memory for the configuration");
    if (config != NULL && config_load(config, options->config_path, &error))
        code = examine(config, NULL, options->json);
    else if (config != NULL && config_recover(config, options->config_path))
        code = examine(config, &error, options->json);
    else
        code = error_print(&error);
    config_free(config);
    return code;
}
