/* SPDX-License-Identifier: MIT
 *
 * keyfile.h - 32-byte keys as text, as wg(8) writes them, and the files that hold secret ones.
 */
#ifndef DAEMON_KEYFILE_H
#define DAEMON_KEYFILE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEY_BYTES = 32, KEY_TEXT_SIZE = 45 }; /* 44 characters of base64 and a NUL */

/** key_generate() - a new private key; the caller wipes it */
void key_generate(uint8_t key[KEY_BYTES]);

/** key_to_text() - base64 with padding; the text of a secret is a secret */
void key_to_text(char out[KEY_TEXT_SIZE], const uint8_t key[KEY_BYTES]);

/** key_from_text() - base64 of exactly 32 bytes, nothing before or after; else false */
bool key_from_text(uint8_t key[KEY_BYTES], const char *text);

/**
 * keyfile_read() - read a secret key
 * @path: a regular file of root's or the caller's that only its owner can read, holding
 *        base64 of 32 bytes and blanks
 * @where: for the message: what names the file, as "file:line: option"
 * @missing: for the message: what to do when there is none, as "is missing: make one"
 * @error: EXIT_USAGE
 */
bool keyfile_read(uint8_t key[KEY_BYTES], const char *path, const char *where, const char *missing,
                  struct error *error);

/**
 * keyfile_read_text() - the same for any secret text of less than @capacity bytes
 * @out: receives the text and a NUL; wiped when false is returned
 */
bool keyfile_read_text(char *out, size_t capacity, const char *path, const char *where,
                       struct error *error);

/** keyfile_warn_if_readable() - when others can read the file a secret (@what) is written to */
void keyfile_warn_if_readable(int file, const char *what);

#endif
