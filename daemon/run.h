/* SPDX-License-Identifier: MIT
 *
 * run.h - `lansplice run`: the daemon, in the foreground.
 */
#ifndef RUN_H
#define RUN_H

/**
 * command_run() - Run until SIGTERM or SIGINT; SIGHUP reloads; after start_program()
 *
 * Return: exit code; every failure has been printed as one line and everything undone
 */
int command_run(const char *config_path);

#endif
