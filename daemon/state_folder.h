/* SPDX-License-Identifier: MIT
 *
 * state_folder.h - where the state folder is and what the files and folders in it are called;
 * state.h says what they hold.
 */
#ifndef STATE_FOLDER_H
#define STATE_FOLDER_H

#include "config.h"

#include <dirent.h>

#define STATE_FILE_ORDER        "order"
#define STATE_FILE_ENDPOINTS    "endpoints"
#define STATE_FILE_PORT         "port"
#define STATE_FOLDER_INVITES    "invites"
#define STATE_FOLDER_JOINING    "joining"
#define STATE_FOLDER_CANDIDATES "candidates"

/**
 * state_folder_path() - the state folder's path, or that of a folder in it; nothing is made
 * @home: the configuration's folder
 * @sub: STATE_FOLDER_...; NULL: the state folder itself
 */
bool state_folder_path(const char *home, const char *sub, char out[CONFIG_PATH_SIZE],
                       struct error *error);

/** state_folder_make() - the same, and what is missing of it is made, with mode 0700 */
bool state_folder_make(const char *home, const char *sub, char out[CONFIG_PATH_SIZE],
                       struct error *error);

/**
 * state_folder_invites() - the names of the peers with an invite, sorted
 * @entries: receives them; the caller frees each, and then the array
 * @count: receives how many; 0, and NULL to free, where there is no such folder or on an error
 */
bool state_folder_invites(const char *home, struct dirent ***entries, int *count,
                          struct error *error);

/** state_folder_check_owner() - whether all that is written or removed there is root's or ours */
bool state_folder_check_owner(const char *home, struct error *error);

#endif
