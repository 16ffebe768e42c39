/* SPDX-License-Identifier: MIT
 *
 * error.h - errors as values: one line for a person and the exit code that belongs to it.
 *
 * A line reads "what went wrong: where (file:line, option, value): what to do". Whoever fails sets
 * it and returns false; whoever cannot go on prints it (or logs it) once.
 */
#ifndef DAEMON_ERROR_H
#define DAEMON_ERROR_H

enum {
    EXIT_FAILED = 1, /* the system would not */
    EXIT_USAGE = 2,  /* the command line or the configuration is wrong */
};

enum { ERROR_TEXT_SIZE = 512 };

struct error {
    char text[ERROR_TEXT_SIZE];
    int exit_code;
};

/**
 * error_set() - say what went wrong
 * @error: overwritten; may be NULL when the caller does not care
 * @exit_code: EXIT_FAILED or EXIT_USAGE
 * @format: printf(3)'s; a text too long is cut, and made fit for a terminal by text_tidy()
 */
void error_set(struct error *error, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * error_print() - "lansplice: " and the text, one line on stderr
 *
 * Return: the exit code, so that a command can end with `return error_print(&error)`.
 */
int error_print(const struct error *error);

#endif
