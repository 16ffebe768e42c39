/* SPDX-License-Identifier: MIT
 *
 * config_file.c - see config_file.h
 */
#include "config_file.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
    const char *path;
    FILE *stream;
    int line;
    bool failed;
    const struct config_file_handler *handler;
    struct error *error;
};

static bool fail(struct reading *reading, const char *what, const char *remedy)
{
    reading->failed = true;
    error_set(reading->error, EXIT_USAGE, "%s: %s:%d: %s", what, reading->path, reading->line,
              remedy);
    return false;
}

/* One line without its end. Return: false at the end of the file, or when the line is refused. */
static bool read_raw_line(struct reading *reading, char *out, size_t capacity)
{
    size_t bytes = 0;
    int c;

    reading->line++;
    while ((c = getc(reading->stream)) != EOF && c != '\n') {
        if (bytes + 1 >= capacity)
            return fail(reading, "line too long", "shorten it or its comment");
        if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
            return fail(reading, "not text", "save the file as plain UTF-8 text");
        out[bytes++] = (char)c;
    }
    out[bytes] = '\0';
    if (c == EOF && ferror(reading->stream))
        return fail(reading, "cannot read the configuration", strerror(errno));
    return c == '\n' || bytes > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* A comment begins with ; or # at the start of the line or after a blank. */
static void cut_comment(char *line)
{
    for (char *c = line; *c; c++)
        if ((*c == ';' || *c == '#') && (c == line || is_blank(c[-1]))) {
            *c = '\0';
            return;
        }
}

static char *trim(char *text)
{
    size_t bytes;

    while (is_blank(*text))
        text++;
    bytes = strlen(text);
    while (bytes && is_blank(text[bytes - 1]))
        bytes--;
    text[bytes] = '\0';
    return text;
}

static bool begin_section(struct reading *reading, char *line)
{
    size_t bytes = strlen(line);

    if (line[bytes - 1] != ']')
        return fail(reading, "bad section", "write it as [site] or [peer NAME]");
    line[bytes - 1] = '\0';
    reading->failed =
        !reading->handler->section(reading->handler->context, reading->line, trim(line + 1));
    return !reading->failed;
}

/* inih's reader, shaped as fgets(): hands it nothing but options; NULL ends the file. */
static char *next_option(char *out, int capacity, void *context)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct reading *reading = context;

    while (!reading->failed && read_raw_line(reading, out, (size_t)capacity)) {
        char *line = out;

        if (reading->line == 1 && strncmp(line, byte_order_mark, 3) == 0)
            line += 3;
        cut_comment(line);
        line = trim(line);
        if (line[0] == '[') {
            if (!begin_section(reading, line))
                return NULL;
        } else if (line[0]) {
            if (!strchr(line, '=')) {
                fail(reading, "neither [section] nor option", "write it as option = value");
                return NULL;
            }
            memmove(out, line, strlen(line) + 1);
            return out;
        }
    }
    return NULL;
}

static int on_option(void *context, const char *section, const char *name, const char *value)
{
    struct reading *reading = context;

    (void)section;
    if (!reading->failed)
        reading->failed =
            !reading->handler->option(reading->handler->context, reading->line, name, value);
    return !reading->failed;
}

static const char *remedy(const char *path, int code)
{
    struct stat status;

    if (code != ENOENT)
        return files_remedy(code);
    if (lstat(path, &status) == 0)
        return ": it is a link that leads nowhere: mend or remove it";
    return ": make one with 'lansplice init'";
}

/* A pipe or a device must not make us wait. */
static FILE *open_file(const char *path, struct error *error)
{
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), code = errno;
    struct stat status;
    FILE *stream = NULL;

    if (file < 0)
        error_set(error, EXIT_USAGE, "cannot read the configuration: %s: %s%s", path,
                  strerror(code), remedy(path, code));
    else if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode))
        error_set(error, EXIT_USAGE, "cannot read the configuration: %s: not a regular file: %s",
                  path, S_ISDIR(status.st_mode) ? "name a file in it" : "remove it");
    else
        stream = fdopen(file, "r");
    if (file >= 0 && !stream)
        close(file);
    return stream;
}

bool config_file_parse(const char *path, const struct config_file_handler *handler,
                       struct error *error)
{
    struct reading reading = {.path = path, .handler = handler, .error = error};
    int code;

    reading.stream = open_file(path, error);
    if (!reading.stream)
        return false;
    code = ini_parse_stream(next_option, &reading, on_option, &reading);
    if (code != 0 && !reading.failed)
        fail(&reading, "not understood", "write options as option = value");
    fclose(reading.stream);
    return !reading.failed;
}

int config_file_filter(const struct dirent *entry)
{
    size_t bytes = strlen(entry->d_name);

    return entry->d_name[0] != '.' && bytes > 5 && strcmp(entry->d_name + bytes - 5, ".conf") == 0;
}
