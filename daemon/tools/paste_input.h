/* SPDX-License-Identifier: MIT
 *
 * paste_input.h - read a line that somebody pastes: a token, a reply.
 *
 * It comes from a file, from standard input or from a prompt that does not echo; never as an
 * argument, which the shell's history and the process list would keep. People may paste all that
 * was printed: what stands in lines before and after it is left out.
 */
#ifndef PASTE_INPUT_H
#define PASTE_INPUT_H

#include "commands.h"
#include "tunnel/paste.h"

enum { PASTE_INPUT_SIZE = 2 * PASTE_TEXT_SIZE }; /* mail and chat programs put blanks in */

struct paste_kind {
    const char *name; /* "token" */
    const char *mark; /* with which it begins */
    /* Whether the line may go on: what there is of it is cut short. */
    bool (*is_cut_short)(const char *text, size_t bytes);
};

/**
 * paste_input_read() - read from what the command's argument names: FILE, or "-" if left out
 * @text: receives the line, or all of the text when there is none; it may hold a secret: wipe it
 * @bytes: receives its length
 */
bool paste_input_read(const struct cli_options *options, const struct paste_kind *kind,
                      char text[PASTE_INPUT_SIZE], size_t *bytes, struct error *error);

#endif
