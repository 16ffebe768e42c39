/* SPDX-License-Identifier: MIT
 *
 * doctor_paths.c - how large the packets are that each path carries, why not larger, and what that
 * says about the line. It is about speed: what does not fit crosses in pieces.
 */
#include "doctor_judge.h"

#include "../json_fields.h"
#include "doctor_meaning.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { ETHERNET_MTU = 1500, WORDS_SIZE = 384 };

struct mtu_path {
    const char *peer, *state, *limit; /* limit "-": not known */
    enum ip_family family;
    unsigned mtu_bytes;  /* 0: not known */
    unsigned told_bytes; /* 0: nobody said anything */
    const struct link *out;
};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* The interface that leads to the peer by that family; the one in use is told first. */
static const struct link *interface_of(const struct doctor_facts *facts, const char *peer,
                                       enum ip_family family)
{
    for (size_t i = 0; i < facts->route_count; i++) {
        const struct doctor_route *r = &facts->route[i];
        if (r->out.index != 0 && is(r->peer, peer) && r->endpoint.address.family == family)
            return &r->out;
    }
    return NULL;
}

/* A way through a relay has none: it may be both. */
static enum ip_family family_of(const char *name)
{
    if (is(name, "relay"))
        return IP_NONE;
    return is(name, "ipv6") ? IP_V6 : IP_V4;
}

static const char *family_words(enum ip_family family)
{
    static const char *const words[] = {
        [IP_NONE] = "through a relay", [IP_V4] = "by IPv4", [IP_V6] = "by IPv6"};

    return words[family];
}

static struct mtu_path read_path(const struct doctor_facts *facts, const char *peer,
                                 struct json_object *from)
{
    struct mtu_path path = {.peer = peer,
                            .state = json_text(from, "state"),
                            .limit = json_text(from, "limit"),
                            .family = family_of(json_text(from, "family"))};
    int64_t mtu = json_number(from, "path_mtu");

    path.mtu_bytes = mtu > 0 && mtu <= UINT16_MAX ? (unsigned)mtu : 0;
    mtu = json_number(from, "told");
    path.told_bytes = mtu > 0 && mtu <= UINT16_MAX ? (unsigned)mtu : 0;
    path.out = interface_of(facts, peer, path.family);
    return path;
}

/* Then the number is somebody's wish; what the path carries is not known. */
static bool is_fixed(const struct mtu_path *path)
{
    return is(path->limit, "configuration");
}

static enum doctor_level level_of(const struct mtu_path *path)
{
    if (is(path->limit, "below-base"))
        return LEVEL_WARN;
    if (path->mtu_bytes == 0 || is(path->state, "searching"))
        return LEVEL_NOTE;
    return path->mtu_bytes >= ETHERNET_MTU && !is_fixed(path) ? LEVEL_OK : LEVEL_NOTE;
}

/* A narrow path that could be wider if this machine's interface were. */
static bool is_by_interface(const struct mtu_path *path)
{
    return path->mtu_bytes < ETHERNET_MTU && is(path->limit, "interface") && path->out != NULL;
}

/* Why it is not larger, to stand after the number. Nobody asks that of a whole Ethernet. */
static const char *reason(const struct mtu_path *path)
{
    static const struct {
        const char *limit, *words;
    } reasons[] = {
        {"configuration", ": max-datagram says so"},
        {"maximum", ", the most there is"},
        {"interface", ", the most its interface takes"},
        {"router", ": a router on the way says that larger ones do not fit"},
        {"path", ": larger ones are lost on the way without a word"},
        {"relay", ": who passes them on wraps them once more"},
        {"below-base", " or less: not even the least that any line carries gets through"},
    };

    bool wrapped = path->family == IP_NONE && is(path->limit, "path");

    if (path->mtu_bytes >= ETHERNET_MTU && !is_fixed(path))
        return "";
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (is(wrapped ? "relay" : path->limit, reasons[i].limit))
            return reasons[i].words;
    return is(path->state, "searching") ? ": larger ones are being tried" : "";
}

/* OpenWrt's MAP-E and DS-Lite are ip6tnl interfaces of 1280 bytes. Here it is known, not guessed.
 */
static bool is_narrow_map_e(const struct mtu_path *path)
{
    return path->family == IP_V4 && path->mtu_bytes == 1280 && path->out != NULL &&
           path->out->mtu == 1280 && is(path->out->kind, "ip6tnl");
}

static const char *advice_for(const struct mtu_path *path, char out[WORDS_SIZE])
{
    if (is(path->limit, "below-base"))
        return "look for a router or tunnel on the way whose MTU is set too small; ask the "
               "provider";
    if (is_fixed(path) || is(path->state, "searching") || path->family == IP_NONE)
        return NULL;
    if (is_narrow_map_e(path)) {
        snprintf(out, WORDS_SIZE,
                 "%s is MAP-E or DS-Lite with OpenWrt's cautious 1280: add 'option mtu 1460' to "
                 "its interface in /etc/config/network (1414 over PPPoE on the NGN) and restart it",
                 path->out->name);
        return out;
    }
    return path_meaning(path->family, path->mtu_bytes).advice;
}

/* What the line is likely to be; NULL while the number is not the line's, or a relay's, too. */
static const char *line_of(const struct mtu_path *path)
{
    if (path->mtu_bytes == 0 || is(path->state, "searching") || is(path->limit, "below-base") ||
        is_fixed(path) || path->family == IP_NONE)
        return NULL;
    return path_meaning(path->family, path->mtu_bytes).what;
}

static const char *meaning_for(const struct mtu_path *path, char out[WORDS_SIZE])
{
    static const char speed[] = "All packets arrive anyway, large ones in pieces: it is about "
                                "speed.";
    const char *line = line_of(path);

    if (is(path->limit, "below-base"))
        return "Pings may be answered, but whatever fills a packet of that size is lost: TCP "
               "stands still.";
    if (is_fixed(path))
        return "Whether they arrive is not known: if the path carries less, small packets cross "
               "and large ones are lost.";
    if (line == NULL)
        return speed;
    snprintf(out, WORDS_SIZE, "That is as with %s.%s%s", line,
             path->mtu_bytes >= ETHERNET_MTU ? "" : " ",
             path->mtu_bytes >= ETHERNET_MTU ? "" : speed);
    return out;
}

static void judge_path(const struct mtu_path *path, struct json_object *report)
{
    bool by_interface = is_by_interface(path);
    char meaning[WORDS_SIZE], advice[WORDS_SIZE];

    report_add(report,
               &(struct finding){.level = level_of(path),
                                 .check = "path-mtu",
                                 .subject = by_interface ? path->out->name : path->peer,
                                 .peer = path->peer,
                                 .family = path->family,
                                 .mtu = path->mtu_bytes,
                                 .meaning = meaning_for(path, meaning),
                                 .advice = advice_for(path, advice)},
               "the path to %s %s %s packets of %u bytes%s%s%s%s", path->peer,
               family_words(path->family), is_fixed(path) ? "is given" : "takes", path->mtu_bytes,
               reason(path), by_interface ? ": " : "", by_interface ? path->out->name : "",
               is(path->state, "stopped") ? " (not in use)" : "");
}

/* Nothing measures a fixed size, but a router that drops such packets may have said so. */
static void judge_told(const struct mtu_path *path, struct json_object *report)
{
    if (!is_fixed(path) || path->told_bytes == 0 || path->told_bytes >= path->mtu_bytes)
        return;
    report_add(
        report,
        &(struct finding){.level = LEVEL_WARN,
                          .check = "max-datagram-told",
                          .subject = path->peer,
                          .peer = path->peer,
                          .family = path->family,
                          .mtu = path->told_bytes,
                          .meaning = "Small packets cross and large ones are lost.",
                          .advice = "leave out 'max-datagram', or lower it to what was said"},
        "max-datagram is %u, but on the way to %s a router says that %u is the most",
        path->mtu_bytes, path->peer, path->told_bytes);
}

static void judge_unmeasured(const char *peer, enum ip_family family, struct json_object *report)
{
    report_add(report,
               &(struct finding){.level = LEVEL_NOTE,
                                 .check = "path-mtu",
                                 .subject = peer,
                                 .peer = peer,
                                 .family = family,
                                 .advice = "run doctor again in a minute"},
               "how large the packets may be on the path to %s is not known yet", peer);
}

/* "-" is what json_text() makes of a field that is not there. */
static void add_word(struct json_object *to, const char *name, const char *word)
{
    bool known = word != NULL && !is(word, "-");

    json_object_object_add(to, name, known ? json_object_new_string(word) : NULL);
}

static void list_path(const struct mtu_path *path, struct json_object *report)
{
    struct json_object *one = json_object_new_object();
    bool known = path->mtu_bytes != 0;

    add_word(one, "peer", path->peer);
    add_word(one, "family", path->family == IP_NONE ? "relay" : report_family(path->family));
    json_object_object_add(one, "path_mtu", known ? json_object_new_int64(path->mtu_bytes) : NULL);
    add_word(one, "state", path->state);
    add_word(one, "limit", path->limit);
    add_word(one, "meaning", line_of(path));
    json_object_array_add(json_field(report, "paths"), one);
}

/* A size that is fixed is status' for both families, also for one that no datagram ever took. */
static bool is_real(const struct mtu_path *path, struct json_object *peer)
{
    static const char *const used[] = {
        [IP_NONE] = "relay", [IP_V4] = "direct4", [IP_V6] = "direct6"};

    return !is(path->state, "fixed") || is(json_text(peer, "path"), used[path->family]);
}

static void judge_peer_paths(const struct doctor_facts *facts, struct json_object *peer,
                             struct json_object *report)
{
    const char *name = json_text(peer, "name");
    size_t count;
    struct json_object *paths = json_list(peer, "paths", &count);

    if (count == 0 && is(json_text(peer, "state"), "up"))
        judge_unmeasured(name, IP_NONE, report);
    for (size_t i = 0; i < count; i++) {
        struct mtu_path path = read_path(facts, name, json_object_array_get_idx(paths, i));
        if (!is_real(&path, peer))
            continue;
        list_path(&path, report);
        if (path.mtu_bytes == 0)
            judge_unmeasured(name, path.family, report);
        else
            judge_path(&path, report);
        judge_told(&path, report);
    }
}

void judge_paths(const struct doctor_facts *facts, struct json_object *report)
{
    size_t count;
    struct json_object *peers = json_list(facts->status, "peers", &count);

    for (size_t i = 0; i < count; i++)
        judge_peer_paths(facts, json_object_array_get_idx(peers, i), report);
}
