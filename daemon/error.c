/* SPDX-License-Identifier: MIT
 *
 * error.c - see error.h
 */
#include "error.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>

void error_set(struct error *error, int exit_code, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return;
    error->exit_code = exit_code;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    text_tidy(error->text);
}

int error_print(const struct error *error)
{
    fprintf(stderr, "lansplice: %s\n", error->text);
    return error->exit_code;
}
