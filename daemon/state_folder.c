/* SPDX-License-Identifier: MIT
 *
 * state_folder.c - see state_folder.h
 */
#include "state_folder.h"

#include "copy.h"
#include "files.h"

#include <errno.h>
#include <string.h>

/* In the configuration's folder. */
static const char name[] = "state";

bool state_folder_path(const char *home, const char *sub, char out[CONFIG_PATH_SIZE],
                       struct error *error)
{
    char folder[CONFIG_PATH_SIZE];

    if (files_join_path(folder, sizeof folder, home, name) &&
        (sub == NULL ? copy_text(out, CONFIG_PATH_SIZE, folder)
                     : files_join_path(out, CONFIG_PATH_SIZE, folder, sub)))
        return true;
    error_set(error, EXIT_FAILED, "path too long: %s: use a folder with a shorter one", home);
    return false;
}

bool state_folder_make(const char *home, const char *sub, char out[CONFIG_PATH_SIZE],
                       struct error *error)
{
    return state_folder_path(home, NULL, out, error) && files_make_directory(out, error) &&
           (sub == NULL ||
            (state_folder_path(home, sub, out, error) && files_make_directory(out, error)));
}

static int is_token_file(const struct dirent *entry)
{
    return site_name_valid(entry->d_name);
}

bool state_folder_invites(const char *home, struct dirent ***entries, int *count,
                          struct error *error)
{
    char folder[CONFIG_PATH_SIZE];

    *count = 0;
    *entries = NULL;
    if (!state_folder_path(home, STATE_FOLDER_INVITES, folder, error))
        return false;
    int found = scandir(folder, entries, is_token_file, alphasort);
    if (found < 0)
        *entries = NULL;
    if (found < 0 && errno != ENOENT) {
        error_set(error, EXIT_FAILED, "cannot read the invites: %s: %s%s", folder, strerror(errno),
                  files_remedy(errno));
        return false;
    }
    *count = found < 0 ? 0 : found;
    return true;
}

bool state_folder_check_owner(const char *home, struct error *error)
{
    static const char *const parts[] = {
        NULL,
        STATE_FILE_ORDER,
        STATE_FILE_ENDPOINTS,
        STATE_FILE_PORT,
        STATE_FOLDER_INVITES,
        STATE_FOLDER_JOINING,
        STATE_FOLDER_CANDIDATES,
    };
    char path[CONFIG_PATH_SIZE];

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (state_folder_path(home, parts[i], path, NULL) && !files_check_owner(path, home, error))
            return false;
    return true;
}
