/* SPDX-License-Identifier: MIT
 *
 * init_command.c - a new site: folder, key, order counter and configuration.
 *
 * The configuration is written last and is what makes a second init refuse: one that was cut short
 * can be run again. A key that is there is used, never replaced: peers know it.
 */
#include "../config_file.h"
#include "../copy.h"
#include "../files.h"
#include "../keyfile.h"
#include "../map_rules.h"
#include "../state.h"
#include "commands.h"
#include "service.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONF_SIZE = 4096, OTHER_CONF_SIZE = 65536 };

static const char conf_format[] =
    "# lansplice: this home. 'lansplice check-config' checks the file; lansplice.conf(5) explains\n"
    "# every option. Homes you invite or join are written to peers.d beside it.\n"
    "[site]\n"
    "name = %s\n"
    "private-key = home.key            ; a path, from this folder; never give the file away\n"
    "%s"
    "\n"
    "# The bridge of your LAN. Left out, lansplice makes the interface lansplice0 and whatever\n"
    "# manages your network puts it into a bridge.\n"
    "%s\n";

/* A name from the machine's: what is not allowed becomes '-'. */
static void default_name(char out[SITE_NAME_MAX + 1])
{
    size_t bytes = 0;

    if (gethostname(out, SITE_NAME_MAX + 1) < 0)
        out[0] = '\0';
    out[SITE_NAME_MAX] = '\0';
    out[strcspn(out, ".")] = '\0';
    for (char *c = out; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
        else if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')))
            *c = '-';
        bytes++;
    }
    if (bytes == 0 || strcmp(out, "localhost") == 0 || strcmp(out, "openwrt") == 0)
        copy_text(out, SITE_NAME_MAX + 1, "home");
}

/* The line of the bridge: of the two names that LAN bridges usually have, the one there is. */
static const char *bridge_line(void)
{
    if (access("/sys/class/net/br-lan/bridge", F_OK) == 0)
        return "bridge = br-lan";
    if (access("/sys/class/net/br0/bridge", F_OK) == 0)
        return "bridge = br0";
    return "#bridge = br-lan";
}

/* A router that does MAP-E cannot be called at any port it likes. */
static const char *port_line(void)
{
    struct map_e map;

    if (map_rules_read(MAP_RULES_PATTERN, &map))
        return "port = auto                       ; UDP; one of this home's own (MAP-E)\n";
    return "port = 7788                       ; UDP; forward it to this machine, here or at the "
           "others\n";
}

static bool write_key(const char *directory, struct error *error)
{
    uint8_t key[KEY_BYTES];
    char text[KEY_TEXT_SIZE];
    bool written;

    key_generate(key);
    key_to_text(text, key);
    text[KEY_TEXT_SIZE - 1] = '\n';
    written =
        files_write_new(directory, "home.key", text, KEY_TEXT_SIZE, 0600, error) || errno == EEXIST;
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    return written;
}

static bool write_conf(const char *directory, const char *file, const char *name,
                       struct error *error)
{
    char text[CONF_SIZE];
    int bytes = snprintf(text, sizeof text, conf_format, name, port_line(), bridge_line());

    return files_write_new(directory, file, text, (size_t)bytes, 0600, error);
}

static bool make_site(const char *directory, const char *file, const char *name,
                      struct error *error)
{
    return files_make_directory(directory, error) && write_key(directory, error) &&
           state_begin(directory, error) && write_conf(directory, file, name, error);
}

/* ---- what stands in the way ---- */

static bool has_site(const char *directory, const char *file)
{
    char text[OTHER_CONF_SIZE];
    bool found;

    files_read(directory, file, text, sizeof text, &found, NULL);
    return found && strstr(text, "[site]") != NULL;
}

/* Two homes cannot share one folder's key, counter and peers. */
static bool check_folder(const char *directory, struct error *error)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, config_file_filter, alphasort);
    bool free_of_others = true;

    for (int i = 0; i < count; i++) {
        if (free_of_others && has_site(directory, entries[i]->d_name)) {
            error_set(error, EXIT_FAILED,
                      "another home is set up in this folder: %s/%s: edit that, or give a file in "
                      "another folder by -c",
                      directory, entries[i]->d_name);
            free_of_others = false;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return free_of_others;
}

static bool check_owner(const char *directory, struct error *error)
{
    if (files_are_ours(directory))
        return true;
    error_set(error, EXIT_USAGE,
              "belongs to another user: %s: give a file in a folder of root's by -c", directory);
    return false;
}

static bool check_key(const char *directory, struct error *error)
{
    char path[CONFIG_PATH_SIZE];
    uint8_t key[KEY_BYTES];
    bool good = files_join_path(path, sizeof path, directory, "home.key") &&
                (access(path, F_OK) < 0 || keyfile_read(key, path, "init", "is gone", error));

    sodium_memzero(key, sizeof key);
    return good;
}

static bool check_path(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    struct stat status;

    if (strlen(path) + 32 >= CONFIG_PATH_SIZE)
        error_set(error, EXIT_USAGE, "path too long: -c: use a shorter one");
    else if (slash && !slash[1])
        error_set(error, EXIT_USAGE, "no file named: -c %s: add its name, as lansplice.conf", path);
    else if (lstat(path, &status) < 0)
        return true;
    else if (S_ISDIR(status.st_mode))
        error_set(error, EXIT_USAGE, "a folder: -c %s: name a file in it, as lansplice.conf", path);
    else
        error_set(
            error, EXIT_FAILED,
            "this home is set up already: %s: edit %s, or give a file in another folder by -c",
            path, service_file(path));
    return false;
}

/* What was written is loaded again: the key shown is the one that will be used. */
static int tell(const char *path)
{
    struct config *config = config_new();
    struct error error = {.text = "out of memory", .exit_code = EXIT_FAILED};
    char key[KEY_TEXT_SIZE], words[SERVICE_WORDS_SIZE];

    if (!config || !config_load(config, path, &error)) {
        config_free(config);
        return error_print(&error);
    }
    key_to_text(key, config->public_key);
    printf("this home is called %s; its configuration is %s\npublic key: %s\n", config->name, path,
           key);
    if (!config->bridge[0])
        printf("next: name your LAN's bridge in %s\n", path);
    printf(
        "then: start the daemon with %s, and\n"
        "      'lansplice invite NAME --endpoint HOST:PORT' if the other home can call this one, "
        "or\n      'lansplice join' with the token the other home made\n",
        service_start(path, words));
    config_free(config);
    return 0;
}

static bool choose_name(const struct cli_options *options, char out[SITE_NAME_MAX + 1],
                        struct error *error)
{
    if (!options->name)
        default_name(out);
    else if (site_name_valid(options->name))
        copy_text(out, SITE_NAME_MAX + 1, options->name);
    else {
        error_set(error, EXIT_USAGE, "bad name: --name %s: use 1 to 32 of a-z, 0-9 and -",
                  options->name);
        return false;
    }
    return true;
}

static void folder_of(const char *path, char out[CONFIG_PATH_SIZE])
{
    const char *slash = strrchr(path, '/');

    if (slash == path)
        copy_text(out, CONFIG_PATH_SIZE, "/");
    else
        snprintf(out, CONFIG_PATH_SIZE, "%.*s", slash ? (int)(slash - path) : 1,
                 slash ? path : ".");
}

int command_init(const struct cli_options *options)
{
    char name[SITE_NAME_MAX + 1], directory[CONFIG_PATH_SIZE];
    const char *path = options->config_path, *slash = strrchr(path, '/');
    struct error error;

    if (!choose_name(options, name, &error) || !check_path(path, &error))
        return error_print(&error);
    folder_of(path, directory);
    if (!check_owner(directory, &error) || !check_folder(directory, &error) ||
        !check_key(directory, &error) ||
        !make_site(directory, slash ? slash + 1 : path, name, &error))
        return error_print(&error);
    return tell(path);
}
