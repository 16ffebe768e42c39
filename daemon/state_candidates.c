/* SPDX-License-Identifier: MIT
 *
 * state_candidates.c - where an invited or inviting home says it can be called, and which invite a
 * reply belongs to; see state.h.
 */
#include "state.h"

#include "candidate_text.h"
#include "copy.h"
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_SIZE = CANDIDATES_MAX * (CANDIDATE_TEXT_SIZE + 1) + 1 };

static bool folder_of(const struct config *config, const char *sub, char out[CONFIG_PATH_SIZE],
                      struct error *error)
{
    char state[CONFIG_PATH_SIZE];

    if (!state_directory(config, state, error))
        return false;
    if (files_join_path(out, CONFIG_PATH_SIZE, state, sub))
        return true;
    error_set(error, EXIT_FAILED, "path too long: %s", state);
    return false;
}

static bool candidates_folder(const struct config *config, const char *name,
                              char out[CONFIG_PATH_SIZE], struct error *error)
{
    if (site_name_valid(name))
        return folder_of(config, "candidates", out, error);
    error_set(error, EXIT_FAILED, "bad peer name: use 1 to 32 of a-z, 0-9 and -");
    return false;
}

bool state_store_candidates(const struct config *config, const char *name,
                            const struct candidate_list *list, struct error *error)
{
    char folder[CONFIG_PATH_SIZE], text[FILE_SIZE], line[CANDIDATE_TEXT_SIZE];
    size_t used = 0;

    for (size_t i = 0; i < list->count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\n",
                                 candidate_text(&list->item[i], line));
    return candidates_folder(config, name, folder, error) && files_make_directory(folder, error) &&
           files_write(folder, name, text, used, 0600, error);
}

void state_load_candidates(const struct config *config, const char *name,
                           struct candidate_list *list)
{
    char folder[CONFIG_PATH_SIZE], text[FILE_SIZE], *rest = NULL;
    struct candidate candidate;
    bool found;

    memset(list, 0, sizeof *list);
    if (!candidates_folder(config, name, folder, NULL) ||
        !files_read(folder, name, text, sizeof text, &found, NULL))
        return;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (candidate_from_text(&candidate, line))
            candidate_add(list, &candidate);
}

bool state_remove_candidates(const struct config *config, const char *name, struct error *error)
{
    char folder[CONFIG_PATH_SIZE];

    return candidates_folder(config, name, folder, error) && files_remove(folder, name, error);
}

/* @name: of a file in invites. Return: false when that cannot be read */
static bool is_invite(const struct config *config, const char *name, const uint8_t *id,
                      struct state_token *token, bool *same, struct error *error)
{
    bool found;

    if (!state_load_token(config, STATE_INVITE, name, token, &found, error))
        return false;
    *same = found && sodium_memcmp(token->id, id, TOKEN_ID_BYTES) == 0;
    if (!*same)
        sodium_memzero(token, sizeof *token);
    return true;
}

static int is_token_file(const struct dirent *entry)
{
    return site_name_valid(entry->d_name);
}

bool state_find_invite(const struct config *config, const uint8_t id[TOKEN_ID_BYTES],
                       char name[SITE_NAME_MAX + 1], struct state_token *token, struct error *error)
{
    char folder[CONFIG_PATH_SIZE];
    struct dirent **entries = NULL;
    bool good = true, same = false;
    int count;

    name[0] = '\0';
    memset(token, 0, sizeof *token);
    if (!folder_of(config, "invites", folder, error))
        return false;
    count = scandir(folder, &entries, is_token_file, alphasort);
    if (count < 0 && errno == ENOENT)
        return true;
    if (count < 0) {
        error_set(error, EXIT_FAILED, "cannot read the invites: %s: %s%s", folder, strerror(errno),
                  files_remedy(errno));
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (good && !same)
            good = is_invite(config, entries[i]->d_name, id, token, &same, error);
        if (good && same && !name[0])
            copy_text(name, SITE_NAME_MAX + 1, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return good;
}
