/* SPDX-License-Identifier: MIT
 *
 * config_turn.c - see config_turn.h. The two options may come in any order; whether they fit each
 * other is asked when all is read.
 */
#include "config_turn.h"

#include "copy.h"

#include <stdio.h>
#include <string.h>

bool config_turn_take_host(char out[CONFIG_ENDPOINT_SIZE], const char *host)
{
    char text[CONFIG_ENDPOINT_SIZE + sizeof ":65535"];

    snprintf(text, sizeof text, "%s", host);
    if (!endpoint_text_valid(text))
        snprintf(text, sizeof text, "%.*s:%d", CONFIG_ENDPOINT_SIZE, host, STUN_PORT);
    return endpoint_text_valid(text) && !endpoint_text_is_srv(text) &&
           copy_text(out, CONFIG_ENDPOINT_SIZE, text);
}

bool config_turn_add(struct config *config, const char *value)
{
    static const char scheme[] = "turn:";
    const char *user = value + sizeof scheme - 1;
    const char *at = strrchr(value, '@');
    struct config_turn *turn = &config->turn[config->turn_count];

    if (config->turn_count == VIA_TURNS || strncmp(value, scheme, sizeof scheme - 1) != 0 ||
        at == NULL || at <= user || (size_t)(at - user) >= sizeof turn->user ||
        !config_turn_take_host(turn->host, at + 1))
        return false;
    memset(turn->user, 0, sizeof turn->user);
    memcpy(turn->user, user, (size_t)(at - user));
    config->turn_count++;
    return true;
}

const char *config_turn_take_secrets(struct config *config, const char *text)
{
    config->turn_secret_count = 0;
    while (text[0] != '\0') {
        size_t bytes = strcspn(text, "\r\n");
        if (bytes >= TURN_PASSWORD_SIZE)
            return "holds a password of more than 127 characters";
        if (bytes > 0 && config->turn_secret_count == VIA_TURNS)
            return "holds more than 3 passwords: one line for each 'turn', or one for all";
        if (bytes > 0)
            memcpy(config->turn_secret[config->turn_secret_count++], text, bytes);
        text += bytes + strspn(text + bytes, "\r\n");
    }
    return config->turn_secret_count > 0 ? NULL : "holds no password: write one in a line";
}

bool config_turn_check(const struct config *config, const char *path, struct error *error)
{
    if (config->turn_count == 0 || config->turn_secret_count == 1 ||
        config->turn_secret_count == config->turn_count)
        return true;
    if (config->turn_secret_count == 0)
        error_set(error, EXIT_USAGE,
                  "not complete: %s: turn-secret is missing: name the file with the password of "
                  "'turn'",
                  path);
    else
        error_set(error, EXIT_USAGE,
                  "passwords do not fit: %s: turn-secret: %u of them for %u 'turn': write one line "
                  "for each, or one for all",
                  path, config->turn_secret_count, config->turn_count);
    return false;
}

const char *config_turn_password(const struct config *config, size_t n)
{
    return config->turn_secret[config->turn_secret_count == 1 ? 0 : n];
}
