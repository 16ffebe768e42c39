/* SPDX-License-Identifier: MIT
 *
 * commands.h - the commands of lansplice-tools; doctor has a header of its own.
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "../cli.h"

cli_function command_init, command_invite, command_join, command_accept;

#endif
