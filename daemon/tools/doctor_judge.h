/* SPDX-License-Identifier: MIT
 *
 * doctor_judge.h - from facts to findings. Pure: nothing is asked and nothing is changed here.
 */
#ifndef DOCTOR_JUDGE_H
#define DOCTOR_JUDGE_H

#include "doctor_facts.h"
#include "doctor_report.h"

/* The checks, by concern; each adds to the report, and stands in the doctor_ file of its name. */
void judge_peers(const struct doctor_facts *facts, struct json_object *report);
void judge_paths(const struct doctor_facts *facts, struct json_object *report);
void judge_routes(const struct doctor_facts *facts, struct json_object *report);
void judge_reach(const struct doctor_facts *facts, struct json_object *report);
void judge_wan(const struct doctor_facts *facts, struct json_object *report);
void judge_home(const struct doctor_facts *facts, struct json_object *report);
void judge_lan(const struct doctor_facts *facts, struct json_object *report);

#endif
