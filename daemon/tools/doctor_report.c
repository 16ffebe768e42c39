/* SPDX-License-Identifier: MIT
 *
 * doctor_report.c - see doctor_report.h
 */
#include "doctor_report.h"

#include "../json_fields.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_COLUMNS = 80, INDENT = 6, TEXT_SIZE = 512 };

static const char *const level_names[] = {
    [LEVEL_OK] = "ok", [LEVEL_NOTE] = "note", [LEVEL_WARN] = "warn"};

/* ---- collecting ---- */

static void add_text(struct json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_new_text(text));
}

const char *report_family(enum ip_family family)
{
    switch (family) {
    case IP_V4:
        return "ipv4";
    case IP_V6:
        return "ipv6";
    case IP_NONE:
    case IP_SITE:
        break;
    }
    return NULL;
}

struct json_object *report_new(const char *name)
{
    struct json_object *report = json_object_new_object();

    add_text(report, "name", name);
    json_object_object_add(report, "findings", json_object_new_array());
    json_object_object_add(report, "paths", json_object_new_array());
    return report;
}

/* Commands are apart from it until report_print_json(). */
static void add_advice(struct json_object *to, const struct finding *finding)
{
    char text[TEXT_SIZE];

    if (finding->commands == NULL) {
        add_text(to, "advice", finding->advice);
        return;
    }
    snprintf(text, sizeof text, "%s:", finding->advice);
    add_text(to, "advice", text);
    add_text(to, "commands", finding->commands);
}

void report_add(struct json_object *report, const struct finding *finding, const char *format, ...)
{
    struct json_object *one = json_object_new_object();
    char text[TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add_text(one, "level", level_names[finding->level]);
    add_text(one, "check", finding->check);
    add_text(one, "subject", finding->subject);
    add_text(one, "peer", finding->peer);
    add_text(one, "family", report_family(finding->family));
    json_object_object_add(one, "mtu",
                           finding->mtu == 0 ? NULL : json_object_new_int64(finding->mtu));
    add_text(one, "text", text);
    add_text(one, "meaning", finding->meaning);
    add_advice(one, finding);
    json_object_array_add(json_field(report, "findings"), one);
}

/* ---- printing ---- */

static size_t count_of(struct json_object *report, enum doctor_level level)
{
    size_t count, found = 0;
    struct json_object *findings = json_list(report, "findings", &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(json_text(json_object_array_get_idx(findings, i), "level"),
                   level_names[level]) == 0)
            found++;
    return found;
}

static void print_summary(struct json_object *report)
{
    size_t wrong = count_of(report, LEVEL_WARN), notes = count_of(report, LEVEL_NOTE);

    printf("%s: ", json_text(report, "name"));
    if (wrong == 0)
        printf("no problems");
    else
        printf("%zu problem%s", wrong, wrong == 1 ? "" : "s");
    if (notes > 0)
        printf(", %zu note%s", notes, notes == 1 ? "" : "s");
    putchar('\n');
}

/* A word; what stands between ' and ' is one, for it may be a command. */
static size_t word_bytes(const char *words)
{
    const char *end = words[0] == '\'' ? strchr(words + 1, '\'') : NULL;

    if (end == NULL || end - words > LINE_COLUMNS - INDENT)
        end = words;
    return (size_t)(end - words) + strcspn(end, " ");
}

/* Words, broken into lines that begin at INDENT; the cursor is there already, or beyond. */
static void print_wrapped(size_t column, const char *words)
{
    while (*words != '\0') {
        size_t bytes = word_bytes(words);
        if (column > INDENT && column + 1 + bytes > LINE_COLUMNS) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        column += (size_t)printf("%s%.*s", column > INDENT ? " " : "", (int)bytes, words);
        words += bytes + strspn(words + bytes, " ");
    }
    putchar('\n');
}

/* The bytes of the next command, which @commands then is beyond. */
static int pass_command(const char **commands)
{
    size_t bytes = strcspn(*commands, "\n");

    *commands += bytes + ((*commands)[bytes] == '\n');
    return (int)bytes;
}

static void print_commands(const char *commands)
{
    for (const char *next = commands; *commands != '\0'; commands = next) {
        int bytes = pass_command(&next);
        printf("%*s%.*s\n", INDENT + 3, "", bytes, commands);
    }
}

static void print_finding(struct json_object *finding)
{
    printf("%-*s", INDENT, json_text(finding, "level"));
    print_wrapped(INDENT, json_text(finding, "text"));
    if (json_field(finding, "meaning") != NULL) {
        printf("%*s", INDENT, "");
        print_wrapped(INDENT, json_text(finding, "meaning"));
    }
    if (json_field(finding, "advice") != NULL) {
        printf("%*s->", INDENT, "");
        print_wrapped(INDENT + 2, json_text(finding, "advice"));
    }
    if (json_field(finding, "commands") != NULL)
        print_commands(json_text(finding, "commands"));
}

void report_print(struct json_object *report)
{
    size_t count;
    struct json_object *findings = json_list(report, "findings", &count);

    print_summary(report);
    for (int level = LEVEL_WARN; level >= LEVEL_OK; level--)
        for (size_t i = 0; i < count; i++) {
            struct json_object *one = json_object_array_get_idx(findings, i);
            if (strcmp(json_text(one, "level"), level_names[level]) != 0)
                continue;
            putchar('\n');
            print_finding(one);
        }
}

/* One string of both: programs show it as it is. */
static void join_commands(struct json_object *finding)
{
    const char *commands = json_text(finding, "commands"), *before = " ";
    char text[2 * TEXT_SIZE];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", json_text(finding, "advice"));

    for (const char *next = commands; *commands != '\0' && used < sizeof text; commands = next) {
        int bytes = pass_command(&next);
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", before, bytes, commands);
        before = "; ";
    }
    add_text(finding, "advice", text);
    json_object_object_del(finding, "commands");
}

void report_print_json(struct json_object *report)
{
    size_t count;
    struct json_object *findings = json_list(report, "findings", &count);

    for (size_t i = 0; i < count; i++) {
        struct json_object *one = json_object_array_get_idx(findings, i);
        if (json_field(one, "commands") != NULL)
            join_commands(one);
    }
    json_print(report);
}
