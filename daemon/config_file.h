/* SPDX-License-Identifier: MIT
 *
 * config_file.h - one configuration file as a row of sections and options, each with its line.
 *
 * libinih splits an option from its value; the lines reach it through a reader of our own, which
 * counts them (inih tells its handler no line), takes away what people's editors add (byte order
 * mark, CR) and comments, and refuses what inih would quietly cut or glue: lines too long, control
 * characters, lines that are neither section nor option.
 */
#ifndef DAEMON_CONFIG_FILE_H
#define DAEMON_CONFIG_FILE_H

#include "error.h"

#include <dirent.h>
#include <stdbool.h>

/* What is called, in the order of the file; false stops the reading. */
struct config_file_handler {
    void *context;
    /* "[section]" without its brackets, blanks around it taken away */
    bool (*section)(void *context, int line, const char *section);
    /* "name = value": value may be "" */
    bool (*option)(void *context, int line, const char *name, const char *value);
};

/**
 * config_file_parse() - read a file
 * @error: EXIT_USAGE; set here when the file is at fault, else by the handler that returned false
 */
bool config_file_parse(const char *path, const struct config_file_handler *handler,
                       struct error *error);

/** config_file_filter() - scandir()'s: what is called NAME.conf and is not hidden */
int config_file_filter(const struct dirent *entry);

#endif
