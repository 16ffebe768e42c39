/* SPDX-License-Identifier: MIT
 *
 * dhcp_pools.c - see dhcp_pools.h. dnsmasq(8): dhcp-range=[tag:..,][set:..,]START[,END|MODE]...;
 * without an END (static, proxy, ...) nothing is given out to strangers. dhcpd.conf(5): range
 * [dynamic-bootp] FIRST [LAST];
 */
#include "dhcp_pools.h"

#include <arpa/inet.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 512, PATTERN_SIZE = 256 };

struct reading {
    struct dhcp_pool *out;
    size_t count, capacity;
};

/* The next part of a list with commas, without blanks around it; false at the end. */
static bool next_part(const char **list, char *out, size_t capacity)
{
    const char *from = *list + strspn(*list, " \t");
    size_t whole = strcspn(from, ",\n"), bytes = strcspn(from, ", \t\n");

    if (*from == '\0' || *from == '\n')
        return false;
    snprintf(out, capacity, "%.*s", (int)bytes, from);
    *list = from + whole + (from[whole] == ',');
    return true;
}

static bool read_address(const char *text, struct ip_address *out)
{
    uint8_t octets[4];

    if (inet_pton(AF_INET, text, octets) != 1)
        return false;
    *out = ip_v4(octets);
    return true;
}

static void take_range(struct reading *reading, const char *list)
{
    struct dhcp_pool pool;
    char part[64];
    bool more = next_part(&list, part, sizeof part);

    while (more && !read_address(part, &pool.first))
        more = next_part(&list, part, sizeof part);
    if (more && next_part(&list, part, sizeof part) && read_address(part, &pool.last) &&
        reading->count < reading->capacity)
        reading->out[reading->count++] = pool;
}

static void take_line(struct reading *reading, const char *line)
{
    static const char option[] = "dhcp-range";

    line += strspn(line, " \t");
    if (strncmp(line, option, sizeof option - 1) != 0)
        return;
    line += sizeof option - 1;
    line += strspn(line, " \t");
    if (*line == '=')
        take_range(reading, line + 1);
}

static void take_dhcpd_line(struct reading *reading, const char *line)
{
    char first[32], last[32];
    struct dhcp_pool pool;

    line += strspn(line, " \t");
    if (sscanf(line, "range %*[a-z-] %31[0-9.] %31[0-9.]", first, last) != 2 &&
        sscanf(line, "range %31[0-9.] %31[0-9.]", first, last) != 2)
        return;
    if (read_address(first, &pool.first) && read_address(last, &pool.last) &&
        reading->count < reading->capacity)
        reading->out[reading->count++] = pool;
}

static void read_file(struct reading *reading, const char *path)
{
    char line[LINE_SIZE];
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        take_line(reading, line);
        take_dhcpd_line(reading, line);
    }
    fclose(file);
}

static void read_pattern(struct reading *reading, const char *pattern)
{
    glob_t files;

    if (glob(pattern, 0, NULL, &files) != 0)
        return;
    for (size_t i = 0; i < files.gl_pathc; i++)
        read_file(reading, files.gl_pathv[i]);
    globfree(&files);
}

size_t dhcp_pools_read(const char *patterns, struct dhcp_pool *out, size_t capacity)
{
    struct reading reading = {.out = out, .capacity = capacity};
    char pattern[PATTERN_SIZE];

    for (patterns += strspn(patterns, " "); *patterns != '\0'; patterns += strspn(patterns, " ")) {
        size_t bytes = strcspn(patterns, " ");
        snprintf(pattern, sizeof pattern, "%.*s", (int)bytes, patterns);
        read_pattern(&reading, pattern);
        patterns += bytes;
    }
    return reading.count;
}

bool dhcp_pool_has(const struct dhcp_pool *pool, const struct ip_address *address)
{
    return address->family == pool->first.family &&
           memcmp(address->octet, pool->first.octet, sizeof address->octet) >= 0 &&
           memcmp(address->octet, pool->last.octet, sizeof address->octet) <= 0;
}
