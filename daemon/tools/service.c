/* SPDX-License-Identifier: MIT
 *
 * service.c - see service.h
 */
#include "service.h"

#include "../copy.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER      "/etc/lansplice/"
#define FILE_NAME   "/lansplice.conf"
#define UCI_SITES   "/etc/config/lansplice"
#define UCI_NETWORK "/etc/config/network"
#define UCI_HOME    "home"                     /* the site that the package comes with */
#define UCI_MARK    "# Written by uci-config " /* how the generated file begins */

enum { NAME_SIZE = 64, LINE_SIZE = 256, UNIT_SIZE = NAME_SIZE + 32, THEN_SIZE = UNIT_SIZE + 32 };

enum manager { NOBODY, SYSTEMD, PROCD };

struct service {
    enum manager manager;
    char unit[UNIT_SIZE];      /* systemd's, without .service */
    char site[NAME_SIZE];      /* UCI's section */
    char interface[NAME_SIZE]; /* netifd's that starts the site; "": the init script does */
    bool enabled;              /* for the init script */
};

/* Of ".../NAME/lansplice.conf", or @folder before NAME. Return: false when it is no such path */
static bool name_of(const char *path, const char *folder, char out[NAME_SIZE])
{
    size_t bytes = strlen(path), end = strlen(FILE_NAME), begin = strlen(folder);

    if (bytes <= end || strcmp(path + bytes - end, FILE_NAME) != 0)
        return false;
    end = bytes - end;
    if (begin == 0)
        for (begin = end; begin > 0 && path[begin - 1] != '/';)
            begin--;
    else if (strncmp(path, folder, begin) != 0)
        return false;
    if (begin >= end || end - begin >= NAME_SIZE || memchr(path + begin, '/', end - begin) != NULL)
        return false;
    memcpy(out, path + begin, end - begin);
    out[end - begin] = '\0';
    return true;
}

/* ---- OpenWrt ---- */

/* What matters here of a section in one of UCI's files; "": not said, or of one wanted: any. */
struct section {
    char type[NAME_SIZE], name[NAME_SIZE], proto[NAME_SIZE], site[NAME_SIZE], enabled[NAME_SIZE];
    char disabled[NAME_SIZE]; /* such a one is not looked for */
};

static void unquote(char *line)
{
    char *to = line;

    for (const char *from = line; *from != '\0'; from++)
        if (*from != '\'' && *from != '"')
            *to++ = *from;
    *to = '\0';
}

static void take_line(struct section *section, char *line)
{
    char name[NAME_SIZE], value[NAME_SIZE] = "";

    unquote(line);
    if (sscanf(line, " config %63s %63s", name, value) >= 1) {
        memset(section, 0, sizeof *section);
        memcpy(section->type, name, NAME_SIZE);
        memcpy(section->name, value, NAME_SIZE);
    } else if (sscanf(line, " option %63s %63s", name, value) == 2) {
        if (strcmp(name, "proto") == 0)
            memcpy(section->proto, value, NAME_SIZE);
        else if (strcmp(name, "site") == 0)
            memcpy(section->site, value, NAME_SIZE);
        else if (strcmp(name, "enabled") == 0)
            memcpy(section->enabled, value, NAME_SIZE);
        else if (strcmp(name, "disabled") == 0)
            memcpy(section->disabled, value, NAME_SIZE);
    }
}

static bool fits(const char *value, const char *wanted)
{
    return wanted[0] == '\0' || strcmp(value, wanted) == 0;
}

/* As config_get_bool has it. */
static bool is_true(const char *value)
{
    static const char *const words[] = {"1", "on", "true", "yes", "enabled"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(value, words[i]) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct section *section, const struct section *wanted)
{
    return fits(section->type, wanted->type) && fits(section->name, wanted->name) &&
           fits(section->proto, wanted->proto) && fits(section->site, wanted->site) &&
           (!is_true(wanted->enabled) || is_true(section->enabled)) && !is_true(section->disabled);
}

/* @found: receives the first that is as wanted, whole */
static bool find_section(const char *path, const struct section *wanted, struct section *found)
{
    char line[LINE_SIZE];
    bool done = false;
    FILE *file = fopen(path, "re");

    memset(found, 0, sizeof *found);
    while (file != NULL && !done && fgets(line, sizeof line, file) != NULL) {
        done = strncmp(line + strspn(line, " \t"), "config", 6) == 0 && is_wanted(found, wanted);
        if (!done)
            take_line(found, line);
    }
    if (file != NULL)
        fclose(file);
    return done || is_wanted(found, wanted);
}

/* A pipe or a device must not make us wait. */
static bool is_generated(const char *path)
{
    char begin[sizeof UCI_MARK - 1];
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool generated = file >= 0 && read(file, begin, sizeof begin) == (ssize_t)sizeof begin &&
                     memcmp(begin, UCI_MARK, sizeof begin) == 0;

    if (file >= 0)
        close(file);
    return generated;
}

/* Before the first start the file is still to be written, and what leads to it may be missing. */
static bool find_site(const char *path, char out[NAME_SIZE])
{
    struct section wanted = {.type = "site"}, found;

    if (is_generated(path))
        return name_of(path, "", out);
    if (access(path, F_OK) < 0 && strcmp(path, CONFIG_DEFAULT_PATH) == 0)
        copy_text(out, NAME_SIZE, UCI_HOME);
    else if (!name_of(path, FOLDER, out))
        return false;
    memcpy(wanted.name, out, NAME_SIZE);
    return find_section(UCI_SITES, &wanted, &found);
}

static void find_procd(struct service *service)
{
    struct section wanted = {.type = "interface", .proto = "lansplice"}, found;

    service->manager = PROCD;
    memcpy(wanted.site, service->site, NAME_SIZE);
    if (find_section(UCI_NETWORK, &wanted, &found))
        memcpy(service->interface, found.name, NAME_SIZE);
    wanted = (struct section){.type = "site", .enabled = "1"};
    memcpy(wanted.name, service->site, NAME_SIZE);
    service->enabled = find_section(UCI_SITES, &wanted, &found);
}

/* ---- systemd ---- */

static bool has_unit(const char *file)
{
    static const char *const folders[] = {"/etc/systemd/system", "/usr/lib/systemd/system",
                                          "/lib/systemd/system"};
    char path[UNIT_SIZE];

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], file);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static bool find_unit(const char *path, char out[UNIT_SIZE])
{
    char site[NAME_SIZE];

    if (access("/run/systemd/system", F_OK) < 0)
        return false;
    if (strcmp(path, CONFIG_DEFAULT_PATH) == 0) {
        copy_text(out, UNIT_SIZE, "lansplice");
        return has_unit("lansplice.service");
    }
    if (!name_of(path, FOLDER, site))
        return false;
    snprintf(out, UNIT_SIZE, "lansplice@%s", site);
    return has_unit("lansplice@.service");
}

/* ---- either ---- */

static void find(struct service *service, const char *config_path)
{
    char path[PATH_MAX];

    memset(service, 0, sizeof *service);
    if (realpath(config_path, path) == NULL)
        copy_text(path, sizeof path, config_path);
    if (find_site(path, service->site))
        find_procd(service);
    else if (find_unit(path, service->unit))
        service->manager = SYSTEMD;
}

const char *service_start(const char *config_path, char out[SERVICE_WORDS_SIZE])
{
    struct service service;

    find(&service, config_path);
    if (service.interface[0] != '\0')
        snprintf(out, SERVICE_WORDS_SIZE, "'ifup %s'", service.interface);
    else if (service.manager == PROCD && service.enabled)
        copy_text(out, SERVICE_WORDS_SIZE, "'service lansplice start'");
    else if (service.manager == PROCD)
        snprintf(out, SERVICE_WORDS_SIZE,
                 "'uci set lansplice.%s.enabled=1; uci commit lansplice; service lansplice start'",
                 service.site);
    else if (service.manager == SYSTEMD)
        /* The package has enabled the one, and not a further home's. */
        snprintf(out, SERVICE_WORDS_SIZE, "'systemctl %s %s'",
                 strchr(service.unit, '@') != NULL ? "enable --now" : "start", service.unit);
    else
        copy_text(out, SERVICE_WORDS_SIZE, "'lansplice run'");
    return out;
}

/* These two are short: service_set() puts them behind its own. */
static const char *reload_words(const struct service *service, char out[THEN_SIZE])
{
    if (service->manager == PROCD)
        copy_text(out, THEN_SIZE, "'service lansplice reload'");
    else if (service->manager == SYSTEMD)
        snprintf(out, THEN_SIZE, "'systemctl reload %s'", service->unit);
    else
        copy_text(out, THEN_SIZE, "reload it by kill -HUP");
    return out;
}

static const char *restart_words(const struct service *service, char out[THEN_SIZE])
{
    if (service->interface[0] != '\0')
        snprintf(out, THEN_SIZE, "'ifup %s'", service->interface);
    else if (service->manager == PROCD)
        copy_text(out, THEN_SIZE, "'service lansplice restart'");
    else if (service->manager == SYSTEMD)
        snprintf(out, THEN_SIZE, "'systemctl restart %s'", service->unit);
    else
        copy_text(out, THEN_SIZE, "restart lansplice");
    return out;
}

const char *service_reload(const char *config_path, char out[SERVICE_WORDS_SIZE])
{
    struct service service;

    find(&service, config_path);
    return reload_words(&service, out);
}

const char *service_restart(const char *config_path, char out[SERVICE_WORDS_SIZE])
{
    struct service service;

    find(&service, config_path);
    return restart_words(&service, out);
}

/* ---- files ---- */

const char *service_file(const char *config_path)
{
    struct service service;

    find(&service, config_path);
    return service.manager == PROCD ? UCI_SITES : config_path;
}

bool service_has_written(const char *config_path, struct error *error)
{
    char words[SERVICE_WORDS_SIZE];
    struct service service;

    find(&service, config_path);
    if (service.manager != PROCD || access(config_path, F_OK) == 0)
        return true;
    error_set(error, EXIT_USAGE,
              "this home is not started yet: %s: it is made from " UCI_SITES " then: %s",
              config_path, service_start(config_path, words));
    return false;
}

/* ---- options ---- */

static bool is_repeated(const char *option)
{
    return strcmp(option, "stun") == 0 || strcmp(option, "turn") == 0 ||
           strcmp(option, "endpoint") == 0;
}

/* What a reload leaves as it is: daemon/peers.c. */
static bool is_fixed(const char *option)
{
    static const char *const fixed[] = {"name", "private-key", "port",   "bridge",
                                        "tap",  "control",     "ciphers"};

    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(option, fixed[i]) == 0)
            return true;
    return false;
}

/* UCI's names have no '-'. */
static void name_in_uci(const char *name, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%s", name);
    for (char *c = out; *c != '\0'; c++)
        if (*c == '-')
            *c = '_';
}

/* The init script restarts what a reload would leave as it is. */
static const char *set_in_uci(const char *section, const char *option, const char *value,
                              char out[SERVICE_WORDS_SIZE])
{
    char section_name[NAME_SIZE], option_name[NAME_SIZE];

    name_in_uci(section, section_name);
    name_in_uci(option, option_name);
    snprintf(out, SERVICE_WORDS_SIZE,
             "'uci %s lansplice.%s.%s=%s; uci commit lansplice; service lansplice reload'",
             is_repeated(option) ? "add_list" : "set", section_name, option_name, value);
    return out;
}

static const char *set_in_file(const char *section, const char *file, const char *option,
                               const char *value, const char *then, char out[SERVICE_WORDS_SIZE])
{
    bool repeated = is_repeated(option);

    snprintf(out, SERVICE_WORDS_SIZE, "%s '%s = %s' %s [%s] of %.*s, then %s",
             repeated ? "add" : "set", option, value, repeated ? "to" : "in", section,
             CONFIG_PATH_SIZE / 2, file, then);
    return out;
}

const char *service_set(const char *config_path, const char *option, const char *value,
                        char out[SERVICE_WORDS_SIZE])
{
    char then[THEN_SIZE];
    struct service service;

    find(&service, config_path);
    if (service.manager == PROCD)
        return set_in_uci(service.site, option, value, out);
    if (is_fixed(option))
        restart_words(&service, then);
    else
        reload_words(&service, then);
    return set_in_file("site", config_path, option, value, then, out);
}

bool service_uci_section(const struct config_peer *peer, char section[SERVICE_SECTION_SIZE])
{
    static const char tail[] = " in /etc/config/lansplice:\n";
    FILE *file = fopen(peer->file, "re");
    char *line = NULL;
    size_t size = 0;
    int end = 0, number = 1;

    if (file == NULL)
        return false;
    while (number < peer->line && getline(&line, &size, file) >= 0)
        number++;
    if (line == NULL || number != peer->line ||
        sscanf(line, "# lansplice.%63[A-Za-z0-9_]%n", section, &end) != 1 ||
        strcmp(line + end, tail) != 0)
        end = 0;
    free(line);
    fclose(file);
    return end > 0;
}

const char *service_set_endpoint(const struct config *config, const char *peer,
                                 char out[SERVICE_WORDS_SIZE])
{
    const struct config_peer *known = config_find_peer(config, peer);
    char section[SERVICE_SECTION_SIZE], then[THEN_SIZE];
    struct service service;

    find(&service, config->path);
    if (known != NULL && service_uci_section(known, section))
        return set_in_uci(section, "endpoint", "HOST:PORT", out);
    snprintf(section, sizeof section, "peer %s", peer);
    return set_in_file(section, known != NULL ? known->file : config->path, "endpoint", "HOST:PORT",
                       reload_words(&service, then), out);
}
