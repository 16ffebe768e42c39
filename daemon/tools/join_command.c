/* SPDX-License-Identifier: MIT
 *
 * join_command.c - take a token another home made and make that home a peer.
 *
 * On disk first the secrets, last peers.d/NAME.conf, which makes the peer: cut short, nothing has
 * happened. Last comes the reply line: should neither home be callable, it tells the inviter where
 * this one is.
 */
#include "../clock.h"
#include "../copy.h"
#include "../peer_files.h"
#include "../state.h"
#include "commands.h"
#include "daemon_client.h"
#include "paste_input.h"
#include "peer_removal.h"
#include "reach_words.h"
#include "service.h"
#include "tunnel/reply.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    struct peer_removal removal;
    struct state_token pending;
    char words[SERVICE_WORDS_SIZE];
    bool joining = false;

    if (memcmp(token->public_key, config->public_key, PUBLIC_KEY_BYTES) == 0) {
        error_set(
            error, EXIT_FAILED,
            "this home made the token itself: run 'lansplice join' on the other home's router");
        return false;
    }
    if (strcmp(name, config->name) == 0) {
        error_set(error, EXIT_FAILED,
                  "both homes would be called %s: %s, and join again; or call that one something "
                  "else here by --name",
                  name, service_set(config->path, "name", "NAME", words));
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
    if (peer && !joining && peer_removal_find(config, name, &removal)) {
        error_set(error, EXIT_FAILED,
                  "%s is a peer already: %s: %s first, or join under another name by --name", name,
                  removal.where, removal.what);
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
             (token->candidates.count == 0 ||
              state_store_candidates(config, name, &token->candidates, error)) &&
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
    char fingerprint[TOKEN_FINGERPRINT_BYTES], words[SERVICE_WORDS_SIZE];

    token_fingerprint(token, fingerprint);
    printf("fingerprint: %s\n", fingerprint);
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        return confirm(error);
    printf("It must be the one that the invite printed at the other home; if it is not, remove\n"
           "%s/peers.d/%s.conf, then %s, and have a new token made.\n",
           config->directory, name, service_reload(config->path, words));
    return true;
}

/* Of two homes of which neither can call the other, the reply line notwithstanding. */
static void explain_reach(const struct config *config, const char *name, const struct token *token,
                          const struct candidate_list *ours)
{
    char words[REACH_WORDS_SIZE];

    if (token->endpoint_count > 0)
        return;
    if (reach_words_hopeless(ours, &token->candidates))
        printf("Note: %s\n",
               reach_words_here(config, name, "join again with the same token", words));
    if (reach_words_hopeless(&token->candidates, ours))
        printf("Note: %s\n", reach_words_there(name, "have a new token made", words));
}

/* What the inviter needs when its home cannot be called, and this one neither. */
static void print_reply(const struct config *config, const char *name, const struct token *token)
{
    struct reply reply = {.name = ""};
    uint8_t nonce[REPLY_NONCE_BYTES];
    char text[REPLY_TEXT_SIZE], fingerprint[TOKEN_FINGERPRINT_BYTES];

    daemon_candidates(config, &reply.candidates);
    explain_reach(config, name, token, &reply.candidates);
    if (reply.candidates.count == 0)
        return;
    copy_text(reply.name, sizeof reply.name, config->name);
    memcpy(reply.public_key, config->public_key, PUBLIC_KEY_BYTES);
    randombytes_buf(nonce, sizeof nonce);
    if (reply_encode(&reply, token, nonce, text, sizeof text) == 0)
        return;
    token_fingerprint_of(config->public_key, token->id, fingerprint);
    printf("If %s is not up within a minute, neither home can be called: then run 'lansplice "
           "accept'\nthere, too, and paste this line (it is no secret; the fingerprint it shows "
           "must be\n%s):\n%s\n",
           name, fingerprint, text);
}

static void explain(const struct config *config, const char *name, const struct token *token,
                    enum daemon_answer answer)
{
    char words[SERVICE_WORDS_SIZE];

    if (token->endpoint_count == 0 && token->candidates.count == 0)
        printf("Note: the token does not say where to call %s: add a line 'endpoint = HOST:PORT' "
               "to\n%s/peers.d/%s.conf, then %s.\n",
               name, config->directory, name, service_reload(config->path, words));
    if (answer == DAEMON_RELOADED)
        printf("Next: 'lansplice status' shows when %s is up.\n", name);
    else if (answer == DAEMON_NONE)
        printf("Next: start the daemon with %s. Should %s not be up a minute later, join with\n"
               "the same token once more while the daemon runs: that prints a reply line for "
               "'lansplice accept'.\n",
               service_start(config->path, words), name);
    else
        printf("Note: the peer is written, but the daemon has not taken it: mend what is said "
               "below, then\n%s.\n",
               service_reload(config->path, words));
}

static bool join(const struct config *config, const struct cli_options *options,
                 const struct token *token, struct error *error)
{
    const char *name = options->name ? options->name : token->name;
    enum daemon_answer answer;

    if (!check_peers(config, name, token, error) || !show_fingerprint(config, name, token, error) ||
        !store(config, name, token, error))
        return false;
    answer = daemon_reload(config, error);
    explain(config, name, token, answer);
    print_reply(config, name, token);
    return answer != DAEMON_REFUSED;
}

int command_join(const struct cli_options *options)
{
    struct config *config = config_new();
    struct error error = {.text = "out of memory", .exit_code = EXIT_FAILED};
    struct token token;
    bool done = config && check_name(options, &error) &&
                config_load(config, options->config_path, &error) &&
                paste_input_token(options, &token, &error) && join(config, options, &token, &error);

    sodium_memzero(&token, sizeof token);
    config_free(config);
    return done ? 0 : error_print(&error);
}
