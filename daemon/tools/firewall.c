/* SPDX-License-Identifier: MIT
 *
 * firewall.c - see firewall.h; the JSON is libnftables-json(5)'s.
 */
#include "firewall.h"

#include "../json_fields.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JUMPS_MAX = 16, RULES_MAX_BYTES = 8 << 20 };

enum match { MATCH_NO, MATCH_MAYBE, MATCH_YES };

/* Of a rule or a chain. What may be accepted is accepted; so no 'may be dropped'. */
enum outcome { GOES_ON, RETURNS, MAY_RETURN, ACCEPTED, DROPPED };

struct walk {
    struct json_object *ruleset;
    const struct firewall_packet *packet;
    struct firewall_chain chain;
    unsigned depth;
};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static enum match match_of(bool matches)
{
    return matches ? MATCH_YES : MATCH_NO;
}

/* An expression or statement is an object of one field. Return: its name; "": it has none */
static const char *only_field(struct json_object *from, struct json_object **value)
{
    *value = NULL;
    if (!json_object_is_type(from, json_type_object) || json_object_object_length(from) == 0)
        return "";
    struct json_object_iterator first = json_object_iter_begin(from);
    *value = json_object_iter_peek_value(&first);
    return json_object_iter_peek_name(&first);
}

/* ---- right sides ---- */

/* "eth*" is all that begins with it. */
static bool is_name(const char *pattern, const char *name)
{
    size_t bytes = strcspn(pattern, "*");

    return pattern[bytes] == '*' ? strncmp(pattern, name, bytes) == 0 : is(pattern, name);
}

static enum match match_right(struct json_object *right, const char *word, unsigned number);

static enum match match_any(struct json_object *list, const char *word, unsigned number)
{
    enum match best = MATCH_NO;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        enum match one = match_right(json_object_array_get_idx(list, i), word, number);
        best = one > best ? one : best;
    }
    return best;
}

static enum match match_range(struct json_object *range, unsigned number)
{
    if (json_object_array_length(range) != 2)
        return MATCH_MAYBE;
    return match_of(number >= (unsigned)json_object_get_int(json_object_array_get_idx(range, 0)) &&
                    number <= (unsigned)json_object_get_int(json_object_array_get_idx(range, 1)));
}

/* @word: what it is, as a name; NULL: it is @number */
static enum match match_right(struct json_object *right, const char *word, unsigned number)
{
    struct json_object *inner;

    if (json_object_is_type(right, json_type_array))
        return match_any(right, word, number);
    if (json_object_object_get_ex(right, "set", &inner) &&
        json_object_is_type(inner, json_type_array))
        return match_any(inner, word, number);
    if (word == NULL && json_object_object_get_ex(right, "range", &inner) &&
        json_object_is_type(inner, json_type_array))
        return match_range(inner, number);
    if (word != NULL && json_object_is_type(right, json_type_string) &&
        json_object_get_string(right)[0] != '@')
        return match_of(is_name(json_object_get_string(right), word));
    if (word == NULL && json_object_is_type(right, json_type_int))
        return match_of((unsigned)json_object_get_int(right) == number);
    return MATCH_MAYBE;
}

/* ---- left sides ---- */

/* Whether any header that is asked for is one that the packet cannot have. */
static bool asks_for_other(const struct firewall_packet *packet, struct json_object *left)
{
    struct json_object *payload, *inner;
    bool other = false;

    if (json_object_is_type(left, json_type_array)) {
        for (size_t i = 0; !other && i < json_object_array_length(left); i++)
            other = asks_for_other(packet, json_object_array_get_idx(left, i));
    } else if (json_object_object_get_ex(left, "payload", &payload)) {
        const char *protocol = json_text(payload, "protocol");
        bool network = is(protocol, "ip") || is(protocol, "ip6");
        bool any = is(protocol, "udp") || is(protocol, "th") || is(protocol, "ether") ||
                   is(protocol, "vlan") || is(protocol, "-");
        other = network ? !is(protocol, packet->family) : !any && packet->port != 0;
    } else if (json_object_is_type(left, json_type_object)) {
        only_field(left, &inner);
        other = asks_for_other(packet, inner);
    }
    return other;
}

static enum match match_meta(const struct firewall_packet *packet, const char *key,
                             struct json_object *right)
{
    if (is(key, "nfproto"))
        return match_right(right, is(packet->family, "ip") ? "ipv4" : "ipv6", 0);
    if (is(key, "protocol"))
        return match_right(right, packet->family, 0);
    if (is(key, "l4proto") && packet->port != 0)
        return match_right(right, "udp", 0);
    if ((is(key, "iifname") || is(key, "iif")) && packet->in != NULL)
        return match_right(right, packet->in, 0);
    if ((is(key, "oifname") || is(key, "oif")) && packet->out != NULL)
        return match_right(right, packet->out, 0);
    if ((is(key, "oifname") || is(key, "oif")) && is(packet->hook, "input"))
        return MATCH_NO;
    return MATCH_MAYBE;
}

static enum match match_left(const struct firewall_packet *packet, struct json_object *left,
                             struct json_object *right)
{
    struct json_object *what;

    if (asks_for_other(packet, left))
        return MATCH_NO;
    if (json_object_object_get_ex(left, "meta", &what))
        return match_meta(packet, json_text(what, "key"), right);
    if (json_object_object_get_ex(left, "ct", &what) && is(json_text(what, "key"), "state"))
        return match_right(right, "new", 0);
    if (json_object_object_get_ex(left, "payload", &what) && packet->port != 0 &&
        is(json_text(what, "field"), "dport"))
        return match_right(right, NULL, packet->port);
    return MATCH_MAYBE;
}

static enum match match_one(const struct firewall_packet *packet, struct json_object *match)
{
    enum match found = match_left(packet, json_field(match, "left"), json_field(match, "right"));
    const char *op = json_text(match, "op");

    if (is(op, "==") || is(op, "in"))
        return found;
    if (is(op, "!=") && !asks_for_other(packet, json_field(match, "left")))
        return found == MATCH_MAYBE ? MATCH_MAYBE : match_of(found == MATCH_NO);
    return found == MATCH_NO && is(op, "!=") ? MATCH_NO : MATCH_MAYBE;
}

/* ---- rules ---- */

static enum outcome follow(struct walk *walk, const char *chain);

/* What a verdict does, in a rule that matches like @state. */
static enum outcome conclude(struct walk *walk, const char *verdict, struct json_object *value,
                             enum match state)
{
    enum outcome inside;

    if (is(verdict, "accept") || is(verdict, "queue")) /* a program may */
        return ACCEPTED;
    if (is(verdict, "drop") || is(verdict, "reject"))
        return state == MATCH_YES ? DROPPED : GOES_ON;
    if (is(verdict, "return"))
        return state == MATCH_YES ? RETURNS : MAY_RETURN;
    if (!is(verdict, "jump") && !is(verdict, "goto"))
        return GOES_ON;
    inside = follow(walk, json_text(value, "target"));
    if (inside == DROPPED && state != MATCH_YES)
        return GOES_ON;
    if (inside == GOES_ON && is(verdict, "goto"))
        return state == MATCH_YES ? RETURNS : MAY_RETURN;
    return inside;
}

/* "ct state vmap { established : accept, ... }": what it makes of a new packet. */
static enum outcome look_up(struct walk *walk, struct json_object *vmap, enum match state)
{
    struct json_object *set = json_field(json_field(vmap, "data"), "set"), *value;
    size_t count = json_object_is_type(set, json_type_array) ? json_object_array_length(set) : 0;

    if (set == NULL)
        return ACCEPTED; /* a named map: it may */
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(set, i);
        if (!json_object_is_type(entry, json_type_array) || json_object_array_length(entry) != 2)
            return ACCEPTED;
        enum match match =
            match_left(walk->packet, json_field(vmap, "key"), json_object_array_get_idx(entry, 0));
        const char *verdict = only_field(json_object_array_get_idx(entry, 1), &value);
        enum outcome end = match == MATCH_NO
                               ? GOES_ON
                               : conclude(walk, verdict, value, match < state ? match : state);
        if (end != GOES_ON)
            return end;
    }
    return GOES_ON;
}

/* Statements that end no rule, nor hold it up. */
static bool is_harmless(const char *statement)
{
    static const char *const harmless[] = {"counter", "log",  "comment", "mangle",
                                           "notrack", "jump", "goto",    "vmap"};

    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (is(statement, harmless[i]))
            return true;
    return false;
}

static enum outcome apply(struct walk *walk, struct json_object *rule)
{
    enum match state = MATCH_YES;
    size_t count;
    struct json_object *statements = json_list(rule, "expr", &count), *value;

    for (size_t i = 0; i < count && state != MATCH_NO; i++) {
        const char *name = only_field(json_object_array_get_idx(statements, i), &value);
        enum outcome end =
            is(name, "vmap") ? look_up(walk, value, state) : conclude(walk, name, value, state);
        enum match match = is(name, "match")   ? match_one(walk->packet, value)
                           : is_harmless(name) ? MATCH_YES
                                               : MATCH_MAYBE;
        if (end != GOES_ON)
            return end;
        if (match < state)
            state = match;
    }
    return GOES_ON;
}

static bool is_of(struct json_object *rule, const struct walk *walk, const char *chain)
{
    return is(json_text(rule, "family"), walk->chain.family) &&
           is(json_text(rule, "table"), walk->chain.table) && is(json_text(rule, "chain"), chain);
}

/* A chain that may have been left cannot drop for sure any more. */
static enum outcome follow(struct walk *walk, const char *chain)
{
    enum outcome end = GOES_ON;
    bool left = false;
    size_t count;
    struct json_object *all = json_list(walk->ruleset, "nftables", &count);

    if (walk->depth == JUMPS_MAX)
        return ACCEPTED;
    walk->depth++;
    for (size_t i = 0; i < count && (end == GOES_ON || end == MAY_RETURN); i++) {
        struct json_object *rule = json_field(json_object_array_get_idx(all, i), "rule");
        end = rule != NULL && is_of(rule, walk, chain) ? apply(walk, rule) : GOES_ON;
        left = left || end == MAY_RETURN;
    }
    walk->depth--;
    if (end == ACCEPTED || (end == DROPPED && !left))
        return end;
    return GOES_ON;
}

/* ---- chains at the hook ---- */

static bool concerns(struct json_object *chain, const struct firewall_packet *packet)
{
    const char *family = json_text(chain, "family");

    return is(json_text(chain, "hook"), packet->hook) && is(json_text(chain, "type"), "filter") &&
           (is(family, "inet") || is(family, packet->family));
}

bool firewall_drops(struct json_object *ruleset, const struct firewall_packet *packet,
                    struct firewall_chain *where)
{
    size_t count;
    struct json_object *all = json_list(ruleset, "nftables", &count);

    for (size_t i = 0; i < count; i++) {
        struct json_object *chain = json_field(json_object_array_get_idx(all, i), "chain");
        if (chain == NULL || !concerns(chain, packet))
            continue;
        struct walk walk = {.ruleset = ruleset,
                            .packet = packet,
                            .chain = {json_text(chain, "family"), json_text(chain, "table"),
                                      json_text(chain, "name")}};
        enum outcome end = follow(&walk, walk.chain.name);
        *where = walk.chain;
        if (end == DROPPED || (end == GOES_ON && is(json_text(chain, "policy"), "drop")))
            return true;
    }
    return false;
}

bool firewall_has(struct json_object *ruleset, const char *kind, const char *name)
{
    size_t count;
    struct json_object *all = json_list(ruleset, "nftables", &count);

    for (size_t i = 0; i < count; i++) {
        struct json_object *one = json_field(json_object_array_get_idx(all, i), kind);
        if (one != NULL && strncmp(json_text(one, "name"), name, strlen(name)) == 0)
            return true;
    }
    return false;
}

/* ---- nft ---- */

static const char *const nft_paths[] = {"/usr/sbin/nft", "/sbin/nft"};

/* Its output is the end of a pipe that is read. Return: the process, or 0 */
static pid_t start_nft(int *output)
{
    char *arguments[] = {"nft", "-j", "list", "ruleset", NULL};
    char *environment[] = {"PATH=/usr/sbin:/sbin:/usr/bin:/bin", NULL};
    posix_spawn_file_actions_t actions;
    pid_t nft = 0;
    int end[2];

    if (pipe2(end, O_CLOEXEC) != 0)
        return 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, end[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; nft == 0 && i < sizeof nft_paths / sizeof *nft_paths; i++)
        if (posix_spawn(&nft, nft_paths[i], &actions, NULL, arguments, environment) != 0)
            nft = 0;
    posix_spawn_file_actions_destroy(&actions);
    close(end[1]);
    *output = end[0];
    if (nft == 0)
        close(end[0]);
    return nft;
}

static struct json_object *parse(int output)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *rules = NULL;
    char buffer[4096];
    size_t all = 0;
    ssize_t bytes;

    while (tokener != NULL && rules == NULL && all < RULES_MAX_BYTES &&
           (bytes = read(output, buffer, sizeof buffer)) > 0) {
        all += (size_t)bytes;
        rules = json_tokener_parse_ex(tokener, buffer, (int)bytes);
        if (rules == NULL && json_tokener_get_error(tokener) != json_tokener_continue)
            break;
    }
    if (tokener != NULL)
        json_tokener_free(tokener);
    return rules;
}

struct json_object *firewall_rules(void)
{
    struct json_object *rules;
    int output;
    pid_t nft = start_nft(&output);

    if (nft == 0)
        return NULL;
    rules = parse(output);
    close(output);
    waitpid(nft, NULL, 0);
    return rules;
}
