/* SPDX-License-Identifier: MIT
 *
 * main.c - lansplice-tools: every command but the daemon. People and scripts say `lansplice
 * COMMAND`; lansplice runs this.
 *
 * This folder is this program's alone. It takes what it shares with the daemon (configuration,
 * keys, state, messages) from the folder above.
 */
#include "../start.h"
#include "cli.h"

int main(int argc, char **argv)
{
    struct error error;

    return start_program(&error) ? cli_main(argc, argv) : error_print(&error);
}
