/* SPDX-License-Identifier: MIT
 *
 * copy.h - copy a string into an array, whole or not at all.
 */
#ifndef DAEMON_COPY_H
#define DAEMON_COPY_H

#include <stdbool.h>
#include <stddef.h>

/** copy_text() - Return: false when @text and its NUL do not fit; @out is then "" */
bool copy_text(char *out, size_t capacity, const char *text);

#endif
