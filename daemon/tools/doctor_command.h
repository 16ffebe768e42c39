/* SPDX-License-Identifier: MIT
 *
 * doctor_command.h - `lansplice doctor`: what is wrong here, what it means and what to do about it.
 */
#ifndef DOCTOR_COMMAND_H
#define DOCTOR_COMMAND_H

#include "../cli.h"

/**
 * command_doctor() - Look, judge and print; nothing is changed
 * @options: json: the report as it is, see doctor_report.h
 *
 * Return: exit code; 0 when all could be looked at, whatever was found
 */
int command_doctor(const struct cli_options *options);

#endif
