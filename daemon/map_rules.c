/* SPDX-License-Identifier: MIT
 *
 * map_rules.c - see map_rules.h
 */
#include "map_rules.h"

#include "bytes.h"
#include "copy.h"
#include "files.h"
#include "json_fields.h"
#include "text.h"

#include <arpa/inet.h>
#include <glob.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_SIZE = 16384, /* ten rules of OCN's, whose port sets are 800 bytes each */
    KEY_SIZE = 32,
    VALUE_SIZE = 64, /* as much of the port sets as is wanted */
};

/* ---- the file ---- */

/* The value of that key, without quotes, as much of it as fits; "" when there is none. */
static const char *value_of(const char *text, const char *key, char out[VALUE_SIZE])
{
    size_t key_bytes = strlen(key), bytes;

    out[0] = '\0';
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line != 0) {
        if (strncmp(line, key, key_bytes) != 0 || line[key_bytes] != '=')
            continue;
        line += key_bytes + 1;
        line += *line == '\'';
        bytes = strcspn(line, "'\n");
        snprintf(out, VALUE_SIZE, "%.*s", (int)(bytes < VALUE_SIZE ? bytes : VALUE_SIZE - 1), line);
    }
    return out;
}

/* A value of rule @n. */
static const char *field_of(const char *text, unsigned n, const char *name, char out[VALUE_SIZE])
{
    char key[KEY_SIZE];

    snprintf(key, sizeof key, "RULE_%u_%s", n, name);
    return value_of(text, key, out);
}

/* Reads decimal digits, whatever follows; false when there are none, or it is above @most. */
static bool number(const char *text, unsigned long most, unsigned *out)
{
    char *end;
    unsigned long value;

    if (*text < '0' || *text > '9')
        return false;
    value = strtoul(text, &end, 10);
    *out = (unsigned)value;
    return value <= most;
}

static bool read_ports(const char *text, unsigned n, struct port_set *out)
{
    char value[VALUE_SIZE];
    unsigned offset, psid_bits, first, psid;

    if (!number(field_of(text, n, "OFFSET", value), 16, &offset) ||
        !number(field_of(text, n, "PSIDLEN", value), 16 - offset, &psid_bits) ||
        !number(field_of(text, n, "PORTSETS", value), UINT16_MAX, &first) || psid_bits == 0)
        return false;
    psid = first >> (16 - offset - psid_bits) & ((1U << psid_bits) - 1);
    *out = (struct port_set){(uint8_t)offset, (uint8_t)psid_bits, (uint16_t)psid};
    return true;
}

static bool read_address(const char *value, int family, struct ip_address *out)
{
    uint8_t octets[16];

    if (inet_pton(family, value, octets) != 1)
        return false;
    *out = family == AF_INET ? ip_v4(octets) : ip_v6(octets);
    return true;
}

/* Only if the known rules say the same as the router does. */
static const char *service_of(const struct ip_address *prefix, const struct map_e *map)
{
    struct map_e known;

    if (map_e_recognise(prefix, &known) && ip_equal(&known.address, &map->address) &&
        known.ports.psid == map->ports.psid)
        return known.service;
    return NULL;
}

static bool parse(const char *text, struct map_e *out)
{
    struct ip_address prefix = {0};
    struct map_e map = {0};
    char value[VALUE_SIZE];
    unsigned n;

    if (!number(value_of(text, "RULE_BMR", value), 1000, &n) ||
        !read_address(field_of(text, n, "IPV4ADDR", value), AF_INET, &map.address) ||
        !read_ports(text, n, &map.ports))
        return false;
    if (read_address(field_of(text, n, "IPV6PD", value), AF_INET6, &prefix))
        map.service = service_of(&prefix, &map);
    *out = map;
    return true;
}

static bool read_file(const char *path, struct map_e *out)
{
    char text[FILE_SIZE];
    struct error error;
    bool found;

    return files_are_ours(path) && files_read("/", path + 1, text, sizeof text, &found, &error) &&
           parse(text, out);
}

bool map_rules_read(const char *pattern, struct map_e *out)
{
    glob_t files;
    bool read = false;

    if (pattern[0] != '/' || glob(pattern, 0, NULL, &files) != 0)
        return false;
    for (size_t i = 0; !read && i < files.gl_pathc; i++)
        read = read_file(files.gl_pathv[i], out);
    globfree(&files);
    return read;
}

bool map_rules_recognise(const struct ip_address *addresses, size_t count,
                         const struct endpoint *mapped, struct map_e *out)
{
    struct map_e map;

    for (size_t i = 0; i < count; i++)
        if (map_e_recognise(&addresses[i], &map) && map_e_confirms(&map, mapped)) {
            *out = map;
            return true;
        }
    return false;
}

uint32_t map_rules_seed(const uint8_t public_key[PUBLIC_KEY_BYTES])
{
    return load_be32(public_key);
}

/* ---- words ---- */

const char *map_rules_ports(const struct port_set *set, char out[MAP_RULES_PORTS_SIZE])
{
    unsigned count = map_e_port_count(set);
    size_t used = 0;

    out[0] = '\0';
    for (unsigned n = 0; n < count; n++) {
        unsigned first = map_e_port(set, n), last = first;
        while (n + 1 < count && map_e_port(set, n + 1) == last + 1)
            n++, last++;
        if (used + sizeof ", 65535-65535 ..." > MAP_RULES_PORTS_SIZE) {
            snprintf(out + used, MAP_RULES_PORTS_SIZE - used, " ...");
            break;
        }
        used +=
            (size_t)snprintf(out + used, MAP_RULES_PORTS_SIZE - used,
                             first == last ? "%s%u" : "%s%u-%u", used > 0 ? ", " : "", first, last);
    }
    return out;
}

/* ---- JSON ---- */

struct json_object *map_rules_json(const struct map_e *map)
{
    struct json_object *to = json_object_new_object();
    char address[TEXT_ADDRESS_SIZE], ports[MAP_RULES_PORTS_SIZE];

    json_object_object_add(to, "service", json_new_text(map->service));
    json_object_object_add(to, "address",
                           json_object_new_string(text_address(&map->address, address)));
    json_object_object_add(to, "offset_bits", json_object_new_int(map->ports.offset_bits));
    json_object_object_add(to, "psid_bits", json_object_new_int(map->ports.psid_bits));
    json_object_object_add(to, "psid", json_object_new_int(map->ports.psid));
    json_object_object_add(to, "ports",
                           json_object_new_string(map_rules_ports(&map->ports, ports)));
    return to;
}

bool map_rules_from_json(struct json_object *from, struct map_e *out)
{
    int64_t offset = json_number(from, "offset_bits"), bits = json_number(from, "psid_bits");
    int64_t psid = json_number(from, "psid");
    struct map_e map = {0};

    if (!read_address(json_text(from, "address"), AF_INET, &map.address) || offset < 0 ||
        offset > 16 || bits < 1 || bits > 16 - offset || psid < 0 || psid >> bits != 0)
        return false;
    map.ports = (struct port_set){(uint8_t)offset, (uint8_t)bits, (uint16_t)psid};
    map.service = json_field(from, "service") != NULL ? json_text(from, "service") : NULL;
    *out = map;
    return true;
}
