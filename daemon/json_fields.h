/* SPDX-License-Identifier: MIT
 *
 * json_fields.h - reading the daemon's answers: a field that is missing or null is no error; and
 * writing them, and showing them to programs.
 */
#ifndef JSON_FIELDS_H
#define JSON_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/** json_field() - The value, which @from keeps; NULL when missing or null */
struct json_object *json_field(struct json_object *from, const char *name);

/** json_text() - "-" when missing or null; what is no string as JSON writes it */
const char *json_text(struct json_object *from, const char *name);

/** json_flag() - false when missing or null */
bool json_flag(struct json_object *from, const char *name);

/** json_number() - 0 when missing or null */
int64_t json_number(struct json_object *from, const char *name);

/** json_list() - The array of that name; NULL, and a @count of 0, when it is none */
struct json_object *json_list(struct json_object *from, const char *name, size_t *count);

/** json_new_text() - A string; NULL, which is JSON's null, for NULL */
struct json_object *json_new_text(const char *text);

/** json_print() - To standard output, as --json shows it */
void json_print(struct json_object *object);

#endif
