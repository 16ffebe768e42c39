/* SPDX-License-Identifier: MIT
 *
 * doctor_report.h - the findings of `lansplice doctor`, and how they look.
 *
 * A report is the object that `doctor --json` prints; the words for people come from it as well:
 *   {"name", "findings": [{"level", "check", "subject", "peer", "family", "mtu", "text", "meaning",
 *   "advice"}], "paths": [{"peer", "family", "path_mtu", "state", "limit", "meaning"}]}
 * What is not known, or does not apply, is null.
 */
#ifndef DOCTOR_REPORT_H
#define DOCTOR_REPORT_H

#include "address.h"

struct json_object;

enum doctor_level {
    LEVEL_OK,   /* looked at, and as it should be */
    LEVEL_NOTE, /* worth knowing; nothing is lost */
    LEVEL_WARN, /* something does not work, or will not */
};

struct finding {
    enum doctor_level level;
    const char *check;     /* which check found it, for programs */
    const char *subject;   /* interface, peer or address it is about; NULL: none */
    const char *peer;      /* NULL: none */
    enum ip_family family; /* IP_NONE: both or neither */
    unsigned mtu;          /* bytes; 0: none */
    const char *meaning;   /* what follows from it; NULL: nothing */
    const char *advice;    /* what to do; NULL: nothing */
    const char *commands;  /* that do it, to be pasted, a line each; NULL: none. @advice leads to
                              them; for programs both are one: "advice: command; command" */
};

/** report_new() - An empty report of the site of that name; for json_object_put() */
struct json_object *report_new(const char *name);

/** report_add() - Add a finding; @format and what follows say what was found. All is copied */
void report_add(struct json_object *report, const struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** report_family() - "ipv4", "ipv6"; NULL for none */
const char *report_family(enum ip_family family);

/** report_print() - For people: a line that sums up, then the findings, the worst first. Commands
 *  have lines of their own, however long */
void report_print(struct json_object *report);

/** report_print_json() - For programs; changes the report */
void report_print_json(struct json_object *report);

#endif
