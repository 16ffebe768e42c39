/* SPDX-License-Identifier: MIT
 *
 * status_command.h - `lansplice status`: what the running daemon says, for people or programs.
 */
#ifndef STATUS_COMMAND_H
#define STATUS_COMMAND_H

#include "cli.h"

/**
 * command_status() - Ask the daemon of this configuration and print
 * @options: json: the daemon's object as it is; watch: again each second, until interrupted
 *
 * Return: exit code; 1 when no daemon answers
 */
int command_status(const struct cli_options *options);

#endif
