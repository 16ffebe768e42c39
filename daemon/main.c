/* SPDX-License-Identifier: MIT
 *
 * main.c - lansplice: the daemon, and what scripts call. What only people call is a program of its
 * own beside it, lansplice-tools, so that little flash and memory is taken by what always runs.
 */
#include "cli.h"
#include "commands.h"
#include "run.h"
#include "status_command.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char tools[] = "/lansplice-tools";

static cli_function *const commands[CLI_COMMANDS] = {
    [CLI_RUN] = command_run,
    [CLI_STATUS] = command_status,
    [CLI_CHECK_CONFIG] = command_check_config,
    [CLI_GENKEY] = command_genkey,
    [CLI_PUBKEY] = command_pubkey,
    [CLI_GENPSK] = command_genpsk,
};

static int run_tools(char **argv)
{
    char mine[PATH_MAX] = "", path[PATH_MAX + sizeof tools];
    struct error error;

    if (readlink("/proc/self/exe", mine, sizeof mine - 1) > 0) {
        snprintf(path, sizeof path, "%s%s", dirname(mine), tools);
        execv(path, argv);
    }
    error_set(&error, EXIT_FAILED, "cannot run %s: %s: it belongs beside lansplice, in its folder",
              mine[0] ? path : tools + 1, strerror(errno));
    return error_print(&error);
}

int main(int argc, char **argv)
{
    return cli_main(argc, argv, commands, run_tools);
}
