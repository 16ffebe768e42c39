/* SPDX-License-Identifier: MIT
 *
 * invite_command.c - make a token for another home.
 *
 * The token line alone goes to standard output, so that it can be piped; all a person reads goes
 * to standard error. What the daemon must know is in state/invites/NAME before the line is shown.
 */
#include "../clock.h"
#include "../copy.h"
#include "../keyfile.h"
#include "../socket_address.h"
#include "../state.h"
#include "commands.h"
#include "daemon_client.h"
#include "peer_removal.h"
#include "reach_words.h"
#include "service.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool check_request(const struct cli_options *options, const char *name, struct error *error)
{
    if (!site_name_valid(name)) {
        error_set(error, EXIT_USAGE, "bad name: invite %s: use 1 to 32 of a-z, 0-9 and -", name);
        return false;
    }
    for (size_t i = 0; i < options->endpoint_count; i++)
        if (strlen(options->endpoint[i]) > TOKEN_ENDPOINT_CHARS ||
            !endpoint_text_valid(options->endpoint[i])) {
            error_set(error, EXIT_USAGE,
                      "bad endpoint: --endpoint %s: use HOST:PORT, or [IPv6]:PORT in brackets",
                      options->endpoint[i]);
            return false;
        }
    return true;
}

static bool check_peers(const struct config *config, const char *name, bool cancel,
                        struct error *error)
{
    struct peer_removal removal;

    if (strcmp(name, config->name) == 0) {
        error_set(error, EXIT_USAGE,
                  "bad name: invite %s: it is this home's own: give the other home another name",
                  name);
        return false;
    }
    if (!cancel && peer_removal_find(config, name, &removal)) {
        error_set(error, EXIT_FAILED, "%s %s: %s: to invite it anew, %s first", name,
                  config_find_peer(config, name) ? "is a peer already" : "has a file still",
                  removal.where, removal.what);
        return false;
    }
    if (config->peer_count < SITE_PEERS_MAX)
        return true;
    error_set(error, EXIT_FAILED, "too many peers: at most %d fit: remove some", SITE_PEERS_MAX);
    return false;
}

static void make_token(const struct config *config, const struct cli_options *options,
                       struct token *token)
{
    memset(token, 0, sizeof *token);
    memcpy(token->public_key, config->public_key, PUBLIC_KEY_BYTES);
    randombytes_buf(token->id, sizeof token->id);
    randombytes_buf(token->psk, sizeof token->psk);
    copy_text(token->name, sizeof token->name, config->name);
    for (size_t i = 0; i < options->endpoint_count; i++)
        copy_text(token->endpoint[token->endpoint_count++], CONFIG_ENDPOINT_SIZE,
                  options->endpoint[i]);
    daemon_candidates(config, &token->candidates);
}

static bool store_token(const struct config *config, const char *name, const struct token *token,
                        struct error *error)
{
    struct state_token stored = {0};
    bool good;

    memcpy(stored.id, token->id, TOKEN_ID_BYTES);
    memcpy(stored.psk, token->psk, PSK_BYTES);
    stored.until_unix_ms = clock_unix_ms() + config->token_lifetime_ms;
    good = state_remove_candidates(config, name, error) && /* of an invite that is replaced */
           state_store_token(config, STATE_INVITE, name, &stored, error);
    sodium_memzero(&stored, sizeof stored);
    return good;
}

static bool print_token(const struct token *token, struct error *error)
{
    char text[TOKEN_TEXT_SIZE];
    bool printed =
        token_encode(token, text, sizeof text) > 0 && puts(text) >= 0 && fflush(stdout) == 0;

    sodium_memzero(text, sizeof text);
    if (!printed)
        error_set(error, EXIT_FAILED, "cannot write the token: standard output is closed or full");
    return printed;
}

/* A number that means nothing on the Internet; the other home's own LAN may well have it, too. */
static bool is_private_endpoint(const char *text)
{
    struct endpoint endpoint;

    return endpoint_from_text(&endpoint, text) && ip_is_private(&endpoint.address);
}

static void explain_endpoints(const struct token *token)
{
    for (size_t i = 0; i < token->endpoint_count; i++)
        if (is_private_endpoint(token->endpoint[i]))
            fprintf(stderr,
                    "Note: --endpoint %s is a private address: nobody can call it from outside. "
                    "Give\nthe address that others see, and forward the port to this home.\n",
                    token->endpoint[i]);
}

static void explain_reach(const struct config *config, const char *name, const struct token *token)
{
    char words[REACH_WORDS_SIZE];

    explain_endpoints(token);
    if (token->endpoint_count == 0 && token->candidates.count == 0)
        fprintf(stderr, "Note: no --endpoint was given, and this home does not know its address: "
                        "the other home does\nnot learn where to call this one.\n");
    else if (token->endpoint_count == 0 && daemon_candidates_private(&token->candidates))
        fprintf(stderr, "Note: no --endpoint was given, and %s\n",
                reach_words_here(config, name, "invite again", words));
    else if (token->endpoint_count == 0)
        fprintf(stderr,
                "If %s is not up within a minute, this home cannot be called: then run 'lansplice "
                "accept'\nhere and paste the reply line that 'lansplice join' prints there.\n",
                name);
}

static void explain(const struct config *config, const char *name, const struct token *token,
                    bool daemon_runs)
{
    char fingerprint[TOKEN_FINGERPRINT_BYTES], until[16] = "";
    time_t end = (time_t)((clock_unix_ms() + config->token_lifetime_ms) / 1000);
    struct tm local;
    char words[SERVICE_WORDS_SIZE];
    bool terminal = isatty(STDOUT_FILENO);

    if (localtime_r(&end, &local))
        strftime(until, sizeof until, " (%H:%M)", &local);
    token_fingerprint(token, fingerprint);
    fprintf(stderr,
            "fingerprint: %s\n"
            "%s is a secret: it lets one machine join as %s, once, within %u minutes%s.\n"
            "Next: on the other router run 'lansplice join', %s, and compare\n"
            "the fingerprint it shows with the one here.\n",
            fingerprint, terminal ? "The line above" : "The token that was written", name,
            config->token_lifetime_ms / 60000, until,
            terminal ? "paste the line" : "give it that file");
    explain_reach(config, name, token);
    if (!daemon_runs)
        fprintf(stderr, "Note: no daemon is running here: start it with %s.\n",
                service_start(config->path, words));
}

/* The daemon must take the invite before anybody can use it; what it refuses is undone. */
static bool publish(const struct config *config, const char *name, const struct token *token,
                    struct error *error)
{
    enum daemon_answer answer;

    /* What is left of a join that was given up: it would outlive the enrolment. */
    if (!state_remove_token(config, STATE_JOINING, name, error) ||
        !store_token(config, name, token, error))
        return false;
    answer = daemon_reload(config, error);
    if (answer != DAEMON_REFUSED && print_token(token, error)) {
        explain(config, name, token, answer == DAEMON_RELOADED);
        return true;
    }
    state_remove_token(config, STATE_INVITE, name, NULL);
    return false;
}

/* Return: whether there was one */
static bool take_back(const struct config *config, const char *name, struct error *error)
{
    struct state_token token;
    bool found;

    if (!state_load_token(config, STATE_INVITE, name, &token, &found, error))
        return false;
    sodium_memzero(&token, sizeof token);
    if (!found) {
        error_set(error, EXIT_FAILED, "nothing to take back: %s: it has no open invitation", name);
        return false;
    }
    if (!state_remove_token(config, STATE_INVITE, name, error) ||
        daemon_reload(config, error) == DAEMON_REFUSED)
        return false;
    fprintf(stderr, "The invitation of %s is taken back: its token is worth nothing.\n", name);
    return true;
}

static bool make(const struct config *config, const struct cli_options *options, const char *name,
                 struct error *error)
{
    struct token token;
    bool published;

    keyfile_warn_if_readable(STDOUT_FILENO, "token");
    make_token(config, options, &token);
    published = publish(config, name, &token, error);
    sodium_memzero(&token, sizeof token);
    return published;
}

int command_invite(const struct cli_options *options)
{
    const char *name = options->argument[0];
    struct config *config = config_new();
    struct error error = {.text = "out of memory", .exit_code = EXIT_FAILED};
    bool done =
        config && check_request(options, name, &error) &&
        config_load(config, options->config_path, &error) &&
        check_peers(config, name, options->cancel, &error) &&
        (options->cancel ? take_back(config, name, &error) : make(config, options, name, &error));

    config_free(config);
    return done ? 0 : error_print(&error);
}
