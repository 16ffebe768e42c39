/* SPDX-License-Identifier: MIT
 *
 * peer_files.c - see peer_files.h
 */
#include "peer_files.h"

#include "files.h"
#include "keyfile.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    FILE_NAME_SIZE = SITE_NAME_MAX + 8,
    CONF_SIZE = 512 + CONFIG_ENDPOINTS_MAX * (CONFIG_ENDPOINT_SIZE + 16),
};

/* peers.d, made when missing. */
static bool peers_directory(const struct config *config, const char *name,
                            char out[CONFIG_PATH_SIZE], struct error *error)
{
    if (!config_check_name(name, error))
        return false;
    if (files_join_path(out, CONFIG_PATH_SIZE, config->directory, "peers.d"))
        return files_make_directory(out, error);
    error_set(error, EXIT_FAILED, "path too long: %s: use a folder with a shorter one",
              config->directory);
    return false;
}

bool peer_files_write_psk(const struct config *config, const char *name,
                          const uint8_t psk[PSK_BYTES], struct error *error)
{
    char directory[CONFIG_PATH_SIZE], file[FILE_NAME_SIZE], text[KEY_TEXT_SIZE];
    bool written;

    if (!peers_directory(config, name, directory, error))
        return false;
    snprintf(file, sizeof file, "%s.psk", name);
    key_to_text(text, psk);
    text[KEY_TEXT_SIZE - 1] = '\n';
    written = files_write(directory, file, text, KEY_TEXT_SIZE, 0600, error);
    sodium_memzero(text, sizeof text);
    return written;
}

bool peer_files_write_conf(const struct config *config, const char *name,
                           const uint8_t key[PUBLIC_KEY_BYTES],
                           const char (*endpoints)[CONFIG_ENDPOINT_SIZE], size_t count,
                           struct error *error)
{
    char directory[CONFIG_PATH_SIZE], file[FILE_NAME_SIZE], key_text[KEY_TEXT_SIZE];
    char text[CONF_SIZE];
    size_t used;

    if (!peers_directory(config, name, directory, error))
        return false;
    key_to_text(key_text, key);
    used = (size_t)snprintf(text, sizeof text,
                            "# Written by lansplice; lansplice.conf(5) explains the options.\n"
                            "[peer %s]\n"
                            "public-key = %s\n"
                            "preshared-key = %s.psk\n",
                            name, key_text, name);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "endpoint = %s\n", endpoints[i]);
    used +=
        (size_t)snprintf(text + used, sizeof text - used, "keepalive = %d\n", CONFIG_KEEPALIVE_S);
    snprintf(file, sizeof file, "%s.conf", name);
    return files_write(directory, file, text, used, 0600, error);
}

/* Return: false when the path does not fit. */
static bool conf_path(const struct config *config, const char *name, char out[CONFIG_PATH_SIZE])
{
    char file[FILE_NAME_SIZE + 8];

    snprintf(file, sizeof file, "peers.d/%s.conf", name);
    return files_join_path(out, CONFIG_PATH_SIZE, config->directory, file);
}

bool peer_files_exist(const struct config *config, const char *name)
{
    char path[CONFIG_PATH_SIZE];

    return site_name_valid(name) && conf_path(config, name, path) && access(path, F_OK) == 0;
}

bool peer_files_check(const struct config *config, const char *name,
                      const uint8_t key[PUBLIC_KEY_BYTES], struct error *error)
{
    const struct config_peer *same_name = config_find_peer(config, name);
    const struct config_peer *same_key = config_find_key(config, key);
    char ours[CONFIG_PATH_SIZE];

    if (memcmp(key, config->public_key, PUBLIC_KEY_BYTES) == 0)
        error_set(error, EXIT_FAILED, "a peer with our own key: %s: each home needs its own", name);
    else if (same_key && same_key != same_name)
        error_set(error, EXIT_FAILED,
                  "the key of %s is a peer already: %s:%d: [peer %s]: keep that, or remove it and "
                  "try again",
                  name, same_key->file, same_key->line, same_key->name);
    else if (same_name && !(conf_path(config, name, ours) && strcmp(ours, same_name->file) == 0))
        error_set(error, EXIT_FAILED,
                  "the peer stands in the configuration: %s:%d: [peer %s]: remove it there and try "
                  "again, or use another name",
                  same_name->file, same_name->line, name);
    else
        return true;
    return false;
}
