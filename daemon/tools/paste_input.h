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
#include "tunnel/reply.h"
#include "tunnel/token.h"

/**
 * paste_input_token() - read what the command's argument names: FILE, or "-" if left out
 * @token: a secret: wipe it, also when this fails
 *
 * Return: false with @error, which says what to do instead
 */
bool paste_input_token(const struct cli_options *options, struct token *token, struct error *error);

/** paste_input_reply() - the same of a reply, which is none */
bool paste_input_reply(const struct cli_options *options, struct reply_line *line,
                       struct error *error);

#endif
