/* SPDX-License-Identifier: MIT
 *
 * state_candidates.c - where an invited or inviting home says it can be called, and which invite a
 * reply belongs to; see state.h.
 */
#include "state.h"

#include "candidate_text.h"
#include "copy.h"
#include "files.h"
#include "state_folder.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_SIZE = CANDIDATES_MAX * (CANDIDATE_TEXT_SIZE + 1) + 1 };

static bool candidates_folder(const struct config *config, const char *name,
                              char out[CONFIG_PATH_SIZE], struct error *error)
{
    return config_check_name(name, error) &&
           state_folder_path(config->directory, STATE_FOLDER_CANDIDATES, out, error);
}

bool state_store_candidates(const struct config *config, const char *name,
                            const struct candidate_list *list, struct error *error)
{
    char folder[CONFIG_PATH_SIZE], text[FILE_SIZE], line[CANDIDATE_TEXT_SIZE];
    size_t used = 0;

    for (size_t i = 0; i < list->count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\n",
                                 candidate_text(&list->item[i], line));
    return config_check_name(name, error) &&
           state_folder_make(config->directory, STATE_FOLDER_CANDIDATES, folder, error) &&
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

bool state_find_invite(const struct config *config, const uint8_t id[TOKEN_ID_BYTES],
                       char name[SITE_NAME_MAX + 1], struct state_token *token, struct error *error)
{
    struct dirent **entries;
    int count;
    bool good = state_folder_invites(config->directory, &entries, &count, error), same = false;

    name[0] = '\0';
    memset(token, 0, sizeof *token);
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
