/* SPDX-License-Identifier: MIT
 *
 * main.c - lansplice-tools: what people call once in a while, to make homes known to each other
 * and to learn what is wrong. They type `lansplice COMMAND`; lansplice runs this.
 *
 * This folder is this program's alone. It takes what it shares with the daemon (configuration,
 * keys, state, messages) from the folder above.
 */
#include "../error.h"
#include "commands.h"
#include "doctor_command.h"

static cli_function *const commands[CLI_COMMANDS] = {
    [CLI_INIT] = command_init,     [CLI_INVITE] = command_invite, [CLI_JOIN] = command_join,
    [CLI_ACCEPT] = command_accept, [CLI_DOCTOR] = command_doctor,
};

static int refuse(char **argv)
{
    struct error error;

    error_set(&error, EXIT_USAGE, "not a command of %.200s: say 'lansplice COMMAND'", argv[0]);
    return error_print(&error);
}

int main(int argc, char **argv)
{
    return cli_main(argc, argv, commands, refuse);
}
