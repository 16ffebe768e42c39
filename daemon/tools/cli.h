/* SPDX-License-Identifier: MIT
 *
 * cli.h - the command line: options in any place, then one command of a table.
 */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

/**
 * cli_main() - parse and run
 *
 * Return: the exit code: 0 fine, 1 failed, 2 wrong usage or configuration.
 */
int cli_main(int argc, char **argv);

#endif
