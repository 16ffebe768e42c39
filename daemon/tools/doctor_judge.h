/* SPDX-License-Identifier: MIT
 *
 * doctor_judge.h - from facts to findings. Pure: nothing is asked and nothing is changed here.
 */
#ifndef DOCTOR_JUDGE_H
#define DOCTOR_JUDGE_H

#include "doctor_facts.h"
#include "doctor_report.h"

/** judge_all_direct() - Whether every peer is reached directly; without a daemon nobody is */
bool judge_all_direct(struct json_object *status);

/** judge_port_of() - The UDP port that the daemon uses, or without one would */
unsigned judge_port_of(const struct doctor_facts *facts);

/** judge_runs_otherwise() - Whether the daemon runs with another TAP or bridge than configured */
bool judge_runs_otherwise(const struct doctor_facts *facts);

/* The checks, by concern; each adds to the report, and stands in the doctor_ file of its name. */
void judge_running(const struct doctor_facts *facts, struct json_object *report);
void judge_peers(const struct doctor_facts *facts, struct json_object *report);
void judge_paths(const struct doctor_facts *facts, struct json_object *report);
void judge_routes(const struct doctor_facts *facts, struct json_object *report);
void judge_reach(const struct doctor_facts *facts, struct json_object *report);
void judge_wan(const struct doctor_facts *facts, struct json_object *report);
void judge_firewall(const struct doctor_facts *facts, struct json_object *report);
void judge_home(const struct doctor_facts *facts, struct json_object *report);
void judge_dhcp(const struct doctor_facts *facts, struct json_object *report);
void judge_lan(const struct doctor_facts *facts, struct json_object *report);

#endif
