/* SPDX-License-Identifier: MIT
 *
 * accept_command.c - take the reply that `join` printed at the other home.
 *
 * It is needed when neither home can be called. It says where the joiner is; the daemon then sends
 * there, which opens the way in for the joiner's calls. It lets nobody in: that is the token's
 * business, and whoever wrote the reply has the token. Accepting it twice, or a later one, is fine.
 */
#include "../candidate_text.h"
#include "../state.h"
#include "commands.h"
#include "daemon_client.h"
#include "paste_input.h"
#include "reach_words.h"
#include "tunnel/reply.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* Of a reply to a token that is not open here. */
static void explain_unknown(const struct config *config, const struct reply_line *line,
                            struct error *error)
{
    if (reply_is_for(line, config->public_key))
        error_set(error, EXIT_FAILED,
                  "the token that this reply answers is not open any more: it is used, taken back, "
                  "replaced or too old: if the other home is not up, make a new one with "
                  "'lansplice invite'");
    else
        error_set(error, EXIT_FAILED,
                  "this reply is for another home: run 'lansplice accept' where the token was "
                  "made");
}

static bool find_invite(const struct config *config, const struct reply_line *line,
                        char name[SITE_NAME_MAX + 1], struct state_token *token,
                        struct error *error)
{
    if (!state_find_invite(config, line->id, name, token, error))
        return false;
    if (!name[0]) {
        explain_unknown(config, line, error);
        return false;
    }
    if (token->bound || state_token_left_ms(config, token) > 0)
        return true;
    error_set(error, EXIT_FAILED,
              "the invitation of %s has expired: make a new one with 'lansplice invite %s'", name,
              name);
    return false;
}

/* Where we may send at all; what is left may be nothing. */
static void drop_unusable(struct candidate_list *list)
{
    uint8_t kept = 0;

    for (uint8_t i = 0; i < list->count; i++)
        if (candidate_usable(&list->item[i]))
            list->item[kept++] = list->item[i];
    list->count = kept;
}

static bool check_reply(const struct config *config, const char *name,
                        const struct state_token *token, struct reply *reply, struct error *error)
{
    drop_unusable(&reply->candidates);
    if (memcmp(reply->public_key, config->public_key, PUBLIC_KEY_BYTES) == 0)
        error_set(error, EXIT_FAILED,
                  "this home wrote the reply itself: run 'lansplice join' on "
                  "the other home's router");
    else if (token->bound && memcmp(token->key, reply->public_key, PUBLIC_KEY_BYTES) != 0)
        error_set(error, EXIT_FAILED,
                  "another home has used the token already: take it back with 'lansplice invite "
                  "%s --cancel' if that was not meant to be",
                  name);
    else if (reply->candidates.count == 0)
        error_set(error, EXIT_FAILED,
                  "the reply does not say where the other home is: run "
                  "'lansplice join' there once more while its daemon runs");
    else
        return true;
    return false;
}

static bool open_reply(const struct config *config, const struct reply_line *line,
                       char name[SITE_NAME_MAX + 1], struct reply *reply, struct error *error)
{
    struct state_token token;
    bool good = find_invite(config, line, name, &token, error);

    if (good && !reply_open(reply, line, token.psk)) {
        error_set(error, EXIT_FAILED,
                  "the reply was not written with the token for %s: have 'lansplice join' print "
                  "it anew",
                  name);
        good = false;
    }
    good = good && check_reply(config, name, &token, reply, error);
    sodium_memzero(&token, sizeof token);
    return good;
}

/* Each address once: of one that has several ports, the address alone. */
static void print_candidates(const struct candidate_list *list)
{
    char text[CANDIDATE_TEXT_SIZE], before[CANDIDATE_TEXT_SIZE] = "";

    for (uint8_t i = 0; i < list->count; i++) {
        candidate_text(&list->item[i], text);
        text[strcspn(text, " ")] = '\0';
        if (strcmp(text, before) != 0)
            printf("  %s\n", text);
        memcpy(before, text, sizeof before);
    }
}

/* The token may have had an endpoint, but then this would not be needed. */
static void explain_reach(const struct config *config, const char *name,
                          const struct candidate_list *theirs)
{
    char words[REACH_WORDS_SIZE];
    struct candidate_list ours;

    daemon_candidates(config, &ours);
    if (reach_words_hopeless(&ours, theirs))
        printf("Note: %s\n", reach_words_here(config, name, "invite again", words));
    if (reach_words_hopeless(theirs, &ours))
        printf(
            "Note: %s\n",
            reach_words_there(name, "run 'lansplice join' there with the same token again", words));
}

static void explain(const struct config *config, const char *name, const struct reply_line *line,
                    const struct reply *reply, enum daemon_answer answer)
{
    char words[SERVICE_WORDS_SIZE];
    char fingerprint[TOKEN_FINGERPRINT_BYTES];

    token_fingerprint_of(reply->public_key, line->id, fingerprint);
    printf("%s calls itself %s; fingerprint: %s\n"
           "It must be the one that 'lansplice join' printed above the reply line there.\n",
           name, reply->name, fingerprint);
    if (answer == DAEMON_RELOADED) {
        printf("%s is being called now, at\n", name);
        print_candidates(&reply->candidates);
        explain_reach(config, name, &reply->candidates);
        printf("That may take a minute. Next: 'lansplice status' shows when %s is up.\n", name);
    } else if (answer == DAEMON_NONE)
        printf("Next: start the daemon with %s.\n", service_start(config->path, words));
}

static bool accept_reply(const struct config *config, const struct reply_line *line,
                         struct error *error)
{
    char name[SITE_NAME_MAX + 1];
    struct reply reply;
    enum daemon_answer answer;

    if (!open_reply(config, line, name, &reply, error) ||
        !state_store_candidates(config, name, &reply.candidates, error))
        return false;
    answer = daemon_reload(config, error);
    explain(config, name, line, &reply, answer);
    return answer != DAEMON_REFUSED;
}

int command_accept(const struct cli_options *options)
{
    struct config *config = config_new();
    struct error error = {.text = "out of memory", .exit_code = EXIT_FAILED};
    struct reply_line line;
    bool done = config && config_load(config, options->config_path, &error) &&
                paste_input_reply(options, &line, &error) && accept_reply(config, &line, &error);

    config_free(config);
    return done ? 0 : error_print(&error);
}
