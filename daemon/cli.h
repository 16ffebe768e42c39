/* SPDX-License-Identifier: MIT
 *
 * cli.h - the command line: options in any place, then one command of a table.
 *
 * Two programs share it: lansplice (main.c), the daemon and what scripts call, and lansplice-tools
 * (tools/main.c), what people type once in a while. Each says which functions it has; people type
 * `lansplice COMMAND` for all of them.
 */
#ifndef DAEMON_CLI_H
#define DAEMON_CLI_H

#include "config.h"

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

enum cli_command {
    CLI_INIT,
    CLI_INVITE,
    CLI_JOIN,
    CLI_ACCEPT,
    CLI_RUN,
    CLI_STATUS,
    CLI_DOCTOR,
    CLI_CHECK_CONFIG,
    CLI_GENKEY,
    CLI_PUBKEY,
    CLI_GENPSK,
    CLI_COMMANDS, /* how many */
};

/* Returns the exit code and has said on stderr what went wrong. */
typedef int cli_function(const struct cli_options *options);

/**
 * cli_main() - parse and run
 * @mine: What this program has, by command; NULL where it is the other's
 * @run_other: Called with @argv for a command of the other's, once its usage has been checked
 *
 * Before anything else: libsodium is ready, no file made is readable by others, and descriptors 0,
 * 1 and 2 are open.
 *
 * Return: the exit code: 0 fine, 1 failed, 2 wrong usage or configuration.
 */
int cli_main(int argc, char **argv, cli_function *const mine[CLI_COMMANDS],
             int (*run_other)(char **argv));

#endif
