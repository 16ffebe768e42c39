/* SPDX-License-Identifier: MIT
 *
 * join_command.c - take a token another home made and make that home a peer.
 *
 * The token comes from a file, from standard input or from a prompt that does not echo; never as
 * an argument, which the shell's history and the process list would keep. On disk first the
 * secrets, last peers.d/NAME.conf, which makes the peer: cut short, nothing has happened.
 */
#include "commands.h"
#include "daemon_client.h"
#include "peer_files.h"
#include "state.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum {
    TOKEN_INPUT_SIZE = 2 * TOKEN_TEXT_SIZE, /* mail and chat programs put blanks and lines in */
    CONTROL_C = 3,
};

/* Without echo, the token stays off the screen and out of its scrollback. ^C ends the line as a
 * character, so that the terminal is put right before the program ends. */
static bool set_quiet(struct termios *before)
{
    struct termios quiet;

    if (tcgetattr(STDIN_FILENO, before) < 0)
        return false;
    quiet = *before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    quiet.c_cc[VEOL] = CONTROL_C;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

/* Lines until they hold a token, or an empty one: a pasted token may be broken over several. */
static size_t read_lines(char *text, size_t capacity)
{
    struct token token;
    size_t used = 0;

    while (used < capacity) {
        ssize_t got = read(STDIN_FILENO, text + used, capacity - used);

        if (got <= 0 || memchr(text + used, CONTROL_C, (size_t)got))
            return 0;
        used += (size_t)got;
        if (got == 1 || token_decode(&token, text, used) != TOKEN_CUT_SHORT)
            break;
    }
    sodium_memzero(&token, sizeof token);
    return used;
}

static size_t prompt(char *text, size_t capacity)
{
    struct termios before;
    bool quiet = set_quiet(&before);
    size_t used;

    fprintf(stderr, "Paste the token and press Enter (it is not shown): ");
    used = read_lines(text, capacity);
    if (quiet)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fprintf(stderr, "\n");
    return used;
}

static bool read_text(const struct cli_options *options, char *text, size_t *bytes,
                      struct error *error)
{
    const char *path = options->argument_count ? options->argument[0] : "-";
    bool standard_input = strcmp(path, "-") == 0;
    FILE *file = stdin;

    if (standard_input && isatty(STDIN_FILENO)) {
        *bytes = prompt(text, TOKEN_INPUT_SIZE);
        if (*bytes == 0)
            error_set(error, EXIT_FAILED, "no token was given: nothing was changed");
        return *bytes > 0;
    }
    if (!standard_input)
        file = fopen(path, "re");
    if (file)
        *bytes = fread(text, 1, TOKEN_INPUT_SIZE, file);
    if (!file || ferror(file)) {
        error_set(error, EXIT_FAILED, "cannot read the token: %s: %s", path, strerror(errno));
        if (file && !standard_input)
            fclose(file);
        return false;
    }
    if (!standard_input)
        fclose(file);
    return true;
}

static bool read_token(const struct cli_options *options, struct token *token, struct error *error)
{
    char text[TOKEN_INPUT_SIZE];
    enum token_error wrong;
    size_t bytes = 0;
    bool read = read_text(options, text, &bytes, error);

    if (read) {
        wrong = token_decode(token, text, bytes);
        if (wrong != TOKEN_OK)
            error_set(error, EXIT_FAILED, "cannot join: %s", token_error_text(wrong));
        read = wrong == TOKEN_OK;
    }
    sodium_memzero(text, sizeof text);
    return read;
}

static bool check_name(const struct cli_options *options, struct error *error)
{
    if (options->name && !site_name_valid(options->name)) {
        error_set(error, EXIT_USAGE, "bad name: --name %s: use 1 to 32 of a-z, 0-9 and -",
                  options->name);
        return false;
    }
    return true;
}

/* A peer of that name is in the way, unless it is a join that has not come to its end. */
static bool check_peers(const struct config *config, const char *name, const struct token *token,
                        struct error *error)
{
    const struct config_peer *peer = config_find_peer(config, name);
    struct state_token pending;
    bool joining = false;

    if (memcmp(token->public_key, config->public_key, PUBLIC_KEY_BYTES) == 0) {
        error_set(
            error, EXIT_FAILED,
            "this home made the token itself: run 'lansplice join' on the other home's router");
        return false;
    }
    if (!peer && config->peer_count == SITE_PEERS_MAX) {
        error_set(error, EXIT_FAILED, "too many peers: at most %d fit: remove some",
                  SITE_PEERS_MAX);
        return false;
    }
    if (peer && !state_load_token(config, STATE_JOINING, name, &pending, &joining, error))
        return false;
    sodium_memzero(&pending, sizeof pending);
    if (peer && !joining) {
        error_set(error, EXIT_FAILED,
                  "%s is a peer already: %s:%d: remove its lines there first, or join under "
                  "another name by --name",
                  name, peer->file, peer->line);
        return false;
    }
    return peer_files_check(config, name, token->public_key, error);
}

static bool store(const struct config *config, const char *name, const struct token *token,
                  struct error *error)
{
    static const uint8_t no_psk[PSK_BYTES]; /* until the enrolment has made the lasting one */
    struct state_token joining = {0};
    bool stored;

    memcpy(joining.id, token->id, TOKEN_ID_BYTES);
    memcpy(joining.psk, token->psk, PSK_BYTES);
    stored = state_remove_token(config, STATE_INVITE, name, error) &&
             peer_files_write_psk(config, name, no_psk, error) &&
             state_store_token(config, STATE_JOINING, name, &joining, error) &&
             peer_files_write_conf(config, name, token->public_key, token->endpoint,
                                   token->endpoint_count, error);
    sodium_memzero(&joining, sizeof joining);
    return stored;
}

static void explain(const struct config *config, const char *name, const struct token *token,
                    bool daemon_runs)
{
    char fingerprint[TOKEN_FINGERPRINT_BYTES];

    token_fingerprint(token, fingerprint);
    printf("fingerprint: %s\n"
           "It must be the one that the invite printed at the other home; if it is not, remove\n"
           "%s/peers.d/%s.conf and have a new token made.\n",
           fingerprint, config->directory, name);
    if (!token->endpoint_count)
        printf("Note: the token does not say where to call %s: add a line 'endpoint = HOST:PORT' "
               "there.\n",
               name);
    if (daemon_runs)
        printf("Next: 'lansplice status' shows when %s is up.\n", name);
    else
        printf("Next: start the daemon with 'lansplice run'.\n");
}

static bool join(const struct config *config, const struct cli_options *options,
                 const struct token *token, struct error *error)
{
    const char *name = options->name ? options->name : token->name;
    enum daemon_answer answer;

    if (!check_peers(config, name, token, error) || !store(config, name, token, error))
        return false;
    answer = daemon_reload(config->control, error);
    explain(config, name, token, answer == DAEMON_RELOADED);
    return answer != DAEMON_REFUSED;
}

int command_join(const struct cli_options *options)
{
    struct config *config = config_new();
    struct error error = {.text = "out of memory", .exit_code = EXIT_FAILED};
    struct token token;
    bool done = config && check_name(options, &error) &&
                config_load(config, options->config_path, &error) &&
                read_token(options, &token, &error) && join(config, options, &token, &error);

    sodium_memzero(&token, sizeof token);
    config_free(config);
    return done ? 0 : error_print(&error);
}
