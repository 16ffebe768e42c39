/* SPDX-License-Identifier: MIT
 *
 * files.h - small files written so that a power cut leaves the old or the new one, whole.
 *
 * A file is written beside its place as .NAME.tmp, synced, renamed over it, and its folder is
 * synced. What a crash left of an earlier try is removed first. Symbolic links are not followed
 * at the last step; names must not contain '/'.
 */
#ifndef DAEMON_FILES_H
#define DAEMON_FILES_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * files_write() - replace a file, atomically and durably
 * @directory: its folder
 * @name: in that folder
 * @mode: of the file, whatever the umask is
 */
bool files_write(const char *directory, const char *name, const void *data, size_t bytes,
                 mode_t mode, struct error *error);

/** files_write_new() - the same, but a file of that name is an error (EEXIST in errno) */
bool files_write_new(const char *directory, const char *name, const void *data, size_t bytes,
                     mode_t mode, struct error *error);

/**
 * files_read() - read a small file whole
 * @out: receives the text and a NUL
 * @capacity: of @out; a file that does not fit is an error
 * @found: receives whether there is one
 *
 * Return: false when there is one that cannot be read; @out is then ""
 */
bool files_read(const char *directory, const char *name, char *out, size_t capacity, bool *found,
                struct error *error);

/** files_remedy() - What to do about an errno: ": and some words", or "" */
const char *files_remedy(int code);

/** files_are_ours() - Whether a file or folder, if there is one, is root's or ours */
bool files_are_ours(const char *path);

/**
 * files_check_owner() - files_are_ours(), with a message
 * @folder: all of which should belong to whom @path should
 * @error: EXIT_USAGE
 */
bool files_check_owner(const char *path, const char *folder, struct error *error);

/** files_remove() - durably; fine when there is none */
bool files_remove(const char *directory, const char *name, struct error *error);

/** files_make_directory() - with mode 0700; one that is there stays as it is */
bool files_make_directory(const char *path, struct error *error);

/**
 * files_join_path() - "directory/name", or @name alone when it is absolute
 *
 * Return: false when it does not fit; @out is then ""
 */
bool files_join_path(char *out, size_t capacity, const char *directory, const char *name);

#endif
