/* SPDX-License-Identifier: MIT
 *
 * json_fields.c - see json_fields.h
 */
#include "json_fields.h"

#include <json-c/json.h>
#include <stdio.h>

struct json_object *json_field(struct json_object *from, const char *name)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(from, name, &value);
    return value;
}

const char *json_text(struct json_object *from, const char *name)
{
    struct json_object *value = json_field(from, name);

    return value == NULL ? "-" : json_object_get_string(value);
}

bool json_flag(struct json_object *from, const char *name)
{
    return json_object_get_boolean(json_field(from, name));
}

int64_t json_number(struct json_object *from, const char *name)
{
    return json_object_get_int64(json_field(from, name));
}

struct json_object *json_list(struct json_object *from, const char *name, size_t *count)
{
    struct json_object *list = json_field(from, name);
    bool is_list = json_object_is_type(list, json_type_array);

    *count = is_list ? json_object_array_length(list) : 0;
    return is_list ? list : NULL;
}

struct json_object *json_new_text(const char *text)
{
    return text != NULL ? json_object_new_string(text) : NULL;
}

void json_print(struct json_object *object)
{
    printf("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                              JSON_C_TO_STRING_SPACED |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE));
}
