/* SPDX-License-Identifier: MIT
 *
 * commands.h - what the command line offers, one function each; cli.c chooses among them.
 *
 * Each returns the exit code and has said on stderr what went wrong.
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "../config.h"

#include <stdio.h>

struct cli_options {
    const char *config_path;
    const char *name; /* --name, or NULL */
    size_t endpoint_count;
    const char *endpoint[CONFIG_ENDPOINTS_MAX]; /* --endpoint, not checked yet */
    bool cancel, json, watch, verbose;
    int argument_count; /* what follows the command */
    char **argument;
    FILE *input; /* the argument, opened, when it is a file's name; else NULL */
};

int command_init(const struct cli_options *options);
int command_invite(const struct cli_options *options);
int command_join(const struct cli_options *options);
int command_accept(const struct cli_options *options);
int command_check_config(const struct cli_options *options);
int command_genkey(const struct cli_options *options);
int command_pubkey(const struct cli_options *options);
int command_genpsk(const struct cli_options *options);

/** command_status() - Ask the daemon and print; json: its object as it is; watch: each second */
int command_status(const struct cli_options *options);

/** command_doctor() - Look, judge and print (json: see doctor_report.h); nothing is changed */
int command_doctor(const struct cli_options *options);

#endif
