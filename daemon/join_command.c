/* SPDX-License-Identifier: MIT
 *
 * join_command.c - take a token another home made and make that home a peer.
 *
 * The token comes from a file, from standard input or from a prompt that does not echo; never as
 * an argument, which the shell's history and the process list would keep. On disk first the
 * secrets, last peers.d/NAME.conf, which makes the peer: cut short, nothing has happened.
 */
#include "clock.h"
#include "commands.h"
#include "daemon_client.h"
#include "files.h"
#include "peer_files.h"
#include "state.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum {
    TOKEN_INPUT_SIZE = 2 * TOKEN_TEXT_SIZE, /* mail and chat programs put blanks and lines in */
    CONTROL_C = 3,
};

/* ---- the prompt ---- */

static struct termios terminal_before; /* as on_signal() is to leave it */

static void on_signal(int number)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
    signal(number, SIG_DFL);
    raise(number);
}

static void catch_signals(void (*on)(int))
{
    static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        signal(ending[i], on);
}

/* Without echo, the token stays off the screen and out of its scrollback. ^C ends the line as a
 * character, so that the terminal is put right before the program ends. */
static bool set_quiet(void)
{
    struct termios quiet;

    if (tcgetattr(STDIN_FILENO, &terminal_before) < 0)
        return false;
    catch_signals(on_signal);
    quiet = terminal_before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    quiet.c_cc[VEOL] = CONTROL_C;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

static void set_as_before(void)
{
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
    catch_signals(SIG_DFL);
}

/* Editors and mail programs may put a byte order mark before it. */
static enum token_error decode(struct token *token, const char *text, size_t bytes)
{
    size_t mark = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

    return token_decode(token, text + mark, bytes - mark);
}

static bool is_blank(const char *text, size_t bytes)
{
    while (bytes && (text[bytes - 1] == ' ' || text[bytes - 1] == '\t' || text[bytes - 1] == '\r' ||
                     text[bytes - 1] == '\n'))
        bytes--;
    return bytes == 0;
}

/* Lines until they hold a token, or an empty one: a pasted token may be broken over several, and
 * have empty ones before it. */
static size_t read_lines(char *text, size_t capacity)
{
    struct token token;
    size_t used = 0;

    while (used < capacity) {
        ssize_t got = read(STDIN_FILENO, text + used, capacity - used);

        if (got <= 0 || memchr(text + used, CONTROL_C, (size_t)got))
            return 0;
        if (used == 0 && is_blank(text, (size_t)got))
            continue;
        used += (size_t)got;
        if (got == 1 || decode(&token, text, used) != TOKEN_CUT_SHORT)
            break;
    }
    sodium_memzero(&token, sizeof token);
    return used;
}

static size_t prompt(char *text, size_t capacity)
{
    bool quiet = set_quiet();
    size_t used;

    fprintf(stderr, "Paste the token and press Enter (it is not shown; ^C ends): ");
    used = read_lines(text, capacity);
    if (quiet)
        set_as_before();
    fprintf(stderr, "\n");
    return used;
}

/* ---- the token ---- */

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
        error_set(error, EXIT_FAILED, "cannot read the token: %s: %s%s", path, strerror(errno),
                  files_remedy(errno));
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
        wrong = decode(token, text, bytes);
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

/* Were both homes to join with each other's token, both tokens would end, and no home be let in. */
static bool check_invite(const struct config *config, const char *name, struct error *error)
{
    struct state_token ours;
    bool found, open;

    if (!state_load_token(config, STATE_INVITE, name, &ours, &found, error))
        return false;
    open = found && ours.until_unix_ms > clock_unix_ms();
    sodium_memzero(&ours, sizeof ours);
    if (open)
        error_set(
            error, EXIT_FAILED,
            "this home has invited %s itself: one token is enough: run 'lansplice join' there "
            "with the token made here, or take that back by 'lansplice invite %s --cancel'",
            name, name);
    return !open;
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
    return check_invite(config, name, error) &&
           peer_files_check(config, name, token->public_key, error);
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

/* A person at a terminal compares before anything is written. */
static bool confirm(struct error *error)
{
    char answer[16] = "";

    printf("Is it the one shown at the other home? [y/N] ");
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    error_set(
        error, EXIT_FAILED,
        "not joined: nothing was changed: compare the fingerprints, or have a new token made");
    return false;
}

static bool show_fingerprint(const struct config *config, const char *name,
                             const struct token *token, struct error *error)
{
    char fingerprint[TOKEN_FINGERPRINT_BYTES];

    token_fingerprint(token, fingerprint);
    printf("fingerprint: %s\n", fingerprint);
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        return confirm(error);
    printf("It must be the one that the invite printed at the other home; if it is not, remove\n"
           "%s/peers.d/%s.conf and reload (kill -HUP, or restart), and have a new token made.\n",
           config->directory, name);
    return true;
}

static void explain(const struct config *config, const char *name, const struct token *token,
                    enum daemon_answer answer)
{
    if (!token->endpoint_count)
        printf("Note: the token does not say where to call %s: add a line 'endpoint = HOST:PORT' "
               "to\n%s/peers.d/%s.conf.\n",
               name, config->directory, name);
    if (answer == DAEMON_RELOADED)
        printf("Next: 'lansplice status' shows when %s is up.\n", name);
    else if (answer == DAEMON_NONE)
        printf("Next: start the daemon with 'lansplice run'.\n");
    else
        printf("Note: the peer is written; the running daemon uses it at its next reload.\n");
}

static bool join(const struct config *config, const struct cli_options *options,
                 const struct token *token, struct error *error)
{
    const char *name = options->name ? options->name : token->name;
    enum daemon_answer answer;

    if (!check_peers(config, name, token, error) || !show_fingerprint(config, name, token, error) ||
        !store(config, name, token, error))
        return false;
    answer = daemon_reload(config->control, error);
    explain(config, name, token, answer);
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
