/* SPDX-License-Identifier: MIT
 *
 * commands.h - what the command line offers, one function each; cli.c chooses among them.
 *
 * Each returns the exit code and has said on stderr what went wrong. Those of the running daemon
 * stand in run.h and status_command.h; doctor has a header of its own.
 */
#ifndef DAEMON_COMMANDS_H
#define DAEMON_COMMANDS_H

#include "config.h"

struct cli_options {
    const char *config_path;
    const char *name; /* --name, or NULL */
    size_t endpoint_count;
    const char *endpoint[CONFIG_ENDPOINTS_MAX]; /* --endpoint, not checked yet */
    bool cancel, json, watch, verbose;
    int argument_count; /* what follows the command */
    char **argument;
};

int command_init(const struct cli_options *options);
int command_invite(const struct cli_options *options);
int command_join(const struct cli_options *options);
int command_accept(const struct cli_options *options);
int command_check_config(const struct cli_options *options);
int command_genkey(const struct cli_options *options);
int command_pubkey(const struct cli_options *options);
int command_genpsk(const struct cli_options *options);

#endif
