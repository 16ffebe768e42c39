/* SPDX-License-Identifier: MIT
 *
 * commands.h - the commands of lansplice itself, but for the running daemon's (run.h,
 * status_command.h); those of lansplice-tools are in tools/commands.h.
 */
#ifndef DAEMON_COMMANDS_H
#define DAEMON_COMMANDS_H

#include "cli.h"

cli_function command_check_config, command_genkey, command_pubkey, command_genpsk;

#endif
