/* SPDX-License-Identifier: MIT
 *
 * config.c - reads the files into struct config and checks the whole; see config.h.
 *
 * config_file.c gives sections and options with their lines, config_values.c what a value means.
 * Here is what is between: which section an option stands in, that none stands twice, what must
 * not be missing, and that no two peers are the same.
 */
#include "config.h"

#include "config_file.h"
#include "config_turn.h"
#include "config_values.h"
#include "copy.h"
#include "files.h"
#include "locked_memory.h"
#include "state_folder.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loader {
    struct config *config;
    const char *file;      /* being read */
    const char *directory; /* its folder */
    bool peers_only;       /* in peers.d */
    enum config_section section;
    struct config_peer *peer;
    uint64_t seen; /* options of this section, by their place in the table */
    bool site_seen, test_seen;
    struct error *error;
};

struct config *config_new(void)
{
    return locked_memory_new(sizeof(struct config));
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    sodium_memzero(config, offsetof(struct config, peer));
    sodium_memzero(config->peer, config->peer_count * sizeof *config->peer);
    locked_memory_free(config, sizeof *config);
}

static bool fail(const struct loader *loader, int line, const char *what, const char *detail,
                 const char *remedy)
{
    error_set(loader->error, EXIT_USAGE, "%s: %s:%d: %s: %s", what, loader->file, line, detail,
              remedy);
    return false;
}

static bool begin_peer(struct loader *loader, int line, const char *name)
{
    struct config *config = loader->config;
    struct config_peer *peer = &config->peer[config->peer_count];
    const struct config_peer *other;

    if (!site_name_valid(name))
        return fail(loader, line, "bad peer name", name, "use 1 to 32 of a-z, 0-9 and -");
    other = config_find_peer(config, name);
    if (other) {
        error_set(loader->error, EXIT_USAGE,
                  "two peers of one name: %s:%d: [peer %s]: it stands in %s:%d already: remove one",
                  loader->file, line, name, other->file, other->line);
        return false;
    }
    if (config->peer_count == SITE_PEERS_MAX)
        return fail(loader, line, "too many peers", name, "at most 32 fit: remove some");
    memset(peer, 0, sizeof *peer);
    copy_text(peer->name, sizeof peer->name, name);
    snprintf(peer->file, sizeof peer->file, "%s", loader->file);
    peer->line = line;
    peer->keepalive_s = CONFIG_KEEPALIVE_S;
    config->peer_count++;
    loader->peer = peer;
    loader->section = CONFIG_PEER;
    return true;
}

static bool begin_once(struct loader *loader, int line, enum config_section section, bool *seen)
{
    if (*seen)
        return fail(loader, line, "section twice", section == CONFIG_SITE ? "[site]" : "[test]",
                    "write all its options under one");
    *seen = true;
    loader->section = section;
    return true;
}

static bool on_section(void *context, int line, const char *section)
{
    struct loader *loader = context;
    size_t options;

    loader->seen = 0;
    if (strncmp(section, "peer", 4) == 0 && (section[4] == ' ' || section[4] == '\t'))
        return begin_peer(loader, line, section + 4 + strspn(section + 4, " \t"));
    if (!loader->peers_only && strcmp(section, "site") == 0)
        return begin_once(loader, line, CONFIG_SITE, &loader->site_seen);
    if (!loader->peers_only && strcmp(section, "test") == 0 &&
        config_options(CONFIG_TEST, &options))
        return begin_once(loader, line, CONFIG_TEST, &loader->test_seen);
    return fail(loader, line, "unknown section", section,
                loader->peers_only ? "only [peer NAME] stands in peers.d"
                                   : "use [site] or [peer NAME]");
}

/* Every option's name, blanks between: what a person who mistyped one wants to see. */
static void list_options(char *out, size_t capacity, const struct config_option *options,
                         size_t count)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count && used < capacity; i++)
        used +=
            (size_t)snprintf(out + used, capacity - used, "%s%s", i ? " " : "", options[i].name);
}

static bool set_option(struct loader *loader, int line, const struct config_option *option,
                       const char *value)
{
    char where[CONFIG_PATH_SIZE + 64];
    struct config_target target = {
        .config = loader->config,
        .peer = loader->peer,
        .directory = loader->directory,
        .where = where,
        .error = loader->error,
    };

    snprintf(where, sizeof where, "%s:%d: %s", loader->file, line, option->name);
    loader->error->text[0] = '\0';
    if (option->set(&target, value))
        return true;
    if (!loader->error->text[0])
        error_set(loader->error, EXIT_USAGE, "bad value: %s = %s: use %s", where, value,
                  option->legal);
    return false;
}

static bool on_option(void *context, int line, const char *name, const char *value)
{
    struct loader *loader = context;
    char names[ERROR_TEXT_SIZE];
    size_t count;
    const struct config_option *options = config_options(loader->section, &count);

    if (loader->section == CONFIG_NONE)
        return fail(loader, line, "option outside a section", name,
                    "put it under [site] or [peer NAME]");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        if (!options[i].repeatable && (loader->seen & UINT64_C(1) << i))
            return fail(loader, line, "option twice", name, "keep one");
        loader->seen |= UINT64_C(1) << i;
        return set_option(loader, line, &options[i], value);
    }
    list_options(names, sizeof names, options, count);
    error_set(loader->error, EXIT_USAGE, "unknown option: %s:%d: %.64s: use one of %s",
              loader->file, line, name, names);
    return false;
}

static bool load_file(struct loader *loader, const char *path, const char *directory,
                      bool peers_only)
{
    const struct config_file_handler handler = {
        .context = loader,
        .section = on_section,
        .option = on_option,
    };

    loader->file = path;
    loader->directory = directory;
    loader->peers_only = peers_only;
    loader->section = CONFIG_NONE;
    bool good = files_check_owner(path, directory, loader->error) &&
                config_file_parse(path, &handler, loader->error);
    loader->file = loader->directory = NULL; /* the caller's, and soon gone */
    return good;
}

static bool load_peers_directory(struct loader *loader)
{
    char directory[CONFIG_PATH_SIZE], path[CONFIG_PATH_SIZE];
    struct dirent **entries;
    bool good = true;
    int count;

    if (!files_join_path(directory, sizeof directory, loader->config->directory, "peers.d"))
        return true;
    count = scandir(directory, &entries, config_file_filter, alphasort);
    if (count < 0 && errno == ENOENT)
        return true;
    if (count < 0) {
        error_set(loader->error, EXIT_USAGE, "cannot read the peers: %s: %s%s", directory,
                  strerror(errno), files_remedy(errno));
        return false;
    }
    for (int i = 0; i < count; i++) {
        good = good && files_join_path(path, sizeof path, directory, entries[i]->d_name) &&
               load_file(loader, path, directory, true);
        free(entries[i]);
    }
    free(entries);
    return good;
}

static bool check_site(struct loader *loader, const char *path)
{
    const struct config *config = loader->config;
    const char *missing = !loader->site_seen     ? "[site]"
                          : !config->name[0]     ? "name in [site]"
                          : !config->key_path[0] ? "private-key in [site]"
                                                 : NULL;

    if (!missing)
        return true;
    error_set(loader->error, EXIT_USAGE, "not complete: %s: %s is missing: add it", path, missing);
    return false;
}

static bool fail_peer(const struct loader *loader, const struct config_peer *peer, const char *what,
                      const char *remedy)
{
    error_set(loader->error, EXIT_USAGE, "%s: %s:%d: [peer %s]: %s", what, peer->file, peer->line,
              peer->name, remedy);
    return false;
}

static bool check_peer(const struct loader *loader, size_t n)
{
    const struct config *config = loader->config;
    const struct config_peer *peer = &config->peer[n];
    const struct config_peer *same = config_find_key(config, peer->public_key);
    uint8_t shared[32];
    bool usable;

    if (sodium_is_zero(peer->public_key, PUBLIC_KEY_BYTES))
        return fail_peer(loader, peer, "not complete", "public-key is missing: add it");
    if (memcmp(peer->public_key, config->public_key, PUBLIC_KEY_BYTES) == 0)
        return fail_peer(loader, peer, "a peer with our own key",
                         "public-key must be the other home's");
    if (same != peer) {
        error_set(
            loader->error, EXIT_USAGE,
            "two peers of one key: %s:%d: [peer %s]: [peer %s] has this public-key: remove one",
            peer->file, peer->line, peer->name, same->name);
        return false;
    }
    usable = crypto_scalarmult(shared, config->private_key, peer->public_key) == 0;
    sodium_memzero(shared, sizeof shared);
    return usable || fail_peer(loader, peer, "unusable key",
                               "public-key is no key of anyone's: copy it again");
}

static bool set_paths(struct config *config, const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    int bytes = slash ? (int)(slash - path) : 1;

    if (strlen(path) >= sizeof config->path - 32) {
        error_set(error, EXIT_USAGE, "path too long: %.64s...: use a shorter one", path);
        return false;
    }
    copy_text(config->path, sizeof config->path, path);
    snprintf(config->directory, sizeof config->directory, "%.*s", bytes, slash ? path : ".");
    if (!config->directory[0])
        copy_text(config->directory, sizeof config->directory, "/");
    return true;
}

/* What the daemon writes or removes later. */
static bool check_owners(const struct config *config, struct error *error)
{
    char path[CONFIG_PATH_SIZE];

    if (files_join_path(path, sizeof path, config->directory, "peers.d") &&
        !files_check_owner(path, config->directory, error))
        return false;
    if (!state_folder_check_owner(config->directory, error))
        return false;
    copy_text(path, sizeof path, config->control);
    *(strrchr(path, '/') + 1) = '\0';
    if (files_are_ours(path))
        return true;
    error_set(error, EXIT_USAGE,
              "belongs to another user: %s: change 'control' in [site] to a folder of root's",
              path);
    return false;
}

bool config_load(struct config *config, const char *path, struct error *error)
{
    struct error unwanted = {0};
    struct loader loader = {.config = config, .error = error ? error : &unwanted};
    bool good;

    config_set_defaults(config);
    good = set_paths(config, path, loader.error) &&
           files_check_owner(config->directory, config->directory, loader.error) &&
           load_file(&loader, path, config->directory, false) && check_site(&loader, path) &&
           config_turn_check(config, path, loader.error) && check_owners(config, loader.error) &&
           load_peers_directory(&loader);
    for (size_t i = 0; good && i < config->peer_count; i++)
        good = check_peer(&loader, i);
    return good;
}

/* ---- what is left of a bad one ---- */

struct recovery {
    struct config *config;
    bool in_site, found;
};

static bool on_any_section(void *context, int line, const char *section)
{
    struct recovery *recovery = context;

    (void)line;
    recovery->in_site = strcmp(section, "site") == 0;
    return true;
}

static bool on_any_option(void *context, int line, const char *name, const char *value)
{
    struct recovery *recovery = context;
    struct config *config = recovery->config;

    (void)line;
    if (recovery->in_site && !recovery->found && strcmp(name, "control") == 0 && value[0] != '\0')
        recovery->found =
            files_join_path(config->control, sizeof config->control, config->directory, value);
    return true;
}

bool config_recover(struct config *config, const char *path)
{
    struct recovery recovery = {.config = config};
    const struct config_file_handler handler = {&recovery, on_any_section, on_any_option};
    struct error unwanted;
    char standard[CONFIG_CONTROL_SIZE];

    sodium_memzero(config, sizeof *config);
    config_set_defaults(config);
    memcpy(standard, config->control, sizeof standard);
    if (!set_paths(config, path, &unwanted) || !files_are_ours(config->directory))
        return false;
    config_file_parse(path, &handler, &unwanted); /* as far as it goes */
    if (!recovery.found)
        memcpy(config->control, standard, sizeof standard);
    return check_owners(config, &unwanted);
}

bool config_check_name(const char *name, struct error *error)
{
    if (site_name_valid(name))
        return true;
    error_set(error, EXIT_FAILED, "bad peer name: %s: use 1 to 32 of a-z, 0-9 and -", name);
    return false;
}

const struct config_peer *config_find_peer(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->peer_count; i++)
        if (strcmp(config->peer[i].name, name) == 0)
            return &config->peer[i];
    return NULL;
}

const struct config_peer *config_find_key(const struct config *config,
                                          const uint8_t key[PUBLIC_KEY_BYTES])
{
    for (size_t i = 0; i < config->peer_count; i++)
        if (memcmp(config->peer[i].public_key, key, PUBLIC_KEY_BYTES) == 0)
            return &config->peer[i];
    return NULL;
}

void config_to_site(const struct config *config, struct site_config *out)
{
    memset(out, 0, sizeof *out);
    copy_text(out->name, sizeof out->name, config->name);
    memcpy(out->private_key, config->private_key, PUBLIC_KEY_BYTES);
    out->guard = config->guard;
    out->ttl_repair = config->ttl_repair;
    out->multicast_all = config->multicast_all;
    out->ra_routes = config->ra_routes;
    out->ipv6_on_link = config->ipv6_on_link;
    out->hub = config->hub;
    out->relay_for_peers = config->relay_for_peers;
    out->icmp_hint = config->icmp_hint;
    out->outer_packet_bytes = config->max_datagram_bytes;
    out->suite_count = config->suite_count;
    memcpy(out->suite, config->suite, sizeof out->suite);
    out->timers.rekey_after_us = UINT64_C(1000) * config->rekey_after_ms;
    out->timers.reject_after_us = UINT64_C(1000) * config->reject_after_ms;
    out->timers.raise_after_us = UINT64_C(1000) * config->raise_after_ms;
}

void config_to_peer(const struct config_peer *peer, struct peer_config *out)
{
    memset(out, 0, sizeof *out);
    copy_text(out->name, sizeof out->name, peer->name);
    out->has_key = true;
    memcpy(out->public_key, peer->public_key, PUBLIC_KEY_BYTES);
    memcpy(out->psk, peer->psk, PSK_BYTES);
    out->keepalive_us = UINT64_C(1000000) * peer->keepalive_s;
}
