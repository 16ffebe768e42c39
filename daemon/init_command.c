/* SPDX-License-Identifier: MIT
 *
 * init_command.c - a new site: folder, key, order counter and configuration.
 *
 * The configuration is written last and is what makes a second init refuse: one that was cut short
 * can be run again. A key that is there is used, never replaced: peers know it.
 */
#include "clock.h"
#include "commands.h"
#include "copy.h"
#include "files.h"
#include "keyfile.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONF_SIZE = 4096 };

static const char conf_format[] =
    "# lansplice: this home. 'lansplice check-config' checks the file; lansplice.conf(5) explains\n"
    "# every option. Homes you invite or join are written to peers.d beside it.\n"
    "[site]\n"
    "name = %s\n"
    "private-key = home.key            ; a path, from this folder; never give the file away\n"
    "port = 7788                       ; UDP; forward it to this machine, here or at the others\n"
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

static bool write_key(const char *directory, struct error *error)
{
    uint8_t key[KEY_BYTES];
    char text[KEY_TEXT_SIZE];
    bool written;

    randombytes_buf(key, sizeof key);
    key[0] &= 248;
    key[31] = (uint8_t)((key[31] & 127) | 64);
    key_to_text(text, key);
    text[KEY_TEXT_SIZE - 1] = '\n';
    written =
        files_write_new(directory, "home.key", text, KEY_TEXT_SIZE, 0600, error) || errno == EEXIST;
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    return written;
}

/* Only a site that is new may begin to count without the warning state_reserve_order() gives. */
static bool write_order(const char *directory, struct error *error)
{
    char state[CONFIG_PATH_SIZE], text[32];
    int bytes = snprintf(text, sizeof text, "%" PRIu64 "\n", (clock_unix_ms() / 1000) << 20);

    if (!files_join_path(state, sizeof state, directory, "state") ||
        !files_make_directory(state, error))
        return false;
    return files_write_new(state, "order", text, (size_t)bytes, 0600, error) || errno == EEXIST;
}

static bool write_conf(const char *directory, const char *file, const char *name,
                       struct error *error)
{
    char text[CONF_SIZE];
    int bytes = snprintf(text, sizeof text, conf_format, name, bridge_line());

    return files_write_new(directory, file, text, (size_t)bytes, 0600, error);
}

static bool make_site(const char *directory, const char *file, const char *name,
                      struct error *error)
{
    return files_make_directory(directory, error) && write_key(directory, error) &&
           write_order(directory, error) && write_conf(directory, file, name, error);
}

static int refuse_second(const char *path)
{
    fprintf(stderr,
            "lansplice: this home is set up already: %s: edit it, or give another file by -c\n",
            path);
    return EXIT_FAILED;
}

/* What was written is loaded again: the key shown is the one that will be used. */
static int tell(const char *path)
{
    struct config *config = config_new();
    struct error error = {.text = "out of memory", .exit_code = EXIT_FAILED};
    char key[KEY_TEXT_SIZE];

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
        "then: 'lansplice invite NAME --endpoint HOST:PORT' if the other home can call this one, "
        "or\n      'lansplice join' with the token the other home made; and 'lansplice run'\n");
    config_free(config);
    return 0;
}

int command_init(const struct cli_options *options)
{
    char name[SITE_NAME_MAX + 1], directory[CONFIG_PATH_SIZE];
    const char *path = options->config_path, *slash = strrchr(path, '/');
    struct error error;
    struct stat status;

    if (options->name && !site_name_valid(options->name)) {
        fprintf(stderr, "lansplice: bad name: --name %s: use 1 to 32 of a-z, 0-9 and -\n",
                options->name);
        return EXIT_USAGE;
    }
    if (strlen(path) >= sizeof directory) {
        fprintf(stderr, "lansplice: path too long: -c: use a shorter one\n");
        return EXIT_USAGE;
    }
    if (options->name)
        copy_text(name, sizeof name, options->name);
    else
        default_name(name);
    if (lstat(path, &status) == 0)
        return refuse_second(path);
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) : 1,
             slash ? path : ".");
    if (!make_site(directory[0] ? directory : "/", slash ? slash + 1 : path, name, &error))
        return error_print(&error);
    return tell(path);
}
