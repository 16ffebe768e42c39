/* SPDX-License-Identifier: MIT
 *
 * state.c - order numbers, tokens and enrolment on disk; see state.h.
 */
#include "state.h"

#include "clock.h"
#include "copy.h"
#include "files.h"
#include "log.h"
#include "peer_files.h"
#include "state_folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_FILE_SIZE = 512, ORDER_FILE_SIZE = 32 };

bool state_directory(const struct config *config, char out[CONFIG_PATH_SIZE], struct error *error)
{
    return state_folder_make(config->directory, NULL, out, error);
}

/* Decimal digits, nothing else. */
static bool parse_decimal(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && errno == 0 && *end == '\0';
}

/* A number and a line end, and room for a reservation. */
static bool parse_order(char *text, uint64_t *order)
{
    size_t bytes = strlen(text);

    if (bytes == 0 || text[bytes - 1] != '\n')
        return false;
    text[bytes - 1] = '\0';
    return parse_decimal(text, order) && *order < UINT64_MAX - STATE_ORDER_STEP;
}

/* A folder without anything in it: a site set up by hand that has never run. */
static bool is_empty(const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, NULL);

    for (int i = 0; i < count; i++)
        free(entries[i]);
    if (count >= 0)
        free(entries);
    return count <= 2; /* . and .. */
}

/* Where to begin when the counter is lost: the clock, in seconds, is ahead of it, as a reservation
 * is made less than once a second. Unless the clock is wrong, which a new site need not fear. */
static uint64_t clock_order(void)
{
    return (clock_unix_ms() / 1000) << 20;
}

static uint64_t order_by_clock(const char *directory, bool found)
{
    if (!is_empty(directory))
        log_warn("the order counter is %s: %s/order: beginning at the clock: should peers not "
                 "answer, check that the clock is right",
                 found ? "damaged" : "missing", directory);
    return clock_order();
}

static size_t order_text(char out[ORDER_FILE_SIZE], uint64_t order)
{
    return (size_t)snprintf(out, ORDER_FILE_SIZE, "%" PRIu64 "\n", order);
}

bool state_begin(const char *home, struct error *error)
{
    char folder[CONFIG_PATH_SIZE], text[ORDER_FILE_SIZE];
    size_t bytes = order_text(text, clock_order());

    return state_folder_make(home, NULL, folder, error) &&
           (files_write_new(folder, STATE_FILE_ORDER, text, bytes, 0600, error) || errno == EEXIST);
}

bool state_reserve_order(const char *directory, uint64_t *next, uint64_t *limit,
                         struct error *error)
{
    char text[ORDER_FILE_SIZE];
    bool found;

    if (!files_read(directory, STATE_FILE_ORDER, text, sizeof text, &found, error))
        return false;
    if (!found || !parse_order(text, next))
        *next = order_by_clock(directory, found);
    /* A clock that is right is ahead of the counter: so a state folder that came back from an old
     * backup does not make the peers refuse this home. One that is wrong is behind and ignored. */
    if (*next < clock_order())
        *next = clock_order();
    *limit = *next + STATE_ORDER_STEP;
    return files_write(directory, STATE_FILE_ORDER, text, order_text(text, *limit), 0600, error);
}

static const char *token_folder(enum state_token_kind kind)
{
    return kind == STATE_INVITE ? STATE_FOLDER_INVITES : STATE_FOLDER_JOINING;
}

static bool token_path(const struct config *config, enum state_token_kind kind, const char *name,
                       char out[CONFIG_PATH_SIZE], struct error *error)
{
    return config_check_name(name, error) &&
           state_folder_make(config->directory, token_folder(kind), out, error);
}

bool state_store_token(const struct config *config, enum state_token_kind kind, const char *name,
                       const struct state_token *token, struct error *error)
{
    char folder[CONFIG_PATH_SIZE], text[TOKEN_FILE_SIZE];
    char id[2 * TOKEN_ID_BYTES + 1], psk[2 * PSK_BYTES + 1], key[2 * PUBLIC_KEY_BYTES + 1];
    int bytes;
    bool stored;

    if (!token_path(config, kind, name, folder, error))
        return false;
    sodium_bin2hex(id, sizeof id, token->id, TOKEN_ID_BYTES);
    sodium_bin2hex(psk, sizeof psk, token->psk, PSK_BYTES);
    sodium_bin2hex(key, sizeof key, token->key, PUBLIC_KEY_BYTES);
    bytes = snprintf(text, sizeof text, "id %s\npsk %s\nuntil-ms %" PRIu64 "\nkey %s\n", id, psk,
                     token->until_unix_ms, token->bound ? key : "-");
    stored = files_write(folder, name, text, (size_t)bytes, 0600, error);
    sodium_memzero(psk, sizeof psk);
    sodium_memzero(text, sizeof text);
    return stored;
}

static bool parse_hex(const char *text, uint8_t *out, size_t bytes)
{
    size_t got;

    return sodium_hex2bin(out, bytes, text, strlen(text), NULL, &got, NULL) == 0 && got == bytes;
}

/* "label value\n" at *@text, which then goes on behind it. Return: the value, or NULL. */
static char *next_field(char **text, const char *label)
{
    size_t bytes = strlen(label);
    char *value = *text + bytes + 1, *end;

    if (strncmp(*text, label, bytes) != 0 || (*text)[bytes] != ' ')
        return NULL;
    end = strchr(value, '\n');
    if (!end)
        return NULL;
    *end = '\0';
    *text = end + 1;
    return value;
}

static bool parse_token(char *text, struct state_token *token)
{
    const char *id = next_field(&text, "id");
    const char *psk = id ? next_field(&text, "psk") : NULL;
    const char *until = psk ? next_field(&text, "until-ms") : NULL;
    const char *key = until ? next_field(&text, "key") : NULL;

    if (!key || *text || !parse_hex(id, token->id, TOKEN_ID_BYTES) ||
        !parse_hex(psk, token->psk, PSK_BYTES) || !parse_decimal(until, &token->until_unix_ms))
        return false;
    token->bound = strcmp(key, "-") != 0;
    return !token->bound || parse_hex(key, token->key, PUBLIC_KEY_BYTES);
}

bool state_load_token(const struct config *config, enum state_token_kind kind, const char *name,
                      struct state_token *token, bool *found, struct error *error)
{
    char folder[CONFIG_PATH_SIZE], text[TOKEN_FILE_SIZE];
    bool good;

    memset(token, 0, sizeof *token);
    *found = false;
    if (!token_path(config, kind, name, folder, error))
        return false;
    good = files_read(folder, name, text, sizeof text, found, error);
    if (good && *found && !parse_token(text, token)) {
        sodium_memzero(token, sizeof *token);
        error_set(error, EXIT_FAILED, "damaged: %s/%s: remove it and %s", folder, name,
                  kind == STATE_INVITE ? "invite again" : "join with a new token");
        good = false;
    }
    sodium_memzero(text, sizeof text);
    return good;
}

bool state_remove_token(const struct config *config, enum state_token_kind kind, const char *name,
                        struct error *error)
{
    char folder[CONFIG_PATH_SIZE];

    return token_path(config, kind, name, folder, error) && files_remove(folder, name, error) &&
           state_remove_candidates(config, name, error);
}

static void give_token(struct peer_config *peer, const struct state_token *token)
{
    peer->has_token = true;
    memcpy(peer->token_id, token->id, TOKEN_ID_BYTES);
    memcpy(peer->token_psk, token->psk, PSK_BYTES);
    peer->token_until_us = UINT64_MAX;
}

/* A peer of the configuration: joining, bound or simply enrolled. A token bound to a key does not
 * expire: only that key can use it, and must be able to until it has its lasting PSK. */
static bool load_configured(const struct config *config, struct peer_config *peer,
                            struct error *error)
{
    struct state_token token;
    bool found, good;

    good = state_load_token(config, STATE_JOINING, peer->name, &token, &found, error);
    if (good && found) {
        give_token(peer, &token);
        peer->joining = true;
    } else if (good) {
        good = state_load_token(config, STATE_INVITE, peer->name, &token, &found, error);
        if (good && found)
            give_token(peer, &token);
    }
    sodium_memzero(&token, sizeof token);
    return good;
}

uint64_t state_token_left_ms(const struct config *config, const struct state_token *token)
{
    uint64_t now_ms = clock_unix_ms();
    uint64_t left = token->until_unix_ms > now_ms ? token->until_unix_ms - now_ms : 0;

    return left < config->token_lifetime_ms ? left : config->token_lifetime_ms;
}

/* A token of ours without a peer: an invite. One bound to a key had a peer that somebody has
 * removed since: the token goes too, or it would bring the peer back. */
static bool load_invite(const struct config *config, const char *name, struct peer_config *out,
                        size_t *count, uint64_t now_us, struct error *error)
{
    struct state_token token;
    uint64_t left_ms;
    bool found;

    /* Written since @config was loaded: the peer is the next load's. */
    if (peer_files_exist(config, name))
        return true;
    if (!state_load_token(config, STATE_INVITE, name, &token, &found, error))
        return false;
    left_ms = state_token_left_ms(config, &token);
    if (!found || token.bound || left_ms == 0) {
        log_info("the invite for %s is over: %s", name, token.bound ? "peer removed" : "too late");
        sodium_memzero(&token, sizeof token);
        return state_remove_token(config, STATE_INVITE, name, error);
    }
    if (*count < SITE_PEERS_MAX) {
        struct peer_config *peer = &out[(*count)++];

        memset(peer, 0, sizeof *peer);
        copy_text(peer->name, sizeof peer->name, name);
        give_token(peer, &token);
        peer->token_until_us = now_us + left_ms * 1000;
        peer->keepalive_us = UINT64_C(1000000) * CONFIG_KEEPALIVE_S;
    } else {
        log_warn("the invite for %s waits: there are %d peers already", name, SITE_PEERS_MAX);
    }
    sodium_memzero(&token, sizeof token);
    return true;
}

static bool load_invites(const struct config *config, struct peer_config *out, size_t *count,
                         uint64_t now_us, struct error *error)
{
    struct dirent **entries;
    int found;
    bool good = state_folder_invites(config->directory, &entries, &found, error);

    for (int i = 0; i < found; i++) {
        if (good && !config_find_peer(config, entries[i]->d_name))
            good = load_invite(config, entries[i]->d_name, out, count, now_us, error);
        free(entries[i]);
    }
    free(entries);
    return good;
}

bool state_load_peers(const struct config *config, struct peer_config *out, size_t *count,
                      uint64_t now_us, struct error *error)
{
    *count = 0;
    for (size_t i = 0; i < config->peer_count; i++) {
        config_to_peer(&config->peer[i], &out[*count]);
        if (!load_configured(config, &out[(*count)++], error))
            return false;
    }
    return load_invites(config, out, count, now_us, error);
}

/* The steps 1 to 3 of the inviter. @config is fresh from the disk. */
static bool enrol_key(const struct config *config, const struct site_enrolment *enrolment,
                      struct error *error)
{
    const char *name = enrolment->peer;
    struct state_token token;
    bool found, good;

    if (!peer_files_check(config, name, enrolment->public_key, error))
        return false;
    good = state_load_token(config, STATE_INVITE, name, &token, &found, error);
    if (good && !found)
        error_set(error, EXIT_FAILED, "no invite for %s any more: invite it again", name);
    else if (good && token.bound && memcmp(token.key, enrolment->public_key, PUBLIC_KEY_BYTES) != 0)
        error_set(error, EXIT_FAILED,
                  "the invite for %s belongs to another key: if that is not %s's, remove the peer "
                  "and invite again",
                  name, name);
    else if (good) {
        token.bound = true;
        memcpy(token.key, enrolment->public_key, PUBLIC_KEY_BYTES);
        /* What is left of a join that was given up would outlive the enrolment. A retry finds the
         * peer written: what its owner added to the file since shall stay. */
        good = state_remove_token(config, STATE_JOINING, name, error) &&
               peer_files_write_psk(config, name, enrolment->psk, error) &&
               (config_find_key(config, enrolment->public_key) ||
                peer_files_write_conf(config, name, enrolment->public_key, NULL, 0, error)) &&
               state_store_token(config, STATE_INVITE, name, &token, error);
        sodium_memzero(&token, sizeof token);
        return good;
    }
    sodium_memzero(&token, sizeof token);
    return false;
}

bool state_enrol(const struct config *config, const struct site_enrolment *enrolment,
                 struct error *error)
{
    struct config *fresh;
    bool done;

    if (enrolment->joining)
        return peer_files_write_psk(config, enrolment->peer, enrolment->psk, error) &&
               state_remove_token(config, STATE_JOINING, enrolment->peer, error);
    if (enrolment->confirmed)
        return state_remove_token(config, STATE_INVITE, enrolment->peer, error);
    /* Judge by the files as they are now: somebody may have edited them since the start. */
    fresh = config_new();
    if (!fresh) {
        error_set(error, EXIT_FAILED, "out of memory");
        return false;
    }
    done = config_load(fresh, config->path, error) && enrol_key(fresh, enrolment, error);
    config_free(fresh);
    return done;
}
